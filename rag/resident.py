"""Pure: a small table's passages in memory, where vectors are compared sooner than a query for them is planned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from .types import Vectors

COLUMNS = ["chunk_id", "about", "text", "vector"]


@dataclass(frozen=True, slots=True)
class Resident:
    """What one version of the table held. `known`: the places of the rows that have a vector."""

    version: int
    rows: pa.Table
    places: dict[int, int]
    known: npt.NDArray[np.intp]
    vectors: Vectors

    @classmethod
    def of(cls, version: int, found: pa.Table) -> Resident:
        """`found`: `COLUMNS` and _rowid."""
        rows = found.select(COLUMNS).combine_chunks()
        vectors = pa.array([], rows.schema.field("vector").type) if not len(rows) else rows["vector"].chunk(0)
        known = np.flatnonzero(np.asarray(vectors.is_valid()))
        flat = np.asarray(vectors.flatten()).reshape(len(known), vectors.type.list_size)
        return cls(version, rows, {row: at for at, row in enumerate(found["_rowid"].to_pylist())}, known, flat)

    def nearest(self, vector: Vectors, limit: int) -> pa.Table:
        """As `Table.nearest`, and exact. Stored vectors are of length one."""
        distances = 1 - self.vectors @ (vector / np.linalg.norm(vector))
        best = np.argsort(distances, kind="stable")[:limit]
        return self.rows.take(self.known[best]).append_column("_distance", pa.array(distances[best]))

    def take(self, ids: Sequence[int]) -> pa.Table | None:
        """The rows with these ids of the table; None if one is not here."""
        places = [self.places.get(row) for row in ids]
        return None if None in places else self.rows.take(pa.array(places, pa.int64()))
