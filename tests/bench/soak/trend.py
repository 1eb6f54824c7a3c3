"""Slopes that a few outliers do not move: Theil (1950) and Sen (1968)."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from itertools import combinations

Points = Sequence[tuple[float, float]]
BIN = 60.0
# Of the normal distribution, for 95 %.
Z = 1.96


def binned(points: Points, seconds: float = BIN) -> list[tuple[float, float]]:
    """The median of each minute: neighbours in time are too much alike to count as many."""
    bins: dict[int, list[tuple[float, float]]] = {}
    for point in points:
        bins.setdefault(int(point[0] // seconds), []).append(point)
    return [
        (statistics.fmean(at for at, _ in each), statistics.median(value for _, value in each))
        for _, each in sorted(bins.items())
    ]


def slope(points: Points) -> tuple[float, float, float]:
    """(median of the slopes between all pairs, and the 95 % interval of Sen) per second. Zeros for fewer than 3."""
    count = len(points)
    if count < 3:
        return 0.0, 0.0, 0.0
    slopes = sorted((b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(points, 2) if b[0] != a[0])
    # Kendall's variance, without ties.
    half = Z * math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    low = max(0, math.floor((len(slopes) - half) / 2))
    high = min(len(slopes) - 1, math.ceil((len(slopes) + half) / 2))
    return statistics.median(slopes), slopes[low], slopes[high]


def growth(points: Points) -> dict[str, float]:
    """Level (the median of the first five minutes) and growth an hour: in its own unit and in % of the level."""
    medians = binned(points)
    if not medians:
        return {}
    level = statistics.median(value for _, value in medians[:5])
    per_hour = [3600 * each for each in slope(medians)]
    found = {"first": level, "last": statistics.median(value for _, value in medians[-5:])}
    found |= dict(zip(("per_hour", "low", "high"), per_hour, strict=True))
    if level > 0:
        found |= dict(zip(("percent", "percent_low", "percent_high"), (100 * v / level for v in per_hour), strict=True))
    return found


def drift(points: Points, begin: float, end: float) -> dict[str, float]:
    """Medians of the first and of the last third of that time, and the second by the first."""
    third = (end - begin) / 3
    parts = [[value for at, value in points if first <= at < first + third] for first in (begin, begin + 2 * third)]
    if not all(parts):
        return {"count": len(points)}
    first, last = map(statistics.median, parts)
    return {"count": sum(map(len, parts)), "first_s": first, "last_s": last, "ratio": last / first if first else 1.0}
