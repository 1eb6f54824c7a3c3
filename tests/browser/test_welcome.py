"""The first minutes: what loads and how far, what is wrong and what to do, and what answers."""

from __future__ import annotations

import pytest

pytest.importorskip("selenium", reason="selenium is not installed")

from selenium.webdriver.common.by import By

from rag.errors import RagError
from tests.browser.page import Page, in_english
from web.keys import STATE

pytestmark = pytest.mark.browser


@pytest.fixture
def state(scripted):
    """What the server says of itself, to be changed while it runs."""
    return scripted.app[STATE]


@in_english
def test_loading_is_told_in_words_with_a_bar_until_it_is_done(driver, scripted, state) -> None:
    state.status, state.phase, state.chat, chat = "loading", "model", None, state.chat
    state.record(0.25)
    page = Page(driver, scripted.url)
    bar = page.until(lambda: page.one("notice").find_elements(By.CSS_SELECTOR, "progress:not([hidden])"), 30)[0]
    page.until(lambda: "Loading the model scripted" in page.one("notice").text, 30)
    page.same(lambda: float(bar.get_attribute("value")) / float(bar.get_attribute("max")), 0.25)
    page.ask("what is the answer")
    state.record(0.75)
    page.until(lambda: bar.get_attribute("value") == "75", 30)
    state.status, state.chat = "ok", chat
    page.until(lambda: page.idle() and page.shown("assistant-message"))
    page.until(lambda: not page.shown("notice"), 30)


@in_english
def test_a_bad_model_is_told_with_what_to_do_and_a_guide(driver, scripted, state) -> None:
    state.status, state.chat = "error", None
    state.error = RagError("GEN-002", file="bad.gguf", reason="not a GGUF model", directory="/models")
    page = Page(driver, scripted.url)
    page.until(lambda: page.shown("notice"), 30)
    said = page.one("notice").text
    assert "bad.gguf" in said
    assert "Put a GGUF file into /models." in said
    link = page.one("notice").find_element(By.TAG_NAME, "a")
    driver.get(link.get_attribute("href"))
    page.until(lambda: "models" in driver.find_element(By.TAG_NAME, "h1").text, 30)


@in_english
def test_model_and_machine_are_shown(driver, scripted) -> None:
    page = Page(driver, scripted.url)
    page.until(lambda: page.one("machine").text.startswith(("CPU cores:", "GPU")), 30)
    page.same(lambda: page.one("model-name").text, "scripted")


@in_english
def test_examples_are_shown_only_where_something_would_be_found(driver, scripted) -> None:
    page = Page(driver, scripted.url)
    page.until(lambda: page.shown("example-question"), 30)
    scripted.parts.store.documents.clear()
    scripted.parts.store.passages.clear()
    driver.refresh()
    page.until(lambda: not page.shown("example-question"), 30)
