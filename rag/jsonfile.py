"""A small JSON object on disk, read and written whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from . import durable


def load(path: Path) -> dict[str, Any]:
    """What the file holds; nothing if it is missing or damaged."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def save(path: Path, data: dict[str, Any]) -> None:
    """Write the file whole or not at all; it is on the disk when this returns."""
    durable.make_folder(path.parent)
    durable.write(path, json.dumps(data, indent=1, ensure_ascii=False).encode())
