"""Drafting from the prompt: answers over documents quote them, so what followed these words before may follow again.

A decode that verifies several proposed tokens costs less than one decode for each. Method: prompt lookup decoding,
https://github.com/apoorvumang/prompt-lookup-decoding; here the length of a draft follows from what drafts were worth
so far and what rows cost on this machine.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

SHORTEST_MATCH = 2
LONGEST_DRAFT = 32
# How often the next token was right, at first: by how many tokens before it were the same, up to each bound.
BOUNDS = (2, 3, 5, 9, 17)
FIRST_RATES = (0.2, 0.35, 0.6, 0.8, 0.9, 0.95)
# A rate follows its latest few dozen tokens.
LEARNING = 0.03
# A draft must be this much better than none: figures of a machine in use are never exact.
WORTHWHILE = 1.05


@dataclass(slots=True)
class Lookup:
    """All tokens of one answer and its prompt, and where the ones at the end have stood before."""

    tokens: list[int]
    _latest: dict[tuple[int, ...], int] = field(default_factory=dict)
    _match: int = 0
    length: int = 0

    def __post_init__(self) -> None:
        tokens, self.tokens = self.tokens, []
        self.extend(tokens)

    def extend(self, tokens: Sequence[int]) -> None:
        """Take in what the prompt or the answer goes on with."""
        for token in tokens:
            self._follow(token)

    def _follow(self, token: int) -> None:
        known, latest = self.tokens, self._latest
        continues = self.length > 0 and known[self._match] == token
        known.append(token)
        end = len(known)
        if continues:
            self._match += 1
            self.length += 1
        else:
            self._match = self.length = 0
        for size in (SHORTEST_MATCH + 1, SHORTEST_MATCH):
            if end >= size:
                gram = tuple(known[-size:])
                if self.length < size and (seen := latest.get(gram)):
                    self._match, self.length = seen, size
                latest[gram] = end

    def proposal(self, most: int = LONGEST_DRAFT) -> list[int]:
        """What followed the last time; empty where the last tokens are new. `length` tokens before it are the same."""
        return self.tokens[self._match : self._match + most] if self.length else []


@dataclass(slots=True)
class Worth:
    """How often drafts were right, and what rows cost: `cost` holds (rows of a decode, its seconds), rows rising."""

    cost: Sequence[tuple[int, float]]
    rates: list[float] = field(default_factory=lambda: list(FIRST_RATES))

    def learn(self, length: int, right: bool) -> None:
        """Count one proposed token that stood behind `length` matching ones. Also without a draft: then it is free."""
        bucket = bisect_right(BOUNDS, length - 1)
        self.rates[bucket] += LEARNING * (right - self.rates[bucket])

    def seconds(self, rows: int) -> float:
        """Of a decode, between and beyond the measured ones in a straight line."""
        cost = self.cost
        index = min(max(1, bisect_right(cost, (rows, 0.0))), len(cost) - 1)
        (low, least), (high, most) = cost[index - 1], cost[index]
        return least + (most - least) * (rows - low) / (high - low)

    def draft(self, length: int, proposed: int, rows: int, room: int) -> int:
        """How many proposed tokens to verify in a decode of `rows` other rows; 0 where it does not pay."""
        if len(self.cost) < 2:
            return 0
        best, chosen = WORTHWHILE * rows / self.seconds(rows), 0
        expected, right = float(rows), 1.0
        for count in range(1, min(proposed, room) + 1):
            right *= self.rates[bisect_right(BOUNDS, length + count - 2)]
            expected += right
            speed = expected / self.seconds(rows + count)
            if speed > best:
                best, chosen = speed, count
        return chosen
