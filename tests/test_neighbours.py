"""What meets is one, and stands where the best of it stood."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from rag.neighbours import joined

Span = tuple[int, int]


def touching(a: Span, b: Span) -> Span | None:
    first, second = sorted((a, b))
    return (first[0], max(first[1], second[1])) if second[0] <= first[1] else None


def test_what_a_later_one_brings_together_stands_in_the_place_of_the_best() -> None:
    assert joined([(9, 10), (0, 2), (20, 21), (4, 6), (2, 4)], touching) == [(9, 10), (0, 6), (20, 21)]


def test_what_does_not_meet_stays_as_it_is() -> None:
    assert joined([(4, 5), (0, 1)], touching) == [(4, 5), (0, 1)]
    assert joined([], touching) == []


@settings(deadline=None, database=None)
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 9)), max_size=9))
def test_nothing_that_is_left_meets_and_nothing_is_lost(rows: list[Span]) -> None:
    spans = [(start, start + length) for start, length in rows]
    whole = joined(spans, touching)
    assert not any(touching(a, b) for at, a in enumerate(whole) for b in whole[:at])
    assert {n for a, b in spans for n in range(a, b)} == {n for a, b in whole for n in range(a, b)}
