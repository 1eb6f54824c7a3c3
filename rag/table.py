"""The only importer of `lancedb`: one table of rows (rag.rows) with its indexes, on disk when a call returns.

Indexes follow the size of the table. Up to a few thousand passages all vectors are compared, in memory (rag.resident)
while nothing is written; then an approximate index finds the nearest: an inverted file (IVF) whose partitions hold
vectors of 4 bits a dimension (RaBitQ, Gao and Long, 2024), and the best are compared again in full. Words have two
full-text indexes, by English words and by character bigrams; documents, folders and types have one each. Rows that no
index has yet are looked through one by one.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

# Its warnings speak to those who build indexes by hand. Looked at when it is imported.
os.environ.setdefault("LANCEDB_LOG", "error")

import lancedb
import numpy as np
import pyarrow as pa
from lancedb.index import FTS, Bitmap, BTree, IvfRq
from lancedb.query import MatchQuery

from . import durable, repair, resident, rows
from .damage import Damage, set_aside
from .resident import Resident
from .types import Vectors

# Of the folder of a table that is being removed.
DROPPED = ".dropped"
INDEX_CACHE = 512 << 20
METADATA_CACHE = 128 << 20
# What the library caches of versions that are gone stays until its caches are full. They are made anew when they hold
# this much more than the files on disk have, as the library counts it (in memory it is four times as much).
STALE_CACHE = 4 << 20
# Passages from which an approximate index finds the nearest ones sooner than a look at all.
APPROXIMATE_FROM = 5000
# Rows of a partition, those looked into, and how many times more candidates are compared in full.
PARTITION = 1000
PROBES = 32
REFINE = 2
# Rows of a vector search, at least: with fewer the approximate index misses more (measured with 15 of a million).
NEAREST = 20
# The partitions were chosen for a table of another size when it has grown this many times.
GROWN = 4
# Rows that are made into a part of a table while other threads wait.
ROWS_AT_ONCE = 500
# MiB that the building of a full-text index may take.
WORDS_MEMORY = 512

log = logging.getLogger(__name__)


def _word_indexes() -> dict[str, FTS]:
    own = FTS(base_tokenizer="whitespace", stem=False, remove_stop_words=False, memory_limit=WORDS_MEMORY)
    return {"text": FTS(memory_limit=WORDS_MEMORY), "grams": own}


def _scalar_indexes() -> dict[str, BTree | Bitmap]:
    return {"chunk_id": BTree(), "document_id": BTree(), "source": BTree(), "sha256": BTree(), "type": Bitmap()}


def _remove_dropped(directory: Path) -> None:
    durable.sync(directory)
    for folder in directory.glob(f"*{DROPPED}"):
        shutil.rmtree(folder, ignore_errors=True)


def _mend(directory: Path) -> Iterator[Damage]:
    """Remove what was never finished, take damaged versions back, and move aside tables without a whole one."""
    _remove_dropped(directory)
    for folder in directory.glob("*.lance"):
        if taken_back := repair.repair(folder):
            yield Damage("index", count=len(taken_back))
        if repair.is_lost(folder):
            aside = set_aside(folder)
            log.error("no version of %s was whole; it is now %s", folder, aside)
            yield Damage("index", str(aside))
        elif not repair.is_made(folder):
            shutil.rmtree(folder)


class Database:
    """A directory of tables. `damage`: what was found damaged when it was opened."""

    def __init__(self, directory: Path, connection: Any, session: Any, damage: list[Damage]) -> None:
        self._directory = directory
        self._connection = connection
        self._session = session
        self.damage = damage

    @classmethod
    async def open(cls, directory: Path) -> Database:
        """Raises `OSError`, or what the library raises."""
        damage = await asyncio.to_thread(lambda: list(_mend(directory)))
        return cls(directory, *await cls._connect(directory), damage)

    @staticmethod
    async def _connect(directory: Path) -> tuple[Any, Any]:
        """A connection with empty caches, and what holds them."""
        session = lancedb.Session(index_cache_size_bytes=INDEX_CACHE, metadata_cache_size_bytes=METADATA_CACHE)
        return await lancedb.connect_async(str(directory), session=session), session

    async def drop_stale_caches(self, tables: Sequence[Table]) -> None:
        """Open the tables anew where the caches hold much that is no longer on disk. No other call may write
        meanwhile; what is being read is read to its end."""
        on_disk = await asyncio.to_thread(durable.bytes_in, self._directory)
        if self._session.size_bytes < STALE_CACHE + on_disk:
            return
        self._connection, self._session = await self._connect(self._directory)
        for table in tables:
            await table.reopen(self._connection)

    async def names(self) -> list[str]:
        return list((await self._connection.list_tables()).tables)

    async def table(self, name: str, dimension: int = 0) -> Table:
        """Open the table; make it, if it is not there and a dimension is given."""
        folder = self._directory / f"{name}.lance"
        if name in await self.names():
            table = Table(folder, await self._connection.open_table(name))
            await table.drop_damaged_indexes()
            return table
        made = await self._connection.create_table(name, schema=rows.schema(dimension))
        table = Table(folder, made)
        await asyncio.to_thread(durable.sync, self._directory)
        return table

    async def drop(self, name: str) -> None:
        """Remove the table whole: a kill on the way leaves all of it or no table."""
        folder = self._directory / f"{name}.lance"
        await asyncio.to_thread(folder.rename, folder.with_suffix(DROPPED))
        await asyncio.to_thread(_remove_dropped, self._directory)

    def close(self) -> None:
        self._connection.close()


class Table:
    """Made by `Database.table`. Writers take turns: calls that write are not to overlap, but for `index_vectors`."""

    def __init__(self, folder: Path, table: Any) -> None:
        self._folder = folder
        self._table = table
        self._synced: set[tuple[str, int]] = set()
        self._resident: Resident | None = None
        # Versions: of the last search, and the last one that was read into memory.
        self._seen = self._read = -1
        self._large = False

    @property
    def name(self) -> str:
        return str(self._table.name)

    def close(self) -> None:
        self._table.close()

    async def reopen(self, connection: Any) -> None:
        """Go on with the newest version by another connection."""
        self._table = await connection.open_table(self.name)

    # Writing.

    async def add(self, new: Sequence[dict[str, Any]] | pa.Table) -> None:
        """Rows with new ids, in one commit."""
        await self._table.add(await self._to_arrow(new), on_bad_vectors="null")
        await self.sync()

    async def put(self, new: Sequence[dict[str, Any]]) -> None:
        """Rows in place of those with the same ids, in one commit. The index of ids spares the look at all rows."""
        merge = self._table.merge_insert("chunk_id").when_matched_update_all().when_not_matched_insert_all()
        await merge.execute(await self._to_arrow(new), on_bad_vectors="null")
        await self.sync()

    async def delete(self, where: str) -> None:
        await self._table.delete(where)
        await self.sync()

    async def _to_arrow(self, new: Sequence[dict[str, Any]] | pa.Table) -> pa.Table:
        if isinstance(new, pa.Table):
            return new
        return await asyncio.to_thread(_in_pieces, new, await self._table.schema())

    async def sync(self) -> None:
        """Bring the files that are new since the last call to the disk; the library leaves that to the system. Of an
        older version nothing stays in memory."""
        if self._resident and self._resident.version != await self._table.version():
            self._resident = None
        await asyncio.to_thread(self._sync)

    def _sync(self) -> None:
        present: set[tuple[str, int]] = set()
        folders: set[str] = set()
        for directory, _, names in os.walk(self._folder):
            for name in names:
                path = os.path.join(directory, name)
                try:
                    key = path, os.stat(path).st_mtime_ns
                    if key not in self._synced:
                        durable.sync(Path(path))
                        folders |= {directory, os.path.dirname(directory)}
                except FileNotFoundError:
                    continue
                present.add(key)
        for directory in sorted(folders):
            if os.path.isdir(directory):
                durable.sync(Path(directory))
        self._synced = present

    # Reading.

    async def columns(self) -> set[str]:
        return set((await self._table.schema()).names)

    async def count(self, where: str | None = None) -> int:
        return int(await self._table.count_rows(where))

    async def select(self, where: str, columns: Sequence[str]) -> list[dict[str, Any]]:
        found = await self._table.query().where(where).select(list(columns)).to_arrow()
        return await asyncio.to_thread(found.to_pylist)

    async def search(self, words: Mapping[str, str], vector: Vectors, limit: int, where: str = "") -> list[pa.Table]:
        """For each column the rows that hold its words, and the rows that are nearest. As `matching` and `nearest`
        find them; without the latter, and without vectors, if `vector` is all zeros."""
        here, asked = await self._in_memory(), bool(vector.any())
        searches = [self._matching(here, column, query, limit, where, asked) for column, query in words.items()]
        if asked:
            most = max(NEAREST, limit)
            near = asyncio.to_thread(here.nearest, vector, most) if here and not where else None
            searches.append(near or self.nearest(vector, most, where))
        return await asyncio.gather(*searches)

    async def _in_memory(self) -> Resident | None:
        """The passages of a small table. Read anew when two searches in a row see a new version: not while
        documents come in. A table that was too large once stays on disk."""
        if self._large:
            return None
        version = await self._table.version()
        if version != self._seen:
            self._seen = version
        elif version != self._read:
            self._read = version
            self._resident = await self._load(version)
        return self._resident if self._resident and self._resident.version == version else None

    async def _load(self, version: int) -> Resident | None:
        self._large = await self.count() >= APPROXIMATE_FROM
        if self._large:
            return None
        found = await self._table.query().where("text IS NOT NULL").select(resident.COLUMNS).with_row_id().to_arrow()
        made = await asyncio.to_thread(Resident.of, version, found)
        return made if await self._table.version() == version else None

    async def _matching(
        self, here: Resident | None, column: str, query: str, limit: int, where: str, vectors: bool
    ) -> pa.Table:
        if here:
            ids = await self._words(column, query, limit, where).select(["_score"]).with_row_id().to_arrow()
            if (found := here.take(ids["_rowid"].to_pylist())) is not None:
                return found
        return await self.matching(column, query, limit, where, vectors=vectors)

    async def nearest(self, vector: Vectors, limit: int, where: str = "", *, exact: bool = False) -> pa.Table:
        """chunk_id, about, text and `_distance` (cosine) of the rows whose vectors are nearest."""
        query = self._query().nearest_to(vector).distance_type("cosine").refine_factor(REFINE)
        # With a filter all partitions until there are enough rows: those that pass it may lie anywhere.
        query = query.where(where).maximum_nprobes(0).minimum_nprobes(PROBES) if where else query.nprobes(PROBES)
        if exact:
            query = query.bypass_vector_index()
        return await query.select(["chunk_id", "about", "text", "_distance"]).limit(limit).to_arrow()

    async def matching(self, column: str, query: str, limit: int, where: str = "", *, vectors: bool = True) -> pa.Table:
        """chunk_id, about, text, `_score` (BM25) and, if wanted, vector of the rows whose `column` holds words of the
        query."""
        columns = ["chunk_id", "about", "text", "_score", *(["vector"] if vectors else [])]
        return await self._words(column, query, limit, where).select(columns).to_arrow()

    def _words(self, column: str, query: str, limit: int, where: str) -> Any:
        found = self._query().nearest_to_text(MatchQuery(query, column)).limit(limit)  # type: ignore[call-arg]
        return found.where(where) if where else found

    def _query(self) -> Any:
        query = self._table.query()
        # Otherwise it reads the schema each time, to look for columns of a kind that is not here (measured: 0.2 ms).
        query._table = None
        return query

    # Housekeeping.

    async def make_indexes(self) -> None:
        """Those that a table of any size has."""
        present = await self._index_columns()
        for column, config in (_word_indexes() | _scalar_indexes()).items():
            if column not in present:
                await self._table.create_index(column, config=config)
        await self.sync()

    async def renew_indexes(self) -> None:
        """Make those of words and values anew: an index that only forgets rows still holds their words."""
        for column, config in (_word_indexes() | _scalar_indexes()).items():
            await self._table.create_index(column, config=config)
        await self.sync()

    async def index_vectors(self) -> bool:
        """Make or renew the approximate index, if the table has grown to the size for it. Takes long; others may
        read and write meanwhile."""
        passages = await self.count()
        made_for = await self._partitions()
        if passages < APPROXIMATE_FROM or passages < GROWN * made_for * PARTITION:
            return False
        partitions = max(1, passages // PARTITION)
        config = IvfRq(distance_type="cosine", num_bits=4, num_partitions=partitions, sample_rate=64, max_iterations=15)
        old = [index.name for index in await self._table.list_indices() if "vector" in index.columns]
        await self._table.create_index("vector", config=config, name=f"vector_{partitions}")
        for name in old:
            await self._table.drop_index(name)
        await self.sync()
        return True

    async def _partitions(self) -> int:
        """Of the approximate index, or 0. Its name keeps the number."""
        names = [index.name for index in await self._table.list_indices() if "vector" in index.columns]
        return max((int(name.removeprefix("vector_")) for name in names), default=0)

    async def compact(self) -> None:
        """Take new rows into the indexes and merge small files, until nothing is left to do; then drop old versions.

        Old versions go only when the new one is on disk. No other call may write meanwhile.
        """
        for _ in range(4):
            before = await self._table.version()
            await self._table.optimize()
            await self.sync()
            if await self._table.version() == before:
                break
        await self._table.optimize(cleanup_older_than=timedelta(milliseconds=1), delete_unverified=True)
        await self.sync()

    async def loosen_deleted(self) -> bool:
        """Make the next compaction write the files anew that still hold deleted rows. False if there are none.

        The library does so only where more than a tenth of a file's rows are deleted; so an eighth of them is moved.
        """
        moved = False
        for fragment in await asyncio.to_thread(self._fragments_with_deleted):
            inside = f"_rowid >= {fragment << 32} AND _rowid < {(fragment + 1) << 32}"
            left = await self.count(inside)
            if left:
                some = await self._table.query().where(inside).select([]).with_row_id().limit(left // 8 + 1).to_arrow()
                ids = some["_rowid"].to_numpy()
                between = f"_rowid >= {ids.min()} AND _rowid <= {ids.max()}"
                await self._table.update(updates_sql={"type": "type"}, where=between)
            moved = True
        return moved

    def _fragments_with_deleted(self) -> list[int]:
        folder = self._folder / "_deletions"
        return sorted({int(file.name.split("-")[0]) for file in folder.glob("[0-9]*-*")})

    async def drop_damaged_indexes(self) -> None:
        """They are made anew by `make_indexes` and `index_vectors`."""
        damaged = await asyncio.to_thread(repair.damaged_indexes, self._folder)
        if damaged:
            for index in await self._table.list_indices():
                log.warning("an index is damaged; %s is made anew", index.name)
                await self._table.drop_index(index.name)

    async def _index_columns(self) -> set[str]:
        return {column for index in await self._table.list_indices() for column in index.columns}


def _in_pieces(new: Sequence[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """The rows as a table. The library lets no other thread go on before it has made one, so it makes small ones."""
    starts = range(0, len(new), ROWS_AT_ONCE)
    pieces = [pa.Table.from_pylist(list(new[start : start + ROWS_AT_ONCE]), schema=schema) for start in starts]
    return pa.concat_tables([schema.empty_table(), *pieces])


def cosines(found: pa.Table, query: Vectors) -> list[float]:
    """Of each row's unit vector with the query's; 0 for a row without one."""
    if "_distance" in found.column_names:
        return [1.0 - distance for distance in found["_distance"].to_pylist()]
    if "vector" not in found.column_names:
        return [0.0] * len(found)
    column = found["vector"].combine_chunks()
    known = np.zeros(len(found), dtype=np.float32)
    if len(found):
        valid = np.asarray(column.is_valid())
        known[valid] = np.asarray(column.flatten()).reshape(-1, len(query)) @ query
    return [float(value) for value in known]
