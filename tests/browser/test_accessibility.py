"""axe-core finds nothing on any view of the page, in both themes and languages."""

import pytest

pytest.importorskip("selenium", reason="selenium is not installed")

from tests.browser import axe
from tests.browser.page import Page
from tests.browser.views import VIEWS

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("language", ["ko", "en"], indirect=True)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_view_keeps_anyone_out(page: Page, theme: str, axe_script: str) -> None:
    """One browser for all views: they are opened one after the other."""
    found = {}
    for name, show in VIEWS.items():
        page.dress(theme)
        page.forget()
        show(page)
        found[name] = axe.violations(page.driver, axe_script)
    assert {name: said for name, said in found.items() if said} == {}
