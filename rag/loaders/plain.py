"""Plain text, Markdown, and tables with separators."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator

from .text import Loaded, decode, first_heading, table


def load(name: str, data: bytes) -> Loaded:
    text = decode(name, data)
    ending = name.lower().rpartition(".")[2]
    if ending in ("csv", "tsv"):
        return Loaded("\n\n".join(table(_rows(text, "\t" if ending == "tsv" else ""))))
    return Loaded(text, first_heading(text) if ending != "txt" else "")


def _rows(text: str, delimiter: str) -> Iterator[list[str]]:
    if not delimiter:
        # The one that the first lines have most of; csv.Sniffer takes letters for separators in small tables.
        start = "\n".join(text[: 1 << 16].split("\n")[:20])
        delimiter = max(",;\t|", key=start.count)
    csv.field_size_limit(min(sys.maxsize, (1 << 31) - 1))
    return csv.reader(io.StringIO(text), delimiter=delimiter)
