"""What was measured: bounded, for an hour back, and cheap."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time

from rag.figures import POINTS, SECONDS, WAITS, Distribution, Figures, Series, free_memory, process_memory
from rag.protocol import End
from rag.types import Usage
from tests.fakes import Clock


def test_a_series_keeps_the_latest_points_of_the_last_hour() -> None:
    series = Series("ms")
    for at in range(2 * POINTS):
        series.add(at, at)
    assert [value for _, value in series.points(0)] == list(range(POINTS, 2 * POINTS))
    assert series.points(2 * POINTS - 1 + SECONDS) == []
    assert series.last == 2 * POINTS - 1


def test_a_series_is_read_while_another_thread_writes() -> None:
    series, stop = Series("ms"), threading.Event()

    def write() -> None:
        while not stop.is_set():
            series.add(1.0, 1.0)

    thread = threading.Thread(target=write)
    thread.start()
    end = time.monotonic() + 0.2
    while time.monotonic() < end:
        assert all(point == (1.0, 1.0) for point in series.points(0))
    stop.set()
    thread.join()


def test_the_speed_is_that_of_writing() -> None:
    figures = Figures(Clock())
    figures.answered(End("m", 5, 2400, "stop", 300, Usage(100, 60, 41)), writing=2.0)
    figures.answered(End("m", 0, 20, "cancelled", None, Usage()), writing=0.0)
    told = figures.told()
    assert told["tokens_per_second"] == {"unit": "tokens/s", "points": [[1_000_000.0, 20.0]]}
    assert told["first_token_ms"]["points"] == [[1_000_000.0, 300]]
    figures.failed()
    assert (figures.answers, figures.errors, figures.tokens) == (2, 1, 41)
    assert figures.ends == {"stop": 1, "cancelled": 1, "error": 1}
    assert (figures.prompt_tokens, figures.cached_tokens) == (100, 60)
    assert (figures.first_token.sum, figures.first_token.counts[WAITS.index(0.5)]) == (0.3, 1)
    assert (figures.whole_answer.sum, figures.speed.sum) == (2.42, 20)


def test_a_distribution_counts_each_value_in_one_place() -> None:
    values = Distribution((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 2.5, 100.0):
        values.add(value)
    assert values.counts == [2, 1, 2], "a bound belongs to what is below it"
    assert values.sum == 105.5


def test_questions_wait_for_their_session_or_for_the_model() -> None:
    figures = Figures(Clock())
    with figures.queued(), figures.queued(), figures.answering():
        assert (figures.running, figures.waiting) == (1, 1)
        figures.beyond = lambda: 1
        assert (figures.running, figures.waiting) == (0, 2)
    assert (figures.running, figures.waiting) == (0, 0)


def test_memory_is_told_in_bytes() -> None:
    held, free = process_memory(), free_memory()
    assert held is not None
    assert 5 << 20 < held < 1 << 40
    assert free is None or free > 0


async def test_the_process_is_sampled_and_a_blocked_loop_shows() -> None:
    figures = Figures()
    task = asyncio.create_task(figures.watch(every=0.05))
    await asyncio.sleep(0.02)
    time.sleep(0.1)  # noqa: ASYNC251
    async with asyncio.timeout(10):
        while figures.series["memory_bytes"].last is None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert max(lag for _, lag in figures.series["loop_lag_ms"].points(figures.clock())) > 50
    assert figures.series["queue"].last == 0
    assert figures.lag.sum > 0.05
    # Each look that was due meanwhile counts.
    assert sum(figures.lag.counts[figures.lag.bounds.index(0.02) + 1 :]) >= 2
