"""How smoothly the page paints: long answers as they stream, and long conversations as they are scrolled.

usage: python tests/bench/painting.py [--tokens N] [--rate N] [--kinds mixed code paragraph table list] [--messages N]

A scripted server streams each kind of answer in N tokens at so many a second into the real page in headless Chromium;
then a conversation of N messages is scrolled from its end to its beginning and back, and one more answer streams below
it. Prints JSON: milliseconds between frames and in long tasks, and the heap in MB after a collection. Needs chromium
and chromedriver.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from selenium import webdriver  # noqa: E402
from selenium.webdriver.chrome.service import Service  # noqa: E402

from rag.types import CancelFlag, Finish, Message, Sampling, Token, Usage  # noqa: E402
from tests.browser.conftest import Scripted, _serve  # noqa: E402
from tests.browser.page import Page  # noqa: E402
from tests.browser.test_answers import SAMPLE  # noqa: E402
from tests.fakes import ScriptedGenerator  # noqa: E402

QUESTION = "what is the answer to all questions"
# What an answer of a kind begins with, and what it repeats.
KINDS = {
    "mixed": ("", f"{SAMPLE}\n\n"),
    "code": ("```python\n", "value = compute(first, second)  # keep the total\n"),
    "paragraph": ("", "The **answer** to all questions is 42 [1], as `everybody` knows. "),
    "table": ("| name | value | note |\n|---|---:|---|\n", "| a name | 42 | some **bold** note |\n"),
    "list": ("", "- an item of the list with *some* words in it\n"),
}
WATCH = """
window.frames_ = []; window.tasks_ = []; window.running_ = true;
let last = performance.now();
const tick = (now) => {
  window.frames_.push(now - last);
  last = now;
  if (window.running_) requestAnimationFrame(tick);
};
requestAnimationFrame(tick);
window.observer_?.disconnect();
window.observer_ = new PerformanceObserver((all) => {
  for (const one of all.getEntries()) window.tasks_.push(one.duration);
});
window.observer_.observe({entryTypes: ['longtask']});
"""
SCROLL = """
const done = arguments[arguments.length - 1];
const scroller = document.getElementById('scroller');
let step = -400;
const move = () => {
  const before = scroller.scrollTop;
  scroller.scrollTop += step;
  if (scroller.scrollTop === before) { if (step > 0) return done(); step = 400; }
  requestAnimationFrame(move);
};
move();
"""


class PacedGenerator(ScriptedGenerator):
    """Says `pieces` at `rate` a second, and catches up where it was late; at once where the rate is 0."""

    pieces: Sequence[str] = ()
    rate: float = 0

    async def generate(
        self,
        messages: Sequence[Message] | str,
        sampling: Sampling,
        cancel: CancelFlag,
        choices: Sequence[str] = (),
        priors: Sequence[float] = (),
        asker: str = "",
    ) -> AsyncGenerator[Token, None]:
        began = time.monotonic()
        for number, piece in enumerate(self.pieces):
            if self.rate and (late := began + number / self.rate - time.monotonic()) > 0:
                await asyncio.sleep(late)
            if cancel.is_set():
                break
            yield Token(piece)
        yield Token("", Finish("stop", Usage(0, 0, len(self.pieces))))
        cancel.set()


def tokens(kind: str, count: int) -> list[str]:
    """An answer of a kind in so many pieces of about four letters."""
    lead, again = KINDS[kind]
    text = lead
    while len(text) < 4 * count:
        text += again
    return [text[place : place + 4] for place in range(0, 4 * count, 4)]


@contextmanager
def serving() -> Iterator[Scripted]:
    ready: Future[Scripted] = Future()
    with tempfile.TemporaryDirectory() as directory:
        served = _serve(Path(directory), ready, generator=PacedGenerator())
        thread = threading.Thread(target=lambda: asyncio.run(served))
        thread.start()
        made = ready.result(30)
        yield made
        made.end()
        thread.join(30)


@contextmanager
def browsing() -> Iterator[webdriver.Chrome]:
    with tempfile.TemporaryDirectory() as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium") or "chromium"
        for argument in (
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--enable-precise-memory-info",
            "--window-size=1200,900",
            f"--user-data-dir={profile}",
        ):
            options.add_argument(argument)
        driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
        driver.set_script_timeout(110)
        yield driver
        driver.quit()


def heap(driver: webdriver.Chrome) -> float:
    driver.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
    metrics = driver.execute_cdp_cmd("Runtime.getHeapUsage", {})
    return round(float(metrics["usedSize"]) / 1e6, 2)


def figures(driver: webdriver.Chrome) -> dict[str, Any]:
    """What was watched since `WATCH`."""
    frames, long = driver.execute_script("window.running_ = false; return [window.frames_, window.tasks_]")
    frames = sorted(frames[1:])

    def at(share: float) -> float:
        return round(frames[min(len(frames) - 1, int(share * len(frames)))], 1)

    return {
        "frames": len(frames),
        "p50_ms": at(0.5),
        "p95_ms": at(0.95),
        "p99_ms": at(0.99),
        "max_ms": round(frames[-1], 1),
        "over_50_ms": sum(frame > 50 for frame in frames),
        "long_tasks_ms": [round(task) for task in long],
    }


def metrics(driver: webdriver.Chrome) -> dict[str, float]:
    """Seconds that the page has spent so far."""
    names = ("ScriptDuration", "LayoutDuration", "RecalcStyleDuration", "TaskDuration")
    found = driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    return {one["name"]: float(one["value"]) for one in found if one["name"] in names}


def stream(kind: str, count: int, rate: float) -> dict[str, Any]:
    with serving() as server, browsing() as driver:
        generator = server.parts.generator
        assert isinstance(generator, PacedGenerator)
        generator.pieces, generator.rate = tokens(kind, count), rate
        page = Page(driver, server.url)
        driver.execute_cdp_cmd("Performance.enable", {})
        before, spent = heap(driver), metrics(driver)
        driver.execute_script(WATCH)
        page.ask(QUESTION)
        heaps = []
        for quarter in range(1, 4):
            time.sleep(max(0.0, count / rate / 4 - 0.2))
            if quarter == 2:
                heaps.append(heap(driver))
        page.until(page.idle)
        found = figures(driver)
        seconds = {name: round(value - spent[name], 2) for name, value in metrics(driver).items()}
        return {"kind": kind, **found, "seconds": seconds, "heap_mb": [before, *heaps, heap(driver)]}


def converse(messages: int, rate: float) -> dict[str, Any]:
    with serving() as server, browsing() as driver:
        generator = server.parts.generator
        assert isinstance(generator, PacedGenerator)
        generator.pieces = [SAMPLE]
        page = Page(driver, server.url)
        started = time.monotonic()
        for number in range(messages // 2):
            driver.execute_script(
                """const box = document.getElementById('chat-input');
                box.value = arguments[0];
                box.dispatchEvent(new InputEvent('input', {bubbles: true}));
                document.getElementById('send').click();""",
                f"{QUESTION} {number}",
            )
            page.until(page.idle)
        asked = round(time.monotonic() - started, 1)
        driver.execute_script(WATCH)
        driver.execute_async_script(SCROLL)
        scrolled = figures(driver)
        generator.pieces, generator.rate = tokens("mixed", 1000), rate
        driver.execute_script(WATCH)
        page.ask(QUESTION)
        page.until(page.idle)
        return {"messages": messages, "asked_s": asked, "scrolled": scrolled, "streamed_below": figures(driver)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--tokens", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--kinds", nargs="*", choices=sorted(KINDS), default=list(KINDS))
    parser.add_argument("--messages", type=int, default=500)
    given = parser.parse_args()
    for kind in given.kinds:
        print(json.dumps(stream(kind, given.tokens, given.rate)), flush=True)
    if given.messages:
        print(json.dumps(converse(given.messages, given.rate)), flush=True)


if __name__ == "__main__":
    main()
