"""A child process that ends with the one that started it, however that ended, and at no signal to both of them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time

# Of Linux: the signal that a process gets when its parent ends.
PR_SET_PDEATHSIG = 1
LOOK = 0.5


def end_with_parent() -> None:
    """From here on. On Linux at once, also while something holds the interpreter; elsewhere but on Windows soon."""
    # Ctrl+C goes to the whole group, and so may a service manager's signal. The file that is read is no worse for it.
    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    if sys.platform == "win32":
        return
    parent = os.getppid()
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK)
        os._exit(1)

    threading.Thread(target=watch, name="orphan", daemon=True).start()
