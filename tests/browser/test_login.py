"""The login page, and the page where a login is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("selenium", reason="selenium is not installed")

from selenium.webdriver.common.by import By

from rag.errors import RagError
from tests.browser import axe
from tests.browser.conftest import Scripted, serving
from tests.browser.page import Page, in_english
from web.keys import GUARD, SOCKETS

pytestmark = pytest.mark.browser

KEY = "a-key-for-the-browser"
NARROW = {"width": 320, "height": 640, "deviceScaleFactor": 2, "mobile": True}


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Scripted]:
    with serving(tmp_path, api_key=KEY) as made:
        yield made


class Visitor(Page):
    """A page that begins with the login."""

    def load(self) -> None:
        self.driver.get(f"{self.url}/")
        self.until(lambda: self.shown("login-key"), 30)

    def log_in(self, key: str = KEY) -> None:
        self.one("login-key").send_keys(key)
        self.one("login-button").click()

    def connected(self) -> bool:
        return bool(self.all("connection-status")) and self.status() in ("연결됨", "Connected")


def forget(locked: Scripted) -> None:
    """As after a restart: no login is known and no connection is left."""

    def now() -> None:
        locked.app[GUARD]._logins.clear()
        for socket in list(locked.app[SOCKETS]):
            socket._req.transport.abort()

    locked.run(now)


@in_english
def test_in_with_the_key_a_question_and_out_again(driver, locked: Scripted) -> None:
    page = Visitor(driver, locked.url)
    page.log_in("a-wrong-key")
    page.until(lambda: page.shown("login-error"), 10)
    assert RagError("AUTH-002").text("en").message in page.one("login-error").text
    assert page.one("login-key").get_attribute("aria-invalid") == "true"
    page.log_in()
    page.until(page.connected, 30)
    assert driver.get_cookies()[0]["httpOnly"]
    assert driver.get_cookies()[0]["sameSite"] == "Strict"
    page.ask("what is the answer")
    page.until(lambda: page.phases() == ["done"])
    page.one("settings-button").click()
    page.until(lambda: page.shown("log-out"), 10)
    page.one("log-out").click()
    page.until(lambda: page.shown("login-key"), 10)
    assert driver.get_cookies() == []
    page.load()


def test_a_lost_login_leads_to_the_login_and_back_to_where_one_was(driver, locked: Scripted) -> None:
    page = Visitor(driver, locked.url)
    page.log_in()
    page.until(page.connected, 30)
    page.ask("what is the answer")
    page.until(lambda: page.phases() == ["done"])
    said = page.texts("assistant-message")
    page.one("chat-input").send_keys("half a question")
    forget(locked)
    page.until(lambda: page.shown("login-key"), 30)
    page.log_in()
    page.until(page.connected, 30)
    page.until(lambda: page.texts("assistant-message") == said, 10)
    assert page.one("chat-input").get_attribute("value") == "half a question"


def test_what_the_server_refuses_leads_to_the_login_while_the_connection_lives(driver, locked: Scripted) -> None:
    page = Visitor(driver, locked.url)
    page.log_in()
    page.until(page.connected, 30)
    driver.delete_all_cookies()
    page.one("documents-button").click()
    page.until(lambda: page.shown("login-key"), 30)


def test_who_is_logged_in_passes_the_login_page_by(driver, locked: Scripted) -> None:
    page = Visitor(driver, locked.url)
    page.log_in()
    page.until(page.connected, 30)
    # As a link on another site would: without the cookie, the way leads here.
    driver.get(f"{locked.url}/login?next=.%2Fguides")
    page.until(lambda: driver.current_url.endswith("/guides"), 10)


@pytest.mark.parametrize("language", ["ko", "en"], indirect=True)
def test_the_login_page_keeps_nobody_out_and_fits_small_screens(driver, locked: Scripted, axe_script: str) -> None:
    page = Visitor(driver, locked.url)
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", NARROW)
    for key in ("", "a-wrong-key"):
        if key:
            page.log_in(key)
            page.until(lambda: page.shown("login-error"), 10)
        for theme in ("light", "dark"):
            page.dress(theme)
            assert axe.violations(driver, axe_script) == []
        assert page.overflow() <= 0
    assert driver.switch_to.active_element == page.one("login-key")
    assert not driver.find_elements(By.CSS_SELECTOR, "[style], style, script:not([src])")
    # What was refused is told by the status, and by nothing else.
    told = [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
    assert [message for message in told if "403" not in message] == []
