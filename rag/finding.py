"""Words in a text: where they stand, whatever the case of their letters and whatever white space is between them.

Each step takes about as long for a text that was made to take long as for any other: no patterns, which try every
beginning anew.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left

# A search keeps the interpreter to itself for some milliseconds at a time: for so many characters.
_SLICE = 200_000
# White space between two words that a border between slices may cut through.
_GAP = 100

_GAPS = re.compile(r"\s{2,}")
_SPACE = re.compile(r"[^\S ]")


def find(text: str, words: str, most: int) -> tuple[list[tuple[int, int]], bool]:
    """The first `most` places of the words, as (start, end) in characters, and whether there are more.

    Places do not overlap. Words without a character that is no white space are nowhere. Blocks: 20 ms a million
    characters.
    """
    parts = unicodedata.normalize("NFC", words).split()
    if not parts:
        return [], False
    wanted = _small(" ".join(parts))
    over = sum(map(len, parts)) + _GAP * len(parts)
    places: list[tuple[int, int]] = []
    start = 0
    while start < len(text):
        border = start + _SLICE
        piece = _Piece(text[start : border + over])
        at = piece.text.find(wanted)
        while at >= 0 and start + piece.place(at) < border:
            if len(places) == most:
                return places, True
            last = at + len(wanted) - 1
            places.append((start + piece.place(at), start + piece.place(last) + 1))
            at = piece.text.find(wanted, last + 1)
        start = max(border, places[-1][1] if places else 0)
    return places, False


class _Piece:
    """A part of a text in small letters, each white space in it one space, and where its characters stood."""

    def __init__(self, part: str) -> None:
        # Where the spaces are that were longer, and by how much, all together up to there.
        self._long: list[int] = []
        self._more: list[int] = []
        more = 0
        for gap in _GAPS.finditer(part):
            self._long.append(gap.start() - more)
            more += gap.end() - gap.start() - 1
            self._more.append(more)
        self.text = _small(_SPACE.sub(" ", _GAPS.sub(" ", part)))

    def place(self, at: int) -> int:
        """Where the character of that number stood."""
        before = bisect_left(self._long, at)
        return at + (self._more[before - 1] if before else 0)


def _small(text: str) -> str:
    """In small letters, as many as before."""
    small = text.lower()
    if len(small) != len(text):
        small = "".join(each if len(each) == 1 else one for one in text for each in (one.lower(),))
    # At the end of a word it is another letter.
    return small.replace("ς", "σ")
