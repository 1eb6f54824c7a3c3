"""Stand-ins for the slow parts: scripted, deterministic, in memory."""

from __future__ import annotations

import asyncio
import hashlib
import re
import threading
import zlib
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from rag import listing
from rag.loaders import Loaded, load
from rag.types import (
    EVERYWHERE,
    CancelFlag,
    Document,
    Embedded,
    Filter,
    Finish,
    Message,
    Passage,
    Rows,
    Sampling,
    SortKey,
    Token,
    Turn,
    Usage,
    Vectors,
)

# Every wait in a test ends here at the latest; a test that needs it has failed.
PATIENCE = 10.0
END = 256


async def until(condition: Callable[[], object]) -> None:
    """Let everything else run until the condition holds, for what no event announces."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0)


class Clock:
    """Seconds that pass only when told."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


# The parts of an engine: a token is a byte of UTF-8, so that pieces are often half a character.


@dataclass
class ScriptedModel:
    """A prompt's tokens are the bytes of its contents. NUL ends an answer as END does. `threads` tokenized."""

    name: str = "scripted"
    parameters: int = 7_000_000_000
    threads: set[int] = field(default_factory=set)

    def speaks(self, lang: str) -> bool:
        return True

    def prompt_tokens(self, messages: Sequence[Message]) -> list[int]:
        self.threads.add(threading.get_ident())
        return list("".join(message.content for message in messages).encode())

    def raw_tokens(self, text: str) -> list[int]:
        return list(text.encode())

    def text_tokens(self, text: str) -> list[int]:
        return list(text.encode())

    def piece(self, token: int) -> bytes:
        return bytes([token])

    def ends(self, token: int) -> bool:
        return token in (END, 0)


@dataclass
class ScriptedContext:
    """Model memory that keeps the rows of each sequence, and refuses to compute anywhere but at their end.

    `script` is called on the decode thread with the number of the call (from 1); what it returns, or the abort
    callback, is the code of the decode. As in the library, a decode that ends badly leaves some of its rows behind.
    """

    size: int = 4096
    sequences: int = 1
    batch_size: int = 512
    script: Callable[[int], int] = lambda call: 0
    heeds_abort: bool = True
    cuttable: bool = True
    copyable: bool = True
    stubborn: bool = False
    """Says that it can be cut, and then cannot."""
    held: dict[int, list[int]] = field(default_factory=dict)
    decodes: list[list[Rows]] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    copies: list[tuple[int, int]] = field(default_factory=list)
    closed: bool = False
    abort: Callable[[], bool] = lambda: False
    outputs: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Of each output row of the last decode, its sequence and how much that held with it."""

    def decode(self, parts: Sequence[Rows]) -> int:
        self.check(parts)
        self.decodes.append([replace(part, tokens=list(part.tokens)) for part in parts])
        self.outputs = {}
        code = self.script(len(self.decodes)) or (2 if self.heeds_abort and self.abort() else 0)
        self.codes.append(code)
        begin = 0
        for part in parts:
            rows, begin = self.rows(part.sequence), begin + len(part.tokens)
            rows += part.tokens if code == 0 else [-1]
            for back in range(part.outputs if code == 0 else 0):
                self.outputs[begin - 1 - back] = part.sequence, len(rows) - back
        return code

    def check(self, parts: Sequence[Rows]) -> None:
        """Note down what the library would not take: raised, it would be one more decode that failed."""
        numbers = [part.sequence for part in parts]
        rules = {
            "a sequence twice, or out of order": numbers == sorted(set(numbers)),
            "no such sequence": set(numbers) <= set(range(self.sequences)),
            "more than a batch": 0 < sum(len(part.tokens) for part in parts) <= self.batch_size,
            "rows with a gap, or over others": all(part.start == len(self.rows(part.sequence)) for part in parts),
            "beyond the end": all(part.start + len(part.tokens) <= self.size for part in parts),
            "outputs without rows": all(0 <= part.outputs <= len(part.tokens) > 0 for part in parts),
        }
        self.complaints += [rule for rule, held in rules.items() if not held]

    def rows(self, sequence: int) -> list[int]:
        return self.held.setdefault(sequence, [])

    def history(self, row: int) -> list[int]:
        """All tokens up to an output row of the last decode."""
        sequence, end = self.outputs[row]
        return self.rows(sequence)[:end]

    def cut(self, sequence: int, start: int) -> bool:
        assert 0 <= start <= len(self.rows(sequence))
        if start and (self.stubborn or not self.cuttable):
            return False
        del self.rows(sequence)[start:]
        return True

    def copy(self, source: int, target: int) -> bool:
        assert source != target
        self.copies.append((source, target))
        self.held[target] = list(self.rows(source)) if self.copyable else [-1]
        return self.copyable

    def close(self) -> None:
        self.closed = True

    @property
    def pieces(self) -> list[list[int]]:
        """The tokens of each decode, of all its sequences together."""
        return [[token for part in parts for token in part.tokens] for parts in self.decodes]


@dataclass
class ScriptedSamplers:
    """Makes samplers that say the replies in turn (then END), and keep the rows that each began from."""

    context: ScriptedContext
    replies: Iterator[Iterable[int]]
    began: list[list[int]] = field(default_factory=list)
    open: int = 0

    def __call__(self, sampling: Sampling) -> ScriptedSampler:
        self.open += 1
        return ScriptedSampler(self, iter(next(self.replies, ())))


@dataclass
class ScriptedSampler:
    made_by: ScriptedSamplers
    reply: Iterator[int]
    begun: bool = False

    def sample(self, row: int) -> int:
        assert row in self.made_by.context.outputs
        if not self.begun:
            self.begun = True
            self.made_by.began.append(self.made_by.context.history(row))
        return next(self.reply, END)

    def log_probabilities(self, row: int, tokens: Sequence[int]) -> list[float]:
        """The reply's next token is sure; of the others, higher ones are a little likelier, all less than 1 in 100."""
        said = self.sample(row)
        return [0.0 if token == said else -10 + token / 256 for token in tokens]

    def close(self) -> None:
        self.made_by.open -= 1


@dataclass
class ScriptedLanguage:
    """Makes samplers whose next token follows from everything before it, so that no script is needed.

    Mostly it is what followed the same three tokens before, so that drafts are right now and then.
    """

    context: ScriptedContext
    open: int = 0

    def __call__(self, sampling: Sampling) -> LanguageSampler:
        self.open += 1
        return LanguageSampler(self)


@dataclass
class LanguageSampler:
    made_by: ScriptedLanguage
    sampled: int = 0

    def sample(self, row: int) -> int:
        self.sampled += 1
        return spoken(self.made_by.context.history(row), self.sampled)

    def log_probabilities(self, row: int, tokens: Sequence[int]) -> list[float]:
        history = bytes(self.made_by.context.history(row))
        return [zlib.crc32(history + bytes([token])) / 2**32 - 1 for token in tokens]

    def close(self) -> None:
        self.made_by.open -= 1


def spoken(history: Sequence[int], sampled: int) -> int:
    """The scripted language: what follows the tokens when `sampled` were sampled, as with a seeded sampler."""
    data = bytes(history)
    chance = zlib.crc32(data, sampled)
    before = data.rfind(data[-3:], 0, len(data) - 1)
    if chance % 64 == 0:
        return END
    if before >= 0 and chance % 64 < 52:
        return data[before + 3]
    letters = "abcd e가".encode()
    return letters[chance // 64 % len(letters)]


# The seams of rag.types.

_WORD = re.compile(r"\s*\S+")


@dataclass
class ScriptedGenerator:
    """Thinks `thoughts` and says `reply`, word by word. `prompts` are those it was given, `raw` those without messages.

    `wait` holds it back before each word.
    """

    reply: str = "The answer is 42 [1]."
    thoughts: str = ""
    name: str = "scripted"
    context: int = 4096
    parameters: int = 7_000_000_000
    languages: tuple[str, ...] = ("en", "ko")
    choices: list[str] = field(default_factory=list)
    priors: list[float] = field(default_factory=list)
    raw: list[str] = field(default_factory=list)
    prompts: list[list[Message]] = field(default_factory=list)
    samplings: list[Sampling] = field(default_factory=list)
    wait: Callable[[], asyncio.Event | None] = lambda: None
    error: Exception | None = None

    def speaks(self, lang: str) -> bool:
        return lang in self.languages

    def count(self, messages: Sequence[Message] | str) -> int:
        return sum(len(text.split()) for text in _texts(messages))

    async def generate(
        self,
        messages: Sequence[Message] | str,
        sampling: Sampling,
        cancel: CancelFlag,
        choices: Sequence[str] = (),
        priors: Sequence[float] = (),
        asker: str = "",
    ) -> AsyncGenerator[Token, None]:
        if isinstance(messages, str):
            self.raw.append(messages)
        else:
            self.prompts.append(list(messages))
        self.samplings.append(sampling)
        self.choices, self.priors = list(choices), list(priors)
        said = 0
        thoughts = _WORD.findall(self.thoughts)
        reply = _WORD.findall(choices[0] if choices else self.reply)
        try:
            for number, word in enumerate(thoughts + reply):
                event = self.wait()
                if event:
                    await event.wait()
                if cancel.is_set():
                    break
                said += 1
                yield Token(word, thinking=number < len(thoughts))
                if self.error:
                    raise self.error
            reason: Literal["cancelled", "stop"] = "cancelled" if cancel.is_set() else "stop"
            yield Token("", Finish(reason, Usage(self.count(messages), 0, said)))
        finally:
            cancel.set()


def _texts(messages: Sequence[Message] | str) -> list[str]:
    return [messages] if isinstance(messages, str) else [message.content for message in messages]


@dataclass
class HashEmbedder:
    """Unit vectors of hashed words: texts that share words are near. `texts` are those it was given."""

    name: str = "hashed words"
    dimension: int = 64
    window: int = 254
    texts: list[str] = field(default_factory=list)
    wait: asyncio.Event | None = None
    error: Exception | None = None

    async def embed(self, texts: Sequence[str], *, background: bool = False) -> Vectors:
        self.texts += texts
        if self.wait:
            await self.wait.wait()
        if self.error:
            raise self.error
        return np.stack([self.vector(text) for text in texts])

    def count(self, text: str) -> int:
        return len(re.findall(r"\w+|[^\w\s]", text))

    def vector(self, text: str) -> Vectors:
        vector = np.zeros(self.dimension, dtype=np.float32)
        for word in re.findall(r"\w+", text.lower()):
            vector[int.from_bytes(hashlib.sha256(word.encode()).digest()[:4]) % self.dimension] += 1
        length = float(np.linalg.norm(vector))
        return vector / length if length else vector


@dataclass
class MemoryStore:
    """A `Store` of two dictionaries. `error` is raised by every call; `wait` holds an upsert back."""

    documents: dict[str, Document] = field(default_factory=dict)
    passages: dict[str, list[Passage]] = field(default_factory=dict)
    upserts: int = 0
    commits: int = 0
    optimized: int = 0
    wait: asyncio.Event | None = None
    error: Exception | None = None

    async def upsert(self, document: Document, passages: Sequence[Passage], vectors: Vectors) -> None:
        await self.upsert_all([Embedded(document, passages, vectors)])

    async def upsert_all(self, new: Sequence[Embedded]) -> None:
        self._check()
        self.upserts += len(new)
        self.commits += 1
        if self.wait:
            await self.wait.wait()
        for each in new:
            assert len(each.passages) == len(each.vectors)
            self.documents.pop(each.document.id, None)
            self.documents[each.document.id] = each.document
            self.passages[each.document.id] = list(each.passages)

    async def delete(self, document_id: str) -> bool:
        self._check()
        self.passages.pop(document_id, None)
        return self.documents.pop(document_id, None) is not None

    async def document(self, document_id: str) -> Document | None:
        self._check()
        return self.documents.get(document_id)

    async def head(self, document_id: str) -> Document | None:
        self._check()
        document = self.documents.get(document_id)
        return document and replace(document, text="")

    async def list_documents(
        self, query: str = "", first: int = 0, most: int = 100, sort: SortKey = "added", descending: bool = True
    ) -> tuple[list[Document], int]:
        self._check()
        found = [
            replace(document, text="")
            for document in reversed(self.documents.values())
            if query.casefold() in f"{document.source}\n{document.title}".casefold()
        ]
        if (sort, descending) != ("added", True):
            ids, _ = listing.page(map(listing.row_of, found), "", sort, descending, 0, len(found))
            found = [self.documents[id] for id in ids]
        return found[first : first + most], len(found)

    async def with_content(self, sha256: str) -> Document | None:
        self._check()
        return next((document for document in self.documents.values() if document.sha256 == sha256), None)

    async def contents(self) -> dict[str, str]:
        self._check()
        return {id: document.sha256 for id, document in self.documents.items()}

    async def optimize(self) -> None:
        self._check()
        self.optimized += 1

    async def search(self, query: str, vector: Vectors, k: int, where: Filter = EVERYWHERE) -> list[Passage]:
        """Passages that hold a word of the query, the share of its words as the score."""
        self._check()
        wanted = set(query.lower().split())
        found = [
            replace(passage, score=len(wanted & set(passage.text.lower().split())) / max(1, len(wanted)))
            for passages in self.passages.values()
            for passage in passages
            if self._is_inside(passage, where)
        ]
        return sorted((passage for passage in found if passage.score), key=lambda passage: -passage.score)[:k]

    def _is_inside(self, passage: Passage, where: Filter) -> bool:
        folders = tuple(folder.rstrip("/") + "/" for folder in where.folders)
        return (
            (not where.documents or passage.document_id in where.documents)
            and (not folders or passage.source.startswith(folders))
            and (not where.types or self.documents[passage.document_id].type in where.types)
        )

    def rebuilding(self) -> tuple[int, int] | None:
        return None

    async def counts(self) -> tuple[int, int]:
        self._check()
        return len(self.documents), sum(map(len, self.passages.values()))

    def _check(self) -> None:
        if self.error:
            raise self.error


@dataclass
class ThreadParser:
    """Reads files in a thread of this process. `names` are those it was given; `wait` holds it back."""

    names: list[str] = field(default_factory=list)
    wait: asyncio.Event | None = None

    async def parse(self, name: str, path: Path) -> Loaded:
        self.names.append(name)
        if self.wait:
            await self.wait.wait()
        return await asyncio.to_thread(lambda: load(name, path.read_bytes()))


# The nouns, with as little as a test needs to say.


def make_document(text: str, id: str = "doc", **fields: object) -> Document:
    values: dict[str, object] = {
        "source": f"{id}.md",
        "title": "Title",
        "type": "md",
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "bytes": len(text.encode()),
    }
    return Document(id=id, text=text, **values | fields)  # type: ignore[arg-type]


def make_passage(text: str, number: int = 0, document_id: str = "doc", **fields: object) -> Passage:
    values: dict[str, object] = {"source": f"{document_id}.md", "title": "Title", "start": 0, "end": len(text)}
    return Passage(chunk_id=f"{document_id}-{number:05d}", document_id=document_id, text=text, **values | fields)  # type: ignore[arg-type]


def make_turn(number: int, words: int = 1) -> Turn:
    return Turn(f"m{number}", f"question{number} " * words, f"answer{number} " * words)
