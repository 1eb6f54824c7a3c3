"""JSON as lines that can be read and searched: `path.to.key: value`, a paragraph for each record of a list."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from .text import Loaded, clean, decode, heading, line

# Deeper objects are a part of their record, not a section of the document.
_SECTIONS = 3


def load(name: str, data: bytes) -> Loaded:
    text = decode(name, data)
    if name.lower().endswith(".jsonl"):
        value: Any = [json.loads(record) for record in text.splitlines() if record.strip()]
    else:
        value = json.loads(text)
    title = value.get("title") if isinstance(value, dict) else None
    return Loaded("\n\n".join(_paragraphs(value, 1)), title if isinstance(title, str) else "")


def _paragraphs(value: Any, level: int) -> Iterator[str]:
    if isinstance(value, dict):
        sections = {key: part for key, part in value.items() if _is_section(part)} if level <= _SECTIONS else {}
        yield from _nonempty("\n".join(_lines({key: part for key, part in value.items() if key not in sections})))
        for key, part in sections.items():
            yield heading(level, key)
            yield from _paragraphs(part, level + 1)
    elif isinstance(value, list) and _is_section(value):
        for record in value:
            yield from _nonempty("\n".join(_lines(record)))
    else:
        yield from _nonempty("\n".join(_lines(value)))


def _is_section(value: Any) -> bool:
    """Objects, and lists that hold any."""
    return bool(value) and (isinstance(value, dict) or (isinstance(value, list) and not _is_flat(value)))


def _is_flat(values: list[Any]) -> bool:
    return not any(isinstance(value, dict | list) for value in values)


def _lines(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _lines(part, f"{path}.{line(key)}" if path else line(key))
    elif isinstance(value, list) and not _is_flat(value):
        for part in value:
            yield from _lines(part, path)
    else:
        said = ", ".join(map(_said, value)) if isinstance(value, list) else _said(value)
        if said.strip():
            yield f"{path}: {said}" if path else said


def _said(value: Any) -> str:
    return clean(value) if isinstance(value, str) else json.dumps(value)


def _nonempty(text: str) -> Iterator[str]:
    if text:
        yield text
