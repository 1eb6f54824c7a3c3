"""Excel workbooks (ECMA-376), read row by row from their XML: a sheet is a page, with its name as a heading.

Only cells that are there are read, so one that stands alone at the far end of a sheet costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Literal

from .archive import Archive, Element, related, stream
from .text import Loaded, clean, heading, paginate, table

Kind = Literal["", "date", "time", "both", "percent"]

# More empty cells than these between two others are a jump, not a table.
WIDEST_GAP = 8
_BUILT_IN: dict[int, Kind] = {
    **dict.fromkeys((9, 10), "percent"),
    **dict.fromkeys((14, 15, 16, 17, *range(27, 32), 36, *range(50, 59)), "date"),
    **dict.fromkeys((18, 19, 20, 21, *range(32, 36), 45, 46, 47), "time"),
    22: "both",
}


def load(name: str, data: bytes) -> Loaded:
    archive = Archive(name, data)
    path = archive.start()
    relations = archive.relations(path)
    book = archive.xml(path)
    if book.tag != "workbook":
        raise ValueError("no workbook")
    properties = book.find("workbookPr")
    since_1904 = properties is not None and properties.get("date1904") in ("1", "true")
    reader = _Reader(archive, relations, datetime(1904, 1, 1) if since_1904 else datetime(1899, 12, 30))
    parts = []
    for number, sheet in enumerate(book.iter("sheet"), 1):
        kind, target = relations.get(sheet.get("r:id", ""), ("", ""))
        if kind == "worksheet" and sheet.get("state") != "veryHidden":
            paragraphs = list(table(reader.rows(target)))
            if paragraphs:
                parts.append((number, "\n\n".join((heading(1, sheet.get("name", "")), *paragraphs))))
    return paginate(parts, archive.title())


class _Reader:
    def __init__(self, archive: Archive, relations: dict[str, tuple[str, str]], epoch: datetime) -> None:
        self._archive = archive
        self._epoch = epoch
        self._strings = [
            _text(item)
            for path in related(relations, "sharedStrings")
            if path in archive
            for item in stream(archive, path, "si")
        ]
        self._kinds: list[Kind] = []
        for path in related(relations, "styles"):
            styles = archive.xml(path)
            codes = {format.get("numFmtId"): format.get("formatCode", "") for format in styles.iter("numFmt")}
            for cell_format in styles.iterfind("cellXfs/xf"):
                number = cell_format.get("numFmtId", "0")
                kind = _kind(codes[number]) if number in codes else _BUILT_IN.get(int(number), "")
                self._kinds.append(kind)

    def rows(self, path: str) -> Iterator[list[str]]:
        for row in stream(self._archive, path, "row"):
            cells: list[str] = []
            column = 0
            for cell in row.iterfind("c"):
                value = clean(self._value(cell))
                at = _column(cell.get("r", "")) or column + 1
                if value:
                    cells += [""] * min(at - column - 1, WIDEST_GAP) + [value]
                    column = at
            yield cells

    def _value(self, cell: Element) -> str:
        kind, value = cell.get("t", "n"), cell.findtext("v") or ""
        if kind == "s":
            return self._strings[int(value)] if value else ""
        if kind == "inlineStr":
            return "".join(map(_text, cell.iterfind("is")))
        if kind == "b":
            return "TRUE" if value == "1" else "FALSE"
        if kind != "n" or not value:
            return value
        style = int(cell.get("s", "0"))
        return self._number(value, self._kinds[style] if style < len(self._kinds) else "")

    def _number(self, value: str, kind: Kind) -> str:
        """As a person would write it; 15 digits are what the program itself keeps."""
        number = float(value)
        if kind == "percent":
            return f"{number * 100:.15g}%"
        if kind:
            try:
                moment = self._epoch + timedelta(seconds=round(number * 86400))
            except OverflowError:
                return value
            if kind == "time" and number >= 1:
                hours, seconds = divmod(round(number * 86400), 3600)
                return f"{hours}:{seconds // 60:02d}:{seconds % 60:02d}"
            shapes = {"date": "%Y-%m-%d", "time": "%H:%M:%S", "both": "%Y-%m-%d %H:%M"}
            return moment.strftime(shapes["both" if kind == "date" and number % 1 else kind])
        return value if value.lstrip("-").isdigit() else f"{number:.15g}"


def _kind(code: str) -> Kind:
    """What a number format writes, told by its letters outside of quotations, colours and conditions."""
    code = re.sub(r'"[^"]*"|\\.|_.|\*.|\[(?![hms]+\])[^\]]*\]', "", code.lower().partition(";")[0])
    if "general" in code or not re.search("[ymdhs%]", code):
        return ""
    if "%" in code:
        return "percent"
    clock = re.search("[hs]", code) is not None
    day = re.search("[yd]", code) is not None or not clock
    return "both" if clock and day else "date" if day else "time"


def _column(reference: str) -> int:
    """1 for A1, 27 for AA1; 0 where the cell does not say."""
    number = 0
    for letter in reference:
        if not "A" <= letter <= "Z":
            break
        number = number * 26 + ord(letter) - 64
    return number


def _text(item: Element) -> str:
    """All runs of a string, without the phonetic guides above it."""
    guides = {text for guide in item.iter("rPh") for text in guide.iter("t")}
    return "".join(text.text or "" for text in item.iter("t") if text not in guides)
