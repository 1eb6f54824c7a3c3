"""Pictures of every view, width, theme and language: `python -m tests.bench.screenshots FOLDER [--url URL]`.

Without an address a server of its own is started, with the guides as its documents.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.bench.first_load import browser
from tests.browser.page import Page
from tests.browser.views import VIEWS
from tests.conftest import ROOT, start_server

WIDTHS = {320: 640, 768: 1024, 1440: 900}


def shoot(url: str, folder: Path, views: list[str], language: str) -> None:
    with tempfile.TemporaryDirectory() as profile:
        driver = browser(Path(profile), language)
        try:
            for name, theme, width in itertools.product(views, ("light", "dark"), WIDTHS):
                size = {"width": width, "height": WIDTHS[width], "deviceScaleFactor": 1, "mobile": width < 500}
                driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
                page = Page(driver, url)
                page.dress(theme)
                page.forget()
                VIEWS[name](page)
                driver.save_screenshot(str(folder / f"{name}-{width}-{theme}-{language}.png"))
        finally:
            driver.quit()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--url", help="of a running server")
    parser.add_argument("--views", nargs="+", default=list(VIEWS), choices=VIEWS)
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        url = asked.url
        if url is None:
            data = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            server = start_server(data, ROOT / "models").wait()
            stack.callback(server.stop)
            url = server.url
        for language in ("ko", "en"):
            shoot(url, asked.folder, asked.views, language)


if __name__ == "__main__":
    main()
