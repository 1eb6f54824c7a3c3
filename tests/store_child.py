"""Writes into a store until it is killed, and says what it does; and checks what is left.

usage: python -m tests.store_child DIRECTORY SEED
"""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

from rag.store import LanceStore
from rag.types import Filter
from tests.fakes import HashEmbedder, make_document, make_passage

IDS = 6
MOST = 5


async def open_store(directory: Path) -> LanceStore:
    return await LanceStore.open(directory, embedder="hashed words", dimension=HashEmbedder().dimension)


async def put(store: LanceStore, id: str, version: str) -> None:
    texts = [f"battery {version} part{number}" for number in range(1 + int(version) % MOST)]
    passages = [make_passage(text, number, id) for number, text in enumerate(texts)]
    document = make_document(f"text {version}", id=id)
    await store.upsert(document, passages, await HashEmbedder().embed(texts))


async def write(directory: Path, seed: int) -> None:
    store = await open_store(directory)
    draw = random.Random(seed)
    print("open", flush=True)
    for number in range(seed * 10000, seed * 10000 + 10000):
        id, chance = f"d{draw.randrange(IDS)}", draw.random()
        if chance < 0.1:
            await store.optimize()
        elif chance < 0.3:
            print("begin", id, "gone", flush=True)
            await store.delete(id)
            print("done", id, "gone", flush=True)
        else:
            print("begin", id, number, flush=True)
            await put(store, id, str(number))
            print("done", id, number, flush=True)


async def check(directory: Path, log: str) -> None:
    """Each document is as it was acknowledged last, or as it was begun to be afterwards: whole, and found."""
    allowed: dict[str, set[str]] = {}
    for line in log.splitlines():
        verb, *rest = line.split()
        if len(rest) == 2 and verb == "begin":
            allowed.setdefault(rest[0], {"gone"}).add(rest[1])
        elif len(rest) == 2 and verb == "done":
            allowed[rest[0]] = {rest[1]}
    store = await open_store(directory)
    for id, versions in allowed.items():
        document = await store.document(id)
        version = document.text.removeprefix("text ") if document else "gone"
        assert version in versions, (id, version, versions)
        found = await store.search("battery", HashEmbedder().vector(""), 50, Filter(documents=(id,)))
        parts = 0 if document is None else 1 + int(version) % MOST
        assert sorted(passage.text for passage in found) == [f"battery {version} part{n}" for n in range(parts)]
        assert document is None or document.passages == parts
    store.close()


if __name__ == "__main__":
    asyncio.run(write(Path(sys.argv[1]), int(sys.argv[2])))
