"""The page, its files and the guides."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import aiohttp_jinja2
from aiohttp import web
from markdown_it import MarkdownIt

from rag import loaders
from rag.errors import Lang

from .assets import STATIC
from .keys import VERSION
from .middleware import lang_of

HERE = Path(__file__).resolve().parent
TEMPLATES = HERE / "templates"
GUIDES = HERE / "guides"

# In the order of the cascade.
SHEETS = (
    "base",
    "page",
    "sidebar",
    "chat",
    "markdown",
    "composer",
    "sources",
    "viewer",
    "uploads",
    "documents",
    "settings",
)

# Scripts that pages name themselves.
ENTRIES = {"main.js", "login.js", "theme.js"}
# Modules that are fetched when they are first used.
LATER = {"viewer.js", "finder.js", "textview.js", "textwindow.js", "plot.js", "export.js"}

HELP: dict[Lang, str] = {"ko": "도움말", "en": "Help"}


async def index(request: web.Request) -> web.Response:
    variables = {"sheets": SHEETS, "modules": _modules(), "endings": loaders.SUPPORTED}
    return _page("index.html", request, {"version": request.app[VERSION], **variables})


async def guides(request: web.Request) -> web.Response:
    lang = lang_of(request)
    return _page("guide.html", request, {"title": HELP[lang], "guides": _guides(lang), "slug": "", "body": ""})


async def guide(request: web.Request) -> web.Response:
    lang, slug = lang_of(request), request.match_info["slug"]
    listed = _guides(lang)
    title = next((entry["title"] for entry in listed if entry["slug"] == slug), None)
    if title is None:
        raise web.HTTPNotFound
    body = _render(GUIDES / lang / f"{slug}.md")
    return _page("guide.html", request, {"title": title, "guides": listed, "slug": slug, "body": body})


def _page(template: str, request: web.Request, variables: dict[str, Any]) -> web.Response:
    response = aiohttp_jinja2.render_template(template, request, {"lang": lang_of(request), **variables})
    response.headers["Cache-Control"] = "no-cache"
    response.enable_compression()
    return response


@functools.cache
def _modules() -> list[str]:
    """The modules that the page needs at once: fetched side by side, not one import after the other."""
    return sorted({path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*.js")} - ENTRIES - LATER)


@functools.cache
def _guides(lang: Lang) -> list[dict[str, str]]:
    """Slug and title of each guide, in their order."""
    listed = []
    for path in sorted((GUIDES / lang).glob("*.md")):
        title = path.read_text(encoding="utf-8").splitlines()[0].lstrip("# ").strip()
        listed.append({"slug": path.stem, "title": title})
    return listed


@functools.cache
def _render(path: Path) -> str:
    """The guide as HTML. HTML in the Markdown is shown as text."""
    return str(MarkdownIt("commonmark", {"html": False}).enable("table").render(path.read_text(encoding="utf-8")))
