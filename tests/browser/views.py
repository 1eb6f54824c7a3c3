"""Every view of the page, and how to get there. What is held of all views, and their pictures, go through these."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.browser.page import Page

QUESTIONS = {"ko": "대화는 얼마나 오래 유지되나요?", "en": "How long does a conversation last?"}


def welcome(page: Page) -> None:
    """What everybody sees first."""


def answer(page: Page) -> None:
    page.choose("quote")
    page.ask(QUESTIONS[page.language()])
    page.until(page.idle)
    page.until(lambda: page.shown("source"))


def sources(page: Page) -> None:
    answer(page)
    page.click("source")
    page.until(lambda: page.shown("open-document"))


def viewer(page: Page) -> None:
    sources(page)
    page.click("open-document")
    page.until(lambda: page.shown("viewer-facts") and page.driver.find_elements("css selector", "mark.quote"))


def conversations(page: Page) -> None:
    """The list with the menu of a conversation; on narrow screens it is a drawer."""
    answer(page)
    if not page.shown("sidebar"):
        page.click("sidebar-button")
    page.until(lambda: page.shown("conversation-menu"))
    page.click("conversation-menu")
    page.until(lambda: page.shown("conversation-actions"))


def editing(page: Page) -> None:
    """A question that is being put in other words."""
    answer(page)
    page.click("edit-button")


def documents(page: Page) -> None:
    page.click("documents-button")
    page.until(lambda: page.shown("document"))


def settings(page: Page) -> None:
    page.click("settings-button")
    page.until(lambda: page.shown("settings-panel"))


def stats(page: Page) -> None:
    page.click("stats-button")
    page.until(lambda: page.shown("plot") and page.one("stats-facts").text)


def adding(page: Page) -> None:
    """A file that cannot be read, a document of its own that is deleted but may come back, and one that is chosen."""
    documents(page)
    stored = len(page.all("document"))
    with tempfile.TemporaryDirectory() as folder:
        broken, note = Path(folder) / "broken.pdf", Path(folder) / "note.txt"
        broken.write_bytes(b"%PDF-1.4 broken")
        note.write_text(f"A note, taken at {time.time()}.")
        page.one("file-input").send_keys(f"{broken}\n{note}")
        page.until(lambda: [job for job in page.shown("job") if job.get_attribute("data-state") == "failed"])
        page.until(lambda: len(page.all("document")) > stored)
    page.click("document-choose", 1)
    page.click("document-delete")
    page.until(lambda: page.shown("undo"))


VIEWS: dict[str, Callable[[Page], None]] = {
    "welcome": welcome,
    "answer": answer,
    "sources": sources,
    "viewer": viewer,
    "conversations": conversations,
    "editing": editing,
    "documents": documents,
    "adding": adding,
    "settings": settings,
    "stats": stats,
}
