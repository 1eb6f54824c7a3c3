"""The JavaScript of the guides, run in a browser on a page of the server."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests import guides
from tests.browser.conftest import Scripted
from tests.browser.page import in_english
from tests.conftest import Server
from tests.guides import Block

RECORD = """
window.said = { log: [], error: [] };
for (const name of ['log', 'error']) console[name] = (...words) => window.said[name].push(words.join(' '));
"""


@pytest.mark.browser
@pytest.mark.model
@pytest.mark.parametrize("of", guides.unclaimed("js"), ids=str)
def test_every_javascript_example_runs(of: Block, driver: Any, server: Server) -> None:
    driver.get(f"{server.url}/guides")
    text = re.sub(r"\b(127\.0\.0\.1|localhost):8000\b", server.url.removeprefix("http://"), of.text)
    driver.execute_script(f"{RECORD}\n(async () => {{\n{text}\n}})().catch((error) => console.error(error));")
    said = WebDriverWait(driver, 120).until(
        lambda driver: any((found := driver.execute_script("return window.said")).values()) and found
    )
    assert not said["error"], said
    assert said["log"]


@pytest.mark.browser
@in_english
def test_a_block_of_a_guide_can_be_copied(driver: Any, scripted: Scripted) -> None:
    driver.get(f"{scripted.url}/guides/05-protocol?lang=en")
    button = WebDriverWait(driver, 30).until(lambda _: driver.find_elements(By.CSS_SELECTOR, ".block .copy-code"))[0]
    assert button.text == "Copy code"
    button.click()
    WebDriverWait(driver, 30).until(lambda _: button.text == "Copied")


@pytest.mark.browser
@pytest.mark.parametrize("width", [320, 1440])
def test_no_guide_is_wider_than_the_page(driver: Any, scripted: Scripted, width: int) -> None:
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    for guide, lang in itertools.product(guides.names(), guides.LANGS):
        driver.get(f"{scripted.url}/guides/{guide}?lang={lang}")
        wide = driver.execute_script("return document.documentElement.scrollWidth")
        assert wide <= width, f"{lang}/{guide}: {wide}"
