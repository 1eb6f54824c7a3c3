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

# Each thread leaves a small block behind the large one that it frees: without help the large one stays.
PROGRAM = """
import ctypes, threading
from rag import memory
from rag.figures import process_memory

kept, freed, end = [], threading.Barrier(9), threading.Event()

def work():
    blocks = [ctypes.create_string_buffer(60_000) for _ in range(200)]
    kept.append(ctypes.create_string_buffer(60_000))
    del blocks
    freed.wait()
    end.wait()

for _ in range(8):
    threading.Thread(target=work).start()
freed.wait()
before = process_memory()
memory.give_back()
print(before - process_memory())
end.set()
"""


# Blocks that lie at the end of what a thread has, after one large block has taught glibc to keep that.
ENDS = """
import ctypes, sys, threading
from rag import memory
from rag.figures import process_memory

if sys.argv[1:]:
    memory.bound()
freed, end = threading.Barrier(9), threading.Event()

def work():
    ctypes.create_string_buffer(30 << 20)
    blocks = [ctypes.create_string_buffer(100_000) for _ in range(300)]
    del blocks
    freed.wait()
    end.wait()

for _ in range(8):
    threading.Thread(target=work).start()
freed.wait()
memory.give_back()
print(process_memory())
end.set()
"""


def printed(program: str, *arguments: str) -> int:
    root = Path(__file__).resolve().parent.parent
    command = [sys.executable, "-c", program, *arguments]
    return int(subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc alone keeps what threads have freed")
def test_what_many_threads_have_freed_goes_back_to_the_system() -> None:
    assert printed(PROGRAM) > 40 << 20


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc alone keeps what threads have freed")
def test_threads_keep_little_of_what_they_have_freed_where_that_is_bounded() -> None:
    assert printed(ENDS) - printed(ENDS, "bounded") > 100 << 20


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
