"""What one answer is made from, as it was decided before its first word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import grounding, quoting
from .protocol import source_of
from .spans import Span
from .types import Message, Passage


@dataclass(frozen=True, slots=True)
class Plan:
    """What an answer is made from: a text that is ready, what it quotes, or what the model reads to write it.

    `cited`: numbers of the sources that it cites, None as long as only the model knows. `used`: how many passages it
    is made from. `offered`: short answers that the model chooses from when it has read `shown`.
    """

    sources: Sequence[Passage] = ()
    cited: frozenset[int] | None = frozenset()
    used: int = 0
    text: str = ""
    quoted: quoting.Quotation | None = None
    offered: Sequence[Span] = ()
    shown: str = ""
    messages: Sequence[Message] = ()

    @property
    def asked(self) -> str:
        """The question as the model reads it, if it does."""
        return self.messages[-1].content if self.messages else ""

    def told(self, answer: str = "") -> list[dict[str, Any]]:
        """The sources in the shape of the protocol, marked as far as the answer is known."""
        cited = grounding.cited(answer) if self.cited is None else self.cited
        return [source_of(passage, number in cited) for number, passage in enumerate(self.sources, 1)]

    def grounded(self, answer: str) -> Mapping[str, Any] | None:
        """How much of the answer its sources support; quotes are their own evidence. Takes milliseconds."""
        if self.quoted:
            return {"supported": self.quoted.sentences, "total": self.quoted.sentences, "unsupported": []}
        found = grounding.check(answer, self.sources) if self.cited is None else grounding.Grounding(0, 0)
        if not found.total:
            return None
        return {"supported": found.supported, "total": found.total, "unsupported": list(map(list, found.unsupported))}
