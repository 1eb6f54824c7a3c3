"""A score is absolute, from 0 to 1, and rises with what a passage says of what was asked."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.ranking import asked, hangul_share, has_unspaced, held, is_korean, relevance, scores, terms, weigh

# Shared machines are slow at times, and a failing example is printed anyway.
steady = settings(deadline=None, database=None)
TEXT = st.text(alphabet="abc xyz가나다라中か1.\n", max_size=30)


def test_english_words_meet_without_case_and_commonest_endings() -> None:
    assert terms("Works WORKED working, work!") == ["work"] * 4
    assert terms("bus is red") == ["bus", "is", "red"]


def test_korean_words_meet_through_their_syllable_pairs() -> None:
    assert terms("보증기간은 2년") == ["보증", "증기", "기간", "간은", "2", "년"]
    # A two-syllable noun is found with any particle behind it.
    assert set(terms("보증")) <= set(terms("보증을"))


def test_scripts_are_told_apart_inside_a_word() -> None:
    assert terms("X200을 カメラ中") == ["x200", "을", "カメ", "メラ", "ラ中"]


def test_signs_are_no_words() -> None:
    assert terms("?! ... [] _ \n 🙂") == []


@pytest.mark.parametrize(("text", "found"), [("한", True), ("か", True), ("中", True), ("café 12", False), ("", False)])
def test_scripts_without_spaces_are_seen(text: str, found: bool) -> None:
    assert has_unspaced(text) is found


@pytest.mark.parametrize(
    ("text", "share"), [("한글", 1.0), ("ab한글", 0.5), ("abc 123", 0.0), ("123 !?", 0.0), ("", 0.0)]
)
def test_the_share_of_hangul_is_among_letters(text: str, share: float) -> None:
    assert hangul_share(text) == share


@pytest.mark.parametrize(
    ("text", "korean"),
    [("가방 X200", True), ("보증은 LG Electronics에서", True), ("the word 한 in English", False), ("12", False)],
)
def test_a_korean_text_may_hold_latin_names_but_an_english_one_hardly_hangul(text: str, korean: bool) -> None:
    assert is_korean(text) is korean


def test_a_rare_term_weighs_more_than_a_common_one_and_all_of_them_1() -> None:
    weights = weigh({"battery": 1.0, "warranty": 1.0}, [{"battery"}, {"battery"}, {"battery", "warranty"}, set()])
    assert weights["warranty"] > weights["battery"] > 0
    assert sum(weights.values()) == pytest.approx(1.0)
    assert weigh({}, [set()]) == {}


def relevant(query: str, *texts: str) -> list[float]:
    return relevance(query, texts, [""] * len(texts))


def test_relevance_is_1_for_all_that_was_asked_and_0_for_nothing_of_it() -> None:
    found = relevant("warranty period", "the warranty period", "a recipe for bread")
    assert found == pytest.approx([1.0, 0.0], abs=0.01)


def test_without_words_nothing_is_relevant() -> None:
    assert relevant("?!", "a", "b") == [0.0, 0.0]
    assert relevant("a") == []


def test_a_text_with_the_rare_word_is_more_relevant_than_one_with_the_common_one() -> None:
    common, *_, rare = relevant("battery warranty", "battery of it", "battery of all", "the price", "warranty of it")
    assert rare > common


@steady
@given(TEXT, st.lists(st.tuples(TEXT, TEXT), max_size=5))
def test_relevance_is_from_0_to_1(query: str, rows: list[tuple[str, str]]) -> None:
    found = relevance(query, [text for text, _ in rows], [context for _, context in rows])
    assert len(found) == len(rows)
    assert all(0 <= share <= 1 + 1e-9 for share in found)


def test_one_sentence_that_says_it_all_is_better_than_several_that_say_a_part_each() -> None:
    scattered, together = relevant(
        "battery warranty", "The battery is big. A warranty is given.", "It is a big thing. The battery has a warranty."
    )
    assert together > scattered


def test_a_title_and_headings_belong_to_what_stands_below_them() -> None:
    texts = ["It lasts two years.", "It lasts two years."]
    bread, battery = relevance("how long lasts the battery", texts, ["Bread", "X200 > Battery"])
    assert battery > bread


def test_a_word_said_more_often_counts_more_and_length_holds_back() -> None:
    once, twice, long = relevant(
        "battery", "battery one two six", "battery battery two", "battery one two six ten" + " four" * 9
    )
    assert twice > once > long


def test_korean_particles_and_verb_endings_of_a_question_count_for_nothing() -> None:
    assert list(asked("가수는 배터리를 교체했나요?")) == ["가수", "배터", "터리", "교체"]
    assert list(asked("서울에서 개최된 회의")) == ["서울", "개최", "회의"]
    assert list(asked("연차 휴가는 며칠인가요?")) == ["연차", "휴가"]
    # Two syllables stay, whatever they look like.
    assert list(asked("사과 도로")) == ["사과", "도로"]


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("정도전은 언제 죽었어?", ["정도", "도전", "죽었"]),
        ("정도전이 언제 죽었나요?", ["정도", "도전", "죽었"]),
        ("결혼은 언제 했나요?", ["결혼"]),
        ("그의 어머니는 누구예요?", ["그의", "어머", "머니"]),
        ("남편은요?", ["남편"]),
        ("넓이가 얼마였어", ["넓이"]),
        ("원인이 뭐였는데?", ["원인"]),
        ("이건 누구 거야?", ["이건"]),
        # Nouns that look like endings stay.
        ("영국의 언어", ["영국", "언어"]),
        ("가장 긴 시대", ["가장", "긴", "시대"]),
    ],
)
def test_a_korean_question_is_about_the_same_as_it_is_spoken(question: str, words: list[str]) -> None:
    assert list(asked(question)) == words


def test_a_text_holds_a_share_of_what_is_asked_wherever_it_stands() -> None:
    assert held("battery warranty", ["A warranty. Two. Of the battery.", "the battery", "bread"]) == [1.0, 0.5, 0.0]
    assert held("?!", ["a"]) == [0.0]


def test_a_long_korean_word_is_one_word() -> None:
    weights = asked("포켓몬스터 2011")
    assert weights["2011"] == 1
    assert sum(weight for term, weight in weights.items() if term != "2011") == pytest.approx(2.0)


def test_a_question_of_question_words_alone_keeps_them() -> None:
    assert asked("who is it") == {"who": 1, "is": 1, "it": 1}
    assert asked("?!") == {}


@steady
@given(TEXT, TEXT)
def test_terms_are_counted_as_they_are_cut(query: str, text: str) -> None:
    wanted = dict.fromkeys(terms(query), 1.0)
    inside = {term for term in terms(text) if term in wanted}
    (share,) = held(query, [text])
    assert (share > 0) == bool(inside & set(asked(query)))


@steady
@given(st.lists(st.tuples(st.floats(-1.1, 1.1), st.floats(0, 1)), max_size=6), st.floats(0, 1))
def test_scores_are_from_0_to_1(rows: list[tuple[float, float]], trust: float) -> None:
    found = scores([cosine for cosine, _ in rows], [words for _, words in rows], trust)
    assert len(found) == len(rows)
    assert all(0 <= score <= 1 + 1e-9 for score in found)


def test_a_perfect_passage_scores_1_and_a_strange_one_0() -> None:
    assert scores([1.0, -0.3], [1.0, 0.0]) == pytest.approx([1.0, 0.0])


def test_vector_and_words_each_raise_the_score() -> None:
    first, second, third = scores([0.5, 0.7, 0.5], [0.5, 0.5, 0.7])
    assert second > first
    assert third > first


def test_a_vector_that_is_not_trusted_changes_nothing() -> None:
    assert scores([0.9, 0.1], [0.4, 0.6], trust=0.0) == [0.4, 0.6]


def test_columns_of_unequal_length_are_a_bug() -> None:
    with pytest.raises(ValueError):
        scores([0.1], [0.1, 0.2])
