"""Short answers: spans of the sentences, of the kind that was asked for, without particles and the question's words."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.evidence import Evidence
from rag.spans import OFFERED, answer_spans, short_answers

# Shared machines are slow at times, and a failing example is printed anyway.
steady = settings(deadline=None, database=None)
TEXT = st.text(alphabet="ab AB 가나은. ,1“”-", max_size=40)


def sentence(text: str, start: int = 0) -> Evidence:
    return Evidence(0, start, start + len(text), text)


@given(st.lists(TEXT, max_size=3), TEXT)
@steady
def test_every_short_answer_stands_at_its_place(texts: list[str], question: str) -> None:
    document = "\n".join(texts)
    starts = [sum(len(text) + 1 for text in texts[:place]) for place in range(len(texts))]
    evidence = [sentence(text, start) for text, start in zip(texts, starts, strict=True)]
    found = answer_spans(question, evidence)
    assert [one.text for one in found] == [document[one.start : one.end] for one in found]
    assert all(one.text in evidence[one.place].text for one in found)
    assert len({one.text for one in found}) == len(found) <= 10


@pytest.mark.parametrize(
    ("question", "text", "short"),
    [
        ("When was the bridge opened?", "The bridge over the river was opened in 1931 by the king.", "1931"),
        ("How many seats does the hall have?", "The hall, built in 1931, has 412 seats.", "412 seats"),
        ("Who designed the bridge?", "The bridge was designed by Ada Moore, an engineer of the town.", "Ada Moore"),
        ("How long does the warranty last?", "The warranty lasts 24 months from the day of purchase.", "24 months"),
        ("다리는 언제 개통되었나?", "이 다리는 1931년에 개통되었다.", "1931년"),
        ("보증기간은 얼마인가?", "보증기간은 구입일부터 24개월이다.", "24개월"),
        ("다리가 있는 도시는 어디인가?", "이 다리는 부산에 있다.", "부산"),
        ("하코다테에서 일어난 전쟁은?", "하코다테에서는 보신 전쟁이 일어났다.", "보신 전쟁"),
    ],
)
def test_a_plain_question_finds_its_short_answer_among_the_first(question: str, text: str, short: str) -> None:
    assert short in [one.text for one in answer_spans(question, [sentence(text)], 3)]


def test_what_the_question_says_itself_is_no_answer() -> None:
    first = answer_spans("Who did Ada Moore marry?", [sentence("Ada Moore married Ben Hill.")])[0]
    assert first.text == "Ben Hill"


def test_a_particle_behind_a_bracket_or_an_adverb_is_no_answer() -> None:
    text = "공사는 결국 구스타프 아이클러(Gustav Eichler)의 설계를 바탕으로 진행되었다."
    offered = [one.text for one in answer_spans("설계한 사람은 누구인가?", [sentence(text)], 100)]
    assert "구스타프 아이클러" in offered
    assert not {"의", "의 설계", "결국"} & set(offered)


def test_short_answers_are_few_and_from_the_best_sentence_alone() -> None:
    text = "The bridge over the wide river was designed by Ada Moore in Leeds, then built by Ben Hill in 1931."
    found = short_answers("Who designed the bridge?", [sentence(text), sentence("It was Carl Dean.")])
    assert 3 < len(found) <= OFFERED
    assert {one.place for one in found} == {0}
    prior = {one.text: one.prior for one in found}
    assert prior["Ada Moore"] > prior["Leeds"], "it stands beside the question's words"


def test_a_comma_or_a_quotation_mark_is_never_inside() -> None:
    found = answer_spans("What is it?", [sentence("Oak, ash and “red elm” grow here.")], 100)
    assert found
    assert not [one.text for one in found if set(one.text) & set(",“”")]


def test_a_single_syllable_that_may_be_no_particle_is_offered_both_ways() -> None:
    offered = [one.text for one in answer_spans("무엇을 심었나?", [sentence("밭에 오이 심었다.")])]
    assert {"오이", "오"} <= set(offered)


def test_a_negation_is_no_answer() -> None:
    found = answer_spans(
        "편지가 밖으로 나가나요?", [sentence("편지는 밖으로 나가지 않으므로 안전하며, 인쇄되지 않습니다.")], 100
    )
    assert found
    assert not [one.text for one in found if one.text.startswith("않")]


def test_no_sentence_has_no_short_answer() -> None:
    assert answer_spans("What?", []) == []
