"""An evaluation to read: a table for the terminal, JSON for programs, and one HTML page that needs nothing else."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

from .errors import Lang
from .evaluation import FAILED, VERDICTS, Outcome, Summary, Times, by_language

BINS = 24

# What is shown of a summary, in this order: (field, ko, en).
SHARES: tuple[tuple[str, str, str], ...] = (
    ("recall_1", "정답이 첫 구절에 있음", "expected words in the first passage found"),
    ("recall_5", "정답이 다섯 구절 안에 있음", "expected words in the first five passages"),
    ("source_1", "첫 구절이 그 문서의 것임", "first passage is of the expected document"),
    ("source_5", "그 문서가 다섯 구절 안에 있음", "expected document among the first five"),
    ("held", "답변에 정답이 있음", "answers with the expected words"),
    ("first_quote", "첫 인용문에 정답이 있음", "first quotation with the expected words"),
    ("f1", "짧은 답 F1", "short answer, F1"),
    ("exact", "짧은 답이 정확히 일치", "short answer, exact match"),
    ("verbatim", "글자 그대로인 인용문", "quotations letter for letter"),
    ("supported", "출처가 뒷받침하는 문장", "sentences that their sources support"),
    ("false_answers", "잘못 답함(문서에 없음)", "false answers (documents do not tell)"),
    ("false_refusals", "잘못 거절함(문서에 있음)", "false refusals (documents tell)"),
)
BAD = ("false_answers", "false_refusals")
NUMBERS: tuple[tuple[str, str, str], ...] = (
    ("questions", "질문 수", "questions"),
    ("told", "그중 답이 문서에 있음", "of these, the documents tell"),
    ("errors", "오류", "errors"),
    ("words", "답변 길이(어절, 중앙값)", "answer length in words, median"),
)
TIMES: tuple[tuple[str, str, str], ...] = (
    ("first_token", "첫 글자까지(초, 중앙값 / 95%)", "time to first token in s, median / p95"),
    ("answer", "답변 전체(초, 중앙값 / 95%)", "time per answer in s, median / p95"),
)
GROUPS: dict[Lang, dict[str, str]] = {
    "ko": {"all": "전체", "en": "영어", "ko": "한국어"},
    "en": {"all": "all", "en": "English", "ko": "Korean"},
}
WORDS: dict[Lang, dict[str, str]] = {
    "ko": {
        "title": "답변 평가",
        "shares": "비율",
        "times": "걸린 시간",
        "first_token": "첫 글자까지",
        "answer": "답변 전체",
        "seconds": "초",
        "count": "가장 높은 막대의 답변 수",
        "questions": "질문",
        "question": "질문",
        "expected": "정답",
        "answer_text": "답변",
        "sources": "출처",
        "verdict": "판정",
        "not_told": "문서에 없음",
        "interrupted": "중간에 멈춘 평가입니다.",
        "all_numbers": "모든 수치",
        "lower": "낮을수록 좋음",
        "right": "맞음",
        "wrong": "틀림",
        "refused": "바르게 거절함",
        "false_answer": "잘못 답함",
        "false_refusal": "잘못 거절함",
        "unrated": "판정 안 함",
        "error": "오류",
    },
    "en": {
        "title": "Evaluation of the answers",
        "shares": "Shares",
        "times": "Times",
        "first_token": "to the first token",
        "answer": "per answer",
        "seconds": "seconds",
        "count": "answers in the highest bar",
        "questions": "Questions",
        "question": "Question",
        "expected": "Expected",
        "answer_text": "Answer",
        "sources": "Sources",
        "verdict": "Verdict",
        "not_told": "not in the documents",
        "interrupted": "This evaluation was interrupted.",
        "all_numbers": "All figures",
        "lower": "lower is better",
        "right": "right",
        "wrong": "wrong",
        "refused": "rightly refused",
        "false_answer": "false answer",
        "false_refusal": "false refusal",
        "unrated": "not rated",
        "error": "error",
    },
}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """`about` says what was measured: the file of questions, the models, the time. `whole`: not interrupted."""

    outcomes: Sequence[Outcome]
    about: Mapping[str, str]
    whole: bool = True


# The terminal and JSON.


def rows(groups: Mapping[str, Summary], lang: Lang) -> list[list[str]]:
    """A table: a label, then the value of each group. What does not apply to any group is left out."""
    table = [["", *(GROUPS[lang][name] for name in groups)]]
    for field, ko, en in (*NUMBERS, *SHARES, *TIMES):
        values = [getattr(summary, field) for summary in groups.values()]
        if any(value not in (None, Times()) for value in values):
            table.append([ko if lang == "ko" else en, *(_said(field, value) for value in values)])
    return table


def text(groups: Mapping[str, Summary], lang: Lang) -> str:
    """The table for a terminal. Hangul is two columns wide there."""
    table = rows(groups, lang)
    widths = [max(_width(row[column]) for row in table) for column in range(len(table[0]))]
    return "\n".join(
        "  ".join(
            [row[0] + " " * (widths[0] - _width(row[0]))]
            + [" " * (width - _width(cell)) + cell for cell, width in zip(row[1:], widths[1:], strict=True)]
        ).rstrip()
        for row in table
    )


def _width(cell: str) -> int:
    return sum(2 if "\u1100" <= sign <= "\uffdc" else 1 for sign in cell)


def _said(field: str, value: Any) -> str:
    if value in (None, Times()):
        return "–"
    if isinstance(value, Times):
        return " / ".join(f"{(each or 0) / 1000:.2f}" for each in (value.median, value.p95))
    return f"{value:.3f}" if isinstance(value, float) and field != "words" else f"{value:g}"


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """What it is about, the summaries, and each question with its answer, sources and verdict."""
    groups = by_language(evaluation.outcomes)
    return {
        "about": dict(evaluation.about),
        "whole": evaluation.whole,
        "summary": {name: asdict(summary) for name, summary in groups.items()},
        "questions": [_question(outcome) for outcome in evaluation.outcomes],
    }


def _question(outcome: Outcome) -> dict[str, Any]:
    """Without what the search and the store said: it is judged already, and would be most of the file."""
    found = asdict(outcome)
    for name in ("parts", "passages"):
        del found["reply"][name]
    return found


def save(evaluation: Evaluation, folder: Path, lang: Lang) -> list[Path]:
    """Write both reports into the folder; their paths."""
    files = [folder / "answers.json", folder / "answers.html"]
    files[0].write_text(json.dumps(as_json(evaluation), ensure_ascii=False, indent=1), encoding="utf-8")
    files[1].write_text(page(evaluation, lang), encoding="utf-8")
    return files


# The page.


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of a plot, in its units."""

    x: float
    y: float
    width: float
    height: float
    label: str


@dataclass(frozen=True, slots=True)
class Plot:
    """Bars, of which the highest stands for `most`, with the marks of the axis below them: (place, label)."""

    bars: tuple[Bar, ...]
    ticks: tuple[tuple[float, str], ...]
    most: int
    width: float
    height: float


def page(evaluation: Evaluation, lang: Lang) -> str:
    """One HTML file with inline SVG, without scripts; every text in it is escaped."""
    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True)
    groups = by_language(evaluation.outcomes)
    return environment.get_template("report.html").render(
        lang=lang,
        words=WORDS[lang],
        about=evaluation.about,
        whole=evaluation.whole,
        tiles=tiles(groups["all"], lang),
        shares=[(GROUPS[lang][name], share_rows(summary, lang)) for name, summary in groups.items()],
        times=[
            (WORDS[lang][name], plot)
            for name, plot in (
                ("first_token", histogram([each.reply.first_token_ms for each in evaluation.outcomes])),
                ("answer", histogram([each.reply.ms for each in evaluation.outcomes if not each.reply.error])),
            )
            if plot.bars
        ],
        table=rows(groups, lang),
        outcomes=sorted(evaluation.outcomes, key=lambda outcome: VERDICTS.index(outcome.verdict)),
        failed=FAILED,
    )


def tiles(summary: Summary, lang: Lang) -> list[tuple[str, str]]:
    """(value, label) of the few figures that say most."""
    chosen = ("held", "verbatim", "false_answers", "false_refusals")
    shown = [
        (f"{getattr(summary, field):.0%}", ko if lang == "ko" else en)
        for field, ko, en in SHARES
        if field in chosen and getattr(summary, field) is not None
    ]
    shown.insert(0, (str(summary.questions), WORDS[lang]["questions"]))
    if summary.first_token.median is not None:
        shown.append(
            (f"{summary.first_token.median / 1000:.2f}", f"{WORDS[lang]['first_token']}, {WORDS[lang]['seconds']}")
        )
    return shown


def share_rows(summary: Summary, lang: Lang) -> list[tuple[str, float, bool]]:
    """(label, share, whether lower is better) of each share that applies."""
    values = ((field, ko if lang == "ko" else en, getattr(summary, field)) for field, ko, en in SHARES)
    return [(label, value, field in BAD) for field, label, value in values if value is not None]


def histogram(milliseconds: Sequence[int | None], width: float = 400, height: float = 120) -> Plot:
    """How many answers took how long, in seconds. Bins are of a round width."""
    seconds = [value / 1000 for value in milliseconds if value is not None]
    if not seconds:
        return Plot((), (), 0, width, height)
    step = round_up(max(max(seconds), 0.001) / BINS)
    counts = [0] * (int(max(seconds) / step) + 1)
    for value in seconds:
        counts[min(int(value / step), len(counts) - 1)] += 1
    each = width / len(counts)
    bars = tuple(
        Bar(
            number * each,
            height * (1 - count / max(counts)),
            each,
            height * count / max(counts),
            _bin(number, step, count),
        )
        for number, count in enumerate(counts)
        if count
    )
    every = max(1, -(-len(counts) // 6))
    ticks = tuple((number * each, f"{number * step:g}") for number in range(0, len(counts) + 1, every))
    return Plot(bars, ticks, max(counts), width, height)


def _bin(number: int, step: float, count: int) -> str:
    return f"{number * step:g}–{(number + 1) * step:g} s: {count}"


def round_up(value: float) -> float:
    """The next of 1, 2, 5, 10, 20, …, 0.5, 0.2, … that is at least the value."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= value * (1 - 1e-9))
