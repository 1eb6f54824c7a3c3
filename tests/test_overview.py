"""Questions about whole documents are told from others, and meet the document that they mean."""

from __future__ import annotations

import pytest

from rag.overview import BEGINNING, PASSAGES, asks, beginning, named, points
from rag.types import Page
from tests.fakes import make_document, make_passage

UNNAMED = [
    "What is this document about?",
    "what's this PDF about",
    "Summarize this file.",
    "Summarise it",
    "Give me a summary of the report",
    "이 문서는 무슨 내용이야?",
    "이 파일을 요약해 줘",
    "요약해 주세요",
    "이 보고서는 어떤 내용인가요?",
]
NAMING = ["What is the Harbour Charter about?", "Summary of the Harbour Charter", "항만 헌장 요약해 줘"]
OTHERS = [
    "What is the warranty of the pump?",
    "What does the summary say about costs?",
    "How long is the summary?",
    "What is said about pumps in the manual?",
    "이 문서는 언제 작성되었나요?",
    "요약본은 몇 쪽인가요?",
    "보증 내용은 무엇인가요?",
]


@pytest.mark.parametrize("question", UNNAMED)
def test_a_question_about_this_document_asks_for_all_of_it(question: str) -> None:
    assert asks(question)
    assert points(question)


@pytest.mark.parametrize("question", NAMING)
def test_a_question_with_a_name_points_at_nothing_else(question: str) -> None:
    assert asks(question)
    assert not points(question)


@pytest.mark.parametrize("question", OTHERS)
def test_any_other_question_does_not_ask_for_all(question: str) -> None:
    assert not asks(question)


def test_a_document_is_named_by_most_of_its_title_or_its_file() -> None:
    passages = [
        make_passage("x", 0, "charter", title="The Harbour Charter of 1821"),
        make_passage("x", 0, "pump-manual", title=""),
        make_passage("x", 0, "헌장", title="항만 헌장"),
    ]
    assert named("What is the Harbour Charter about?", passages) == "charter"
    assert named("Summarize the pump manual", passages) == "pump-manual"
    assert named("항만 헌장을 요약해 줘", passages) == "헌장"
    assert named("What is the harbour about?", passages) is None
    assert named("Summarize it", []) is None


def test_the_beginning_stands_where_it_stands_in_the_document() -> None:
    text = "\n\n".join(f"Paragraph {number} of the text. It goes on for a while." for number in range(400))
    document = make_document(text, pages=(Page(1, 0, 100), Page(2, 100, len(text))))
    first = beginning(document)
    assert 0 < len(first) <= PASSAGES
    assert first[0].start == 0
    assert all(document.text[one.start : one.end] == one.text for one in first)
    assert first[-1].end <= BEGINNING
    assert {one.page for one in first} == {1, 2}
    assert beginning(make_document("")) == []
