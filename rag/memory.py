"""Memory that is free, given back to the system."""

from __future__ import annotations

import ctypes
import gc
import sys
from contextlib import suppress

# Of glibc's `mallopt`: the sizes from which on free memory at the end of a thread's own is given back at once, and a
# block is taken from the system, and given back to it, alone.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT, ALONE = 4 << 20, 1 << 20


def bound() -> None:
    """Once, at the start. Else glibc lets each thread keep more with every large block that was freed: up to 64 MiB,
    which `give_back` does not reach (mallopt(3), "dynamic mmap threshold")."""
    _glibc("mallopt", M_TRIM_THRESHOLD, KEPT)
    _glibc("mallopt", M_MMAP_THRESHOLD, ALONE)


def settle() -> None:
    """What is there by now stays. Looking through it for what could go would hold everything up (100 ms)."""
    gc.collect()
    gc.freeze()


def give_back() -> None:
    """Blocks for some milliseconds. Each connection leaves objects behind that refer to each other; Python looks for
    such when there are many, and counts no bytes. glibc keeps what each of many threads has freed, and the more threads
    have ever had much, the more it keeps."""
    gc.collect()
    _glibc("malloc_trim", 0)


def _glibc(function: str, *arguments: int) -> None:
    """Nothing where there is no glibc."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            getattr(ctypes.CDLL(None), function)(*arguments)
