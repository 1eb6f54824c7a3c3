"""One JSON object a line: the machine, then figures with their targets."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Target:
    """A bound of a figure, itself still good."""

    least: float | None = None
    most: float | None = None

    def met(self, value: float) -> bool:
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)

    def __str__(self) -> str:
        return f">= {self.least:g}" if self.least is not None else f"<= {self.most:g}"


TARGETS: dict[str, Target] = {
    "single_ratio": Target(least=0.97),
    "ttft_excess_ms": Target(most=15),
    "random_ratio_best": Target(least=1.0),
    "random_ratio_defaults": Target(least=1.4),
    "random_ttft_p95_ratio": Target(most=1.0),
    "product_ratio": Target(least=1.3),
    "product_ttft_p95_ratio": Target(most=1.0),
    "followup_ratio": Target(most=0.15),
    "draft_ratio": Target(least=1.8),
    "lag_p99_ms": Target(most=10),
    "cost_ms": Target(most=0.3),
    "idle_cpu_percent": Target(most=1),
}


def say(**fields: Any) -> None:
    print(json.dumps(fields, ensure_ascii=False), flush=True)


def figure(workload: str, name: str, values: float | Sequence[float], **details: Any) -> None:
    """Print the median of the rounds beside its target; `values` are the rounds where there are several."""
    rounds = [values] if isinstance(values, int | float) else list(values)
    value = statistics.median(rounds)
    target = TARGETS.get(name)
    fields: dict[str, Any] = {"workload": workload, "figure": name, "value": round(value, 4)}
    if len(rounds) > 1:
        fields["rounds"] = [round(each, 4) for each in rounds]
    fields |= {"target": str(target) if target else None, "met": target.met(value) if target else None}
    say(**fields, **details)
