"""Recall of the search over SQuAD-format questions, through the real embedder, store and search.

usage: python tests/bench/retrieval.py --data FILE.json [--data …] [--cut articles|paragraphs|none] [--parts]

Each article is a document, its paragraphs joined by blank lines, and is cut into passages as an ingestion cuts it;
all files share one index. With `--cut paragraphs` each paragraph is a document that is cut, with `--cut none` one that
is a single passage. A question counts as found by paragraph if a passage overlaps the paragraph that its answer is in
(of its own article), as found by answer if a passage holds the answer's characters at the answer's place, and as found
by text if a passage holds the answer between the same characters, be it at another place: of copies, one is shown.

`--parts` searches again with parts of the search left out, to show what each brings.
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
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from rag import chunking, llama, ranking  # noqa: E402
from rag.chunking import chunk, in_context  # noqa: E402
from rag.embedder import GgufEmbedder  # noqa: E402
from rag.retrieval import Retriever  # noqa: E402
from rag.store import LanceStore  # noqa: E402
from rag.types import Document, Passage, Vectors  # noqa: E402

MOST = 5
# Characters on each side of an answer.
AROUND = 20
Search = Callable[[str], Awaitable[list[Passage]]]


@dataclass(frozen=True, slots=True)
class Question:
    """Where its answer's paragraph and its answer lie in the document, in characters."""

    text: str
    document: str
    paragraph: tuple[int, int]
    answer: tuple[int, int]
    said: str
    """The answer with the characters around it."""


def read(path: Path, articles: int, whole: bool) -> tuple[list[Document], list[Question]]:
    """Documents of an article each (`whole`) or of a paragraph each, and the questions about them."""
    documents: list[Document] = []
    questions: list[Question] = []
    for article in json.loads(path.read_text(encoding="utf-8"))["data"][: articles or None]:
        contexts = [paragraph["context"] for paragraph in article["paragraphs"]]
        for number, paragraph in enumerate(article["paragraphs"]):
            if number == 0 or not whole:
                name = f"{path.stem}-{len(documents)}"
                text = "\n\n".join(contexts) if whole else contexts[number]
                documents.append(Document(name, name, article["title"].replace("_", " "), "txt", "", len(text), text))
            start = sum(len(context) + 2 for context in contexts[:number]) if whole else 0
            for asked in paragraph["qas"]:
                at = start + asked["answers"][0]["answer_start"]
                answer = (at, at + len(asked["answers"][0]["text"]))
                place = (start, start + len(contexts[number]))
                said = documents[-1].text[max(start, at - AROUND) : min(place[1], answer[1] + AROUND)]
                questions.append(Question(asked["question"], documents[-1].id, place, answer, said))
    return documents, questions


class Bench:
    """The embedder, whose vectors are kept from one index to the next."""

    def __init__(self, model: Path, threads: int) -> None:
        self.embedder = GgufEmbedder(llama.Model(model), threads=threads)
        self._vectors: dict[str, Vectors] = {}

    async def vectors(self, texts: Sequence[str]) -> Vectors:
        for text in tqdm(dict.fromkeys(text for text in texts if text not in self._vectors), unit="text", disable=None):
            self._vectors[text] = (await self.embedder.embed([text]))[0]
        return np.stack([self._vectors[text] for text in texts])

    async def index(self, documents: Sequence[Document], cut: bool, directory: Path) -> tuple[LanceStore, int]:
        """The store with the documents' passages, and how many there are."""
        store = await LanceStore.open(directory, embedder=self.embedder.name, dimension=self.embedder.dimension)
        for document in documents:
            passages = chunk(document, self.embedder.count, self.embedder.window) if cut else [one_passage(document)]
            await store.upsert(document, passages, await self.vectors([in_context(passage) for passage in passages]))
        await store.optimize()
        return store, (await store.counts())[1]


def one_passage(document: Document) -> Passage:
    text = document.text
    return Passage(f"{document.id}-0", document.id, document.source, document.title, text, 0, len(text))


async def measure(search: Search, questions: Sequence[Question]) -> dict[str, float]:
    counts = np.zeros(6)
    times = []
    for question in questions:
        begun = time.perf_counter()
        passages = await search(question.text)
        times.append(time.perf_counter() - begun)
        for column, place in ((0, question.paragraph), (2, question.answer)):
            hits = [
                passage.document_id == question.document
                and passage.start < place[1]
                and passage.end > place[0]
                and (column == 0 or (passage.start <= place[0] and passage.end >= place[1]))
                for passage in passages[:MOST]
            ]
            counts[column] += hits[:1] == [True]
            counts[column + 1] += any(hits)
        # The hits by answer, and copies elsewhere.
        hits = [hit or question.said in passage.text for hit, passage in zip(hits, passages, strict=False)]
        counts[4] += hits[:1] == [True]
        counts[5] += any(hits)
    names = [f"{what}@{most}" for what in ("paragraph", "answer", "text") for most in (1, MOST)]
    shares = (round(float(count), 4) for count in counts / len(questions))
    return dict(zip(names, shares, strict=True)) | {"ms_median": round(1000 * statistics.median(times), 1)}


def parts(bench: Bench, store: LanceStore) -> Iterator[tuple[str, Search, AbstractContextManager[object]]]:
    """(name, search, what is changed meanwhile), from the least to the whole."""
    nothing: Vectors = np.zeros(bench.embedder.dimension, dtype=np.float32)

    async def vectors_alone(query: str) -> list[Passage]:
        return await store.search("", (await bench.vectors([query]))[0], MOST)

    async def words_alone(query: str) -> list[Passage]:
        return await store.search(query, nothing, MOST)

    async def both(query: str) -> list[Passage]:
        return await store.search(query, (await bench.vectors([query]))[0], MOST)

    retriever = Retriever(bench.embedder, store)

    async def whole(query: str) -> list[Passage]:
        return await retriever.search(query, MOST)

    def no_bigrams() -> AbstractContextManager[object]:
        return patch.object(ranking, "has_unspaced", lambda text: False)

    yield "vectors alone", vectors_alone, nullcontext()
    yield "words alone, no bigrams", words_alone, no_bigrams()
    yield "words and bigrams", words_alone, nullcontext()
    yield "words, bigrams, vectors", both, nullcontext()
    yield "+ trust by script, collapsed, joined: all", whole, nullcontext()
    yield "all without the best sentence", whole, patch.object(ranking, "SENTENCE_WEIGHT", 0.0)
    yield "all without particles cut off", whole, patch.object(ranking, "_korean_stem", lambda word: word)
    yield "all without vectors", words_alone, nullcontext()


def changed_indexes() -> Iterator[tuple[str, AbstractContextManager[object], bool]]:
    """(name, what is changed while the index is made, whether documents keep their titles)."""
    yield "all without overlap", patch.object(chunking, "OVERLAP", 0.0), True
    yield "all without titles", nullcontext(), False
    yield "all, passages of half the size", patch.object(chunking, "LARGEST", chunking.LARGEST // 2), True


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append", type=Path, required=True)
    parser.add_argument("--cut", choices=("articles", "paragraphs", "none"), default="articles")
    parser.add_argument("--parts", action="store_true")
    parser.add_argument("--embed-model", type=Path, default=ROOT / "models/all-MiniLM-L6-v2.Q8_0.gguf")
    parser.add_argument("--articles", type=int, default=0, help="of each file; 0: all")
    parser.add_argument("--questions", type=int, default=400, help="of each file, drawn with a fixed seed; 0: all")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    bench = Bench(options.embed_model, options.threads)
    sets = {path.stem: read(path, options.articles, options.cut == "articles") for path in options.data}
    for _, questions in sets.values():
        random.Random(0).shuffle(questions)
        del questions[options.questions or len(questions) :]
    documents = [document for found, _ in sets.values() for document in found]

    async def report(name: str, passages: int, search: Search) -> None:
        for data, (_, questions) in sets.items():
            about = {"search": name, "data": data, "passages_in_index": passages, "questions": len(questions)}
            print(json.dumps(about | await measure(search, questions)), flush=True)

    with tempfile.TemporaryDirectory() as directory:
        store, passages = await bench.index(documents, options.cut != "none", Path(directory))
        for name, search, change in parts(bench, store):
            if options.parts or name.endswith("all"):
                with change:
                    await report(name, passages, search)
        store.close()
    for name, change, titled in changed_indexes() if options.parts and options.cut != "none" else ():
        with tempfile.TemporaryDirectory() as directory:
            shown = documents if titled else [replace(document, title="") for document in documents]
            with change:
                store, passages = await bench.index(shown, True, Path(directory))
            await report(
                name, passages, lambda query, store=store: Retriever(bench.embedder, store).search(query, MOST)
            )
            store.close()
    await bench.embedder.close()


if __name__ == "__main__":
    asyncio.run(main())
