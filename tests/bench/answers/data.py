"""Questions with their expected words, and the passages that the real search finds for them."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rag.chunking import chunk, in_context
from rag.embedder import GgufEmbedder
from rag.retrieval import Retriever
from rag.store import LanceStore
from rag.types import Document, Filter, Passage

DONE = "done.json"
# In the name of a file.
UNFIT = r'[\\/:*?"<>|]'


@dataclass(frozen=True, slots=True)
class Question:
    """`document`: the id of the article that it was asked about. `expected`: any of these words will do."""

    text: str
    document: str
    expected: tuple[str, ...]


def read(path: Path, most: int) -> tuple[list[Document], list[Question]]:
    """Every article of a file in SQuAD's format as a document, and `most` of the questions (0: all), well mixed."""
    documents: list[Document] = []
    questions: list[Question] = []
    for number, article in enumerate(json.loads(path.read_text(encoding="utf-8"))["data"]):
        text = "\n\n".join(paragraph["context"] for paragraph in article["paragraphs"])
        name = f"{path.stem}-{number}"
        documents.append(Document(name, name, article["title"].replace("_", " "), "txt", "", len(text), text))
        questions += [
            Question(asked["question"], name, tuple(dict.fromkeys(answer["text"] for answer in asked["answers"])))
            for paragraph in article["paragraphs"]
            for asked in paragraph["qas"]
        ]
    random.Random(0).shuffle(questions)
    return documents, questions[: most or None]


def write(documents: Sequence[Document], folder: Path) -> dict[str, Path]:
    """Each document as a text file that is named after it, in a folder for each set: names to files."""
    files = {}
    for document in documents:
        source = f"{document.id.rpartition('-')[0]}/{re.sub(UNFIT, '_', document.title)}.txt"
        files[source] = folder / source
        files[source].parent.mkdir(parents=True, exist_ok=True)
        files[source].write_text(document.text, encoding="utf-8")
    return files


async def index(embedder: GgufEmbedder, documents: Sequence[Document], directory: Path) -> LanceStore:
    """The store with all documents. One that is complete is used as it is."""
    store = await LanceStore.open(directory / "index", embedder=embedder.name, dimension=embedder.dimension)
    names = json.dumps([document.id for document in documents])
    done = directory / DONE
    if not done.exists() or done.read_text(encoding="utf-8") != names:
        for document in documents:
            passages = chunk(document, embedder.count, embedder.window)
            vectors = await embedder.embed([in_context(passage) for passage in passages])
            await store.upsert(document, passages, vectors)
        await store.optimize()
        done.write_text(names, encoding="utf-8")
    return store


async def found(
    retriever: Retriever, question: Question, documents: Sequence[Document], k: int, left_out: bool
) -> list[Passage]:
    """The passages of the search; `left_out`: as if the question's article were not there."""
    others = tuple(document.id for document in documents if document.id != question.document)
    return await retriever.search(question.text, k, Filter(documents=others) if left_out else Filter())
