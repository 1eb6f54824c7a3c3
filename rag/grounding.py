"""Pure: whether what a model wrote stands in the passages that it cites.

A sentence is held against its evidence word by word. Numbers and names must be there; the other words must be there
for the most part, and mostly in one place. What is right but said in wholly other words counts as unsupported, and two
things of one place that changed their parts count as supported: this reads words, not meaning. The weights are rounded
from fits on each half of the articles of two question sets (tests/bench/answers/grounding.py measures them).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from . import ranking
from .chunking import sentences
from .facts import holds_names, initials, lacks_numbers, latin_words, names, numbers
from .types import Passage

_CITATION = re.compile(r"\[(\d{1,3})\]")

# The logistic function of these is how likely a sentence is supported: the share of its words in all of the evidence
# and in the best sentence of it; whether a number of it is not near that; a negation that is not there, one that is
# there but not here; how many Korean nouns, and first English words, are nowhere.
COVER = 2.5
PLACE = 1.5
NUMBERS = -4.0
ADDED = -6.0
DROPPED = -1.7
STRANGERS = -1.9
BIAS = -0.6
SUPPORTED = 0.5
# Of two places with as many of the words, that with the numbers is meant.
_WITH_NUMBERS = 0.3

# The look-behinds let a long row of stops or of line ends be tried once, not from each of its places.
_AFTER_STOP = re.compile(r"(?<![.!?…。！？])([.!?…。！？]+[\"'”’)]*)((?:\s*\[\d{1,3}\])+)")
_PARAGRAPH_END = re.compile(r"\n\s*\n|$(?![\s\S])")
_MARKUP = re.compile(r"^(?<!\n\n)\s*(?:[-*•>]|\d+[.)])\s+|[*_`]+|[“”]", re.M)
_FILLER = re.compile(
    r"(?:hello|hi|sure|certainly|of course|thanks?|i hope|let me know|please (?:let|feel)"
    r"|i(?:'m| am) (?:sorry|happy))\b"
    r"|안녕하|네[,.!]|물론|감사합니다|도움이 |죄송",
    re.I,
)
_REFUSAL = re.compile(
    r"\b(?:documents?|passages?|sources?|excerpts?|evidence|text|context)\b.{0,40}(?:\bnot?\b|n['’]t\b).{0,20}"
    r"\b(?:tell|say|mention|contain|answer|provide|state|specify|include|information)"
    r"|\b(?:not|nothing)\b.{0,30}\bin the (?:documents|passages|sources)\b"
    r"|\bi (?:do not|don['’]t|cannot|can['’]t) (?:know|find|answer|tell)"
    r"|(?:문서|발췌|자료|출처|본문)\S*\s.{0,30}(?:없|않|못)|찾(?:지 못|을 수 없)|알 수 없",
    re.I,
)
_BUT = re.compile(r"\b(?:but|however|although|still)\b|하지만|그러나|다만|지만", re.I)
_NEGATION = re.compile(
    r"\b(?:not|no|never|none|neither|nor|without|cannot|unable)\b|n['’]t\b"
    r"|(?<![가-힣])[안못](?=\s)|않|못[하했한할해됐된되]|없|아니[라다며었]|아닌|아닙",
    re.I,
)
# A Korean noun with its particle, or a word alone.
_NOUN = re.compile(
    r"(?<![0-9가-힣])([가-힣]{2,}?)(?:에서[는의도]?|으로(?:서|써|는)?|에게서?|까지[의는]?|부터|에[는도만]?|보다|처럼"
    r"|(?<=[^하되지키히리기우이치])[은는]|[이가을를의와과도로]|이다|였다|이었다|입니다|였습니다|이었습니다|이며|이고)?(?![가-힣])"
)
# A word alone that looks like a verb, or like a syllable and its particle.
_VERBAL = re.compile(r"(?:[다고며면서게지던한된할될해여아어져쳐혀려니은는을]|^.[이가를의와과도에로])$")
_LIGHT = frozenset(
    "때문 가운데 처음 다시 동안 다른 이상 이하 미만 정도 모두 가장 매우 또한 그리고 따라 대해 관련 경우 이후 이전"
    " 당시 현재 내용 문서 자료 발췌 질문 답변 사실 가지 여러 모든 각각 다음 결과 이유 하나 것은 것이 것을 뒤에 전에"
    " 앞에 후에 중에 해당 약간 거의 직접"
    " 함께 그것 이것 우리".split()
)
_FIRST_WORD = re.compile(r"\W*([A-Z][a-z]{3,})\b")


@dataclass(frozen=True, slots=True)
class Grounding:
    """How many of the sentences that claim something are supported, and where the others lie in the answer.

    Offsets are in characters, end exclusive.
    """

    supported: int
    total: int
    unsupported: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence of an answer that says something: where it lies, its text without markup, the sources it rests on."""

    start: int
    end: int
    text: str
    cited: frozenset[int]


def check(answer: str, sources: Sequence[str | Passage]) -> Grounding:
    """Hold each sentence of an answer against the sources that it cites; `[n]` is the n-th of them, from 1.

    One without a citation rests on those of its paragraph, or else on all. One in another language than its evidence
    is held against it by its numbers and names alone, and does not count if it has none.
    """
    evidence = [_Source.of(source) for source in sources]
    total, unsupported = 0, []
    for claim in claims_of(answer):
        meant = [source for number, source in enumerate(evidence, 1) if number in claim.cited or not claim.cited]
        likely = _support(claim.text, meant)
        total += likely is not None
        if likely is not None and likely < SUPPORTED:
            unsupported.append((claim.start, claim.end))
    return Grounding(total - len(unsupported), total, tuple(unsupported))


def support(claim: str, sources: Sequence[str | Passage]) -> float | None:
    """How likely it is that the sources say what is claimed, 0 to 1; None where that cannot be told."""
    return _support(claim, [_Source.of(source) for source in sources])


# What an answer claims.


def cited(text: str) -> frozenset[int]:
    """The numbers of the sources that the text cites as `[n]`."""
    return frozenset(map(int, _CITATION.findall(text)))


def claims_of(answer: str) -> Iterator[Claim]:
    """The sentences that claim something, in their order."""
    # A citation behind the full stop belongs to the sentence before it. No offset changes.
    moved = _AFTER_STOP.sub(lambda found: found.group(2) + found.group(1), answer)
    begin = 0
    for gap in _PARAGRAPH_END.finditer(moved):
        paragraph = moved[begin : gap.start()]
        around = cited(paragraph)
        position = begin
        for sentence in sentences(paragraph):
            start = moved.index(sentence, position)
            position = start + len(sentence)
            text = " ".join(_MARKUP.sub("", _CITATION.sub("", sentence)).split())
            if not sentence.startswith("#") and _claims(text):
                yield Claim(start, position, text, cited(sentence) or around)
        begin = gap.end()


def _claims(text: str) -> bool:
    """Whether a sentence says something that can be right or wrong."""
    if not any(character.isalnum() for character in text) or text.endswith(("?", "？")) or _FILLER.match(text):
        return False
    if text.endswith((":", "：")):
        return bool(numbers(text))
    return not _REFUSAL.search(text) or bool(_BUT.search(text))


# Whether it is in the evidence.


@dataclass(frozen=True, slots=True)
class _Place:
    """A sentence of a source: its terms, alone and with those before and above it, and the numbers of it and that
    before."""

    text: str
    alone: frozenset[str]
    around: frozenset[str]
    numbers: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class _Source:
    """A passage below its title and headings, made ready for many claims."""

    whole: str
    terms: frozenset[str]
    numbers: tuple[float, ...]
    words: frozenset[str]
    initials: frozenset[str]
    places: tuple[_Place, ...]

    @classmethod
    def of(cls, source: str | Passage) -> _Source:
        above = "" if isinstance(source, str) else "\n".join((source.title, *source.headings))
        text = source if isinstance(source, str) else source.text
        whole = f"{above}\n{text}"
        found = sentences(text)
        places = [_place(above, before, sentence) for before, sentence in zip(["", *found], found, strict=False)]
        return cls(
            whole,
            frozenset(ranking.terms(whole)),
            tuple(numbers(whole)),
            frozenset(latin_words(whole)),
            frozenset(initials(whole)),
            tuple(places),
        )


def _place(above: str, before: str, sentence: str) -> _Place:
    alone = frozenset(ranking.terms(sentence))
    around = alone | frozenset(ranking.terms(f"{above} {before}"))
    return _Place(sentence, alone, around, tuple(numbers(f"{before} {sentence}")))


def _support(claim: str, sources: Sequence[_Source]) -> float | None:
    figures, named = numbers(claim), names(claim)
    if not sources or lacks_numbers(figures, [value for source in sources for value in source.numbers]):
        return 0.0
    foreign = {ranking.is_korean(claim)}.isdisjoint(ranking.is_korean(source.whole) for source in sources)
    if foreign and not ranking.is_korean(claim):
        # Its names are spelled otherwise there.
        return 1.0 if figures else None
    words = frozenset[str]().union(*(source.words for source in sources))
    if not holds_names(named, words, frozenset[str]().union(*(source.initials for source in sources))):
        return 0.0
    if foreign:
        return 1.0 if figures or named else None
    return 1 / (1 + math.exp(-_power(claim, figures, sources)))


def _power(claim: str, figures: Sequence[float], sources: Sequence[_Source]) -> float:
    # Figures have been looked at.
    wanted = {term: weight for term, weight in ranking.asked(claim).items() if not term.isdigit()}
    total = sum(wanted.values()) or 1.0
    terms = frozenset[str]().union(*(source.terms for source in sources))
    # Only these can be in a place; looking for others' stems is what takes time.
    near = {term: {other for other in terms if _same_stem(term, other)} for term in wanted}

    def share(held: frozenset[str]) -> float:
        return sum(weight for term, weight in wanted.items() if not near[term].isdisjoint(held)) / total

    best, covered, lacking, place = -math.inf, 0.0, 0.0, ""
    for candidate in (place for source in sources for place in source.places):
        alone, missing = share(candidate.alone), lacks_numbers(figures, candidate.numbers) > 0
        score = share(candidate.around) + 0.2 * alone - _WITH_NUMBERS * missing
        if score > best:
            best, covered, lacking, place = score, alone, missing, candidate.text
    denied, denies = bool(_NEGATION.search(place)), bool(_NEGATION.search(claim))
    return (
        BIAS
        + COVER * share(terms)
        + PLACE * covered
        + NUMBERS * lacking
        + ADDED * (denies and not denied)
        + DROPPED * (denied and not denies)
        + STRANGERS * _strangers(claim, "\n".join(source.whole for source in sources), terms)
    )


def _same_stem(term: str, other: str) -> bool:
    return term == other or (len(term) >= 5 and other.startswith(term[: max(4, len(term) - 3)]))


def _strangers(claim: str, whole: str, terms: frozenset[str]) -> int:
    """How many Korean nouns of the claim begin like no word of the evidence; and its first word, if English."""
    count = 0
    for match in _NOUN.finditer(claim):
        noun = match.group(1)
        if noun in _LIGHT or (match.group() == noun and (_VERBAL.search(noun) or _adnominal(noun))):
            continue
        count += noun[:2] not in whole
    if (first := _FIRST_WORD.match(claim)) and (wanted := ranking.terms(first.group(1))):
        term = wanted[0]
        count += term in ranking.asked(claim) and not any(_same_stem(term, other) for other in terms)
    return count


def _adnominal(word: str) -> bool:
    """Two syllables, the last ending in ㄴ or ㄹ: mostly a verb before a noun."""
    return len(word) == 2 and (ord(word[-1]) - 0xAC00) % 28 in (4, 8)
