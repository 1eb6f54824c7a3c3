"""The guides as HTML: headings that can be linked to, links between the guides, and what stands before and after."""

from __future__ import annotations

import functools
import itertools
import re
from dataclasses import dataclass
from pathlib import Path, PurePath

from markdown_it import MarkdownIt
from markdown_it.token import Token

from rag.errors import Lang

GUIDES = Path(__file__).resolve().parent / "guides"
# From this one on, guides are for those who write programs or run servers.
_FOR_SOME = "08"


@dataclass(frozen=True, slots=True)
class Heading:
    anchor: str
    text: str


@dataclass(frozen=True, slots=True)
class Guide:
    """`html` of the text below its title; `contents`: its headings of the second level."""

    html: str
    contents: tuple[Heading, ...]


@functools.cache
def listed(lang: Lang) -> tuple[tuple[str, str], ...]:
    """Slug and title of each guide, in their order."""
    paths = sorted((GUIDES / lang).glob("*.md"))
    return tuple((path.stem, path.read_text(encoding="utf-8").splitlines()[0].lstrip("# ").strip()) for path in paths)


def is_for_all(source: str) -> bool:
    """Whether everybody may ask about what stands in the guide of that file name."""
    return PurePath(source).name < _FOR_SOME


@functools.cache
def guide(slug: str, lang: Lang) -> Guide:
    """One guide. Raises `FileNotFoundError` for a slug that is not listed."""
    return render((GUIDES / lang / f"{slug}.md").read_text(encoding="utf-8"), lang)


def render(text: str, lang: Lang) -> Guide:
    """Markdown that begins with its title as a guide. HTML in the Markdown is shown as text."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    # A heading is three tokens.
    tokens = markdown.parse(text)[3:]
    contents = []
    for token, inline in itertools.pairwise(tokens):
        if token.type == "heading_open":
            name = _plain(inline)
            token.attrSet("id", anchor(name))
            if token.tag == "h2":
                contents.append(Heading(anchor(name), name))
        for child in token.children or ():
            if child.type == "link_open":
                child.attrSet("href", _served(str(child.attrGet("href")), lang))
    return Guide(str(markdown.renderer.render(tokens, markdown.options, {})), tuple(contents))


def anchor(heading: str) -> str:
    """The id of a heading, as sites that show repositories make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _plain(inline: Token) -> str:
    return "".join(child.content for child in inline.children or ())


def _served(href: str, lang: Lang) -> str:
    """A link between two files, as one between their pages in the same language."""
    return re.sub(r"^([\w-]+)\.md(?=#|$)", rf"\1?lang={lang}", href)
