"""Replies without a model: greetings are recognised, questions never are, and refusals name the nearest documents."""

from __future__ import annotations

import pytest

from rag.replies import HELLO, NEAREST, NOTHING_FOUND, WELCOME, is_refusal, refusal, small_talk
from tests.fakes import make_passage


@pytest.mark.parametrize(
    "text",
    [
        "hello",
        "Hi there!",
        "Good morning.",
        "hey",
        "안녕",
        "안녕하세요!",
        "반갑습니다",
        "What can you do?",
        "뭘 할 수 있어?",
    ],
)
def test_a_greeting_gets_a_greeting(text: str) -> None:
    assert small_talk(text, "en") == HELLO["en"]
    assert small_talk(text, "ko") == HELLO["ko"]


@pytest.mark.parametrize("text", ["Thanks!", "thank you very much", "고마워요", "정말 감사합니다.", "수고하세요"])
def test_thanks_are_welcome(text: str) -> None:
    assert small_talk(text, "ko") == WELCOME["ko"]


@pytest.mark.parametrize(
    "text",
    [
        "Hello world program",
        "Who are the Hi-Lo's?",
        "Thanks to whom was it built?",
        "great wall",
        "When is Thanksgiving?",
        "안녕하세요의 뜻은?",
        "감사합니다라는 말은 언제 쓰나?",
        "도움말은 어디에 있나요?",
        "?",
    ],
)
def test_a_question_is_no_small_talk(text: str) -> None:
    assert small_talk(text, "en") is None


def test_a_refusal_names_each_of_the_nearest_documents_once() -> None:
    passages = [make_passage("x", number, title=f"Paper {number // 2}") for number in range(10)]
    text = refusal(passages, "en")
    assert [f"Paper {number}" in text for number in range(NEAREST + 1)] == [True] * NEAREST + [False]
    assert text.count("Paper 0") == 1
    assert refusal([], "ko") == NOTHING_FOUND["ko"]


def test_a_title_can_neither_break_nor_fill_the_refusal() -> None:
    text = refusal([make_passage("x", title="Line\n\nbreak " + "long " * 100)], "ko")
    assert "\n" not in text
    assert len(text) < 200


def test_a_document_without_title_is_named_by_its_source() -> None:
    assert "doc.md" in refusal([make_passage("x", title="")], "en")


def test_a_refusal_is_told_from_an_answer() -> None:
    assert all(is_refusal(refusal(found, lang)) for found in ([], [make_passage("x")]) for lang in ("ko", "en"))
    assert not is_refusal("**24 months**\n\n“The documents do not tell.” [1]")
