"""Pure: the words inside a sentence that may be the short answer to a question, best first.

Every row of a few words that could be a name, a number or a noun phrase is a candidate. `ALONE` weighs the candidates
of both languages; where a model knows the language it has the better judgement, and `BESIDE` is what is added to the
logarithm of its likelihood. Both are rounded from fits on two question sets, which were checked on the half of the
articles that they were not fitted on (tests/bench/answers measures them).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .candidates import candidates
from .evidence import Evidence

# Candidates that a model chooses from: more cost time and gain nothing.
OFFERED = 12

ALONE = {
    "fits": 4.1,  # has the date or the number that is asked for
    "misfit": -4.3,  # has none, or a number where a name is asked for
    "extra": -3.4,  # words beside the date or the number that is asked for, its unit left out
    "torn": -2.1,  # a number beside it, where a date or a number is asked for
    "year": 2.4,  # is a year, and one is asked for
    "unit": 4.1,  # counts in the unit that is asked for: "몇 가지"
    "name": 4.7,  # all its words have capitals
    "asked": -5.0,  # share of it that the question says
    "echo": -3.4,  # the question says all of it
    "near": 2.9,  # the question's words in the same sentence, those close by more
    "far": 6.1,  # the same, not falling off so soon
    "clause": 2.7,  # the same, those of the same clause
    "key": 3.1,  # near the verb of the question
    "before": 2.6,  # before that verb, in Korean
    "side": 1.2,  # on the side of the question's words where a subject or an object stands
    "inner": -3.9,  # function words, or Korean words that lead on to a verb, inside
    "open": -1.5,  # a word beside it that may belong to it
    "closed": 1.9,  # a sign after it
    "called": 4.5,  # ends with the noun that the question asks for: "which war", "… 전쟁은?"
    "beside": 2.1,  # stands beside that noun
    "verbal": -5.3,  # ends like a verb or an adverb
    "whole": -3.2,  # kept an ending that looks like a particle
    "case": 0.5,  # lost a particle
    "role": 3.0,  # lost the particle that the question word has, or would have
    "object": 1.4,  # lost the particle of an object
    "topic": 1.4,  # lost the particle of a topic
    "quoted": 3.7,  # is all that stands between quotation marks
    "deep": -4.1,  # is in brackets
    "one": -1.9,  # is one word
    "long": 2.6,  # is one Korean word of four syllables or more
    "syllable": -3.5,  # is one Korean syllable
    "vague": -2.1,  # ends with a word that answers nothing: "사람", "내용"
}
BESIDE = {
    "fits": 0.8,
    "misfit": -1.6,
    "asked": -1.1,
    "echo": -1.1,
    "near": 2.9,
    "far": 3.5,
    "clause": 1.7,
    "key": 1.2,
    "side": 1.4,
    "inner": 1.6,
    "closed": 1.1,
    "called": 1.2,
    "beside": 1.1,
    "deep": -1.7,
    "one": -0.6,
    "plain": 0.8,  # begins with a small letter, where a thing is asked for
    "article": 1.1,  # stands behind an article, where a thing is asked for
}


@dataclass(frozen=True, slots=True)
class Span:
    """A short answer: `evidence[place].text` holds it, and `document.text[start:end] == text`.

    `score` orders them. `prior` is the logarithm of a weight, to be added to that of a model's likelihood.
    """

    place: int
    start: int
    end: int
    text: str
    score: float
    prior: float = 0.0


def answer_spans(question: str, evidence: Sequence[Evidence], most: int = 10) -> list[Span]:
    """At most `most` short answers from the sentences, best first, none of them twice; by the words alone."""
    best: dict[str, Span] = {}
    for place, sentence in enumerate(evidence):
        for start, end, signals in candidates(question, sentence.text):
            score, text = _weigh(ALONE, signals), sentence.text[start:end]
            if (other := best.get(text)) is None or score > other.score:
                prior = _weigh(BESIDE, signals)
                best[text] = Span(place, sentence.start + start, sentence.start + end, text, score, prior)
    return sorted(best.values(), key=lambda span: -span.score)[:most]


def short_answers(question: str, ranked: Sequence[Evidence]) -> list[Span]:
    """What may be the short answer in the best sentence, best first by the words alone.

    Where the model knows the language, it decides: after `shots.prompt(language, question, ranked[0].text)`, given to
    `Generator.generate` as a text, among the choices `shots.choice(span.text)` with the priors `span.prior`. Elsewhere
    the first is the answer: the starter model's likelihoods of Korean spans are worse than none.
    """
    return answer_spans(question, ranked[:1], OFFERED)


def _weigh(weights: Mapping[str, float], signals: Mapping[str, float]) -> float:
    return sum(weight * signals[name] for name, weight in weights.items())
