"""Drafts: only what really followed the same words before, and only where it pays."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.drafting import BOUNDS, LONGEST_DRAFT, SHORTEST_MATCH, Lookup, Worth

# Few different ones, so that they repeat.
TOKENS = st.lists(st.integers(0, 3), max_size=80)
FLAT = ((1, 1.0), (64, 1.0))
LINEAR = ((1, 1.0), (64, 64.0))
# As measured where few rows cost little more than one: a step, then a slope.
STEP = ((1, 1.0), (8, 1.4), (16, 2.0), (64, 8.0))


@st.composite
def costs(draw: st.DrawFn) -> list[tuple[int, float]]:
    """Of 1 row and more, never less for more rows."""
    rows = draw(st.lists(st.integers(2, 200), min_size=1, max_size=6, unique=True))
    steps = draw(st.lists(st.floats(0.0, 3.0), min_size=len(rows), max_size=len(rows)))
    cost = [(1, draw(st.floats(0.01, 3.0)))]
    for count, step in zip(sorted(rows), steps, strict=True):
        cost.append((count, cost[-1][1] + step))
    return cost


RATES = st.lists(st.floats(0.0, 1.0), min_size=len(BOUNDS) + 1, max_size=len(BOUNDS) + 1)


def naive(tokens: list[int], size: int) -> list[int]:
    """Where the last `size` tokens have stood before: the places behind them."""
    return [end for end in range(size, len(tokens)) if tokens[end - size : end] == tokens[-size:]]


# Looking up.


@given(TOKENS, st.integers(1, LONGEST_DRAFT))
def test_what_is_proposed_followed_the_same_tokens_before(tokens: list[int], most: int) -> None:
    lookup = Lookup(list(tokens))
    proposal = lookup.proposal(most)
    assert len(proposal) <= most
    if proposal:
        assert lookup.length >= SHORTEST_MATCH
        followed = [tokens[end : end + most] for end in naive(tokens, lookup.length)]
        assert proposal in followed


@given(TOKENS)
def test_something_is_proposed_exactly_where_the_last_tokens_have_stood_before(tokens: list[int]) -> None:
    lookup = Lookup(list(tokens))
    assert bool(lookup.proposal()) == bool(naive(tokens, SHORTEST_MATCH))
    assert (lookup.length > 0) == bool(lookup.proposal())
    # The longer match goes before the shorter.
    if naive(tokens, SHORTEST_MATCH + 1):
        assert lookup.length > SHORTEST_MATCH


@given(TOKENS, TOKENS, st.integers(1, 9))
def test_token_by_token_it_finds_the_same_as_at_once(prompt: list[int], answer: list[int], step: int) -> None:
    lookup = Lookup(list(prompt))
    for start in range(0, len(answer), step):
        lookup.extend(answer[start : start + step])
    at_once = Lookup(prompt + answer)
    assert lookup.tokens == at_once.tokens == prompt + answer
    assert (lookup.length, lookup.proposal()) == (at_once.length, at_once.proposal())


@given(TOKENS, TOKENS)
def test_the_tokens_of_the_caller_stay_his_own(prompt: list[int], answer: list[int]) -> None:
    mine = list(prompt)
    Lookup(mine).extend(answer)
    assert mine == prompt


def test_a_quotation_is_followed_to_its_end() -> None:
    passage = list(range(100, 150))
    lookup = Lookup([*passage, 1, 2, 3, *passage[:2]])
    for place in range(2, 50):
        assert lookup.length == place
        assert lookup.proposal() == [*passage, 1, 2, 3, *passage][place : place + LONGEST_DRAFT]
        lookup.extend([passage[place]])


def test_the_last_time_goes_before_the_first() -> None:
    assert Lookup([5, 6, 7, 0, 5, 6, 8, 0, 5, 6]).proposal(1) == [8]


# What drafts are worth.


@given(RATES, st.lists(st.tuples(st.integers(SHORTEST_MATCH, 60), st.booleans()), max_size=200))
def test_rates_stay_rates(rates: list[float], outcomes: list[tuple[int, bool]]) -> None:
    worth = Worth(FLAT, rates)
    for length, right in outcomes:
        worth.learn(length, right)
    assert all(0.0 <= rate <= 1.0 for rate in worth.rates)


@given(st.integers(SHORTEST_MATCH, 60), st.booleans())
def test_one_outcome_moves_the_one_rate_of_its_length(length: int, right: bool) -> None:
    worth, before = Worth(FLAT), Worth(FLAT).rates
    worth.learn(length, right)
    moved = [index for index, rate in enumerate(worth.rates) if rate != before[index]]
    assert moved == [sum(length > bound for bound in BOUNDS)]
    assert (worth.rates[moved[0]] > before[moved[0]]) == right


@given(costs())
def test_seconds_go_through_what_was_measured_and_rise_beyond(cost: list[tuple[int, float]]) -> None:
    worth = Worth(cost)
    for rows, seconds in cost:
        assert worth.seconds(rows) == pytest.approx(seconds)
    seconds = [worth.seconds(rows) for rows in range(1, 400)]
    assert all(more >= less - 1e-9 for less, more in pairwise(seconds))
    for (low, least), (high, most) in pairwise(cost):
        assert worth.seconds((low + high) // 2) == pytest.approx(
            least + (most - least) * ((low + high) // 2 - low) / (high - low)
        )


DRAFTS = st.tuples(st.integers(2, 60), st.integers(0, LONGEST_DRAFT), st.integers(1, 40), st.integers(-3, 60))


@given(costs(), RATES, DRAFTS)
def test_a_draft_is_never_longer_than_its_proposal_and_the_room(
    cost: list[tuple[int, float]], rates: list[float], draft: tuple[int, int, int, int]
) -> None:
    _, proposed, _, room = draft
    assert 0 <= Worth(cost, rates).draft(*draft) <= max(0, min(proposed, room))


@given(costs(), RATES, DRAFTS)
def test_a_draft_pays_by_its_own_figures(
    cost: list[tuple[int, float]], rates: list[float], draft: tuple[int, int, int, int]
) -> None:
    worth = Worth(cost, rates)
    length, _, rows, _ = draft
    if count := worth.draft(*draft):
        expected, right = float(rows), 1.0
        for place in range(count):
            right *= rates[sum(length + place > bound for bound in BOUNDS)]
            expected += right
        assert expected / worth.seconds(rows + count) > rows / worth.seconds(rows)


@pytest.mark.parametrize("cost", [(), ((1, 1.0),)])
def test_without_figures_there_are_no_drafts(cost: tuple[tuple[int, float], ...]) -> None:
    assert Worth(cost, [1.0] * 6).draft(30, 32, 1, 64) == 0


@given(RATES, DRAFTS)
def test_where_rows_cost_the_same_each_there_are_no_drafts(
    rates: list[float], draft: tuple[int, int, int, int]
) -> None:
    assert Worth(LINEAR, rates).draft(*draft) == 0


@given(DRAFTS)
def test_where_drafts_are_always_wrong_there_are_none(draft: tuple[int, int, int, int]) -> None:
    assert Worth(FLAT, [0.0] * 6).draft(*draft) == 0


@given(st.sampled_from([FLAT, STEP]), st.integers(2, 30), st.integers(1, 8))
def test_the_more_often_they_are_right_the_longer_they_get(
    cost: tuple[tuple[int, float], ...], length: int, rows: int
) -> None:
    drafts = [Worth(cost, [rate / 20] * 6).draft(length, 32, rows, 60) for rate in range(21)]
    assert drafts == sorted(drafts)
    assert drafts[0] == 0
    assert drafts[-1] > 0


@pytest.mark.parametrize("cost", [FLAT, STEP])
def test_drafts_stop_while_they_are_wrong_and_come_back_when_they_are_right(
    cost: tuple[tuple[int, float], ...],
) -> None:
    worth = Worth(cost)
    assert worth.draft(10, 32, 1, 60) > 0
    for _ in range(300):
        for length in (2, 3, 4, 8, 12, 20):
            worth.learn(length, False)
    assert worth.draft(10, 32, 1, 60) == 0
    for _ in range(100):
        for length in (2, 3, 4, 8, 12, 20):
            worth.learn(length, True)
    assert worth.draft(10, 32, 1, 60) > 0


def test_the_first_rates_are_the_same_for_every_engine() -> None:
    Worth(FLAT).learn(5, True)
    assert Worth(FLAT).rates == Worth(LINEAR).rates
