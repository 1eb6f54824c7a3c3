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
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag import probe
from tests.bench.kills import call
from tests.conftest import ROOT, Server, start_server
from tests.socket_client import open_socket

from .clients import KINDS, Client, Kind, cancel, fin
from .decodes import PROMPT_ROWS, SLOW, Decode, Decodes

PROGRAM = (sys.executable, "-u", "-m", "tests.bench.cancel.server")
# Long enough to be still written when the client goes.
ASKED = "Explain in many words how I add documents, how they are searched and how answers are made."
# A question that takes a while to read.
LONG = "How do I add documents to RAG Standard, and how are they searched? " * 60
WAITING = "cancel frame, waiting"
# In ns: between two decodes of an answer less passes.
MOMENT = 30_000_000


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
