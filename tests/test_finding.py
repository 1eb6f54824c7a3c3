"""Words in a text."""

import unicodedata

import pytest

from rag import finding
from rag.finding import find


def test_words_are_found_in_any_case_and_across_lines() -> None:
    assert find("The WARRANTY\n  period. A warranty period", "warranty period", 10) == ([(4, 21), (25, 40)], False)


def test_korean_typed_in_separate_letters_is_found() -> None:
    assert find("🙂 보증 기간은", unicodedata.normalize("NFD", "보증"), 10) == ([(2, 4)], False)


def test_signs_of_patterns_are_letters_like_others() -> None:
    assert find("a.b (c) axb", "a.b (c)", 10) == ([(0, 7)], False)


@pytest.mark.parametrize("words", ["", " \n", "nowhere"])
def test_what_is_not_there_has_no_place(words: str) -> None:
    assert find("some text", words, 10) == ([], False)


def test_no_more_than_asked_for_and_whether_there_are_more() -> None:
    assert find("aa a a", "a", 4) == ([(0, 1), (1, 2), (3, 4), (5, 6)], False)
    assert find("aa a a", "a", 3) == ([(0, 1), (1, 2), (3, 4)], True)


@pytest.mark.parametrize("size", range(1, 12))
def test_borders_between_slices_hide_and_double_nothing(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(finding, "_SLICE", size)
    text = "one two, one\ttwo; one one  two"
    assert find(text, "one two", 10) == ([(0, 7), (9, 16), (22, 30)], False)
    assert find("aaaaaaa", "aa", 10) == ([(0, 2), (2, 4), (4, 6)], False)
