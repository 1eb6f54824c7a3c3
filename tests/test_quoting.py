"""Quotes stand letter for letter where their sources say, as many as it takes, below a short answer."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.evidence import Evidence, gather, rank
from rag.quoting import MOST_SENTENCES, NEAR, QUOTING, ROOM, answer, offered, quotation, select
from rag.types import Passage
from tests.fakes import make_passage

# Shared machines are slow at times, and a failing example is printed anyway.
steady = settings(deadline=None, database=None)
TEXT = st.text(alphabet="ab 가나.?!”“*[1]\n", max_size=60)


def passages_of(texts: list[str]) -> tuple[str, list[Passage]]:
    """One document of the texts, and each of them as a passage."""
    document, passages = "", []
    for number, text in enumerate(texts):
        passages.append(make_passage(text, number, start=len(document)))
        document += text + "\n\n"
    return document, [
        make_passage(one.text, number, start=one.start, end=one.start + len(one.text))
        for number, one in enumerate(passages)
    ]


@given(st.lists(TEXT, max_size=4), st.integers(1, 5), st.randoms(use_true_random=False))
@steady
def test_every_source_stands_at_its_place_and_every_quote_in_its_source(
    texts: list[str], most: int, random: object
) -> None:
    document, passages = passages_of(texts)
    chosen = gather(passages)
    random.shuffle(chosen)  # type: ignore[attr-defined]
    quoted = quotation(passages, chosen[:most])
    for source in quoted.sources:
        assert document[source.start : source.end] == source.text
    for quote, number in zip(quoted.quotes, quoted.numbers, strict=True):
        assert quoted.sources[number - 1].text == quote.text
        assert f"“{quote.text}” [{number}]" in answer("en", quoted, "")
    assert len(set(quoted.numbers)) == len(quoted.numbers)
    assert quoted.sentences == len(chosen[:most])


def test_sources_stay_in_the_order_of_the_passages() -> None:
    _, passages = passages_of(["One. Gap. Two.", "Other.", "Three."])
    one, _, two, _, three = gather(passages)
    quoted = quotation(passages, [three, two, one])
    assert [quote.text for quote in quoted.quotes] == ["Three.", "Two.", "One."]
    assert quoted.numbers == (4, 2, 1)
    assert [source.text for source in quoted.sources] == ["One.", "Two.", "Other.", "Three."]


def test_neighbours_are_one_quote_in_the_place_of_the_better() -> None:
    _, passages = passages_of(["One.\nTwo. Three.", "Other."])
    one, two, three, other = gather(passages)
    quoted = quotation(passages, [two, other, three, one])
    assert [quote.text for quote in quoted.quotes] == ["One.\nTwo. Three.", "Other."]
    assert (quoted.numbers, quoted.sentences) == ((1, 2), 4)


def scored(*scores: float, length: int = 20) -> list[Evidence]:
    return [Evidence(0, 100 * place, 100 * place + length, "x" * length, score) for place, score in enumerate(scores)]


def test_a_clear_best_sentence_is_quoted_alone() -> None:
    assert len(select(scored(0.9, 0.9 - NEAR - 0.01))) == 1
    assert len(select(scored(0.9, 0.9 - NEAR + 0.01))) == 2
    assert select([]) == []


def test_no_more_is_quoted_than_there_is_room_for() -> None:
    assert len(select(scored(*[0.5] * 10))) == MOST_SENTENCES
    assert len(select(scored(*[0.5] * 10, length=ROOM // 2))) == 2
    assert len(select(scored(0.5, length=2 * ROOM))) == 1


def sentence(text: str) -> list[Evidence]:
    passages = [make_passage(text)]
    return rank("?", passages, gather(passages))


@pytest.mark.parametrize(
    ("question", "text", "head"),
    [
        ("How long is the warranty?", "The warranty is 24 months.", "**24 months**"),
        ("보증 기간은 얼마인가?", "보증 기간은 24개월이다.", "**24개월**"),
        ("How do I add a document?", "Drag it onto the page.", QUOTING["en"]),
        ("Why is the sky blue?", "Rayleigh explained the sky in 1871.", QUOTING["en"]),
        ("Does the warranty cover the pump?", "The warranty covers the pump for 24 months.", QUOTING["en"]),
        ("Is the pump red or blue?", "The pump is blue.", "**blue**"),
        ("보증이 펌프에도 적용되나요?", "보증은 펌프에도 24개월 동안 적용된다.", QUOTING["ko"]),
        ("보증은 몇 개월인가요?", "보증 기간은 24개월이다.", "**24개월**"),
        ("문서를 추가하는 방법은?", "문서는 페이지에 끌어다 놓는다.", QUOTING["ko"]),
    ],
)
def test_the_answer_begins_with_the_short_one_where_a_short_one_can_answer(question: str, text: str, head: str) -> None:
    chosen = sentence(text)
    lang = "ko" if head == QUOTING["ko"] else "en"
    short = next((span.text for span in offered(question, chosen)), "")
    whole = answer(lang, quotation([make_passage(text)], chosen), short)  # type: ignore[arg-type]
    assert whole == f"{head}\n\n“{text}” [1]"


@given(TEXT, TEXT)
@steady
def test_a_short_answer_is_a_span_of_the_best_sentence_that_can_be_bold(question: str, text: str) -> None:
    chosen = sentence(text)
    for span in offered(question, chosen):
        assert span.text in chosen[0].text
        assert not set(span.text) & set("*\n")
