"""PowerPoint presentations, read by python-pptx: a slide is a page, its title a heading, its notes below."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any

from pptx import Presentation
from pptx.enum.shapes import PP_PLACEHOLDER
from pptx.oxml import parse_xml
from pptx.oxml.ns import qn
from pptx.shapes.group import GroupShape

from .archive import Archive
from .text import Loaded, clean, first_heading, heading, line, paginate, plain, table

_TITLES = frozenset((PP_PLACEHOLDER.TITLE, PP_PLACEHOLDER.CENTER_TITLE))
# Said on every slide.
_RUNNING = frozenset((PP_PLACEHOLDER.DATE, PP_PLACEHOLDER.FOOTER, PP_PLACEHOLDER.HEADER, PP_PLACEHOLDER.SLIDE_NUMBER))
# What programs, and the library itself, put in where nobody has given a title.
_NO_TITLE = "PowerPoint Presentation"


def load(name: str, data: bytes) -> Loaded:
    Archive(name, data)
    show = Presentation(io.BytesIO(data))
    loaded = paginate((number, "\n\n".join(_slide(slide))) for number, slide in enumerate(show.slides, 1))
    title = show.core_properties.title.replace(_NO_TITLE, "")
    return Loaded(loaded.text, title or first_heading(loaded.text), loaded.pages)


def _slide(slide: Any) -> Iterator[str]:
    # The library passes over shapes that are there in a newer and an older form.
    for choice in slide.element.xpath(".//ve:AlternateContent/ve:Choice"):
        for shape in choice:
            choice.getparent().addprevious(shape)
    yield from _shapes(slide.shapes)
    for relation in slide.part.rels.values():
        # SmartArt, which the library does not read.
        if relation.reltype.endswith("/diagramData"):
            for point in parse_xml(relation.target_part.blob).iter(qn("a:p")):
                text = line("".join(part.text or "" for part in point.iter(qn("a:t"))))
                if text:
                    yield plain(text)
    if slide.has_notes_slide:
        yield from _shapes(slide.notes_slide.shapes)


def _shapes(shapes: Iterable[Any]) -> Iterator[str]:
    for shape in shapes:
        if isinstance(shape, GroupShape):
            yield from _shapes(shape.shapes)
        elif shape.has_table:
            yield from table([line(cell.text) for cell in row.cells] for row in shape.table.rows)
        elif shape.has_text_frame:
            kind = shape.placeholder_format.type if shape.is_placeholder else None
            # A vertical tab is a line break inside a paragraph.
            text = clean(shape.text_frame.text).replace("\v", "\n").strip()
            if text and kind not in _RUNNING:
                yield heading(1, text) if kind in _TITLES else plain(text)
