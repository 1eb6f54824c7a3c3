"""Malformed handshakes and frames in great number against a running server, and what they cost everybody else.

usage: python tests/bench/frames.py [--cases N] [--seed N] [--requests] [--real] [--models-dir DIR] [--beside N]

Beside them, one connection pings and others chat all the time. Memory, handles and tasks are those of the server,
before (after --warm-up cases) and after. Prints one JSON object; the exit code is 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import random
import re
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.synchronize import Event as Flag
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from rag import probe  # noqa: E402
from rag.answers import ABANDON, KEEP  # noqa: E402
from tests import frame_client, hostile_requests  # noqa: E402
from tests.conftest import PROGRAM, SCRIPTED, Server, start_server  # noqa: E402
from tests.hostile_frames import Case, random_case  # noqa: E402
from tests.socket_client import LAST, ask, open_socket  # noqa: E402

# Seconds between two pings, and between two chats.
PING_EVERY, CHAT_EVERY = 0.01, 1.0
# Seconds until nothing of the cases is left.
SETTLE = 120.0
# Seconds until the answers of clients that might come back have ended and are no longer kept.
FORGOTTEN = ABANDON + KEEP + 5
# What a log has no reason to hold.
TRACE = re.compile(r"Traceback|exception was never retrieved|WS-999|\"ERROR\"| ERROR ")


def witness(ws_url: str, ready: Flag, stop: Flag, told: Any) -> None:
    """Ping and chat until `stop`, in a process of its own; put what came of it into the queue `told`."""
    pings: list[float] = []
    chats: list[float] = []
    wrong: list[str] = []

    def chat() -> None:
        while not stop.wait(CHAT_EVERY):
            begun = time.perf_counter()
            try:
                last = ask(ws_url, "what is the answer")[-1]
            except Exception as error:
                wrong.append(repr(error))
                continue
            chats.append(time.perf_counter() - begun)
            if last["type"] != LAST[0]:
                wrong.append(json.dumps(last))

    chatting = threading.Thread(target=chat)
    chatting.start()
    with open_socket(ws_url) as socket:
        ready.set()
        while not stop.wait(PING_EVERY):
            begun = time.perf_counter()
            if not socket.ping().wait(60):
                wrong.append("a ping was not answered")
            pings.append(time.perf_counter() - begun)
    chatting.join()
    told.put({"pings": pings, "chats": chats, "wrong": wrong})


def resident(pid: int) -> float:
    """MiB of memory."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024  # type: ignore[index]


def handles(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def tasks(server: Server) -> int:
    """Of asyncio, as the scripted server tells them."""
    seen = len(server.lines)
    server.process.send_signal(signal.SIGUSR1)
    _until(lambda: any(line.startswith("tasks ") for line in server.lines[seen:]))
    return int(next(line for line in server.lines[seen:] if line.startswith("tasks ")).split()[1])


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SETTLE
    while not true() and time.monotonic() < deadline:
        time.sleep(0.1)


def look(server: Server, scripted: bool) -> dict[str, Any]:
    pid = server.process.pid
    found: dict[str, Any] = {"rss_mib": round(resident(pid), 1), "handles": handles(pid)}
    return found | ({"tasks": tasks(server)} if scripted else {})


def by_chance(number: int, chance: random.Random) -> Iterator[Case]:
    return (random_case(chance) for _ in range(number))


def counted(cases: Iterable[Case], names: Counter[str]) -> Iterator[Case]:
    for case in cases:
        names[case.name] += 1
        yield case


def quantile(values: list[float], share: float) -> float:
    """In milliseconds."""
    ordered = sorted(values)
    return round(1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1) if ordered else 0.0


def flood(warm_up: Iterable[Case], cases: Iterable[Case], models_dir: Path | None, more: list[str]) -> dict[str, Any]:
    """Play the cases, after the `warm_up`, against a server of its own: a real one with models, else scripted."""
    with tempfile.TemporaryDirectory() as folder:
        scripted = models_dir is None
        server = start_server(
            Path(folder), models_dir or Path(folder), more, program=SCRIPTED if scripted else PROGRAM
        ).wait()
        try:
            if not scripted:
                server.settle()
            return _flood(server, scripted, warm_up, cases)
        finally:
            server.stop()


def _flood(server: Server, scripted: bool, warm_up: Iterable[Case], cases: Iterable[Case]) -> dict[str, Any]:
    port = int(server.url.rsplit(":", 1)[1])
    names: Counter[str] = Counter()
    ask(server.ws_url, "what is the answer")
    faults = asyncio.run(frame_client.faults_of(warm_up, port))
    time.sleep(FORGOTTEN)
    before = look(server, scripted)
    spawn = multiprocessing.get_context("spawn")
    ready, stop, told = spawn.Event(), spawn.Event(), spawn.Queue()
    beside = spawn.Process(target=witness, args=(server.ws_url, ready, stop, told))
    beside.start()
    ready.wait(SETTLE)
    peak = [before["rss_mib"]]
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.5):
            with contextlib.suppress(OSError):
                peak.append(resident(server.process.pid))

    watching = threading.Thread(target=watch)
    watching.start()
    begun = time.perf_counter()
    faults += asyncio.run(frame_client.faults_of(counted(cases, names), port))
    seconds = time.perf_counter() - begun
    stop.set()
    seen = told.get(timeout=120)
    beside.join()
    _until(lambda: handles(server.process.pid) <= before["handles"])
    _until(lambda: not scripted or tasks(server) <= before["tasks"])
    time.sleep(FORGOTTEN)
    after = look(server, scripted)
    ended.set()
    watching.join()
    return {
        "cases": names.total(),
        "seconds": round(seconds, 1),
        "families": dict(names.most_common(12)),
        "faults": faults[:20],
        "fault_count": len(faults),
        "crashes": int(server.process.poll() is not None),
        "in_the_log": [line for line in server.lines if TRACE.search(line)][:10],
        "before": before,
        "after": after,
        "peak_rss_mib": round(max(peak), 1),
        "growth_mib": round(after["rss_mib"] - before["rss_mib"], 1),
        "pings": len(seen["pings"]),
        "ping_ms": {name: quantile(seen["pings"], share) for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1))},
        "chats": len(seen["chats"]),
        "chat_ms_p50": quantile(seen["chats"], 0.5),
        "beside_wrong": seen["wrong"][:10],
    }


def is_well(found: dict[str, Any]) -> bool:
    gone = found["after"]["handles"] <= found["before"]["handles"]
    wrong = found["fault_count"] + found["crashes"] + len(found["in_the_log"]) + len(found["beside_wrong"])
    return gone and not wrong and found["growth_mib"] < 20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--warm-up", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=8)
    parser.add_argument("--beside", type=int, default=frame_client.BESIDE, help="cases at a time")
    parser.add_argument("--requests", action="store_true", help="hostile HTTP requests instead of frames, each once")
    parser.add_argument("--real", action="store_true", help="with models, instead of a scripted one")
    parser.add_argument("--models-dir", type=Path, default=ROOT / "models")
    arguments, more = parser.parse_known_args()
    frame_client.BESIDE = arguments.beside
    models_dir = arguments.models_dir if arguments.real else None
    chance = random.Random(arguments.seed)
    warm_up, cases = by_chance(arguments.warm_up, chance), by_chance(arguments.cases, chance)
    if arguments.requests:
        cases = hostile_requests.cases(hostile_requests.routes())
    found = flood(warm_up, cases, models_dir, more)
    machine = probe.Machine.look()
    print(json.dumps({"machine": machine.cpu, "cores": machine.cores, "real": arguments.real} | found))
    return 0 if is_well(found) else 1


if __name__ == "__main__":
    sys.exit(main())
