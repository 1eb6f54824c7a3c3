"""Numbers and names of a text."""

from __future__ import annotations

import pytest

from rag.facts import holds_names, initials, lacks_numbers, latin_words, names, numbers


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("24 months", [24]),
        ("1,234.5 kg", [1234.5]),
        ("17.8 million people", [17_800_000]),
        ("two thousand guests", [2000]),
        ("twenty-four hours", [24]),
        ("two hundred and five", [200, 5]),
        ("the third timeline", [3]),
        ("5million", [5_000_000]),
        ("one of the oldest", []),
        ("49억300만 원", [4_903_000_000]),
        ("1억 2천만", [120_000_000]),
        ("9만9900주", [99_900]),
        ("두 명과 세 번", [2, 3]),
        ("두려운 세상", []),
        ("2015년 11월 5일", [2015, 11, 5]),
    ],
)
def test_values_of_figures_and_words(text: str, values: list[float]) -> None:
    assert numbers(text) == values


@pytest.mark.parametrize(
    ("said", "source", "lacking"),
    [
        ("24 months", "twenty-four months", 0),
        ("17.8 million", "17,786,419", 0),
        ("19.2 million", "17,786,419", 1),
        ("in 1990", "in 1989", 1),
        ("3 of 5", "5 of 9", 0.5),
        ("약 5만 명", "50,000명", 0),
    ],
)
def test_a_number_is_held_as_it_is_or_rounded(said: str, source: str, lacking: float) -> None:
    assert lacks_numbers(numbers(said), numbers(source)) == lacking


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("The pump was built by Siemens in Berlin.", ["Siemens", "Berlin"]),
        ("Albert Einstein liked it, and I do too.", ["Albert", "Einstein"]),
        ("Warranty covers the X200.", ["X200"]),
        ("연구는 MIT에서 John Smith가 했다.", ["MIT", "John", "Smith"]),
        ("평균 높이는 4500m 이상이다.", []),
    ],
)
def test_names_are_what_capitals_show(sentence: str, expected: list[str]) -> None:
    assert names(sentence) == expected


@pytest.mark.parametrize(
    ("name", "source", "held"),
    [
        ("Avenue", "Nielsen Ave", True),
        ("American", "in America", True),
        ("US", "the United States of old", True),
        ("Siemens'", "siemens", True),
        ("X200", "the X201", False),
        ("Berlin", "in Bern", False),
    ],
)
def test_a_name_is_held_in_a_form_of_it(name: str, source: str, held: bool) -> None:
    assert holds_names([name], latin_words(source), initials(source)) is held
