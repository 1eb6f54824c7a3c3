"""What the loaders share: encodings, headings, tables and pages as text."""

from __future__ import annotations

import codecs
import contextlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..errors import RagError
from ..types import Page

# In characters. Far more than the largest books hold; spreadsheets and logs may reach it.
MAX_TEXT = 64 << 20


class TooMuch(Exception):
    """More text than is taken; known before all of it is in memory."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """The text of a file, its title (may be empty) and where its pages lie."""

    text: str
    title: str = ""
    pages: tuple[Page, ...] = ()


# What files declare, and what they then hold: CP949 is EUC-KR with all syllables.
_DECLARED = {
    **dict.fromkeys(
        ("euc-kr", "euc_kr", "ks_c_5601-1987", "ks_c_5601-1989", "ksc5601", "korean", "windows-949"), "cp949"
    ),
    **dict.fromkeys(("iso-8859-1", "latin1", "us-ascii", "ascii"), "cp1252"),
    # Would have been known by its byte order mark.
    **dict.fromkeys(("utf-16", "utf-16le", "utf-16be"), "utf-8"),
}


# Encodings of no file; with most of them the time grows with the square.
_STRANGE = frozenset(("idna", "punycode", "unicode-escape", "raw-unicode-escape"))
# Longer rows are in no language (UAX #15, 12.1); putting them in order takes the square of their length.
_MARKS = re.compile("([\u0300-\u036f]{30})[\u0300-\u036f]+")


def decode(name: str, data: bytes, declared: str = "") -> str:
    """Text in UTF-8, in UTF-16 with its mark, as declared, or in Korean CP949; the first that reads all of it.

    Guessing by statistics is left out: it takes short Korean texts for other languages. Raises `RagError` DOC-005.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return clean(data.decode("utf-16", "replace"))
    if b"\0" in data[:4096]:
        raise RagError("DOC-005", file=name)
    encodings = ["utf-8", _DECLARED.get(declared.lower(), declared) or "cp949", "cp949"]
    for encoding in encodings:
        # An unknown encoding is a LookupError.
        with contextlib.suppress(ValueError, LookupError):
            if codecs.lookup(encoding).name not in _STRANGE:
                return clean(data.decode(encoding))
    for encoding in ("utf-8", "cp949"):
        # A few bad bytes are let be where the rest makes sense, as in a file that was cut off.
        text = data.decode(encoding, "replace")
        if sum(character > "\x7f" for character in text) > 10 * text.count("\ufffd"):
            return clean(text)
    text = data.decode("cp1252", "replace")
    if len(re.findall("[\x01-\x08\x0e-\x1a\x7f\ufffd]", text)) > len(text) // 20:
        # Pictures and programs, whatever they are called.
        raise RagError("DOC-005", file=name)
    return clean(text)


def clean(text: str) -> str:
    """Line ends become one newline, and decomposed Hangul, as some systems write it, whole syllables."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "").removeprefix("\ufeff")
    return text if text.isascii() else unicodedata.normalize("NFC", _MARKS.sub(r"\1", text))


def line(text: str) -> str:
    """Text on one line, white space made single."""
    return " ".join(clean(text).split())


def heading(level: int, text: str) -> str:
    """A heading as in Markdown; level 1 is the highest."""
    return f"{'#' * min(max(level, 1), 6)} {line(text)}"


def plain(text: str) -> str:
    """Text that is no heading, though a line of it may begin like one: the header of a table often does."""
    return re.sub(r"(?m)^(?=#{1,6}[ \t])", r"\\", text)


def first_heading(text: str) -> str:
    """The text of the first heading of the first level, or ""."""
    found = re.search(r"^#[ \t]+(\S.*)", text, re.MULTILINE)
    return re.sub(r"(?<=[ \t])#+$", "", found.group(1).rstrip()) if found else ""


def join(blocks: Iterable[str]) -> str:
    """Paragraphs with blank lines between them; items of a list follow each other."""
    text, item = [], False
    for block in blocks:
        was_item, item = item, block.startswith("- ")
        text += ["\n" if item and was_item else "\n\n", block]
    return "".join(text[1:])


# In bytes, of which Korean has about as many for a token as English. Small enough for a passage.
_BLOCK = 600
_LONGEST_HEADER = 200
_NUMBER = re.compile(r"[\s\d.,:%+\-/₩$€]*")


def table(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A table as paragraphs of lines `a | b | c`. A long table has its header on top of each paragraph, so that no
    passage is without it. Empty rows and cells at the end of a row are left out."""
    block: list[str] = []
    header, size, first, total = "", 0, True, 0
    for row in rows:
        if not any(row):
            continue
        cells = plain(" | ".join(line(cell) if cell else "" for cell in row).rstrip(" |"))
        if not cells.strip(" |"):
            continue
        total += len(cells)
        if total > MAX_TEXT:
            raise TooMuch
        if first:
            first = False
            named = len(row) > 1 and not any(cell and _NUMBER.fullmatch(cell) for cell in row)
            header = cells if named and len(cells.encode("utf-8", "replace")) <= _LONGEST_HEADER else ""
        if block and size > _BLOCK:
            yield "\n".join(block)
            block, size = ([header] if header else []), len(header)
        block.append(cells)
        size += len(cells.encode("utf-8", "replace")) + 1
    if block:
        yield "\n".join(block)


def paginate(parts: Iterable[tuple[int, str]], title: str = "") -> Loaded:
    """Pages (number, text) one after another, with a blank line between them."""
    texts, pages, length = [], [], 0
    for number, text in parts:
        pages.append(Page(number, length, length + len(text)))
        texts.append(text + "\n\n")
        length += len(text) + 2
        if length > MAX_TEXT:
            raise TooMuch
    whole = "".join(texts)
    return Loaded(whole if whole.strip() else "", title, tuple(pages))
