"""The page below a path of another site: everything it does goes through nginx, set up by the guide's own snippet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("selenium", reason="selenium is not installed")

from tests.browser.page import Page, in_english
from tests.proxies import Running, Setup, standing

pytestmark = pytest.mark.browser


@pytest.fixture
def below(scripted, tmp_path: Path) -> Iterator[Running]:
    with standing(Setup("nginx", "/rag"), int(scripted.url.rpartition(":")[2]), tmp_path / "proxy") as proxy:
        yield proxy


def strays(driver, below: Running) -> list[str]:
    """Addresses of the site that were asked for outside the path."""
    events = (json.loads(entry["message"])["message"] for entry in driver.get_log("performance"))
    asked = []
    for event in events:
        if event["method"] == "Network.requestWillBeSent":
            asked.append(event["params"]["request"]["url"])
        elif event["method"] == "Network.webSocketCreated":
            asked.append(event["params"]["url"].replace("ws", "http", 1))
    assert any("/chat-ws" in address for address in asked)
    return [each for each in asked if each.startswith(below.origin) and not each.startswith(f"{below.url}/")]


@in_english
def test_the_page_works_below_a_path(driver, scripted, below: Running, tmp_path: Path) -> None:
    page = Page(driver, below.url)

    page.ask("what is the answer")
    page.until(lambda: page.phases() == ["done"])
    assert page.texts("assistant-message") == ["The answer is 42 [1]."]

    page.until(lambda: page.shown("source"))
    page.shown("source")[0].click()
    page.until(lambda: page.shown("open-document"))
    page.shown("open-document")[0].click()
    page.until(lambda: page.shown("viewer-facts") and driver.find_elements("css selector", "mark.quote"))
    original = driver.find_element("css selector", '#viewer a[href*="/original"]').get_attribute("href")
    assert original.startswith(f"{below.url}/documents/")
    page.load()

    note = tmp_path / "gnomon.md"
    note.write_text("# Gnomon\n\nA gnomon casts the shadow of a sundial.\n")
    page.one("documents-button").click()
    page.until(lambda: page.shown("document"))
    page.one("file-input").send_keys(str(note))
    page.until(lambda: any("gnomon.md" in text for text in page.texts("document")))

    assert strays(driver, below) == []

    driver.get(f"{below.url}/guides")
    (link, *_) = driver.find_elements("css selector", "main a")
    link.click()
    page.until(lambda: f"{below.url}/guides/" in driver.current_url)
    page.until(lambda: driver.find_elements("css selector", "main h1"))
    driver.find_element("css selector", "a.brand").click()
    page.until(lambda: driver.current_url == f"{below.url}/")
