"""The guides that are made of tables of the code, in a browser."""

from __future__ import annotations

from typing import Any

import pytest
from selenium.webdriver.support.ui import WebDriverWait

from tests.browser import axe
from tests.browser.conftest import Scripted

pytestmark = pytest.mark.browser


def test_they_are_no_wider_than_a_narrow_page_and_keep_nobody_out(
    driver: Any, scripted: Scripted, axe_script: str
) -> None:
    size = {"width": 320, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    for slug in ("errors", "api"):
        for lang in ("ko", "en"):
            driver.get(f"{scripted.url}/guides/{slug}?lang={lang}")
            # The module that lets tables be scrolled with the keyboard has run.
            WebDriverWait(driver, 30).until(
                lambda driver: driver.execute_script("return !!document.querySelector('.block')")
            )
            wide = driver.execute_script("return document.documentElement.scrollWidth")
            assert wide <= 320, f"{slug} {lang}: {wide}"
            assert axe.violations(driver, axe_script) == []
