"""Excel workbooks, read row by row by openpyxl: a sheet is a page, with its name as a heading."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable
from datetime import datetime, time, timedelta
from typing import Any

from openpyxl import load_workbook

from .archive import Archive
from .text import Loaded, clean, heading, paginate, table

# More empty cells than these between two others are a jump, not a table.
WIDEST_GAP = 8


def load(name: str, data: bytes) -> Loaded:
    Archive(name, data)
    parts = []
    # It tells of every part that it would not write again.
    with warnings.catch_warnings(action="ignore"):
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
        for number, sheet in enumerate(book.worksheets, 1):
            if sheet.sheet_state != "veryHidden":
                # Programs declare sizes that are not true; cells beyond them would be left out.
                sheet.reset_dimensions()
                paragraphs = list(table(map(_row, sheet.iter_rows())))
                if paragraphs:
                    parts.append((number, "\n\n".join((heading(1, sheet.title), *paragraphs))))
    return paginate(parts, book.properties.title or "")


def _row(cells: Iterable[Any]) -> list[str]:
    row: list[str] = []
    gap = 0
    for cell in cells:
        text = "" if cell.value is None else clean(_shown(cell.value, cell.number_format))
        if text:
            row += [""] * min(gap, WIDEST_GAP) + [text]
        gap = 0 if text else gap + 1
    return row


def _shown(value: object, code: str) -> str:
    """As a person would write it; 15 digits are what the program itself keeps."""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int | float) and "%" in code:
        return f"{value * 100:.15g}%"
    if isinstance(value, float):
        return f"{value:.15g}"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d" if value.time() == time() else "%Y-%m-%d %H:%M")
    if isinstance(value, timedelta):
        hours, seconds = divmod(round(value.total_seconds()), 3600)
        return f"{hours}:{seconds // 60:02d}:{seconds % 60:02d}"
    return str(value)
