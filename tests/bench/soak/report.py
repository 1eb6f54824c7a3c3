"""What a soak found, as numbers and as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rag import probe

from .run import Run
from .trend import drift, growth

# What must not grow by more than so many % an hour. A child that reads files takes up one library after another as it
# meets their formats, and a file that is refused may end it: by itself its memory is a flight of stairs, not a trend.
LIMIT = 2.0
LIMITED = (
    "memory: MB",
    *(f"server: {kind} MB" for kind in ("rss", "pss", "uss", "anonymous")),
    *("threads", "handles", "sockets", "children", "temporary files"),
    *(f"{folder}: {unit}" for folder in ("data", "index", "originals") for unit in ("files", "MB")),
)


def summary(run: Run, rows: Sequence[Mapping[str, float]], warm_up: float) -> dict[str, Any]:
    """All of it as JSON; growth and drift are of the time after the warm-up, which is in seconds."""
    machine = probe.Machine.look()
    after = [row for row in rows if row["at"] >= warm_up]
    names = sorted({name for row in rows for name in row} - {"at", "cpu seconds"})
    end = rows[-1]["at"] if rows else 0.0
    return {
        "machine": {"cpu": machine.cpu, "cores": machine.cores},
        "done": dict(sorted(run.done.items())),
        "provoked": dict(sorted(run.provoked.items())),
        "errors": run.errors,
        "cpu_share": round((rows[-1]["cpu seconds"] - rows[0]["cpu seconds"]) / (end or 1), 3) if rows else 0,
        "growth": {name: growth([(row["at"], row.get(name, 0.0)) for row in after]) for name in names},
        "drift": {
            kind: drift([point for point in points if point[0] >= warm_up], warm_up, end)
            for kind, points in sorted(run.latencies.items())
        },
        "cpu": _cpu(run, after),
        "samples": list(rows),
    }


def _cpu(run: Run, rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """CPU seconds by so many acts that ended meanwhile, in the first and in the last third. Other work on the machine
    does not change it, as it does the latencies."""
    if len(rows) < 6:
        return {}
    ends = sorted(at for points in run.latencies.values() for at, _ in points)
    third = len(rows) // 3
    found = []
    for part in (rows[: third + 1], rows[-third - 1 :]):
        acts = sum(part[0]["at"] <= at < part[-1]["at"] for at in ends)
        found.append((part[-1]["cpu seconds"] - part[0]["cpu seconds"]) / max(1, acts))
    return {"first": found[0], "last": found[1], "ratio": found[1] / found[0] if found[0] else 1.0}


def grown(found: Mapping[str, Any]) -> list[str]:
    """What grew by more than the limit, and surely."""
    return [
        name
        for name in LIMITED
        if (each := found["growth"].get(name)) and each.get("percent", 0) > LIMIT and each["percent_low"] > 0
    ]


def failed(found: Mapping[str, Any]) -> bool:
    return bool(found["errors"] or grown(found))


def table(found: Mapping[str, Any]) -> str:
    return "\n".join(_lines(found))


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    yield f"{found['machine']['cpu']}, {found['machine']['cores']} cores; {found['minutes']:g} minutes, "
    yield f"of them {found['warm_up']:g} of warm-up; seed {found['seed']}; the server used {found['cpu_share']} cores"
    yield ""
    yield "done: " + ", ".join(f"{count} {name}" for name, count in found["done"].items())
    yield "refused as it must be: " + ", ".join(f"{count} {name}" for name, count in found["provoked"].items())
    yield f"errors: {len(found['errors'])}"
    yield from (f"  {error}" for error in found["errors"])
    yield ""
    yield f"{'after the warm-up':28} {'first':>10} {'last':>10} {'an hour':>10} {'%/h':>8}   95 % of it"
    for name, each in found["growth"].items():
        if each and (each["first"] or each["last"]):
            percent = ""
            if "percent" in each:
                percent = f"{each['percent']:8.2f}   {each['percent_low']:.2f} … {each['percent_high']:.2f}"
            yield f"{name:28} {each['first']:10.2f} {each['last']:10.2f} {each['per_hour']:10.3f} {percent}"
    yield ""
    yield f"{'median seconds':28} {'first third':>12} {'last third':>12} {'ratio':>8}"
    for kind, each in found["drift"].items():
        if "ratio" in each:
            yield f"{kind:28} {each['first_s']:12.3f} {each['last_s']:12.3f} {each['ratio']:8.2f}   of {each['count']}"
    if cpu := found["cpu"]:
        yield f"{'CPU seconds of an act':28} {cpu['first']:12.3f} {cpu['last']:12.3f} {cpu['ratio']:8.2f}"
    yield ""
    yield "grown: " + (", ".join(grown(found)) or "nothing")
