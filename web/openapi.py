"""The OpenAPI 3.1 document, made of the table of operations, the types and the error catalogue."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import Any

from aiohttp import hdrs, web
from pydantic import TypeAdapter

from rag.catalogue import CATALOGUE
from rag.errors import Lang, RagError
from rag.protocol import Cancel, ClientMessage, Resume

from . import fields, schemas
from .keys import VERSION
from .middleware import Handler, lang_of
from .operation import JSON, Answer, Operation, Parameter, Said
from .operations import OPERATIONS
from .replies import reply

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
    schemas.Error,
)
REF = "#/components/schemas/"

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
    "내 문서와 나누는 대화. 모든 것이 이 컴퓨터 안에서 이루어집니다. 모든 오류의 본문은 같으며 도움말 `/guides/errors`에 "
    "모두 나와 있습니다. GET을 받는 주소는 HEAD도 받고, OPTIONS에는 받는 메서드를 Allow 헤더로 답합니다. 여기 없는 주소는 "
    "404(HTTP-404), 받지 않는 메서드는 405(HTTP-405)로 답합니다.",
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
    refs, components = _components()
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, refs, lang)
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
    return (*operation.codes, *(WITH_BODY if operation.body else ()), *locked, *ALWAYS)


@web.middleware
async def accepted_type(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a body of another type than the document names. A body that names none is taken for the right one."""
    resource = request.match_info.route.resource
    accepted = _accepted().get((request.method, resource.canonical)) if resource else None
    given = request.headers.get(hdrs.CONTENT_TYPE)
    if accepted and given and request.can_read_body and request.content_type not in accepted:
        raise RagError("HTTP-415", given=given[:100], accepted=accepted)
    return await handler(request)


@functools.cache
def _accepted() -> Mapping[tuple[str, str], tuple[str, ...]]:
    return {(operation.method, operation.path): operation.media_types for operation in OPERATIONS if operation.body}


def _in(lang: Lang, said: Said) -> str:
    return said[0 if lang == "ko" else 1]


def _operation(operation: Operation, refs: Mapping[type, Any], lang: Lang) -> dict[str, Any]:
    told: dict[str, Any] = {
        "operationId": operation.id,
        "tags": [operation.door],
        "summary": _in(lang, operation.summary),
    }
    if any(operation.description):
        told["description"] = _in(lang, operation.description)
    parameters = [_parameter(each, lang) for each in operation.parameters]
    if operation.query:
        parameters[-1:-1] = _query(operation.query, refs)
    if parameters:
        told["parameters"] = parameters
    if operation.body:
        content = _content(operation.body.content, refs)
        if operation.body.example is not None:
            next(iter(content.values()))["example"] = operation.body.example
        told["requestBody"] = {"required": True, "content": content}
    told["responses"] = {str(status): _answer(each, refs, lang) for status, each in operation.answers.items()}
    for status, codes in _by_status(codes_of(operation)).items():
        # `/health` tells in its own shape why it is not ready.
        told["responses"].setdefault(str(status), _failure(codes, lang))
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


def _query(model: type, refs: Mapping[type, Any]) -> list[dict[str, Any]]:
    """The fields of a model as parameters."""
    schema = refs[model]
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


def _content(content: Mapping[str, Any], refs: Mapping[type, Any]) -> dict[str, dict[str, Any]]:
    return {
        kind: {"schema": {"$ref": REF + each.__name__} if isinstance(each, type) else each}
        for kind, each in content.items()
    }


def _answer(answer: Answer, refs: Mapping[type, Any], lang: Lang) -> dict[str, Any]:
    told: dict[str, Any] = {"description": _in(lang, answer.said)}
    if answer.content:
        told["content"] = _content(answer.content, refs)
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


def _failure(codes: list[str], lang: Lang) -> dict[str, Any]:
    """The answer with one of these errors."""
    when = {code: (CATALOGUE[code].ko if lang == "ko" else CATALOGUE[code].en).when for code in codes}
    return {
        "description": "\n".join(f"- `{code}`: {text}" for code, text in when.items()),
        "content": {
            JSON: {"schema": {"$ref": REF + "Error", "properties": {"error_code": {"enum": codes}}}},
        },
    }


def _components() -> tuple[dict[type, Any], dict[str, Any]]:
    """The schema of every type that the operations name, by type and by name."""
    named = dict.fromkeys(SENT)
    for operation in OPERATIONS:
        contents = [answer.content for answer in operation.answers.values()]
        contents += [operation.body.content] if operation.body else []
        named |= dict.fromkeys(each for content in contents for each in content.values() if isinstance(each, type))
    queries = [operation.query for operation in OPERATIONS if operation.query]
    adapters = [(kind, "validation", TypeAdapter(kind)) for kind in (*named, *queries)]
    _, found = TypeAdapter.json_schemas(adapters, ref_template=REF + "{model}")  # type: ignore[arg-type]
    schemas_ = {name: _tidied(name, schema) for name, schema in found["$defs"].items()}
    refs = {kind: schemas_[kind.__name__] for kind in (*named, *queries)}
    return refs, {name: schemas_[name] for name in sorted(schemas_) if name not in {q.__name__ for q in queries}}


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
