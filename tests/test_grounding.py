"""What a model wrote, held against what it cites."""

from __future__ import annotations

import pytest

from rag.grounding import Grounding, check, cited, claims_of, support

from .fakes import make_passage

PUMP = make_passage(
    "The X200 pump moves 40 liters a minute. Its warranty lasts 24 months from the day of delivery. "
    "Repairs are made by Hansen in Bremen. The filter is not washable.",
    title="X200 manual",
)
VALVE = make_passage("The valve opens at 6 bar and is tested every 12 months.", title="Valve")
KOREAN = make_passage(
    "회의는 매주 수요일 오전 10시에 본관 3층에서 열립니다. 참석자는 김하늘 팀장에게 미리 알려야 합니다. "
    "주차는 지원하지 않습니다.",
    title="회의 안내",
)


def marked(answer: str, *sources: object) -> tuple[int, int, list[str]]:
    found = check(answer, sources)  # type: ignore[arg-type]
    return found.supported, found.total, [answer[start:end] for start, end in found.unsupported]


@pytest.mark.parametrize(
    ("answer", "sources"),
    [
        ("The warranty of the X200 lasts 24 months after delivery [1].", [PUMP]),
        ("The warranty lasts twenty-four months [1].", [PUMP]),
        ("Hansen in Bremen makes the repairs [1].", [PUMP]),
        ("수요일 10시에 본관 3층에서 회의가 열립니다 [1].", [KOREAN]),
        ("참석하려면 김하늘 팀장에게 미리 알려야 합니다 [1].", [KOREAN]),
    ],
)
def test_what_the_cited_source_says_is_supported(answer: str, sources: list[object]) -> None:
    assert marked(answer, *sources) == (1, 1, [])


@pytest.mark.parametrize(
    "answer",
    [
        "The warranty lasts 36 months [1].",
        "The pump moves 12 liters a minute [1].",
        "Repairs are made by Jensen in Bremen [1].",
        "The warranty does not last 24 months [1].",
        "You should always buy gold and sell your house.",
        "회의는 목요일 11시에 열립니다 [3].",
        "회의는 강당에서 금요일에 열립니다 [3].",
        "팀장은 이바다입니다 [3].",
        "The warranty lasts 24 months [7].",
        "The warranty lasts 24 months [2].",
    ],
)
def test_a_changed_number_name_or_negation_and_a_wrong_citation_are_marked(answer: str) -> None:
    assert marked(answer, PUMP, VALVE, KOREAN) == (0, 1, [answer])


def test_offsets_are_of_the_answer_in_characters() -> None:
    answer = "🙂 Here is what I found:\n\n- The valve opens at 6 bar [2].\n- It was made in Oslo. [2]\n\n감사합니다."
    assert check(answer, [PUMP, VALVE]) == Grounding(1, 2, ((57, 83),))
    assert answer[57:83] == "- It was made in Oslo. [2]"


def test_a_sentence_rests_on_the_citations_of_its_paragraph_and_else_on_all_sources() -> None:
    assert marked("The valve opens at 6 bar. It is tested every 12 months [2].", PUMP, VALVE)[:2] == (2, 2)
    assert marked("The warranty lasts 24 months. The valve opens at 6 bar [2].", PUMP, VALVE)[0] == 1
    assert marked("The warranty lasts 24 months.\n\nThe valve opens at 6 bar [2].", PUMP, VALVE)[0] == 2


def test_a_citation_behind_the_full_stop_belongs_to_the_sentence_before() -> None:
    claims = list(claims_of("The pump is loud.[1] The valve is new. [2][3] Both work."))
    assert [claim.cited for claim in claims] == [{1}, {2, 3}, {1, 2, 3}]


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "Hello!",
        "The documents say:",
        "## Warranty",
        "Does it leak?",
        "The documents do not tell.",
        "I could find nothing about this in the documents.",
        "문서에는 이렇게 나와 있습니다:",
        "문서에서 관련 내용을 찾지 못했습니다.",
        "안녕하세요!",
        "[1] [2]",
    ],
)
def test_what_claims_nothing_does_not_count(answer: str) -> None:
    assert check(answer, [PUMP]) == Grounding(0, 0)


def test_citations_are_numbers_of_sources_and_nothing_else_in_brackets() -> None:
    assert cited("It is 40 [2], or 41 [1][12]. See [note], [1-2] and [2026].") == {1, 2, 12}


def test_a_refusal_that_goes_on_to_claim_counts() -> None:
    answer = "The documents do not tell, but the price is 500 dollars."
    assert marked(answer, PUMP) == (0, 1, [answer])


def test_another_language_than_the_source_is_judged_by_numbers_and_names_alone() -> None:
    assert check("The meeting begins at 10 on floor 3 [1].", [KOREAN]) == Grounding(1, 1)
    assert check("The meeting begins at 11 [1].", [KOREAN]).supported == 0
    assert check("The meeting is weekly [1].", [KOREAN]) == Grounding(0, 0)
    assert check("수리는 Jensen이 합니다 [1].", [PUMP]).supported == 0


def test_without_sources_nothing_is_supported() -> None:
    assert check("The warranty lasts 24 months.", []) == Grounding(0, 1, ((0, 29),))
    assert support("The warranty lasts 24 months.", []) == 0


def test_a_source_is_read_below_its_title() -> None:
    assert marked("The X200 manual gives a warranty of 24 months [1].", PUMP)[0] == 1
    assert check("The warranty lasts 24 months [1].", [PUMP.text]) == check("The warranty lasts 24 months [1].", [PUMP])
