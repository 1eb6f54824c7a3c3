"""The numbers that Word gives to headings and lists by itself, such as "제1조" or "2.1". (ECMA-376 part 1, 17.9.)"""

from __future__ import annotations

import re
from collections.abc import Callable

from .archive import Element

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

    def __init__(self, numbering: Element | None) -> None:
        self._levels: dict[str, dict[str, Element]] = {}
        self._counts: dict[tuple[str, int], int] = {}
        self._abstract: dict[str, str] = {}
        if numbering is None:
            return
        for abstract in numbering.iter("abstractNum"):
            self._levels[abstract.get("abstractNumId", "")] = {
                level.get("ilvl", ""): level for level in abstract.findall("lvl")
            }
        for number in numbering.iter("num"):
            used = number.find("abstractNumId")
            self._abstract[number.get("numId", "")] = used.get("val", "") if used is not None else ""

    def next(self, list_id: str, level: str) -> str:
        """The label of the next paragraph of a list at a level; "-" for a bullet, "" for none."""
        key = self._abstract.get(list_id, "")
        levels = self._levels.get(key, {})
        depth = int(level) if level.isdigit() else 0
        here = levels.get(str(depth))
        if here is None:
            return ""
        kind = _said(here, "numFmt")
        if kind == "bullet":
            return "-"
        before = self._counts.get((key, depth))
        self._counts[key, depth] = _start(here) if before is None else before + 1
        for deeper in range(depth + 1, 9):
            self._counts.pop((key, deeper), None)

        def number(match: re.Match[str]) -> str:
            at = int(match.group(1)) - 1
            used = levels.get(str(at), here)
            kind = "decimal" if here.find("isLgl") is not None else _said(used, "numFmt")
            return _FORMATS.get(kind, str)(min(self._counts.get((key, at), _start(used)), 9999))

        return re.sub(r"%([1-9])", number, _said(here, "lvlText")).strip()


def _start(level: Element) -> int:
    start = _said(level, "start")
    return int(start) if start.isdigit() else 1


def _said(level: Element, tag: str) -> str:
    found = level.find(tag)
    return found.get("val", "") if found is not None else ""
