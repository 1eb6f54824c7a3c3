"""What the index has lost, with a version that a power cut damaged, comes back from the originals; what a full disk has
refused is stored once there is room."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from rag import disk, ingest
from rag.damage import Damage
from rag.errors import RagError
from rag.incoming import Job, document_id
from rag.ingest import Ingester
from rag.store import LanceStore
from tests.fakes import PATIENCE, HashEmbedder, ThreadParser, until

ON_FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[tuple[Ingester, LanceStore]]:
    embedder = HashEmbedder()
    store = await LanceStore.open(folder / "index", embedder=embedder.name, dimension=embedder.dimension)
    ingester = Ingester(store, embedder, ThreadParser(), folder, 1 << 20, damage=store.damage)
    await ingester.start()
    try:
        yield ingester, store
    finally:
        await ingester.close()
        store.close()


async def add(ingester: Ingester, **contents: str) -> list[Job]:
    """Files stored one after the other: what comes from `a` is `a.txt`."""
    jobs = []
    for origin, content in contents.items():
        job = ingester.incoming.prepare(f"{origin}.txt", origin)
        job.content.write_text(content)
        ingester.incoming.submit(job)
        ingester.enqueue(job)
        jobs.append(job)
        async with asyncio.timeout(PATIENCE):
            await ingester.join()
    return jobs


async def texts(ingester: Ingester, store: LanceStore, *origins: str) -> list[str | None]:
    async with asyncio.timeout(PATIENCE):
        await ingester.join()
    found = [await store.document(document_id(origin)) for origin in origins]
    return [document.text if document else None for document in found]


def versions(folder: Path) -> list[Path]:
    """The newest first."""
    return sorted(folder.glob("index/*/_versions/*.manifest"))


def found_in(folder: Path, pattern: str) -> list[Path]:
    return list(folder.glob(pattern))


def lose(folder: Path, count: int) -> None:
    """A disk that lied: the newest versions are not whole."""
    for manifest in versions(folder)[:count]:
        manifest.write_bytes(bytes(manifest.stat().st_size))


async def test_what_was_lost_is_indexed_anew_from_its_originals(tmp_path: Path) -> None:
    async with opened(tmp_path) as (ingester, store):
        await add(ingester, kept="the pump", changed="the battery")
        before = len(versions(tmp_path))
        await add(ingester, changed="the charger", new="the manual")
        lost = len(versions(tmp_path)) - before
    lose(tmp_path, lost)
    async with opened(tmp_path) as (ingester, store):
        found = await texts(ingester, store, "kept", "changed", "new")
        assert found == ["the pump", "the charger", "the manual"]
        assert ingester.damage == [Damage("index", count=lost), Damage("documents", count=2)]
        (new,), _ = await store.list_documents("new")
        assert new.source == "new.txt"
    async with opened(tmp_path) as (ingester, store):
        assert ingester.damage == []
        assert await texts(ingester, store, "kept", "changed", "new") == found


async def test_what_was_deleted_does_not_come_back(tmp_path: Path) -> None:
    async with opened(tmp_path) as (ingester, store):
        await add(ingester, kept="the pump", gone="the battery", again="the charger")
        before = len(versions(tmp_path))
        for origin in ("gone", "again"):
            await ingester.remove(document_id(origin))
        await add(ingester, again="the manual")
        lost = len(versions(tmp_path)) - before
    lose(tmp_path, lost)
    async with opened(tmp_path) as (ingester, store):
        assert await texts(ingester, store, "kept", "gone", "again") == ["the pump", None, "the manual"]


async def test_what_was_deleted_and_stays_away_costs_no_look_into_the_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path) as (ingester, store):
        await add(ingester, kept="the pump", gone="the battery")
        await ingester.remove(document_id("gone"))
    tried: list[str] = []

    async def counted(self: LanceStore, document_id: str) -> bool:
        tried.append(document_id)
        return False

    monkeypatch.setattr(LanceStore, "delete", counted)
    async with opened(tmp_path) as (ingester, store):
        assert await texts(ingester, store, "kept", "gone") == ["the pump", None]
    assert tried == []


async def test_an_index_of_which_nothing_is_whole_is_made_anew(tmp_path: Path) -> None:
    async with opened(tmp_path) as (ingester, store):
        await add(ingester, a="the pump", b="the battery")
    lose(tmp_path, len(versions(tmp_path)))
    async with opened(tmp_path) as (ingester, store):
        assert await texts(ingester, store, "a", "b") == ["the pump", "the battery"]
        moved, anew = ingester.damage
        assert (moved.part, anew) == ("index", Damage("documents", count=2))
        assert found_in(Path(moved.aside), "_versions/*")


async def test_a_kill_while_it_is_made_anew_loses_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as (ingester, store):
        await add(ingester, a="the pump", b="the battery")
    lose(tmp_path, len(versions(tmp_path)))
    # The first one gets no further than the opening of the store.
    store = await LanceStore.open(tmp_path / "index", embedder=HashEmbedder().name, dimension=HashEmbedder().dimension)
    store.close()
    async with opened(tmp_path) as (ingester, store):
        assert await texts(ingester, store, "a", "b") == ["the pump", "the battery"]


async def test_a_later_file_of_the_same_place_is_not_overtaken_by_an_older_original(tmp_path: Path) -> None:
    async with opened(tmp_path) as (ingester, store):
        await add(ingester, a="the pump")
    lose(tmp_path, len(versions(tmp_path)))
    folder = tmp_path / "incoming" / "0accepted"
    folder.mkdir()
    (folder / "content").write_text("the battery")
    (folder / "about.json").write_text('{"name": "a.txt", "origin": "a"}')
    async with opened(tmp_path) as (ingester, store):
        assert await texts(ingester, store, "a") == ["the battery"]


# A full disk.


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "AGAIN", 0.01)


@contextmanager
def full_disk(store: LanceStore) -> Iterator[None]:
    async def full(*_: object) -> None:
        raise RuntimeError("LanceError(IO): No space left on device (os error 28)")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store._table, "add", full)
        patch.setattr(store._table, "put", full)
        patch.setattr(disk, "takes", lambda directory, size: False)
        yield


async def test_what_a_full_disk_has_refused_is_stored_once_there_is_room(tmp_path: Path, soon: None) -> None:
    async with opened(tmp_path) as (ingester, store):
        with full_disk(store):
            (job,) = await add(ingester, a="the pump")
            assert (job.state, job.error and job.error.code) == ("failed", "SETUP-010")
        await until(lambda: job.state == "stored")
        assert job.error is None
        assert await texts(ingester, store, "a") == ["the pump"]
        assert ingester.jobs() == [job]
        assert not list(ingester.incoming.folder.iterdir())


async def test_a_later_file_stays_where_an_older_one_was_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, soon: None
) -> None:
    async with opened(tmp_path) as (ingester, store):
        with full_disk(store):
            await add(ingester, a="the pump")
        monkeypatch.setattr(ingest, "AGAIN", 3600)
        await add(ingester, a="the battery")
        assert not list(ingester.incoming.folder.iterdir())
    async with opened(tmp_path) as (ingester, store):
        assert await texts(ingester, store, "a") == ["the battery"]


async def test_what_was_refused_can_be_cancelled_and_goes_with_its_document(tmp_path: Path, soon: None) -> None:
    async with opened(tmp_path) as (ingester, store):
        await add(ingester, b="the battery")
        with full_disk(store):
            first, second = await add(ingester, a="the pump", b="the charger")
            await ingester.cancel(first)
            assert first.state == "cancelled"
        assert await ingester.remove(document_id("b"))
        assert second.state == "cancelled"
        assert ingester.jobs()[:2] == [second, first]
        assert not list(ingester.incoming.folder.iterdir())
        assert await texts(ingester, store, "a", "b") == [None, None]


async def test_a_file_that_finds_no_room_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path) as (ingester, _):
        (tmp_path / "a.txt").write_text("the pump")

        def full(*_: object) -> None:
            raise ON_FULL

        monkeypatch.setattr(ingester.incoming, "describe", full)
        with pytest.raises(RagError) as caught:
            await ingester.add_file(tmp_path / "a.txt", "a.txt", "a")
        assert caught.value.code == "SETUP-010"
        assert not list(ingester.incoming.folder.iterdir())
