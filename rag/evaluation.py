"""Pure: how good answers are, against what is known of them.

F1 and exact match are those of SQuAD (Rajpurkar et al., 2016), for Korean with F1 in characters as KorQuAD has it
(Lim et al., 2019).
"""

from __future__ import annotations

import math
import re
import statistics
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from .errors import Lang
from .prompt import language_of
from .questions import Case

Verdict = Literal["error", "false_answer", "false_refusal", "wrong", "unrated", "right", "refused"]
# In the order of a report: what failed comes first.
FAILED: tuple[Verdict, ...] = ("error", "false_answer", "false_refusal", "wrong")
VERDICTS: tuple[Verdict, ...] = (*FAILED, "unrated", "right", "refused")
FAR = 0.95
# Of so many passages it is asked whether they hold the answer.
FIRST = (1, 5)

_ARTICLE = re.compile(r"\b(?:a|an|the)\b")
_BOLD = re.compile(r"\*\*(.+?)\*\*", re.DOTALL)
_QUOTE_END = re.compile(r"”\s?\[(\d{1,3})\]")
_MARKS = re.compile(r"\*\*|\[\d{1,3}\]")


@dataclass(frozen=True, slots=True)
class Reply:
    """What the pipeline said. `parts`: for each source, what its document holds at `start` to `end`.

    `passages` are those that the search finds, in the shape of sources: an answer narrows them to what it quotes. Times
    are in milliseconds from the receipt of the question. `supported` of the answer's `sentences` have their sources
    behind them, as the pipeline says. `error` is the text of one, if there was one.
    """

    text: str = ""
    sources: Sequence[dict[str, Any]] = ()
    parts: Sequence[str] = ()
    passages: Sequence[Mapping[str, Any]] = ()
    refused: bool = False
    supported: int = 0
    sentences: int = 0
    first_token_ms: int | None = None
    ms: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A case, its reply, and how it was judged. What does not apply is None.

    `words_at`, `source_at`: the first passage, from 1, with the expected words, or of the expected document; 0: none.
    `verbatim` of the `quotes` stand letter for letter in the cited source.
    """

    case: Case
    reply: Reply
    lang: Lang
    verdict: Verdict
    words_at: int | None
    source_at: int | None
    held: bool | None
    first_quote: bool | None
    short: str
    f1: float | None
    exact: bool | None
    quotes: int
    verbatim: int
    words: int


def judge(case: Case, reply: Reply) -> Outcome:
    """One answer against what is known of it."""
    lang = language_of(case.question)
    answered = not reply.refused and not reply.error
    text = reply.text if answered else ""
    rated = bool(case.expected) and not reply.error
    quoted = quotes(text)
    short = short_answer(text)
    held = holds(_MARKS.sub("", text), case.expected) if rated else None
    return Outcome(
        case,
        reply,
        lang,
        _verdict(case, reply, held),
        words_at=_first(reply.passages, lambda passage: holds(passage["content"], case.expected)) if rated else None,
        source_at=_first(reply.passages, lambda passage: _is_named(passage, case.source)) if case.source else None,
        held=held,
        first_quote=bool(quoted) and holds(quoted[0][0], case.expected) if rated else None,
        short=short,
        f1=f1(short, case.expected, lang == "ko") if rated else None,
        exact=exact(short, case.expected) if rated else None,
        quotes=len(quoted),
        verbatim=sum(_is_verbatim(words, number, reply) for words, number in quoted),
        words=len(_MARKS.sub("", text).split()),
    )


def _verdict(case: Case, reply: Reply, held: bool | None) -> Verdict:
    if reply.error:
        return "error"
    if not case.told:
        return "refused" if reply.refused else "false_answer"
    if reply.refused:
        return "false_refusal"
    return "unrated" if held is None else "right" if held else "wrong"


def _first(passages: Sequence[Mapping[str, Any]], fits: Callable[[Mapping[str, Any]], bool]) -> int:
    return next((number for number, passage in enumerate(passages, 1) if fits(passage)), 0)


def _is_named(passage: Mapping[str, Any], name: str) -> bool:
    """Whether the passage is of the document: by its title, its name, or the end of its path."""
    wanted = plain(name).strip("/")
    return wanted == plain(passage["title"]) or f"/{plain(passage['metadata']['source'])}".endswith(f"/{wanted}")


def _is_verbatim(words: str, number: int, reply: Reply) -> bool:
    return 0 < number <= len(reply.parts) and words in reply.parts[number - 1]


# Words.


def plain(text: str) -> str:
    """The text in lower case with single spaces, to look for expected words in it."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def holds(text: str, expected: Sequence[str]) -> bool:
    return any(plain(words) in plain(text) for words in expected)


def f1(answer: str, expected: Sequence[str], characters: bool = False) -> float:
    """The best over the expected answers, 0 to 1, in words or, as KorQuAD has it, in characters."""

    def units(text: str) -> Counter[str]:
        words = _bare(text)
        return Counter("".join(words) if characters else words)

    return max((_f1(units(answer), units(words)) for words in expected), default=0.0)


def exact(answer: str, expected: Sequence[str]) -> bool:
    """Whether it is one of the expected answers, case, punctuation and articles aside."""
    return any(_bare(answer) == _bare(words) for words in expected)


def _bare(text: str) -> list[str]:
    lower = unicodedata.normalize("NFC", text).casefold()
    letters = "".join(sign for sign in lower if not unicodedata.category(sign).startswith("P"))
    return _ARTICLE.sub(" ", letters).split()


def _f1(answer: Counter[str], expected: Counter[str]) -> float:
    total = answer.total() + expected.total()
    return 2 * (answer & expected).total() / total if total else 0.0


def short_answer(text: str) -> str:
    """The first words in bold; "" if there are none."""
    found = _BOLD.search(text)
    return found[1] if found else ""


def quotes(text: str) -> list[tuple[str, int]]:
    """Each “quotation” [n] of an answer with its n. Quotation marks inside it belong to it."""
    found = []
    begin = 0
    for end in _QUOTE_END.finditer(text):
        start = _opening(text, begin, end.start())
        if start >= 0:
            found.append((text[start + 1 : end.start()], int(end[1])))
        begin = end.end()
    return found


def _opening(text: str, begin: int, end: int) -> int:
    """Where the quotation that closes at `end` opens: at its pair, or at the first mark if they do not pair up."""
    depth = 0
    for place in range(end, begin - 1, -1):
        depth += {"”": 1, "“": -1}.get(text[place], 0)
        if depth == 0:
            return place
    return text.find("“", begin, end)


# All together.


@dataclass(frozen=True, slots=True)
class Times:
    """Median and 95th percentile in milliseconds; None without answers."""

    median: float | None = None
    p95: float | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """Shares from 0 to 1; None where no question is of that kind."""

    questions: int
    told: int
    errors: int
    recall_1: float | None
    recall_5: float | None
    source_1: float | None
    source_5: float | None
    held: float | None
    first_quote: float | None
    f1: float | None
    exact: float | None
    words: float | None
    verbatim: float | None
    supported: float | None
    false_answers: float | None
    false_refusals: float | None
    first_token: Times = field(default_factory=Times)
    answer: Times = field(default_factory=Times)


def summarize(outcomes: Sequence[Outcome]) -> Summary:
    given = [outcome for outcome in outcomes if outcome.verdict != "error"]
    answered = [outcome for outcome in given if not outcome.reply.refused]
    rated = [outcome for outcome in given if outcome.held is not None]
    quoting = any(outcome.quotes for outcome in given)
    short = any(outcome.short for outcome in given)
    quoted = sum(outcome.quotes for outcome in given)
    sentences = sum(outcome.reply.sentences for outcome in given)
    return Summary(
        questions=len(outcomes),
        told=sum(outcome.case.told for outcome in outcomes),
        errors=len(outcomes) - len(given),
        recall_1=_within(FIRST[0], (outcome.words_at for outcome in given)),
        recall_5=_within(FIRST[1], (outcome.words_at for outcome in given)),
        source_1=_within(FIRST[0], (outcome.source_at for outcome in given)),
        source_5=_within(FIRST[1], (outcome.source_at for outcome in given)),
        held=_mean(outcome.held for outcome in rated),
        first_quote=_mean(outcome.first_quote for outcome in rated) if quoting else None,
        f1=_mean(outcome.f1 for outcome in rated) if short else None,
        exact=_mean(outcome.exact for outcome in rated) if short else None,
        words=statistics.median(outcome.words for outcome in answered) if answered else None,
        verbatim=sum(outcome.verbatim for outcome in given) / quoted if quoted else None,
        supported=sum(outcome.reply.supported for outcome in given) / sentences if sentences else None,
        false_answers=_mean(not outcome.reply.refused for outcome in given if not outcome.case.told),
        false_refusals=_mean(outcome.reply.refused for outcome in given if outcome.case.told),
        first_token=_times(outcome.reply.first_token_ms for outcome in given),
        answer=_times(outcome.reply.ms for outcome in given),
    )


def by_language(outcomes: Sequence[Outcome]) -> dict[str, Summary]:
    """For all, then for each language that there is, if there are several."""
    groups: dict[str, Summary] = {"all": summarize(outcomes)}
    langs: tuple[Lang, ...] = ("en", "ko")
    parts = {lang: [outcome for outcome in outcomes if outcome.lang == lang] for lang in langs}
    if all(parts.values()):
        groups |= {lang: summarize(part) for lang, part in parts.items()}
    return groups


def _within(k: int, places: Iterable[int | None]) -> float | None:
    return _mean(0 < place <= k for place in places if place is not None)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [float(value) for value in values if value is not None]
    return statistics.fmean(known) if known else None


def _times(values: Iterable[int | None]) -> Times:
    known = sorted(value for value in values if value is not None)
    if not known:
        return Times()
    return Times(statistics.median(known), known[math.ceil(FAR * len(known)) - 1])
