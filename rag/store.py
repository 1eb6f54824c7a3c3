"""Documents and their passages, kept and found: the `Store` on one embedded table (rag.table).

A document's row and the rows of its passages are written by one commit, so that a reader sees all of a document or
nothing of it, and a kill in between loses nothing that was there before.

The table is named after the embedding model, since its vectors fit no other. What another model has left is moved over
in the background (`rebuild`), from the stored text; what has not been moved is found by its words.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from . import disk, durable, listing, memory, ranking, rows
from .damage import Damage
from .errors import RagError
from .former import Former
from .table import Database, Table, cosines
from .types import EVERYWHERE, Document, Embedded, Filter, Passage, SortKey, Vectors

TABLE_PREFIX = "passages_"
# Counts up when the rows change; the tables of earlier numbers are then moved over like those of another model.
FORMAT = 3
# Rows for each index of words, at least. More find no more answers, and cost (measured with 20).
CANDIDATES = 15
# Housekeeping begins when nothing was written for some seconds, at the latest after more of them, and takes at most
# this share of the time.
QUIET = 2.0
LATEST = 60.0
SHARE = 1 / 20

Embed = Callable[[Document], Awaitable[tuple[Sequence[Passage], Vectors]]]
Progress = Callable[[int, int], None]

log = logging.getLogger(__name__)


class LanceStore:
    """A `Store` in one directory, opened for one embedding model. Made by `open`."""

    def __init__(
        self, directory: Path, database: Database, table: Table, formers: list[Former], perhaps: set[int]
    ) -> None:
        self._directory = directory
        self._database = database
        self._table = table
        self._formers = formers
        self._to_move = sum(len(former.documents) for former in formers)
        # Hashes of ids and contents: what is not among them is not in the table, which need not be asked.
        self._perhaps = perhaps
        self._writing = asyncio.Lock()
        self._tidying = asyncio.Lock()
        self._changed = asyncio.Event()
        self._changed.set()
        self._last_change = 0.0

    @classmethod
    async def open(cls, directory: Path, *, embedder: str, dimension: int) -> LanceStore:
        """Open or make the table for the embedding model. Raises `RagError` SEARCH-003."""
        with _unavailable(directory):
            await asyncio.to_thread(durable.make_folder, directory)
            database = await Database.open(directory)
            name = table_name(embedder, dimension)
            table = await database.table(name, dimension)
            await table.make_indexes()
            others = [other for other in await database.names() if other.startswith(TABLE_PREFIX) and other != name]
            documents = await table.select(rows.DOCUMENTS, ["chunk_id", "sha256"])
            moved = {row["chunk_id"] for row in documents}
            perhaps = {hash(value) for row in documents for value in row.values()}
            formers = []
            for other in others:
                formers.append(await Former.open(await database.table(other), moved))
                moved |= formers[-1].documents.keys()
            return cls(directory, database, table, formers, perhaps)

    @property
    def damage(self) -> list[Damage]:
        """What was found damaged when it was opened."""
        return self._database.damage

    def close(self) -> None:
        for table in (self._table, *(former.table for former in self._formers)):
            table.close()
        self._database.close()

    # Writing.

    async def upsert(self, document: Document, passages: Sequence[Passage], vectors: Vectors) -> None:
        """Store the document in place of what its id held before, in one commit. Raises `RagError` SEARCH-003."""
        await self.upsert_all([Embedded(document, passages, vectors)])

    async def upsert_all(self, new: Sequence[Embedded]) -> None:
        """As `upsert`, of documents of different ids by one commit: a reader sees all of them or none."""
        async with self._writing:
            with _unavailable(self._directory):
                await self._put(new)
                for former in self._formers:
                    for each in new:
                        await former.delete(each.document.id)

    async def _put(self, new: Sequence[Embedded]) -> None:
        old = [each.document.id for each in new if hash(each.document.id) in self._perhaps]
        before = await self._table.select(rows.one_of("document_id", old), ["chunk_id"]) if old else []
        self._perhaps |= {hash(value) for each in new for value in (each.document.id, each.document.sha256)}
        made = await asyncio.to_thread(rows.of_all, new, {row["chunk_id"] for row in before})
        await (self._table.put(made) if before else self._table.add(made))
        self._note_change()

    async def delete(self, document_id: str) -> bool:
        """Remove a document with its passages. False if there is none. Raises `RagError` SEARCH-003."""
        async with self._writing:
            with _unavailable(self._directory):
                where = f"document_id = {rows.quoted(document_id)}"
                found = bool(await self._table.count(where))
                if found:
                    await self._table.delete(where)
                for former in self._formers:
                    found |= await former.delete(document_id)
                self._note_change()
                return found

    def _note_change(self) -> None:
        self._last_change = time.monotonic()
        self._changed.set()

    # Housekeeping.

    async def optimize(self) -> None:
        """Take new rows into the indexes, merge small files, drop old versions. Nothing of what was deleted or
        replaced is left on disk. Searches go on meanwhile. Raises `RagError` SEARCH-003."""
        async with self._tidying:
            if not self._changed.is_set():
                return
            self._changed.clear()
            try:
                with _unavailable(self._directory):
                    await self._tidy(self._table)
                    # What another model has left goes whole in the end: it is tidied up for what was deleted alone.
                    for former in self._formers:
                        if former.has_forgotten:
                            await self._tidy(former.table)
                    async with self._writing:
                        await self._database.drop_stale_caches([self._table, *(each.table for each in self._formers)])
            except BaseException:
                self._changed.set()
                raise

    async def _tidy(self, table: Table) -> None:
        async with self._writing:
            if table is self._table and await table.count(rows.GONE):
                await table.delete(rows.GONE)
            await table.compact()
            if loosened := await table.loosen_deleted():
                await table.compact()
        # Both take long in a large table, and hold up no writing.
        if loosened:
            await table.renew_indexes()
        if (table is self._table and await table.index_vectors()) or loosened:
            async with self._writing:
                await table.compact()

    async def keep_house(self, is_busy: Callable[[], bool] = lambda: False) -> None:
        """Call `optimize` whenever there was writing; never returns. A large table is left in peace for longer, and so
        is a store that is busy: there is more to come."""
        rest_until = 0.0
        while True:
            await self._changed.wait()
            begun = await self._pause(rest_until, is_busy)
            try:
                await self.optimize()
                failed = False
            except RagError as error:
                log.warning("housekeeping failed: %s", error.text("en").message)
                failed = True
            rest_until = begun + max(LATEST if failed else QUIET, (time.monotonic() - begun) / SHARE)
            await asyncio.to_thread(memory.give_back)

    async def _pause(self, rest_until: float, is_busy: Callable[[], bool]) -> float:
        """Wait for quiet, not for ever, and for the end of the rest. The time then."""
        first = time.monotonic()
        while True:
            now = time.monotonic()
            quiet = (now if is_busy() else self._last_change) + QUIET
            left = max(rest_until, min(quiet, first + LATEST)) - now
            if left <= 0:
                return now
            await asyncio.sleep(left)

    # Reading.

    async def counts(self) -> tuple[int, int]:
        with _unavailable(self._directory):
            documents = await self._table.count(rows.DOCUMENTS)
            passages = await self._table.count() - await self._table.count(rows.GONE) - documents
        left = [document for former in self._formers for document in former.documents.values()]
        return documents + len(left), passages + sum(document.passages for document in left)

    async def document(self, document_id: str) -> Document | None:
        """The document with its text, or None."""
        with _unavailable(self._directory):
            where = f"chunk_id = {rows.quoted(document_id)} AND {rows.DOCUMENTS}"
            found = await self._table.select(where, ["about", "body"])
            if found:
                return await asyncio.to_thread(rows.to_document, found[0]["about"], found[0]["body"])
            for former in self._formers:
                if document := await former.load(document_id):
                    return document
        return None

    async def head(self, document_id: str) -> Document | None:
        """The document without its text, or None."""
        if hash(document_id) in self._perhaps:
            with _unavailable(self._directory):
                where = f"chunk_id = {rows.quoted(document_id)} AND {rows.DOCUMENTS}"
                found = await self._table.select(where, ["about"])
            if found:
                return rows.to_document(found[0]["about"])
        return next(
            (former.documents[document_id] for former in self._formers if document_id in former.documents), None
        )

    async def list_documents(
        self, query: str = "", first: int = 0, most: int = 100, sort: SortKey = "added", descending: bool = True
    ) -> tuple[list[Document], int]:
        """(documents without text, how many there are) whose source or title holds the query; the newest first,
        unless another order is asked for."""
        with _unavailable(self._directory):
            found = await self._table.select(rows.DOCUMENTS, listing.columns(sort))
            left = {each.id: each for former in self._formers for each in former.documents.values()}
            # One that is just being moved is in both.
            every = [*(row for row in found if row["chunk_id"] not in left), *map(listing.row_of, left.values())]
            page, total = await asyncio.to_thread(listing.page, every, query, sort, descending, first, most)
            here = [chunk_id for chunk_id in page if chunk_id not in left]
            about = await self._table.select(rows.one_of("chunk_id", here), ["about"]) if here else []
        known = left | {each.id: each for each in (rows.to_document(row["about"]) for row in about)}
        return [known[chunk_id] for chunk_id in page if chunk_id in known], total

    async def with_content(self, sha256: str) -> Document | None:
        """A document, without text, that was made of this content, or None."""
        if hash(sha256) in self._perhaps:
            with _unavailable(self._directory):
                found = await self._table.select(f"sha256 = {rows.quoted(sha256)}", ["about"])
            if found:
                return rows.to_document(found[0]["about"])
        left = (document for former in self._formers for document in former.documents.values())
        return next((document for document in left if document.sha256 == sha256), None)

    async def contents(self) -> dict[str, str]:
        """The SHA-256 of the content of every document, by its id."""
        with _unavailable(self._directory):
            found = await self._table.select(rows.DOCUMENTS, ["document_id", "sha256"])
        left = {id: document.sha256 for former in self._formers for id, document in former.documents.items()}
        return left | {row["document_id"]: row["sha256"] for row in found}

    async def search(self, query: str, vector: Vectors, k: int, where: Filter = EVERYWHERE) -> list[Passage]:
        """The `k` best passages, best first, each with its score. `vector`: the query's, shape `(dimension,)`.

        The length of the vector, 0 to 1, says how far it is to be trusted; 0: only words are searched.

        Raises `RagError` SEARCH-001 if the query cannot be run; SEARCH-004 if nothing is found, but documents wait for
        the index that is being made.
        """
        try:
            try:
                found = await self._candidates(query, vector, max(CANDIDATES, k), rows.condition(where))
            except (RuntimeError, OSError):
                # Housekeeping may have removed the version that was being read; the next try reads the new one.
                found = await self._candidates(query, vector, max(CANDIDATES, k), rows.condition(where))
        except (RuntimeError, ValueError, OSError) as error:
            log.exception("search failed")
            raise RagError("SEARCH-001") from error
        passages = await asyncio.to_thread(_rank, query, vector, *found, k)
        if not passages and (progress := self.rebuilding()):
            raise RagError("SEARCH-004", percent=100 * progress[0] // max(1, progress[1]))
        return passages

    async def _candidates(
        self, query: str, vector: Vectors, limit: int, where: str
    ) -> tuple[list[Any], list[dict[str, Any]]]:
        """Rows of this table, and those of others, which have no vectors to compare."""
        words = {"text": rows.asked_words(query), "grams": rows.asked_grams(query)}
        asked = {column: text for column, text in words.items() if text}
        others = [
            former.matching(column, text, limit, where) for former in self._formers for column, text in asked.items()
        ]
        found, *parts = await asyncio.gather(self._table.search(asked, vector, limit, where), *others)
        return found, [row for part in parts for row in part]

    # Another embedding model.

    def rebuilding(self) -> tuple[int, int] | None:
        """(documents done, documents in total) while those of another embedding model are moved over."""
        if not self._formers:
            return None
        return self._to_move - sum(len(former.documents) for former in self._formers), self._to_move

    async def rebuild(self, embed: Embed, progress: Progress = lambda done, total: None) -> None:
        """Move over what other embedding models have left, then drop their tables. Raises `RagError` SEARCH-003.

        A kill at any time does no harm: what has been moved is in the current table, and the rest is moved next time.
        """
        for former in list(self._formers):
            for document_id in list(former.documents):
                progress(*(self.rebuilding() or (0, 0)))
                await self._move(former, document_id, embed)
            if not former.documents:
                async with self._tidying, self._writing:
                    with _unavailable(self._directory):
                        # It is not closed: whoever searches it at this moment may end.
                        self._formers.remove(former)
                        await self._database.drop(former.table.name)
        progress(self._to_move, self._to_move)

    async def _move(self, former: Former, document_id: str, embed: Embed) -> None:
        with _unavailable(self._directory):
            document = await former.load(document_id)
        if document is None:
            return
        passages, vectors = await embed(document)
        async with self._writing:
            # It may have been replaced or deleted meanwhile.
            if document_id in former.documents:
                with _unavailable(self._directory):
                    await self._put([Embedded(document, passages, vectors)])
                former.documents.pop(document_id)


def table_name(embedder: str, dimension: int) -> str:
    """One table for each embedding model: another model's vectors mean something else."""
    return TABLE_PREFIX + hashlib.sha256(f"{FORMAT}\n{embedder}\n{dimension}".encode()).hexdigest()[:16]


def _rank(query: str, vector: Vectors, found: Sequence[Any], others: list[dict[str, Any]], k: int) -> list[Passage]:
    trust = min(1.0, float(np.linalg.norm(vector)))
    unit = vector / trust if trust else vector
    known: dict[str, tuple[dict[str, Any], float]] = {}
    for table in found:
        values = table.select(["chunk_id", "about", "text"]).to_pylist()
        for row, cosine in zip(values, cosines(table, unit), strict=True):
            known[row["chunk_id"]] = row, cosine
    strange = {row["chunk_id"]: (row, 0.0) for row in others if row["chunk_id"] not in known}
    candidates = [*known.values(), *strange.values()]
    passages = [rows.to_passage(row) for row, _ in candidates]
    contexts = [" ".join((passage.title, *passage.headings)) for passage in passages]
    words = ranking.relevance(query, [passage.text for passage in passages], contexts)
    scores = ranking.scores([cosine for _, cosine in candidates], words, trust)
    # Without a vector to compare, the words alone decide.
    scores[len(known) :] = ranking.scores([0.0] * len(strange), words[len(known) :], 0.0)
    best = sorted(range(len(passages)), key=lambda index: (-scores[index], passages[index].chunk_id))
    return [replace(passages[index], score=min(1.0, scores[index])) for index in best[:k]]


@contextmanager
def _unavailable(directory: Path) -> Iterator[None]:
    """Turns what the library raises into SEARCH-003, or what a full disk raises into SETUP-010."""
    try:
        yield
    except (RuntimeError, ValueError, OSError) as error:
        if refused := disk.refusal(error, directory):
            raise refused from error
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise RagError("SEARCH-003", reason=reason, directory=str(directory)) from error
