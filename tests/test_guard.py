"""Keys, logins and guesses, with a clock of their own."""

from __future__ import annotations

import pytest

from rag.errors import RagError
from web import guard
from web.guard import FREE, LOGIN_LIFE, MOST_ADDRESSES, MOST_LOGINS, Guard

from .fakes import Clock

KEY = "correct-horse-battery"


def outcome(door: Guard, key: str, address: str = "10.0.0.1") -> str:
    try:
        door.check(key, address)
    except RagError as error:
        return error.code
    return "in"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def door(clock: Clock) -> Guard:
    return Guard([KEY, "another-key"], clock)


@pytest.mark.parametrize("wrong", ["", "correct", KEY + "x", KEY.upper(), "ключ", "\ud800"])
def test_any_of_the_keys_opens_and_nothing_else(door: Guard, wrong: str) -> None:
    assert outcome(door, KEY) == outcome(door, "another-key") == "in"
    assert outcome(door, wrong) == "AUTH-002"


def test_every_key_is_compared_whichever_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def compare(a: bytes, b: bytes) -> bool:
        compared.append((len(a), len(b)))
        return a == b

    monkeypatch.setattr(guard.hmac, "compare_digest", compare)
    door = Guard(["first-key", "second-key", "third-key"])
    assert outcome(door, "first-key") == "in"
    assert compared == [(32, 32)] * 3


def test_guesses_wait_ever_longer_and_even_the_right_key_waits_with_them(door: Guard, clock: Clock) -> None:
    waits = []
    for number in range(FREE + 9):
        assert outcome(door, f"guess {number}") == "AUTH-002"
        with pytest.raises(RagError) as refused:
            # The first few do not wait at all.
            door.check(KEY, "10.0.0.1")
            raise RagError("RATE-002", seconds=0)
        waits.append(refused.value.data["seconds"])
        clock.now += waits[-1]
    assert waits == [0] * (FREE - 1) + [1, 2, 4, 8, 16, 32, 64, 64, 64, 64]
    assert outcome(door, KEY) == "in"


def test_who_guesses_does_not_keep_others_out_and_is_forgotten_after_a_while(door: Guard, clock: Clock) -> None:
    for number in range(FREE):
        outcome(door, f"guess {number}")
    assert outcome(door, KEY) == "RATE-002"
    assert outcome(door, KEY, "10.0.0.2") == "in"
    clock.now += guard.FORGOTTEN + 1
    for number in range(FREE - 1):
        assert outcome(door, f"guess {number}") == "AUTH-002"
    assert outcome(door, KEY) == "in"


def test_a_program_with_one_wrong_key_keeps_nobody_behind_its_address_out(door: Guard) -> None:
    for _ in range(100):
        assert outcome(door, "an old key") == "AUTH-002"
    assert outcome(door, KEY) == "in"


def test_a_network_of_addresses_counts_as_one_client(door: Guard) -> None:
    for number in range(FREE):
        outcome(door, f"guess {number}", f"2001:db8::{number}")
    assert outcome(door, KEY, "2001:db8::ffff") == "RATE-002"
    assert outcome(door, KEY, "2001:db8:0:1::1") == "in"
    assert outcome(door, KEY, "not an address") == "in"


def test_the_memory_of_guesses_and_logins_is_bounded(door: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(MOST_ADDRESSES + 10):
        outcome(door, "guess", f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(door._attempts) == MOST_ADDRESSES
    first = door.log_in()
    for _ in range(MOST_LOGINS):
        last = door.log_in()
    assert not door.has_login(first)
    assert door.has_login(last)


def test_a_login_is_a_secret_of_its_own_and_ends(door: Guard, clock: Clock) -> None:
    one, other = door.log_in(), door.log_in()
    assert one != other
    assert len(one) >= 43
    assert KEY not in one
    assert not door.has_login("")
    assert not door.has_login(KEY)
    door.log_out(one)
    door.log_out("never there")
    assert [door.has_login(token) for token in (one, other)] == [False, True]
    clock.now += LOGIN_LIFE
    assert not door.has_login(other)


def test_without_keys_none_is_needed() -> None:
    assert not Guard([]).is_needed
    assert outcome(Guard([]), "") == "AUTH-002"


def test_a_guard_shows_no_key() -> None:
    door = Guard([KEY])
    assert KEY not in repr(vars(door))
