"""Speed of ingestion against the bare speed of embedding, in one run, in turns.

usage: python tests/bench/ingest.py [--models-dir DIR] [--rounds N] [--files N] [--passages N]

bare: the texts of the passages through the embedder, with nothing else. book: one long file through the whole
ingestion. folder: as many short files as --files says. Prints one JSON object a line; the texts are made of the words
of the guides, by a seed. (tests/bench/beside.py measures a chat beside an ingestion.)
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from rag import probe  # noqa: E402
from rag.chunking import chunk, in_context  # noqa: E402
from rag.ingest import EMBED_BATCH  # noqa: E402
from rag.service import Index, choose_models, open_index  # noqa: E402
from rag.settings import load  # noqa: E402
from rag.types import Document, Embedder, Passage  # noqa: E402


def words_of_guides() -> list[str]:
    return "".join(path.read_text() for path in sorted((ROOT / "web/guides/en").glob("*.md"))).split()


def prose(words: list[str], count: int, seed: int) -> str:
    """Paragraphs of about eighty words."""
    drawn = random.Random(seed).choices(words, k=count)
    return "\n\n".join(" ".join(drawn[start : start + 80]) + "." for start in range(0, count, 80))


def passages_of(name: str, text: str, embedder: Embedder) -> list[Passage]:
    document = Document("bench", name, Path(name).stem, "txt", "", len(text), text)
    return chunk(document, embedder.count, embedder.window)


async def bare(embedder: Embedder, passages: list[Passage]) -> float:
    """Passages per second of the embedder alone, on the lane of documents."""
    texts = [in_context(passage) for passage in passages]
    begun = time.perf_counter()
    for start in range(0, len(texts), EMBED_BATCH):
        await embedder.embed(texts[start : start + EMBED_BATCH], background=True)
    return len(texts) / (time.perf_counter() - begun)


def write(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)


async def whole(index: Index, folder: Path, files: dict[str, str]) -> tuple[float, float, int]:
    """(passages per second, files per second, passages) from the first file's acceptance to the last one's storing."""
    await asyncio.to_thread(write, folder, files)
    begun = time.perf_counter()
    jobs = [await index.ingester.add_file(folder / name, name, str(folder / name)) for name in files]
    await index.ingester.join()
    took = time.perf_counter() - begun
    assert all(job.state == "stored" and not job.duplicate for job in jobs), [job.body("en") for job in jobs][:3]
    passages = sum(job.total for job in jobs)
    return passages / took, len(files) / took, passages


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models-dir", type=Path, default=ROOT / "models")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--passages", type=int, default=400, help="about so many in the book")
    arguments = parser.parse_args()
    machine = probe.Machine.look()
    print(json.dumps({"machine": machine.cpu, "cores": machine.cores}), flush=True)
    words = words_of_guides()
    ratios: dict[str, list[float]] = {"book": [], "folder": []}
    with tempfile.TemporaryDirectory() as place:
        settings = load({"data_dir": str(Path(place) / "data"), "models_dir": str(arguments.models_dir)}, {})
        models = choose_models(settings, ())
        assert models.embed is not None
        async with open_index(settings, models.embed, lambda done, total: None) as index:
            embedder = index.retriever.embedder
            for number in range(arguments.rounds):
                sets = {
                    "book": {"book.txt": prose(words, arguments.passages * 110, number)},
                    "folder": {
                        f"{n}.txt": prose(words, 150, 1000 * (number + 1) + n)
                        for n in range(arguments.files // arguments.rounds)
                    },
                }
                for kind, files in sets.items():
                    every = [passage for name, text in files.items() for passage in passages_of(name, text, embedder)]
                    sample = every[:: max(1, len(every) // 200)]
                    alone = await bare(embedder, sample)
                    speed, per_second, count = await whole(index, Path(place) / f"{kind}{number}", files)
                    after = await bare(embedder, sample)
                    ratios[kind].append(speed / statistics.mean((alone, after)))
                    found: dict[str, Any] = {
                        "what": kind,
                        "passages": count,
                        "files": len(files),
                        "bare_passages_per_s": [round(alone, 1), round(after, 1)],
                        "ingested_passages_per_s": round(speed, 1),
                        "files_per_s": round(per_second, 2),
                        "ratio": round(ratios[kind][-1], 3),
                    }
                    print(json.dumps(found), flush=True)
    print(json.dumps({f"{kind}_ratio_median": round(statistics.median(found), 3) for kind, found in ratios.items()}))


if __name__ == "__main__":
    asyncio.run(main())
