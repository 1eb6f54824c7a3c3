"""The log of the process: lines for people or JSON, and which request and message each belongs to.

What people ask, what documents say, and keys are never logged; names of files are. An exception's own text may quote
any of them, so it is left out, unless it is of the catalogue or of the operating system.
"""

from __future__ import annotations

import io
import json
import logging
import re
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType, TracebackType
from typing import Any

from .errors import RagError

LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"
# From which level on libraries are heard that tell each request with its query, every key of a model, or what a client
# did wrong in its own words, at any length.
LEAST = {"aiohttp.access": logging.WARNING, "gguf": logging.WARNING, "aiohttp.websocket": logging.ERROR}
# Of a traceback with all its causes.
MAX_LINES = 200
# What a terminal takes for orders and JSON leaves as it is.
_ORDERS = re.compile("[\x7f-\x9f]")

_FIELDS: ContextVar[Mapping[str, Any]] = ContextVar("fields", default=MappingProxyType({}))


@contextmanager
def bound(**fields: str) -> Iterator[None]:
    """Name these in every record that is made inside, also in tasks and threads that begin there."""
    token = _FIELDS.set({**_FIELDS.get(), **fields})
    try:
        yield
    finally:
        _FIELDS.reset(token)


class Fields(logging.Filter):
    """Gives each record `fields`: those that are bound, and those given as `extra={"fields": …}`."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.__dict__["fields"] = {**_FIELDS.get(), **record.__dict__.get("fields", {})}
        return True


Raised = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class Plain(logging.Formatter):
    def formatException(self, ei: Raised) -> str:
        return "\n".join(traced(ei[1]))


class Text(Plain):
    """A line for people, with the fields at its end. What clients name, and names of files, cannot begin a line of its
    own."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = printable(record.message)
        line = super().formatMessage(record)
        fields = " ".join(f"{name}={printable(value)}" for name, value in record.__dict__["fields"].items())
        return f"{line} [{fields}]" if fields else line


class Json(Plain):
    """One JSON object a line: timestamp (ISO 8601, UTC), level, logger, message, the fields, and the exception."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {
            "timestamp": at.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **record.__dict__["fields"],
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _ORDERS.sub(_escaped, json.dumps(line, ensure_ascii=False, default=str))


def set_up(level: str, form: str) -> None:
    """Log to standard error from `level` on, as `text` or `json`."""
    handler = logging.StreamHandler()
    handler.addFilter(Fields())
    handler.setFormatter(Json() if form == "json" else Text(LINE))
    if form == "json" and isinstance(sys.stderr, io.TextIOWrapper):
        # JSON is UTF-8, whatever the terminal speaks.
        sys.stderr.reconfigure(encoding="utf-8")
    logging.basicConfig(level=level.upper(), handlers=[handler])
    for name, least in LEAST.items():
        logging.getLogger(name).setLevel(least)


def traced(error: BaseException | None) -> list[str]:
    """The lines of a traceback, that of its cause first. The last line says what was raised, and where."""
    lines: list[str] = []
    while error is not None and len(lines) < MAX_LINES:
        frames = traceback.extract_tb(error.__traceback__)
        text = (
            printable(f": {error}")
            if isinstance(error, RagError) or (isinstance(error, OSError) and error.errno)
            else ""
        )
        at = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
        told = ["Traceback (most recent call last):", *"".join(traceback.format_list(frames)).splitlines()]
        lines = [*told, f"{type(error).__qualname__}{text}{at}", *lines]
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return lines


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def printable(value: object) -> str:
    """One line of text, without what a terminal or an editor would take for an order."""
    return "".join(character if character.isprintable() else "?" for character in str(value))
