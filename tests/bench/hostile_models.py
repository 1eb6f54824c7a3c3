"""Tries every hostile GGUF of `tests/hostile_models.py`: what it gets, and how soon.

usage: python tests/bench/hostile_models.py

Prints one JSON object; the exit code is 1 unless each is refused as GEN-002 within 30 s.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from rag import probe  # noqa: E402
from rag.errors import RagError  # noqa: E402
from tests.hostile_models import UNUSABLE  # noqa: E402

SECONDS = 30.0


def main() -> int:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    wrong: list[str] = []
    slowest = ("", 0.0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bad.gguf"
        for name, make in UNUSABLE.items():
            path.write_bytes(make())
            begun, code = time.perf_counter(), "used"
            try:
                probe.judge(path, Path(folder) / "verdicts.json", 1)
            except RagError as error:
                code = error.code
            seconds = time.perf_counter() - begun
            slowest = max(slowest, (name, seconds), key=lambda each: each[1])
            if code != "GEN-002" or seconds > SECONDS:
                wrong.append(f"{name}: {code} after {seconds:.0f} s")
    found = {"files": len(UNUSABLE), "wrong": wrong, "slowest": slowest[0], "slowest_s": round(slowest[1], 1)}
    machine = probe.Machine.look()
    print(json.dumps({"machine": machine.cpu, "cores": machine.cores} | found))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
