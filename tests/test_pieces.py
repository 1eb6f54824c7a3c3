"""From bytes to text: however the bytes are cut, the same thinking, the same answer, the same end."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.pieces import Pieces
from rag.types import Token


def joined(tokens: Iterable[Token]) -> tuple[str, str]:
    """(thinking, answer)"""
    kept = list(tokens)
    thought = "".join(token.text for token in kept if token.thinking)
    return thought, "".join(token.text for token in kept if not token.thinking)


def fed(*texts: str | bytes, stop: Sequence[str] = (), thinking: bool = False) -> list[list[tuple[str, bool]]]:
    """What each feed gave, and the close at the end, as (text, thinking)."""
    pieces = Pieces(stop, thinking)
    given = [pieces.feed(text.encode() if isinstance(text, str) else text) for text in texts]
    return [[(token.text, token.thinking) for token in tokens] for tokens in [*given, pieces.close()]]


def said(*texts: str | bytes, stop: Sequence[str] = ()) -> list[str]:
    """The text of each feed and of the close, for answers without thinking."""
    return ["".join(text for text, thinking in tokens if not thinking) for tokens in fed(*texts, stop=stop)]


def parts_of(text: str, thinking: bool) -> tuple[str, str]:
    """(thinking, answer) of a whole text without regard to stop strings."""
    if not thinking:
        if not text.lstrip().startswith("<think>"):
            return "", text
        text = text.lstrip().removeprefix("<think>")
    thought, _, answer = text.lstrip().partition("</think>")
    return thought, answer.lstrip()


def whole(data: bytes, stop: Sequence[str], thinking: bool) -> tuple[str, str, bool]:
    """(thinking, answer, stopped) of all bytes at once: the plain reading that any cut must agree with."""
    thought, answer = parts_of(codecs.utf_8_decode(data, "replace", False)[0], thinking)
    ends = [answer.index(text) for text in stop if text and text in answer]
    return thought, answer[: min(ends, default=len(answer))], bool(ends)


# Fragments that meet tags and stop strings half-way, characters of one to four bytes, and what is no UTF-8.
FRAGMENTS = [*"<think> </think> <think </ < > a b ab aab 안 녕 안녕 🙂 é".split(" "), " ", "\n", "\n\n", "\u3000"]
FRAGMENT = (st.sampled_from(FRAGMENTS) | st.text(max_size=3)).map(str.encode) | st.binary(max_size=3)
DATA = st.lists(FRAGMENT, max_size=12).map(b"".join)
THOUGHTFUL = st.tuples(st.sampled_from([b"", b"<think>", b" \n<think>\n"]), DATA, st.just(b"</think>\n"), DATA).map(
    b"".join
)
STOPS = st.lists(st.text("ab<t\n안🙂", max_size=4), max_size=4)


@st.composite
def cuts(draw: st.DrawFn) -> list[bytes]:
    """An answer's bytes, cut anywhere."""
    data = draw(DATA | THOUGHTFUL)
    places = sorted(draw(st.lists(st.integers(0, len(data)), max_size=len(data))))
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]


@given(cuts(), STOPS, st.booleans())
def test_any_cut_gives_the_same_text(cut: list[bytes], stop: list[str], thinking: bool) -> None:
    pieces = Pieces(stop, thinking)
    tokens = [token for data in cut for token in pieces.feed(data)] + pieces.close()
    assert (*joined(tokens), pieces.stopped) == whole(b"".join(cut), stop, thinking)


@given(cuts(), STOPS, st.booleans())
def test_only_what_may_become_a_tag_or_a_stop_is_held(cut: list[bytes], stop: list[str], thinking: bool) -> None:
    pieces, tokens, data = Pieces(stop, thinking), list[Token](), b""
    for piece in cut:
        data += piece
        tokens += pieces.feed(piece)
        if pieces.stopped:
            break
        text = codecs.utf_8_decode(data, "replace", False)[0]
        if not thinking and "<think>".startswith(text.lstrip()):
            assert tokens == []
            continue
        (thought, answer), (thought_out, answer_out) = parts_of(text, thinking), joined(tokens)
        assert thought.startswith(thought_out)
        assert answer.startswith(answer_out)
        assert "</think>".startswith(thought[len(thought_out) :])
        held = answer[len(answer_out) :]
        assert not held or any(string.startswith(held) for string in stop)


@given(cuts(), STOPS, st.booleans())
def test_a_feed_gives_at_most_thinking_and_then_answer_and_never_nothing_as_a_token(
    cut: list[bytes], stop: list[str], thinking: bool
) -> None:
    pieces = Pieces(stop, thinking)
    for tokens in [*map(pieces.feed, cut), pieces.close()]:
        assert [token.thinking for token in tokens] in ([], [True], [False], [True, False])
        assert all(token.text and token.finish is None for token in tokens)


# Characters.


def test_a_character_waits_for_its_last_byte() -> None:
    assert said(*[bytes([byte]) for byte in "녕🙂".encode()]) == ["", "", "녕", "", "", "", "🙂", ""]


def test_what_is_no_utf_8_is_replaced_as_soon_as_that_is_certain() -> None:
    assert said(b"\xff", b"a\xec", b"b") == ["\ufffd", "a", "\ufffdb", ""]


def test_half_a_character_never_leaves() -> None:
    assert said(b"a\xec\x95") == ["a", ""]


# Stop strings.


def test_a_stop_string_is_never_said_and_ends_the_answer() -> None:
    pieces = Pieces(["END"])
    assert pieces.feed(b"so E") == [Token("so ")]
    assert not pieces.stopped
    assert pieces.feed(b"ND and more") == []
    assert pieces.stopped
    assert pieces.feed(b"more") == pieces.close() == []


def test_what_only_looked_like_a_stop_string_comes_out_as_soon_as_it_is_none() -> None:
    assert said("a E", "N", "d", stop=["END"]) == ["a ", "", "ENd", ""]
    assert said("EEN", "D", stop=["END"]) == ["E", "", ""]


def test_a_beginning_of_a_stop_string_comes_out_at_the_close() -> None:
    assert said("a EN", stop=["END"]) == ["a ", "EN"]


def test_a_stop_string_may_be_cut_in_the_middle_of_a_character() -> None:
    data = "네 끝. 더".encode()
    assert "".join(said(*[bytes([byte]) for byte in data], stop=["끝."])) == "네 "


def test_the_stop_string_that_begins_first_wins() -> None:
    assert "".join(said("xaby", stop=["b", "ab"])) == "x"
    # "b" is complete before it is known whether "abc" is: both readings of a cut agree.
    assert said("xab", "c", stop=["b", "abc"]) == ["x", "", ""]
    assert said("xab", "d", stop=["b", "abc"]) == ["x", "a", ""]
    assert said("xab", stop=["b", "abc"]) == ["x", "a"]


def test_an_empty_stop_string_stops_nothing() -> None:
    assert said("a", "b", stop=[""]) == ["a", "b", ""]


# Thinking.


def test_thinking_comes_apart_from_the_answer_and_without_its_tags() -> None:
    assert fed("<think>\nLet me see.</think>\n\nIt is 42.") == [[("Let me see.", True), ("It is 42.", False)], []]


def test_tags_may_be_cut_anywhere() -> None:
    text = "<think>\nhm</think>\n\nyes"
    assert fed(*text) == [
        *[[]] * 8,
        [("h", True)],
        [("m", True)],
        *[[]] * 10,
        [("y", False)],
        [("e", False)],
        [("s", False)],
        [],
    ]


@pytest.mark.parametrize("before", ["", " ", "\n\n"], ids=repr)
def test_thinking_begins_at_the_beginning_white_space_before_it_or_not(before: str) -> None:
    assert fed(before, "<thi", "nk>hm", "</think>yes") == [[], [], [("hm", True)], [("yes", False)], []]


def test_a_tag_later_in_the_answer_is_text() -> None:
    assert said("Write ", "<think>x</think>") == ["Write ", "<think>x</think>", ""]
    assert said("<think>a</think>b<think>", "c</think>") == ["b<think>", "c</think>", ""]


def test_what_only_looked_like_a_tag_is_answer() -> None:
    assert said("<th", "ermal>") == ["", "<thermal>", ""]
    assert said(" <thin") == ["", " <thin"]


def test_a_prompt_may_have_begun_the_thinking() -> None:
    assert fed("\nLet me", " see. </thi", "nk>\n", "\nIt is.", thinking=True) == [
        [("Let me", True)],
        [(" see. ", True)],
        [],
        [("It is.", False)],
        [],
    ]


def test_thinking_that_never_ends_is_thinking() -> None:
    assert fed("<think>a < b </th") == [[("a < b ", True)], [("</th", True)]]


def test_empty_thinking_is_none() -> None:
    assert fed("<think>\n\n</think>\n\n", "yes") == [[], [("yes", False)], []]


def test_a_stop_string_in_the_thinking_stops_nothing() -> None:
    assert fed("<think>a\n\nb</think>c\n\nd", stop=["\n\n"]) == [[("a\n\nb", True), ("c", False)], []]
