"""Pure: what meets as one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def joined(items: Iterable[T], join: Callable[[T, T], T | None]) -> list[T]:
    """The items, best first, those that meet as one, in the place of the best of them.

    `join` makes two into one, or None if they do not meet; it need not mind which comes first.
    """
    kept: list[T] = []
    for item in items:
        whole, place = item, len(kept)
        # What was joined may reach the next one.
        while found := next(
            ((at, both) for at, other in enumerate(kept) if (both := join(other, whole)) is not None), None
        ):
            at, whole = found
            del kept[at]
            place = min(place, at)
        kept.insert(place, whole)
    return kept
