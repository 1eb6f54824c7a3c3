"""Files are read in a child process, so that none can stall or kill the server.

The child serves one file after another until it is not needed for a while. Time, memory and the size of what comes back
are bounded; a file that goes beyond is refused, and the next one gets a new child. The child reads and does nothing
else: it has no network, writes no file and starts no program. Requests are lines of JSON; a reply is the lengths of a
head of JSON and of a text in UTF-8, then both.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import importlib
import json
import logging
import os
import struct
import subprocess
import sys
import threading
import time
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Any, BinaryIO

from . import logs, orphan
from .errors import RagError
from .loaders import MAX_TEXT, Loaded
from .types import Page

IDLE_SECONDS = 180.0
# What a small file may take, also beside a chat, and what each MiB of a larger one adds.
LEAST_SECONDS = 25.0
SECONDS_PER_MIB = 5.0
_LENGTHS = struct.Struct("!II")
_LONGEST_HEAD = 8 << 20
# The reply is taken and decoded in such pieces, each a matter of a millisecond.
_PIECE = 1 << 20
_ROOT = Path(__file__).resolve().parent.parent

log = logging.getLogger(__name__)


class Parser:
    """Reads files within about `memory` bytes and `LEAST_SECONDS`, more for a large file, but never more than
    `seconds`. One at a time; more calls wait their turn.

    Where the system cannot limit memory (Windows), only time is limited.
    """

    def __init__(
        self,
        seconds: float = 120.0,
        memory: int = 2 << 30,
        idle: float = IDLE_SECONDS,
        loader: str = "rag.loaders",
    ) -> None:
        self._seconds = seconds
        self._arguments = (loader, str(memory), str(seconds))
        self._idle = idle
        self._turn = asyncio.Lock()
        self._child: Process | None = None
        self._rest: asyncio.TimerHandle | None = None
        self._dying: set[asyncio.Task[None]] = set()

    async def parse(self, name: str, path: Path) -> Loaded:
        """The text of the file at `path`, which is called `name`. Cancelling the call ends the work.

        Raises `RagError`: what `rag.loaders.load` raises; DOC-008 (cannot be opened), DOC-009 (takes too long),
        DOC-010 (needs too much memory, or the reader dies of it).
        """
        async with self._turn:
            if self._rest:
                self._rest.cancel()
            seconds = min(self._seconds, await asyncio.to_thread(_patience, path))
            try:
                async with asyncio.timeout(seconds):
                    head, text = await self._ask(name, path)
            except TimeoutError as error:
                self._kill()
                raise RagError("DOC-009", file=name, seconds=round(seconds)) from error
            except (EOFError, OSError, ValueError) as error:
                log.warning("reading %s ended the parser: %s", name, await self._status())
                self._kill()
                raise RagError("DOC-010", file=name) from error
            except BaseException:
                self._kill()
                raise
            if head.get("spent"):
                self._kill()
            self._rest = asyncio.get_running_loop().call_later(self._idle, self._dismiss)
        if code := head.get("code"):
            if "log" in head:
                log.info("%s cannot be read: %s", name, head["log"])
            raise RagError(code, **head["data"])
        pages = await asyncio.to_thread(lambda: tuple(Page(*page) for page in head["pages"]))
        return Loaded(text, head["title"], pages)

    async def close(self) -> None:
        """End the child, whatever it does."""
        if self._rest:
            self._rest.cancel()
        self._kill()
        await asyncio.gather(*self._dying)

    async def _ask(self, name: str, path: Path) -> tuple[dict[str, Any], str]:
        child = await self._running()
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(_request(name, path))
        await child.stdin.drain()
        head_length, text_length = _LENGTHS.unpack(await child.stdout.readexactly(_LENGTHS.size))
        if head_length > _LONGEST_HEAD or text_length > 4 * MAX_TEXT:
            raise ValueError("the reply is too long")
        head = await asyncio.to_thread(json.loads, await _text(child.stdout, head_length))
        return head, await _text(child.stdout, text_length)

    async def _running(self) -> Process:
        if self._child is None or self._child.returncode is not None:
            self._child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "rag.parsing", *self._arguments),
                stdin=PIPE,
                stdout=PIPE,
                limit=_PIECE,
                cwd=_ROOT,
                creationflags=getattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0),
            )
        return self._child

    async def _status(self) -> int | None:
        """How the child has ended, if it has."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                return await self._child.wait() if self._child else None
        return None

    def _kill(self) -> None:
        child, self._child = self._child, None
        if child:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            burial = asyncio.create_task(_bury(child))
            self._dying.add(burial)
            burial.add_done_callback(self._dying.discard)

    def _dismiss(self) -> None:
        """Let a child go that has had nothing to do."""
        if not self._turn.locked():
            self._kill()


async def _bury(child: Process) -> None:
    """Wait for the child's end and that of its pipes; a loop that is closed before leaves them open."""
    # The call that is still reading notices the end by itself.
    with contextlib.suppress(OSError, ValueError, RuntimeError):
        await child.communicate()
    await child.wait()


def _patience(path: Path) -> float:
    """Seconds for a file of its size."""
    with contextlib.suppress(OSError):
        return LEAST_SECONDS + SECONDS_PER_MIB * path.stat().st_size / (1 << 20)
    return LEAST_SECONDS


async def _text(source: asyncio.StreamReader, length: int) -> str:
    """So many bytes of UTF-8. Raises `EOFError` or `ValueError`."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    pieces = []
    while length:
        piece = await source.read(min(length, _PIECE))
        if not piece:
            raise EOFError
        length -= len(piece)
        pieces.append(decoder.decode(piece, final=not length))
    return "".join(pieces)


def _request(name: str, path: Path) -> bytes:
    # A path may be any bytes.
    return json.dumps({"name": name, "path": os.fsencode(path.absolute()).decode("latin-1")}).encode() + b"\n"


# The child.


def main(loader: str, memory: int, seconds: float) -> None:
    """Answer requests until there are no more."""
    # What a library prints must not come between the replies.
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    _limit(memory)
    load = importlib.import_module(loader).load
    sys.addaudithook(_only_read)
    threading.Thread(target=_watch, args=(os.getppid(), memory), daemon=True).start()
    for line in sys.stdin.buffer:
        _limit_processor(seconds)
        request = json.loads(line)
        _reply(replies, request["name"], os.fsdecode(request["path"].encode("latin-1")), load)


# Beginnings of what Python tells before it is done (its "audit events").
_DEEDS = (
    *(
        "socket.",
        "subprocess.",
        "shutil.",
        "tempfile.",
        "os.system",
        "os.exec",
        "os.fork",
        "os.posix_spawn",
        "os.spawn",
    ),
    *("os.startfile", "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate"),
)
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC


def _only_read(event: str, arguments: tuple[Any, ...]) -> None:
    """Whatever a file makes a library do, nothing leaves this process but its reply. Raises `PermissionError`."""
    if event.startswith(_DEEDS) or (event == "open" and arguments[2] & _WRITES):
        raise PermissionError(event)


def _reply(replies: BinaryIO, name: str, path: str, load: Any) -> None:
    head: dict[str, Any]
    text = b""
    try:
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise RagError("DOC-008", file=name) from error
        loaded = load(name, data)
        del data
        text = loaded.text.encode("utf-8", "replace")
        pages = [(page.number, page.start, page.end) for page in loaded.pages]
        head = {"title": loaded.title, "pages": pages}
    except RagError as error:
        head = {"code": error.code, "data": error.data}
        if error.code == "DOC-005" and error.__cause__:
            head["log"] = logs.traced(error.__cause__)[-1]
    except MemoryError:
        # What is left of the memory may be in pieces; the next file gets a new child.
        head = {"code": "DOC-010", "data": {"file": name}, "spent": True}
    packed = json.dumps(head).encode()
    replies.write(_LENGTHS.pack(len(packed), len(text)) + packed)
    replies.write(text)
    replies.flush()


if sys.platform == "win32":

    def _limit(memory: int) -> None:
        """Priority is given by the parent; memory cannot be limited."""

    def _limit_processor(seconds: float) -> None:
        """The parent counts the time."""

    def _watch(parent: int, memory: int) -> None:
        """The end of the parent closes the pipe."""

else:
    import resource

    def _limit(memory: int) -> None:
        """Give way to chats, and bound the address space, on top of what the interpreter has taken already. Where the
        whole machine runs out of memory, this process goes first. Leave no image of a crash."""
        os.nice(10)
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000")
        for limit, most in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_NOFILE, 64)):
            with contextlib.suppress(OSError, ValueError):
                resource.setrlimit(limit, (most, most))
        with contextlib.suppress(OSError, ValueError):
            taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (taken + memory, resource.RLIM_INFINITY))

    def _limit_processor(seconds: float) -> None:
        """End this process even if nobody is left to do it."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        until = int(usage.ru_utime + usage.ru_stime + 2 * seconds) + 2
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_CPU, (until, hard))

    def _watch(parent: int, memory: int) -> None:
        """End this process when the server has gone, or when it is too large and the system has no limit for it."""
        # Linux has its limit, and counts what the parent had before this program was loaded.
        unbounded = sys.platform == "darwin"
        while os.getppid() == parent:
            if unbounded and resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > memory:
                break
            time.sleep(0.5)
        os._exit(1)


if __name__ == "__main__":
    orphan.end_with_parent()
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
