"""Passages in memory are found as those on disk are: the nearest first, and by the table's row ids."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from rag.resident import Resident
from rag.rows import schema
from rag.table import cosines

VECTORS = [[1.0, 0.0], None, [0.0, 1.0], [0.6, 0.8]]


def resident(count: int = len(VECTORS)) -> Resident:
    found = {
        "chunk_id": [f"c{n}" for n in range(count)],
        "about": ["{}"] * count,
        "text": [f"text {n}" for n in range(count)],
        "vector": VECTORS[:count],
        "_rowid": [100 + n for n in range(count)],
    }
    fields = [schema(2).field(name) if name != "_rowid" else pa.field(name, pa.uint64()) for name in found]
    return Resident.of(7, pa.table(found, schema=pa.schema(fields)))


def test_the_nearest_come_first_and_those_without_a_vector_never() -> None:
    # As far as it is trusted the vector may be shorter than one.
    found = resident().nearest(np.array([0.0, 0.5], dtype=np.float32), 10)
    assert found["chunk_id"].to_pylist() == ["c2", "c3", "c0"]
    assert cosines(found, np.array([0.0, 1.0], dtype=np.float32)) == pytest.approx([1.0, 0.8, 0.0])


def test_no_more_are_found_than_were_asked_for() -> None:
    assert resident().nearest(np.array([1.0, 0.0], dtype=np.float32), 1)["text"].to_pylist() == ["text 0"]


def test_rows_come_in_the_order_of_their_ids_with_their_vectors() -> None:
    found = resident().take([103, 101, 100])
    assert found is not None
    assert found["chunk_id"].to_pylist() == ["c3", "c1", "c0"]
    assert cosines(found, np.array([1.0, 0.0], dtype=np.float32)) == pytest.approx([0.6, 0.0, 1.0])


def test_a_row_that_came_later_is_noticed() -> None:
    assert resident().take([100, 104]) is None


def test_nothing_is_found_in_nothing() -> None:
    empty = resident(0)
    assert len(empty.nearest(np.array([1.0, 0.0], dtype=np.float32), 5)) == 0
    found = empty.take([])
    assert found is not None
    assert len(found) == 0
