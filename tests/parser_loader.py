"""A loader for the tests of the parser: the name of a file says what goes wrong."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from rag.errors import RagError
from rag.loaders.text import Loaded
from rag.types import Page

HALF = "half \ud83d of a pair"


def load(name: str, data: bytes) -> Loaded:
    match name:
        case "loops":
            while True:
                pass
        case "backtracks":
            # Holds the interpreter: nothing else in the process runs meanwhile.
            re.match(r"(a+)+$", "a" * 64 + "b")
        case "sleeps":
            time.sleep(600)
        case "eats":
            hoard = []
            while True:
                hoard.append(bytearray(64 << 20))
        case "dies":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "exits":
            os._exit(0)
        case "prints":
            print("a library that talks", flush=True)
            os.write(1, b"in its own way\n")
            sys.stdout.flush()
        case "lies":
            # As if something else had written into the pipe.
            for number in range(3, 64):
                try:
                    os.write(number, b"\xff" * 64)
                except OSError:
                    continue
            time.sleep(600)
        case "half":
            return Loaded(HALF)
        case "large":
            return Loaded("가" * (16 << 20))
        case "refused":
            raise RagError("DOC-001", file=name, supported=(".a", ".b"))
        case "nice":
            return Loaded(str(os.nice(0)))
        case "pid":
            return Loaded(str(os.getpid()))
        case "writes":
            Path(data.decode()).write_text("written")
        case "removes":
            Path(data.decode()).unlink()
        case "starts":
            subprocess.run([sys.executable, "-c", ""], check=True)
        case "connects":
            socket.create_connection(("127.0.0.1", int(data)))
        case "modules":
            return Loaded(" ".join(sys.modules))
        case "cwd":
            return Loaded(str(Path.cwd()))
    return Loaded(data.decode(), "title of " + name, (Page(1, 0, 2), Page(3, 2, len(data.decode()))))
