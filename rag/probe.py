"""Trying a model in a child process before this one trusts it.

A library that was built for another CPU, or by a compiler with a fault, dies by a signal on the first decode.
So a child decodes first; if it dies it is tried again without the extra buffer types (repacked weights, AMX);
the verdict is remembered for the library, the file and the CPU. The child also measures how the model runs best
(rag.tuning).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from . import jsonfile, llama
from .errors import RagError
from .tuning import Tuning, tune
from .types import Rows

TIMEOUT = 600.0
# Deaths by a fault of the program, which come again. Others, such as a kill for want of memory, may not.
FAULTS = frozenset(("SIGSEGV", "SIGILL", "SIGBUS", "SIGFPE", "SIGABRT", "SIGTRAP"))

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the trial found. `death`: it died of this, always."""

    kind: llama.Kind
    name: str
    extra_bufts: bool = True
    tuning: Tuning = field(default_factory=Tuning)
    note: str = ""
    death: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """The part of the machine that this process may use."""

    cpu: str
    cores: int
    memory: int

    @classmethod
    def look(cls) -> Machine:
        return cls(_cpu_name(), _usable_cores(), _usable_memory())


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _usable_cores() -> int:
    """Cores of the affinity mask, less where a container's quota is smaller. At least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        if quota != "max":
            cores = min(cores, max(1, int(quota) // int(period)))
    except (OSError, ValueError):
        pass
    return max(1, cores)


def _usable_memory() -> int:
    """Bytes of memory, less where a container's limit is smaller. 0 where it cannot be told."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 0
    with contextlib.suppress(OSError, ValueError):
        memory = min(memory, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return memory


def judge(
    path: Path,
    memory: Path,
    threads: int,
    run: Callable[[Sequence[str]], Any] | None = None,
    announce: Callable[[Path], None] = lambda path: None,
    anew: bool = False,
) -> Verdict:
    """The verdict on a GGUF file: remembered in the file `memory`, or found by a child process. Blocks.

    A death is remembered too, until the library, the file or the CPU changes; `anew` tries again all the same. A
    trial takes seconds, for a large model minutes, so it is announced. Raises `RagError` GEN-002 if the file cannot
    be loaded, SETUP-005 if the library dies on it either way.
    """
    key = _key(path, threads)
    known = jsonfile.load(memory)
    verdict = _remembered(known.get(key))
    if verdict is None or (anew and verdict.death):
        announce(path)
        verdict = _try(path, threads, run or _child)
        jsonfile.save(memory, {**known, key: asdict(verdict)})
    if verdict.death:
        raise RagError("SETUP-005", file=path.name, reason=verdict.death)
    return verdict


def _remembered(fields: Any) -> Verdict | None:
    # Another version of this program may have remembered other fields.
    with contextlib.suppress(TypeError, KeyError):
        return _verdict(fields)
    return None


def _verdict(fields: dict[str, Any]) -> Verdict:
    """From JSON. Raises `TypeError` or `KeyError` for other fields."""
    tuning = dict(fields["tuning"])
    cost = tuple((int(rows), float(seconds)) for rows, seconds in tuning.pop("cost"))
    return Verdict(**{**fields, "tuning": Tuning(**tuning, cost=cost)})


def _key(path: Path, threads: int) -> str:
    """Changes with anything that the verdict hangs on: library, file, CPU, threads."""
    parts: list[object] = [llama.library_version(), _cpu_name(), threads]
    for file in (llama.library_path(), path):
        try:
            stat = file.stat()
        except OSError as error:
            raise RagError(
                "GEN-002", file=path.name, reason=error.strerror or "not readable", directory=str(path.parent)
            ) from None
        parts += [str(file), stat.st_size, stat.st_mtime_ns]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def _try(path: Path, threads: int, run: Callable[[Sequence[str]], Any]) -> Verdict:
    death = ""
    for extra_bufts in (True, False):
        done = run([str(path), str(int(extra_bufts)), str(threads)])
        try:
            found = json.loads(done.stdout.strip().splitlines()[-1])
        except (ValueError, IndexError):
            death = _cause(done.returncode)
            log.warning("the trial of %s with extra_bufts=%s ended with %s", path.name, extra_bufts, death)
            continue
        if "error" in found:
            raise RagError("GEN-002", file=path.name, reason=found["error"], directory=str(path.parent))
        note = f"without extra buffer types: with them the library died ({death})" if death else ""
        return _verdict({**found, "extra_bufts": extra_bufts, "note": note})
    if death in FAULTS:
        return Verdict("other", path.stem, death=death)
    raise RagError("SETUP-005", file=path.name, reason=death)


def _cause(returncode: int) -> str:
    try:
        return signal.Signals(-returncode).name
    except ValueError:
        return f"exit {returncode}"


def _child(arguments: Sequence[str]) -> Any:
    root = Path(__file__).resolve().parent.parent
    command = [sys.executable, "-m", "rag.probe", *arguments]
    try:
        return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, -int(signal.SIGALRM), "", "")


# The child.


def main(arguments: Sequence[str]) -> None:
    """Print one line of JSON: the fields of a `Verdict`, or `error`."""
    path, extra_bufts, threads = Path(arguments[0]), arguments[1] == "1", int(arguments[2])
    try:
        found = _trial(path, extra_bufts, threads)
    except RagError as error:
        found = {"error": str(error.data.get("reason", error.code))}
    print(json.dumps(found), flush=True)


def _trial(path: Path, extra_bufts: bool, threads: int) -> dict[str, Any]:
    look = llama.Model(path, vocab_only=True)
    found: dict[str, Any] = {"kind": look.kind, "name": look.name, "tuning": asdict(Tuning())}
    look.close()
    if found["kind"] == "other":
        return found
    model = llama.Model(path, extra_bufts=extra_bufts)
    if found["kind"] == "chat":
        found["tuning"] = asdict(tune(model, threads))
        return found
    context = llama.Context(model, tokens=64, batch=64, threads=threads, embeddings=True)
    words = model.tokenize("a trial", add_special=True, parse_special=False)
    code = context.decode([Rows(0, 0, words, len(words))])
    if code != 0:
        raise RagError("GEN-002", file="", reason=f"llama_decode returned {code}", directory="")
    context.embedding()
    return found


if __name__ == "__main__":
    main(sys.argv[1:])
