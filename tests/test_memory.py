"""What many threads have freed is given back, and what nothing refers to any more but itself."""

from __future__ import annotations

import gc
import platform
import subprocess
import sys
import weakref
from pathlib import Path

import pytest

from rag import memory

# Eight threads have much, and free it.
PROGRAM = """
import ctypes, sys, threading
from rag import memory
from rag.figures import process_memory

kept, freed, end = [], threading.Barrier(9), threading.Event()

def work():
    {work}
    del blocks
    freed.wait()
    end.wait()

if sys.argv[1:]:
    memory.bound()
for _ in range(8):
    threading.Thread(target=work).start()
freed.wait()
before = process_memory()
memory.give_back()
print(before, process_memory())
end.set()
"""
# A small block behind the large one that is freed: without help the large one stays.
HOLES = """
    blocks = [ctypes.create_string_buffer(60_000) for _ in range(200)]
    kept.append(ctypes.create_string_buffer(60_000))
"""
# Nothing behind it, but one large block before has taught glibc to keep that much.
ENDS = """
    ctypes.create_string_buffer(30 << 20)
    blocks = [ctypes.create_string_buffer(100_000) for _ in range(300)]
"""
needs_glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc alone keeps what threads have freed")


def memory_of(work: str, *arguments: str) -> tuple[int, int]:
    """Bytes before and after `give_back`."""
    root = Path(__file__).resolve().parent.parent
    command = [sys.executable, "-c", PROGRAM.format(work=work.strip()), *arguments]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    return before, after


@needs_glibc
def test_what_many_threads_have_freed_goes_back_to_the_system() -> None:
    before, after = memory_of(HOLES)
    assert before - after > 40 << 20


@needs_glibc
def test_threads_keep_little_of_what_they_have_freed_where_that_is_bounded() -> None:
    assert memory_of(ENDS)[1] - memory_of(ENDS, "bounded")[1] > 100 << 20


def test_objects_that_refer_to_each_other_go_before_python_looks_for_them() -> None:
    class Node:
        def __init__(self) -> None:
            self.other = self

    gone = weakref.ref(Node())
    gc.disable()
    try:
        assert gone()
        memory.give_back()
        assert gone() is None
    finally:
        gc.enable()


def test_without_glibc_memory_is_left_to_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    memory.bound()
    memory.give_back()
