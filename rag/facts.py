"""Pure: the numbers and the names that a text holds, in English and Korean, and whether another text holds them too."""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from itertools import zip_longest

_FIGURE = r"\d[\d,]*(?:\.\d+)?"
_KOREAN_UNITS = {"십": 10, "백": 100, "천": 1000, "만": 10**4, "억": 10**8, "조": 10**12}
_ENGLISH_UNITS = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
    " eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_ORDINALS = "first second third fourth fifth sixth seventh eighth ninth tenth"
_ENGLISH_VALUES = (
    {word: value for value, word in enumerate(_ONES.split())}
    | {word: 10 * tens for tens, word in enumerate(_TENS.split(), 2)}
    | {word: value for value, word in enumerate(_ORDINALS.split(), 1)}
)
# Before a counter; "one" is left out in both languages, being mostly no number.
_NATIVE_VALUES = {
    form: value
    for value, forms in enumerate("두 세 네 다섯 여섯 일곱 여덟 아홉 열 열한 열두".split(), 2)
    for form in forms.split()
}
_COUNTERS = "명|개|번|배|가지|살|곳|달|시|차례|사람|권|대|마리"
_KOREAN_UNIT = f"[{''.join(_KOREAN_UNITS)}]"
_NUMBER = re.compile(
    rf"(?:{_FIGURE}\s?{_KOREAN_UNIT}+\s?)+(?:{_FIGURE})?"
    rf"|{_FIGURE}(?:[\s-]?(?:{'|'.join(_ENGLISH_UNITS)})\b)?"
    rf"|\b(?:(?:{'|'.join((*_ENGLISH_VALUES, *_ENGLISH_UNITS))})\b[\s-]?)+"
    rf"|(?<![가-힣])(?:{'|'.join(sorted(_NATIVE_VALUES, key=len, reverse=True))})(?=\s?(?:{_COUNTERS}))",
    re.I,
)
_KOREAN_PART = re.compile(rf"({_FIGURE})\s?({_KOREAN_UNIT}*)")
_PART = re.compile(rf"{_FIGURE}|[a-z]+")
# Years and counts are said as they are; from here on they are often rounded.
_ROUNDED_FROM = 10_000

_LATIN = "0-9A-Za-z\u00c0-\u024f"
_NAME = re.compile(rf"(?<![{_LATIN}.])[0-9a-z]*[A-Z][{_LATIN}]*(?:[-'’.][{_LATIN}]+)*")
_LATIN_WORD = re.compile(rf"[{_LATIN}]+")
_CAPITALS = re.compile(r"(?<![A-Z])(?:[A-Z]\w+\s){1,4}[A-Z]\w+")
_OPENINGS = frozenset("the a an in on at by of for from to with it its this that these those only after before".split())


def numbers(text: str) -> list[float]:
    """The values that a text names in figures, or in words where they are more than one."""
    found = []
    for match in _NUMBER.finditer(text):
        said = match.group().lower().strip()
        value = _value(said)
        if value > 1 or said[0].isdigit():
            found.append(value)
    return found


def _value(said: str) -> float:
    if said in _NATIVE_VALUES:
        return _NATIVE_VALUES[said]
    if any(unit in said for unit in _KOREAN_UNITS):
        return sum(_scaled(figure, units) for figure, units in _KOREAN_PART.findall(said))
    total = part = 0.0
    for word in _PART.findall(said):
        if word == "hundred":
            part = (part or 1) * 100
        elif word in _ENGLISH_UNITS:
            total, part = total + (part or 1) * _ENGLISH_UNITS[word], 0.0
        else:
            part += _ENGLISH_VALUES[word] if word in _ENGLISH_VALUES else _scaled(word, "")
    return total + part


def _scaled(figure: str, units: str) -> float:
    value = float(figure.replace(",", ""))
    for unit in units:
        value *= _KOREAN_UNITS[unit]
    return value


def lacks_numbers(wanted: Sequence[float], held: Sequence[float]) -> float:
    """The share of the wanted numbers that are not held, be it rounded: 17.8 million is 17,786,419."""
    missing = sum(not any(value == other or _rounds(value, other) for other in held) for value in wanted)
    return missing / max(1, len(wanted))


def _rounds(value: float, exact: float) -> bool:
    if value < _ROUNDED_FROM and value == int(value):
        return False
    digits = len(f"{value:.10g}".replace(".", "").strip("0"))
    return digits >= 2 and float(f"{exact:.{digits}g}") == value


def names(sentence: str) -> list[str]:
    """What capitals show to be a name. The first word of a sentence is one only where another follows it."""
    found = list(_NAME.finditer(sentence))
    kept = []
    for match, following in zip_longest(found, found[1:]):
        name = match.group()
        if name[1:].islower() and not sentence[: match.start()].strip(" \"'“‘("):
            followed = following is not None and not sentence[match.end() : following.start()].strip()
            if not followed or name.lower() in _OPENINGS:
                continue
        if name != "I":
            kept.append(name)
    return kept


def holds_names(wanted: Sequence[str], words: Set[str], initials: Set[str]) -> bool:
    """Whether every name stands among the words, each part of it alone; `words` and `initials` as below."""
    parts = [_bare(part) for name in wanted for part in _LATIN_WORD.findall(name.replace(".", ""))]
    return all(
        part in words or part in initials or any(_abbreviates(part, word) for word in words)
        for part in parts
        if len(part) > 1
    )


def latin_words(text: str) -> set[str]:
    return {_bare(word) for word in _LATIN_WORD.findall(text)}


def initials(text: str) -> set[str]:
    """Of names of several words: "us" for United States."""
    return {"".join(word[0] for word in run.split()).lower() for run in _CAPITALS.findall(text)}


def _bare(word: str) -> str:
    return word.casefold().removesuffix("s") or word.casefold()


def _abbreviates(one: str, other: str) -> bool:
    """One begins with the other, as Avenue and Ave, or nearly so: American and America."""
    short, long = sorted((one, other), key=len)
    if len(short) < 3 or not (one + other).isalpha():
        return False
    return long.startswith(short) or (len(short) >= 6 and long.startswith(short[:-2]))
