"""Word documents, opened by python-docx: headings, lists, tables. What it has no words for is read from the elements
that it gives: automatic numbers, notes, text boxes, content controls and tracked changes."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from docx import Document
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.oxml.ns import nsmap, qn
from docx.oxml.parser import parse_xml
from docx.oxml.table import CT_Tbl
from docx.oxml.text.paragraph import CT_P
from lxml import etree

from .archive import Archive
from .numbering import Numbering
from .text import Loaded, clean, first_heading, heading, join, line, plain, table

# Deleted and hidden text, phonetic guides, the older copy of a drawing, and contents, which the headings say again.
_SILENT = etree.XPath(
    "//w:del | //w:moveFrom | //w:rt | //mc:Fallback | //w:r[w:rPr/w:vanish]"
    " | //w:sdt[w:sdtPr/w:docPartObj/w:docPartGallery/@w:val='Table of Contents']",
    namespaces=nsmap | {"mc": "http://schemas.openxmlformats.org/markup-compatibility/2006"},
)
_BOXES = etree.XPath(".//w:txbxContent[not(ancestor::w:txbxContent)]", namespaces=nsmap)
_NOTES = {
    qn("w:footnoteReference"): RELATIONSHIP_TYPE.FOOTNOTES,
    qn("w:endnoteReference"): RELATIONSHIP_TYPE.ENDNOTES,
}
# What the library puts in where nobody has given a title.
_NO_TITLE = "Word Document"


def load(name: str, data: bytes) -> Loaded:
    Archive(name, data)
    document = Document(io.BytesIO(data))
    text = join(_Reader(document).blocks(document.element.body))
    return Loaded(text, document.core_properties.title.replace(_NO_TITLE, "") or first_heading(text))


class _Reader:
    def __init__(self, document: Any) -> None:
        parts = {
            relation.reltype: parse_xml(relation.target_part.blob)
            for relation in document.part.rels.values()
            if relation.reltype in (*_NOTES.values(), RELATIONSHIP_TYPE.NUMBERING) and not relation.is_external
        }
        self._styles = {style.styleId: style for style in document.styles.element.style_lst}
        self._numbering = Numbering(parts.get(RELATIONSHIP_TYPE.NUMBERING))
        self._notes = {
            (tag, note.get(qn("w:id"))): note for tag, kind in _NOTES.items() for note in parts.get(kind, ())
        }
        for root in (document.element, *parts.values()):
            for silent in _SILENT(root):
                silent.getparent().remove(silent)

    def blocks(self, parent: Any) -> Iterator[str]:
        """Paragraphs and tables, each of them a text without blank lines."""
        for child in parent:
            if isinstance(child, CT_P):
                yield from self._paragraph(child)
            elif isinstance(child, CT_Tbl):
                yield from table(self._row(row) for row in child.xpath("w:tr | w:sdt/w:sdtContent/w:tr"))
            else:
                yield from self.blocks(child)

    def _paragraph(self, paragraph: Any) -> Iterator[str]:
        """Text boxes and notes, which stand elsewhere on the page, follow the paragraph."""
        boxes = _BOXES(paragraph)
        for box in boxes:
            box.getparent().remove(box)
        text = "".join(part.text or "" for part in paragraph.iter(qn("w:r"), qn("m:t")))
        text = clean(text).strip()
        level, number = self._level(paragraph), self._number(paragraph)
        if text:
            label = f"{number} " if number else ""
            yield heading(level, label + text) if level else plain(label + text)
        for reference in paragraph.iter(*_NOTES):
            boxes.append(self._notes.get((reference.tag, reference.get(qn("w:id"))), ()))
        for aside in boxes:
            yield from self.blocks(aside)

    def _row(self, row: Any) -> list[str]:
        return [
            "" if cell.vMerge == "continue" else line(" ".join(self.blocks(cell)))
            for cell in row.xpath("w:tc | w:sdt/w:sdtContent/w:tc")
        ]

    def _properties(self, paragraph: Any) -> Iterator[tuple[str, Any]]:
        """Those of the paragraph, of its style, and of the styles that it is based on, with their names."""
        yield "", paragraph.pPr
        style = self._styles.get(paragraph.style)
        for _ in range(20):
            if style is None:
                break
            yield style.name_val.lower(), style.pPr
            style = self._styles.get(style.basedOn_val)

    def _level(self, paragraph: Any) -> int:
        """1 and more for a heading, 0 for text."""
        for name, properties in self._properties(paragraph):
            said = properties.find(qn("w:outlineLvl")) if properties is not None else None
            if said is not None:
                level = int(said.get(qn("w:val")))
                return level + 1 if level < 9 else 0
            if name == "title":
                return 1
            if name.startswith("heading ") and name[8:].isdigit():
                return int(name[8:])
        return 0

    def _number(self, paragraph: Any) -> str:
        for _, properties in self._properties(paragraph):
            found = properties.numPr if properties is not None else None
            if found is not None and found.numId is not None:
                return self._numbering.next(found.numId.val, found.ilvl.val if found.ilvl is not None else 0)
        return ""
