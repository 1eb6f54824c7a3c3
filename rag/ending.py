"""How a server process ends: the first signal asks it to, a second one ends it at once, and so does the clock.

Whatever was acknowledged is on disk by then, so that nothing is lost by an end at once.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from .errors import RagError

# Seconds from the first signal to the end of the process, whatever hangs.
LIMIT = 14.4
# Seconds that an end at once may take to say why.
LAST_WORDS = 0.4
# The exit code where something had not ended within the limit, as `sysexits.h` names a fault of the program.
HUNG = 70
# Frames of a thread that are logged, the innermost ones.
FRAMES = 4

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name)]

log = logging.getLogger(__name__)


def refusal() -> RagError:
    """What new work is told, and an answer that was cut."""
    return RagError("WS-006-SERVER_STOPPING", seconds=round(LIMIT))


class Stopped(KeyboardInterrupt):
    """The process is to end, and has not come so far that it could do so in order."""


class Ending:
    """Takes the signals while it is entered, in the main thread.

    The first calls what `on_signal` was given, or raises `Stopped` where that is nothing yet. After it, a second signal
    ends the process at once with 128 and its number, and the clock after `LIMIT` seconds with `HUNG`. `last` is called
    before either, in another thread.
    """

    def __init__(self) -> None:
        self.asked = False
        self.last: Callable[[], None] = lambda: None
        self._on_signal: Callable[[], None] | None = None
        self._before: dict[int, Any] = {}
        # The interpreter writes the numbers of signals into one end, even while the main thread is held up.
        self._told, self._tell = socket.socketpair()
        self._tell.setblocking(False)

    def __enter__(self) -> Ending:
        self._before = {number: signal.signal(number, self._take) for number in SIGNALS}
        signal.set_wakeup_fd(self._tell.fileno(), warn_on_full_buffer=False)
        threading.Thread(target=self._watch, name="ending", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.set_wakeup_fd(-1)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._tell.close()

    def on_signal(self, call: Callable[[], None]) -> None:
        """From here on the first signal calls this, in the main thread."""
        self._on_signal = call

    def leave(self) -> None:
        """End the process in good order, without the threads that still work on what nobody waits for.

        Does nothing where no signal has come.
        """
        if self.asked:
            logging.shutdown()
            _flush()
            os._exit(0)

    def _take(self, number: int, frame: FrameType | None) -> None:
        if sys.platform == "win32":
            # There the event loop takes the place of the other end.
            with contextlib.suppress(OSError):
                self._tell.send(bytes([number]))
        if self.asked:
            return
        self.asked = True
        if self._on_signal is None:
            raise Stopped
        self._on_signal()

    def _watch(self) -> None:
        with contextlib.suppress(OSError), self._told:
            if not self._next():
                return
            self._told.settimeout(LIMIT)
            try:
                number = self._next()
            except TimeoutError:
                self._end(HUNG, _what_hangs)
            if number:
                self._end(128 + number, lambda: f"a second signal ({number}) ends the server at once")

    def _next(self) -> int:
        """The number of the next of our signals; 0: there are no more."""
        while told := self._told.recv(1):
            if told[0] in SIGNALS:
                return told[0]
        return 0

    def _end(self, code: int, why: Callable[[], str]) -> None:
        def say() -> None:
            with contextlib.suppress(Exception):
                self.last()
            log.critical("%s", why())
            _flush()

        # What hangs may be what these need.
        saying = threading.Thread(target=say, daemon=True)
        saying.start()
        saying.join(LAST_WORDS)
        os._exit(code)


def _what_hangs() -> str:
    """Where every thread stands."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    lines = [f"the server did not end within {LIMIT:g} s and is left as it is; its threads:"]
    for ident, frame in sys._current_frames().items():
        places = [f"{place.filename}:{place.lineno} {place.name}" for place in traceback.extract_stack(frame)]
        lines.append(f"  {names.get(ident, ident)}: {' < '.join(reversed(places[-FRAMES:]))}")
    return "\n".join(lines)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
