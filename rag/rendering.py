"""Chat templates are rendered in a child process, for they come with a file from anywhere.

The sandbox keeps a template from the machine, but not from the processor and the memory: time, memory and text are
bounded here. Requests and replies are lines of JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .template import ChatTemplate

if TYPE_CHECKING:
    # Not for the child, which then starts sooner.
    from .types import Message

# For one prompt; honest templates take a few milliseconds.
SECONDS = 10.0
MEMORY = 512 << 20
# Characters of a prompt, far beyond any context.
LONGEST = 16 << 20

_ROOT = Path(__file__).resolve().parent.parent


class Renderer:
    """A template and the child that renders it, which is started when it is needed. For any threads, one at a time."""

    def __init__(self, source: str, bos: str = "", eos: str = "", seconds: float = SECONDS) -> None:
        self._about = {"source": source, "bos": bos, "eos": eos}
        self._seconds = seconds
        self._turn = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._late = False

    def render(self, messages: Sequence[Message]) -> str:
        """The text of a prompt. Raises `ValueError` with what the template does wrong."""
        said = [{"role": message.role, "content": message.content} for message in messages]
        request = {"messages": said, "now": datetime.now().isoformat()}
        with self._turn:
            # A child that nothing was asked of may have been ended by somebody else.
            idle = self._child is not None
            reply = self._ask(request) or (self._ask(request) if idle and not self._late else {})
        if not reply:
            raise ValueError(f"no prompt in {self._seconds:g} s" if self._late else "it needs too much memory")
        if "error" in reply:
            raise ValueError(reply["error"])
        return str(reply["text"])

    def close(self) -> None:
        with self._turn:
            self._end()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """The reply; nothing if the child died."""
        self._late = False
        child = self._child = self._child or self._start()
        assert child.stdin is not None
        assert child.stdout is not None
        timer = threading.Timer(self._seconds, self._interrupt, [child])
        timer.start()
        try:
            child.stdin.write(json.dumps(request).encode() + b"\n")
            child.stdin.flush()
            # JSON writes a character in at most twelve bytes.
            reply: dict[str, Any] = json.loads(child.stdout.readline(12 * LONGEST + 100))
            return reply
        except (OSError, ValueError):
            self._end()
            return {}
        finally:
            timer.cancel()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "rag.rendering"]
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=_ROOT)
        assert child.stdin is not None
        with contextlib.suppress(OSError):
            child.stdin.write(json.dumps(self._about).encode() + b"\n")
        return child

    def _interrupt(self, child: subprocess.Popen[bytes]) -> None:
        self._late = True
        child.kill()

    def _end(self) -> None:
        child, self._child = self._child, None
        if child:
            child.kill()
            with contextlib.suppress(OSError):
                child.communicate()


# The child.


def main() -> None:
    """Read the template, then answer requests until there are no more."""
    # What a library prints must not come between the replies.
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    # Ctrl+C goes to the whole group; the end of the parent closes the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _limit()
    about = json.loads(sys.stdin.buffer.readline())
    template: ChatTemplate | None = None
    for line in sys.stdin.buffer:
        _limit_processor()
        request = json.loads(line)
        try:
            template = template or ChatTemplate(about["source"], about["bos"], about["eos"])
            text = template.render(request["messages"], datetime.fromisoformat(request["now"]))
            reply = {"text": text} if len(text) <= LONGEST else {"error": "the prompt is too long"}
        except MemoryError:
            reply = {"error": "it needs too much memory"}
        except Exception as error:  # whatever the template does wrong
            reply = {"error": f"{type(error).__name__}: {error}"[:300]}
        replies.write(json.dumps(reply).encode() + b"\n")
        replies.flush()


if sys.platform == "win32":

    def _limit() -> None:
        """Memory cannot be limited."""

    def _limit_processor() -> None:
        """The parent counts the time."""

else:
    import resource

    def _limit() -> None:
        """Bound the address space, on top of what the interpreter has taken already."""
        with contextlib.suppress(OSError, ValueError):
            taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, resource.RLIM_INFINITY))

    def _limit_processor() -> None:
        """End this process even if nobody is left to do it."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        until = int(usage.ru_utime + usage.ru_stime + 2 * SECONDS) + 2
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_CPU, (until, hard))


if __name__ == "__main__":
    main()
