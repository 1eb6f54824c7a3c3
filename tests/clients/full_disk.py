"""Fill a small disk of one's own, with documents on it, and make room again; print what was told on the way.

usage: unshare -rm python full_disk.py MOUNT_POINT FOLDER_ELSEWHERE
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from rag import ingest
from rag.errors import RagError
from rag.ingest import Ingester
from rag.sessions import Sessions
from rag.types import Turn
from tests.fakes import Clock, HashEmbedder, ThreadParser
from tests.store_child import open_store

MEBIBYTES = 48


async def fill(place: Path, outside: Path) -> dict[str, Any]:
    told: dict[str, Any] = {}
    ingest.AGAIN = 0.2
    store, sessions = await open_store(place / "index"), Sessions(place / "sessions.sqlite", 30, Clock())
    parser = ThreadParser()
    ingester = Ingester(store, HashEmbedder(), parser, place / "documents", 32 << 20)
    await ingester.start()
    first = await ingester.add_file(source(place, "first"), "first.txt", "first")
    await ingester.join()
    await sessions.append("s", Turn("m", "What is it?", "A battery."))
    told["first"] = first.state
    # What is accepted just before the disk is full cannot be stored.
    parser.wait = asyncio.Event()
    late = await ingester.add_file(source(place, "late", 2000), "late.txt", "late")
    (place / "filler").write_bytes(b"")
    with (place / "filler").open("wb") as filler:
        try:
            while True:
                filler.write(bytes(1 << 16))
                filler.flush()
        except OSError as error:
            told["filled"] = error.errno
    parser.wait.set()
    await ingester.join()
    told["late"] = [late.state, late.error and late.error.code]
    for name, work in (
        ("upload", ingester.add_file(source(outside, "upload"), "upload.txt", "upload")),
        ("turn", sessions.append("s", Turn("n", "And more?", "x" * 500_000))),
    ):
        try:
            await work
            told[name] = "done"
        except RagError as error:
            told[name] = error.code
    told["there"] = [(await store.counts())[0] >= 1, len(await sessions.turns("s"))]
    (place / "filler").unlink()
    async with asyncio.timeout(60):
        while late.state != "stored":  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await sessions.append("s", Turn("n", "And more?", "x" * 500_000))
    await ingester.add_file(source(place, "upload"), "upload.txt", "upload")
    await ingester.join()
    documents, _ = await store.list_documents()
    told["in the end"] = [sorted(each.source for each in documents), len(await sessions.turns("s"))]
    await ingester.close()
    await sessions.close()
    store.close()
    return told


def source(folder: Path, word: str, paragraphs: int = 3) -> Path:
    path = folder / f"{word}.source.txt"
    path.write_text("\n\n".join(f"{word} {number} battery " * 20 for number in range(paragraphs)))
    return path


def main() -> None:
    place, outside = map(Path, sys.argv[1:])
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={MEBIBYTES}m", "tmpfs", place], check=True)
    print(json.dumps(asyncio.run(fill(place, outside))))


if __name__ == "__main__":
    main()
