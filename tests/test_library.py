"""After a power cut took what the disk had said was written: documents, places and originals fit together again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rag.damage import Damage
from rag.incoming import document_id

from .test_ingest import Rig


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(tmp_path)
    await made.ingester.start()
    yield made
    await made.ingester.close()


async def test_a_document_that_the_index_has_lost_is_added_again_from_its_original(rig: Rig) -> None:
    await rig.store_all(a="the battery", b="the charger")
    del rig.store.documents[document_id("a")]
    await rig.restart()
    await rig.settle()
    assert rig.texts() == {"a.txt": "the battery", "b.txt": "the charger"}
    assert rig.ingester.damage == [Damage("documents", count=1)]
    rig.check()
    await rig.restart()
    assert rig.ingester.damage == []


async def test_a_deleted_document_that_came_back_with_an_older_index_is_deleted_again(rig: Rig) -> None:
    await rig.store_all(a="the battery", b="the charger")
    document = rig.store.documents[document_id("a")]
    passages = rig.store.passages[document.id]
    assert await rig.ingester.remove(document.id)
    rig.store.documents[document.id], rig.store.passages[document.id] = document, passages
    await rig.restart()
    assert rig.texts() == {"b.txt": "the charger"}
    rig.check()


async def test_what_was_added_again_after_its_deletion_stays(rig: Rig) -> None:
    await rig.store_all(a="the battery")
    assert await rig.ingester.remove(document_id("a"))
    await rig.store_all(a="the battery")
    await rig.restart()
    assert rig.texts() == {"a.txt": "the battery"}
    rig.check()


async def test_a_damaged_record_of_places_stops_nothing_and_loses_no_document(rig: Rig) -> None:
    await rig.store_all(a="the battery")
    await rig.ingester.close()
    (file,) = rig.folder.rglob("origins.sqlite")
    file.write_bytes(b"garbage " * 1000)
    rig.ingester = rig.make()
    await rig.ingester.start()
    ((part, aside),) = [(each.part, Path(each.aside)) for each in rig.ingester.damage]
    assert (part, aside.name.startswith("origins.sqlite.damaged-")) == ("places", True)
    await rig.settle()
    assert rig.texts() == {"a.txt": "the battery"}
    rig.check()


async def test_where_something_was_damaged_strange_originals_are_moved_aside_and_not_removed(rig: Rig) -> None:
    await rig.store_all(a="the battery")
    stray = rig.ingester.originals.path("0" * 64)
    stray.write_bytes(b"of no document")
    del rig.store.documents[document_id("a")]
    await rig.restart()
    await rig.settle()
    rig.check()
    assert [path.read_bytes() for path in rig.folder.glob("originals.*/*")] == [b"of no document"]
