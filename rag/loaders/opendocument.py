"""OpenDocument texts, spreadsheets and presentations (ISO 26300), read from their XML; sheets and slides are pages.

By Python's own parser: odfpy, the one library, has had no release since 2020."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import RagError
from .archive import Archive, Element
from .text import Loaded, clean, first_heading, heading, line, paginate, plain, table
from .xlsx import WIDEST_GAP

# Deleted text, remarks, contents and other directories, and what is said on every slide.
_SILENT = frozenset(
    "tracked-changes annotation annotation-end table-of-content forms sequence-decls variable-decls settings "
    "desc title ruby-text note-citation date-time footer header page-number".split()
)
_REPEATED_ROWS = 100


def load(name: str, data: bytes) -> Loaded:
    archive = Archive(name, data)
    manifest = archive.xml("META-INF/manifest.xml")
    if next(manifest.iter("encryption-data"), None) is not None:
        raise RagError("DOC-004", file=name)
    title = next(archive.xml("meta.xml").iter("title"), None) if "meta.xml" in archive else None
    said = (title.text or "") if title is not None else ""
    body = archive.xml("content.xml").find("body")
    if body is None or not len(body):
        raise ValueError("no document")
    if body[0].tag == "spreadsheet":
        sheets = ((number, "\n\n".join(_sheet(part))) for number, part in enumerate(body[0].iterfind("table"), 1))
        return paginate(((number, text) for number, text in sheets if text), said)
    if body[0].tag == "presentation":
        loaded = paginate(
            (number, "\n\n".join(_blocks(slide))) for number, slide in enumerate(body[0].iterfind("page"), 1)
        )
    else:
        loaded = Loaded("\n\n".join(_blocks(body[0])))
    return Loaded(loaded.text, said or first_heading(loaded.text), loaded.pages)


def _sheet(sheet: Element) -> Iterator[str]:
    paragraphs = list(table(_rows(sheet)))
    if paragraphs:
        yield heading(1, sheet.get("name", ""))
        yield from paragraphs


def _blocks(parent: Element, mark: str = "") -> Iterator[str]:
    """Paragraphs, lists (`mark` stands before an item) and tables, each a text without blank lines."""
    for child in parent:
        if child.tag in _SILENT:
            continue
        if child.tag in ("p", "h"):
            aside: list[Element] = []
            text = clean("".join(_inline(child, aside))).strip()
            if text and child.tag == "h":
                yield heading(_number(child, "outline-level"), text)
            elif text:
                yield mark + plain(text)
            for part in aside:
                yield from _blocks(part)
        elif child.tag == "list":
            items = ["\n".join(_blocks(item, "- ")) for item in child if item.tag in ("list-item", "list-header")]
            if any(items):
                yield "\n".join(item for item in items if item)
        elif child.tag == "table":
            yield from table(_rows(child))
        elif child.tag == "frame" and child.get("class") == "title":
            title = line(" ".join(_blocks(child.find("text-box") or child)))
            if title:
                yield heading(1, title)
        elif child.tag != "frame" or child.get("class") not in ("page", "page-number", "footer", "header", "date-time"):
            yield from _blocks(child)


def _inline(element: Element, aside: list[Element]) -> Iterator[str]:
    """The text; notes and frames, which stand elsewhere on the page, are put aside."""
    yield element.text or ""
    for child in element:
        if child.tag == "s":
            yield " " * min(_number(child, "c"), 100)
        elif child.tag in ("tab", "line-break"):
            yield "\t" if child.tag == "tab" else "\n"
        elif child.tag == "note":
            aside += child.findall("note-body")
        elif child.tag in ("frame", "text-box", "custom-shape", "g"):
            aside.append(child)
        elif child.tag not in _SILENT:
            yield from _inline(child, aside)
        yield child.tail or ""


def _rows(parent: Element) -> Iterator[list[str]]:
    for child in parent:
        if child.tag == "table-row":
            cells: list[str] = []
            for cell in child:
                if cell.tag in ("table-cell", "covered-table-cell"):
                    text = line(" ".join(_blocks(cell))) if cell.tag == "table-cell" else ""
                    cells += [text] * min(_number(cell, "number-columns-repeated"), WIDEST_GAP)
            repeated = _number(child, "number-rows-repeated") if any(cells) else 1
            yield from [cells] * min(repeated, _REPEATED_ROWS)
        elif child.tag.startswith("table-") and child.tag != "table-columns":
            yield from _rows(child)


def _number(element: Element, name: str) -> int:
    """The value of an attribute that counts from 1, and is 1 where it is left out."""
    value = element.get(name, "1")
    return int(value) if value.isdigit() else 1
