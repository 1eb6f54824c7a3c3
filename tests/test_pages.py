"""The page and the guides as they are served."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest

from web import guidebook
from web.assets import STATIC
from web.guidebook import GUIDES

from .app_client import Client

SLUGS = sorted(path.stem for path in (GUIDES / "en").glob("*.md"))


async def test_the_page_and_all_that_it_names_are_served(client: Client) -> None:
    response = await client.get("/")
    text = await response.text()
    assert response.status == 200
    named = re.findall(r'(?:src|href)="(static/[^"]+)"', text)
    assert "static/main.js" in named
    for path in named:
        assert (await client.get("/" + path)).status == 200, path


async def test_every_module_that_is_imported_is_served(client: Client) -> None:
    for module in STATIC.glob("*.js"):
        for imported in re.findall(r"from '\./([^']+)'", module.read_text(encoding="utf-8")):
            assert (await client.get(f"/static/{imported}")).status == 200, imported


@pytest.mark.parametrize("lang", ["en", "ko"])
async def test_every_guide_is_listed_and_shown(client: Client, lang: str) -> None:
    listed = await (await client.get(f"/guides?lang={lang}")).text()
    for slug in SLUGS:
        assert f"guides/{slug}" in listed
        response = await client.get(f"/guides/{slug}?lang={lang}")
        assert response.status == 200
        assert f'<html lang="{lang}"' in await response.text()


def test_both_languages_have_the_same_guides_with_the_same_parts() -> None:
    assert sorted(path.stem for path in (GUIDES / "ko").glob("*.md")) == SLUGS
    for slug in SLUGS:
        outlines = [
            re.findall(
                r"^(#+) ", re.sub(r"```.*?```", "", (GUIDES / lang / f"{slug}.md").read_text(), flags=re.S), re.M
            )
            for lang in ("en", "ko")
        ]
        assert outlines[0] == outlines[1], slug


def test_no_guide_leads_away_from_this_machine() -> None:
    for guide in GUIDES.rglob("*.md"):
        for host in re.findall(r"(?:https?|wss?)://([^/:\s`)\"']+)", guide.read_text(encoding="utf-8")):
            assert host in ("127.0.0.1", "localhost", "HOST", "0.0.0.0"), f"{guide.name}: {host}"


async def test_what_the_page_needs_at_once_is_what_it_preloads(client: Client) -> None:
    needed, found = {"main.js"}, ["main.js"]
    while found:
        text = (STATIC / found.pop()).read_text("utf-8")
        new = set(re.findall(r"^(?:import|export) [^;]*?'\./([^']+)'", text, re.MULTILINE)) - needed
        needed |= new
        found += new
    page = await (await client.get("/")).text()
    assert set(re.findall(r'rel="modulepreload" href="static/([^"]+)"', page)) == needed - {"main.js"}


async def test_the_page_is_sent_compressed_to_who_can_read_it(client: Client) -> None:
    for encoding in ("gzip", "identity"):
        response = await client.get("/", headers={"Accept-Encoding": encoding})
        assert response.headers.get("Content-Encoding", "identity") == encoding
        assert "</html>" in await response.text()


@pytest.mark.parametrize("lang", ["en", "ko"])
async def test_guides_link_to_each_other_in_the_same_language_and_to_headings_that_are_there(
    client: Client, lang: str
) -> None:
    ids = {}
    for slug in SLUGS:
        text = await (await client.get(f"/guides/{slug}?lang={lang}")).text()
        ids[slug] = (set(re.findall(r'id="([^"]+)"', text)), re.findall(r'<a [^>]*href="([^"]+)"', text))
        assert len(re.findall("<h1>", text)) == 1
    for slug, (own, links) in ids.items():
        for link in links:
            path, _, anchor = unquote(link).partition("#")
            found = re.fullmatch(r"(?:\.\./guides/)?(\d[\w-]+)\?lang=(..)", path)
            assert not path.endswith(".md"), link
            assert not found or found[1] == slug or found[2] == lang, link
            assert not anchor or anchor in (ids[found[1]][0] if found else own), f"{slug}: {link}"


def test_what_a_guide_says_is_no_html() -> None:
    made = guidebook.render("# Title\n\n## One `--flag` & <b>\n\n<script>x</script>\n", "en")
    assert "<script" not in made.html
    assert made.contents == (guidebook.Heading("one---flag--b", "One --flag & <b>"),)
    assert 'id="one---flag--b"' in made.html
