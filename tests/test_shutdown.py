"""A server that is told to stop refuses what is new, lets what runs end, tells everybody, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from filelock import FileLock
from websockets.exceptions import ConnectionClosed

from rag import answers
from rag.chat import Question
from rag.protocol import Stream
from web import stopping
from web.keys import ANSWERS, CLOSING, SOCKETS

from .app_client import Client, Parts
from .bench import stops
from .conftest import SCRIPTED, start_server
from .fakes import PATIENCE, until
from .socket_client import LAST, Event, open_socket
from .test_parsing import alive

ASKED = "what is the answer"
STOPPING = "WS-006-SERVER_STOPPING"


async def ask(socket: aiohttp.ClientWebSocketResponse, message_id: str, session: str = "s") -> None:
    await socket.send_json({"type": "message", "message_id": message_id, "content": ASKED, "session_id": session})


async def rest(socket: aiohttp.ClientWebSocketResponse) -> tuple[list[Event], Any]:
    """All events until the socket is closed, and the code of that."""
    events = []
    while (message := await asyncio.wait_for(socket.receive(), PATIENCE)).type is aiohttp.WSMsgType.TEXT:
        events.append(json.loads(message.data))
    return events, message.data


def lasts(events: list[Event]) -> list[tuple[str, str]]:
    return [
        (event["message_id"], event.get("error_code") or event["finish_reason"])
        for event in events
        if event["type"] in LAST
    ]


@pytest.fixture
async def draining(client: Client) -> AsyncIterator[Any]:
    """Begins the stop. It has ended when the test has."""
    begun: list[asyncio.Task[None]] = []

    async def begin() -> asyncio.Task[None]:
        begun.append(asyncio.create_task(stopping.drain(client.app)))
        await until(client.app[CLOSING].is_set)
        return begun[0]

    yield begin
    await asyncio.wait_for(asyncio.gather(*begun), PATIENCE)


async def test_what_runs_ends_and_what_is_new_is_refused(parts: Parts, client: Client, draining: Any) -> None:
    go_on = asyncio.Event()
    parts.generator.wait = lambda: go_on
    idle = await client.ws_connect("/chat-ws?session_id=idle")
    busy = await client.ws_connect("/chat-ws?session_id=s")
    await ask(busy, "runs")
    assert (await busy.receive_json(timeout=PATIENCE))["type"] == "stream_start"
    whole = asyncio.create_task(client.post("/chat", json={"message": ASKED}))
    await until(lambda: len(client.app[ANSWERS]) == 2)
    stopped = await draining()
    assert await rest(idle) == ([], 1001)
    async with client.get("/health") as response:
        assert (response.status, (await response.json())["status"]) == (503, "stopping")
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await client.ws_connect("/chat-ws?session_id=new")
    assert refused.value.status == 503
    async with client.post("/chat", json={"message": ASKED}) as response:
        assert (response.status, response.headers["Retry-After"]) == (503, "14")
        assert (await response.json())["error_code"] == STOPPING
    async with client.get("/sessions") as response:
        assert response.status == 200, "looking is no work"
    await ask(busy, "late")
    assert not stopped.done()
    go_on.set()
    events, code = await rest(busy)
    assert lasts(events) == [("runs", "stop"), ("late", STOPPING)]
    assert code == 1001
    assert (await whole).status == 200
    await asyncio.wait_for(stopped, PATIENCE)
    assert [turn.message_id for turn in await parts.sessions.turns("s")] == ["runs"]


async def test_an_answer_that_does_not_end_is_cut_and_says_so(
    parts: Parts, client: Client, draining: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stopping, "GRACE", 0.1)
    never = asyncio.Event()
    parts.generator.wait = lambda: never
    opened = await client.ws_connect("/chat-ws?session_id=s&sources=late")
    for message_id in ("runs", "waits"):
        await ask(opened, message_id)
    whole = asyncio.create_task(client.post("/chat", json={"message": ASKED}))
    await until(lambda: len(client.app[ANSWERS]) == 3)
    assert (await opened.receive_json(timeout=PATIENCE))["type"] == "stream_start"
    await draining()
    events, code = await rest(opened)
    assert [event["type"] for event in events] == ["stream_sources", "stream_error", "stream_error"]
    assert lasts(events) == [("runs", STOPPING), ("waits", STOPPING)]
    assert code == 1001
    assert (await whole).status == 503
    assert await parts.sessions.turns("s") == []


async def test_an_answer_that_had_not_begun_is_cut_too(client: Client) -> None:
    """Cancelled before its first step, it never learns that it was there."""
    kept = answers.Answers()

    async def events() -> AsyncIterator[Any]:
        yield None

    question = Question(ASKED, Stream("m", "s", time.monotonic), asyncio.Event())  # type: ignore[arg-type]
    answer = kept.begin(question, events())  # type: ignore[arg-type]
    reader = answer.read(0, early_sources=False, thinking=False)
    await kept.close()
    (last,) = await asyncio.wait_for(reader.more(), PATIENCE)
    assert last.error.code == STOPPING  # type: ignore[union-attr]


async def test_readers_that_have_stalled_are_aborted(
    parts: Parts, client: Client, draining: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stopping, "FAREWELL", 0.2)
    parts.generator.reply = "word " * 20_000
    stalled = []
    for number in range(5):
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        raw.setblocking(False)
        await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", client.port))
        text = json.dumps({"type": "message", "message_id": "m", "content": ASKED, "session_id": f"s{number}"}).encode()
        head = (
            f"GET /chat-ws?session_id=s{number} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        # A mask of zeros leaves the text as it is.
        frame = b"\x81\xfe" + len(text).to_bytes(2, "big") + bytes(4) + text
        await asyncio.get_running_loop().sock_sendall(raw, head.encode() + frame)
        stalled.append(raw)
    await until(lambda: len(client.app[ANSWERS]) == 5)
    await asyncio.wait_for(await draining(), PATIENCE)
    await until(lambda: not client.app[SOCKETS])
    for raw in stalled:
        raw.close()


async def test_an_upload_in_the_middle_of_its_body_may_end_or_leaves_nothing(
    parts: Parts, client: Client, draining: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    incoming = parts.ingester.incoming.folder
    half, go_on = asyncio.Event(), asyncio.Event()

    async def body(name: str, wait: asyncio.Event) -> AsyncIterator[bytes]:
        yield f'--b\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\nhalf'.encode()
        await wait.wait()
        yield b" and the rest\r\n--b--\r\n"

    def upload(name: str, wait: asyncio.Event) -> asyncio.Task[Any]:
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        return asyncio.create_task(client.post("/documents", data=body(name, wait), headers=headers))

    ends, hangs = upload("ends.md", go_on), upload("hangs.md", half)
    await until(lambda: len(client.app[stopping.WORK]) == 2)
    monkeypatch.setattr(stopping, "FAREWELL", 0.1)
    monkeypatch.setattr(stopping, "GRACE", 2.0)
    stopped = await draining()
    go_on.set()
    assert (await asyncio.wait_for(ends, PATIENCE)).status == 202
    await asyncio.wait_for(stopped, PATIENCE)
    await client.server.runner.server.shutdown(0.1)  # type: ignore[attr-defined]
    with pytest.raises(aiohttp.ClientError):
        await asyncio.wait_for(hangs, PATIENCE)
    await parts.ingester.join()
    await until(lambda: not list(incoming.iterdir()))
    assert [job.name for job in parts.ingester.jobs()] == ["ends.md"]


async def test_streams_of_jobs_end_at_once(parts: Parts, client: Client, draining: Any) -> None:
    never = asyncio.Event()

    async def parse(name: str, path: Path) -> Any:
        await never.wait()

    parts.parser.parse = parse  # type: ignore[method-assign]
    form = aiohttp.FormData()
    form.add_field("files", b"text", filename="a.md")
    async with client.post("/documents", data=form) as response:
        job = (await response.json())["jobs"][0]["id"]
    streams = [await client.get(path) for path in ("/documents/jobs/events", f"/documents/jobs/{job}/events")]
    await draining()
    for stream in streams:
        assert b"data: " in await asyncio.wait_for(stream.read(), PATIENCE)


# The process.


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server_with_0_and_nothing_is_left(tmp_path: Path, number: int) -> None:
    server = start_server(tmp_path, tmp_path, program=SCRIPTED).wait()
    assert (tmp_path / "server.json").exists()
    with open_socket(server.ws_url) as opened:
        assert server.stop(number) == 0
        with pytest.raises(ConnectionClosed) as closed:
            opened.recv(timeout=PATIENCE)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1001
    assert not (tmp_path / "server.json").exists()
    with FileLock(tmp_path / "lock", timeout=0):
        pass


def test_a_signal_while_a_model_is_tried_ends_the_server_and_the_trial(tmp_path: Path) -> None:
    script = (
        "import subprocess, sys, server\n"
        "trial = 'import os, time; print(os.getpid(), flush=True); time.sleep(600)'\n"
        "server._models = lambda settings, lang: subprocess.run([sys.executable, '-c', trial])\n"
        "sys.exit(server.main())"
    )
    server = start_server(tmp_path, tmp_path, program=(sys.executable, "-u", "-c", script))
    deadline = time.monotonic() + PATIENCE
    while not server.lines and time.monotonic() < deadline:
        time.sleep(0.05)
    pid = int(server.lines[0])
    assert server.stop() == 0
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(pid)


@pytest.mark.model
def test_the_real_server_ends_in_the_middle_of_its_work_and_goes_on_with_it(
    data_dir: Path, starter_models: Path
) -> None:
    scene = stops.Scene(start_server(data_dir, starter_models).wait(), random.Random(7))
    stops.embedding(scene, 2000)
    stops.prefill(scene)
    stops.parsing(scene)
    scene.listen()
    with scene.stack:
        found = stops.end(scene)
    assert found["code"] == 0, found
    assert found["closes"] == {"1001": 3}
    assert sum(found["ends"].values()) == 3
    again = start_server(data_dir, starter_models).wait()
    try:
        assert stops.missing(again, scene.texts, scene.turns) == []
    finally:
        assert again.stop() == 0
