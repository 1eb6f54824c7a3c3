"""What a person sees and does on the page, for the tests of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress

import pytest
from selenium.common.exceptions import (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    StaleElementReferenceException,
    TimeoutException,
)
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

ANSWER_S = 120
PHONE = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
in_english = pytest.mark.parametrize("language", ["en"], indirect=True)


# An element that is just being replaced, covered or painted is waited for, too.
NOT_YET = [
    StaleElementReferenceException,
    ElementNotInteractableException,
    ElementClickInterceptedException,
    ValueError,
    IndexError,
]


def stretch(driver, timers: dict[int, int]) -> None:
    """From the next load on, timers of the page that are so many milliseconds long last so many others."""
    script = (
        f"const others = {json.dumps(timers)}, real = setTimeout;"
        "window.setTimeout = (run, ms, ...all) => real(run, others[ms] ?? ms, ...all);"
    )
    driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": script})


class Page:
    """The page by the names that existing browser suites use."""

    def __init__(self, driver, url: str) -> None:
        self.driver = driver
        self.url = url
        self.load()

    def forget(self) -> None:
        """Load as a browser that was never here."""
        origin = {"origin": self.url, "storageTypes": "all"}
        self.driver.get("about:blank")
        self.driver.execute_cdp_cmd("Storage.clearDataForOrigin", origin)
        self.load()

    def load(self) -> None:
        self.driver.get(f"{self.url}/")
        self.until(lambda: self.status() in ("연결됨", "Connected"), 30)

    def dress(self, theme: str) -> None:
        """As on a machine with a light or a dark theme."""
        scheme = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)

    def language(self) -> str:
        return self.driver.execute_script("return document.documentElement.lang")

    def until(self, condition: Callable[[], object], seconds: float = ANSWER_S):
        waiting = WebDriverWait(self.driver, seconds, 0.05, NOT_YET)
        return waiting.until(lambda _: condition())

    def same(self, read: Callable[[], object], expected: object) -> None:
        """What is read is, or soon becomes, what is expected."""
        with suppress(TimeoutException):
            self.until(lambda: read() == expected, 30)
        assert read() == expected, self.texts("error-message")

    def all(self, test_id: str) -> list:
        return self.driver.find_elements(By.CSS_SELECTOR, f'[data-testid="{test_id}"]')

    def one(self, test_id: str):
        (element,) = self.all(test_id)
        return element

    def shown(self, test_id: str) -> list:
        return [element for element in self.all(test_id) if element.is_displayed()]

    def click(self, test_id: str, number: int = 0) -> None:
        """Click the shown element of that number, as soon as nothing covers or replaces it."""

        def clicked() -> bool:
            self.shown(test_id)[number].click()
            return True

        self.until(clicked, 30)

    def texts(self, test_id: str) -> list[str]:
        return [element.text for element in self.all(test_id)]

    def status(self) -> str:
        return self.one("connection-status").text

    def ask(self, question: str) -> None:
        self.one("chat-input").send_keys(question)
        self.click("send-button")

    def choose(self, how: str) -> None:
        """How to answer, by the value of the choice."""
        self.click("settings-button")
        self.one("answers-select").find_element(By.CSS_SELECTOR, f'option[value="{how}"]').click()
        self.click("settings-close")
        self.until(lambda: not self.shown("settings-panel"), 10)

    def idle(self) -> bool:
        return not self.shown("stop-button")

    def phases(self) -> list[str]:
        return self.driver.execute_script(
            "return Array.from(document.querySelectorAll('.turn'), (turn) => turn.dataset.phase)"
        )

    def overflow(self) -> int:
        return self.driver.execute_script("return document.documentElement.scrollWidth - innerWidth")
