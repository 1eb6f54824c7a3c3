"""The wire protocol, without a wire: what a client may say, which event may follow which, and their encoding."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictFloat,
    StrictInt,
    StrictStr,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import PydanticCustomError

from .errors import Lang, RagError
from .types import FinishReason, Passage, Usage

T = TypeVar("T")

UNKNOWN_ID = "unknown"
MAX_CONTENT = 10_000
MAX_FRAME = 256 * 1024

SESSION_FORM = r"^[A-Za-z0-9._:-]{1,128}$"
_SESSION_ID = re.compile(SESSION_FORM, re.ASCII)


def check_session_id(session_id: str | None) -> str:
    """The id, if it has the form of section 1. Raises `RagError` SESSION-001."""
    if session_id is None or not _SESSION_ID.fullmatch(session_id):
        raise RagError("SESSION-001")
    return session_id


def timestamp(seconds: float) -> str:
    """Seconds since 1970 in ISO 8601: UTC, milliseconds, `Z`."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def preferred_lang(accept_language: str | None, default: Lang) -> Lang:
    """The better of ko and en in an `Accept-Language` header (RFC 9110, 12.5.4); `default` where it names neither."""
    best: tuple[float, Lang] | None = None
    for item in (accept_language or "").split(","):
        tag, _, parameters = item.strip().partition(";")
        primary = tag.strip().lower().split("-")[0]
        lang: Lang | None = "ko" if primary == "ko" else "en" if primary == "en" else None
        if lang is None:
            continue
        name, _, value = parameters.strip().partition("=")
        try:
            quality = float(value) if name.strip() == "q" else 1.0
        except ValueError:
            quality = 0.0
        if quality > 0 and (best is None or quality > best[0]):
            best = (quality, lang)
    return best[1] if best else default


# What a client may send.


# The type of a fault of pydantic: a field is of the right type but breaks a rule of the catalogue.
FIELD_RULE = "field_rule"


def _checked(rule: str, test: Callable[[str], bool]) -> AfterValidator:
    def validate(value: str) -> str:
        if not test(value):
            # Of any other exception pydantic keeps hold where Python does not see it, and with it of all its callers.
            raise PydanticCustomError(FIELD_RULE, rule)
        return value

    return AfterValidator(validate)


def _encodable(value: str) -> bool:
    # JSON may escape a lone surrogate, which no UTF-8 frame could carry back.
    return not any("\ud800" <= character <= "\udfff" for character in value)


_Unicode = _checked("rule:surrogate", _encodable)
# Said in the schema, and checked by `check_session_id`, whose error is another than of other fields.
SessionId = Annotated[StrictStr, Field(json_schema_extra={"pattern": SESSION_FORM})]
# Of any length.
Text = Annotated[StrictStr, _Unicode]
_Id = Annotated[
    StrictStr,
    Field(json_schema_extra={"minLength": 1, "maxLength": 128}),
    _checked("rule:id", lambda value: 1 <= len(value) <= 128),
    _Unicode,
]
Content = Annotated[
    StrictStr,
    # What the rules say, for those who read the schema. Not all that Python takes for white space is `\s` elsewhere.
    Field(json_schema_extra={"minLength": 1, "maxLength": MAX_CONTENT, "pattern": r"[^\s\x1c-\x1f\x85]"}),
    _checked("rule:content", lambda value: 1 <= len(value) <= MAX_CONTENT),
    _checked("rule:blank", lambda value: bool(value.strip())),
    _Unicode,
]


class Options(BaseModel):
    """An extension: how one question wants to be answered. What is not given, or null, is left to the server.

    `max_tokens`: of what the model writes; `documents`: ids of those that the answer is looked for in.
    """

    model_config = ConfigDict(frozen=True)

    temperature: Annotated[StrictFloat, Field(ge=0, le=2, allow_inf_nan=False)] | None = None
    max_tokens: Annotated[StrictInt, Field(ge=1, le=1 << 20)] | None = None
    sources: Annotated[StrictInt, Field(ge=1, le=20)] | None = None
    answers: Literal["auto", "quote", "free"] | None = None
    documents: Annotated[tuple[_Id, ...], Field(min_length=1, max_length=100)] | None = None


AS_USUAL = Options()


class ClientMessage(BaseModel):
    """A question, perhaps in the place of an earlier one and of all that came after that."""

    type: Literal["message"]
    message_id: _Id
    content: Content
    session_id: StrictStr
    replaces: _Id = ""
    options: Options = AS_USUAL


class Cancel(BaseModel):
    type: Literal["cancel"]
    message_id: _Id


class Resume(BaseModel):
    type: Literal["resume"]
    message_id: _Id
    next_index: Annotated[StrictInt, Field(ge=0)]


class ChatRequest(BaseModel):
    """The body of `POST /chat` and `/chat/stream`. null is as if the field were not there."""

    message: Content
    session_id: SessionId | None = None
    options: Options | None = None


_REQUEST = TypeAdapter(ChatRequest)
_FRAME: TypeAdapter[ClientMessage | Cancel | Resume] = TypeAdapter(
    Annotated[ClientMessage | Cancel | Resume, Field(discriminator="type")]
)


def parse(frame: str, session_id: str) -> ClientMessage | Cancel | Resume:
    """One text frame from the client.

    Raises `RagError` WS-001 for what is not a JSON object, WS-002 with the field and its rule otherwise.
    """
    data = load_object(frame)
    message = validate(_FRAME, data)
    if isinstance(message, ClientMessage) and message.session_id != session_id:
        raise RagError("WS-002-VALIDATION_ERROR", field="session_id", rule="rule:session")
    return message


def chat_request(data: Mapping[str, Any]) -> ChatRequest:
    """A question over HTTP. Raises `RagError` WS-002 with the field and its rule, SESSION-001."""
    request = validate(_REQUEST, data)
    if request.session_id is not None:
        check_session_id(request.session_id)
    return request


def _number(digits: str) -> float:
    """JSON does not tell 3.0 from 3."""
    value = float(digits)
    return int(value) if value.is_integer() else value


def load_object(text: str | bytes) -> dict[str, Any]:
    """A JSON object. Raises `RagError` WS-001."""
    try:
        data = json.loads(text, parse_float=_number)
    except (ValueError, RecursionError):
        raise RagError("WS-001-INVALID_JSON") from None
    if not isinstance(data, dict):
        raise RagError("WS-001-INVALID_JSON")
    return data


def validate(adapter: TypeAdapter[T], data: Mapping[str, Any]) -> T:
    """`data` as the adapter's type. Raises `RagError` WS-002 naming the first bad field."""
    try:
        return adapter.validate_python(data)
    except ValidationError as error:
        raise _field_error(error) from None


def message_id_of(frame: str) -> str:
    """The id that an error answers: the frame's own if it has a usable one, else `unknown`."""
    try:
        value = load_object(frame).get("message_id")
    except RagError:
        return UNKNOWN_ID
    usable = isinstance(value, str) and 1 <= len(value) <= 128 and _encodable(value)
    return str(value) if usable else UNKNOWN_ID


_FIELD_RULES = {
    "next_index": "rule:index",
    "start": "rule:index",
    "end": "rule:index",
    "k": "rule:k",
    "page": "rule:page",
    "page_size": "rule:page-size",
    "q": "rule:q",
    "sort": "rule:sort",
    "order": "rule:order",
    "documents": "rule:names",
    "folders": "rule:names",
    "types": "rule:names",
    "options": "rule:options",
    "options.temperature": "rule:temperature",
    "options.max_tokens": "rule:max-tokens",
    "options.sources": "rule:sources",
    "options.answers": "rule:answers",
    "options.documents": "rule:documents",
}


def _field_error(error: ValidationError) -> RagError:
    first = error.errors(include_url=False, include_input=False)[0]
    kind = first["type"]
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return RagError("WS-002-VALIDATION_ERROR", field="type", rule="rule:type")
    # Of a value in a list the field is named, not the number.
    path = [part for part in first["loc"] if isinstance(part, str)]
    field_name = ".".join(path[path.index("options") :]) if "options" in path else path[-1] if path else "type"
    if kind == "missing":
        rule = "rule:required"
    elif field_name in _FIELD_RULES:
        rule = _FIELD_RULES[field_name]
    else:
        rule = first["msg"] if kind == FIELD_RULE else "rule:string"
    return RagError("WS-002-VALIDATION_ERROR", field=field_name, rule=rule)


# What the server sends.


def source_of(passage: Passage, cited: bool = False) -> dict[str, Any]:
    """A passage in the shape of `stream_sources`."""
    metadata: dict[str, Any] = {
        "source": passage.source,
        "chunk_id": passage.chunk_id,
        "document_id": passage.document_id,
        "start": passage.start,
        "end": passage.end,
        "cited": cited,
    }
    if passage.page is not None:
        metadata["page"] = passage.page
    score = round(min(1.0, max(0.0, passage.score)), 4)
    return {"title": passage.title, "content": passage.text, "score": score, "metadata": metadata}


@dataclass(frozen=True, slots=True)
class Start:
    message_id: str
    session_id: str
    timestamp: str


@dataclass(frozen=True, slots=True)
class TokenEvent:
    message_id: str
    token: str
    index: int


@dataclass(frozen=True, slots=True)
class ThinkingEvent:
    """An extension: what the model thought on its way to the answer. Sent only where it was asked for."""

    message_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Sources:
    """`used`: how many of the passages that were found the answer is made from. The socket does not tell it."""

    message_id: str
    sources: Sequence[dict[str, Any]]
    used: int = 0


@dataclass(frozen=True, slots=True)
class End:
    """`final_sources`: the sources with what the whole answer cites; `answer_tokens`: those of its text, also where no
    model wrote it. The socket does not tell them."""

    message_id: str
    total_tokens: int
    processing_time_ms: int
    finish_reason: FinishReason
    time_to_first_token_ms: int | None
    usage: Usage
    grounded: Mapping[str, Any] | None = None
    final_sources: Sequence[dict[str, Any]] = ()
    answer_tokens: int = 0

    @property
    def tokens_used(self) -> int:
        """Those that the model read and wrote, counted as HTTP clients know it."""
        return self.usage.prompt_tokens + self.usage.completion_tokens

    @property
    def processing_time(self) -> float:
        """Seconds."""
        return self.processing_time_ms / 1000


@dataclass(frozen=True, slots=True)
class ErrorEvent:
    message_id: str
    error: RagError


Event = Start | TokenEvent | ThinkingEvent | Sources | End | ErrorEvent

_WS_TYPES: dict[type, str] = {
    Start: "stream_start",
    ThinkingEvent: "stream_thinking",
    Sources: "stream_sources",
    End: "stream_end",
}

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def to_ws(event: Event, lang: Lang) -> str:
    """The event as a text frame of section 1."""
    if isinstance(event, TokenEvent):
        # One for every token of every stream: a few microseconds here are a share of all tokens.
        message_id, token = _encode(event.message_id), _encode(event.token)
        return f'{{"type":"stream_token","message_id":{message_id},"token":{token},"index":{event.index}}}'
    if isinstance(event, ErrorEvent):
        data = {"type": "stream_error", "message_id": event.message_id, **event.error.body(lang)}
    else:
        data = {"type": _WS_TYPES[type(event)], **asdict(event)}
        for name in ("used", "final_sources", "answer_tokens"):
            data.pop(name, None)
        if data.get("grounded", ...) is None:
            del data["grounded"]
    return _encode(data)


def to_sse(event: Event, session_id: str, lang: Lang) -> str:
    """The event as one of section 2; "" for what has none there.

    Where sources come early, `metadata` is the first.
    """
    data: dict[str, Any]
    if isinstance(event, TokenEvent):
        data = {"event": "chunk", "data": event.token, "chunk_index": event.index}
    elif isinstance(event, Sources):
        found = {source["metadata"]["chunk_id"] for source in event.sources}
        ids = {"session_id": session_id, "message_id": event.message_id}
        counts = {"search_results": len(found), "ranked_results": event.used}
        data = {"event": "metadata", **ids, **counts, "sources": event.sources}
    elif isinstance(event, End):
        ids = {"session_id": session_id, "message_id": event.message_id}
        counts = {"total_chunks": event.total_tokens, "tokens_used": event.tokens_used}
        data = {"event": "done", **ids, **counts, "processing_time": event.processing_time}
        data["sources"] = event.final_sources
    elif isinstance(event, ErrorEvent):
        body = event.error.body(lang)
        first = {"error_code": body["error_code"], "message": body["message"], "suggestion": body["solutions"][0]}
        data = {"event": "error", **first, "solutions": body["solutions"]}
    else:
        return ""
    return f"event: {data['event']}\ndata: {_encode(data)}\n\n"


class OutOfOrder(Exception):
    """The pipeline tried to send an event where the protocol does not allow it: a bug, never a user's fault."""


@dataclass(slots=True)
class Stream:
    """Makes the events of one message, numbers the tokens and enforces their order.

    `clock` gives seconds, monotonic; the processing time counts from the making of the stream.
    """

    message_id: str
    session_id: str
    clock: Callable[[], float]
    _begun: float = field(init=False)
    _state: Literal["new", "open", "closed"] = field(default="new", init=False)
    _tokens: int = field(default=0, init=False)
    _first: float | None = field(default=None, init=False)
    sources_sent: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._begun = self.clock()

    @property
    def started(self) -> bool:
        return self._state != "new"

    def start(self) -> Start:
        self._require(self._state == "new", "stream_start")
        self._state = "open"
        return Start(self.message_id, self.session_id, timestamp(time.time()))

    def token(self, text: str) -> TokenEvent:
        self._require(self._state == "open", "stream_token")
        if self._first is None:
            self._first = self.clock()
        event = TokenEvent(self.message_id, text, self._tokens)
        self._tokens += 1
        return event

    def thinking(self, text: str) -> ThinkingEvent:
        """Neither numbered nor counted: it is no part of the answer."""
        self._require(self._state == "open", "stream_thinking")
        return ThinkingEvent(self.message_id, text)

    def sources(self, sources: Sequence[dict[str, Any]], used: int = 0) -> Sources:
        self._require(self._state == "open" and not self.sources_sent, "stream_sources")
        self.sources_sent = True
        return Sources(self.message_id, sources, used)

    def end(
        self,
        reason: FinishReason,
        usage: Usage,
        grounded: Mapping[str, Any] | None = None,
        final_sources: Sequence[dict[str, Any]] = (),
        answer_tokens: int = 0,
    ) -> End:
        """`grounded`: how much of the answer its evidence supports, if that is known."""
        self._require(self._state == "open" and self.sources_sent, "stream_end")
        self._state = "closed"
        first = None if self._first is None else round((self._first - self._begun) * 1000)
        took = round((self.clock() - self._begun) * 1000)
        return End(self.message_id, self._tokens, took, reason, first, usage, grounded, final_sources, answer_tokens)

    def error(self, error: RagError) -> ErrorEvent:
        self._require(self._state != "closed", "stream_error")
        self._state = "closed"
        return ErrorEvent(self.message_id, error)

    def _require(self, allowed: bool, event: str) -> None:
        if not allowed:
            raise OutOfOrder(f"{event} in state {self._state} of {self.message_id}")
