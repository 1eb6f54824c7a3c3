"""Memory that is free, given back to the system."""

from __future__ import annotations

import ctypes
import gc
import sys
from contextlib import suppress


def settle() -> None:
    """What is there by now stays. Looking through it for what could go would hold everything up (100 ms)."""
    gc.collect()
    gc.freeze()


def give_back() -> None:
    """Blocks for some milliseconds. Each connection leaves objects behind that refer to each other; Python looks for
    such when there are many, and counts no bytes. glibc keeps what each of many threads has freed, and the more threads
    have ever had much, the more it keeps."""
    gc.collect()
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
