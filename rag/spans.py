"""Pure: the words inside a sentence that may be the short answer to a question, best first.

Every row of a few words that could be a name, a number or a noun phrase is a candidate. It is weighed by what the
question asks for and by how near it stands to the question's words; one set of weights serves Korean and English.
They are rounded from fits on each half of the articles of two question sets (tests/bench/answers measures
them).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from . import ranking
from .evidence import DATE, NUMBER, Evidence, Kind, kind_of

# Words of a candidate; Korean needs fewer.
MOST_WORDS = 8
MOST_WORDS_KOREAN = 4
# Words from the question's words, at which a candidate counts 1/e.
NEAR, FAR = 3.0, 10.0

WEIGHTS = {
    "fits": 3.2,  # has the date or the number that is asked for
    "misfit": -2.6,  # has none, or a number where a name is asked for
    "extra": -2.0,  # words beside the date or the number that is asked for, its unit left out
    "torn": -1.4,  # a number beside it, where a date or a number is asked for
    "year": 1.6,  # is a year, and one is asked for
    "name": 4.0,  # all its words have capitals
    "asked": -4.2,  # share of it that the question says
    "near": 3.5,  # the question's words in the same sentence, those close by more
    "far": 4.3,  # the same, not falling off so soon
    "inner": -1.1,  # function words, or Korean words that lead on to a verb, inside
    "open": -1.7,  # a word beside it that may belong to it
    "closed": 1.3,  # a sign after it
    "called": 3.0,  # ends with the noun that the question asks for: "which war", "… 전쟁은?"
    "beside": 2.4,  # stands beside that noun
    "verbal": -2.1,  # ends like a verb or an adverb
    "whole": -0.9,  # kept an ending that looks like a particle
    "case": 1.6,  # lost a particle
    "quoted": 2.3,  # is all that stands between quotation marks
}

_TOKEN = re.compile(r"[$£€¥]?\w+(?:[.,'’/:·°–-]+\w+)*[%°]?|[^\w\s]")
_WORDY = re.compile(r"[$£€¥\w]")
_DIVIDING = frozenset(",.;:()\"“”‘’《》〈〉!?[]{}'·「」『』|")
_OPENING, _CLOSING = frozenset('"“‘《〈「『'), frozenset('"”’》〉」』')
_FUNCTION = frozenset(
    (
        "a an the of to in on at for from by with and or as about into over under between among during after before "
        "since until than that which who whom whose where when while is are was were be been being do does did has "
        "have had can could will would should may might must not no it its he she his her they them their this these "
        "those there also such both but if so because through against within without upon per via then however "
        "although though only even just more most other some any each every all very often usually "
        "그러나 하지만 그리고 그래서 따라서 또한 또 즉 및 그 이 저 한 이로 이와 그는 그의 그가 그를 이는 이를 이것 "
        "그것 당시 지난 뒤 때 후 것 수 등 중 이후 그후 이때 인해 위해 대해 통해 따라 관련해 우리 자신 때문에 게다가"
    ).split()
)
_JOINING = frozenset("of and the in for a an on to de".split())
_PARTICLE = re.compile(
    r"(?<=.)(?:['’]s|이라고|라고|이라는|라는|이었으며|이었다|이었고|이며|이고|이자|이었|이다|였다|입니다|으로부터|로부터"
    r"|으로서|로서|으로써|로써|에서[는도의]?|에게서?|에[는도]?|으로는?|까지|부터|처럼|보다|이나"
    r"|엔|[은는이가을를의로와과도만나인란])$"
)
_VERBAL = re.compile(
    r"(?:[다고며여어아워면게지려던했한된할될]|면서|되어|하여|지만|는데|하는|되는|있는|없는|않[은는]|도록|위해|대한|통해"
    r"|따라|하던|같은|많은|이후|때문|경우|것|등|수|중|\w(?:ed|ly))$"
)
# A verb's stem, as it is left where an ending was taken for a particle.
_STEM = re.compile(r"[하되있없었였았했않]$")
_YEAR_ASKED = re.compile(r"\b(?:what|which) years?\b|해는|[년연]도|몇\s?년", re.I)
_YEAR = re.compile(r"(?:1\d|20)\d\ds?|\d+년")
_KOREAN_FOCUS = (
    re.compile(r"(?:무슨|어떤|어느)\s+(\S+)"),
    re.compile(r"(\S+?)(?:의 이름)?[은는이](?:\s*(?:무엇|누구|어디|언제)\S*)?\s*[?？.]?\s*$"),
)
_FOCUS = re.compile(
    r"\b(?:what|which|whose|how many|how much)\s+(?:\w+\s+){0,2}?(\w+)\s+"
    r"(?:is|are|was|were|did|does|do|has|have|had|can|could|will|would|of|in|for|that|to|\w+ed)\b"
)


@dataclass(frozen=True, slots=True)
class Span:
    """A short answer: `evidence[place].text` holds it, and `document.text[start:end] == text`."""

    place: int
    start: int
    end: int
    text: str
    score: float


@dataclass(frozen=True, slots=True)
class _Token:
    start: int
    end: int
    text: str
    lower: str
    wordy: bool
    bare: bool  # a function word
    asked: float  # share of it that the question says
    weight: float  # of what the question says of it


def answer_spans(question: str, evidence: Sequence[Evidence], most: int = 10) -> list[Span]:
    """At most `most` short answers from the sentences, best first, none of them twice."""
    best: dict[str, Span] = {}
    for place, sentence in enumerate(evidence):
        for start, end, signals in candidates(question, sentence.text):
            score = sum(WEIGHTS[name] * value for name, value in signals.items())
            text = sentence.text[start:end]
            if (other := best.get(text)) is None or score > other.score:
                best[text] = Span(place, sentence.start + start, sentence.start + end, text, score)
    return sorted(best.values(), key=lambda span: -span.score)[:most]


def candidates(question: str, text: str) -> Iterator[tuple[int, int, dict[str, float]]]:
    """(start, end, signals) of every row of words that could be a short answer."""
    tokens = _tokens(question, text)
    kind, focus = kind_of(question), _focus(question)
    year = bool(_YEAR_ASKED.search(question))
    longest = MOST_WORDS_KOREAN if ranking.hangul_share(text) > 0 else MOST_WORDS
    for first, head in enumerate(tokens):
        if not head.wordy or head.bare:
            continue
        for last in range(first, min(len(tokens), first + longest)):
            tail = tokens[last]
            if tail.text in _DIVIDING:
                break
            if not tail.wordy or tail.bare:
                continue
            around = _around(tokens, first, last, kind, focus)
            for end, particle in _endings(tail):
                body = text[head.start : end]
                yield head.start, end, around | _inside(body, kind, focus, particle, year)


def _tokens(question: str, text: str) -> list[_Token]:
    wanted, said = ranking.asked(question), set(ranking.terms(question))
    tokens = []
    for match in _TOKEN.finditer(text):
        word, lower = match.group(), match.group().lower()
        terms = ranking.terms(word)
        common = [term for term in terms if term in said]
        share = len(common) / len(terms) if terms else 0.0
        if not ranking.has_unspaced(word):
            share = float(share == 1)
        weight = max((wanted.get(term, 0.0) for term in common), default=0.0) if share > 0.3 else 0.0
        bare = lower in _FUNCTION
        tokens.append(_Token(*match.span(), word, lower, bool(_WORDY.match(word)), bare, share, weight))
    return tokens


def _focus(question: str) -> str:
    """The noun that says what is asked for, or an empty text."""
    if not ranking.has_unspaced(question):
        found = _FOCUS.search(question.lower())
        return _stem(found.group(1)) if found else ""
    match = next((match for pattern in _KOREAN_FOCUS if (match := pattern.search(question))), None)
    return _PARTICLE.sub("", match.group(1)) if match else ""


def _stem(word: str) -> str:
    return next(iter(ranking.terms(word)), word.lower())


def _endings(tail: _Token) -> Iterator[tuple[int, str]]:
    """Where a candidate with this last word may end, and the particle or 's that is cut off; "?" if one is left."""
    particle = _PARTICLE.search(tail.text)
    if particle is None:
        yield tail.end, ""
        return
    yield tail.start + particle.start(), particle.group()
    if len(particle.group()) == 1:
        # It may be the end of the word itself.
        yield tail.end, "?"


def _inside(body: str, kind: Kind, focus: str, particle: str, year: bool) -> dict[str, float]:
    words = body.split()
    digit, date = any(map(str.isdigit, body)), bool(DATE.search(body))
    number = bool(NUMBER.search(body))
    last = words[-1]
    called = bool(focus) and (focus in last if ranking.has_unspaced(focus) else _stem(last) == focus)
    counted = kind in ("time", "number")
    named = all(word[:1].isupper() or word[:1].isdigit() or word in _JOINING for word in words)
    return {
        "fits": float((kind == "time" and date) or (kind == "number" and number and not date)),
        "misfit": float(
            (kind == "time" and not date and not digit)
            or (kind == "number" and not number)
            or (kind in ("person", "place") and digit)
        ),
        "extra": float(max(0, sum(not _counts(word) for word in words) - (kind == "number")) if counted else 0),
        "year": float(year and bool(_YEAR.fullmatch(body))),
        "name": float(kind not in ("time", "number") and words[0][:1].isupper() and named),
        "called": float(called),
        "verbal": float(bool((_STEM if particle not in ("", "?") else _VERBAL).search(last))),
        "whole": float(particle == "?"),
        "case": float(particle not in ("", "?")),
    }


def _counts(word: str) -> bool:
    """Whether the word is part of a date or a number."""
    return bool(DATE.search(word) or NUMBER.search(word))


def _clause(word: str) -> bool:
    """Whether a Korean word has an ending that leads on to a verb, or is one."""
    return (
        ranking.has_unspaced(word[-1])
        and word[-1] not in "의와과"
        and bool(_PARTICLE.search(word) or _VERBAL.search(word))
        and len(word) > 1
    )


def _around(tokens: Sequence[_Token], first: int, last: int, kind: Kind, focus: str) -> dict[str, float]:
    row = tokens[first : last + 1]
    left = tokens[first - 1] if first else None
    right = tokens[last + 1] if last + 1 < len(tokens) else None
    whole = sum(token.weight for token in tokens) or 1.0
    far = [
        (token.weight / whole, max(first - place, place - last))
        for place, token in enumerate(tokens)
        if token.weight and not first <= place <= last
    ]
    sides = [token for token in (left, right) if token]
    content = [token for token in sides if token.wordy and not token.bare]
    capital = row[0].text[:1].isupper()
    beside = [token for token in content if focus and (focus in token.text or _stem(token.text) == focus)]
    return {
        "asked": sum(token.asked for token in row) / len(row),
        "near": sum(weight * math.exp(-distance / NEAR) for weight, distance in far),
        "far": sum(weight * math.exp(-distance / FAR) for weight, distance in far),
        "inner": float(sum(token.bare or _clause(token.text) for token in row[:-1])),
        "torn": float(kind in ("time", "number") and any(_counts(token.text) for token in content)),
        "open": sum(1.0 for token in content if token.asked <= 0.5)
        + float(capital and any(token.text[:1].isupper() for token in content)),
        "closed": float(right is None or not right.wordy),
        "beside": float(bool(beside)),
        "quoted": float(bool(left and right and left.text in _OPENING and right.text in _CLOSING)),
    }
