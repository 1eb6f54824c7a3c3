"""OpenAI's shapes of requests, answers and errors, without HTTP.

The API is described at https://platform.openai.com/docs/api-reference/chat. What it has and this server has not is
ignored where the answer stays what was asked for, and refused where it would be another.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, Field, StrictBool, StrictFloat, StrictInt, ValidationError

from rag.errors import Lang, RagError
from rag.protocol import FIELD_RULE, MAX_CONTENT, End, ErrorEvent, Event, Text, TokenEvent
from rag.types import Message, Sampling, Turn

from .replies import dumps

T = TypeVar("T", bound=BaseModel)

PREFIX = "/v1/"
# Of a bare model nothing is held back: the server's penalty for small models is none of its own.
NO_PENALTY = 1.0
UNSUPPORTED = ("tools", "functions", "logprobs", "logit_bias", "audio")

_RULES = {
    "messages": "rule:messages",
    "role": "rule:role",
    "content": "rule:parts",
    "stream": "rule:boolean",
    "stream_options": "rule:options",
    "include_usage": "rule:boolean",
    "temperature": "rule:temperature",
    "top_p": "rule:top-p",
    "max_tokens": "rule:max-tokens",
    "max_completion_tokens": "rule:max-tokens",
    "stop": "rule:stop",
    "seed": "rule:integer",
    "n": "rule:one",
    "ignore_eos": "rule:boolean",
    "retrieval": "rule:boolean",
    "response_format": "rule:options",
    "input": "rule:texts",
    "encoding_format": "rule:encoding",
    "dimensions": "rule:dimensions",
}


class TextPart(BaseModel):
    type: Literal["text"]
    text: Text


class ChatMessage(BaseModel):
    role: Literal["system", "developer", "user", "assistant"]
    content: Text | list[TextPart] | None = None

    @property
    def text(self) -> str:
        return self.content if isinstance(self.content, str) else "\n".join(part.text for part in self.content or ())

    def told(self) -> Message:
        """As the model's chat template takes it."""
        return Message("system" if self.role == "developer" else self.role, self.text)


class StreamOptions(BaseModel):
    include_usage: StrictBool | None = None


_Tokens = Annotated[StrictInt, Field(ge=1, le=1 << 20)]
_Stop = Annotated[Text, Field(min_length=1, max_length=256)]


class ChatRequest(BaseModel):
    """The body of `POST /v1/chat/completions`. null is as if the field were not there; unknown fields are ignored.

    `retrieval` and `ignore_eos` are extensions.
    """

    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=1000)]
    stream: StrictBool | None = None
    stream_options: StreamOptions | None = None
    temperature: Annotated[StrictFloat, Field(ge=0, le=2, allow_inf_nan=False)] | None = None
    top_p: Annotated[StrictFloat, Field(ge=0, le=1, allow_inf_nan=False)] | None = None
    max_tokens: _Tokens | None = None
    max_completion_tokens: _Tokens | None = None
    stop: _Stop | Annotated[list[_Stop], Field(max_length=4)] | None = None
    seed: StrictInt | None = None
    n: Annotated[StrictInt, Field(ge=1, le=1)] | None = None
    ignore_eos: StrictBool | None = None
    retrieval: StrictBool | None = None
    response_format: dict[str, Any] | None = None
    tools: Any = None
    functions: Any = None
    logprobs: Any = None
    logit_bias: Any = None
    audio: Any = None

    @property
    def bare(self) -> bool:
        """Whether it asks the model alone, without documents."""
        return self.retrieval is False

    def check(self) -> None:
        """Raises `RagError` WS-002 for what would make it another answer than was asked for."""
        for name in UNSUPPORTED:
            if getattr(self, name):
                raise refused(name, "rule:unsupported")
        if (self.response_format or {}).get("type", "text") != "text":
            raise refused("response_format", "rule:unsupported")
        for number, message in enumerate(self.messages):
            if message.content is None and message.role != "assistant":
                raise refused(f"messages.{number}.content", "rule:required")
        if self.bare:
            return
        last = len(self.messages) - 1
        if self.messages[last].role != "user":
            raise refused("messages", "rule:last")
        if not self.question.strip():
            raise refused(f"messages.{last}.content", "rule:blank")
        if len(self.question) > MAX_CONTENT:
            raise refused(f"messages.{last}.content", "rule:content")

    @property
    def question(self) -> str:
        return self.messages[-1].text

    @property
    def system(self) -> str:
        """All system messages as one: many chat templates take no more."""
        return "\n\n".join(message.text for message in self.messages if message.told().role == "system")

    def history(self) -> list[Turn]:
        """The questions before the last one with their answers. One without an answer is no turn, as in a session."""
        turns: list[Turn] = []
        asked = ""
        for message in self.messages[:-1]:
            if message.role == "user":
                asked = message.text
            elif message.role == "assistant" and asked.strip():
                turns.append(Turn("", asked, message.text))
                asked = ""
        return turns

    def sampling(self, usual: Sampling) -> Sampling:
        """As `usual` but for what is asked for. Without a seed, each answer has one of its own."""
        stop = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())
        return replace(
            usual,
            temperature=usual.temperature if self.temperature is None else self.temperature,
            top_p=usual.top_p if self.top_p is None else self.top_p,
            max_tokens=self.max_completion_tokens or self.max_tokens or usual.max_tokens,
            seed=secrets.randbits(32) if self.seed is None else self.seed,
            stop=stop or usual.stop,
            repeat_penalty=NO_PENALTY if self.bare else usual.repeat_penalty,
            ignore_end=bool(self.ignore_eos),
        )


class EmbeddingRequest(BaseModel):
    """The body of `POST /v1/embeddings`. null is as if the field were not there; unknown fields are ignored."""

    input: (
        Annotated[Text, Field(min_length=1)]
        | Annotated[list[Annotated[Text, Field(min_length=1)]], Field(min_length=1, max_length=2048)]
    )
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: StrictInt | None = None

    @property
    def texts(self) -> list[str]:
        return [self.input] if isinstance(self.input, str) else self.input


def parsed(kind: type[T], data: Mapping[str, Any]) -> T:
    """A request. Raises `RagError` WS-002 with the field and its rule."""
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
    # A text may be of one form or another: what only the values break tells more than that it is not the other form.
    first = next((problem for problem in problems if problem["type"] == FIELD_RULE), problems[0])
    # Names of the forms are no part of the place.
    place = [part for part in first["loc"] if isinstance(part, int) or re.fullmatch("[a-z_]+", part)]
    place = place[:3] if place[0] == "messages" else place[:2] if place[0] == "stream_options" else place[:1]
    named = next(part for part in reversed(place) if isinstance(part, str))
    if first["type"] == "missing" and first["loc"] == tuple(place):
        rule = "rule:required"
    else:
        rule = first["msg"] if first["type"] == FIELD_RULE else _RULES[named]
    raise refused(".".join(map(str, place)), rule)


def refused(field: str, rule: str) -> RagError:
    return RagError("WS-002-VALIDATION_ERROR", field=field, rule=rule)


# Answers.


def usage_of(end: End) -> dict[str, Any]:
    """In tokens of the model: what it read, and those of the answer."""
    read, written = end.usage.prompt_tokens, end.answer_tokens
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
        "prompt_tokens_details": {"cached_tokens": end.usage.cached_tokens},
    }


def _reason(end: End) -> str:
    return "length" if end.finish_reason == "length" else "stop"


@dataclass(slots=True)
class Completion:
    """One answer on its way to the client. `created`: seconds since 1970."""

    id: str
    created: int
    model: str
    lang: Lang
    include_usage: bool = False
    _begun: bool = False

    def whole(self, text: str, end: End) -> dict[str, Any]:
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": text, "refusal": None},
            "logprobs": None,
            "finish_reason": _reason(end),
        }
        body = {"choices": [choice], "usage": usage_of(end), "sources": list(end.final_sources)}
        return self._body("chat.completion") | body

    def encode(self, event: Event) -> str:
        """The event as data of the stream; "" for what has none there. The sources come with the last choice."""
        if isinstance(event, ErrorEvent):
            return _data(error_body(event.error, self.lang))
        if isinstance(event, TokenEvent):
            return self._first() + self._chunk({"content": event.token})
        if not isinstance(event, End):
            return ""
        last = self._first() + self._chunk({}, _reason(event), sources=list(event.final_sources))
        if self.include_usage:
            last += _data(self._body("chat.completion.chunk") | {"choices": [], "usage": usage_of(event)})
        return last + "data: [DONE]\n\n"

    def _first(self) -> str:
        """Whose text it is, before the first piece of it."""
        if self._begun:
            return ""
        self._begun = True
        return self._chunk({"role": "assistant", "content": ""})

    def _chunk(self, delta: Mapping[str, str], reason: str | None = None, **more: Any) -> str:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        usage = {"usage": None} if self.include_usage else {}
        return _data(self._body("chat.completion.chunk") | {"choices": [choice]} | usage | more)

    def _body(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


def _data(body: Mapping[str, Any]) -> str:
    return f"data: {dumps(body)}\n\n"


_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


def error_body(error: RagError, lang: Lang) -> dict[str, Any]:
    """The body of an error at the addresses below `PREFIX`. Clients show the message alone, so it holds what to do."""
    text = error.text(lang)
    return {
        "error": {
            "message": " ".join([text.message, *text.solutions]),
            "type": _TYPES.get(error.status, "server_error" if error.status >= 500 else "invalid_request_error"),
            "param": error.data.get("field"),
            "code": error.code,
        }
    }
