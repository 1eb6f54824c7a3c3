"""Words in a text."""

import subprocess
import sys
import unicodedata

import pytest

from rag import finding
from rag.finding import find

from .conftest import ROOT


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


def test_letters_whose_small_form_is_longer_or_stands_otherwise_at_an_end_shift_nothing() -> None:
    assert find("İİ  ΟΔΟΣ\t\tΟΔΟΣΑ", "οδοσ", 10) == ([(4, 8), (10, 14)], False)
    assert find("İİ  ΟΔΟΣ\t\tΟΔΟΣΑ", "ΟΔΟΣ οδος", 10) == ([(4, 14)], False)


def test_redos_texts_that_nearly_fit_everywhere_take_no_longer_than_others() -> None:
    """A pattern would try each beginning anew, for minutes; this takes a second."""
    hostile = """
from rag.finding import find
size = 6_000_000
for text, words in (
    ("a " * (size // 2), "a " * 499 + "b"),
    ("a" * size, "a" * 999 + "b"),
    (("a" + " " * 99) * (size // 100), "a " * 499 + "b"),
):
    assert find(text, words, 10) == ([], False)
"""
    subprocess.run([sys.executable, "-c", hostile], cwd=ROOT, timeout=100, check=True)


@pytest.mark.parametrize("size", range(1, 12))
def test_borders_between_slices_hide_and_double_nothing(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(finding, "_SLICE", size)
    text = "one two, one\ttwo; one one  two"
    assert find(text, "one two", 10) == ([(0, 7), (9, 16), (22, 30)], False)
    assert find("aaaaaaa", "aa", 10) == ([(0, 2), (2, 4), (4, 6)], False)
