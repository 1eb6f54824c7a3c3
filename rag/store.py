"""The only importer of `lancedb`: documents and their passages in one embedded table.

A document's row and the rows of its passages are written by one commit of one table, so that a reader sees all
of a document or nothing of it, and a kill in between loses nothing that was there before. The document's row has
the text and no vector; searches never meet it.

The table is named after the embedding model, since its vectors fit no other. Words are found through two
full-text indexes: by English words, and by character bigrams where the script has Hangul, kana or Han (a trigram
index, the library's default, would miss two-syllable Korean nouns).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import lancedb
import numpy as np
import pyarrow as pa
from lancedb.index import FTS
from lancedb.query import MatchQuery

from . import ranking
from .errors import RagError
from .types import Document, Page, Passage, Vectors

TABLE_PREFIX = "passages_"
CACHE_BYTES = 128 << 20
CANDIDATES = 20
OLD_VERSIONS = timedelta(hours=1)

PASSAGE_COLUMNS = ["chunk_id", "document_id", "source", "title", "text", "start", "end", "page", "headings"]

log = logging.getLogger(__name__)


def _schema(dimension: int) -> pa.Schema:
    return pa.schema(
        [
            pa.field("chunk_id", pa.string()),
            pa.field("document_id", pa.string()),
            pa.field("source", pa.string()),
            pa.field("title", pa.string()),
            # Of passages:
            pa.field("text", pa.string()),
            pa.field("grams", pa.string()),
            pa.field("start", pa.int64()),
            pa.field("end", pa.int64()),
            pa.field("page", pa.int32()),
            pa.field("headings", pa.string()),
            pa.field("vector", pa.list_(pa.float32(), dimension)),
            # Of documents, as JSON without the text, and the text:
            pa.field("document", pa.string()),
            pa.field("body", pa.large_string()),
        ]
    )


class LanceStore:
    """A `Store` in one directory, opened for one embedding model. Made by `open`."""

    def __init__(self, directory: Path, connection: Any, table: Any, dimension: int) -> None:
        self._directory = directory
        self._connection = connection
        self._table = table
        self._schema = _schema(dimension)
        self._writing = asyncio.Lock()

    @classmethod
    async def open(cls, directory: Path, *, embedder: str, dimension: int) -> LanceStore:
        """Open or make the table for the embedding model. Raises `RagError` SEARCH-003."""
        with _unavailable(directory):
            await asyncio.to_thread(directory.mkdir, parents=True, exist_ok=True)
            session = lancedb.Session(index_cache_size_bytes=CACHE_BYTES, metadata_cache_size_bytes=CACHE_BYTES)
            connection = await lancedb.connect_async(str(directory), session=session)
            name = table_name(embedder, dimension)
            if name in (await connection.list_tables()).tables:
                table = await connection.open_table(name)
            else:
                table = await connection.create_table(name, schema=_schema(dimension))
            store = cls(directory, connection, table, dimension)
            await store._ensure_indexes()
            return store

    async def _ensure_indexes(self) -> None:
        present = {tuple(index.columns) for index in await self._table.list_indices()}
        if ("text",) not in present:
            await self._table.create_index("text", config=FTS())
        if ("grams",) not in present:
            bigrams = FTS(
                base_tokenizer="ngram", ngram_min_length=2, ngram_max_length=2, stem=False, remove_stop_words=False
            )
            await self._table.create_index("grams", config=bigrams)

    def close(self) -> None:
        self._table.close()
        self._connection.close()

    # Writing.

    async def upsert(self, document: Document, passages: Sequence[Passage], vectors: Vectors) -> None:
        """Store the document in place of what its id held before, in one commit. Raises `RagError` SEARCH-003."""
        rows = await asyncio.to_thread(self._rows, document, passages, vectors)
        async with self._writing:
            with _unavailable(self._directory):
                where = f"document_id = {_quoted(document.id)}"
                if await self._table.count_rows(where):
                    merge = self._table.merge_insert("chunk_id").when_matched_update_all().when_not_matched_insert_all()
                    merge = merge.when_not_matched_by_source_delete(where)
                    await merge.execute(rows, on_bad_vectors="null")
                else:
                    await self._table.add(rows, on_bad_vectors="null")

    def _rows(self, document: Document, passages: Sequence[Passage], vectors: Vectors) -> pa.Table:
        about = asdict(replace(document, text="", passages=len(passages)))
        shared = {"document_id": document.id, "source": document.source, "title": document.title}
        rows = [shared | {"chunk_id": document.id, "document": json.dumps(about), "body": document.text}]
        for passage, vector in zip(passages, vectors, strict=True):
            rows.append(
                shared
                | {
                    "chunk_id": passage.chunk_id,
                    "text": passage.text,
                    "grams": passage.text if ranking.has_unspaced(passage.text) else None,
                    "start": passage.start,
                    "end": passage.end,
                    "page": passage.page,
                    "headings": json.dumps(passage.headings, ensure_ascii=False),
                    "vector": vector,
                }
            )
        return pa.Table.from_pylist(rows, schema=self._schema)

    async def delete(self, document_id: str) -> bool:
        """Remove a document with its passages. False if there is none. Raises `RagError` SEARCH-003."""
        async with self._writing:
            with _unavailable(self._directory):
                where = f"document_id = {_quoted(document_id)}"
                if not await self._table.count_rows(where):
                    return False
                await self._table.delete(where)
                return True

    async def optimize(self) -> None:
        """Take new rows into the indexes, merge small files, drop versions older than an hour."""
        async with self._writing:
            with _unavailable(self._directory):
                await self._table.optimize(cleanup_older_than=OLD_VERSIONS)

    # Reading.

    async def counts(self) -> tuple[int, int]:
        with _unavailable(self._directory):
            documents = int(await self._table.count_rows("document IS NOT NULL"))
            return documents, int(await self._table.count_rows()) - documents

    async def sha256(self, document_id: str) -> str | None:
        """The SHA-256 of the content that is stored for the id, or None."""
        with _unavailable(self._directory):
            where = f"chunk_id = {_quoted(document_id)} AND document IS NOT NULL"
            rows = await self._table.query().where(where).select(["document"]).to_list()
        return str(json.loads(rows[0]["document"])["sha256"]) if rows else None

    async def document(self, document_id: str, table: str = "") -> Document | None:
        """The document with its text, or None. `table`: one of `other_tables`, or this store's own."""
        with _unavailable(self._directory):
            source = await self._connection.open_table(table) if table else self._table
            where = f"chunk_id = {_quoted(document_id)} AND document IS NOT NULL"
            rows = await source.query().where(where).select(["document", "body"]).to_list()
        return _document(rows[0]) if rows else None

    async def search(self, query: str, vector: Vectors, k: int) -> list[Passage]:
        """The `k` best passages, best first, each with its score. `vector`: the query's, shape `(dimension,)`.

        Raises `RagError` SEARCH-001 if the query cannot be run.
        """
        limit = max(CANDIDATES, k)
        try:
            found = await asyncio.gather(
                self._nearest(vector, limit),
                self._matching("text", query, limit),
                self._matching("grams", query, limit),
            )
        except (RuntimeError, ValueError, OSError) as error:
            log.exception("search failed")
            raise RagError("SEARCH-001") from error
        return await asyncio.to_thread(self._rank, query, vector, found, k)

    async def _nearest(self, vector: Vectors, limit: int) -> list[dict[str, Any]]:
        columns = [*PASSAGE_COLUMNS, "vector", "_distance"]
        query = self._table.query().nearest_to(vector).distance_type("cosine").select(columns)
        rows: list[dict[str, Any]] = await query.limit(limit).to_list()
        return rows

    async def _matching(self, column: str, query: str, limit: int) -> list[dict[str, Any]]:
        if not ranking.terms(query) or (column == "grams" and not ranking.has_unspaced(query)):
            return []
        matching = self._table.query().nearest_to_text(MatchQuery(query, column))  # type: ignore[call-arg]
        columns = [*PASSAGE_COLUMNS, "vector", "_score"]
        rows: list[dict[str, Any]] = await matching.select(columns).limit(limit).to_list()
        return rows

    @staticmethod
    def _rank(query: str, vector: Vectors, found: Sequence[list[dict[str, Any]]], k: int) -> list[Passage]:
        rows = list({row["chunk_id"]: row for part in found for row in part}.values())
        _, by_words, by_bigrams = found
        matches = {row["chunk_id"]: float(row["_score"]) for row in by_bigrams or by_words}
        scores = ranking.scores(
            cosines=[_cosine(vector, row["vector"]) for row in rows],
            coverages=ranking.coverage(query, [f"{row['title']}\n{row['text']}" for row in rows]),
            matches=[matches.get(row["chunk_id"], 0.0) for row in rows],
        )
        best = sorted(range(len(rows)), key=lambda index: (-scores[index], rows[index]["chunk_id"]))
        return [_passage(rows[index], scores[index]) for index in best[:k]]

    # What another embedding model has left.

    async def other_tables(self) -> list[str]:
        """Tables of other embedding models."""
        with _unavailable(self._directory):
            names = (await self._connection.list_tables()).tables
        return [name for name in names if name.startswith(TABLE_PREFIX) and name != self._table.name]

    async def ids_in(self, table: str) -> list[str]:
        """The ids of the documents in another table."""
        with _unavailable(self._directory):
            other = await self._connection.open_table(table)
            rows = await other.query().where("document IS NOT NULL").select(["chunk_id"]).to_list()
        return [str(row["chunk_id"]) for row in rows]

    async def drop(self, table: str) -> None:
        with _unavailable(self._directory):
            await self._connection.drop_table(table)


def table_name(embedder: str, dimension: int) -> str:
    """One table for each embedding model: another model's vectors mean something else."""
    return TABLE_PREFIX + hashlib.sha256(f"{embedder}\n{dimension}".encode()).hexdigest()[:16]


def _cosine(query: Vectors, vector: Sequence[float] | None) -> float:
    """Of unit vectors. 0 for a passage whose vector was none (`on_bad_vectors`)."""
    return 0.0 if vector is None else float(np.dot(query, np.asarray(vector, dtype=np.float32)))


def _passage(row: dict[str, Any], score: float) -> Passage:
    values = {name: row[name] for name in PASSAGE_COLUMNS}
    values["headings"] = tuple(json.loads(row["headings"] or "[]"))
    return Passage(**values, score=min(1.0, score))


def _document(row: dict[str, Any]) -> Document:
    about = json.loads(row["document"])
    about["pages"] = tuple(Page(**page) for page in about["pages"])
    return Document(**about | {"text": row["body"]})


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


class _unavailable:
    """Turns what the library raises into SEARCH-003."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, RuntimeError | ValueError | OSError):
            reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
            raise RagError("SEARCH-003", reason=reason, directory=str(self._directory)) from error
