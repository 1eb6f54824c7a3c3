"""After a power cut the newest whole version is used, and a kill loses nothing that was acknowledged."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rag.chunking import chunk
from rag.store import LanceStore
from rag.table import DROPPED
from tests.fakes import HashEmbedder, make_document
from tests.store_child import check, open_store

ROOT = Path(__file__).resolve().parent.parent
KILLS = 30


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


DAMAGES = [empty, cut_short, zero]


async def put(store: LanceStore, id: str, text: str) -> None:
    document = make_document(text, id=id)
    passages = chunk(document)
    await store.upsert(document, passages, await HashEmbedder().embed([passage.text for passage in passages]))


async def two_versions(tmp_path: Path) -> Path:
    """A tidy table with one document, then one more document. The folder of the table."""
    store = await open_store(tmp_path)
    await put(store, "first", "the battery")
    await store.optimize()
    await put(store, "second", "the charger")
    store.close()
    return await asyncio.to_thread(lambda: next(tmp_path.iterdir()))


async def ids(tmp_path: Path) -> list[str]:
    store = await open_store(tmp_path)
    found = [passage.document_id for passage in await store.search("battery charger", HashEmbedder().vector(""), 5)]
    assert (await store.counts())[0] == len(found)
    # It goes on as if nothing had been.
    await put(store, "third", "the manual")
    await store.optimize()
    assert await store.counts() == (len(found) + 1, len(found) + 1)
    store.close()
    return sorted(found)


def found_in(folder: Path, pattern: str) -> list[Path]:
    return list(folder.glob(pattern))


def newest(folder: Path, pattern: str) -> Path:
    return max(folder.glob(pattern), key=lambda path: path.stat().st_mtime_ns)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("part", ["_versions/*.manifest", "data/*.lance"])
async def test_a_damaged_version_is_taken_back(
    tmp_path: Path, part: str, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    folder = await two_versions(tmp_path)
    damage(newest(folder, part))
    assert await ids(tmp_path) == ["first"]
    assert "was not whole" in caplog.text


async def test_a_version_whose_data_is_missing_is_taken_back(tmp_path: Path) -> None:
    folder = await two_versions(tmp_path)
    newest(folder, "data/*.lance").unlink()
    assert await ids(tmp_path) == ["first"]


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_deletion_is_taken_back(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    folder = await two_versions(tmp_path)
    store = await open_store(tmp_path)
    await store.optimize()
    await store.delete("second")
    store.close()
    damage(newest(folder, "_deletions/*"))
    assert await ids(tmp_path) == ["first", "second"]


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_index_is_made_anew(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    folder = await two_versions(tmp_path)
    for file in folder.glob("_indices/*/*"):
        damage(file)
    assert await ids(tmp_path) == ["first", "second"]


async def test_a_file_that_was_being_written_goes(tmp_path: Path) -> None:
    folder = await two_versions(tmp_path)
    (folder / "_deletions").mkdir(exist_ok=True)
    for part in ("data", "_deletions"):
        (folder / part / ".tmp9VEIhy").write_bytes(b"half")
    assert await ids(tmp_path) == ["first", "second"]
    assert not list(folder.rglob(".tmp*"))


async def test_a_whole_table_is_left_as_it_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    await two_versions(tmp_path)
    assert await ids(tmp_path) == ["first", "second"]
    assert caplog.text == ""


def parts_of(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*")}


async def test_without_any_whole_version_the_table_is_moved_aside_and_nothing_of_it_is_removed(tmp_path: Path) -> None:
    folder = await two_versions(tmp_path)
    manifests = list(folder.glob("_versions/*.manifest"))
    for manifest in manifests:
        empty(manifest)
    before = parts_of(folder)
    store = await open_store(tmp_path)
    assert await store.counts() == (0, 0)
    (damage,) = [each for each in store.damage if each.aside]
    assert before <= parts_of(Path(damage.aside))
    store.close()


async def test_a_table_of_another_model_without_any_whole_version_is_moved_aside_too(tmp_path: Path) -> None:
    folder = await two_versions(tmp_path)
    for manifest in folder.glob("_versions/*.manifest"):
        empty(manifest)
    store = await LanceStore.open(tmp_path, embedder="another", dimension=8)
    assert await store.counts() == (0, 0)
    assert [Path(damage.aside).parent for damage in store.damage] == [tmp_path]
    store.close()


@pytest.mark.parametrize("embedder", ["hashed words", "another"])
async def test_a_table_that_was_being_made_is_gone(tmp_path: Path, embedder: str) -> None:
    store = await LanceStore.open(tmp_path / "made", embedder=embedder, dimension=HashEmbedder().dimension)
    store.close()
    (made,) = (tmp_path / "made").glob("*.lance")
    # As a kill leaves it right before its first version comes to its place.
    (tmp_path / made.name / "_versions").mkdir(parents=True)
    (tmp_path / made.name / "_transactions").mkdir()
    store = await open_store(tmp_path)
    assert await store.counts() == (0, 0)
    assert store.damage == []
    assert len(found_in(tmp_path, "*.lance")) == 1
    store.close()


async def test_a_table_that_was_being_dropped_is_gone(tmp_path: Path) -> None:
    folder = await two_versions(tmp_path)
    folder.rename(folder.with_suffix(DROPPED))
    assert await ids(tmp_path) == []
    assert not found_in(tmp_path, f"*{DROPPED}")


def test_nothing_that_was_acknowledged_is_lost_by_a_kill(tmp_path: Path) -> None:
    draw = random.Random(0)
    log = ""
    for round_ in range(KILLS):
        command = [sys.executable, "-m", "tests.store_child", str(tmp_path / "index"), str(round_)]
        child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        log += child.stdout.readline()
        time.sleep(draw.uniform(0, 0.25))
        child.kill()
        log += child.stdout.read()
        child.wait()
        asyncio.run(check(tmp_path / "index", log))
    assert log.count("done") > KILLS
