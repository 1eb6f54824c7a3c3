"""Kills of the real server: is all that was said to be stored there afterwards, whole and found, and nothing else?

usage: python tests/bench/kills.py [--kills N] [--seed N] [--points CALLS] [--first N] [--last N] [--every N]

With --kills the server is killed N times at random moments: while it starts, while documents are uploaded, replaced
and deleted over HTTP, files come and go in a watched folder and conversations go on over /chat-ws, while the index is
tidied, and while it is rebuilt for another embedding model. With --points a life of its parts is killed before each of
its calls of these names (see tests/bench/kill_points.py), one after the other; that needs Linux and a C compiler.
Prints one line of JSON for each kill; the exit code is 1 if anything was lost or left behind.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from models import starter  # noqa: E402
from rag import durable, jsonfile  # noqa: E402
from rag.folders import find_files  # noqa: E402
from tests.bench.kill_points import kill_at_points  # noqa: E402
from tests.bench.told import GONE, Told, call  # noqa: E402
from tests.conftest import Server, start_server  # noqa: E402

# Nothing of it changes what is kept, and all of it makes a start or an answer quicker.
QUICK = {"reencode": "off", "ctx": 1024, "sequences": 2, "watch-seconds": 0.1, "draft": "off", "answers": "free"}
LIFE = {"session-minutes": 100000}


@dataclass(frozen=True)
class Round:
    """When one server is killed. `seconds` are counted from its start, or from when it was ready and checked."""

    phase: str
    seconds: float
    embedder: int

    @classmethod
    def drawn(cls, draw: random.Random, embedder: int) -> Round:
        phase = draw.choices(("start", "busy", "quiet"), (3, 5, 3))[0]
        seconds = {"start": (0.3, 5.0), "busy": (0.0, 2.5), "quiet": (2.0, 4.5)}[phase]
        # Sometimes another embedding model: all is embedded anew.
        return cls(phase, draw.uniform(*seconds), 1 - embedder if draw.random() < 0.25 else embedder)


def prepare(place: Path, models_dir: Path) -> tuple[Path, list[Path]]:
    """A data directory that knows all guides but one, so that they need not be indexed; and two embedding models."""
    wanted = {model.kind: model.file for model in starter.starters()}
    chat, embed = models_dir / wanted["chat"], models_dir / wanted["embed"]
    folder, data_dir = place / "models", place / "data"
    folder.mkdir()
    (folder / chat.name).symlink_to(chat.resolve())
    embedders = [folder / "first.gguf", folder / "second.gguf"]
    for number, copy in enumerate(embedders):
        # A file of another size is another model to the index.
        copy.write_bytes(embed.read_bytes() + bytes(64 * number))
    known = {source: durable.sha256_of(path) for source, path in find_files(ROOT / "web/guides")}
    del known[min(known)]
    jsonfile.save(data_dir / "guides.json", known)
    return data_dir, embedders


def writing_index(data_dir: Path) -> bool:
    """Whether a file of the index was written to just now."""
    newest = 0.0
    for folder, _, _ in os.walk(data_dir / "index"):
        newest = max(newest, os.stat(folder).st_mtime)
    return time.time() - newest < 0.1


def kill_at_random(kills: int, seed: int, models_dir: Path) -> dict[str, Any]:
    """Kill a server so many times. What was lost or left behind, and how much was kept."""
    draw = random.Random(seed)
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        data_dir, embedders = prepare(Path(folder), models_dir)
        told = Told(seed, Path(folder) / "watched")
        embedder = 0
        for number in range(1, kills + 2):
            last = number > kills
            plan = Round("busy", 0, embedder) if last else Round.drawn(draw, embedder)
            embedder = plan.embedder
            begun = time.monotonic()
            more = {"embed-model": embedders[embedder], "watch": told.folder.path}
            arguments = [f"--{name}={value}" for name, value in (QUICK | LIFE | more).items()]
            server = start_server(data_dir, embedders[0].parent, arguments)
            try:
                about: dict[str, Any] = {"kill": number, "phase": plan.phase, "embedder": embedder}
                if plan.phase == "start" and not last:
                    time.sleep(plan.seconds)
                    about["told"] = "".join(server.lines).splitlines()[-1:]
                else:
                    wrong += [f"before kill {number}: {what}" for what in looked_at(server, told, last)]
                    if last:
                        break
                    about |= disturb(server, told, plan)
                about["writing index"] = writing_index(data_dir)
                server.process.send_signal(signal.SIGKILL)
                server.process.wait()
                about["seconds"] = round(time.monotonic() - begun, 1)
                print(json.dumps(about | {"wrong until then": wrong}, ensure_ascii=False), flush=True)
            finally:
                server.stop(signal.SIGKILL)
    counts = {"uploads": told.documents.number, "turns": sum(each.turns for each in told.conversations)}
    return {"kills": kills, "seed": seed, **counts, "wrong": wrong}


def looked_at(server: Server, told: Told, everything: bool) -> list[str]:
    """What is not as it was told, or how the server died while it was asked."""
    try:
        return told.check(server.wait(), everything)
    except GONE as error:
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.process.wait(5)
        ended = server.process.poll()
        wrong = [f"{error!r}, the server ended with {ended}: {''.join(server.lines)[-3000:]}"]
        return wrong if ended is not None else wrong + told.check(server, everything)


def disturb(server: Server, told: Told, plan: Round) -> dict[str, Any]:
    """Let all work on the server until the moment of the kill; what is in the air then.

    In a quiet round nothing is written after half a second, so that housekeeping begins.
    """
    begun = time.monotonic()
    workers = told.begin(server)
    if plan.phase == "quiet":
        time.sleep(0.5)
        for _, stop in workers[:2]:
            stop.set()
    time.sleep(max(0.0, begun + plan.seconds - time.monotonic()))
    rebuilding = None
    with contextlib.suppress(*GONE):
        rebuilding = call(server, "GET", "/documents/stats")["rebuilding"]
    # The threads go on until they meet a server that is gone.
    os.kill(server.process.pid, signal.SIGKILL)
    for thread, stop in workers:
        stop.set()
        thread.join()
    kept = sum(len(turns) for each in told.conversations for turns in each.told.values())
    acknowledged = {"documents": len(told.documents.stored), "turns": kept}
    return {"acknowledged": acknowledged, "air": told.air(), "rebuilding": rebuilding}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--points", default="", metavar="CALLS", help="of rename,link,remove,sync")
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--last", type=int, default=1 << 30)
    parser.add_argument("--models-dir", type=Path, default=ROOT / "models")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    wrong = 0
    if arguments.kills:
        found = kill_at_random(arguments.kills, arguments.seed, arguments.models_dir)
        print(json.dumps(found, ensure_ascii=False), flush=True)
        wrong += len(found["wrong"])
    for calls in filter(None, arguments.points.split(",")):
        if not sys.platform.startswith("linux") or not shutil.which("cc"):
            print(json.dumps({"calls": calls, "kills": None, "reason": "needs Linux and a C compiler"}))
            continue
        embed = next(arguments.models_dir / model.file for model in starter.starters() if model.kind == "embed")
        with tempfile.TemporaryDirectory() as folder:
            reach = (arguments.first, arguments.every, arguments.last)
            found = kill_at_points(calls, *reach, Path(folder), embed)
        print(json.dumps(found, ensure_ascii=False), flush=True)
        wrong += len(found["wrong"])
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
