"""A server under load: how late its event loop is, and what clients cost that only hold a connection.

usage: python tests/bench/load.py [--idle N] [--busy N] [--seconds S] [--rounds N] [--stalled N …] [--models-dir DIR]

With --busy, that many sockets ask the real server one question after the other, with and without --idle sockets that
only answer pings, for S seconds each. Event-loop lag is the server's own figure of `/metrics`. With --stalled, that
many clients ask a server without models and do not take the answers: of sockets, of a stream and of a download, one
half takes nothing and the other a byte a second. `--busy 0` and an empty `--stalled` leave one out. Prints one JSON
object a line. Needs Linux.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
from websockets.frames import Frame, Opcode

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from rag import probe  # noqa: E402
from tests.bench.beside import upload  # noqa: E402
from tests.conftest import SCRIPTED, Server, start_server  # noqa: E402
from tests.socket_client import LAST, message  # noqa: E402

QUESTIONS = (
    "How do I add documents?",
    "Which models does it use, and where are they kept?",
    "How do I change a setting?",
    "문서를 어떻게 추가하나요?",
    "What does WS-003 mean?",
    "How long does a conversation live?",
    "설정은 어디에서 바꾸나요?",
    "How is a certificate made for https?",
)
# Milliseconds.
TARGET = 20.0


def scrape(server: Server) -> dict[str, float]:
    """All samples of `/metrics`."""
    with urllib.request.urlopen(server.url + "/metrics", timeout=60) as response:
        lines = response.read().decode().splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}


def lag(before: dict[str, float], after: dict[str, float]) -> dict[str, Any]:
    """Lag of the event loop between two scrapes, in milliseconds; between two bounds of the histogram as on a line."""
    form = re.compile(r'rag_event_loop_lag_seconds_bucket\{le="(.+)"\}')
    found = {match[1]: after[name] - before[name] for name in after if (match := form.fullmatch(name))}
    buckets = [(1000 * float(bound), count) for bound, count in found.items()]
    looks = buckets[-1][1]

    def quantile(share: float) -> float:
        low, below = 0.0, 0.0
        for bound, count in buckets:
            if count >= share * looks:
                return low if bound == float("inf") else low + (bound - low) * (share * looks - below) / (count - below)
            low, below = bound, count
        return low

    late = looks - dict(buckets)[TARGET]
    return {
        "looks": round(looks),
        "p50_ms": round(quantile(0.5), 1),
        "p99_ms": round(quantile(0.99), 1),
        "max_up_to_ms": next((bound for bound, count in buckets if count >= looks), None),
        "share_over_20_ms": round(late / looks, 4),
    }


def resident(server: Server) -> int:
    """Bytes of memory of the server's process."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+)", status)
    assert found
    return int(found[1]) * 1024


def in_system(server: Server) -> int | None:
    """Bytes that the system holds for the server's sockets, read and unread; None without `ss`."""
    if not shutil.which("ss"):
        return None
    port = server.url.rsplit(":", 1)[1]
    told = subprocess.run(["ss", "-tmnH", "sport", "=", f":{port}"], capture_output=True, text=True, check=True).stdout
    # Memory of what was received, what is sent, and what waits beside.
    return sum(int(value) for value in re.findall(r"skmem:\(r(\d+)", told)) + sum(
        int(value) for value in re.findall(r",w(\d+),", told)
    )


# Idle and busy sockets.


async def idle(session: aiohttp.ClientSession, url: str, count: int) -> list[asyncio.Task[None]]:
    """Sockets that are open and answer pings."""

    async def listen(opened: aiohttp.ClientWebSocketResponse) -> None:
        async for _ in opened:
            pass

    sockets = [await session.ws_connect(f"{url}?session_id={uuid.uuid4()}") for _ in range(count)]
    return [asyncio.create_task(listen(opened)) for opened in sockets]


async def busy(session: aiohttp.ClientSession, url: str, number: int, until: float) -> list[float]:
    """Ask one question after the other. The milliseconds to the first token of each."""
    id, waits = str(uuid.uuid4()), []
    async with session.ws_connect(f"{url}?session_id={id}&answers=free") as opened:
        for question in itertools.islice(itertools.cycle(QUESTIONS), number, None):
            if time.monotonic() >= until:
                break
            await opened.send_str(message(id, question))
            while (event := json.loads((await opened.receive()).data))["type"] not in LAST:
                pass
            waits.append(event.get("time_to_first_token_ms") or 0)
    return waits


async def under_load(server: Server, session: aiohttp.ClientSession, clients: int, seconds: float) -> dict[str, Any]:
    """So many busy sockets for so long."""
    before, begun = await asyncio.to_thread(scrape, server), time.monotonic()
    asking = [asyncio.create_task(busy(session, server.ws_url, n, begun + seconds)) for n in range(clients)]
    await asyncio.sleep(seconds)
    after, took = await asyncio.to_thread(scrape, server), time.monotonic() - begun
    waits = [wait for each in await asyncio.gather(*asking) for wait in each]
    tokens = after["rag_completion_tokens_total"] - before["rag_completion_tokens_total"]
    return {
        "lag": lag(before, after),
        "answers": len(waits),
        "tokens_per_s": round(tokens / took, 1),
        "first_token_ms_median": round(statistics.median(waits)) if waits else None,
    }


async def with_and_without(
    server: Server, idlers: int, clients: int, seconds: float, rounds: int
) -> Iterator[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None)) as session:
        await under_load(server, session, clients, min(seconds, 10))
        for number in range(rounds):
            alone = await under_load(server, session, clients, seconds)
            found.append({"round": number, "idle": 0, "busy": clients} | alone)
            memory, begun = resident(server), time.monotonic()
            listening = await idle(session, server.ws_url, idlers)
            opened = {
                "idle": idlers,
                "opened_in_s": round(time.monotonic() - begun, 1),
                "kib_of_one": round((resident(server) - memory) / idlers / 1024, 1) if idlers else None,
            }
            found.append(opened)
            beside = await under_load(server, session, clients, seconds)
            open_still = scrape(server)["rag_websocket_connections"]
            ratio = round(beside["tokens_per_s"] / alone["tokens_per_s"], 3) if alone["tokens_per_s"] else None
            told = {"round": number, "idle": idlers, "busy": clients, "open_at_the_end": open_still}
            found.append(told | beside | {"tokens_ratio": ratio})
            for task in listening:
                task.cancel()
    return iter(found)


# Readers that stall.


class Stalled:
    """A client that asks and does not take what it is answered; with `slowly`, a byte a second."""

    def __init__(self, server: Server, request: bytes, slowly: bool, then: Sequence[bytes] = ()) -> None:
        host, port = server.url.removeprefix("http://").split(":")
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.connect((host, int(port)))
        self.port = self.socket.getsockname()[1]
        self.socket.sendall(request)
        for data in then:
            self.socket.sendall(data)
        self.slowly = slowly

    def take(self) -> None:
        if self.slowly:
            with contextlib.suppress(OSError):
                self.socket.recv(1, socket.MSG_DONTWAIT)


def stalled(server: Server, kind: str, slowly: bool, document: str = "") -> Stalled:
    """`socket` asks five questions, `stream` one by server-sent events, `download` fetches an original."""
    host, id = server.url.removeprefix("http://"), str(uuid.uuid4())
    if kind == "socket":
        head = f"GET /chat-ws?session_id={id} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        head += "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        asked = [message(id, "what is the answer", f"m{number}") for number in range(5)]
        frames = [Frame(Opcode.TEXT, text.encode()).serialize(mask=True) for text in asked]
        return Stalled(server, head.encode(), slowly, frames)
    if kind == "stream":
        body = json.dumps({"message": "what is the answer"})
        head = f"POST /chat/stream HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        return Stalled(server, f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode(), slowly)
    return Stalled(server, f"GET /documents/{document}/original HTTP/1.1\r\nHost: {host}\r\n\r\n".encode(), slowly)


def connected(port: int) -> set[int]:
    """The ports of clients to which a server's port has a connection, or still has to say something."""
    own = f"{port:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    # Not those that wait for stray packets alone.
    return {int(row[2].split(":")[1], 16) for row in rows if row[1].endswith(f":{own}") and row[3] not in ("06", "0A")}


def stall(server: Server, kind: str, count: int, document: str, patience: float = 180.0) -> dict[str, Any]:
    """So many readers at once: what each costs at most, and how long they are kept."""
    memory, system, begun = resident(server), in_system(server), time.monotonic()
    readers = [stalled(server, kind, number % 2 == 1, document) for number in range(count)]
    most, most_in_system, left = 0, 0, {reader.port for reader in readers}
    while left and time.monotonic() - begun < patience:
        time.sleep(1.0)
        for reader in readers:
            reader.take()
        most = max(most, resident(server) - memory)
        most_in_system = max(most_in_system, (in_system(server) or 0) - (system or 0))
        left &= connected(int(server.url.rsplit(":", 1)[1]))
    seconds = time.monotonic() - begun
    for reader in readers:
        reader.socket.close()
    return {
        "readers": count,
        "kind": kind,
        "kib_of_one": round(most / count / 1024, 1),
        "kib_of_one_in_system": round(most_in_system / count / 1024, 1) if system is not None else None,
        "dropped": count - len(left),
        "dropped_in_s": round(seconds, 1),
    }


def stall_all(server: Server, counts: Sequence[int], size: int = 1_000_000) -> Iterator[dict[str, Any]]:
    # Long to download, and soon indexed.
    upload(server, "long.html", f"<p>The pump needs oil.</p><!-- {'x' * size} -->")
    server.settle()
    with urllib.request.urlopen(server.url + "/documents", timeout=60) as response:
        rows = json.load(response)["documents"]
    document = next(str(row["id"]) for row in rows if row["name"] == "long.html")
    # What the first requests load stays, and so do the threads that work for several at once.
    first = [stalled(server, kind, False, document) for kind in ("socket", "stream", "download") for _ in range(4)]
    time.sleep(2.0)
    for reader in first:
        reader.socket.close()
    time.sleep(2.0)
    for count in counts:
        for kind in ("socket", "stream", "download"):
            yield stall(server, kind, count, document)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--idle", type=int, default=500)
    parser.add_argument("--busy", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--stalled", type=int, nargs="*", default=[20, 100])
    parser.add_argument("--models-dir", type=Path, default=ROOT / "models")
    arguments = parser.parse_args()
    machine = probe.Machine.look()
    print(json.dumps({"machine": machine.cpu, "cores": machine.cores}), flush=True)
    kept = True
    with tempfile.TemporaryDirectory() as folder:
        if arguments.busy:
            server = start_server(Path(folder) / "real", arguments.models_dir).wait()
            try:
                server.settle()
                given = (server, arguments.idle, arguments.busy, arguments.seconds, arguments.rounds)
                for found in asyncio.run(with_and_without(*given)):
                    print(json.dumps(found), flush=True)
                    kept &= found.get("lag", {}).get("p99_ms", 0) <= TARGET
            finally:
                server.stop()
        if arguments.stalled:
            os.environ["SCRIPTED_WORDS"] = "512"
            server = start_server(Path(folder) / "scripted", arguments.models_dir, program=SCRIPTED).wait()
            try:
                for found in stall_all(server, arguments.stalled):
                    print(json.dumps(found), flush=True)
                    kept &= found["dropped"] == found["readers"] and found["kib_of_one"] <= 512
            finally:
                server.stop()
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
