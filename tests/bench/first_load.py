"""How much the page is and how soon it shows: `python -m tests.bench.first_load [--url URL] [--loads N]`.

Without an address a server of its own is started. The browser is Debian's Chromium, headless, with an empty cache.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from tests.conftest import ROOT, start_server

FIGURES = """
const [visit] = performance.getEntriesByType('navigation');
const files = performance.getEntriesByType('resource').filter(({name}) => name.includes('/static/'));
const paint = performance.getEntriesByName('first-contentful-paint')[0];
return {
  files: files.length + 1,
  bytes: [visit, ...files].reduce((sum, {transferSize}) => sum + transferSize, 0),
  paint: paint ? paint.startTime : null,
  ready: visit.domContentLoadedEventEnd,
};
"""


def browser(profile: Path, language: str = "en") -> Any:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"):
        options.add_argument(argument)
    options.add_experimental_option("prefs", {"intl.accept_languages": language})
    return webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))


def measure(url: str, loads: int) -> list[dict[str, float]]:
    """One dictionary a load: number of files, bytes over the wire, first contentful paint and ready in ms."""
    with tempfile.TemporaryDirectory() as folder:
        driver = browser(Path(folder))
        try:
            found = []
            for _ in range(loads):
                driver.execute_cdp_cmd("Network.clearBrowserCache", {})
                driver.get("about:blank")
                driver.get(url)
                found.append(
                    driver.execute_async_script(
                        f"const done = arguments[0];setTimeout(() => done((() => {{{FIGURES}}})()), 1000);"
                    )
                )
            return found
        finally:
            driver.quit()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="of a running server")
    parser.add_argument("--loads", type=int, default=11)
    asked = parser.parse_args()
    with ExitStack() as stack:
        url = asked.url
        if url is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            server = start_server(folder, ROOT / "models").wait()
            stack.callback(server.stop)
            url = server.url
        found = measure(url, asked.loads)
    for name, unit in (("files", ""), ("bytes", "bytes"), ("paint", "ms"), ("ready", "ms")):
        values = sorted(each[name] for each in found)
        print(f"{name:6} median {statistics.median(values):8.0f} {unit}  from {values[0]:.0f} to {values[-1]:.0f}")


if __name__ == "__main__":
    main()
