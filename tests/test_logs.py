"""The log: one line a record, whose it is, and nothing of what people ask or documents say."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import socket
import threading
import time
import urllib.error
import urllib.request
import uuid
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from websockets import Subprotocol

from rag import logs
from rag.engine import Engine
from rag.errors import RagError
from rag.types import Message, Sampling

from .app_client import Client, MakeClient, Parts, converse
from .conftest import Server
from .fakes import ScriptedContext, ScriptedModel, until
from .logged import Logged
from .socket_client import ask, open_socket, types

log = logging.getLogger("test")


def formatted(formatter: logging.Formatter, message: str, error: BaseException | None = None, **fields: str) -> str:
    """The record as the formatter writes it."""
    info = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("rag.test", logging.WARNING, __file__, 1, message, (), info)
    with logs.bound(**fields):
        logs.Fields().filter(record)
    return formatter.format(record)


def raised(error: Exception, cause: Exception | None = None) -> Exception:
    try:
        raise error from cause
    except Exception as caught:
        return caught


def test_a_line_of_json_holds_all_of_a_record() -> None:
    error = raised(ValueError("x"))
    line = formatted(logs.Json(), 'first\nsecond "한글"', error, request_id="r", message_id="m")
    assert "\n" not in line
    assert "한글" in line
    told = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", told.pop("timestamp"))
    assert told.pop("exception").startswith("Traceback (most recent call last):\n")
    assert told == {
        "level": "warning",
        "logger": "rag.test",
        "message": 'first\nsecond "한글"',
        "request_id": "r",
        "message_id": "m",
    }


def test_a_line_of_text_ends_with_the_fields_and_none_of_them_begins_a_line() -> None:
    formatter = logs.Text(logs.LINE)
    assert re.fullmatch(r"[\d-]+ [\d:,]+ WARNING rag\.test: said", formatted(formatter, "said"))
    line = formatted(formatter, "said", request_id="r", message_id="m\n2026 ERROR forged")
    assert line.endswith("WARNING rag.test: said [request_id=r message_id=m?2026 ERROR forged]")


@pytest.mark.parametrize("formatter", [logs.Text(logs.LINE), logs.Json()])
def test_the_text_of_an_exception_is_left_out_and_its_place_is_not(formatter: logging.Formatter) -> None:
    line = formatted(formatter, "failed", raised(RuntimeError("SECRET"), raised(ValueError("SECRET"))))
    assert "SECRET" not in line
    assert line.index("ValueError at ") < line.index("RuntimeError at ")
    assert "test_logs.py" in line


def test_the_texts_of_the_catalogue_and_of_the_system_stay() -> None:
    assert "GEN-999" in formatted(logs.Json(), "failed", raised(RagError("GEN-999")))
    with pytest.raises(OSError) as missing:
        Path("/nowhere/at/all").read_bytes()
    assert "/nowhere/at/all" in logs.traced(missing.value)[-1]
    # Libraries raise it with texts of their own.
    assert "SECRET" not in logs.traced(OSError("SECRET"))[-1]


def test_a_circle_of_causes_ends() -> None:
    error = raised(ValueError())
    error.__cause__ = error
    assert len(logs.traced(error)) < 2 * logs.MAX_LINES


async def test_tasks_and_threads_log_whose_they_are(logged: Logged) -> None:
    async def work() -> None:
        log.info("task")
        await asyncio.to_thread(log.info, "thread")

    with logs.bound(request_id="r"):
        task = asyncio.create_task(work())
    await task
    log.info("nobody's")
    assert [(line["message"], line.get("request_id")) for line in logged.lines()] == [
        ("task", "r"),
        ("thread", "r"),
        ("nobody's", None),
    ]


async def test_the_decode_thread_logs_whose_answer_has_failed(logged: Logged) -> None:
    def no_sampler(sampling: Sampling) -> Any:
        raise ZeroDivisionError

    engine = Engine(ScriptedModel(), ScriptedContext(), no_sampler)
    with logs.bound(request_id="r", message_id="m"), pytest.raises(RagError):
        async for _ in engine.generate([Message("user", "x")], Sampling(), threading.Event()):
            pass
    await asyncio.to_thread(engine.close)
    (line,) = logged.lines()
    assert (line["message"], line["request_id"], line["message_id"]) == ("an answer could not begin", "r", "m")


async def test_json_has_a_line_for_each_request_and_message(
    parts: Parts, aiohttp_client: MakeClient, logged: Logged
) -> None:
    client = await aiohttp_client(parts.app(log_format="json"))
    await client.get("/documents/doc?secret=1", headers={"X-Request-ID": "one"})
    await client.get("/documents/SECRET", headers={"X-Request-ID": "two"})
    await client.get("/nowhere/SECRET", headers={"X-Request-ID": "three"})
    await converse(client, "what is the answer")
    await until(lambda: len(access(logged)) == 5)
    one, two, three, message, connection = access(logged)
    assert isinstance(one.pop("ms"), int)
    assert {name: one[name] for name in one if name != "timestamp"} == {
        "level": "info",
        "logger": "web.access",
        "message": "request",
        "request_id": "one",
        "route": "/documents/{id}",
        "client": "127.0.0.1",
        "method": "GET",
        "status": 200,
    }
    assert (two["route"], two["status"], three["route"], three["status"]) == ("/documents/{id}", 404, "unknown", 404)
    assert (message["message"], message["message_id"], message["finish_reason"]) == ("message", "m", "stop")
    assert (connection["route"], connection["status"]) == ("/chat-ws", 101)
    assert connection["request_id"] == message["request_id"]
    assert "secret" not in json.dumps(access(logged)).lower()


async def test_a_message_that_failed_is_told_with_its_code(
    parts: Parts, aiohttp_client: MakeClient, logged: Logged
) -> None:
    parts.generator.error = RagError("GEN-999")
    client = await aiohttp_client(parts.app(log_format="json"))
    await converse(client, "what is the answer")
    await until(lambda: len(access(logged)) == 2)
    assert access(logged)[0]["error_code"] == "GEN-999"


async def test_text_has_no_line_for_a_request(client: Client, logged: Logged) -> None:
    await client.get("/documents/doc")
    await converse(client, "what is the answer")
    assert access(logged) == []


def access(logged: Logged) -> list[dict[str, Any]]:
    return [line for line in logged.lines() if line["logger"] == "web.access"]


# The real server, which the tests run with its log in JSON, from `debug` on.


def call(server: Server, path: str, data: bytes | None = None, headers: Mapping[str, str] = {}) -> tuple[int, Any]:
    """Status and JSON body."""
    request = urllib.request.Request(server.url + path, data, dict(headers))
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def upload(server: Server, name: str, content: bytes) -> str:
    """The state that the file's job ends in."""
    border = uuid.uuid4().hex
    head = f'--{border}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
    body = head.encode() + content + f"\r\n--{border}--\r\n".encode()
    status, told = call(server, "/documents", body, {"Content-Type": f"multipart/form-data; boundary={border}"})
    assert status == 202
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        jobs = call(server, "/documents/jobs")[1]["jobs"]
        (state,) = [job["state"] for job in jobs if job["id"] == told["jobs"][0]["id"]]
        if state in ("stored", "failed"):
            return str(state)
        time.sleep(0.05)
    raise AssertionError("the file is not stored")


def damaged_docx(word: str) -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("[Content_Types].xml", f"<{word}>")
        archive.writestr("word/document.xml", f"<{word}>{word}")
    return file.getvalue()


@pytest.mark.model
def test_nothing_that_people_say_or_documents_hold_is_logged_even_at_debug(server: Server) -> None:
    words = {name: f"zq{name}{uuid.uuid4().hex[:8]}" for name in ("question", "document", "key", "cookie", "query")}
    sentence = f"The {words['document']} pump of the {words['question']} plant weighs 37 kilograms."
    assert upload(server, "pump.md", f"# Pump\n\n{sentence}\n".encode()) == "stored"
    assert upload(server, "damaged.docx", damaged_docx(words["document"])) == "failed"
    events = ask(server.ws_url, f"How much does the pump of the {words['question']} plant weigh?")
    assert types(events)[-1] == "stream_end"
    assert words["document"] in json.dumps(events)
    ask(server.ws_url, f"{words['question']}?", query="&answers=free")
    keys = {"X-API-Key": words["key"], "Authorization": f"Bearer {words['key']}", "Cookie": f"key={words['cookie']}"}
    headers = {**keys, "X-Request-ID": f"last-{uuid.uuid4().hex}"}
    call(server, f"/health?key={words['query']}", headers=keys)
    stream = urllib.request.Request(server.url + "/chat/stream", json.dumps({"message": words["question"]}).encode())
    stream.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(stream, timeout=120) as response:
        assert b"event: done" in response.read()
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), 60) as raw:
        # The library's own word on it quotes the request.
        raw.sendall(f"BREW /?{words['query']} HTTP/1.1\r\nX-API-Key: {words['key']}\r\n\r\n".encode())
        assert b" 400 " in raw.recv(100)
    # A page that may send no header of its own puts the key here.
    with open_socket(server.ws_url, subprotocols=[Subprotocol(words["key"])]):
        pass
    call(server, "/search", json.dumps({"query": words["question"], "k": "many"}).encode(), keys)
    call(server, f"/documents/{words['query']}", headers=keys)
    call(server, f"/search?{words['query']}", json.dumps({"query": words["question"]}).encode(), headers)
    deadline = time.monotonic() + 60
    while headers["X-Request-ID"] not in "".join(server.lines):
        assert time.monotonic() < deadline, "the last request is not in the log"
        time.sleep(0.05)
    text = "".join(server.lines)
    assert [name for name, word in words.items() if word in text] == []
    assert "damaged.docx" in text
    lines = [line for line in text.splitlines() if not line.startswith(("RAG Standard", "http"))]
    assert {"debug", "info", "warning"} <= {json.loads(line)["level"] for line in lines if line.startswith("{")}
