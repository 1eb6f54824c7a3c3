"""Every view of the page, and how to get there. What is held of all views, and their pictures, go through these."""

from __future__ import annotations

from collections.abc import Callable

from tests.browser.page import Page

QUESTIONS = {"ko": "어떤 파일 형식을 읽을 수 있나요?", "en": "Which file types can it read?"}


def welcome(page: Page) -> None:
    """What everybody sees first."""


def answer(page: Page) -> None:
    page.choose("quote")
    page.ask(QUESTIONS[page.language()])
    page.until(page.idle)
    page.until(lambda: page.shown("source"))


def documents(page: Page) -> None:
    page.one("documents-button").click()
    page.until(lambda: page.shown("documents-panel"))


VIEWS: dict[str, Callable[[Page], None]] = {"welcome": welcome, "answer": answer, "documents": documents}
