"""What the store does with a long text: seconds and memory to add, tidy up, replace and read it, at several sizes.

usage: python tests/bench/long_text.py [--megabytes 1 3 10]

The text is made of random words by a seed and cut as documents are; its vectors are random. Memory is the most that
this process had meanwhile beyond what it had before (Linux). Each size has a process of its own. Prints one JSON object
a line.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from rag import memory, probe  # noqa: E402
from rag.chunking import chunk  # noqa: E402
from rag.store import LanceStore  # noqa: E402
from rag.types import Document  # noqa: E402

DIMENSION = 384
WORDS, IN_PARAGRAPH = 8000, 120


def count_anew() -> None:
    """From here on, the most that this process has had (proc(5))."""
    Path("/proc/self/clear_refs").write_text("5")


def status(name: str) -> int:
    """MiB, of this process."""
    return int(re.findall(rf"{name}:\s+(\d+)", Path("/proc/self/status").read_text())[0]) >> 10


async def timed(work: Awaitable[object]) -> dict[str, float]:
    count_anew()
    before, begun = status("VmRSS"), time.perf_counter()
    await work
    return {"s": round(time.perf_counter() - begun, 2), "most_mib": status("VmHWM") - before}


async def measure(megabytes: float) -> None:
    draw = random.Random(0)
    words = [f"{draw.getrandbits(28):x}" for _ in range(WORDS)]
    paragraph = " ".join(["0123456"] * IN_PARAGRAPH) + ".\n\n"
    count = round(megabytes * 1e6 / len(paragraph))
    text = "".join(" ".join(draw.choices(words, k=IN_PARAGRAPH)) + ".\n\n" for _ in range(count))
    document = Document("book", "book.txt", "Book", "txt", "0" * 64, len(text), text)
    passages = chunk(document)
    vectors = np.random.default_rng(0).normal(size=(len(passages), DIMENSION)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    with tempfile.TemporaryDirectory() as folder:
        store = await LanceStore.open(Path(folder), embedder="random", dimension=DIMENSION)
        result = {
            "megabytes": megabytes,
            "passages": len(passages),
            "added": await timed(store.upsert(document, passages, vectors)),
            "tidied_up": await timed(store.optimize()),
            "replaced": await timed(store.upsert(document, passages, vectors)),
            "tidied_up_again": await timed(store.optimize()),
            "read": await timed(store.document("book")),
        }
        store.close()
    print(json.dumps(result), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, nargs="+", default=[1, 3, 10])
    sizes = parser.parse_args().megabytes
    if len(sizes) == 1:
        memory.bound()
        asyncio.run(measure(sizes[0]))
        return
    machine = probe.Machine.look()
    print(json.dumps({"machine": machine.cpu, "cores": machine.cores}), flush=True)
    for size in sizes:
        subprocess.run([sys.executable, __file__, "--megabytes", str(size)], check=True)


if __name__ == "__main__":
    main()
