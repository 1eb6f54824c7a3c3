"""Live figures: drawn by the page, in words too, and asked for only while they are seen."""

from __future__ import annotations

import json
import time

import pytest

pytest.importorskip("selenium", reason="selenium is not installed")

from selenium.webdriver.common.by import By

from tests.browser.page import Page, in_english

pytestmark = pytest.mark.browser


def reads(page: Page) -> int:
    """How often the figures were asked for since this was last called."""
    entries = [json.loads(entry["message"])["message"] for entry in page.driver.get_log("performance")]
    urls = [one["params"]["request"]["url"] for one in entries if one["method"] == "Network.requestWillBeSent"]
    return sum(url.endswith("/stats") for url in urls)


@in_english
def test_plots_are_drawn_and_said_in_words(driver, scripted) -> None:
    page = Page(driver, scripted.url)
    for _ in range(3):
        page.ask("what is the answer")
        page.until(page.idle)
    page.click("stats-button")
    page.until(lambda: page.one("stats-facts").text, 30)
    page.until(lambda: "scripted · 7B" in page.one("stats-facts").text, 30)
    page.until(lambda: "Answers: 3" in page.one("stats-facts").text, 30)
    page.until(
        lambda: len(page.driver.find_elements(By.CSS_SELECTOR, '[data-plot="tokens_per_second"] circle')) == 3, 30
    )
    plots = {plot.get_attribute("data-plot"): plot for plot in page.all("plot")}
    assert len(plots) == 6
    for name in ("first_token_ms", "tokens_per_second"):
        drawing = plots[name].find_element(By.TAG_NAME, "svg")
        assert len(drawing.find_elements(By.CSS_SELECTOR, "circle")) == 3
        assert "median" in drawing.get_attribute("aria-label")
        assert "last answer" in plots[name].text
    page.same(lambda: page.driver.execute_script("return document.querySelectorAll('.plot [style]').length"), 0)


@in_english
def test_figures_are_asked_for_only_while_they_are_seen(driver, scripted) -> None:
    page = Page(driver, scripted.url)
    page.until(lambda: page.one("machine").text, 30)
    reads(page)
    page.click("stats-button")
    page.until(lambda: page.one("stats-facts").text, 30)
    for _ in range(2):
        page.until(lambda: reads(page), 30)
    page.click("stats-close")
    time.sleep(0.5)
    reads(page)
    time.sleep(3.5)
    assert reads(page) == 0
