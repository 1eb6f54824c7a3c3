"""Word documents (ECMA-376), read from their XML: headings, automatic numbers, lists, tables and notes."""

from __future__ import annotations

from collections.abc import Iterator

from .archive import Archive, Element, related
from .numbering import Numbering
from .text import Loaded, clean, first_heading, heading, join, line, plain, table

# Deleted text, the instructions of fields, phonetic guides, and the older copy of a drawing.
_SILENT = frozenset(("del", "moveFrom", "instrText", "delText", "rt", "Fallback", "pPr", "rPr", "sectPr"))
_BREAKS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-", "ptab": "\t"}


def load(name: str, data: bytes) -> Loaded:
    archive = Archive(name, data)
    path = archive.start()
    relations = archive.relations(path)

    def part(kind: str) -> Element | None:
        return next((archive.xml(found) for found in related(relations, kind) if found in archive), None)

    reader = _Reader(part("styles"), part("numbering"), part("footnotes"), part("endnotes"))
    body = archive.xml(path).find("body")
    if body is None:
        raise ValueError("no document")
    text = join(reader.blocks(body))
    return Loaded(text, archive.title() or first_heading(text))


class _Reader:
    def __init__(
        self, styles: Element | None, numbering: Element | None, footnotes: Element | None, endnotes: Element | None
    ) -> None:
        self._styles = {style.get("styleId", ""): style for style in styles.iter("style")} if styles is not None else {}
        self._numbering = Numbering(numbering)
        self._notes = {
            (kind, note.get("id", "")): note
            for kind, notes in (("footnoteReference", footnotes), ("endnoteReference", endnotes))
            for note in (notes if notes is not None else ())
        }

    def blocks(self, parent: Element) -> Iterator[str]:
        """Paragraphs and tables, each of them a text without blank lines."""
        for child in parent:
            if child.tag == "p":
                yield from self._paragraph(child)
            elif child.tag == "tbl":
                yield from table(self._row(row) for row in child.iter("tr"))
            elif child.tag not in _SILENT and not _is_contents(child):
                yield from self.blocks(child)

    def _paragraph(self, paragraph: Element) -> Iterator[str]:
        aside: list[Element] = []
        text = clean("".join(self._inline(paragraph, aside))).strip()
        level, number = self._level(paragraph), self._number(paragraph)
        if text:
            label = f"{number} " if number else ""
            yield heading(level, label + text) if level else plain(label + text)
        for part in aside:
            yield from self.blocks(part)

    def _inline(self, element: Element, aside: list[Element]) -> Iterator[str]:
        """The text; text boxes and notes, which stand elsewhere on the page, are put aside."""
        for child in element:
            if child.tag == "t":
                yield child.text or ""
            elif child.tag in _BREAKS:
                yield _BREAKS[child.tag]
            elif child.tag in ("footnoteReference", "endnoteReference"):
                note = self._notes.get((child.tag, child.get("id", "")))
                if note is not None:
                    aside.append(note)
            elif child.tag == "txbxContent":
                aside.append(child)
            elif child.tag == "r" and child.find("rPr/vanish") is not None:
                continue
            elif child.tag not in _SILENT:
                yield from self._inline(child, aside)

    def _row(self, row: Element) -> list[str]:
        cells = []
        for cell in row.iter("tc"):
            merged = cell.find("tcPr/vMerge")
            continued = merged is not None and merged.get("val", "continue") == "continue"
            cells.append("" if continued else line(" ".join(self.blocks(cell))))
        return cells

    def _level(self, paragraph: Element) -> int:
        """1 and more for a heading, 0 for text. Said by the paragraph, its style or those that it is based on."""
        style = _value(paragraph, "pPr/pStyle")
        own = _value(paragraph, "pPr/outlineLvl")
        if own.isdigit():
            return int(own) + 1 if int(own) < 9 else 0
        for _ in range(20):
            found = self._styles.get(style)
            if found is None:
                break
            said = _value(found, "name").lower()
            level = _value(found, "pPr/outlineLvl")
            if level.isdigit():
                return int(level) + 1 if int(level) < 9 else 0
            if said == "title":
                return 1
            if said.startswith("heading ") and said[8:].isdigit():
                return int(said[8:])
            style = _value(found, "basedOn")
        return 0

    def _number(self, paragraph: Element) -> str:
        style = _value(paragraph, "pPr/pStyle")
        properties = paragraph.find("pPr/numPr")
        for _ in range(20):
            found = self._styles.get(style)
            if properties is not None or found is None:
                break
            properties = found.find("pPr/numPr")
            style = _value(found, "basedOn")
        if properties is None:
            return ""
        return self._numbering.next(_value(properties, "numId"), _value(properties, "ilvl"))


def _value(element: Element, path: str) -> str:
    found = element.find(path)
    return found.get("val", "") if found is not None else ""


def _is_contents(element: Element) -> bool:
    """A table of contents says nothing that the headings do not say."""
    return element.tag == "sdt" and _value(element, "sdtPr/docPartObj/docPartGallery") == "Table of Contents"
