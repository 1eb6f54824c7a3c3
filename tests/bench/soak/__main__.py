"""A long run of mixed load over a real server: does anything grow, does anything fail, does it get slower?

usage: python -m tests.bench.soak [--minutes 60] [--warm-up 15] [--pace 1] [--models-dir DIR] [--out FILE]

Chats over the socket in Korean and English that are read, cancelled, broken off and resumed; uploads of all formats,
replacements and deletions that leave the number of documents level; searches, the other doors, the page; hostile files
and bad frames. Every ten seconds it looks at the memory, handles and threads of the server and of its children and at
the files it keeps. Prints a table, and writes all of it as JSON. Needs Linux.

The exit code is 1 if anything failed that was not provoked, or if memory, handles, threads or files grew after the
warm-up by more than 2 % an hour, with the whole interval of the slope above 0.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.conftest import ROOT, Server, start_server

from . import samples
from .chats import chatters
from .doors import Librarian, Page, Program
from .report import failed, summary, table
from .run import Run, clients

EVERY = 10.0
CHATS = 4
DOCUMENTS = 36
# So short that the number of conversations is level after the warm-up.
SESSION_MINUTES = 3
# So long that a machine that is busy with other things too is no error.
TOKEN_TIMEOUT = 600


def start(folder: Path, models_dir: Path) -> Server:
    """A server whose temporary files are its own."""
    (folder / "tmp").mkdir()
    os.environ["TMPDIR"] = str(folder / "tmp")
    options = ["--session-minutes", str(SESSION_MINUTES), "--token-timeout", str(TOKEN_TIMEOUT)]
    server = start_server(folder / "data", models_dir, [*options, "--max-tokens", "120"])
    del os.environ["TMPDIR"]
    return server.wait()


async def soak(server: Server, run: Run, minutes: float, documents: int, folder: Path) -> list[dict[str, float]]:
    """The samples."""
    found: list[dict[str, float]] = []
    every = chatters(run, CHATS) | {"library": Librarian(run, documents), "program": Program(run), "page": Page(run)}
    work = asyncio.create_task(clients(run, every))
    try:
        while run.now < 60 * minutes and server.process.poll() is None and not work.done():
            row = await asyncio.to_thread(samples.sample, server.process.pid, server.data_dir, folder / "tmp")
            found.append({"at": run.now, "documents": len(run.facts)} | row)
            told = (
                f"{run.now:5.0f} s  rss {row['server: rss MB']:.0f} MB  anonymous {row['server: anonymous MB']:.0f} MB"
            )
            told += f"  documents {len(run.facts)}  done {run.done.total()}  errors {len(run.errors)}"
            print(told, file=sys.stderr, flush=True)
            await asyncio.sleep(EVERY)
    finally:
        run.over = True
        await work
    return found


def run_soak(
    minutes: float, warm_up: float, pace: float, seed: int, models_dir: Path, documents: int
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = start(folder, models_dir)
        try:
            run = Run(server.url, seed, pace)
            rows = asyncio.run(soak(server, run, minutes, documents, folder))
            died = server.process.poll() is not None
        finally:
            code = server.stop(signal.SIGTERM)
        if died:
            run.errors.append(f"the server died with {code}")
        run.errors += [line.strip() for line in server.lines if " ERROR " in line or "Traceback" in line][:50]
    return summary(run, rows, 60 * warm_up) | {"minutes": minutes, "warm_up": warm_up, "pace": pace, "seed": seed}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=60, help="how long, the warm-up included")
    parser.add_argument("--warm-up", type=float, default=15, help="minutes before growth counts")
    parser.add_argument("--pace", type=float, default=1, help="1: a client rests as long as it works; 2: half as long")
    parser.add_argument("--documents", type=int, default=DOCUMENTS, help="how many are kept")
    parser.add_argument("--seed", type=int, default=8)
    parser.add_argument("--models-dir", type=Path, default=ROOT / "models")
    parser.add_argument("--out", type=Path, help="file for the JSON")
    arguments = parser.parse_args()
    if not sys.platform.startswith("linux"):
        parser.error("needs Linux")
    begun = time.monotonic()
    found = run_soak(
        arguments.minutes,
        arguments.warm_up,
        arguments.pace,
        arguments.seed,
        arguments.models_dir,
        arguments.documents,
    )
    found["seconds"] = round(time.monotonic() - begun)
    if arguments.out:
        arguments.out.write_text(json.dumps(found, ensure_ascii=False))
    print(table(found))
    return 1 if failed(found) else 0


if __name__ == "__main__":
    sys.exit(main())
