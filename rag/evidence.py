"""Pure: the sentences that bear on a question, and whether they answer it at all.

A sentence is weighed by a few signals, each from 0 to 1. Their weights are rounded from fits on each half of the
articles of two question sets, English and Korean (tests/bench/answers measures them).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from . import ranking
from .chunking import in_context, sentences
from .types import Passage

Kind = Literal["time", "number", "person", "place", "thing"]

# So many of the best sentences by words are worth embedding; more change nothing.
EMBEDDED = 4
# A "sentence" beyond this many characters is a table or a listing; it is cut.
LONGEST = 400

# What the signals weigh: the question's words in the sentence, those that only the sentence before has (it tells what
# "he" is), those in the headings above it, the passage's score, whether the sentence has what is asked for (a date, a
# number, a name), whether it is in the question's script, the cosine. The document's title says nothing about one of
# its sentences before another, so it is no heading here.
COVER = 1.0
BEFORE = 0.3
HEADING = 0.5
PASSAGE = 0.65
FITS = 0.25
SCRIPT = 0.3
# A sentence that says what the thing is that the question asks the meaning of; a row of a table.
DEFINES = 0.6
ROW = 0.2
COSINE = 0.75
WHOLE = COVER + HEADING + PASSAGE + FITS + SCRIPT

# Of `bears`: the logistic function of the best passage's score and of the best sentence's share of the question. Where
# the embedder does not know the script the score is of words alone, and names meet in passages about something else:
# there, the share of the question that one passage holds at all, rare or common, tells more than any sentence.
BEARS_PASSAGE, BEARS_COVER, BEARS_BIAS = 14.0, 3.5, -5.3
UNSPACED_PASSAGE, UNSPACED_HELD, UNSPACED_BIAS = 7.0, 7.0, -7.0

# Of a block of code: what stands beside it there is a sample, and no sentence.
FENCE = "```"

_LIST_MARK = re.compile(r"(?:[-*•]|\d+[.)])\s+")
_BREAK = re.compile(r"[;,:|\n]\s*|\s+")
_LETTER = re.compile(r"[^\W\d_]")
_NAME = re.compile(r"(?<=[^.!?]\s)[A-Z]\w+")
_DEFINITION = (
    re.compile(r"^\s*what(?:'s|’s| is| are)\s+(?:an?\s+)?((?!the\b)[\w-]+(?:\s+[\w-]+)?)\s*\??\s*$", re.I),
    re.compile(r"^\s*(\S+(?:\s\S+)??)(?:이?란|[은는])\s*(?:(?:무엇|뭐|뭔)\S*|어떤\s것\S*)?\s*[?？]?\s*$"),
)
_MONTH = r"(?:January|February|March|April|May|June|July|August|September|October|November|December)"
# The look-behind lets a long row of digits be tried once, not from each of its digits.
DATE = re.compile(rf"\b{_MONTH}\b|\b(?:1\d|20)\d\ds?\b|\b\w+ century\b|\b\d+ BC\b|(?<!\d)\d+\s?(?:년|월|일|세기)", re.I)
NUMBER = re.compile(
    r"\d[\d.,]*|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|hundred"
    r"|thousand|million|billion|half|third|quarter|once|twice|dozen)\b"
    r"|(?:한|두|세|네|다섯|여섯|일곱|여덟|아홉|열)\s?(?:명|개|번|차례|가지|살|곳)",
    re.I,
)
_KINDS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    (
        "time",
        re.compile(
            r"\bwhen\b|\b(?:what|which)\b.{0,12}\b(?:years?|dates?|days?|months?|century|decade|season)\b"
            r"|언제|몇\s?(?:년|월|일|세기)|[년연]도(?:는|가|인)|날짜|시기는|날은|해는|세기는",
            re.I,
        ),
    ),
    (
        "number",
        re.compile(
            r"\bhow (?:many|much|long|old|far|tall|high|big|large|fast|often|deep|wide)\b|\bpercent|\bpopulation\b"
            r"|\bnumber\b|몇|얼마|개수|갯수|인구|비율|횟수|\s수는|기간은|나이는|점수는|퍼센트|금액|가격",
            re.I,
        ),
    ),
    ("person", re.compile(r"\bwho(?:m|se)?\b|누구|누가|사람|인물|대통령은|감독은|작가|배우|선수는", re.I)),
    (
        "place",
        re.compile(
            r"\bwhere\b|\b(?:what|which) (?:city|country|state|continent|town|region)\b"
            r"|어디|장소|나라|도시|국가는|지역|곳은",
            re.I,
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """A sentence: `document.text[start:end] == text`, with the place of its passage in the list of passages.

    `score`, 0 to 1, orders the sentences for one question; `cover` is the share of the question that the sentence says.
    """

    passage: int
    start: int
    end: int
    text: str
    score: float = 0.0
    cover: float = 0.0


def kind_of(question: str) -> Kind:
    """What the question asks for, by its words."""
    return next((kind for kind, words in _KINDS if words.search(question)), "thing")


def defined(question: str) -> str:
    """What the question asks the meaning of ("what is a gnomon?"), or an empty text."""
    found = next((match for pattern in _DEFINITION if (match := pattern.match(question))), None)
    return found.group(1).strip().casefold() if found else ""


def _defines(text: str, thing: str) -> bool:
    """Whether the sentence begins with the thing and goes on with what it is."""
    begun = re.match(
        rf"(?:an?\s|the\s)?{re.escape(thing)}s?(?:\s(?:is|are|was|were|means)\b|이?란\s|[은는]\s)", text, re.I
    )
    return bool(begun) and bool(
        re.search(r"\b(?:is|are|was|were|means)\s(?:an?|the|any|one)\b|이다\b|(?<!뿐)입니다|말한다|뜻", text)
    )


def gather(passages: Sequence[Passage]) -> list[Evidence]:
    """The sentences of the passages that can be quoted, in order, each once; not yet weighed."""
    found: list[Evidence] = []
    seen: set[str] = set()
    for place, passage in enumerate(passages):
        for start, end in sentence_spans(passage.text):
            text = passage.text[start:end]
            plain = " ".join(text.casefold().split())
            if plain not in seen:
                seen.add(plain)
                found.append(Evidence(place, passage.start + start, passage.start + end, text))
    return found


def sentence_spans(text: str) -> Iterator[tuple[int, int]]:
    """Where the sentences that can be quoted lie: no headings, questions or ends of code, and without list marks."""
    position = 0
    for sentence in sentences(text):
        start = text.index(sentence, position)
        position = end = start + len(sentence)
        if mark := _LIST_MARK.match(text, start, end):
            start = mark.end()
        if not sentence.startswith("#") and not sentence.endswith(("?", "？")) and FENCE not in sentence:
            yield from (span for span in _cut(text, start, end) if _LETTER.search(text, *span))


def _cut(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Pieces of at most `LONGEST` characters, cut at a sign or else at a space."""
    while end - start > LONGEST:
        breaks = list(_BREAK.finditer(text, start + LONGEST // 2, start + LONGEST))
        signs = [found for found in breaks if found.group().strip()] or breaks
        stop, following = signs[-1].span() if signs else (start + LONGEST, start + LONGEST)
        yield start, stop
        start = following
    if start < end:
        yield start, end


def rank(question: str, passages: Sequence[Passage], gathered: Sequence[Evidence]) -> list[Evidence]:
    """The gathered sentences with their scores, best first, by words alone."""
    weights, held = _held(question, gathered)
    kind, korean, thing = kind_of(question), ranking.is_korean(question), defined(question)
    lower = question.lower()
    above = [sum(weights[term] for term in weights.keys() & _heading_terms(passage)) for passage in passages]
    scored = []
    for place, sentence in enumerate(gathered):
        here = held[place]
        before = held[place - 1] if place and gathered[place - 1].passage == sentence.passage else set()
        cover = sum(weights[term] for term in here)
        score = (
            COVER * cover
            + BEFORE * sum(weights[term] for term in before - here)
            + HEADING * above[sentence.passage]
            + PASSAGE * passages[sentence.passage].score
            + FITS * fits(kind, sentence.text, lower)
            + SCRIPT * (ranking.is_korean(sentence.text) == korean)
            + DEFINES * (bool(thing) and _defines(sentence.text, thing))
            - ROW * sentence.text.startswith("|")
        )
        scored.append(replace(sentence, score=max(0.0, min(1.0, score / WHOLE)), cover=cover))
    return sorted(scored, key=lambda sentence: -sentence.score)


def _heading_terms(passage: Passage) -> set[str]:
    """The terms of the headings above the passage that are not its document's title."""
    return {term for heading in passage.headings if heading != passage.title for term in ranking.terms(heading)}


def in_passage(sentence: Evidence, passages: Sequence[Passage]) -> str:
    """A sentence as it is embedded: below the title and headings of its passage, which tell what it is about."""
    return in_context(replace(passages[sentence.passage], text=sentence.text))


def refine(ranked: Sequence[Evidence], cosines: Sequence[float]) -> list[Evidence]:
    """The same sentences, the first of them in a better order.

    `cosines`: of the first sentences, as `in_passage` gives them, with the question, as many as were embedded; of use
    only where the embedder knows the question's language.
    """
    first = [
        replace(sentence, score=(WHOLE * sentence.score + COSINE * max(0.0, cosine)) / (WHOLE + COSINE))
        for sentence, cosine in zip(ranked, cosines, strict=False)
    ]
    return sorted(first, key=lambda sentence: -sentence.score) + list(ranked[len(first) :])


def _held(question: str, gathered: Sequence[Evidence]) -> tuple[dict[str, float], list[set[str]]]:
    """The question's terms with their weights, rare ones more, the sum being 1; and which of them each sentence has."""
    asked = ranking.asked(question)
    held = [asked.keys() & ranking.terms(sentence.text) for sentence in gathered]
    return ranking.weigh(asked, held), held


def fits(kind: Kind, text: str, question: str) -> bool:
    """Whether the text has what such a question asks for, other than what the lower-case question says itself."""
    if kind == "thing" or (kind in ("person", "place") and ranking.has_unspaced(text)):
        return True
    sought = {"time": DATE, "number": NUMBER}.get(kind, _NAME)
    return any(match.group().lower() not in question for match in sought.finditer(text))


def bears(question: str, passages: Sequence[Passage], ranked: Sequence[Evidence], more: float = 0.0) -> float:
    """How likely it is that the passages answer the question, 0 to 1; below 0.5 the documents do not tell.

    `more`: log-odds of what else is known. Measured with articles left out of the index (tests/bench/answers).
    """
    if not ranked:
        return 0.0
    best = max(passage.score for passage in passages)
    if ranking.has_unspaced(question):
        texts = ["\n".join((passage.title, *passage.headings, passage.text)) for passage in passages]
        power = UNSPACED_BIAS + UNSPACED_PASSAGE * best + UNSPACED_HELD * max(ranking.held(question, texts))
    else:
        power = BEARS_BIAS + BEARS_PASSAGE * best + BEARS_COVER * ranked[0].cover
    return 1 / (1 + math.exp(-power - more))
