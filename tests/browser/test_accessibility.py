"""axe-core finds nothing on any view of the page, in both themes and languages."""

from collections.abc import Callable

import pytest

pytest.importorskip("selenium", reason="selenium is not installed")

from models import starter
from tests.browser import axe
from tests.browser.page import Page

pytestmark = pytest.mark.browser

Show = Callable[[Page], object]


@pytest.fixture(scope="session")
def axe_script() -> str:
    try:
        return axe.fetch()
    except starter.Refused as error:
        pytest.skip(f"axe-core cannot be had: {error}")


def answered(page: Page) -> None:
    page.choose("quote")
    page.ask("RAG Standard는 무엇인가요?")
    page.until(page.idle)
    page.until(lambda: page.shown("source"))


VIEWS: dict[str, Show] = {
    "welcome": lambda page: None,
    "answer": answered,
    "documents": lambda page: page.one("documents-button").click(),
}


@pytest.mark.parametrize("language", ["ko", "en"], indirect=True)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_view_keeps_anyone_out(page: Page, theme: str, axe_script: str) -> None:
    """One browser for all views: they are opened one after the other."""
    scheme = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
    found = {}
    for name, show in VIEWS.items():
        page.driver.refresh()
        page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)
        page.until(lambda: page.status() in ("연결됨", "Connected"), 30)
        show(page)
        found[name] = axe.violations(page.driver, axe_script)
    assert {name: said for name, said in found.items() if said} == {}
