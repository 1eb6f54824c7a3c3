"""Recall of the search over SQuAD-format questions: is the paragraph that holds the answer on top?

usage: python tests/bench/retrieval.py --data FILE.json [--data …] [--articles N] [--questions N] [--keep DIR]

Each paragraph is stored as one passage in the real store with the real embedder, then each question is searched.
With --keep the index stays in DIR and is used again by the next run with the same data.
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

import numpy as np
from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from rag import llama  # noqa: E402
from rag.embedder import GgufEmbedder  # noqa: E402
from rag.retrieval import Retriever  # noqa: E402
from rag.store import LanceStore  # noqa: E402
from rag.types import Document, Passage  # noqa: E402


def read(path: Path, articles: int) -> tuple[list[tuple[str, str, str]], list[tuple[str, str]]]:
    """(id, title, text) of each paragraph, (question, paragraph id) of each question."""
    paragraphs, questions = [], []
    for article in json.loads(path.read_text(encoding="utf-8"))["data"][: articles or None]:
        for paragraph in article["paragraphs"]:
            paragraph_id = f"{path.stem}-{len(paragraphs)}"
            paragraphs.append((paragraph_id, article["title"], paragraph["context"]))
            questions += [(qa["question"], paragraph_id) for qa in paragraph["qas"]]
    return paragraphs, questions


async def fill(retriever: Retriever, paragraphs: list[tuple[str, str, str]]) -> float:
    """Passages per second."""
    begun = time.perf_counter()
    for paragraph_id, title, text in tqdm(paragraphs, unit="passage"):
        document = Document(paragraph_id, paragraph_id, title, "txt", "", len(text), text)
        passage = Passage(f"{paragraph_id}-0", paragraph_id, paragraph_id, title, text, 0, len(text))
        vectors = await retriever.embedder.embed([text])
        await retriever.store.upsert(document, [passage], vectors)
    await retriever.store.optimize()
    return len(paragraphs) / (time.perf_counter() - begun)


async def measure(retriever: Retriever, questions: list[tuple[str, str]]) -> dict[str, Any]:
    first = fifth = 0
    times = []
    for question, paragraph_id in questions:
        begun = time.perf_counter()
        found = [passage.document_id for passage in await retriever.search(question, 5)]
        times.append(time.perf_counter() - begun)
        first += found[:1] == [paragraph_id]
        fifth += paragraph_id in found
    return {
        "questions": len(questions),
        "recall@1": round(first / len(questions), 4),
        "recall@5": round(fifth / len(questions), 4),
        "search_ms_median": round(1000 * statistics.median(times), 1),
    }


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append", type=Path, required=True)
    parser.add_argument("--embed-model", type=Path, default=ROOT / "models/all-MiniLM-L6-v2.Q8_0.gguf")
    parser.add_argument("--articles", type=int, default=0, help="of each file; 0: all")
    parser.add_argument("--questions", type=int, default=400, help="of each file, drawn with a fixed seed; 0: all")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    embedder = GgufEmbedder(llama.Model(arguments.embed_model), threads=arguments.threads)
    directory = arguments.keep or Path(tempfile.mkdtemp())
    store = await LanceStore.open(directory, embedder=embedder.name, dimension=embedder.dimension)
    retriever = Retriever(embedder, store)
    sets = {path.stem: read(path, arguments.articles) for path in arguments.data}
    if not any(await store.counts()):
        speed = await fill(retriever, [paragraph for paragraphs, _ in sets.values() for paragraph in paragraphs])
        print(json.dumps({"passages_per_second": round(speed, 1)}))
    for name, (paragraphs, questions) in sets.items():
        random.Random(0).shuffle(questions)
        result = await measure(retriever, questions[: arguments.questions or None])
        print(json.dumps({"data": name, "paragraphs": len(paragraphs), **result}), flush=True)
    store.close()
    await embedder.close()


if __name__ == "__main__":
    np.seterr(all="raise")
    asyncio.run(main())
