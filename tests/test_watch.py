"""Watched folders: what changes in them follows; what cannot be seen stays as it is."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rag import watch
from rag.incoming import document_id
from rag.watch import Memory, Watcher
from tests.fakes import until
from tests.test_ingest import Rig


class Watched:
    """A folder, an ingester in memory, and a watcher that looks when it is told to."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "docs"
        self.root.mkdir()
        self.data = folder / "data"
        self.rig = Rig(self.data)
        self.watcher = self.make()

    def make(self, seconds: float = 3600.0) -> Watcher:
        return Watcher(self.rig.ingester, [self.root], self.data / "watch.sqlite", seconds, [self.data])

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    async def look(self, times: int = 2) -> dict[str, str]:
        """The stored texts by source after so many looks."""
        for _ in range(times):
            await self.watcher.look(self.root)
        await self.rig.settle()
        return self.rig.texts()

    async def restart(self) -> None:
        await self.watcher.close()
        await self.rig.restart()
        self.watcher = self.make()
        await self.start()

    async def start(self) -> None:
        self.watcher._known = await asyncio.to_thread(self.watcher._memory.files)


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Watched]:
    made = Watched(tmp_path)
    await made.rig.ingester.start()
    await made.start()
    yield made
    await made.watcher.close()
    await made.rig.ingester.close()


async def test_new_changed_and_deleted_files_follow(watched: Watched) -> None:
    a, b = watched.write("a.md", "alpha"), watched.write("sub/b.txt", "beta")
    watched.write("c.exe", "no document")
    assert await watched.look() == {"docs/a.md": "alpha", "docs/sub/b.txt": "beta"}
    assert set(watched.rig.store.documents) == {document_id(str(a)), document_id(str(b))}
    watched.write("a.md", "alpha two")
    b.unlink()
    assert await watched.look() == {"docs/a.md": "alpha two"}
    watched.rig.check()


async def test_a_file_is_taken_when_it_has_been_still(watched: Watched) -> None:
    watched.write("a.md", "be")
    assert await watched.look(1) == {}
    watched.write("a.md", "being wri")
    assert await watched.look(1) == {}
    watched.write("a.md", "being written")
    assert await watched.look(1) == {}
    assert await watched.look(1) == {"docs/a.md": "being written"}


async def test_a_file_that_is_replaced_is_not_deleted_in_between(watched: Watched) -> None:
    path = watched.write("a.md", "old")
    await watched.look()
    path.unlink()
    assert await watched.look(1) == {"docs/a.md": "old"}
    path.write_text("new text")
    await watched.look(2)
    path.unlink()
    assert await watched.look(1) == {"docs/a.md": "new text"}
    assert await watched.look(1) == {}


async def test_unchanged_files_are_not_read_again(watched: Watched) -> None:
    path = watched.write("a.md", "text")
    await watched.look(4)
    jobs = len(watched.rig.ingester.jobs())
    os.utime(path, (1, 1))
    await watched.look(4)
    assert len(watched.rig.ingester.jobs()) == jobs == 1


async def test_a_file_that_failed_is_tried_again_when_it_changes(watched: Watched) -> None:
    watched.write("a.pdf", "no pdf")
    watched.write("large.md", "x" * (watched.rig.max_bytes + 1))
    assert await watched.look(6) == {}
    assert [job.name for job in watched.rig.ingester.jobs()] == ["docs/a.pdf"]
    watched.write("large.md", "small now")
    watched.write("a.pdf", "still no pdf")
    assert await watched.look() == {"docs/large.md": "small now"}
    assert len(watched.rig.ingester.jobs()) == 3


async def test_what_happened_while_the_server_was_off_follows_at_the_next_start(watched: Watched) -> None:
    paths = [watched.write(name, name) for name in ("gone.md", "changed.md", "same.md")]
    await watched.look()
    await watched.watcher.close()
    paths[0].unlink()
    paths[1].write_text("changed while off")
    watched.write("new.md", "new")
    watched.watcher = watched.make()
    await watched.restart()
    assert await watched.look() == {
        "docs/changed.md": "changed while off",
        "docs/same.md": "same.md",
        "docs/new.md": "new",
    }
    watched.rig.check()


@pytest.mark.parametrize("empty", [False, True])
async def test_a_folder_that_is_away_keeps_its_documents(
    watched: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, empty: bool
) -> None:
    watched.write("a.md", "text")
    await watched.look()
    away = tmp_path / "away"
    watched.root.rename(away)
    if empty:
        # As where a drive is not mounted: the folder is there, on another device.
        watched.root.mkdir()
        monkeypatch.setattr(Memory, "device", lambda *_: "another")
    assert await watched.look(4) == {"docs/a.md": "text"}
    assert caplog.text.count("cannot be read") == 1
    await watched.restart()
    assert await watched.look(4) == {"docs/a.md": "text"}
    monkeypatch.undo()
    if empty:
        watched.root.rmdir()
    away.rename(watched.root)
    (watched.root / "a.md").unlink()
    assert await watched.look(4) == {}


async def test_the_last_file_of_a_folder_can_be_deleted(watched: Watched) -> None:
    path = watched.write("a.md", "text")
    await watched.look()
    path.unlink()
    assert await watched.look() == {}


async def test_a_copy_keeps_the_content_found(watched: Watched) -> None:
    path = watched.write("a.md", "text")
    await watched.look()
    copy = watched.write("copy.md", "text")
    assert await watched.look() == {"docs/a.md": "text"}
    path.unlink()
    assert await watched.look() == {"docs/copy.md": "text"}
    copy.unlink()
    assert await watched.look() == {}
    watched.rig.check()


@pytest.mark.parametrize(("old", "new"), [("old-", "new-"), ("old/", "new/")])
async def test_files_that_were_renamed_together_keep_their_documents(watched: Watched, old: str, new: str) -> None:
    for number in range(40):
        watched.write(f"{old}{number}.md", f"text {number}")
    await watched.look()
    for number in range(40):
        path = watched.root / f"{new}{number}.md"
        path.parent.mkdir(exist_ok=True)
        (watched.root / f"{old}{number}.md").rename(path)
    held = watched.rig.embedder.wait = asyncio.Event()
    for _ in range(2):
        await watched.watcher.look(watched.root)
    held.set()
    assert await watched.look() == {f"docs/{new}{number}.md": f"text {number}" for number in range(40)}
    watched.rig.check()


async def test_a_file_that_was_renamed_has_its_new_name(watched: Watched) -> None:
    path = watched.write("old.md", "text")
    await watched.look()
    path.rename(watched.root / "new.md")
    assert await watched.look() == {"docs/new.md": "text"}
    watched.rig.check()


async def test_what_was_uploaded_stays_when_the_same_file_goes(watched: Watched) -> None:
    watched.rig.submit("mine.md", "text")
    await watched.rig.settle()
    path = watched.write("a.md", "text")
    await watched.look()
    path.unlink()
    assert await watched.look() == {"mine.md": "text"}


async def test_a_document_that_somebody_deleted_stays_away_until_its_file_changes(watched: Watched) -> None:
    path = watched.write("a.md", "text")
    await watched.look()
    await watched.rig.ingester.remove(document_id(str(path)))
    os.utime(path, (1, 1))
    await watched.restart()
    assert await watched.look(4) == {}
    path.write_text("changed")
    assert await watched.look() == {"docs/a.md": "changed"}


async def test_a_large_folder_is_taken_bit_by_bit(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "AHEAD", 2)
    hold = watched.rig.parser.wait = asyncio.Event()
    for number in range(20):
        watched.write(f"{number}.md", f"text {number}")
    for _ in range(5):
        await watched.watcher.look(watched.root)
        await until(lambda: watched.rig.ingester.job_counts()["running"] == 4 or len(watched.rig.parser.names) < 4)
    assert len(watched.rig.on_disk()) <= 2 + 4 + 1
    hold.set()
    for _ in range(40):
        texts = await watched.look(1)
    assert len(texts) == 20


async def test_a_path_that_is_no_unicode_is_followed(watched: Watched) -> None:
    path = watched.write(os.fsdecode(b"\xba\xb8\xc1\xf5.md"), "text")
    assert await watched.look() == {"docs/보증.md": "text"}
    await watched.restart()
    path.unlink()
    assert await watched.look() == {}


async def test_a_running_watcher_looks_by_itself(watched: Watched) -> None:
    await watched.watcher.close()
    watched.watcher = watched.make(seconds=0.02)
    await watched.watcher.start()
    path = watched.write("a.md", "text")
    await until(lambda: watched.rig.texts() == {"docs/a.md": "text"})
    path.unlink()
    await until(lambda: not watched.rig.texts())
