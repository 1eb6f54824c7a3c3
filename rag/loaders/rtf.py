"""Rich Text Format, read by striprtf: paragraphs and tables. It has no words for headings and notes."""

from __future__ import annotations

import re
from itertools import groupby

from striprtf.striprtf import rtf_to_text

from .text import Loaded, decode, join, line, plain, table


def load(name: str, data: bytes) -> Loaded:
    source = decode(name, data).strip()
    if not source.startswith("{\\rtf") or not source.endswith("}"):
        raise ValueError("no whole RTF")
    halves: str = rtf_to_text(source, errors="replace")  # type: ignore[no-untyped-call]
    # Characters beyond the first 65,536 come as two halves.
    text = halves.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    # Bullets, most of them in the private characters of symbol fonts.
    text = re.sub("(?m)^[ \\t]*[•\uf000-\uf0ff]\\s*", "- ", text)
    blocks: list[str] = []
    for is_table, group in groupby(filter(None, map(line, text.split("\n"))), lambda text: text.endswith("|")):
        lines = list(group)
        blocks += table(row[:-1].split("|") for row in lines) if is_table else map(plain, lines)
    return Loaded(join(blocks))
