"""Pure: which documents a page of the list shows, and in which order."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from .types import Document, SortKey

# Columns of a document's row that a search for names looks at, and those that orders need beside them.
COLUMNS = ("chunk_id", "source", "title", "added")
IN_ABOUT: Mapping[SortKey, str] = {"size": "bytes", "passages": "passages"}


def columns(sort: SortKey) -> list[str]:
    """What `page` has to know of each row."""
    return [*COLUMNS, "about"] if sort in IN_ABOUT else [*COLUMNS]


def row_of(document: Document) -> dict[str, Any]:
    """The row of a document that is no row of the table."""
    about = json.dumps({name: getattr(document, name) for name in IN_ABOUT.values()})
    return {
        "chunk_id": document.id,
        "source": document.source,
        "title": document.title,
        "added": document.added,
        "about": about,
    }


def page(
    found: Iterable[Mapping[str, Any]], query: str, sort: SortKey, descending: bool, first: int, most: int
) -> tuple[list[str], int]:
    """The ids of one page of the documents whose source or title holds the query, and how many they are in all.

    Documents that are alike in what is sorted by stand by their names.
    """
    wanted = query.casefold()
    listed = [row for row in found if wanted in row["source"].casefold() or wanted in row["title"].casefold()]
    listed.sort(key=lambda row: (natural(row["source"]), row["chunk_id"]))
    if sort != "name" or descending:
        listed.sort(key=lambda row: _value(row, sort), reverse=descending)
    return [row["chunk_id"] for row in listed[first : first + most]], len(listed)


def natural(name: str) -> list[str | int]:
    """A key that sorts as people do: "part 9" before "part 10", whatever the case."""
    parts = re.split(r"([0-9]{1,18})", name.casefold())
    return [int(part) if number % 2 else part for number, part in enumerate(parts)]


def _value(row: Mapping[str, Any], sort: SortKey) -> Any:
    if sort in IN_ABOUT:
        return json.loads(row["about"])[IN_ABOUT[sort]]
    return row["added"] if sort == "added" else natural(row["source"])
