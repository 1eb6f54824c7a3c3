"""What was measured while serving: of each answer, and of the process every few seconds. Bounded, for an hour back."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .protocol import End

SECONDS = 3600.0
POINTS = 600
EVERY = 5.0
# Seconds between two looks at the event loop.
LOOK = 0.1
# Upper bounds of what answers take, in seconds, and of how fast they are written, in tokens a second.
WAITS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0)
SPEEDS = (1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 50.0, 75.0, 100.0, 150.0, 250.0, 500.0, 1000.0)
LAGS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Series:
    """The latest points of one figure: (seconds since 1970, value). Any thread may add and read."""

    def __init__(self, unit: str) -> None:
        self.unit = unit
        self._points: deque[tuple[float, float]] = deque(maxlen=POINTS)
        self._lock = threading.Lock()

    def add(self, now: float, value: float) -> None:
        with self._lock:
            self._points.append((now, value))

    def points(self, now: float) -> list[tuple[float, float]]:
        """Those of the last hour, the oldest first."""
        with self._lock:
            return [(at, value) for at, value in self._points if at > now - SECONDS]

    @property
    def last(self) -> float | None:
        with self._lock:
            return self._points[-1][1] if self._points else None


class Distribution:
    """How many values fell up to each bound (the last: beyond all), and their sum. For one thread."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


@dataclass(slots=True)
class Figures:
    """Counts since the start and series of the last hour. `clock` gives seconds since 1970.

    `running` questions are being answered. Others wait for their session, or by `beyond` for the model. `ends` counts
    answers by their finish reason, or `error`. `drafts` tells how many tokens were proposed and how many were right.
    """

    clock: Callable[[], float] = time.time
    beyond: Callable[[], int] = lambda: 0
    drafts: Callable[[], tuple[int, int]] = lambda: (0, 0)
    ends: Counter[str] = field(default_factory=Counter)
    tokens: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    first_token: Distribution = field(default_factory=lambda: Distribution(WAITS))
    whole_answer: Distribution = field(default_factory=lambda: Distribution(WAITS))
    speed: Distribution = field(default_factory=lambda: Distribution(SPEEDS))
    lag: Distribution = field(default_factory=lambda: Distribution(LAGS))
    entered: int = 0
    begun: int = 0
    started: float = field(init=False)
    series: dict[str, Series] = field(init=False)

    def __post_init__(self) -> None:
        self.started = self.clock()
        units = {
            "tokens_per_second": "tokens/s",
            "first_token_ms": "ms",
            "queue": "questions",
            "memory_bytes": "bytes",
            "loop_lag_ms": "ms",
            "passages": "passages",
        }
        self.series = {name: Series(unit) for name, unit in units.items()}

    @property
    def answers(self) -> int:
        return self.ends.total() - self.errors

    @property
    def errors(self) -> int:
        return self.ends["error"]

    @property
    def running(self) -> int:
        return max(0, self.begun - self.beyond())

    @property
    def waiting(self) -> int:
        return self.entered - self.begun + min(self.begun, self.beyond())

    @property
    def uptime(self) -> float:
        return self.clock() - self.started

    @contextmanager
    def queued(self) -> Iterator[None]:
        """While a question waits or is answered."""
        self.entered += 1
        try:
            yield
        finally:
            self.entered -= 1

    @contextmanager
    def answering(self) -> Iterator[None]:
        """While a question is answered; within `queued`."""
        self.begun += 1
        try:
            yield
        finally:
            self.begun -= 1

    def answered(self, end: End, writing: float) -> None:
        """One answer has ended. `writing`: seconds from the model's first token on, 0 where it wrote nothing."""
        tokens, first_token_ms = end.usage.completion_tokens, end.time_to_first_token_ms
        self.ends[end.finish_reason] += 1
        self.tokens += tokens
        self.prompt_tokens += end.usage.prompt_tokens
        self.cached_tokens += end.usage.cached_tokens
        self.whole_answer.add(end.processing_time_ms / 1000)
        if first_token_ms is not None:
            self.add("first_token_ms", first_token_ms)
            self.first_token.add(first_token_ms / 1000)
        if tokens > 1 and writing > 0:
            speed = (tokens - 1) / writing
            self.add("tokens_per_second", speed)
            self.speed.add(speed)

    def failed(self) -> None:
        """One answer has ended with an error."""
        self.ends["error"] += 1

    def add(self, name: str, value: float) -> None:
        self.series[name].add(self.clock(), value)

    def told(self) -> dict[str, Any]:
        """The series as JSON: `{name: {"unit", "points": [[seconds since 1970, value], …]}}`."""
        now = self.clock()
        return {
            name: {"unit": series.unit, "points": [[round(at, 1), round(value, 2)] for at, value in series.points(now)]}
            for name, series in self.series.items()
        }

    async def watch(self, every: float = EVERY) -> None:
        """Sample the process for good, every so many seconds.

        Looks at the event loop are due at fixed times, so that a long stall counts for each that it made late.
        """
        due = time.monotonic()
        while True:
            lag = 0.0
            until = due + every
            while due < until:
                due += min(LOOK, every)
                await asyncio.sleep(due - time.monotonic())
                late = max(0.0, time.monotonic() - due)
                self.lag.add(late)
                lag = max(lag, late)
            self.add("loop_lag_ms", 1000 * lag)
            self.add("queue", self.running + self.waiting)
            memory = process_memory()
            if memory is not None:
                self.add("memory_bytes", memory)


def process_memory() -> int | None:
    """Bytes of memory that this process holds; the most that it held, where the system tells no more; or None."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        pass
    try:
        import resource
    except ImportError:
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def free_memory() -> int | None:
    """Bytes of the machine's memory that programs could still take, or None where the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, StopIteration):
        return None
