"""How fast passages are found at size, and how much the approximate index misses.

usage: python -m tests.bench.search --text FILE.json [--text …] [--rows 1000 100000] [--keep DIR] [--questions N]

Passages are made of the sentences of SQuAD-format files: four of one article, with some words replaced by invented
ones, so that there are many words, most of them rare. Their vectors are the mean of the sentences' real embeddings and
some noise; embedding a million passages would take hours. Tables are filled 20,000 passages a commit; all indexes are
made by the store's own housekeeping. Then the files' questions go through the retriever, embedding included, one after
the other. With --keep the tables stay in DIR and are measured again by the next run. One JSON line for each size.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from rag import durable, llama, ranking, rows
from rag.embedder import GgufEmbedder
from rag.retrieval import Retriever
from rag.store import CANDIDATES, LanceStore
from rag.table import NEAREST
from rag.types import Document, Filter, Passage, Vectors

ROOT = Path(__file__).resolve().parents[2]
PER_DOCUMENT = 20
PER_COMMIT = 20_000
SENTENCES = 4
REPLACED = 0.15
NOISE = 0.4
FOLDERS = 10
FILTER = Filter(folders=("folder1",))
Texts = list[list[str]]


def read(path: Path) -> tuple[Texts, list[str]]:
    """(sentences of each article, questions)."""
    articles, questions = [], []
    for article in json.loads(path.read_text(encoding="utf-8"))["data"]:
        contexts = [paragraph["context"] for paragraph in article["paragraphs"]]
        sentences = [part for text in contexts for part in re.split(r"(?<=[.!?])\s+", text) if 20 < len(part) < 400]
        articles.append(sentences)
        questions += [qa["question"] for paragraph in article["paragraphs"] for qa in paragraph["qas"]]
    return [article for article in articles if article], questions


class Maker:
    """Rows of documents, the same for the same number."""

    def __init__(self, files: Sequence[Texts], vectors: Sequence[Sequence[Vectors]]) -> None:
        self._files = files
        self._vectors = vectors
        self._dimension = int(vectors[0][0].shape[1])
        draw = random.Random(0)
        syllables = [
            first + last for first in "bcdfghjklmnprstvz" for last in ("a", "e", "i", "o", "u", "an", "er", "is")
        ]
        self._latin = ["".join(draw.choices(syllables, k=draw.randint(2, 4))) for _ in range(200_000)]
        hangul = [chr(code) for code in range(0xAC00, 0xD7A4)]
        self._hangul = ["".join(draw.choices(hangul, k=draw.randint(2, 4))) for _ in range(100_000)]

    def rows(self, first: int, count: int) -> pa.Table:
        """Rows of the documents from `first`, in the schema of the store."""
        made = [row for number in range(first, first + count) for row in self._document(number)]
        return pa.Table.from_pylist(made, schema=rows.schema(self._dimension))

    def _document(self, number: int) -> list[dict[str, Any]]:
        draw, noise = random.Random(number), np.random.default_rng(number)
        file = number % len(self._files)
        article = draw.randrange(len(self._files[file]))
        sentences, known = self._files[file][article], self._vectors[file][article]
        name, source = f"doc{number:08d}", f"folder{number % FOLDERS}/part{number % 100}/doc{number}.md"
        passages: list[Passage] = []
        vectors = np.zeros((PER_DOCUMENT, self._dimension), dtype=np.float32)
        start = 0
        for place in range(PER_DOCUMENT):
            chosen = [draw.randrange(len(sentences)) for _ in range(SENTENCES)]
            text = " ".join(self._vary(sentences[index], draw) for index in chosen)
            vectors[place] = _unit(
                _unit(known[chosen].mean(0)) + noise.normal(0, NOISE / self._dimension**0.5, self._dimension)
            )
            end = start + len(text)
            passages.append(Passage(f"{name}-{place:05d}", name, source, f"Title {number}", text, start, end))
            start = end + 1
        body = " ".join(passage.text for passage in passages)
        document = Document(name, source, f"Title {number}", "md", f"{number:064x}", len(body.encode()), body)
        return rows.to_rows(document, passages, vectors)

    def _vary(self, sentence: str, draw: random.Random) -> str:
        words = self._hangul if ranking.has_unspaced(sentence) else self._latin
        return " ".join(
            words[int(len(words) ** draw.random()) - 1] if draw.random() < REPLACED else word
            for word in sentence.split(" ")
        )


def _unit(vector: Vectors) -> Vectors:
    return vector / np.linalg.norm(vector)


async def fill(store: LanceStore, maker: Maker, passages: int) -> dict[str, Any]:
    begun = time.perf_counter()
    step = PER_COMMIT // PER_DOCUMENT
    for first in range(0, passages // PER_DOCUMENT, step):
        count = min(step, passages // PER_DOCUMENT - first)
        await store._table.add(await asyncio.to_thread(maker.rows, first, count))
    return {"fill_s": round(time.perf_counter() - begun, 1)}


async def index(store: LanceStore) -> dict[str, Any]:
    """Let the store make its indexes; nothing is left to do where they were kept."""
    begun = time.perf_counter()
    await store.optimize()
    return {"indexes_s": round(time.perf_counter() - begun, 1)}


async def timed(calls: Sequence[Callable[[], Awaitable[Any]]]) -> tuple[float, float]:
    """Median and 99th percentile in milliseconds."""
    times = []
    for call in calls:
        begun = time.perf_counter()
        await call()
        times.append(1000 * (time.perf_counter() - begun))
    return round(statistics.median(times), 1), round(float(np.percentile(times, 99)), 1)


async def recall(store: LanceStore, vectors: Vectors, where: str) -> float:
    """Share of the 10 nearest that are found, on average."""
    shares = []
    for vector in vectors:
        found = [
            set((await store._table.nearest(vector, NEAREST, where, exact=exact))["chunk_id"].to_pylist()[:10])
            for exact in (False, True)
        ]
        shares.append(len(found[0] & found[1]) / 10)
    return round(statistics.mean(shares), 4)


async def measure(embedder: GgufEmbedder, store: LanceStore, asked: dict[str, list[str]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, questions in asked.items():
        # Each retriever forgets the vectors of earlier questions; the first questions read the indexes into memory.
        retriever = Retriever(embedder, store)
        await timed([partial(retriever.search, question, 5) for question in asked[name][-20:]])
        retriever = Retriever(embedder, store)
        result[f"{name}_ms"] = await timed([partial(retriever.search, question, 5) for question in questions])
        retriever = Retriever(embedder, store)
        result[f"{name}_filtered_ms"] = await timed(
            [partial(retriever.search, question, 5, FILTER) for question in questions]
        )
    questions = [question for each in asked.values() for question in each[:50]]
    vectors = await embedder.embed(questions)
    result["embedding_ms"] = await timed([partial(embedder.embed, [question]) for question in questions])
    condition = rows.condition(FILTER)
    result["recall@10"] = await recall(store, vectors[::4], "")
    result["recall@10_filtered"] = await recall(store, vectors[::4], condition)
    table = store._table
    for label, where in (("nearest", ""), ("nearest_filtered", condition)):
        result[f"{label}_ms"] = await timed([partial(table.nearest, vector, NEAREST, where) for vector in vectors])
    for column, ask in (("text", rows.asked_words), ("grams", rows.asked_grams)):
        texts = [ask(question) for question in questions if ask(question)]
        if texts:
            result[f"{column}_ms"] = await timed([partial(table.matching, column, text, CANDIDATES) for text in texts])
    return result


async def write(store: LanceStore, maker: Maker, passages: int) -> dict[str, Any]:
    """Milliseconds to add, replace and delete a document, and seconds of the housekeeping after it."""
    number = passages // PER_DOCUMENT + 1
    made = maker._document(number)
    about = rows.to_document(made[0]["about"], made[0]["body"])
    parts = [rows.to_passage(row) for row in made[1:]]
    vectors = np.stack([row["vector"] for row in made[1:]])
    result = {}
    for name, count in (("add", PER_DOCUMENT), ("replace", PER_DOCUMENT - 1)):
        begun = time.perf_counter()
        await store.upsert(about, parts[:count], vectors[:count])
        result[f"{name}_ms"] = round(1000 * (time.perf_counter() - begun), 1)
    begun = time.perf_counter()
    await store.optimize()
    result["housekeeping_after_add_s"] = round(time.perf_counter() - begun, 1)
    begun = time.perf_counter()
    await store.delete(about.id)
    result["delete_ms"] = round(1000 * (time.perf_counter() - begun), 1)
    begun = time.perf_counter()
    await store.optimize()
    result["housekeeping_after_delete_s"] = round(time.perf_counter() - begun, 1)
    for name, call in (("counts", store.counts), ("list", store.list_documents), ("contents", store.contents)):
        result[f"{name}_ms"] = (await timed([call] * 3))[0]
    return result


def memory() -> int:
    """MiB of this process, where the system says so."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 >> 20
    except OSError:
        return 0


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", nargs="+", type=Path, required=True)
    parser.add_argument("--rows", nargs="+", type=int, default=[1000, 100_000])
    parser.add_argument("--embed-model", type=Path, default=ROOT / "models/all-MiniLM-L6-v2.Q8_0.gguf")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--questions", type=int, default=200, help="of each file, drawn with a fixed seed")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--writes", action="store_true", help="measure writing, too")
    arguments = parser.parse_args()
    embedder = GgufEmbedder(llama.Model(arguments.embed_model), threads=arguments.threads)
    files = {path.stem: read(path) for path in arguments.text}
    asked = {name: random.Random(0).sample(questions, arguments.questions) for name, (_, questions) in files.items()}
    maker: Maker | None = None
    directory = arguments.keep or Path(tempfile.mkdtemp())
    for passages in arguments.rows:
        result: dict[str, Any] = {"passages": passages}
        folder = directory / str(passages)
        store = await LanceStore.open(folder, embedder=embedder.name, dimension=embedder.dimension)
        if not any(await store.counts()) or arguments.writes:
            if maker is None:
                texts = [articles for articles, _ in files.values()]
                vectors = [[await embedder.embed(sentences) for sentences in articles] for articles in texts]
                maker = Maker(texts, vectors)
            if not any(await store.counts()):
                result |= await fill(store, maker, passages)
        result |= await index(store)
        result |= await measure(embedder, store, asked)
        if arguments.writes and maker:
            result |= await write(store, maker, passages)
        result |= {"memory_mib": memory(), "disk_mib": durable.bytes_in(folder) >> 20}
        print(json.dumps(result), flush=True)
        store.close()
    await embedder.close()


if __name__ == "__main__":
    asyncio.run(main())
