"""Pure planning of the decode thread: which sequence a prompt gets, and which prompt gets which rows of a step.

A sequence that has ended stays in memory as a prefix for later prompts, until another prompt needs the room.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

# Copying a prefix from one sequence to another costs about as much as computing this many tokens of it.
COPY_PAYS = 32
# So many tokens of a prompt are computed at least. One row alone may round otherwise than several (without flash
# attention on CPUs), and what a prompt is answered must not hang on what was in memory.
LEFT = 2


@dataclass(eq=False, slots=True)
class Slot:
    """One sequence of the model's memory: the tokens it holds, and when it was last used (any rising number)."""

    number: int
    tokens: list[int] = field(default_factory=list)
    used: int = 0
    busy: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """Where a prompt goes, and how many of its first tokens need not be computed there.

    With a `source` they are copied from that slot; otherwise the slot holds them itself. What the slot holds
    beyond them is to be cut.
    """

    slot: Slot
    kept: int
    source: Slot | None = None


def common_prefix(left: Sequence[int], right: Sequence[int]) -> int:
    """How many first tokens are the same."""
    low, high = 0, min(len(left), len(right))
    # By halves: comparing slices costs far less than comparing tokens one by one.
    while low < high:
        middle = (low + high + 1) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def choose(slots: Sequence[Slot], prompt: Sequence[int], *, cuttable: bool = True) -> Choice | None:
    """The slot for a prompt, or None if all are busy. The last tokens are left to compute.

    The longest common prefix wins. If it lies in a busy slot, or in one that holds much more which somebody may
    come back to, it is copied to the slot that was used least recently. Memory that is not `cuttable` is reused only
    where it is a prefix as a whole.
    """
    free = [slot for slot in slots if not slot.busy]
    if not free:
        return None

    def match(slot: Slot) -> int:
        length = max(0, min(common_prefix(slot.tokens, prompt), len(prompt) - LEFT))
        return length if cuttable or length == len(slot.tokens) else 0

    matches = {slot.number: match(slot) for slot in slots}
    here = max(free, key=lambda slot: (matches[slot.number], -slot.number))
    oldest = min(free, key=lambda slot: (slot.used if slot.tokens else -1, slot.number))
    if matches[here.number] * 2 >= len(here.tokens) and matches[here.number] > 0:
        oldest = here
    best = max(slots, key=lambda slot: matches[slot.number])
    if matches[best.number] - matches[oldest.number] >= COPY_PAYS:
        return Choice(oldest, matches[best.number], best)
    return Choice(oldest, matches[oldest.number])


def share(left: Sequence[int], budget: int) -> list[int]:
    """How many rows of a step each prompt gets, where `left` rows of each are to be computed, oldest first.

    At least half goes to the oldest, so that none starves; the rest to the one that is soonest done, so that a short
    question does not wait for a long document. What they do not need goes to the others in order.
    """
    rows = [0] * len(left)
    if not left:
        return rows
    shortest = min(range(len(left)), key=left.__getitem__)
    for index, most in [(0, (budget + 1) // 2), (shortest, budget), *((index, budget) for index in range(len(left)))]:
        given = min(most, left[index] - rows[index], budget - sum(rows))
        rows[index] += given
    return rows
