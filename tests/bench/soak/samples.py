"""What a process and its children hold, from Linux' `/proc`, and what its data directory holds."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

MEGA = 1 << 20
# Of the index, by what the library keeps in each folder of a table.
TABLE_FOLDERS = ("_versions", "_indices", "_deletions", "_transactions", "data")


def tree(pid: int) -> list[int]:
    """The process and all below it, itself first."""
    found = [pid]
    for parent in found:
        with suppress(OSError):
            for task in Path(f"/proc/{parent}/task").iterdir():
                with suppress(OSError):
                    found += map(int, (task / "children").read_text().split())
    return found


def memory(pid: int) -> dict[str, float]:
    """RSS, PSS, USS and what is no file, in MB (2^20)."""
    with suppress(OSError):
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        kib = {name: int(value) for name, value in re.findall(r"^(\w+):\s+(\d+) kB", text, re.MULTILINE)}
        uss = kib["Private_Clean"] + kib["Private_Dirty"]
        values = {"rss": kib["Rss"], "pss": kib["Pss"], "uss": uss, "anonymous": kib["Anonymous"]}
        return {name: value / 1024 for name, value in values.items()}
    return dict.fromkeys(("rss", "pss", "uss", "anonymous"), 0.0)


def cpu_seconds(pid: int) -> float:
    """Of the process and of its children that have ended."""
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def handles(pid: int) -> dict[str, int]:
    """Open files and sockets."""
    kinds = {"handles": 0, "sockets": 0}
    with suppress(OSError):
        for handle in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                kinds["sockets"] += os.readlink(handle).startswith("socket:")
                kinds["handles"] += 1
    return kinds


def files_of(folder: Path) -> tuple[int, float]:
    """How many files, and their MB."""
    sizes = list(_sizes(folder))
    return len(sizes), sum(sizes) / MEGA


def _sizes(folder: Path) -> Iterator[int]:
    for directory, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                yield os.stat(os.path.join(directory, name)).st_size


def disk(data_dir: Path) -> dict[str, float]:
    found: dict[str, float] = {}
    places = {"data": data_dir, **{name: data_dir / name for name in ("index", "originals", "incoming")}}
    for table in sorted((data_dir / "index").glob("*.lance")):
        places |= {f"index {name}": table / name for name in TABLE_FOLDERS}
    for name, folder in places.items():
        found[f"{name}: files"], found[f"{name}: MB"] = files_of(folder)
    for path in data_dir.glob("*.sqlite*"):
        with suppress(OSError):
            found[f"{path.name}: MB"] = path.stat().st_size / MEGA
    return found


def sessions(data_dir: Path) -> int:
    """Conversations that are kept."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"file:{data_dir}/sessions.sqlite?mode=ro", uri=True)) as db:
        return int(db.execute("SELECT COUNT(*) FROM sessions").fetchone()[0])
    return 0


def temporary(folder: Path) -> int:
    """Files of the server's own temporary directory."""
    return files_of(folder)[0]


def sample(pid: int, data_dir: Path, temp: Path) -> dict[str, float]:
    every = tree(pid)
    found: dict[str, float] = {f"server: {name} MB": value for name, value in memory(pid).items()}
    children = [memory(child) for child in every[1:]]
    found |= {f"children: {name} MB": sum(child[name] for child in children) for name in ("rss", "pss", "uss")}
    # Each page counts once, also where several processes share it.
    found["memory: MB"] = found["server: pss MB"] + found["children: pss MB"]
    found["children"] = len(children)
    found["threads"] = len(os.listdir(f"/proc/{pid}/task"))
    found |= handles(pid)
    found["cpu seconds"] = sum(map(cpu_seconds, every))
    found["temporary files"] = temporary(temp)
    found["sessions kept"] = sessions(data_dir)
    return found | disk(data_dir)
