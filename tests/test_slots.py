"""Which sequence a prompt gets and which rows of a step: nothing lost, nobody starved, nothing taken for a prefix."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from rag.slots import COPY_PAYS, LEFT, Choice, Slot, choose, common_prefix, share

ROWS = st.lists(st.integers(0, 300), max_size=8)
BUDGETS = st.integers(1, 128)


def naive_prefix(left: Sequence[int], right: Sequence[int]) -> int:
    length = 0
    while length < min(len(left), len(right)) and left[length] == right[length]:
        length += 1
    return length


@st.composite
def token_lists(draw: st.DrawFn) -> list[int]:
    """Tokens that often begin alike: a few beginnings, shorter or longer than a copy pays for, and some more."""
    beginning = draw(st.sampled_from([(), (1,) * 10, (1,) * COPY_PAYS, (1,) * 40 + (2,) * 40, (2,) * 50]))
    return [*beginning[: draw(st.integers(0, 80))], *draw(st.lists(st.integers(1, 3), max_size=20))]


@st.composite
def slot_lists(draw: st.DrawFn) -> list[Slot]:
    numbers = range(draw(st.integers(1, 6)))
    return [Slot(number, draw(token_lists()), draw(st.integers(0, 9)), draw(st.booleans())) for number in numbers]


PROMPTS = token_lists().filter(bool)

# The common prefix.


@given(token_lists(), token_lists())
def test_the_common_prefix_is_what_comparing_one_by_one_finds(left: list[int], right: list[int]) -> None:
    assert common_prefix(left, right) == naive_prefix(left, right) == common_prefix(right, left)


@given(token_lists(), token_lists())
def test_a_prompt_and_what_follows_it_share_all_of_the_prompt(prompt: list[int], more: list[int]) -> None:
    assert common_prefix(prompt, prompt + more) == len(prompt)


# Choosing.


@given(slot_lists(), PROMPTS, st.booleans())
def test_a_prompt_gets_a_free_slot_or_none_where_all_are_busy(
    slots: list[Slot], prompt: list[int], cuttable: bool
) -> None:
    choice = choose(slots, prompt, cuttable=cuttable)
    assert (choice is None) == all(slot.busy for slot in slots)
    assert choice is None or (choice.slot in slots and not choice.slot.busy)


@given(slot_lists(), PROMPTS, st.booleans())
def test_what_is_kept_is_there_and_leaves_tokens_to_compute(
    slots: list[Slot], prompt: list[int], cuttable: bool
) -> None:
    choice = choose(slots, prompt, cuttable=cuttable)
    if choice:
        held = (choice.source or choice.slot).tokens
        assert 0 <= choice.kept <= max(0, len(prompt) - LEFT)
        assert held[: choice.kept] == prompt[: choice.kept]
        assert cuttable or choice.kept in (0, len(held)), "what cannot be cut is kept as a whole"


@given(slot_lists(), PROMPTS)
def test_no_slot_has_more_than_a_copy_is_worth_of_the_prompt_than_is_kept(slots: list[Slot], prompt: list[int]) -> None:
    choice = choose(slots, prompt)
    if choice:
        best = max(min(naive_prefix(slot.tokens, prompt), len(prompt) - LEFT) for slot in slots)
        assert best - choice.kept < COPY_PAYS


@given(slot_lists(), PROMPTS, st.booleans())
def test_a_copy_is_made_only_where_it_pays(slots: list[Slot], prompt: list[int], cuttable: bool) -> None:
    choice = choose(slots, prompt, cuttable=cuttable)
    if choice and choice.source:
        assert choice.source is not choice.slot
        here = min(naive_prefix(choice.slot.tokens, prompt), len(prompt) - LEFT)
        if not cuttable and here < len(choice.slot.tokens):
            here = 0
        assert choice.kept - here >= COPY_PAYS


@given(slot_lists(), PROMPTS, st.booleans())
def test_what_is_lost_was_empty_or_alike_or_used_least_recently(
    slots: list[Slot], prompt: list[int], cuttable: bool
) -> None:
    choice = choose(slots, prompt, cuttable=cuttable)
    if choice and naive_prefix(choice.slot.tokens, prompt) * 2 < len(choice.slot.tokens):
        free = [slot for slot in slots if not slot.busy]
        assert all(slot.tokens for slot in free), "there was an empty one"
        assert choice.slot.used == min(slot.used for slot in free)


def test_a_conversation_goes_on_where_it_was() -> None:
    slots = [Slot(0, [9] * 50, used=1), Slot(1, [1] * 60, used=7), Slot(2)]
    assert choose(slots, [1] * 60 + [2] * 5) == Choice(slots[1], 60)


def test_a_long_conversation_is_not_given_up_for_a_question_that_begins_like_it() -> None:
    slots = [Slot(0, [1] * 40 + [2] * 400, used=7), Slot(1, [9] * 50, used=1)]
    assert choose(slots, [1] * 40 + [3] * 9) == Choice(slots[1], 40, slots[0])
    assert choose(slots, [1] * (COPY_PAYS - 1) + [3] * 9) == Choice(slots[1], 0), "too short to be copied"


def test_a_prefix_in_use_is_copied() -> None:
    slots = [Slot(0, [1] * 40, busy=True), Slot(1, [9] * 50, used=1), Slot(2, [8], used=2)]
    assert choose(slots, [1] * 49) == Choice(slots[1], 40, slots[0])


def test_what_cannot_be_cut_is_nothing_to_a_prompt_that_leaves_it() -> None:
    slots = [Slot(0, [1] * 40 + [2], used=1), Slot(1, [1] * 39, used=2)]
    assert choose(slots, [1] * 50, cuttable=False) == Choice(slots[1], 39)
    assert choose(slots, [1] * 39, cuttable=False) == Choice(slots[0], 0)


# Sharing.


@given(ROWS, BUDGETS)
def test_nobody_gets_more_than_is_left_and_all_not_more_than_the_budget(left: list[int], budget: int) -> None:
    rows = share(left, budget)
    assert len(rows) == len(left)
    assert all(0 <= given <= need for given, need in zip(rows, left, strict=True))
    assert sum(rows) == min(budget, sum(left)), "and nothing is left over that somebody could use"


@given(ROWS.filter(bool), BUDGETS)
def test_the_oldest_gets_at_least_half_of_what_it_can_use(left: list[int], budget: int) -> None:
    assert share(left, budget)[0] >= min(left[0], (budget + 1) // 2)


@given(ROWS.filter(bool), BUDGETS)
def test_the_rest_goes_to_the_one_that_is_soonest_done(left: list[int], budget: int) -> None:
    rows = share(left, budget)
    shortest = left.index(min(left))
    assert rows[shortest] >= min(left[shortest], budget - min(left[0], (budget + 1) // 2))


@given(st.lists(st.integers(1, 200), min_size=1, max_size=8), st.integers(1, 64), st.data())
def test_every_prompt_is_read_and_the_oldest_soon_whatever_comes(
    arrivals: list[int], budget: int, data: st.DataObject
) -> None:
    waiting: list[int] = []
    limit = steps = 0
    while arrivals or waiting:
        if arrivals and (not waiting or data.draw(st.booleans())):
            waiting.append(arrivals.pop())
            if len(waiting) == 1:
                limit, steps = 2 * waiting[0] // budget + 1, 0
        waiting = [need - given for need, given in zip(waiting, share(waiting, budget), strict=True)]
        steps += 1
        assert steps <= limit, "the oldest would starve"
        if waiting[0] == 0:
            left = [need for need in waiting if need]
            limit, steps = 2 * left[0] // budget + 1 if left else 0, 0
        waiting = [need for need in waiting if need]


# Both together.


class Reader:
    """One prompt on its way: what of it is in its slot, and what is left."""

    def __init__(self, prompt: list[int]) -> None:
        self.prompt = prompt
        self.slot: Slot | None = None

    @property
    def left(self) -> int:
        return len(self.prompt) - (len(self.slot.tokens) if self.slot else 0)


@given(st.integers(1, 4), st.integers(1, 40), st.lists(PROMPTS, max_size=12), st.booleans(), st.data())
def test_every_prompt_is_read_whole_and_once_whatever_comes_and_goes(
    sequences: int, budget: int, prompts: list[list[int]], cuttable: bool, data: st.DataObject
) -> None:
    slots = [Slot(number) for number in range(sequences)]
    readers: list[Reader] = []
    done = cancelled = step = 0
    arrivals = list(prompts)
    while arrivals or readers:
        step += 1
        if arrivals and (not readers or data.draw(st.booleans())):
            readers.append(Reader(arrivals.pop()))
        if readers and data.draw(st.integers(0, 9)) == 9:
            gone = readers.pop(data.draw(st.integers(0, len(readers) - 1)))
            cancelled += 1
            if gone.slot:
                gone.slot.busy, gone.slot.used = False, step
        for reader in readers:
            if reader.slot is None and (choice := choose(slots, reader.prompt, cuttable=cuttable)):
                held = choice.source.tokens if choice.source else choice.slot.tokens
                choice.slot.tokens = held[: choice.kept]
                choice.slot.busy, reader.slot = True, choice.slot
        begun = [reader for reader in readers if reader.slot]
        rows = share([reader.left for reader in begun], budget)
        assert sum(rows) == min(budget, sum(reader.left for reader in begun))
        for reader, given_rows in zip(begun, rows, strict=True):
            assert reader.slot is not None
            reader.slot.tokens += reader.prompt[len(reader.slot.tokens) :][:given_rows]
            assert reader.slot.tokens == reader.prompt[: len(reader.slot.tokens)]
            if reader.left == 0:
                readers.remove(reader)
                reader.slot.busy, reader.slot.used = False, step
                done += 1
        assert len({id(reader.slot) for reader in begun}) == len(begun) <= sequences
        assert sum(slot.busy for slot in slots) == sum(reader.slot is not None for reader in readers)
    assert done + cancelled == len(prompts)
