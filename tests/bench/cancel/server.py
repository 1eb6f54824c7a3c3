"""`server.py` with the arguments given, whose engine writes down each decode: the real thing but for that.

Each line of the file `DECODES` in the environment is `begin` or `end`, the time (CLOCK_MONOTONIC, ns), the rows, those
of them that a token is taken from, and at the end what the library returned.
"""

from __future__ import annotations

import os
import sys
import time

import server
from rag.engine import Engine
from rag.types import Rows

decode = Engine._decode


def _counted(self: Engine, parts: list[Rows]) -> int:
    rows, tokens = sum(len(part.tokens) for part in parts), sum(part.outputs for part in parts)
    os.write(FILE, b"begin %d %d %d\n" % (time.monotonic_ns(), rows, tokens))
    code = decode(self, parts)
    os.write(FILE, b"end %d %d %d %d\n" % (time.monotonic_ns(), rows, tokens, code))
    return code


if __name__ == "__main__":
    FILE = os.open(os.environ["DECODES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    Engine._decode = _counted  # type: ignore[method-assign]
    sys.exit(server.main())
