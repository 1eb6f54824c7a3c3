"""Guides that are made of tables of the code: the error catalogue, and the API as `/openapi.json` tells it."""

from __future__ import annotations

import json
import string
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import aiohttp_jinja2
from aiohttp import web
from markdown_it import MarkdownIt
from markupsafe import Markup, escape

from rag.catalogue import CATALOGUE
from rag.errors import Lang

from .guidebook import Guide, Heading
from .keys import VERSION
from .openapi import DOORS, document
from .operation import REF, Said

TITLES: dict[str, Said] = {"errors": ("오류 목록", "Error catalogue"), "api": ("API 문서", "API reference")}
COMMAND_LINE: Said = ("명령줄", "Command line")
# Where errors of one kind stand, by how their codes begin.
FAMILIES: dict[str, Said] = {
    "WS": ("메시지와 요청", "Messages and requests"),
    "GEN": ("답변", "Answers"),
    "SEARCH": ("검색", "Search"),
    "EMBED": ("임베딩", "Embeddings"),
    "SESSION": ("대화", "Conversations"),
    "DOC": ("문서", "Documents"),
    "AUTH": ("접속과 키", "Access and keys"),
    "RATE": ("한도", "Limits"),
    "HTTP": ("HTTP", "HTTP"),
    "SETUP": ("시작과 설정", "Start and settings"),
    "BUNDLE": ("묶음", "Bundles"),
    "BENCH": ("답변 평가", "Measuring answers"),
}
# What stands in the place of data.
DATA: dict[str, Said] = {
    "accepted": ("형식들", "types"),
    "allowed": ("메서드들", "methods"),
    "characters": ("글자 수", "characters"),
    "directory": ("폴더", "directory"),
    "field": ("필드", "field"),
    "file": ("파일", "file"),
    "files": ("파일들", "files"),
    "found": ("번호", "number"),
    "given": ("형식", "type"),
    "host": ("주소", "host"),
    "known": ("번호", "number"),
    "limit": ("최대", "most"),
    "line": ("줄", "line"),
    "method": ("메서드", "method"),
    "minutes": ("분", "minutes"),
    "name": ("이름", "name"),
    "number": ("번호", "number"),
    "path": ("경로", "path"),
    "percent": ("퍼센트", "per cent"),
    "port": ("포트", "port"),
    "reason": ("까닭", "reason"),
    "rule": ("규칙", "rule"),
    "seconds": ("초", "seconds"),
    "supported": ("형식들", "types"),
    "tokens": ("토큰 수", "tokens"),
    "url": ("주소", "address"),
    "value": ("값", "value"),
}


def listed(lang: Lang) -> tuple[tuple[str, str], ...]:
    """Slug and title of each, in their order."""
    return tuple((slug, _in(lang, title)) for slug, title in TITLES.items())


def guide(request: web.Request, slug: str, lang: Lang) -> Guide:
    """One of them. Raises `KeyError` for a slug that is not listed."""
    made = {"errors": lambda: _errors(lang), "api": lambda: _api(request.app[VERSION], lang)}[slug]()
    html = aiohttp_jinja2.render_string(f"reference/{slug}.html", request, {"lang": lang, **made})
    contents = tuple(Heading(group["anchor"], group["title"]) for group in made["groups"])
    return Guide(html, contents)


def _in(lang: Lang, said: Said) -> str:
    return said[0 if lang == "ko" else 1]


# The error catalogue.


def _errors(lang: Lang) -> dict[str, Any]:
    groups = [
        {"anchor": f"group-{family.lower()}", "title": _in(lang, said), "rows": list(_rows(family, lang))}
        for family, said in FAMILIES.items()
    ]
    return {"groups": [group for group in groups if group["rows"]]}


def _rows(family: str, lang: Lang) -> Iterator[dict[str, Any]]:
    for code, row in CATALOGUE.items():
        if code.partition("-")[0] == family:
            text = row.ko if lang == "ko" else row.en
            yield {
                "code": code,
                "anchor": code.lower(),
                "status": row.status,
                "when": text.when,
                "message": _with_data(text.message, lang),
                "solutions": [_with_data(line, lang) for line in text.solutions],
                "doors": [_in(lang, DOORS.get(door, COMMAND_LINE)) for door in row.doors],
            }


def _with_data(text: str, lang: Lang) -> Markup:
    """The text with what its placeholders stand for."""
    shown = Markup("")
    for said, name, *_ in string.Formatter().parse(text):
        shown += said
        if name is not None:
            shown += Markup("<var>{}</var>").format(_in(lang, DATA[name]))
    return shown


# The API.


def _api(version: str, lang: Lang) -> dict[str, Any]:
    told = document(version, lang)
    groups = [
        {
            "anchor": f"door-{tag['name']}",
            "title": tag["description"],
            "operations": [each for each in _operations(told) if each["tags"] == [tag["name"]]],
        }
        for tag in told["tags"]
    ]
    schemas = [
        {"name": name, "anchor": f"schema-{name.lower()}", "fields": list(_fields(schema))}
        for name, schema in told["components"]["schemas"].items()
    ]
    return {
        "groups": groups,
        "schemas": schemas,
        "about": told["info"]["description"],
        "json": _json,
        "md": _markdown,
        "kind": _kind,
    }


def _operations(told: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for path, methods in told["paths"].items():
        for method, operation in methods.items():
            yield {**operation, "method": method.upper(), "path": path, "anchor": operation["operationId"].lower()}


def _fields(schema: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name, each in schema["properties"].items():
        yield {
            "name": name,
            "schema": each,
            "required": name in schema.get("required", ()),
            "said": each["description"],
        }


def _markdown(text: str) -> Markup:
    """HTML in the Markdown is shown as text."""
    return Markup(MarkdownIt("commonmark", {"html": False}).render(text))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def _kind(schema: Mapping[str, Any]) -> Markup:
    """A schema in a few words, with links to those that have a name."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(REF)
        return Markup('<a href="#schema-{}">{}</a>').format(name.lower(), name)
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return Markup(" | ").join(map(_kind, schema[word]))
    if "contentSchema" in schema:
        return _kind(schema["contentSchema"])
    if "const" in schema:
        return _code(schema["const"])
    if "enum" in schema:
        return Markup(" | ").join(map(_code, schema["enum"]))
    if schema.get("type") == "array":
        return Markup("[{}]").format(_kind(schema["items"]))
    if "data" in schema.get("properties", ()):
        return _kind(schema["properties"]["data"])
    return escape(" ".join((schema.get("format") or schema.get("type", "any"), *_bounds(schema))))


def _code(value: Any) -> Markup:
    return Markup("<code>{}</code>").format(json.dumps(value, ensure_ascii=False))


def _bounds(schema: Mapping[str, Any]) -> Iterable[str]:
    least, most = schema.get("minimum"), schema.get("maximum")
    if most is not None:
        yield f"{least} – {most:,}"
    elif least is not None:
        yield f"≥ {least}"
    if "maxLength" in schema:
        yield f"({schema.get('minLength', 0)} – {schema['maxLength']:,})"
