"""Conversations on the page: kept, listed, found, renamed, deleted, exported, and shown again as they were."""

import json
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

pytest.importorskip("selenium", reason="selenium is not installed")

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.browser.page import PHONE, Page, in_english

pytestmark = [pytest.mark.browser, in_english]

ASKED = "what is the answer"


@pytest.fixture
def talks(driver, scripted) -> "Talks":
    driver.set_window_size(1280, 800)
    return Talks(driver, scripted.url)


class Talks(Page):
    def tell(self, question: str) -> None:
        """Ask, and wait for the end of the answer."""
        self.ask(question)
        self.until(lambda: self.texts("user-message")[-1:] == [question])
        self.until(self.idle)

    def titles(self) -> list[str]:
        return [element.text for element in self.shown("conversation-open")]

    def open(self, title: str) -> None:
        self.row(title).click()

    def row(self, title: str):
        return self.until(lambda: next(row for row in self.shown("conversation-open") if title in row.text), 10)

    def choose_action(self, title: str, action: str) -> None:
        row = self.row(title).find_element(By.XPATH, "..")
        ActionChains(self.driver).move_to_element(row).perform()
        row.find_element(By.CSS_SELECTOR, '[data-testid="conversation-menu"]').click()
        self.one("conversation-actions").find_element(By.CSS_SELECTOR, f'[data-action="{action}"]').click()

    def new(self) -> None:
        self.one("new-chat-button").click()

    def reload(self) -> None:
        self.driver.refresh()
        self.until(lambda: self.status() == "Connected", 30)

    def session(self) -> str:
        return self.driver.execute_script("return sessionStorage.getItem('session')")

    def focused(self) -> str:
        return self.driver.execute_script("return document.activeElement.dataset.testid ?? document.activeElement.id")


def test_a_conversation_is_listed_by_its_first_question_and_opens_again(talks: Talks) -> None:
    talks.tell(f"{ASKED} one")
    talks.tell(f"{ASKED} two")
    assert talks.titles() == [f"{ASKED} one"]
    talks.new()
    assert talks.texts("user-message") == []
    talks.tell(f"{ASKED} three")
    assert talks.titles() == [f"{ASKED} three", f"{ASKED} one"]
    talks.open(f"{ASKED} one")
    talks.until(lambda: talks.texts("user-message") == [f"{ASKED} one", f"{ASKED} two"], 10)
    assert talks.phases() == ["done", "done"]
    assert len(talks.shown("source")) == 2


def test_a_reload_shows_the_conversation_as_it_was(talks: Talks) -> None:
    talks.tell(f"{ASKED} one")
    before = talks.texts("assistant-message")
    talks.reload()
    talks.until(lambda: talks.texts("assistant-message") == before, 10)
    assert talks.titles() == [f"{ASKED} one"]
    talks.tell(f"{ASKED} two")
    assert talks.phases() == ["done", "done"]
