"""The connection under the page: whatever breaks, the answer is whole, once, and the state is said in words."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

pytest.importorskip("selenium", reason="selenium is not installed")

from rag import answers
from rag.errors import RagError
from tests.browser.page import Page, in_english, stretch
from tests.cutting_proxy import CuttingProxy, cutting_proxy
from web import stopping
from web.keys import ANSWERS, CLOSING, STATE

pytestmark = pytest.mark.browser

ASKED = "what is the answer"
REPLY = "The answer is 42 [1]."
WORDS = len(REPLY.split())
# Milliseconds of silence, in place of half a minute.
SILENCE = 700


@pytest.fixture
def proxy(scripted) -> Iterator[CuttingProxy]:
    """Stands before the scripted application."""
    ready: Future[CuttingProxy] = Future()
    end = asyncio.Event()

    async def stand() -> None:
        async with cutting_proxy("127.0.0.1", int(scripted.url.rsplit(":", 1)[1])) as made:
            ready.set_result(made)
            await end.wait()

    standing = asyncio.run_coroutine_threadsafe(stand(), scripted._loop)
    yield ready.result(30)
    scripted._loop.call_soon_threadsafe(end.set)
    standing.result(30)


def cut(scripted, proxy: CuttingProxy, *, away: bool = False) -> None:
    def now() -> None:
        proxy.away = away
        proxy.cut()

    scripted.run(now)


def hint(page: Page) -> str:
    return " ".join(element.text for element in page.shown("connection-hint"))


def connected(page: Page) -> bool:
    return page.status() in ("연결됨", "Connected")


def whole(page: Page) -> None:
    """The answer comes to its end, and is the very text of the server, once."""
    page.until(page.idle, 60)
    page.same(page.phases, ["done"])
    page.same(lambda: page.texts("assistant-message"), [REPLY])
    page.same(lambda: len(page.all("user-message")), 1)
    page.until(lambda: not page.shown("connection-hint"), 30)


@pytest.mark.parametrize("words", range(1, WORDS))
def test_an_answer_goes_on_after_a_break_with_every_word_once(
    driver, scripted, proxy: CuttingProxy, words: int
) -> None:
    scripted.hold(words)
    page = Page(driver, proxy.url)
    page.ask(ASKED)
    said = " ".join(REPLY.split()[:words])
    page.until(lambda: page.texts("assistant-message") == [said])
    cut(scripted, proxy, away=True)
    page.until(lambda: "연결이 끊겼습니다" in hint(page), 30)
    page.same(page.phases, ["streaming"])
    page.same(lambda: page.texts("assistant-message"), [said])
    scripted.go()
    proxy.away = False
    whole(page)
    assert len(scripted.parts.generator.prompts) == 1


def test_an_answer_survives_a_break_after_every_word(driver, scripted, proxy: CuttingProxy) -> None:
    page = Page(driver, proxy.url)
    proxy.frames = 3  # start, sources and a word
    cut(scripted, proxy)
    page.until(lambda: not connected(page), 30)
    page.until(lambda: connected(page), 30)
    page.ask(ASKED)
    seen = ""
    for _ in range(WORDS):
        before = seen
        page.until(lambda: "".join(page.texts("assistant-message")) != before or page.idle(), 30)  # noqa: B023
        seen = "".join(page.texts("assistant-message"))
        assert REPLY.startswith(seen)
        if not page.idle() and page.shown("reconnect-button"):
            page.click("reconnect-button")
    proxy.frames = None
    whole(page)
    assert proxy.cuts >= WORDS
    assert len(scripted.parts.generator.prompts) == 1


def test_a_question_whose_answer_had_not_begun_is_sent_again_and_answered_once(
    driver, scripted, proxy: CuttingProxy
) -> None:
    scripted.parts.embedder.wait = asyncio.Event()
    page = Page(driver, proxy.url)
    page.ask(ASKED)
    page.until(lambda: len(scripted.app[ANSWERS]))
    cut(scripted, proxy)
    page.until(lambda: not connected(page), 30)
    page.until(lambda: connected(page), 30)
    scripted.run(scripted.parts.embedder.wait.set)
    whole(page)
    assert len(scripted.parts.generator.prompts) == 1


def test_a_question_asked_without_a_connection_goes_out_when_it_is_back(driver, scripted, proxy: CuttingProxy) -> None:
    page = Page(driver, proxy.url)
    cut(scripted, proxy, away=True)
    page.until(lambda: not connected(page), 30)
    page.ask(ASKED)
    page.same(page.phases, ["waiting"])
    proxy.away = False
    whole(page)


def test_a_question_waits_for_a_server_that_comes_back_and_still_loads(
    driver, scripted, proxy: CuttingProxy, monkeypatch
) -> None:
    page = Page(driver, proxy.url)
    cut(scripted, proxy, away=True)
    page.until(lambda: not connected(page), 30)
    page.ask(ASKED)
    with monkeypatch.context() as loading:
        loading.setattr(scripted.app[STATE], "status", "loading")
        loading.setattr(scripted.app[STATE], "chat", None)
        proxy.away = False
        page.until(lambda: connected(page), 30)
        page.same(page.phases, ["waiting"])
    whole(page)


@pytest.mark.parametrize(
    ("language", "lost", "offline"),
    [("ko", "연결 끊김", "오프라인"), ("en", "Disconnected", "Offline")],
    indirect=["language"],
)
def test_the_state_is_always_said_in_words(driver, scripted, proxy: CuttingProxy, lost: str, offline: str) -> None:
    page = Page(driver, proxy.url)
    cut(scripted, proxy, away=True)
    page.until(lambda: page.status() == lost, 30)
    page.until(lambda: any(character.isdigit() for character in "".join(page.texts("connection-wait"))), 30)
    driver.execute_script(
        """Object.defineProperty(navigator, 'onLine', {get: () => false, configurable: true});
        dispatchEvent(new Event('offline'));"""
    )
    page.until(lambda: page.status() == offline, 30)
    proxy.away = False
    driver.execute_script("delete navigator.onLine; dispatchEvent(new Event('online'));")
    page.until(lambda: connected(page), 30)
    page.until(lambda: not page.shown("connection-wait"), 30)


def test_a_server_that_restarts_says_so_and_no_question_is_lost(driver, scripted) -> None:
    page = Page(driver, scripted.url)
    asyncio.run_coroutine_threadsafe(stopping.drain(scripted.app), scripted._loop).result(30)
    page.until(lambda: page.status() in ("서버가 다시 시작하는 중", "The server is restarting"), 30)
    page.ask(ASKED)
    page.same(page.phases, ["waiting"])
    # What comes back is as good as new.
    scripted.run(scripted.app[CLOSING].clear)
    whole(page)
    assert connected(page)


@pytest.mark.parametrize("event", ["online", "visibilitychange"])
def test_the_back_off_is_cut_short_when_the_network_or_the_tab_comes_back(
    driver, scripted, proxy: CuttingProxy, event: str
) -> None:
    # Without it the next attempt would be minutes away.
    patient = (
        "const real = setTimeout; window.setTimeout = (run, ms) => real(run, ms >= 200 && ms < 10000 ? 300000 : ms);"
    )
    driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": patient})
    page = Page(driver, proxy.url)
    cut(scripted, proxy)
    page.until(lambda: not connected(page), 30)
    target = "window" if event == "online" else "document"
    driver.execute_script(f"{target}.dispatchEvent(new Event('{event}'))")
    page.until(lambda: connected(page), 30)


@in_english
def test_silence_is_said_and_ends_with_the_next_event(driver, scripted, proxy: CuttingProxy) -> None:
    stretch(driver, {30_000: SILENCE})
    scripted.hold(2)
    page = Page(driver, proxy.url)
    page.ask(ASKED)
    page.until(lambda: page.texts("assistant-message") == ["The answer"])
    proxy.stalled = True
    page.until(lambda: hint(page) == "No sign of the server for 30 s.", 30)
    scripted.go()
    proxy.stalled = False
    whole(page)


def test_an_answer_that_the_server_keeps_no_more_is_interrupted_and_can_be_asked_again(
    driver, scripted, proxy: CuttingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "KEEP", 0)
    scripted.hold(2)
    page = Page(driver, proxy.url)
    page.ask(ASKED)
    page.until(lambda: page.texts("assistant-message") == ["The answer"])
    cut(scripted, proxy, away=True)
    # One that failed is not in the session either.
    scripted.parts.generator.error = RagError("GEN-999")
    scripted.go()
    page.until(lambda: not len(scripted.app[ANSWERS]), 30)
    scripted.parts.generator.error = None
    proxy.away = False
    page.until(page.idle, 30)
    page.same(page.phases, ["interrupted"])
    page.same(lambda: page.texts("assistant-message"), ["The answer"])
    monkeypatch.undo()
    page.click("retry-button")
    page.until(lambda: page.phases() == ["done"], 30)
    page.same(lambda: page.texts("assistant-message"), [REPLY])


def test_what_is_stopped_without_a_connection_is_stopped_on_the_server_too(
    driver, scripted, proxy: CuttingProxy
) -> None:
    scripted.hold(2)
    page = Page(driver, proxy.url)
    page.ask(ASKED)
    page.until(lambda: page.texts("assistant-message") == ["The answer"])
    cut(scripted, proxy, away=True)
    page.until(lambda: not connected(page), 30)
    page.click("stop-button")
    page.until(page.idle, 30)
    page.same(page.phases, ["stopped"])
    proxy.away = False
    page.until(lambda: connected(page), 30)
    (kept,) = scripted.run(lambda: list(scripted.app[ANSWERS]._kept.values()))
    page.until(kept.question.cancel.is_set, 30)
    scripted.go()


def test_a_tab_that_is_duplicated_has_a_session_of_its_own_and_a_reload_keeps_it(driver, scripted) -> None:
    session = "return sessionStorage.getItem('session')"
    page = Page(driver, scripted.url)
    first = driver.execute_script(session)
    page.load()
    page.same(lambda: driver.execute_script(session), first)
    scripted.hold(2)
    page.ask(ASKED)
    page.until(lambda: page.texts("assistant-message") == ["The answer"])
    original = driver.current_window_handle
    # Such a window gets a copy of what this one has stored.
    driver.execute_script("window.open(location.href)")
    page.until(lambda: len(driver.window_handles) == 2, 30)
    driver.switch_to.window(next(handle for handle in driver.window_handles if handle != original))
    page.until(lambda: connected(page), 30)
    page.until(lambda: driver.execute_script(session) not in (None, first), 30)
    page.until(lambda: not page.all("user-message"), 30)
    scripted.go()
    page.ask(ASKED)
    whole(page)
    driver.switch_to.window(original)
    whole(page)
    page.same(lambda: driver.execute_script(session), first)
