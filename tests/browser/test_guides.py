"""The JavaScript of the guides, run in a browser on a page of the server."""

from __future__ import annotations

import re
from typing import Any

import pytest
from selenium.webdriver.support.ui import WebDriverWait

from tests import guides
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
