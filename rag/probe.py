"""Trying a model in a child process before this one trusts it.

A library that was built for another CPU, or by a compiler with a fault, dies by a signal on the first decode.
So a child decodes first; if it dies, or if chats that it computes at once disturb each other, it is tried again
without the extra buffer types (repacked weights, AMX); the verdict is remembered for the library, the file and the
CPU. The child also measures how the model runs best (rag.tuning).
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import logging
import os
import platform
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from . import jsonfile, llama, orphan
from .errors import RagError
from .settings import Settings
from .tuning import Tuning, alike_together, clearly_faster, compute, tune
from .types import Message, Rows

TIMEOUT = 600.0
# Seconds for the part of a file that says what it is, which no honest file needs. It may be tried twice.
LOOK_SECONDS = 12
# Bytes that a trial may take beside the file and what is made of it, and for each thread.
BESIDE, STACK = 4 << 30, 128 << 20
# No chat fits into less.
LEAST_CONTEXT = 64
# What every chat template has to render.
CONVERSATION = (
    Message("system", "Be brief."),
    Message("user", "What is a pump?"),
    Message("assistant", "A machine."),
    Message("user", "펌프는 무엇인가요?"),
)
LONGEST_REASON = 300
# A character for each byte of UTF-8: a vocabulary without a token for one of them kills the process that meets it.
EVERY_BYTE = "".join(map(chr, (*range(0x800), *range(0x800, 0x11_0000, 0x1000)))).encode(errors="ignore").decode()
# A larger model waits for memory more than for the processor; there smaller weights are faster ones.
LARGEST_REENCODED = 1 << 30
# Changes with what a trial looks at: earlier verdicts do not know it.
TRIAL = 2
# Why a model runs without the extra buffer types, if the library did not die.
MIXED = "without extra buffer types: with them chats that are computed at once get wrong numbers"
# Deaths by a fault of the program, which come again. Others, such as a kill for want of memory, may not.
FAULTS = frozenset(("SIGSEGV", "SIGILL", "SIGBUS", "SIGFPE", "SIGABRT", "SIGTRAP"))

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the trial found. `weights`: the file of the weights in another type, beside the memory of the verdicts, ""
    for the model's own. `death`: it died of this, always."""

    kind: llama.Kind
    name: str
    extra_bufts: bool = True
    tuning: Tuning = field(default_factory=Tuning)
    weights: str = ""
    note: str = ""
    death: str = ""
    unread: bool = False


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


def threads_of(settings: Settings) -> int:
    return settings.threads or Machine.look().cores


def trusted(
    settings: Settings, path: Path, announce: Callable[[Path], None] = lambda path: None, anew: bool = False
) -> Verdict:
    """`judge` as the settings say."""
    memory = memory_of(settings.data_dir)
    return judge(path, memory, threads_of(settings), announce=announce, anew=anew, reencode=settings.reencode == "auto")


def judge(
    path: Path,
    memory: Path,
    threads: int,
    run: Callable[[Sequence[str]], Any] | None = None,
    announce: Callable[[Path], None] = lambda path: None,
    anew: bool = False,
    reencode: bool = False,
) -> Verdict:
    """The verdict on a GGUF file: remembered in the file `memory`, or found by a child process. Blocks.

    A death is remembered too, until the library, the file or the CPU changes; `anew` tries again all the same. A
    trial takes seconds, for a large model minutes, so it is announced. With `reencode` the weights may be written
    anew in a faster type. Raises `RagError` GEN-002 if the file cannot
    be loaded, SETUP-005 if the library dies on it either way.
    """
    key = _key(path, threads, reencode)
    known = jsonfile.load(memory)
    verdict = _remembered(known.get(key))
    lost = verdict is not None and not weights_of(path, verdict, memory).is_file()
    if verdict is None or lost or (anew and verdict.death):
        announce(path)
        target = _folder(memory) / f"{path.stem}-{key[:8]}.gguf" if reencode else None
        verdict = _try(path, threads, run or _child, target)
        jsonfile.save(memory, {**known, key: asdict(verdict)})
    if verdict.death:
        raise _died(path, verdict.death, verdict.unread)
    return verdict


def _died(path: Path, death: str, unread: bool) -> RagError:
    """The file is to blame if reading it is deadly, else the library."""
    if unread:
        return _unusable(path, f"reading it ends with {death}")
    return RagError("SETUP-005", file=path.name, reason=death)


def _unusable(path: Path, reason: str) -> RagError:
    # Some reasons quote the file.
    shown = "".join(character if character.isprintable() else "?" for character in reason[:LONGEST_REASON])
    return RagError("GEN-002", file=path.name, reason=shown, directory=str(path.parent))


def memory_of(data_dir: Path) -> Path:
    """Where verdicts are remembered."""
    return data_dir / "verdicts.json"


def weights_of(path: Path, verdict: Verdict, memory: Path) -> Path:
    """The file to load for a model: its own, or the one that the trial wrote."""
    return _folder(memory) / verdict.weights if verdict.weights else path


def _folder(memory: Path) -> Path:
    return memory.parent / "models"


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


def _key(path: Path, threads: int, reencode: bool) -> str:
    """Changes with anything that the verdict hangs on: library, file, CPU, threads, what is allowed."""
    parts: list[object] = [TRIAL, llama.library_version(), _cpu_name(), threads, reencode]
    for file in (llama.library_path(), path):
        try:
            found = file.stat()
        except OSError as error:
            raise _unusable(path, error.strerror or "not readable") from None
        parts += [str(file), found.st_size, found.st_mtime_ns]
    # A pipe would be waited for.
    if not stat.S_ISREG(found.st_mode):
        raise _unusable(path, "not a file")
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def _try(path: Path, threads: int, run: Callable[[Sequence[str]], Any], target: Path | None) -> Verdict:
    death, unread, note = "", False, ""
    for extra_bufts in (True, False):
        done = run([str(path), str(int(extra_bufts)), str(threads), str(target or "")])
        try:
            found = json.loads(done.stdout.strip().splitlines()[-1])
        except (ValueError, IndexError):
            # Dead before it came to the file.
            found = {"read": True}
        if "read" in found:
            death, unread = _cause(done.returncode), not found["read"]
            log.warning("the trial of %s with extra_bufts=%s ended with %s", path.name, extra_bufts, death)
            note = f"without extra buffer types: with them the library died ({death})"
            continue
        if "mixed" in found:
            log.warning("%s runs %s", path.name, MIXED)
            note = MIXED
            continue
        if "error" in found:
            raise _unusable(path, found["error"])
        return _verdict({**found, "extra_bufts": extra_bufts, "note": note})
    if death in FAULTS:
        return Verdict("other", path.stem, death=death, unread=unread)
    raise _died(path, death, unread)


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
    """Print lines of JSON: whether the file has been `read`, and then the fields of a `Verdict`, `mixed` or `error`."""
    path, extra_bufts, threads = Path(arguments[0]), arguments[1] == "1", int(arguments[2])
    target = Path(arguments[3]) if arguments[3] else None
    _limit(path, threads)
    llama.system_info()
    print(json.dumps({"read": False}), flush=True)
    try:
        found = _trial(path, extra_bufts, threads, target)
    except RagError as error:
        found = {"error": str(error.data.get("reason", error.code))}
    except (ArithmeticError, LookupError, MemoryError, OSError, ValueError) as error:
        # Metadata that are no such values as they should be.
        found = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(found), flush=True)


def _trial(path: Path, extra_bufts: bool, threads: int, target: Path | None) -> dict[str, Any]:
    with _alarm(LOOK_SECONDS):
        found = _look(path)
    if found["kind"] == "other":
        return found
    model = llama.Model(path, extra_bufts=extra_bufts)
    print(json.dumps({"read": True}), flush=True)
    if found["kind"] == "chat":
        other = _reencoded(model, extra_bufts, threads, target) if target else None
        # Without them there is nothing else to try.
        if extra_bufts and not alike_together(other or model, threads):
            return {"mixed": True}
        found["tuning"] = asdict(tune(other or model, threads))
        if other:
            found["weights"] = other.path.name
        return found
    context = llama.Context(model, tokens=64, batch=64, threads=threads, embeddings=True)
    words = model.tokenize("a trial", add_special=True, parse_special=False)
    compute(context, [Rows(0, 0, words, len(words))])
    context.embedding()
    return found


def _look(path: Path) -> dict[str, Any]:
    """What the file says of itself. Raises `RagError` GEN-002 where that cannot be."""
    look = llama.Model(path, vocab_only=True)
    try:
        if look.kind != "other" and look.train_context < LEAST_CONTEXT:
            raise _unusable(path, f"a context of {look.train_context} tokens")
        look.text_tokens(EVERY_BYTE)
        for token in range(look.vocabulary):
            look.piece(token)
        if look.kind == "chat":
            look.render(CONVERSATION)
        return {"kind": look.kind, "name": look.name, "tuning": asdict(Tuning())}
    finally:
        look.close()


@contextlib.contextmanager
def _alarm(seconds: int) -> Iterator[None]:
    """End this process after so many, whatever the library does then. Windows has nothing of the kind."""
    if hasattr(signal, "alarm"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(seconds)
    yield
    if hasattr(signal, "alarm"):
        signal.alarm(0)


def _limit(path: Path, threads: int) -> None:
    """Bound the memory by the size of the file, whatever sizes it claims. A GPU's library reserves any amount."""
    if llama.offloads():
        return
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        # The weights as they are, repacked, and in another type.
        most = taken + 5 * path.stat().st_size + BESIDE + threads * STACK
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _reencoded(model: llama.Model, extra_bufts: bool, threads: int, target: Path) -> llama.Model | None:
    """The model with its weights in another type, if that is clearly faster; else nothing is left of it."""
    if not model.slow_type or llama.offloads() or model.path.stat().st_size > LARGEST_REENCODED:
        return None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for outdated in target.parent.glob(glob.escape(model.path.stem) + "-????????.gguf"):
            outdated.unlink()
        if not llama.reencode(model.path, target, threads):
            return None
        other = llama.Model(target, extra_bufts=extra_bufts)
        if clearly_faster(model, other, threads):
            return other
        other.close()
        target.unlink()
    except (OSError, RagError) as error:
        log.warning("the weights of %s stay as they are: %s", model.path.name, error)
        with contextlib.suppress(OSError):
            target.unlink(missing_ok=True)
    return None


if __name__ == "__main__":
    orphan.end_with_parent()
    main(sys.argv[1:])
