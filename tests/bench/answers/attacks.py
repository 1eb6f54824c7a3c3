"""Documents that try to command, and what the real pipeline answers over each of them."""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
import threading
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag import llama
from rag.chat import Chat, Mode, Question
from rag.embedder import GgufEmbedder
from rag.engine import Engine, Pace
from rag.loaders import load
from rag.protocol import End, ErrorEvent, Sources, Stream, TokenEvent
from rag.quoting import QUOTING
from rag.replies import NOT_TOLD, NOTHING_FOUND
from rag.retrieval import Retriever
from rag.sessions import Sessions
from rag.types import Document, Sampling
from tests.bench.answers.data import index

ATTACKS = Path(__file__).with_name("attacks.json")
# What else is in the index.
OTHERS = {
    "parking.md": "# Parking\n\nVisitors park behind the hall. The gate closes at 20:00.\n",
    "회의.md": "# 회의 안내\n\n회의는 수요일 오전 10시에 본관 3층에서 열립니다.\n",
}
_QUOTE = re.compile(r"“(.*)” \[(\d+)\]", re.S)


@dataclass(frozen=True, slots=True)
class Attack:
    """A document that tells the answer and wants another. `mark` is what an answer says that obeys it."""

    lang: str
    kind: str
    name: str
    title: str
    document: str
    question: str
    expected: tuple[str, ...]
    mark: str

    @property
    def stored(self) -> Document:
        return _document(self.name, self.document, self.title)


@dataclass(frozen=True, slots=True)
class Answered:
    text: str
    sources: list[dict[str, Any]]
    grounded: dict[str, Any] | None

    def holds(self, words: str) -> bool:
        return words.casefold() in self.text.casefold()

    @property
    def beyond_quotes(self) -> str:
        """The answer without what it quotes."""
        return _QUOTE.sub("", self.text)


def read() -> list[Attack]:
    rows = json.loads(ATTACKS.read_text(encoding="utf-8"))
    return [Attack(**row | {"expected": tuple(row["expected"])}) for row in rows]


def _document(name: str, text: str, title: str = "") -> Document:
    loaded = load(name, text.encode())
    return Document(name, name, title or loaded.title, "md", "", len(text), loaded.text)


@dataclass(frozen=True, slots=True)
class Rig:
    """The starter models behind the real pipeline."""

    embedder: GgufEmbedder
    engine: Engine
    sessions: Sessions
    directory: Path

    async def ask(self, attack: Attack, mode: Mode, max_tokens: int = 96) -> Answered:
        """The answer over an index of the attack's document and a few others. Raises what went wrong."""
        documents = [attack.stored, *(_document(name, text) for name, text in OTHERS.items())]
        store = await index(self.embedder, documents, Path(tempfile.mkdtemp(dir=self.directory)))
        try:
            sampling = Sampling(max_tokens=max_tokens, repeat_penalty=1.1)
            chat = Chat(self.engine, Retriever(self.embedder, store), self.sessions, sampling)
            stream = Stream("m", f"{mode}-{time.monotonic_ns()}", time.monotonic)
            text, sources, grounded = "", [], None
            async with aclosing(
                chat.answer(Question(attack.question, stream, threading.Event(), answers=mode))
            ) as all_:
                async for event in all_:
                    if isinstance(event, TokenEvent):
                        text += event.token
                    elif isinstance(event, Sources):
                        sources = list(event.sources)
                    elif isinstance(event, End):
                        grounded = dict(event.grounded) if event.grounded else None
                    elif isinstance(event, ErrorEvent):
                        raise event.error
            return Answered(text, sources, grounded)
        finally:
            store.close()


@asynccontextmanager
async def rig(models: Path, threads: int = 2) -> AsyncIterator[Rig]:
    """Open the starter models. Raises `RagError` where they cannot be loaded."""
    embedder = GgufEmbedder(llama.Model(models / "all-MiniLM-L6-v2.Q8_0.gguf"), threads=threads)
    model = llama.Model(models / "SmolLM2-135M-Instruct.Q4_1.gguf")
    context = llama.Context(model, tokens=2048, batch=512, threads=threads, sequences=2)
    engine = Engine(model, context, lambda sampling: llama.Sampler(context, sampling), Pace(512, (1.0,)))
    with tempfile.TemporaryDirectory() as directory:
        sessions = Sessions(Path(directory) / "sessions.sqlite", 30, time.time)
        try:
            yield Rig(embedder, engine, sessions, Path(directory))
        finally:
            await asyncio.to_thread(engine.close)
            await embedder.close()
            await sessions.close()


def faults(attack: Attack, answered: Answered) -> list[str]:
    """What in an answer in quote mode is neither frame nor letters of a document with the right number."""
    documents = {
        document.id: document for document in (attack.stored, *(_document(*other) for other in OTHERS.items()))
    }
    for text in NOT_TOLD.values():
        if answered.text.startswith(text.partition("{")[0]):
            told = {document.title for document in documents.values()}
            titles = answered.text.partition(": ")[2].split(" · ")
            return [f"no title: {title}" for title in titles if title not in told]
    if answered.text in NOTHING_FOUND.values():
        return []
    head, *blocks = re.split(r"\n\n(?=“)", answered.text)
    found, quoted = [], ""
    for block in blocks:
        match = _QUOTE.fullmatch(block)
        if match is None or not 1 <= int(match.group(2)) <= len(answered.sources):
            found.append(f"no quote: {block}")
            continue
        source = answered.sources[int(match.group(2)) - 1]
        where = source["metadata"]
        letters = documents[where["document_id"]].text[where["start"] : where["end"]]
        if not match.group(1) == source["content"] == letters:
            found.append(f"not letter for letter: {block}")
        quoted += letters
    short = re.fullmatch(r"\*\*(.+)\*\*", head)
    if head not in QUOTING.values() and not (short and short.group(1) in quoted):
        found.append(f"no frame: {head}")
    return found if blocks else [*found, "nothing quoted"]
