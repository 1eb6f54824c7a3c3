"""No pattern takes the square of a text's length: with that, these tests would run for minutes."""

from __future__ import annotations

import re

import pytest

from rag import candidates, evidence, facts, grounding

LENGTH = 100_000
STORMS = ["1", "a", "A", ".", "...!", "다.", "이", "\n", "(", '"', "인", "*"]


@pytest.mark.parametrize("storm", STORMS)
@pytest.mark.parametrize(
    "pattern",
    [
        *(evidence.DATE, evidence.NUMBER, candidates._KOREAN_FOCUS[1], candidates._KOREAN_KEY, facts._CAPITALS),
        *(grounding._AFTER_STOP, grounding._MARKUP),
    ],
    ids=lambda pattern: str(pattern.pattern)[:20],
)
def test_a_long_row_of_one_sign_is_looked_at_once(pattern: re.Pattern[str], storm: str) -> None:
    if pattern is facts._CAPITALS and storm == "A":
        # As one word it matches nothing; the run is tried from its first letter alone.
        assert not pattern.findall(storm * LENGTH)
    pattern.sub("", storm * (LENGTH // len(storm)) + "\0")


def test_what_the_patterns_find_is_what_they_found_before() -> None:
    assert evidence.DATE.findall("in 1998, 12년 3월, 20 BC, 18th century, May, x12일") == [
        *("1998", "12년", "3월", "20 BC", "18th century", "May", "12일")
    ]
    assert facts._CAPITALS.findall("the World Health Organization and fooBar Baz") == [
        *("World Health Organization", "Bar Baz")
    ]
    assert grounding._AFTER_STOP.sub(r"\2\1", 'It is so... [1] He said "no!" [2][3] end') == (
        'It is so [1]... He said "no [2][3]!" end'
    )
    assert grounding._MARKUP.sub("", "a\n\n\n- b\n1. c **d**") == "a\nb\nc d"
