"""A table that another embedding model has left: its documents move to the current one, and are found meanwhile."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from . import rows
from .table import Table
from .types import Document


class Former:
    """`documents` are those, without text, that have not been moved, replaced or deleted yet. `has_forgotten`: whether
    any was removed from the table."""

    def __init__(self, table: Table, documents: dict[str, Document], columns: set[str]) -> None:
        self.table = table
        self.documents = documents
        self.has_forgotten = False
        # Of a table that an earlier version of this program has made, only the documents can be read.
        self._searchable = columns >= set(rows.schema(1).names)

    @classmethod
    async def open(cls, table: Table, moved: set[str]) -> Former:
        columns = await table.columns()
        column, where = ("document", "document IS NOT NULL") if "document" in columns else ("about", rows.DOCUMENTS)
        found = await table.select(where, [column])
        documents = await asyncio.to_thread(lambda: [rows.to_document(row[column]) for row in found])
        return cls(table, {each.id: each for each in documents if each.id not in moved}, columns)

    async def load(self, document_id: str) -> Document | None:
        """The document with its text, if it has not been moved, replaced or deleted."""
        document = self.documents.get(document_id)
        if document is None:
            return None
        where = f"chunk_id = {rows.quoted(document_id)}"
        found = await self.table.select(where, ["body"])
        return replace(document, text=found[0]["body"]) if found else None

    async def delete(self, document_id: str) -> bool:
        """Remove it from the disk, too. False if it was not here, or was replaced."""
        where = f"document_id = {rows.quoted(document_id)}"
        if await self.table.count(where):
            await self.table.delete(where)
            self.has_forgotten = True
        return self.documents.pop(document_id, None) is not None

    async def matching(self, column: str, query: str, limit: int, where: str) -> list[dict[str, Any]]:
        """Rows that hold words of the query, of the documents that are still here."""
        # As of now: one that is moved meanwhile is found here, or in both.
        here = set(self.documents)
        if not self._searchable or not here:
            return []
        found = await self.table.matching(column, query, limit, where, vectors=False)
        passages = await asyncio.to_thread(found.to_pylist)
        return [row for row in passages if rows.to_passage(row).document_id in here]
