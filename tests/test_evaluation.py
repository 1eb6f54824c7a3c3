"""The measures against values computed by hand."""

from __future__ import annotations

from typing import Any

import pytest

from rag.evaluation import (
    Outcome,
    Reply,
    Times,
    by_language,
    exact,
    f1,
    holds,
    judge,
    quotes,
    short_answer,
    summarize,
)
from rag.questions import Case


def source(content: str, name: str = "docs/pump.md", title: str = "The pump") -> dict[str, Any]:
    return {"title": title, "content": content, "score": 0.9, "metadata": {"source": name, "document_id": "d"}}


def reply(text: str, *contents: str, **fields: Any) -> Reply:
    sources = [source(content) for content in contents]
    return Reply(text, sources, contents, sources, **fields)


# Words.


@pytest.mark.parametrize(
    ("answer", "expected", "value"),
    [
        ("Denver Broncos", ["Denver Broncos"], 1),
        ("The Denver Broncos!", ["denver broncos"], 1),
        # 2 words in common, 3 and 2 in all: 2 * 2 / 5.
        ("the mighty Denver Broncos", ["Denver Broncos"], 0.8),
        # The better of both: 2 * 1 / 3.
        ("in 1999", ["May 2001 or so", "1999"], 2 / 3),
        ("", ["1999"], 0),
        ("1998", ["1999"], 0),
    ],
)
def test_f1_is_that_of_squad(answer: str, expected: list[str], value: float) -> None:
    assert f1(answer, expected) == pytest.approx(value)


def test_korean_is_compared_by_characters_so_that_particles_cost_little() -> None:
    # 이순신 is 3 of 5 characters: 2 * 3 / (5 + 3).
    assert f1("이순신에게", ["이순신"], characters=True) == pytest.approx(0.75)
    assert f1("이순신에게", ["이순신"]) == 0
    assert f1("이 순신", ["이순신"], characters=True) == 1


def test_an_exact_answer_may_differ_in_case_articles_and_punctuation() -> None:
    assert exact("The Beatles.", ["Beatles"])
    assert exact("《춘향전》", ["춘향전"])
    assert not exact("Beatles album", ["Beatles"])


def test_expected_words_are_found_whatever_the_case_the_spaces_and_the_form_of_hangul() -> None:
    assert holds("It weighs\n 37 Kilograms.", ["20 kg", "37 kilograms"])
    assert holds("\u1112\u1161\u11ab\u1100\u116e\u11a8 사람", ["한국"])
    assert not holds("It weighs 37 stone.", ["37 kilograms"])


# The parts of an answer.


def test_the_short_answer_is_what_stands_in_bold_first() -> None:
    assert short_answer("**24 months**: “… **two** …” [1]") == "24 months"
    assert short_answer("24 months.") == ""


def test_quotations_are_found_with_their_numbers() -> None:
    text = "**24**\n\n“It runs 24 months.” [2]\n\n“Then not.” [1]"
    assert quotes(text) == [("It runs 24 months.", 2), ("Then not.", 1)]


def test_quotation_marks_inside_a_quotation_belong_to_it() -> None:
    assert quotes("He says “no”, but “they call it “the pump” here” [1].") == [("they call it “the pump” here", 1)]
    assert quotes("“an opening “ that never closes” [1]")[0][1] == 1
    assert quotes("It is “new”. No number.") == []


def test_a_quotation_counts_as_verbatim_only_letter_for_letter_in_the_cited_source() -> None:
    case = Case("How heavy?", ("37",))
    same = judge(case, reply("“It weighs 37 kg.” [2]", "Other.", "It weighs 37 kg."))
    assert (same.quotes, same.verbatim) == (1, 1)
    for text in (
        "“It weighs 37 kg.” [1]",
        "“It weighs 38 kg.” [2]",
        "“It weighs 37 kg.” [3]",
        "“it weighs 37 kg.” [2]",
    ):
        other = judge(case, reply(text, "Other.", "It weighs 37 kg."))
        assert (other.quotes, other.verbatim) == (1, 0), text


def test_what_counts_is_the_document_and_not_what_the_source_says_of_it() -> None:
    claimed = Reply("“It weighs 37 kg.” [1]", [source("It weighs 37 kg.")], ["It weighs 38 kg."])
    assert judge(Case("How heavy?", ("37",)), claimed).verbatim == 0


# One answer.


@pytest.mark.parametrize(
    ("told", "text", "refused", "verdict"),
    [
        (True, "**37** kg", False, "right"),
        (True, "38 kg", False, "wrong"),
        (True, "The documents do not tell. See 37.", True, "false_refusal"),
        (False, "The documents do not tell.", True, "refused"),
        (False, "37 kg", False, "false_answer"),
    ],
)
def test_verdicts(told: bool, text: str, refused: bool, verdict: str) -> None:
    case = Case("How heavy is it?", ("37 kg",) if told else (), told)
    assert judge(case, reply(text, refused=refused)).verdict == verdict


def test_an_error_is_neither_right_nor_wrong() -> None:
    outcome = judge(Case("How heavy?", ("37",)), Reply(error="GEN-001: delayed"))
    assert (outcome.verdict, outcome.held, outcome.f1) == ("error", None, None)


def test_a_question_with_a_source_alone_is_not_rated_for_its_answer() -> None:
    outcome = judge(Case("How heavy?", source="pump.md"), reply("Heavy.", "Heavy."))
    assert (outcome.verdict, outcome.held, outcome.words_at, outcome.source_at) == ("unrated", None, None, 1)


@pytest.mark.parametrize(("name", "place"), [("pump.md", 1), ("The Pump", 1), ("docs/pump.md", 1), ("ump.md", 0)])
def test_a_document_is_known_by_its_name_its_path_or_its_title(name: str, place: int) -> None:
    assert judge(Case("How heavy?", source=name), reply("", "Heavy.")).source_at == place


def test_citations_and_bold_are_no_words_of_the_answer() -> None:
    outcome = judge(Case("How heavy?", ("24 kg",)), reply("**24** kg “It weighs 24 kg.” [1]", "It weighs 24 kg."))
    assert outcome.held
    assert outcome.words == 6


# All together.


def outcomes() -> list[Outcome]:
    quoted = "**37 kg** “It weighs 37 kg.” [1]"
    return [
        judge(
            Case("How heavy?", ("37 kg",)),
            reply(quoted, "It weighs 37 kg.", "Other.", supported=1, sentences=2, first_token_ms=100, ms=300),
        ),
        judge(Case("How heavy?", ("38 kg",)), reply(quoted, "It weighs 37 kg.", "38 kg", first_token_ms=200, ms=400)),
        judge(Case("How heavy?", ("39 kg",)), reply("No.", "Other.", refused=True, first_token_ms=10, ms=20)),
        judge(Case("What is it?", told=False), reply("No.", "Other.", refused=True, first_token_ms=10, ms=20)),
        judge(Case("얼마나 무겁나요?", told=False), reply("“It weighs 99 kg.” [1]", "Other.", ms=40)),
        judge(Case("얼마나 무겁나요?", ("37",)), Reply(error="GEN-001: delayed")),
    ]


def test_a_summary_counts_each_share_among_the_questions_that_it_is_about() -> None:
    found = summarize(outcomes())
    assert (found.questions, found.told, found.errors) == (6, 4, 1)
    assert (found.recall_1, found.recall_5) == (pytest.approx(1 / 3), pytest.approx(2 / 3))
    assert found.held == found.first_quote == found.exact == pytest.approx(1 / 3)
    # 1, then 1 of 2 words on both sides, then nothing.
    assert found.f1 == pytest.approx((1 + 0.5 + 0) / 3)
    assert found.verbatim == pytest.approx(2 / 3)
    assert (found.false_answers, found.false_refusals) == (0.5, pytest.approx(1 / 3))
    assert found.supported == 0.5
    assert found.words == 6
    assert found.source_1 is None
    assert found.first_token == Times(55, 200)
    assert found.answer == Times(40, 400)


def test_languages_are_told_apart_where_there_are_two() -> None:
    groups = by_language(outcomes())
    assert {name: summary.questions for name, summary in groups.items()} == {"all": 6, "en": 4, "ko": 2}
    assert list(by_language(outcomes()[:3])) == ["all"]


def test_without_answers_nothing_is_claimed() -> None:
    empty = summarize([])
    assert empty.held is None
    assert empty.false_answers is None
    assert empty.first_token == Times()
