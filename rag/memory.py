"""Memory that is free, given back to the system."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress


def give_back() -> None:
    """Blocks for some milliseconds. glibc alone needs it: it keeps what each of many threads has freed, and the more
    threads have ever had much, the more it keeps."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
