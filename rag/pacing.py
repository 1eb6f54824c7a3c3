"""Tokens on their way: of a text that is ready, and with an eye on the time. Flags of parts of an answer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing

from .errors import RagError
from .types import CancelFlag, Finish, FinishReason, Token, Usage

_PARAGRAPH = re.compile(r".+?(?:\n\n|\Z)", re.DOTALL)


class Part:
    """The flag of a part of an answer: cancelled with the whole, but its end is not the whole's."""

    def __init__(self, whole: CancelFlag) -> None:
        self._whole = whole
        self._ended = False

    def is_set(self) -> bool:
        return self._ended or self._whole.is_set()

    def set(self) -> None:
        self._ended = True


async def fixed(text: str, cancel: CancelFlag, usage: Usage) -> AsyncGenerator[Token, None]:
    """A text that no model wrote, as an answer, paragraph by paragraph."""
    reason: FinishReason = "stop"
    for paragraph in _PARAGRAPH.findall(text):
        if cancel.is_set():
            reason = "cancelled"
            break
        yield Token(paragraph)
    yield Token("", Finish(reason, usage))


async def timed(tokens: AsyncGenerator[Token, None], seconds: float) -> AsyncGenerator[Token, None]:
    """The same tokens. Raises `RagError` GEN-001 if one takes longer than `seconds`, be it an empty sign of life."""
    async with aclosing(tokens):
        while True:
            try:
                async with asyncio.timeout(seconds):
                    token = await anext(tokens)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise RagError("GEN-001", seconds=round(seconds)) from None
            yield token
