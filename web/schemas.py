"""What the doors answer, as types: they are the documentation, and nothing is computed by them."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from rag.incoming import State
from rag.types import FinishReason

Count = Annotated[int, Field(ge=0)]
Offset = Annotated[int, Field(ge=0)]


class Error(TypedDict):
    error_code: str
    message: str
    solutions: list[str]
    request_id: NotRequired[str]


class OpenAIProblem(TypedDict):
    message: str
    type: str
    param: str | None
    code: str


class OpenAIError(TypedDict):
    error: OpenAIProblem
    request_id: NotRequired[str]


# Passages and conversations.


class Metadata(TypedDict):
    source: str
    chunk_id: str
    document_id: NotRequired[str]
    page: NotRequired[Annotated[int, Field(ge=1)]]
    start: NotRequired[Offset]
    end: NotRequired[Offset]
    cited: NotRequired[bool]


class Source(TypedDict):
    title: str
    content: str
    score: Annotated[float, Field(ge=0, le=1)]
    metadata: Metadata


class Found(TypedDict):
    sources: list[Source]


class Turn(TypedDict):
    message_id: str
    question: str
    answer: str
    sources: list[Source]


class Session(TypedDict):
    session_id: str
    turns: list[Turn]
    expires_in: Count


class NewSession(TypedDict):
    session_id: str
    expires_in: Count


class Summary(TypedDict):
    session_id: str
    turns: Count
    used: str
    title: str


class Sessions(TypedDict):
    sessions: list[Summary]
    total: Count


# Documents.


class Accepted(TypedDict):
    id: str
    name: str


class Uploaded(TypedDict):
    jobs: list[Accepted]


class Job(TypedDict):
    id: str
    name: str
    state: State
    done: Count
    total: Count
    document_id: str | None
    duplicate: bool
    error: Error | None


class Jobs(TypedDict):
    jobs: list[Job]
    total: Count


class JobCounts(TypedDict):
    queued: Count
    running: Count
    stored: Count
    failed: Count
    cancelled: Count


class JobNews(TypedDict):
    jobs: list[Job]
    counts: JobCounts
    first: bool


class Document(TypedDict):
    id: str
    name: str
    type: str
    bytes: Count
    passages: Count
    status: State
    added: str | None
    job: NotRequired[str]


class Documents(TypedDict):
    documents: list[Document]
    total: Count


class DocumentDetails(Document):
    title: str
    sha256: str
    pages: Count
    characters: Count


class Page(TypedDict):
    number: Annotated[int, Field(ge=1)]
    start: Offset
    end: Offset


class DocumentText(TypedDict):
    id: str
    start: Offset
    end: Offset
    text: str
    total: Count
    pages: list[Page]


class Places(TypedDict):
    places: list[Annotated[list[Offset], Field(min_length=2, max_length=2)]]
    more: bool


class Progress(TypedDict):
    done: Count
    total: Count


class DocumentStats(TypedDict):
    documents: Count
    passages: Count
    bytes: Count
    originals_bytes: Count
    index_bytes: Count
    jobs: JobCounts
    rebuilding: Progress | None


# Answers over HTTP.


class Usage(TypedDict):
    prompt_tokens: Count
    cached_tokens: Count
    completion_tokens: Count


class Grounded(TypedDict):
    supported: Count
    total: Count
    unsupported: list[Annotated[list[Offset], Field(min_length=2, max_length=2)]]


class Answered(TypedDict):
    session_id: str
    message_id: str
    answer: str
    sources: list[Source]
    usage: Usage
    finish_reason: FinishReason
    tokens_used: Count
    total_chunks: Count
    processing_time: Annotated[float, Field(ge=0)]
    grounded: NotRequired[Grounded]


class ChatMetadata(TypedDict):
    event: Literal["metadata"]
    session_id: str
    message_id: str
    search_results: Count
    ranked_results: Count
    sources: list[Source]


class ChatChunk(TypedDict):
    event: Literal["chunk"]
    data: str
    chunk_index: Offset


class ChatDone(TypedDict):
    event: Literal["done"]
    session_id: str
    message_id: str
    total_chunks: Count
    tokens_used: Count
    processing_time: Annotated[float, Field(ge=0)]
    sources: list[Source]


class ChatError(TypedDict):
    event: Literal["error"]
    error_code: str
    message: str
    suggestion: str
    solutions: list[str]


# OpenAI's shapes.


class Model(TypedDict):
    id: str
    object: Literal["model"]
    created: Count
    owned_by: str


class Models(TypedDict):
    object: Literal["list"]
    data: list[Model]


class CachedTokens(TypedDict):
    cached_tokens: Count


class CompletionUsage(TypedDict):
    prompt_tokens: Count
    completion_tokens: Count
    total_tokens: Count
    prompt_tokens_details: CachedTokens


class CompletionMessage(TypedDict):
    role: Literal["assistant"]
    content: str
    refusal: None


class Choice(TypedDict):
    index: Offset
    message: CompletionMessage
    logprobs: None
    finish_reason: Literal["stop", "length"]


class Completion(TypedDict):
    id: str
    object: Literal["chat.completion"]
    created: Count
    model: str
    choices: list[Choice]
    usage: CompletionUsage
    sources: list[Source]


class Delta(TypedDict):
    role: NotRequired[Literal["assistant"]]
    content: NotRequired[str]


class ChunkChoice(TypedDict):
    index: Offset
    delta: Delta
    logprobs: None
    finish_reason: Literal["stop", "length"] | None


class CompletionChunk(TypedDict):
    id: str
    object: Literal["chat.completion.chunk"]
    created: Count
    model: str
    choices: list[ChunkChoice]
    usage: NotRequired[CompletionUsage | None]
    sources: NotRequired[list[Source]]


class Embedding(TypedDict):
    object: Literal["embedding"]
    index: Offset
    embedding: list[float] | str


class EmbeddingUsage(TypedDict):
    prompt_tokens: Count
    total_tokens: Count


class Embeddings(TypedDict):
    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: EmbeddingUsage


# For those who run it.


class Loading(TypedDict):
    phase: Literal["index", "model", "guides"]
    done: Count
    total: Count


class Health(TypedDict):
    status: Literal["loading", "ok", "error", "stopping"]
    version: str
    key_required: bool
    model: NotRequired[str]
    embed_model: NotRequired[str]
    documents: NotRequired[Count]
    passages: NotRequired[Count]
    loading: NotRequired[Loading]
    error: NotRequired[Error]


class ChatModel(TypedDict):
    name: str
    parameters: Count | None
    context: Count | None


class EmbedModel(TypedDict):
    name: str
    dimension: Count | None


class Hardware(TypedDict):
    cpu: str
    cores: Count
    memory_bytes: Count | None
    gpu: bool


class Defaults(TypedDict):
    answers: Literal["quote", "free"] | None
    temperature: float
    sources: Count


class Queue(TypedDict):
    running: Count
    waiting: Count


class Memory(TypedDict):
    process_bytes: Count | None
    free_bytes: Count | None


class Totals(TypedDict):
    answers: Count
    errors: Count
    tokens: Count


class Series(TypedDict):
    unit: str
    points: list[Annotated[list[float], Field(min_length=2, max_length=2)]]


class Damage(TypedDict):
    part: Literal["index", "documents", "places", "watched", "conversations"]
    aside: str
    count: Count


class Stats(TypedDict):
    version: str
    status: Literal["loading", "ok", "error"]
    now: float
    uptime_seconds: Count
    model: ChatModel
    embed_model: EmbedModel
    hardware: Hardware
    threads: Count
    defaults: Defaults
    queue: Queue
    memory: Memory
    documents: Count
    passages: Count
    totals: Totals
    series: dict[str, Series]
    damage: list[Damage]


# The events of the socket.


class StreamStart(TypedDict):
    type: Literal["stream_start"]
    message_id: str
    session_id: str
    timestamp: str


class StreamToken(TypedDict):
    type: Literal["stream_token"]
    message_id: str
    token: str
    index: Offset


class StreamThinking(TypedDict):
    type: Literal["stream_thinking"]
    message_id: str
    text: str


class StreamSources(TypedDict):
    type: Literal["stream_sources"]
    message_id: str
    sources: list[Source]


class StreamEnd(TypedDict):
    type: Literal["stream_end"]
    message_id: str
    total_tokens: Count
    processing_time_ms: Count
    finish_reason: FinishReason
    time_to_first_token_ms: Count | None
    usage: Usage
    grounded: NotRequired[Grounded]


class StreamError(TypedDict):
    type: Literal["stream_error"]
    message_id: str
    error_code: str
    message: str
    solutions: list[str]
