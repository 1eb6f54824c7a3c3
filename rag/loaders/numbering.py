"""The numbers that Word gives to headings and lists by itself, such as "제1조" or "2.1". (ECMA-376 part 1, 17.9.)"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from docx.oxml.ns import qn

_GANADA = "가나다라마바사아자차카타파하"
_CHOSUNG = "ㄱㄴㄷㄹㅁㅂㅅㅇㅈㅊㅋㅌㅍㅎ"
_CIRCLED = "①②③④⑤⑥⑦⑧⑨⑩⑪⑫⑬⑭⑮⑯⑰⑱⑲⑳"
_ROMAN = (
    (1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"),
    (50, "l"), (40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"),
)  # fmt: skip


def _roman(number: int) -> str:
    text = ""
    for value, letters in _ROMAN:
        text += letters * (number // value)
        number %= value
    return text


def _of(letters: str) -> Callable[[int], str]:
    return lambda number: letters[(number - 1) % len(letters)]


_FORMATS: dict[str, Callable[[int], str]] = {
    "upperRoman": lambda number: _roman(number).upper(),
    "lowerRoman": _roman,
    "upperLetter": _of("ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    "lowerLetter": _of("abcdefghijklmnopqrstuvwxyz"),
    "ganada": _of(_GANADA),
    "chosung": _of(_CHOSUNG),
    "decimalEnclosedCircle": lambda number: _CIRCLED[number - 1] if number <= len(_CIRCLED) else f"({number})",
    "decimalZero": lambda number: f"{number:02d}",
    "none": lambda number: "",
}


class Numbering:
    """Counts as the paragraphs of a document are read in order."""

    def __init__(self, numbering: Any) -> None:
        """`numbering`: the root of that part, or `None`."""
        self._counts: dict[tuple[int, int], int] = {}
        self._lists: dict[int, int] = {}
        self._levels: dict[int, dict[int, Any]] = {}
        if numbering is None:
            return
        for number in numbering.num_lst:
            self._lists[number.numId] = number.abstractNumId.val
        for abstract in numbering.iter(qn("w:abstractNum")):
            levels = {int(level.get(qn("w:ilvl"))): level for level in abstract.iter(qn("w:lvl"))}
            self._levels[int(abstract.get(qn("w:abstractNumId")))] = levels

    def next(self, list_id: int, depth: int) -> str:
        """The label of the next paragraph of a list at a depth; "-" for a bullet, "" for none."""
        key = self._lists.get(list_id, -1)
        levels = self._levels.get(key, {})
        here = levels.get(depth)
        if here is None:
            return ""
        if _said(here, "w:numFmt") == "bullet":
            return "-"
        before = self._counts.get((key, depth))
        self._counts[key, depth] = _start(here) if before is None else before + 1
        for deeper in range(depth + 1, 9):
            self._counts.pop((key, deeper), None)

        def number(match: re.Match[str]) -> str:
            at = int(match.group(1)) - 1
            used = levels.get(at, here)
            kind = "decimal" if here.find(qn("w:isLgl")) is not None else _said(used, "w:numFmt")
            return _FORMATS.get(kind, str)(min(self._counts.get((key, at), _start(used)), 9999))

        return re.sub(r"%([1-9])", number, _said(here, "w:lvlText")).strip()


def _start(level: Any) -> int:
    start = _said(level, "w:start")
    return int(start) if start.isdigit() else 1


def _said(level: Any, tag: str) -> str:
    found = level.find(qn(tag))
    return found.get(qn("w:val"), "") if found is not None else ""
