"""Settings: each counts at once, is kept, and goes with every question."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("selenium", reason="selenium is not installed")

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.browser.page import Page, in_english

pytestmark = pytest.mark.browser


def option(page: Page, test_id: str, value: str) -> None:
    page.one(test_id).find_element(By.CSS_SELECTOR, f'option[value="{value}"]').click()


def opened(page: Page) -> None:
    page.click("settings-button")
    page.until(lambda: page.shown("settings-panel"), 30)


def closed(page: Page) -> None:
    page.click("settings-close")
    page.until(lambda: not page.shown("settings-panel"), 30)


def sent(page: Page) -> list[dict]:
    """The questions that went over the socket."""
    entries = [json.loads(entry["message"])["message"] for entry in page.driver.get_log("performance")]
    told = [entry["params"] for entry in entries if entry["method"] == "Network.webSocketFrameSent"]
    frames = [json.loads(one["response"]["payloadData"]) for one in told]
    return [frame for frame in frames if frame["type"] == "message"]


def ground(page: Page) -> str:
    return page.driver.execute_script("return getComputedStyle(document.documentElement).backgroundColor")


@in_english
def test_choices_go_with_the_question_without_a_new_connection(driver, scripted) -> None:
    page = Page(driver, scripted.url)
    page.ask("what is the answer")
    page.until(page.idle)
    opened(page)
    option(page, "answers-select", "free")
    page.one("temperature-slider").send_keys(Keys.ARROW_RIGHT * 7)
    page.one("sources-slider").send_keys(Keys.ARROW_LEFT * 2)
    page.same(lambda: page.one("temperature-slider").get_attribute("aria-valuetext"), "lively (0.7)")
    closed(page)
    page.ask("what is the answer again")
    page.until(page.idle)
    first, second = sent(page)
    assert "options" not in first
    assert second["options"] == {"answers": "free", "temperature": 0.7, "sources": 3}
    assert scripted.parts.generator.samplings[-1].temperature == 0.7


@in_english
def test_the_theme_is_there_before_the_first_paint_and_follows_the_system_again(driver, scripted) -> None:
    page = Page(driver, scripted.url)
    page.dress("light")
    light = ground(page)
    opened(page)
    option(page, "theme-select", "dark")
    dark = ground(page)
    assert dark != light
    driver.refresh()
    # The script that sets it comes before the style sheets, so nothing is painted in the other theme.
    order = driver.execute_script(
        "return Array.from(document.head.querySelectorAll('script:not([type]), link[rel=stylesheet]'), e => e.tagName)"
    )
    assert order[0] == "SCRIPT"
    page.same(lambda: ground(page), dark)
    driver.get(f"{scripted.url}/guides")
    page.same(lambda: ground(page), dark)
    page.load()
    opened(page)
    page.click("settings-reset")
    page.same(lambda: ground(page), light)
    page.dress("dark")
    page.same(lambda: ground(page), dark)


def test_the_language_is_chosen_and_kept(driver, scripted) -> None:
    page = Page(driver, scripted.url)
    opened(page)
    option(page, "lang-select", "en")
    page.until(lambda: page.one("settings-panel").find_element(By.TAG_NAME, "h2").text == "Settings", 30)
    closed(page)
    page.until(lambda: page.status() == "Connected", 30)
    driver.refresh()
    page.until(lambda: page.status() == "Connected", 30)
    page.same(lambda: driver.execute_script("return document.documentElement.lang"), "en")


@in_english
def test_a_quoting_model_takes_no_temperature_until_it_may_write(driver, scripted) -> None:
    scripted.parts.generator.parameters = 135_000_000
    page = Page(driver, scripted.url)
    opened(page)
    page.until(lambda: not page.one("temperature-slider").is_enabled(), 30)
    page.until(lambda: "quotes the documents" in page.one("settings-panel").text, 30)
    option(page, "answers-select", "free")
    page.until(lambda: page.one("temperature-slider").is_enabled(), 30)


@in_english
def test_speed_is_shown_to_those_who_want_it(driver, scripted) -> None:
    page = Page(driver, scripted.url)
    page.ask("what is the answer")
    page.until(page.idle)
    figures = driver.find_element(By.CSS_SELECTOR, ".stats")
    page.until(lambda: not figures.is_displayed(), 30)
    opened(page)
    page.click("figures-switch")
    closed(page)
    page.until(lambda: figures.is_displayed(), 30)
    page.until(lambda: "first word after 0" in figures.text, 30)


@in_english
def test_everything_is_reached_by_keyboard(driver, scripted) -> None:
    page = Page(driver, scripted.url)
    page.one("settings-button").send_keys(Keys.ENTER)
    page.until(lambda: page.shown("settings-panel"), 30)
    reached = set()
    for _ in range(12):
        active = driver.switch_to.active_element
        reached.add(active.get_attribute("name") or active.get_attribute("data-testid"))
        active.send_keys(Keys.TAB)
    wanted = {"lang", "theme", "answers", "temperature", "sources", "figures", "settings-reset", "settings-stats"}
    assert wanted <= reached
    driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    page.until(lambda: not page.shown("settings-panel"), 30)
    page.same(lambda: driver.switch_to.active_element.get_attribute("data-testid"), "settings-button")


@in_english
def test_nothing_is_cut_off_at_320_px(driver, scripted) -> None:
    narrow = {"width": 320, "height": 640, "deviceScaleFactor": 1, "mobile": True}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", narrow)
    page = Page(driver, scripted.url)
    page.until(lambda: page.overflow() <= 0, 30)
    for button, panel in (("settings-button", "settings-panel"), ("stats-button", "stats-panel")):
        page.click(button)
        page.until(lambda panel=panel: page.shown(panel), 30)
        if panel == "settings-panel":
            # The hint is longest there.
            option(page, "answers-select", "free")
        dialog = page.one(panel)
        assert page.driver.execute_script("return arguments[0].scrollWidth - arguments[0].clientWidth", dialog) <= 0
        page.click(panel.replace("panel", "close"))
        page.until(lambda panel=panel: not page.shown(panel), 30)
