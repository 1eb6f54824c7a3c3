"""PowerPoint presentations (ECMA-376), read from their XML: a slide is a page, its title a heading, its notes below."""

from __future__ import annotations

from collections.abc import Iterator

from .archive import Archive, Element, related
from .text import Loaded, clean, first_heading, heading, line, paginate, plain, table

_TITLES = frozenset(("title", "ctrTitle"))
# Said on every slide.
_RUNNING = frozenset(("dt", "ftr", "hdr", "sldNum", "sldImg"))


def load(name: str, data: bytes) -> Loaded:
    archive = Archive(name, data)
    path = archive.start()
    relations = archive.relations(path)
    show = archive.xml(path)
    if show.tag != "presentation":
        raise ValueError("no presentation")
    parts = []
    for number, slide in enumerate(show.iterfind("sldIdLst/sldId"), 1):
        _, target = relations[slide.get("r:id", "")]
        parts.append((number, "\n\n".join(_slide(archive, target))))
    loaded = paginate(parts)
    return Loaded(loaded.text, archive.title() or first_heading(loaded.text), loaded.pages)


def _slide(archive: Archive, path: str) -> Iterator[str]:
    relations = archive.relations(path)
    yield from _shapes(archive.xml(path))
    for kind in ("diagramData", "notesSlide"):
        for other in related(relations, kind):
            if other in archive:
                yield from _shapes(archive.xml(other))


def _shapes(element: Element) -> Iterator[str]:
    for child in element:
        if child.tag == "Fallback":
            continue
        if child.tag == "tbl":
            yield from table([line(" ".join(_paragraphs(cell))) for cell in row.iter("tc")] for row in child.iter("tr"))
        elif child.tag in ("txBody", "t"):
            # In diagrams, t is a text with paragraphs.
            text = "\n".join(_paragraphs(child))
            if text:
                yield plain(text)
        elif child.tag == "sp":
            role = child.find("nvSpPr/nvPr/ph")
            kind = role.get("type", "") if role is not None else ""
            if kind in _TITLES:
                title = line(" ".join(_paragraphs(child)))
                if title:
                    yield heading(1, title)
            elif kind not in _RUNNING:
                yield from _shapes(child)
        else:
            yield from _shapes(child)


def _paragraphs(element: Element) -> Iterator[str]:
    for paragraph in element.iter("p"):
        text = "".join(
            "\n" if run.tag == "br" else run.text or "" for run in paragraph.iter() if run.tag in ("t", "br")
        )
        if text.strip():
            yield clean(text).strip()
