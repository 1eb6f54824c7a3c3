"""Pure: answers that quote the documents, letter for letter.

An answer is a short one, in bold, and below it the sentences that it stands in, each with the number of its source.
Scores decide which sentences are quoted; spans of the best one are offered as the short answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from .errors import Lang
from .evidence import Evidence, defined
from .neighbours import joined
from .ranking import has_unspaced
from .spans import Span, short_answers
from .types import Passage

# A further sentence is quoted if its score is so near to the best one's, while there is room in characters. Scores
# without cosines lie further apart.
NEAR, NEAR_UNSPACED = 0.145, 0.17
MOST_SENTENCES = 5
ROOM = 620

_EXPLAINED = re.compile(
    r"^\s*why\b|\bhow\s+(?:do|does|did|can|could|should|to|is|are|was|were|will|would|has|have)\b"
    r"|왜|어떻게|어째서|방법|이유|까닭|려면\s*[?？]?\s*$",
    re.I,
)

# To be answered with yes or no, which no document says.
_YES_OR_NO = re.compile(
    r"^\s*(?:do|does|did|is|are|was|were|can|could|will|would|should|has|have|had|may|must)\b(?!.*\bor\b)"
    r"|^(?!.*(?:무엇|무슨|뭐|뭘|누구|누가|어디|언제|며칠|몇|얼마|어느|어떤|이름))"
    r".*(?:나요|까요?|[은는인한된있없]가요|죠|[어아해돼되]요)\s*[?？]?\s*$",
    re.I,
)

QUOTING: dict[Lang, str] = {"en": "The documents say:", "ko": "문서에는 이렇게 나와 있습니다."}


@dataclass(frozen=True, slots=True)
class Quote:
    """One or more sentences that follow one another: `document.text[start:end] == text`. `passage` counts from 0."""

    passage: int
    start: int
    end: int
    text: str
    sentences: int = 1


@dataclass(frozen=True, slots=True)
class Quotation:
    """Quotes, the best first, and the sources that they cite: `numbers[i]`, from 1, is that of `quotes[i]`."""

    quotes: tuple[Quote, ...]
    numbers: tuple[int, ...]
    sources: tuple[Passage, ...]

    @property
    def sentences(self) -> int:
        return sum(quote.sentences for quote in self.quotes)


def select(ranked: Sequence[Evidence]) -> list[Evidence]:
    """The sentences to quote, best first: one where it is clearly the best, more where others are as good."""
    chosen: list[Evidence] = []
    near = NEAR_UNSPACED if ranked and has_unspaced(ranked[0].text) else NEAR
    for sentence in ranked[:MOST_SENTENCES]:
        length = sum(len(other.text) for other in chosen) + len(sentence.text)
        if chosen and (chosen[0].score - sentence.score >= near or length > ROOM):
            break
        chosen.append(sentence)
    return chosen


def quotation(passages: Sequence[Passage], chosen: Sequence[Evidence]) -> Quotation:
    """The chosen sentences as quotes, and the passages as sources, in their order.

    What is quoted of a passage takes its place among the sources; a passage with two quotes has two places.
    """
    quotes = joined(map(_quote, chosen), partial(_join, passages))
    sources: list[Passage] = []
    numbers: dict[Quote, int] = {}
    for place, passage in enumerate(passages):
        inside = sorted((quote for quote in quotes if quote.passage == place), key=lambda quote: quote.start)
        for quote in inside:
            sources.append(replace(passage, text=quote.text, start=quote.start, end=quote.end))
            numbers[quote] = len(sources)
        if not inside:
            sources.append(passage)
    return Quotation(tuple(quotes), tuple(numbers[quote] for quote in quotes), tuple(sources))


def _quote(sentence: Evidence) -> Quote:
    return Quote(sentence.passage, sentence.start, sentence.end, sentence.text)


def _join(passages: Sequence[Passage], a: Quote, b: Quote) -> Quote | None:
    """Both as one if nothing but white space is between them."""
    if a.passage != b.passage:
        return None
    passage = passages[a.passage]
    first, second = sorted((a, b), key=lambda quote: quote.start)
    if passage.text[first.end - passage.start : second.start - passage.start].strip():
        return None
    text = passage.text[first.start - passage.start : second.end - passage.start]
    return Quote(a.passage, first.start, second.end, text, a.sentences + b.sentences)


def offered(question: str, chosen: Sequence[Evidence]) -> list[Span]:
    """What may be the short answer in the best sentence, best first by the words alone; none for a question that only
    a sentence can answer."""
    if _EXPLAINED.search(question) or _YES_OR_NO.search(question) or defined(question):
        return []
    # Line breaks and asterisks would not be bold.
    return [span for span in short_answers(question, chosen) if not set(span.text) & set("*\n")]


def answer(lang: Lang, quoted: Quotation, short: str) -> str:
    """The whole answer, with a short one or without."""
    head = f"**{short}**" if short else QUOTING[lang]
    body = [f"“{quote.text}” [{number}]" for quote, number in zip(quoted.quotes, quoted.numbers, strict=True)]
    return "\n\n".join([head, *body])
