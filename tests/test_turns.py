"""However many questions one has, the others have their turn."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from rag.turns import REMEMBERED, Crowd, Rota, Turns, in_turns

from .fakes import until


def asker(item: str) -> str:
    """Of `a1` it is `a`; of `-1` nobody."""
    return item[0].strip("-")


def test_one_with_many_does_not_keep_the_others_waiting() -> None:
    assert in_turns(["a1", "a2", "a3", "b1", "c1", "b2"], asker) == ["a1", "b1", "c1", "a2", "b2", "a3"]


def test_what_an_asker_is_served_already_counts_as_its_first() -> None:
    assert in_turns(["a1", "b1", "a2"], asker, served=["a"]) == ["b1", "a1", "a2"]


def test_those_without_a_name_are_always_new_ones() -> None:
    assert in_turns(["a1", "-1", "a2", "-2", "-3"], asker) == ["a1", "-1", "-2", "-3", "a2"]


@given(st.lists(st.sampled_from(["a", "b", "c", "-"]).map(lambda name: name + "1")))
def test_nothing_is_lost_and_each_keeps_its_own_order(waiting: list[str]) -> None:
    numbered = [f"{item[0]}{number}" for number, item in enumerate(waiting)]
    ordered = in_turns(numbered, asker)
    assert sorted(ordered) == sorted(numbered)
    for name in "abc":
        assert [one for one in ordered if asker(one) == name] == [one for one in numbered if asker(one) == name]


def test_nobody_takes_more_places_than_he_leaves() -> None:
    crowd = Crowd(8)
    while crowd.has_room("a"):
        crowd.add("a")
    assert len(crowd) == 4
    while crowd.has_room("b"):
        crowd.add("b")
    assert len(crowd) == 6
    assert crowd.has_room("c")


def test_those_without_a_name_take_all_places() -> None:
    crowd = Crowd(3)
    for _ in range(3):
        assert crowd.has_room("")
        crowd.add("")
    assert not crowd.has_room("")
    crowd.remove("")
    assert crowd.has_room("")


def test_only_so_many_come_before_one_as_take_their_turn_before() -> None:
    crowd = Crowd(100)
    for _ in range(10):
        crowd.add("a")
    crowd.add("")
    assert crowd.ahead("b") == 2, "one of a's, and the one without a name"
    assert crowd.ahead("a") == 11


async def test_places_are_taken_in_turns_and_given_back() -> None:
    turns, order = Turns(1), []
    hold = asyncio.Event()

    async def ask(name: str) -> None:
        async with turns.taken(name[0]):
            order.append(name)
            await hold.wait()

    tasks = [asyncio.create_task(ask(name)) for name in ("a1", "a2", "a3", "b1")]
    await until(lambda: order == ["a1"])
    hold.set()
    await asyncio.gather(*tasks)
    assert order == ["a1", "b1", "a2", "a3"]


async def test_who_gives_up_waiting_leaves_the_place_to_the_next() -> None:
    turns = Turns(1)
    async with turns.taken("a"):
        leaver, stayer = await _waiting(turns)
        leaver.cancel()
        await asyncio.wait([leaver])
    await asyncio.wait_for(stayer, 10)


async def test_who_gives_up_in_the_moment_of_its_turn_leaves_the_place_to_the_next() -> None:
    turns = Turns(1)
    async with turns.taken("a"):
        leaver, stayer = await _waiting(turns)
        leaver.cancel()
    await asyncio.wait_for(stayer, 10)
    await asyncio.wait([leaver])
    assert leaver.cancelled()


async def _waiting(turns: Turns) -> list[asyncio.Task[None]]:
    """Two who wait for their turn, in their order."""
    tasks = [asyncio.create_task(_taken(turns, name)) for name in ("b", "c")]
    await until(lambda: len(turns._waiting) == 2)
    return tasks


async def _taken(turns: Turns, name: str) -> None:
    async with turns.taken(name):
        pass


def test_however_many_wait_for_the_others_each_has_its_turn_where_there_is_one_place() -> None:
    rota, waiting, served = Rota(), ["a", "b"] * 5 + ["c"], []
    while waiting:
        served.append(rota.order(waiting, str)[0])
        rota.serve(served[-1])
        waiting.remove(served[-1])
    assert "".join(served) == "abc" + "ab" * 4


def test_who_has_one_question_after_the_other_does_not_come_before_those_who_wait() -> None:
    rota, served = Rota(), []
    for _ in range(6):
        # The two ask again as soon as they are answered.
        served.append(
            rota.order(["flood", "flood", *(each for each in ("b", "c") if each != "".join(served[-1:]))], str)[0]
        )
        rota.serve(served[-1])
    assert served.count("flood") == 2


def test_only_so_many_last_turns_are_remembered() -> None:
    rota = Rota()
    for number in range(2 * REMEMBERED):
        rota.serve(str(number))
    assert len(rota._last) == REMEMBERED
