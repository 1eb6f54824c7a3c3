"""How many tokens does the engine still compute once a client has gone or cancelled? Counted, not timed.

usage: python -m tests.bench.cancel [--trials 50] [--models-dir DIR] [--seed N] [--only KIND]

A real server writes down each decode of its engine. A client asks, and at a random moment, while the prompt is read,
while the answer is written or while it waits in the queue, it cancels, says goodbye, or is gone: by a closed stream, a
FIN, a reset or a half-closed connection. `tokens` are those whose decode began after that moment, `in_flight` those
whose decode had begun and ended after it, `rows` those of prompts, all in the worst case of the trials and in the mean.
`caught`: in how many trials the engine was at work at that moment. `goes_on`: how many went on, in case that the
client comes back to resume. Prints one JSON object for each kind. The exit code is 1 if more than one token was
computed where the answer is to end at once. Needs Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import socket
import statistics
import struct
import sys
import tempfile
import time
import urllib.parse
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag import probe
from tests.bench.kills import call
from tests.conftest import ROOT, Server, start_server
from tests.socket_client import message, open_socket

PROGRAM = (sys.executable, "-u", "-m", "tests.bench.cancel.server")
# Long enough to be still written when the client goes.
ASKED = "Explain in many words how I add documents, how they are searched and how answers are made."
# A question that takes a while to read. Decodes of more rows than these are of prompts.
LONG = "How do I add documents to RAG Standard, and how are they searched? " * 60
PROMPT_ROWS = 32
# No decode in so many seconds: the engine is free.
QUIET = 0.4
# Kinds of frames.
TEXT, CLOSE = 1, 8
SLOW = 120.0
WAITING = "cancel frame, waiting"
# In ns: between two decodes of an answer less passes.
MOMENT = 30_000_000


@dataclass(frozen=True)
class Decode:
    begin: int
    end: int
    rows: int
    tokens: int
    code: int


class Decodes:
    """What the engine of a server has computed since the last `clear`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._from = 0

    def clear(self) -> None:
        self._from = self._path.stat().st_size

    def lines(self) -> list[list[str]]:
        with self._path.open() as file:
            file.seek(self._from)
            return [line.split() for line in file.read().splitlines(keepends=True) if line.endswith("\n")]

    def all(self) -> list[Decode]:
        """Those that have ended."""
        found, begin = [], 0
        for kind, at, rows, tokens, *code in self.lines():
            if kind == "begin":
                begin = int(at)
            else:
                found.append(Decode(begin, int(at), int(rows), int(tokens), int(code[0])))
        return found

    def is_free(self, seconds: float = QUIET) -> bool:
        """Whether nothing is being computed, nor was in the last seconds."""
        lines = self.lines()
        return not lines or (lines[-1][0] == "end" and time.monotonic_ns() - int(lines[-1][1]) > seconds * 1e9)

    def until(self, holds: Callable[[], bool], seconds: float = SLOW) -> bool:
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.002)
        return True

    def until_reading(self) -> None:
        """Until a prompt is being read."""
        if not self.until(lambda: any(int(line[2]) > PROMPT_ROWS for line in self.lines())):
            raise AssertionError("no prompt is read")


# Ways to go. Each takes a client and returns the moment, in ns, at which it went.

Leave = Callable[["Client"], int]


class Client:
    """One question on a connection of its own."""

    def __init__(self, server: Server, door: str, content: str, max_tokens: int = 400) -> None:
        self.server = server
        self.session_id, self.message_id = str(uuid.uuid4()), str(uuid.uuid4())
        address = urllib.parse.urlsplit(server.url)
        self.socket = socket.create_connection((address.hostname, address.port), 30)
        if door == "socket":
            path = f"/chat-ws?session_id={self.session_id}&answers=free"
            head = f"GET {path} HTTP/1.1\r\nHost: {address.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            head += "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
            self.socket.sendall(head.encode())
            told = message(self.session_id, content, self.message_id).encode()
            self.socket.sendall(frame(TEXT, told))
            return
        asked: dict[str, Any] = {"message": content, "session_id": self.session_id}
        if door.startswith("/v1"):
            asked = {"messages": [{"role": "user", "content": content}], "retrieval": False, "stream": door == "/v1"}
            asked |= {"ignore_eos": True, "max_tokens": max_tokens}
        path = "/v1/chat/completions" if door.startswith("/v1") else door
        body = json.dumps(asked).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Type: application/json\r\n"
        self.socket.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    def close(self) -> None:
        self.socket.close()


def frame(kind: int, payload: bytes) -> bytes:
    """Of a WebSocket, masked with zeros. By hand, since a library's thread would keep the connection open."""
    size = len(payload)
    length = struct.pack(">B", 0x80 | size) if size < 126 else struct.pack(">BH", 0x80 | 126, size)
    return struct.pack(">B", 0x80 | kind) + length + bytes(4) + payload


def cancel(client: Client) -> int:
    told = frame(TEXT, json.dumps({"type": "cancel", "message_id": client.message_id}).encode())
    at = time.monotonic_ns()
    client.socket.sendall(told)
    return at


def goodbye(code: int) -> Leave:
    def leave(client: Client) -> int:
        told = frame(CLOSE, struct.pack(">H", code))
        at = time.monotonic_ns()
        client.socket.sendall(told)
        return at

    return leave


def fin(client: Client) -> int:
    at = time.monotonic_ns()
    client.socket.shutdown(socket.SHUT_RDWR)
    return at


def half_close(client: Client) -> int:
    at = time.monotonic_ns()
    client.socket.shutdown(socket.SHUT_WR)
    return at


def reset(client: Client) -> int:
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    at = time.monotonic_ns()
    client.socket.close()
    return at


@dataclass(frozen=True)
class Kind:
    door: str
    leave: Leave
    resumable: bool = False


KINDS = {
    "cancel frame": Kind("socket", cancel),
    "SSE closed": Kind("/chat/stream", fin),
    "SSE reset": Kind("/chat/stream", reset),
    "SSE half closed": Kind("/chat/stream", half_close),
    "/v1 stream closed": Kind("/v1", fin),
    "/v1 without stream closed": Kind("/v1 whole", fin),
    "/chat closed": Kind("/chat", fin),
    # By design these go on, for the client to come back.
    "socket goodbye 1000": Kind("socket", goodbye(1000), True),
    "socket goodbye 1001 (page closed)": Kind("socket", goodbye(1001), True),
    "socket FIN": Kind("socket", fin, True),
    "socket reset": Kind("socket", reset, True),
    "socket half closed": Kind("socket", half_close, True),
}


@dataclass
class Trial:
    tokens: int
    in_flight: int
    rows: int
    seconds: float
    caught: bool
    goes_on: bool


def one(server: Server, decodes: Decodes, kind: Kind, phase: str, chance: random.Random) -> Trial:
    decodes.until(decodes.is_free)
    decodes.clear()
    # What differs comes first: what is the same as before need not be read again.
    content = f"{chance.randrange(1 << 30)} {LONG}" if phase == "reading" else ASKED
    client = Client(server, kind.door, content)
    try:
        if phase == "reading":
            decodes.until_reading()
            time.sleep(chance.random() * 0.15)
        else:
            # Known by what the engine has written, so that the door does not matter.
            count = chance.randrange(1, 16)
            decodes.until(lambda: sum(line[0] == "end" and int(line[3]) > 0 for line in decodes.lines()) >= count)
        at = kind.leave(client)
        goes_on = not decodes.until(decodes.is_free, 2.0 if kind.resumable else SLOW)
        found = decodes.all()
        return _counted(found, at, goes_on)
    finally:
        client.close()
        if kind.resumable:
            with open_socket(server.ws_url, client.session_id) as back:
                back.send(json.dumps({"type": "cancel", "message_id": client.message_id}))
                decodes.until(decodes.is_free)


def _counted(found: list[Decode], at: int, goes_on: bool) -> Trial:
    after = [each for each in found if each.begin > at and each.code == 0]
    flying = [each for each in found if each.begin <= at < each.end and each.code == 0]
    last = max((each.end for each in found if each.end > at), default=at)
    return Trial(
        tokens=sum(each.tokens for each in after),
        in_flight=sum(each.tokens for each in flying),
        rows=sum(each.rows - each.tokens for each in [*after, *flying] if each.rows > PROMPT_ROWS),
        seconds=(last - at) / 1e9,
        # Something was being computed, or had been until a moment before.
        caught=any(each.begin <= at < each.end + MOMENT for each in found),
        goes_on=goes_on,
    )


def waiting(server: Server, decodes: Decodes, trials: int, chance: random.Random) -> dict[str, Any]:
    """Cancelled while it waits for the one place of the engine: no prompt but the first one's is ever read."""
    worst = 0
    for _ in range(trials):
        decodes.until(decodes.is_free)
        first = Client(server, "/v1", "Tell me a long story of a pump.", max_tokens=10_000)
        decodes.until(lambda: len(decodes.all()) > 3)
        decodes.clear()
        second = Client(server, "socket", f"{chance.randrange(1 << 30)} {LONG}")
        decodes.until(lambda: call(server, "GET", "/stats")["queue"]["waiting"] > 0)
        time.sleep(chance.random() * 0.1)
        cancel(second)
        decodes.until(lambda: not call(server, "GET", "/stats")["queue"]["waiting"])
        fin(first)
        decodes.until(decodes.is_free)
        worst = max(worst, sum(each.tokens for each in decodes.all() if each.rows > PROMPT_ROWS))
        first.close()
        second.close()
    return {"kind": "cancel frame", "while": "waiting", "trials": trials, "tokens": worst}


def measured(server: Server, decodes: Decodes, trials: int, seed: int, only: str) -> Iterator[dict[str, Any]]:
    for name, kind in KINDS.items():
        for phase in ("writing", "reading"):
            if only not in f"{name}, {phase}":
                continue
            chance = random.Random(f"{seed} {name} {phase}")
            count = max(1, trials // 10) if kind.resumable else trials
            found = [one(server, decodes, kind, phase, chance) for _ in range(count)]
            yield {
                "kind": name,
                "while": phase,
                "trials": count,
                "caught": sum(each.caught for each in found),
                "goes_on": sum(each.goes_on for each in found),
                "tokens": max(each.tokens for each in found),
                "tokens_mean": round(statistics.fmean(each.tokens for each in found), 2),
                "in_flight": max(each.in_flight for each in found),
                "rows": max(each.rows for each in found),
                "rows_mean": round(statistics.fmean(each.rows for each in found), 1),
                "ms_median": round(1000 * statistics.median(each.seconds for each in found), 1),
                "must_end": not kind.resumable,
            }


def run(
    trials: int, seed: int, models_dir: Path, only: str = "", data_dir: Path | None = None
) -> Iterator[dict[str, Any]]:
    """One object for each kind. With a copy of `data_dir`, if it is given, the servers start sooner."""
    for options in ([], ["--sequences", "1"]):
        if options and only not in WAITING:
            continue
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "decodes"
            path.touch()
            if data_dir:
                shutil.copytree(data_dir, Path(name) / "data")
            os.environ["DECODES"] = str(path)
            arguments = ["--answers", "free", "--draft", "off", "--max-tokens", "400", *options]
            server = start_server(Path(name) / "data", models_dir, arguments, program=PROGRAM).wait()
            try:
                decodes = Decodes(path)
                chance = random.Random(seed)
                if options:
                    yield waiting(server, decodes, trials, chance)
                else:
                    yield from measured(server, decodes, trials, seed, only)
            finally:
                server.stop()


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.cancel", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--models-dir", type=Path, default=ROOT / "models")
    parser.add_argument("--seed", type=int, default=8)
    parser.add_argument("--data-dir", type=Path, help="a data directory to begin with a copy of; starts sooner")
    parser.add_argument("--only", default="", help="only the kinds whose names hold this, such as: SSE closed, writing")
    arguments = parser.parse_args()
    if not sys.platform.startswith("linux"):
        parser.error("needs Linux")
    machine = probe.Machine.look()
    print(json.dumps({"machine": machine.cpu, "cores": machine.cores}), flush=True)
    late = False
    for found in run(arguments.trials, arguments.seed, arguments.models_dir, arguments.only, arguments.data_dir):
        print(json.dumps(found), flush=True)
        late |= found.get("must_end", True) and found["tokens"] > 1
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
