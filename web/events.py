"""What a server tells, as types: the events of an answer, sources, documents, jobs. The guides say what each means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NotRequired, TypedDict


class Metadata(TypedDict):
    """Where a source stands: `start` to `end` of its text. `page` is there where the format has pages."""

    source: str
    chunk_id: str
    document_id: str
    start: int
    end: int
    cited: bool
    page: NotRequired[int]


class Source(TypedDict):
    """A passage. `score` is 0 to 1."""

    title: str
    content: str
    score: float
    metadata: Metadata


class Usage(TypedDict):
    """Tokens of the model."""

    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int


class Grounded(TypedDict):
    """So many of the sentences stand in their sources; the others are these parts of the text, in code points."""

    supported: int
    total: int
    unsupported: list[tuple[int, int]]


class StartEvent(TypedDict):
    type: Literal["stream_start"]
    message_id: str
    session_id: str
    timestamp: str


class TokenEvent(TypedDict):
    type: Literal["stream_token"]
    message_id: str
    token: str
    index: int


class ThinkingEvent(TypedDict):
    type: Literal["stream_thinking"]
    message_id: str
    text: str


class SourcesEvent(TypedDict):
    type: Literal["stream_sources"]
    message_id: str
    sources: list[Source]


class EndEvent(TypedDict):
    type: Literal["stream_end"]
    message_id: str
    total_tokens: int
    processing_time_ms: int
    finish_reason: Literal["stop", "length", "cancelled"]
    time_to_first_token_ms: int | None
    usage: Usage
    grounded: NotRequired[Grounded]


class ErrorBody(TypedDict):
    error_code: str
    message: str
    solutions: list[str]


class ErrorEvent(ErrorBody):
    type: Literal["stream_error"]
    message_id: str


Event = StartEvent | TokenEvent | ThinkingEvent | SourcesEvent | EndEvent | ErrorEvent


class Options(TypedDict, total=False):
    """How one question wants to be answered; what is left out is the server's choice."""

    temperature: float
    max_tokens: int
    sources: int
    answers: Literal["auto", "quote", "free"]
    documents: list[str]


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. `[1]` in the text is the first of the sources."""

    message_id: str
    session_id: str
    text: str
    sources: list[Source]
    end: EndEvent


class Turn(TypedDict):
    """A question that was answered, as the server remembers it."""

    message_id: str
    question: str
    answer: str
    sources: list[Source]


class DocumentRow(TypedDict):
    """`added` is in seconds since 1970. `job` is there while the document is on its way in."""

    id: str
    name: str
    type: str
    bytes: int
    passages: int
    status: str
    added: float | None
    job: NotRequired[str]


class JobState(TypedDict):
    """A file on its way in; `done` of `total` passages."""

    id: str
    name: str
    state: Literal["queued", "parsing", "embedding", "storing", "stored", "failed", "cancelled"]
    done: int
    total: int
    document_id: str | None
    duplicate: bool
    error: ErrorBody | None
