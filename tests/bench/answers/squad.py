"""How near an answer is to the expected words: F1 as SQuAD and KorQuAD count it (Rajpurkar 2016; Lim 2019)."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

_ARTICLE = re.compile(r"\b(?:a|an|the)\b")


def plain(text: str) -> str:
    """The text in lower case with single spaces, to look for expected words in it."""
    return " ".join(text.casefold().split())


def holds(text: str, expected: Sequence[str]) -> bool:
    return any(plain(words) in plain(text) for words in expected)


def f1(answer: str, expected: Sequence[str], characters: bool = False) -> float:
    """The best over the expected answers, 0 to 1, in words or, as KorQuAD has it, in characters."""
    return max((_f1(_units(answer, characters), _units(words, characters)) for words in expected), default=0.0)


def _units(text: str, characters: bool) -> Counter[str]:
    bare = "".join(sign for sign in text.casefold() if not unicodedata.category(sign).startswith("P"))
    words = _ARTICLE.sub(" ", bare).split()
    return Counter("".join(words) if characters else words)


def _f1(answer: Counter[str], expected: Counter[str]) -> float:
    total = answer.total() + expected.total()
    return 2 * (answer & expected).total() / total if total else 0.0
