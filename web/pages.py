"""The page, its files and the guides."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import aiohttp_jinja2
from aiohttp import web

from rag import loaders
from rag.errors import Lang

from . import guidebook, reference
from .assets import STATIC
from .keys import VERSION
from .middleware import lang_of

HERE = Path(__file__).resolve().parent
TEMPLATES = HERE / "templates"

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
ENTRIES = {"main.js", "guide.js", "login.js", "theme.js"}
# Modules that are fetched when they are first used.
LATER = {"viewer.js", "finder.js", "textview.js", "textwindow.js", "plot.js", "export.js"}

HELP: dict[Lang, str] = {"ko": "도움말", "en": "Help"}


async def index(request: web.Request) -> web.Response:
    variables = {"sheets": SHEETS, "modules": _modules(), "endings": loaders.SUPPORTED}
    return _page("index.html", request, {"version": request.app[VERSION], **variables})


async def guides(request: web.Request) -> web.Response:
    return guide_page(request, "", HELP[lang_of(request)])


async def guide(request: web.Request) -> web.Response:
    lang, slug = lang_of(request), request.match_info["slug"]
    if slug in reference.TITLES:
        return guide_page(request, slug, dict(reference.listed(lang))[slug], reference.guide(request, slug, lang))
    title = dict(guidebook.listed(lang)).get(slug)
    if title is None:
        raise web.HTTPNotFound
    return guide_page(request, slug, title, guidebook.guide(slug, lang))


def guide_page(request: web.Request, slug: str, title: str, shown: guidebook.Guide | None = None) -> web.Response:
    """A page among the guides; without one to show, the list of them."""
    lang = lang_of(request)
    listed = (*guidebook.listed(lang), *reference.listed(lang))
    slugs = [each for each, _ in listed]
    at = slugs.index(slug) if slug in slugs else None
    variables = {
        "title": title,
        "guides": listed,
        "slug": slug,
        "guide": shown,
        "before": listed[at - 1] if at else None,
        "after": listed[at + 1] if at is not None and at + 1 < len(listed) else None,
    }
    return _page("guide.html", request, variables)


def _page(template: str, request: web.Request, variables: dict[str, Any]) -> web.Response:
    response = aiohttp_jinja2.render_template(template, request, {"lang": lang_of(request), **variables})
    response.headers["Cache-Control"] = "no-cache"
    response.enable_compression()
    return response


@functools.cache
def _modules() -> list[str]:
    """The modules that the page needs at once: fetched side by side, not one import after the other."""
    return sorted({path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*.js")} - ENTRIES - LATER)
