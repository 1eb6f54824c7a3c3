"""One operation of the API, as `operations` lists them and `openapi` tells them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rag.catalogue import Door

# (ko, en)
Said = tuple[str, str]
Schema = Mapping[str, Any]

JSON = "application/json"
HTML = "text/html"
EVENTS = "text/event-stream"
FORM = "multipart/form-data"
URLENCODED = "application/x-www-form-urlencoded"
REF = "#/components/schemas/"

STRING: Schema = {"type": "string"}
BINARY: Schema = {"type": "string", "format": "binary"}


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    said: Said
    schema: Schema = field(default_factory=lambda: STRING)
    place: str = "query"
    required: bool = False
    example: Any = None


@dataclass(frozen=True, slots=True)
class Body:
    """`content`: of each media type, a type that has a JSON schema, or such a schema."""

    content: Mapping[str, Any]
    example: Any = None
    required: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """`content` as of a body. `headers` are those that tell more than the body does."""

    said: Said
    content: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, Said] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operation:
    """`query`: a model whose fields are parameters. `codes`: rows of the error catalogue that it can answer with,
    beside those that every address can. `extra` stands in the document as it is."""

    method: str
    path: str
    id: str
    door: Door
    summary: Said
    answers: Mapping[int, Answer]
    description: Said = ("", "")
    parameters: tuple[Parameter, ...] = ()
    query: type | None = None
    body: Body | None = None
    codes: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


def told(schema: Schema, ko: str, en: str) -> Schema:
    """The schema with a description in both languages."""
    return {**schema, "description": en, "x-ko": ko}


def in_path(name: str, ko: str, en: str, schema: Schema = STRING) -> Parameter:
    return Parameter(name, (ko, en), schema, "path", True)


def as_json(schema: Any, ko: str, en: str, status: int = 200) -> dict[int, Answer]:
    return {status: Answer((ko, en), {JSON: schema})}


def events_of(*names: str, last: str = "") -> dict[str, Schema]:
    """Server-sent events: the schema is that of one of them. Its data are JSON of one of these schemas, or `last`."""
    data = {**STRING, "contentMediaType": JSON, "contentSchema": {"oneOf": [{"$ref": REF + name} for name in names]}}
    if last:
        data = {"anyOf": [{"const": last}, data]}
    return {EVENTS: {"type": "object", "required": ["data"], "properties": {"event": STRING, "data": data}}}
