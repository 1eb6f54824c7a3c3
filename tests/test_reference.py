"""The guides that are made of tables of the code."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from rag.catalogue import CATALOGUE
from rag.errors import Lang
from web import reference
from web.openapi import document

from .app_client import Client

LANGS = ["en", "ko"]


class Page(HTMLParser):
    """Ids, links, and the text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if found.get("id"):
            self.ids.append(str(found["id"]))
        self.links += [str(found[name]) for name in ("href", "src") if found.get(name)]

    def handle_data(self, data: str) -> None:
        self.text += data


async def shown(client: Client, slug: str, lang: str) -> Page:
    response = await client.get(f"/guides/{slug}?lang={lang}")
    assert response.status == 200
    return Page(await response.text())


@pytest.mark.parametrize("lang", LANGS)
async def test_every_error_is_shown_with_all_that_its_row_says(client: Client, lang: Lang) -> None:
    page = await shown(client, "errors", lang)
    for code, row in CATALOGUE.items():
        text = row.ko if lang == "ko" else row.en
        assert code.lower() in page.ids
        assert text.when in page.text
        for line in (text.message, *text.solutions):
            assert all(part in page.text for part in re.split(r"\{\w+\}", line)), line
    assert "{" not in page.text.split("error_code", 1)[1].split("}", 1)[1]


@pytest.mark.parametrize("lang", LANGS)
async def test_every_operation_and_schema_is_shown(client: Client, lang: Lang) -> None:
    page = await shown(client, "api", lang)
    told = document("test", lang)
    for path, methods in told["paths"].items():
        for method, operation in methods.items():
            assert f"{method.upper()} {path}" in page.text
            assert operation["summary"] in page.text
    assert {f"schema-{name.lower()}" for name in told["components"]["schemas"]} <= set(page.ids)
    assert f"../openapi.json?lang={lang}" in page.links


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("slug", reference.TITLES)
async def test_every_link_of_it_leads_somewhere_on_this_machine(client: Client, slug: str, lang: Lang) -> None:
    page = await shown(client, slug, lang)
    assert len(page.ids) == len(set(page.ids))
    assert not [link for link in page.links if "//" in link]
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)


@pytest.mark.parametrize("lang", LANGS)
async def test_they_stand_behind_the_guides_that_are_written(client: Client, lang: Lang) -> None:
    page = Page(await (await client.get(f"/guides?lang={lang}")).text())
    links = [link.partition("?")[0].rpartition("/")[2] for link in page.links]
    assert links.index("01-overview") < links.index("errors") < links.index("api")
