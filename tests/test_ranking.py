"""A score is absolute, from 0 to 1, and rises with what a passage says of what was asked."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.ranking import coverage, hangul_share, has_unspaced, scores, terms

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


def test_coverage_is_1_for_all_that_was_asked_and_0_for_nothing_of_it() -> None:
    assert coverage("warranty period", ["the period of the warranty", "a recipe for bread"]) == pytest.approx(
        [1.0, 0.0]
    )


def test_a_rare_word_covers_more_than_a_common_one() -> None:
    texts = ["battery of it", "price of it", "colour of it", "warranty of the battery"]
    common, *_, rare = coverage("battery warranty", texts)
    alone = coverage("battery warranty", ["battery", "battery", "battery", "warranty"])
    assert rare > common
    assert alone[3] > alone[0]


def test_without_words_there_is_nothing_to_cover() -> None:
    assert coverage("?!", ["a", "b"]) == [0.0, 0.0]
    assert coverage("a", []) == []


@steady
@given(TEXT, st.lists(TEXT, max_size=5))
def test_coverage_is_from_0_to_1(query: str, texts: list[str]) -> None:
    found = coverage(query, texts)
    assert len(found) == len(texts)
    assert all(0 <= share <= 1 + 1e-9 for share in found)


SHARES = st.floats(0, 1)


@steady
@given(st.lists(st.tuples(st.floats(-1.1, 1.1), SHARES, st.floats(0, 100)), max_size=6))
def test_scores_are_from_0_to_1(rows: list[tuple[float, float, float]]) -> None:
    cosines, coverages, matches = [list(column) for column in zip(*rows, strict=True)] or ([], [], [])
    found = scores(cosines=cosines, coverages=coverages, matches=matches)
    assert len(found) == len(rows)
    assert all(0 <= score <= 1 + 1e-9 for score in found)


def test_a_perfect_passage_scores_1_and_a_strange_one_0() -> None:
    assert scores(cosines=[1.0, -0.3], coverages=[1.0, 0.0], matches=[7.0, 0.0]) == pytest.approx([1.0, 0.0])


@pytest.mark.parametrize("better", ["cosines", "coverages", "matches"])
def test_each_part_of_the_score_raises_it(better: str) -> None:
    rows = {"cosines": [0.5, 0.5], "coverages": [0.5, 0.5], "matches": [3.0, 3.0]}
    rows[better] = [rows[better][0] * 1.5, rows[better][1]]
    first, second = scores(**rows)
    assert first > second


def test_bm25_of_words_that_cover_nothing_cannot_make_a_passage_relevant() -> None:
    # BM25 has no scale: the best of a bad lot is still bad.
    assert scores(cosines=[0.1], coverages=[0.05], matches=[50.0])[0] < 0.1


def test_columns_of_unequal_length_are_a_bug() -> None:
    with pytest.raises(ValueError):
        scores(cosines=[0.1], coverages=[0.1, 0.2], matches=[0.0])
