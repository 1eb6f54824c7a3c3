"""A headless Chromium for the tests of the page, and a server whose model says what a test wants."""

import asyncio
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest
from aiohttp import web

from models import starter
from tests.app_client import Parts
from tests.browser import axe
from web.serving import Runner

T = TypeVar("T")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "browser: drives the page in a real browser")


@pytest.fixture(params=["ko"])
def language(request: pytest.FixtureRequest) -> str:
    """Language the browser asks for; parametrize indirectly for another."""
    return request.param


@pytest.fixture
def driver(language: str, tmp_path: Path) -> Iterator:
    """A fresh browser with an empty profile, so that no test sees the storage of another."""
    pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    if not shutil.which("chromium") or not shutil.which("chromedriver"):
        pytest.skip("chromium and chromedriver are not installed")
    browser = headless(tmp_path / "profile", language)
    yield browser
    browser.quit()


def headless(profile: Path, language: str, *more: str):
    """A browser that says nothing of its own accord."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={profile}",
        *more,
    ):
        options.add_argument(argument)
    options.add_experimental_option("prefs", {"intl.accept_languages": language})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    browser.set_page_load_timeout(60)
    return browser


@pytest.fixture
def page(driver, server):
    from tests.browser.page import Page

    return Page(driver, server.url)


@dataclass
class Scripted:
    """An application over scripted parts on a thread of its own. The model can be held in the middle of an answer."""

    url: str
    parts: Parts
    app: web.Application
    _go: asyncio.Event
    _end: asyncio.Event
    _loop: asyncio.AbstractEventLoop

    def hold(self, words: int) -> None:
        """From the next question on, wait after so many words."""
        said = iter(range(words))
        self.parts.generator.wait = lambda: self._go if next(said, None) is None else None

    def go(self) -> None:
        self._loop.call_soon_threadsafe(self._go.set)

    def run(self, call: Callable[[], T]) -> T:
        """The result of a call on the thread of the application."""

        async def called() -> T:
            return call()

        return asyncio.run_coroutine_threadsafe(called(), self._loop).result(30)

    def set(self, event: asyncio.Event) -> None:
        """Let what waits for the event go on."""
        self._loop.call_soon_threadsafe(event.set)

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)


async def _serve(
    directory: Path, ready: Future[Scripted], settings: dict[str, str] | None = None, **given: object
) -> None:
    parts = Parts(directory, **given)  # type: ignore[arg-type]
    await parts.ingester.start()
    app = parts.app(**settings or {})
    runner = Runner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    made = Scripted(url, parts, app, asyncio.Event(), asyncio.Event(), asyncio.get_running_loop())
    ready.set_result(made)
    await made._end.wait()
    await runner.cleanup()
    await parts.ingester.close()
    await parts.sessions.close()


@pytest.fixture
def scripted(tmp_path: Path) -> Iterator[Scripted]:
    with serving(tmp_path) as made:
        yield made


@contextmanager
def serving(directory: Path, **settings: str) -> Iterator[Scripted]:
    """A server over scripted parts, as long as the context lasts."""
    ready: Future[Scripted] = Future()
    thread = threading.Thread(target=lambda: asyncio.run(_serve(directory, ready, settings)))
    thread.start()
    made = ready.result(30)
    yield made
    made.end()
    thread.join(30)


@pytest.fixture(scope="session")
def axe_script() -> str:
    try:
        return axe.fetch()
    except starter.Refused as error:
        pytest.skip(f"axe-core cannot be had: {error}")
