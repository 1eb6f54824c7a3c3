"""The OpenAPI 3.1 document, made of the table of operations, the types and the error catalogue."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import Any

from aiohttp import web
from pydantic import TypeAdapter

from rag.catalogue import CATALOGUE
from rag.ending import refusal
from rag.errors import Lang
from rag.protocol import Cancel, ClientMessage, Resume

from . import fields, schemas
from .keys import VERSION
from .middleware import lang_of
from .openai_types import PREFIX
from .operation import JSON, REF, Answer, Operation, Parameter, Said
from .operations import OPERATIONS
from .replies import reply
from .stopping import is_work

# What any address can answer with, and any that takes a body.
ALWAYS = ("AUTH-003", "WS-999-INTERNAL_ERROR")
# Where a key is set, at all doors that are not open.
LOCKED = ("AUTH-001", "AUTH-002", "RATE-002")
SECURITY = {
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "bearer": {"type": "http", "scheme": "bearer"},
    # Each server names it after its port.
    "login": {"type": "apiKey", "in": "cookie", "name": "rag_login_8000"},
}
WITH_BODY = ("HTTP-400", "HTTP-413", "HTTP-415")
# What is sent over sockets and streams.
SENT = (
    ClientMessage,
    Cancel,
    Resume,
    schemas.StreamStart,
    schemas.StreamToken,
    schemas.StreamThinking,
    schemas.StreamSources,
    schemas.StreamEnd,
    schemas.StreamError,
    schemas.JobNews,
    schemas.ChatMetadata,
    schemas.ChatChunk,
    schemas.ChatDone,
    schemas.ChatError,
    schemas.CompletionChunk,
    schemas.Error,
    schemas.OpenAIError,
)
# Names of schemas that two modules give to what is not the same.
RENAMED = {
    "rag__protocol__ChatRequest": "ChatRequest",
    "web__openai_types__ChatRequest": "CompletionRequest",
    "web__documents__Listing": "Listing",
    "web__sessions__Listing": "SessionListing",
}

DOORS: dict[str, Said] = {
    "socket": ("WebSocket", "WebSocket"),
    "chat": ("대화", "Chat"),
    "openai": ("OpenAI 호환", "OpenAI-compatible"),
    "search": ("검색", "Search"),
    "documents": ("문서", "Documents"),
    "sessions": ("대화 기록", "Conversations"),
    "http": ("화면과 운영", "Pages and operation"),
}
ABOUT: Said = (
    "내 문서와 나누는 대화. 모든 것이 이 컴퓨터 안에서 이루어집니다. 모든 오류의 본문은 같으며 도움말 "
    "`/guides/errors`에 모두 나와 있습니다. GET을 받는 주소는 HEAD도 받고, OPTIONS에는 받는 메서드를 Allow 헤더로 "
    "답합니다. 여기 없는 주소는 404(HTTP-404), 받지 않는 메서드는 405(HTTP-405)로 답합니다.",
    "Chat with your own documents; everything stays on this machine. Every error has the same body, and the guide "
    "`/guides/errors` tells them all. What takes GET takes HEAD too, and OPTIONS is answered with the methods in the "
    "header Allow. Other addresses answer with 404 (HTTP-404), other methods with 405 (HTTP-405).",
)


async def openapi(request: web.Request) -> web.Response:
    """`GET /openapi.json`."""
    return reply(document(request.app[VERSION], lang_of(request)))


@functools.cache
def document(version: str, lang: Lang) -> dict[str, Any]:
    """The document with its texts in `lang`."""
    names, components, queries = _components()
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, names, queries, lang)
    used = dict.fromkeys(operation.door for operation in OPERATIONS)
    told = {
        "openapi": "3.1.0",
        "info": {
            "title": "RAG Standard",
            "version": version,
            "description": _in(lang, ABOUT),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "."}],
        "tags": [{"name": door, "description": _in(lang, DOORS[door])} for door in used],
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": SECURITY},
        # None is needed where no key is set.
        "security": [{}, *({name: []} for name in SECURITY)],
    }
    return dict(_spoken(told, lang))


def codes_of(operation: Operation) -> tuple[str, ...]:
    """All codes that the operation can answer with."""
    locked = LOCKED if "security" not in operation.extra else ()
    stopping = (refusal().code,) if is_work(operation.method, operation.path) else ()
    return (*operation.codes, *(WITH_BODY if operation.body else ()), *locked, *stopping, *ALWAYS)


def _in(lang: Lang, said: Said) -> str:
    return said[0 if lang == "ko" else 1]


def _operation(
    operation: Operation, names: Mapping[type, str], queries: Mapping[str, Any], lang: Lang
) -> dict[str, Any]:
    told: dict[str, Any] = {
        "operationId": operation.id,
        "tags": [operation.door],
        "summary": _in(lang, operation.summary),
    }
    if any(operation.description):
        told["description"] = _in(lang, operation.description)
    parameters = [_parameter(each, lang) for each in operation.parameters]
    if operation.query:
        parameters[-1:-1] = _query(queries[names[operation.query]])
    if parameters:
        told["parameters"] = parameters
    if operation.body:
        content = _content(operation.body.content, names)
        if operation.body.example is not None:
            next(iter(content.values()))["example"] = operation.body.example
        told["requestBody"] = {"required": operation.body.required, "content": content}
    told["responses"] = {str(status): _answer(each, names, lang) for status, each in operation.answers.items()}
    for status, codes in _by_status(codes_of(operation)).items():
        # `/health` tells in its own shape why it is not ready.
        told["responses"].setdefault(str(status), _failure(operation.path, codes, lang))
    return told | dict(operation.extra)


def _parameter(parameter: Parameter, lang: Lang) -> dict[str, Any]:
    told = {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.required,
        "description": _in(lang, parameter.said),
        "schema": parameter.schema,
    }
    return told | ({"example": parameter.example} if parameter.example is not None else {})


def _query(schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The fields of a model as parameters."""
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "description": each["description"],
            "x-ko": each["x-ko"],
            "schema": {key: value for key, value in _not_null(each).items() if key not in ("description", "x-ko")},
        }
        for name, each in schema["properties"].items()
    ]


def _not_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a value that an address can hold: null it cannot."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default") or not kinds}
    return rest | dict(kinds[0]) if kinds else rest


def _content(content: Mapping[str, Any], names: Mapping[type, str]) -> dict[str, dict[str, Any]]:
    return {
        kind: {"schema": {"$ref": REF + names[each]} if isinstance(each, type) else each}
        for kind, each in content.items()
    }


def _answer(answer: Answer, names: Mapping[type, str], lang: Lang) -> dict[str, Any]:
    told: dict[str, Any] = {"description": _in(lang, answer.said)}
    if answer.content:
        told["content"] = _content(answer.content, names)
    if answer.headers:
        told["headers"] = {
            name: {"description": _in(lang, said), "schema": {"type": "string"}}
            for name, said in answer.headers.items()
        }
    return told


def _by_status(codes: Iterable[str]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for code in codes:
        found.setdefault(CATALOGUE[code].status, []).append(code)
    return dict(sorted(found.items()))


def _failure(path: str, codes: list[str], lang: Lang) -> dict[str, Any]:
    """The answer with one of these errors."""
    if f"{path}/".startswith(PREFIX):
        told = {"$ref": REF + "OpenAIError", "properties": {"error": {"properties": {"code": {"enum": codes}}}}}
    else:
        told = {"$ref": REF + "Error", "properties": {"error_code": {"enum": codes}}}
    when = {code: (CATALOGUE[code].ko if lang == "ko" else CATALOGUE[code].en).when for code in codes}
    return {
        "description": "\n".join(f"- `{code}`: {text}" for code, text in when.items()),
        "content": {JSON: {"schema": told}},
    }


def _components() -> tuple[dict[type, str], dict[str, Any], dict[str, Any]]:
    """The name of every type that the operations speak of; the schemas of bodies, and of queries, by name."""
    kinds = dict.fromkeys(SENT)
    for operation in OPERATIONS:
        contents = [answer.content for answer in operation.answers.values()]
        contents += [operation.body.content] if operation.body else []
        kinds |= dict.fromkeys(each for content in contents for each in content.values() if isinstance(each, type))
    queries = dict.fromkeys(operation.query for operation in OPERATIONS if operation.query)
    adapters: list[Any] = [(kind, "validation", TypeAdapter(kind)) for kind in (*kinds, *queries)]
    made = TypeAdapter.json_schemas(adapters, ref_template=REF + "{model}")
    refs, found = _renamed([[[kind, ref] for (kind, _), ref in made[0].items()], made[1]["$defs"]])
    names = {kind: ref["$ref"].removeprefix(REF) for kind, ref in refs}
    told = {name: _tidied(name, found[name]) for name in sorted(found)}
    asked = {names[kind] for kind in queries}
    return names, {n: s for n, s in told.items() if n not in asked}, {n: s for n, s in told.items() if n in asked}


def _renamed(part: Any) -> Any:
    """With simple names in place of those that tell the module."""
    if isinstance(part, Mapping):
        return {RENAMED.get(key, key): _renamed(value) for key, value in part.items()}
    if isinstance(part, list):
        return [_renamed(each) for each in part]
    if isinstance(part, str) and part.startswith(REF):
        return REF + RENAMED.get(part.removeprefix(REF), part.removeprefix(REF))
    return part


def _tidied(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """A schema without what repeats its names, with what its fields mean."""
    properties = {}
    for field, each in schema.get("properties", {}).items():
        ko, en = fields.said(name, field)
        properties[field] = _plain(each) | {"description": en, "x-ko": ko}
    rest = {key: value for key, value in schema.items() if key not in ("title", "description")}
    return rest | {"properties": properties}


def _plain(schema: Any) -> Any:
    """Without titles that repeat names, and defaults that say as much as none."""
    if not isinstance(schema, Mapping):
        return schema
    left_out = {"title"} | ({"default"} if not schema.get("default") or "$ref" in schema else set())
    return {key: _plain(value) for key, value in schema.items() if key not in left_out}


def _spoken(part: Any, lang: Lang) -> Any:
    """The part with each description in the language."""
    if isinstance(part, Mapping):
        told = {key: _spoken(value, lang) for key, value in part.items() if key != "x-ko"}
        return told | {"description": part["x-ko"]} if lang == "ko" and "x-ko" in part else told
    if isinstance(part, list | tuple):
        return [_spoken(each, lang) for each in part]
    return part
