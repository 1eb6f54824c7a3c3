"""The nouns of the project, and the three seams where another implementation may be put."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Role = Literal["system", "user", "assistant"]
FinishReason = Literal["stop", "length", "cancelled"]
SortKey = Literal["name", "added", "size", "passages"]
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat prompt."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Page:
    """Where a page (from 1) lies in a document's text, in characters, end exclusive."""

    number: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Document:
    """A document as it is stored. `text` is what every offset refers to."""

    id: str
    source: str
    title: str
    type: str
    sha256: str
    bytes: int
    text: str
    pages: tuple[Page, ...] = ()
    passages: int = 0
    added: str = ""


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document: `document.text[start:end] == text`, always. `score` is its relevance, 0 to 1."""

    chunk_id: str
    document_id: str
    source: str
    title: str
    text: str
    start: int
    end: int
    page: int | None = None
    headings: tuple[str, ...] = ()
    score: float = 0.0


@dataclass(frozen=True, slots=True)
class Embedded:
    """A document on its way into the store; `vectors` are of shape `(len(passages), dimension)`."""

    document: Document
    passages: Sequence[Passage]
    vectors: Vectors


@dataclass(frozen=True, slots=True)
class Filter:
    """Where a search looks: in these documents, folders and types; empty means everywhere.

    A folder is a prefix of `source` up to a slash and holds all that lies below it.
    """

    documents: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    types: tuple[str, ...] = ()


EVERYWHERE = Filter()


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen, and where an answer ends. `temperature` 0 is greedy; no `stop` text is said.

    With `ignore_end` the model cannot end it: it goes on to `max_tokens`, a stop text or the end of the context.
    """

    temperature: float = 0.0
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    repeat_penalty: float = 1.0
    seed: int = 0
    max_tokens: int = 512
    stop: tuple[str, ...] = ()
    ignore_end: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one answer. `cached_tokens` of the prompt were not computed again."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Finish:
    reason: FinishReason
    usage: Usage


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the answer, never half a character. The last one carries `finish`; its text may be empty.

    Text that is `thinking` is no part of the answer.
    """

    text: str
    finish: Finish | None = None
    thinking: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """One question and its answer, as a session keeps them. `sources` are in the shape of the protocol; `asked` is
    the question as the model read it, with its passages, if it did."""

    message_id: str
    question: str
    answer: str
    sources: list[dict[str, object]] = field(default_factory=list)
    asked: str = ""


@dataclass(frozen=True, slots=True)
class Rows:
    """Tokens to compute in a sequence of the model's memory, from position `start`; the last `outputs` give logits."""

    sequence: int
    start: int
    tokens: Sequence[int]
    outputs: int = 1


class CancelFlag(Protocol):
    """Set from one thread, looked at from another; a `threading.Event` is one."""

    def is_set(self) -> bool: ...

    def set(self) -> None: ...


class Generator(Protocol):
    """Messages to tokens."""

    @property
    def name(self) -> str: ...

    @property
    def context(self) -> int:
        """Tokens that a prompt and its answer may have together."""
        ...

    @property
    def parameters(self) -> int:
        """How many parameters the model has: small ones need narrow evidence."""
        ...

    def speaks(self, lang: str) -> bool:
        """Whether the model was made for the language."""
        ...

    def count(self, messages: Sequence[Message] | str) -> int:
        """Tokens of the rendered prompt, or of a text as it is. Blocks; call it off the event loop."""
        ...

    def generate(
        self,
        messages: Sequence[Message] | str,
        sampling: Sampling,
        cancel: CancelFlag,
        choices: Sequence[str] = (),
        priors: Sequence[float] = (),
        asker: str = "",
    ) -> AsyncGenerator[Token, None]:
        """The answer's tokens; the last one carries `finish`. Setting `cancel` ends it within one token.

        A text in place of messages is gone on from as it is, without the model's chat template.

        With `choices` the answer is one of them, letter for letter: the likeliest as a whole, its `priors` added, which
        are what is known without the model (one logarithm of a weight for each; none: equal weights). Let choices end
        alike, in a line break for example, where it matters that the model would end there; one that another begins
        with is left out. On memory that only goes forward they are weighed token by token.

        Those who ask take turns: `asker` names one, and "" is nobody in particular.

        Closing the iterator sets `cancel` too. Raises `RagError` GEN-003, GEN-004 or GEN-999.
        """
        ...


class Embedder(Protocol):
    """Texts to unit vectors of shape `(len(texts), dimension)`."""

    @property
    def name(self) -> str: ...

    @property
    def dimension(self) -> int: ...

    @property
    def window(self) -> int:
        """How many tokens of a text are read; what is beyond is not seen."""
        ...

    def count(self, text: str) -> int:
        """Tokens of a text, special ones left out. Blocks."""
        ...

    async def embed(self, texts: Sequence[str], *, background: bool = False) -> Vectors:
        """Work in the `background` gives way to questions and to the chat model."""
        ...


class Store(Protocol):
    """Documents and their passages."""

    async def upsert(self, document: Document, passages: Sequence[Passage], vectors: Vectors) -> None:
        """Store a document in place of what its id held before, all or nothing. On disk when it returns."""
        ...

    async def upsert_all(self, new: Sequence[Embedded]) -> None:
        """As `upsert`, of several documents by one commit."""
        ...

    async def delete(self, document_id: str) -> bool:
        """Remove a document with its passages. False if there is none."""
        ...

    async def document(self, document_id: str) -> Document | None:
        """The document with its text, or None."""
        ...

    async def head(self, document_id: str) -> Document | None:
        """The document without its text, or None."""
        ...

    async def list_documents(
        self, query: str = "", first: int = 0, most: int = 100, sort: SortKey = "added", descending: bool = True
    ) -> tuple[list[Document], int]:
        """(documents without text, how many there are) whose source or title holds the query; the newest first,
        unless another order is asked for."""
        ...

    async def with_content(self, sha256: str) -> Document | None:
        """A document, without text, that was made of this content, or None."""
        ...

    async def contents(self) -> dict[str, str]:
        """The SHA-256 of the content of every document, by its id."""
        ...

    async def optimize(self) -> None:
        """Housekeeping after writes. Nothing of what was deleted is left on disk."""
        ...

    async def search(self, query: str, vector: Vectors, k: int, where: Filter = EVERYWHERE) -> list[Passage]:
        """The `k` best passages, best first. The length of the vector, 0 to 1, says how far it is to be trusted."""
        ...

    async def counts(self) -> tuple[int, int]:
        """How many documents and how many passages there are."""
        ...
