"""Stops in every state: does a server that is told to end do so within 15 seconds, and is all there afterwards?

usage: python tests/bench/stops.py [--times N] [--states A,B] [--models-dir DIR] [--seed N]

A server is brought into a state, gets a SIGTERM at a random moment of it, and is started anew. Prints a line of JSON
for each stop (seconds to the end, exit code, close codes that clients saw, how answers ended, what was lost) and a
summary; the exit code is 1 if anything was lost, or an end took longer or had another code than 0.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import json
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from websockets.exceptions import ConnectionClosed  # noqa: E402
from websockets.sync.client import ClientConnection  # noqa: E402

from rag import durable, jsonfile  # noqa: E402
from rag.incoming import document_id  # noqa: E402
from tests.bench.beside import upload  # noqa: E402
from tests.bench.told import call, left_over, text_sha256  # noqa: E402
from tests.conftest import Server, start_server  # noqa: E402
from tests.socket_client import LAST, open_socket  # noqa: E402

LIMIT = 15.0
PATIENCE = 300.0
STALLED = 20
# So many passages make the index of vectors take a while.
ROWS = 30_000


@dataclass
class Scene:
    """A server in a state, and what clients were told until it had gone."""

    server: Server
    random: random.Random
    sockets: dict[str, ClientConnection] = field(default_factory=dict)
    closes: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    turns: set[tuple[str, str]] = field(default_factory=set)
    """(session, message) of answers whose end was told."""
    texts: dict[str, str] = field(default_factory=dict)
    """Documents that were accepted, by their names."""
    raw: list[socket.socket] = field(default_factory=list)
    watchers: list[threading.Thread] = field(default_factory=list)
    stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def open(self) -> str:
        session = f"stop-{self.random.randrange(1 << 40):x}"
        opened = open_socket(self.server.ws_url, session, "&answers=free&lang=en", ping_interval=None)
        self.sockets[session] = self.stack.enter_context(opened)
        return session

    def ask(self, content: str, **options: Any) -> str:
        session = self.open()
        frame = {"type": "message", "message_id": "m", "session_id": session, "content": content, "options": options}
        self.sockets[session].send(json.dumps(frame))
        return session

    def upload(self, name: str, text: str) -> None:
        upload(self.server, name, text)
        self.texts[name] = text

    def until_job(self, state: str, done: int = 0) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            jobs = call(self.server, "GET", "/documents/jobs")["jobs"]
            if any(job["state"] == state and job["done"] >= done for job in jobs):
                return
            time.sleep(0.02)
        raise AssertionError(f"no job came to {state}")

    def listen(self) -> None:
        """To the ends of all sockets, each in a thread."""
        for session, opened in self.sockets.items():
            self.watch(self._listen, session, opened)

    def watch(self, call: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=call, args=arguments, daemon=True)
        thread.start()
        self.watchers.append(thread)

    def _listen(self, session: str, opened: ClientConnection) -> None:
        try:
            while True:
                event = json.loads(opened.recv())
                if event["type"] in LAST:
                    self.ends[event.get("error_code") or event["finish_reason"]] += 1
                    if event["type"] == "stream_end" and event["total_tokens"]:
                        self.turns.add((session, event["message_id"]))
        except ConnectionClosed as closed:
            self.closes[str(closed.rcvd.code if closed.rcvd else 1006)] += 1


State = Callable[[Scene], None]


def words(scene: Scene, count: int) -> str:
    """Text that no other is like, in paragraphs."""
    made = [f"w{scene.random.randrange(1 << 32):x}" for _ in range(count)]
    return "\n\n".join(" ".join(made[begin : begin + 60]) for begin in range(0, count, 60))


def idle(scene: Scene) -> None:
    for _ in range(3):
        scene.open()


def answering(scene: Scene) -> None:
    """Short ones end in time, one that has no end is cut."""
    for tokens in (8, 60):
        scene.ask("Write a long story about the pump and its owner.", max_tokens=tokens)
    body = {"messages": [{"role": "user", "content": "Count."}], "stream": True, "max_tokens": 4096}
    body |= {"retrieval": False, "ignore_eos": True}
    begun = threading.Event()

    def endless() -> None:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(scene.server.url + "/v1/chat/completions", json.dumps(body).encode(), headers)
        told = b""
        with contextlib.suppress(OSError, http.client.HTTPException), urllib.request.urlopen(request) as stream:
            while piece := stream.read1():
                told += piece
                begun.set()
        how = "cut" if b"WS-006" in told else "whole" if b"[DONE]" in told else "lost"
        scene.ends[f"endless {how}"] += 1

    scene.watch(endless)
    assert begun.wait(PATIENCE)
    time.sleep(scene.random.random())


def prefill(scene: Scene) -> None:
    """Prompts as long as they may be, and the signal in the middle of the first of them."""
    for _ in range(3):
        scene.ask(words(scene, 1000)[:5500], max_tokens=400)
    time.sleep(0.5 + scene.random.random() * 2)


def parsing(scene: Scene) -> None:
    from tests.test_loaders import pdf

    # Many pages with little on them: long to read, and soon embedded. A content that was there before is no document.
    mark = f"{scene.random.randrange(1 << 40):x}"
    name, pages = f"{mark}.pdf", [f"p{number} {mark if number == 0 else ''}" for number in range(3000)]
    form = b"--b\r\nContent-Disposition: form-data; name=files; filename=%s\r\n\r\n" % name.encode()
    request = urllib.request.Request(
        scene.server.url + "/documents",
        form + pdf(pages) + b"\r\n--b--\r\n",
        {"Content-Type": "multipart/form-data; boundary=b"},
    )
    urllib.request.urlopen(request, timeout=60).read()
    scene.texts[name] = ""
    scene.until_job("parsing")
    time.sleep(scene.random.random())


def embedding(scene: Scene, count: int = 4000) -> None:
    scene.upload(f"{scene.random.randrange(1 << 40):x}.md", words(scene, count))
    scene.until_job("embedding", 1)
    time.sleep(scene.random.random())


def vectors(scene: Scene) -> None:
    """A large batch at the door for embeddings."""
    texts = [words(scene, 30) for _ in range(1000)]

    def ask() -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            call(scene.server, "POST", "/v1/embeddings", {"input": texts})

    scene.watch(ask)
    time.sleep(0.5 + scene.random.random())


def tidying(scene: Scene) -> None:
    """The store begins about two seconds after the last writing."""
    for _ in range(3):
        scene.upload(f"{scene.random.randrange(1 << 40):x}.md", words(scene, 120))
    deadline = time.monotonic() + PATIENCE
    while any(job["state"] not in ("stored", "failed") for job in call(scene.server, "GET", "/documents/jobs")["jobs"]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(2 + scene.random.random())


def indexing(scene: Scene) -> None:
    """The large table that was laid beside the server gets its index of vectors about two seconds after the start."""
    time.sleep(2.2 + scene.random.random() * 2)


def stalled(scene: Scene) -> None:
    """Readers that ask and never read, over the smallest windows."""
    port = int(scene.server.url.rsplit(":", 1)[1])
    for _ in range(STALLED):
        session = f"stalled-{scene.random.randrange(1 << 40):x}"
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        raw.connect(("127.0.0.1", port))
        key = "dGhlIHNhbXBsZSBub25jZQ=="
        raw.sendall(
            f"GET /chat-ws?session_id={session} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        for number in range(4):
            text = json.dumps(
                {"type": "message", "message_id": f"m{number}", "session_id": session, "content": "What is a pump?"}
            ).encode()
            # A mask of zeros leaves the text as it is.
            raw.sendall(b"\x81\xfe" + len(text).to_bytes(2, "big") + bytes(4) + text)
        scene.raw.append(raw)
    time.sleep(1 + scene.random.random() * 2)


def uploading(scene: Scene) -> None:
    """A body of which half has come, and no more comes."""
    raw = socket.create_connection(("127.0.0.1", int(scene.server.url.rsplit(":", 1)[1])))
    raw.sendall(
        b"POST /documents HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        b"Content-Length: 1000000\r\n\r\n"
        b"--b\r\nContent-Disposition: form-data; name=files; filename=half.md\r\n\r\n" + b"half " * 50_000
    )
    scene.raw.append(raw)
    time.sleep(0.3)


def following(scene: Scene) -> None:
    """The stream of all jobs, and that of one that waits behind a long one."""
    embedding(scene)
    job = call(scene.server, "GET", "/documents/jobs")["jobs"][0]["id"]

    def follow(path: str) -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            with urllib.request.urlopen(scene.server.url + path, timeout=60) as stream:
                while stream.read1():
                    pass
            scene.ends[f"{path.rsplit('/', 1)[1]} ended"] += 1

    for path in ("/documents/jobs/events", f"/documents/jobs/{job}/events"):
        scene.watch(follow, path)
    time.sleep(0.5)


def loading(scene: Scene) -> None:
    """The port is open, the models are not there yet."""
    time.sleep(scene.random.random() * 1.5)


def first_start(scene: Scene) -> None:
    deadline = time.monotonic() + PATIENCE
    while scene.server.health().get("loading", {}).get("phase") != "guides":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(scene.random.random() * 2)


def trial(scene: Scene) -> None:
    """The first model is being tried in a child process."""
    scene.server.lines.clear()
    time.sleep(3 + scene.random.random() * 3)


# What the server is to be when the state begins.
READY: dict[str, Callable[..., None]] = {
    each.__name__: each
    for each in (idle, answering, prefill, parsing, embedding, vectors, tidying, stalled, uploading, following)
}
STARTING: dict[str, State] = {each.__name__: each for each in (loading, first_start, trial, indexing)}
FETCHING = "fetching"
EVERY = (*READY, *STARTING, FETCHING)


class Stops:
    """One folder of data for all states of a ready server, so that each start looks for what came before."""

    def __init__(self, folder: Path, models_dir: Path, seed: int) -> None:
        self.folder = folder
        self.models_dir = models_dir
        self.random = random.Random(seed)
        self.data_dir = folder / "data"
        self.texts: dict[str, str] = {}
        self.turns: set[tuple[str, str]] = set()

    def stop(self, name: str) -> dict[str, Any]:
        """Bring a server into the state, stop it, and look at what is left."""
        if name == FETCHING:
            return self._stop_fetching()
        data_dir = self.data_dir
        if name in STARTING and name != "loading":
            data_dir = self.folder / name
            shutil.rmtree(data_dir, ignore_errors=True)
            if name != "trial":
                data_dir.mkdir()
                shutil.copy(self.data_dir / "verdicts.json", data_dir)
                copy_models(self.data_dir, data_dir)
            if name == "indexing":
                without_guides(data_dir)
                asyncio.run(lay_rows(data_dir, self.models_dir))
        server = start_server(data_dir, self.models_dir)
        scene = Scene(server, self.random)
        lost: list[str] = []
        try:
            if name in READY:
                server.wait()
                lost += missing(server, self.texts, self.turns)
                READY[name](scene)
            else:
                if name in ("first_start", "indexing", "loading"):
                    until_url(server)
                if name == "indexing":
                    server.wait()
                STARTING[name](scene)
            scene.listen()
            children = children_of(server.process.pid)
            found = end(scene)
        finally:
            server.process.kill()
            scene.stack.close()
            for raw in scene.raw:
                raw.close()
        if data_dir == self.data_dir:
            self.texts |= scene.texts
            self.turns |= scene.turns
        lost += [f"{file} is left" for file in ("server.json",) if (data_dir / file).exists()]
        lost += [f"child {pid} is left" for pid in children if is_there(pid)]
        return {"state": name, **found, "lost": lost}

    def _stop_fetching(self) -> dict[str, Any]:
        """The package index takes the connection and says nothing."""
        empty = self.folder / "no models"
        with socket.create_server(("127.0.0.1", 0)) as index:
            environ = os.environ | {"PIP_INDEX_URL": f"http://127.0.0.1:{index.getsockname()[1]}/simple"}
            environ |= {"PIP_NO_CACHE_DIR": "1", "PIP_CONFIG_FILE": os.devnull}
            command = [sys.executable, str(ROOT / "server.py"), "--port", "0"]
            command += ["--data-dir", str(self.folder / "fetching"), "--models-dir", str(empty)]
            process = subprocess.Popen(
                command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True
            )
            server = Server(process, self.folder / "fetching")
            index.settimeout(PATIENCE)
            held, _ = index.accept()
            children = children_of(process.pid)
            found = end(Scene(server, self.random))
            held.close()
        lost = [f"{path.name} is left" for path in empty.glob(".fetch-*")]
        lost += [f"child {pid} is left" for pid in children if is_there(pid)]
        return {"state": FETCHING, **found, "lost": lost}


def end(scene: Scene) -> dict[str, Any]:
    """Stop its server, and say how that went."""
    server, begun = scene.server, time.monotonic()
    server.process.terminate()
    try:
        code: int | None = server.process.wait(60)
    except subprocess.TimeoutExpired:
        code = None
    seconds = time.monotonic() - begun
    for thread in scene.watchers:
        thread.join(10)
    told = {"seconds": round(seconds, 2), "code": code, "closes": dict(scene.closes), "ends": dict(scene.ends)}
    said = [line.strip() for line in server.lines if "Running" not in line]
    return told if code == 0 else told | {"said": said[-20:]}


def missing(server: Server, texts: dict[str, str], turns: set[tuple[str, str]]) -> list[str]:
    """What was told to be kept and is not there. Waits until all that was accepted is stored."""
    lost = []
    deadline = time.monotonic() + 2 * PATIENCE
    while any(job["state"] not in ("stored", "failed") for job in call(server, "GET", "/documents/jobs")["jobs"]):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    for name, text in texts.items():
        found = call(server, "GET", f"/documents/{document_id(name)}/text")
        if found is None or (text and found["text"].strip() != text.strip()):
            lost.append(f"{name}: lost")
    for session, message in turns:
        found = call(server, "GET", f"/sessions/{session}")
        if found is None or message not in [turn["message_id"] for turn in found["turns"]]:
            lost.append(f"{session} {message}: lost")
    originals = {text_sha256(text) for text in texts.values() if text}
    return lost + [what for what in left_over(server.data_dir, originals) if what.startswith("in incoming")]


def until_url(server: Server) -> None:
    deadline = time.monotonic() + PATIENCE
    while "Running at" not in "".join(server.lines) and "실행 중" not in "".join(server.lines):
        assert time.monotonic() < deadline, server.lines
        time.sleep(0.05)
    server.url = next(word for line in server.lines for word in line.split() if word.startswith("http")).rstrip(".")


def without_guides(data_dir: Path) -> None:
    """As if all guides had been read and deleted, so that a start takes less."""
    guides = ROOT / "web/guides"
    known = {f"guides/{path.relative_to(guides)}": durable.sha256_of(path) for path in guides.glob("*/*.md")}
    jsonfile.save(data_dir / "guides.json", known)


def copy_models(source: Path, target: Path) -> None:
    """The weights that the trial wrote, if it did."""
    if (source / "models").exists():
        shutil.copytree(source / "models", target / "models", dirs_exist_ok=True)


async def lay_rows(data_dir: Path, models_dir: Path) -> None:
    """A table of many passages, whose index of vectors is yet to be made."""
    from rag import service
    from rag.settings import load
    from rag.store import LanceStore
    from rag.types import Embedded
    from tests.fakes import make_document, make_passage

    settings = load({"data_dir": str(data_dir), "models_dir": str(models_dir)}, {})
    models = await asyncio.to_thread(service.choose_models, settings, ())
    assert models.embed is not None
    async with service.open_index(settings, models.embed, lambda done, total: None) as index:
        dimension, store = index.retriever.embedder.dimension, index.store
        assert isinstance(store, LanceStore)
        generator = np.random.default_rng(0)
        for number in range(ROWS // 1000):
            text = f"row {number}"
            passages = [
                replace(make_passage(f"{text} {each}", each, f"doc{number}"), document_id=f"doc{number}")
                for each in range(1000)
            ]
            made = generator.standard_normal((1000, dimension), dtype=np.float32)
            made /= np.linalg.norm(made, axis=1, keepdims=True)
            await store.upsert_all([Embedded(make_document(text, f"doc{number}"), passages, made)])


def children_of(pid: int) -> list[int]:
    """The processes that it has started, as far as the system tells."""
    with contextlib.suppress(OSError):
        return [
            int(child)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    return []


def is_there(pid: int) -> bool:
    """Whether the process lives a moment later, too."""
    for _ in range(40):
        try:
            if "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text():
                return False
        except OSError:
            return False
        time.sleep(0.05)
    return True


def stops(times: int, states: tuple[str, ...], models_dir: Path, seed: int) -> Iterator[dict[str, Any]]:
    """One row for each stop, and at last one for a start that finds everything."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        made = Stops(Path(folder), models_dir, seed)
        made.data_dir.mkdir()
        without_guides(made.data_dir)
        if states != (FETCHING,):
            # Models are tried once for all, and answers get something to be about.
            first = start_server(made.data_dir, models_dir).wait()
            upload(first, "pump.md", "# The pump\n\nThe pump of its owner stands in the cellar and needs oil.\n")
            first.stop()
            made.texts["pump.md"] = ""
        for _ in range(times):
            for name in states:
                yield made.stop(name)
        if set(states) & set(READY):
            last = start_server(made.data_dir, models_dir).wait()
            try:
                yield {
                    "state": "after all",
                    "documents": len(made.texts),
                    "turns": len(made.turns),
                    "lost": missing(last, made.texts, made.turns),
                }
            finally:
                last.stop()


def is_wrong(row: dict[str, Any]) -> bool:
    return bool(row["lost"]) or row.get("code", 0) != 0 or row.get("seconds", 0) > LIMIT


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for name in dict.fromkeys(row["state"] for row in rows if "seconds" in row):
        seconds = [row["seconds"] for row in rows if row["state"] == name]
        told[name] = {"median": round(statistics.median(seconds), 2), "longest": max(seconds), "stops": len(seconds)}
    return {"states": told, "wrong": sum(map(is_wrong, rows)), "lost": sum(len(row["lost"]) for row in rows)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--states", default=",".join(EVERY), help=", ".join(EVERY))
    parser.add_argument("--models-dir", type=Path, default=ROOT / "models")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rows = []
    for row in stops(given.times, tuple(given.states.split(",")), given.models_dir, given.seed):
        rows.append(row)
        print(json.dumps(row), flush=True)
    print(json.dumps(summary(rows)), flush=True)
    return 1 if any(map(is_wrong, rows)) else 0


if __name__ == "__main__":
    sys.exit(main())
