"""HTML to text: what a reader sees, with headings and code marked as in Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bs4 import BeautifulSoup
from bs4.dammit import EncodingDetector
from bs4.element import NavigableString, Tag

from .text import Loaded, clean, decode

# How many line ends stand before and after a tag; those not named run on in the line.
_GAPS = dict.fromkeys(
    "address article aside blockquote body dd details div dl dt figcaption figure footer form h1 h2 h3 h4 h5 h6 header "
    "hr main ol p pre section summary table tbody tfoot thead ul".split(),
    2,
) | {"li": 1, "tr": 1}
# Ways through the pages, which are no part of what they say.
_ASIDE = "nav, [hidden], [role=navigation], div.toc"
# In characters.
_SMALL_CELL = 300
# In a cell, they tell that it is none of a plain table, or was not closed.
_LARGE = frozenset("table tr td th pre h1 h2 h3".split())
_SILENT = ["script", "style", "noscript", "template", "svg", "head", "iframe", "object"]


def load(name: str, data: bytes, declared: str = "") -> Loaded:
    """`declared`: the encoding that the letter or the server around it has named."""
    declared = declared or EncodingDetector.find_declared_encoding(data, is_html=True) or ""
    soup = BeautifulSoup(decode(name, data, declared), "html.parser")
    title = soup.title.get_text() if soup.title else ""
    for silent in [*soup(_SILENT), *soup.select(_ASIDE)]:
        silent.decompose()
    text = clean("".join(_html_parts(soup)))
    return Loaded(re.sub(r"(?<![ \t])[ \t]+\n", "\n", text).strip(), title)


def _html_parts(soup: Tag) -> Iterator[str]:
    """Pieces of text. Headings and code are marked as in Markdown, so that passages know where they stand."""
    gap, mark, seam, verbatim = 2, "", "", False
    cell: Tag | None = None
    for node, opens in _walk(soup):
        if isinstance(node, Tag):
            if node is cell or node.name == "tr":
                cell = None
            if node.name in ("td", "th") and opens:
                if seam == " | ":
                    yield seam
                seam = "" if gap else " | "
                cell = node if _is_small(node) else None
            elif cell is not None and node.name in _GAPS:
                # A paragraph in a cell of a table is no line of its own.
                seam = seam or ("" if gap else " ")
                continue
            elif node.name == "br" and opens:
                gap += 1
            elif node.name == "pre":
                if not opens and not mark:
                    yield "\n```"
                mark, verbatim = "```\n" if opens else "", opens
            elif re.fullmatch("h[1-6]", node.name):
                mark = "#" * int(node.name[1]) + " " if opens else ""
            gap = max(gap, _GAPS.get(node.name, 0))
        else:
            text = str(node).strip("\n") if verbatim and mark else str(node)
            if not verbatim:
                text = re.sub(r"\s+", " ", text)
            if text.strip():
                before = "\n" * min(gap, 2) if gap else seam
                yield before + mark + (text.lstrip(" ") if before and not verbatim else text)
                gap, mark, seam = 0, "", ""
            elif not gap and not seam and node.parent and node.parent.name != "tr":
                yield text


def _is_small(cell: Tag) -> bool:
    """Whether a cell is one of a table, not the page that old sites and letters lay out in tables."""
    length = 0
    for part in cell.descendants:
        if isinstance(part, Tag) and part.name in _LARGE:
            return False
        length += len(part) if isinstance(part, NavigableString) else 1
        if length > _SMALL_CELL:
            return False
    return True


def _walk(root: Tag) -> Iterator[tuple[Tag | NavigableString, bool]]:
    """The strings that are seen, and each tag twice: as it opens (True) and as it closes."""
    open_tags = [(root, iter(root.children))]
    while open_tags:
        tag, children = open_tags[-1]
        child = next(children, None)
        if child is None:
            open_tags.pop()
            yield tag, False
        elif isinstance(child, Tag):
            open_tags.append((child, iter(child.children)))
            yield child, True
        elif type(child) is NavigableString:
            # Comments and their like are of derived types.
            yield child, True
