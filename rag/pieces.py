"""From the bytes of a model's tokens to text: whole characters, thinking apart from the answer, stops cut off."""

from __future__ import annotations

from codecs import getincrementaldecoder
from collections.abc import Sequence
from typing import Literal

from .types import Token

OPEN, CLOSE = "<think>", "</think>"

_Utf8 = getincrementaldecoder("utf-8")


class Pieces:
    """One answer. Text leaves in the feed that makes it certain; what might still become a tag or a stop string waits.

    `<think>` counts at the beginning of the answer alone, white space before it or not; `thinking` says that the
    prompt ended with one. `stop` strings are looked for in the answer, never in the thinking. Where several are found,
    the one that begins first ends the answer. White space after either tag goes with it.
    """

    def __init__(self, stop: Sequence[str] = (), thinking: bool = False) -> None:
        self.stopped = False
        self._stops = tuple(text for text in stop if text)
        self._firsts = frozenset(text[0] for text in self._stops)
        self._decode = _Utf8("replace").decode
        self._state: Literal["beginning", "thinking", "answer"] = "thinking" if thinking else "beginning"
        self._after_tag = thinking
        self._held = ""
        # Nothing can be held back any more.
        self._plain = False

    def feed(self, data: bytes) -> list[Token]:
        """What the next token's bytes make certain: thinking, answer, both in this order, or nothing."""
        text = self._decode(data)
        if not text or self.stopped:
            return []
        if self._plain:
            return [Token(text)]
        return self._split(self._held + text)

    def close(self) -> list[Token]:
        """What was held back, for nothing more will come. Half a character never leaves."""
        return [] if self.stopped else self._split(self._held, last=True)

    def _split(self, text: str, last: bool = False) -> list[Token]:
        self._held = ""
        tokens: list[Token] = []
        if self._state == "beginning":
            text = self._begin(text, last)
        if self._state == "thinking":
            thought, text = self._think(text, last)
            if thought:
                tokens.append(Token(thought, thinking=True))
        if self._state == "answer":
            said = self._say(self._trimmed(text), last)
            if said:
                tokens.append(Token(said))
            self._plain = not (self._after_tag or self._stops)
        return tokens

    def _begin(self, text: str, last: bool) -> str:
        """The text behind `<think>`, or all of it where the answer begins without one."""
        seen = text.lstrip()
        if seen.startswith(OPEN):
            self._state, self._after_tag = "thinking", True
            return seen[len(OPEN) :]
        if OPEN.startswith(seen) and not last:
            self._held = text
            return ""
        self._state = "answer"
        return text

    def _think(self, text: str, last: bool) -> tuple[str, str]:
        """(thinking, the text behind `</think>`)"""
        thought, tag, rest = self._trimmed(text).partition(CLOSE)
        if tag:
            self._state, self._after_tag = "answer", True
        elif "<" in thought and not last:
            certain = _broken_off(thought, (CLOSE,))
            thought, self._held = thought[:certain], thought[certain:]
        return thought, rest

    def _say(self, text: str, last: bool) -> str:
        """The text that is certain to be answer."""
        if self._firsts.isdisjoint(text):
            return text
        end = min((at for at in map(text.find, self._stops) if at >= 0), default=len(text))
        certain = len(text) if last else _broken_off(text, self._stops)
        # A string that begins earlier and is not complete yet may still come before the one that was found.
        if certain < end:
            self._held = text[certain:]
            return text[:certain]
        self.stopped = end < len(text)
        return text[:end]

    def _trimmed(self, text: str) -> str:
        if self._after_tag:
            text = text.lstrip()
            self._after_tag = not text
        return text


def _broken_off(text: str, strings: Sequence[str]) -> int:
    """Where the text breaks off one of the strings: the first place where it may have begun, or the text's length."""
    for start in range(max(0, len(text) - max(map(len, strings)) + 1), len(text)):
        end = text[start:]
        if any(string.startswith(end) for string in strings):
            return start
    return len(text)
