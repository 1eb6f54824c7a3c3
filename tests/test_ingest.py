"""Documents in: what was accepted gets stored, once, in order, and whatever goes wrong stays with its own file."""

from __future__ import annotations

import asyncio
import json
import os
import unicodedata
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest

from rag import ingest
from rag.chunking import in_context
from rag.errors import RagError
from rag.ingest import EMBED_BATCH, Ingester, Job, document_id, embed_passages, find_files
from rag.store import LanceStore
from tests.fakes import PATIENCE, HashEmbedder, MemoryStore, make_passage, until

LONG = "\n\n".join(f"Paragraph {number} " + "word " * 150 for number in range(10))


class Rig:
    """An ingester on a store in memory, and what it left on disk."""

    def __init__(self, folder: Path, max_bytes: int = 1 << 20) -> None:
        self.store = MemoryStore()
        self.embedder = HashEmbedder()
        self.incoming = folder / "incoming"
        self.max_bytes = max_bytes
        self.ingester = self.make()

    def make(self) -> Ingester:
        return Ingester(self.store, self.embedder, self.incoming, self.max_bytes)

    async def restart(self) -> None:
        """As after a kill: nothing is remembered but what is on disk and in the store."""
        await self.ingester.close()
        self.ingester = self.make()
        await self.ingester.start()

    def submit(self, name: str, content: str | bytes, origin: str = "") -> Job:
        job = self.ingester.prepare(name, origin)
        job.content.write_bytes(content.encode() if isinstance(content, str) else content)
        self.ingester.submit(job)
        self.ingester.enqueue(job)
        return job

    async def settle(self, kept: int = 0) -> None:
        """Until all is stored or failed, and its files are gone but for those of `kept` jobs."""
        async with asyncio.timeout(PATIENCE):
            await self.ingester.join()
        await until(lambda: len(self.on_disk()) == kept)

    def on_disk(self) -> list[str]:
        return sorted(path.name for path in self.incoming.iterdir()) if self.incoming.exists() else []


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(tmp_path)
    await made.ingester.start()
    yield made
    await made.ingester.close()


async def test_a_document_gets_its_text_passages_and_facts(rig: Rig) -> None:
    job = rig.submit("dir/guide.md", "# The guide\n\nBattery first.", origin="upload:1")
    await rig.settle()
    assert (job.state, job.error) == ("stored", None)
    document = rig.store.documents[document_id("upload:1")]
    assert (document.source, document.title, document.type) == ("dir/guide.md", "The guide", "md")
    assert (document.text, document.bytes, document.passages) == ("# The guide\n\nBattery first.", 27, 1)
    assert document.added.endswith("Z")
    (passage,) = rig.store.passages[document.id]
    assert (passage.document_id, passage.text) == (document.id, document.text)


async def test_states_come_in_order_with_progress(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, int, int]] = []
    move: Callable[..., None] = Job.move

    def record(job: Job, *arguments: object) -> None:
        move(job, *arguments)
        seen.append((job.state, job.done, job.total))

    monkeypatch.setattr(Job, "move", record)
    job = rig.submit("a.txt", LONG)
    assert job.state == "queued"
    await rig.settle()
    count = job.total
    assert count > EMBED_BATCH
    steps = [("embedding", min(done, count), count) for done in range(0, count + EMBED_BATCH, EMBED_BATCH)]
    assert seen == [("parsing", 0, 0), *steps, ("stored", count, count)]


async def test_a_watcher_sees_changes_until_the_end(rig: Rig) -> None:
    rig.embedder.wait = asyncio.Event()
    job = rig.submit("a.txt", LONG)
    seen = []
    async with asyncio.timeout(PATIENCE):
        async for state in rig.ingester.watch(job):
            seen.append(state.state)
            if state.state == "embedding":
                rig.embedder.wait.set()
    assert seen[0] == "queued"
    assert "embedding" in seen
    assert seen[-1] == "stored"
    # Someone who comes late is told the end at once.
    assert [late.state async for late in rig.ingester.watch(job)] == ["stored"]


async def test_an_unchanged_file_is_not_embedded_again(rig: Rig) -> None:
    rig.submit("a.txt", LONG)
    await rig.settle()
    embedded = len(rig.embedder.texts)
    job = rig.submit("a.txt", LONG)
    await rig.settle()
    assert (job.state, job.done) == ("stored", job.total)
    assert job.total > 0
    assert (rig.store.upserts, len(rig.embedder.texts)) == (1, embedded)


async def test_a_changed_file_replaces_what_its_origin_held(rig: Rig) -> None:
    for text in ("old", "new"):
        rig.submit("a.txt", text, origin="/folder/a.txt")
    rig.submit("a.txt", "another", origin="/elsewhere/a.txt")
    await rig.settle()
    assert sorted(document.text for document in rig.store.documents.values()) == ["another", "new"]


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [("a.txt", b"", "DOC-003"), ("a.pdf", b"no pdf", "DOC-005"), ("a.html", b"<p></p>", "DOC-006")],
)
async def test_a_file_that_cannot_be_read_fails_alone(rig: Rig, name: str, content: bytes, code: str) -> None:
    bad = rig.submit(name, content)
    good = rig.submit("good.txt", "text")
    await rig.settle()
    assert bad.state == "failed"
    assert bad.error is not None
    assert bad.error.code == code
    assert good.state == "stored"


async def test_what_fails_for_no_fault_of_the_file_keeps_the_queue_going_and_is_tried_again(rig: Rig) -> None:
    rig.store.error = RagError("SEARCH-003", reason="disk full", directory="d")
    first = rig.submit("a.txt", "text")
    await rig.settle(kept=1)
    rig.store.error = None
    rig.embedder.error = ZeroDivisionError()
    second = rig.submit("b.txt", "text")
    await rig.settle(kept=2)
    rig.embedder.error = None
    third = rig.submit("c.txt", "text")
    await rig.settle(kept=2)
    assert [job.state for job in (first, second, third)] == ["failed", "failed", "stored"]
    assert [job.error and job.error.code for job in (first, second)] == ["SEARCH-003", "WS-999-INTERNAL_ERROR"]
    await rig.restart()
    await rig.settle()
    assert {document.source for document in rig.store.documents.values()} == {"a.txt", "b.txt", "c.txt"}


async def test_a_lost_file_fails_alone(rig: Rig) -> None:
    job = rig.ingester.prepare("a.txt")
    rig.ingester.submit(job)
    rig.ingester.enqueue(job)
    await rig.settle()
    assert job.state == "failed"


async def test_an_unsupported_type_is_refused_before_anything_is_written(rig: Rig) -> None:
    with pytest.raises(RagError) as caught:
        rig.ingester.prepare("a.exe")
    assert caught.value.code == "DOC-001"
    assert rig.on_disk() == []


async def test_a_job_is_known_by_its_id(rig: Rig) -> None:
    job = rig.submit("a.txt", "text")
    assert rig.ingester.job(job.id) is job
    with pytest.raises(RagError) as caught:
        rig.ingester.job("no")
    assert caught.value.code == "DOC-007"


async def test_old_jobs_are_forgotten_but_never_one_that_has_not_ended(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "KEPT_JOBS", 2)
    rig.embedder.wait = asyncio.Event()
    waiting = [rig.submit(f"{number}.txt", "text") for number in range(4)]
    assert all(rig.ingester.job(job.id) is job for job in waiting)
    rig.embedder.wait.set()
    await rig.settle()
    last = rig.submit("last.txt", "text")
    with pytest.raises(RagError):
        rig.ingester.job(waiting[0].id)
    assert rig.ingester.job(waiting[-1].id) is waiting[-1]
    assert rig.ingester.job(last.id) is last
    await rig.settle()


async def test_the_store_is_tidied_once_after_a_batch_and_not_for_nothing(rig: Rig) -> None:
    for number in range(3):
        rig.submit(f"{number}.txt", "text")
    await until(lambda: rig.store.optimized)
    for _ in range(2):
        rig.submit("0.txt", "text")
        await rig.settle()
        # Waits for the next job: it is past its tidying.
        await until(lambda: rig.ingester._queue._getters)  # type: ignore[attr-defined]
    assert rig.store.optimized == 1


# Across a restart.


async def test_a_job_that_was_left_behind_is_taken_up(rig: Rig) -> None:
    rig.embedder.wait = asyncio.Event()
    running, waiting = rig.submit("a.txt", "first", "o1"), rig.submit("b.txt", "second", "o2")
    async for job in rig.ingester.watch(running):
        if job.state == "embedding":
            break
    await rig.ingester.close()
    assert rig.store.upserts == 0
    rig.embedder.wait = None
    await rig.restart()
    assert {rig.ingester.job(job.id).origin for job in (running, waiting)} == {"o1", "o2"}
    await rig.settle()
    assert sorted(document.text for document in rig.store.documents.values()) == ["first", "second"]


async def test_a_job_that_had_been_stored_already_is_not_stored_again(rig: Rig) -> None:
    rig.submit("a.txt", "text")
    await rig.settle()
    # As if it had been killed between the commit and the removal of its files.
    folder = rig.incoming / "left"
    folder.mkdir()
    (folder / "content").write_text("text")
    (folder / "about.json").write_text(json.dumps({"name": "a.txt", "origin": "a.txt"}))
    await rig.restart()
    await rig.settle()
    assert rig.ingester.job("left").state == "stored"
    assert rig.store.upserts == 1


async def test_what_was_never_submitted_is_removed(rig: Rig) -> None:
    unfinished = rig.ingester.prepare("a.txt")
    unfinished.content.write_text("half an upl")
    described = rig.ingester.prepare("b.txt")
    (described.folder / "about.json").write_text(json.dumps({"name": "b.txt", "origin": "b.txt"}))
    damaged = rig.incoming / "damaged"
    damaged.mkdir()
    (damaged / "about.json").write_text("{")
    assert len(rig.on_disk()) == 3
    await rig.restart()
    assert rig.on_disk() == []
    assert rig.store.documents == {}


async def test_a_stray_file_in_the_folder_does_not_stop_the_start(rig: Rig) -> None:
    (rig.incoming / "Thumbs.db").write_text("x")
    await rig.restart()
    job = rig.submit("a.txt", "text")
    await rig.ingester.join()
    assert job.state == "stored"


async def test_discarding_removes_what_a_job_has_on_disk(rig: Rig) -> None:
    job = rig.ingester.prepare("a.txt")
    job.content.write_text("text")
    rig.ingester.discard(job)
    assert rig.on_disk() == []


# Local files.


async def test_a_local_file_is_copied_and_stays_where_it_is(rig: Rig, tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("my text")
    job = await rig.ingester.add_file(path, "folder/mine.txt", str(path))
    await rig.settle()
    assert job.state == "stored"
    assert rig.store.documents[document_id(str(path))].source == "folder/mine.txt"
    assert path.read_text() == "my text"


async def test_a_local_file_that_cannot_be_taken_leaves_nothing_behind(rig: Rig, tmp_path: Path) -> None:
    large = tmp_path / "large.txt"
    large.write_bytes(b"x" * (rig.max_bytes + 1))
    folder = tmp_path / "folder.txt"
    folder.mkdir()
    for path, code in ((large, "DOC-002"), (tmp_path / "no.txt", "DOC-008"), (folder, "DOC-008"), (ingest, "DOC-001")):
        with pytest.raises(RagError) as caught:
            path = path if isinstance(path, Path) else Path(str(path.__file__))
            await rig.ingester.add_file(path, path.name, str(path))
        assert caught.value.code == code
    assert rig.on_disk() == []


async def test_a_file_of_just_the_largest_size_is_taken(rig: Rig, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"x" * rig.max_bytes)
    rig.embedder.error = RagError("SEARCH-001")  # Its fate after it was taken is of no interest.
    assert (await rig.ingester.add_file(path, "a.txt", "a")).name == "a.txt"
    await rig.settle(kept=1)


def test_files_are_found_sorted_without_hidden_ones(tmp_path: Path) -> None:
    root = tmp_path / ".hidden parent" / "docs"
    for name in ("b.md", "a.TXT", "sub/c.pdf", ".hidden.md", ".git/d.md", "e.exe", "sub/.f/g.md"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x")
    assert [source for source, _ in find_files(root)] == ["docs/a.TXT", "docs/b.md", "docs/sub/c.pdf"]
    assert list(find_files(root / "b.md")) == [("b.md", root / "b.md")]
    with pytest.raises(RagError) as caught:
        list(find_files(root / "no"))
    assert caught.value.code == "DOC-008"


def test_the_same_origin_is_the_same_document() -> None:
    assert document_id("/a") == document_id("/a") != document_id("/b")
    # A path of Linux need not be Unicode.
    assert len(document_id("/\udcb0\udca1.txt")) == 16


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("보증.txt".encode("cp949"), "보증.txt"),
        (unicodedata.normalize("NFD", "보증.txt").encode(), "보증.txt"),
        (b"\xff\xff.txt", "\ufffd\ufffd.txt"),
    ],
)
async def test_a_file_name_that_is_not_unicode_is_made_readable(
    rig: Rig, tmp_path: Path, written: bytes, name: str
) -> None:
    path = tmp_path / os.fsdecode(written)
    path.write_text("text")
    job = await rig.ingester.add_file(path, path.name, str(path))
    await rig.settle()
    assert (job.name, job.state) == (name, "stored")
    assert rig.store.documents[document_id(str(path))].source == name


# Embedding.


async def test_passages_are_embedded_a_few_at_a_time_in_order() -> None:
    embedder = HashEmbedder()
    passages = [make_passage(f"text{number}", number) for number in range(EMBED_BATCH * 2 + 1)]
    told: list[tuple[int, int]] = []
    vectors = await embed_passages(embedder, passages, lambda done, total: told.append((done, total)))
    assert told == [(0, 9), (4, 9), (8, 9), (9, 9)]
    assert np.array_equal(vectors, np.stack([embedder.vector(in_context(passage)) for passage in passages]))
    assert (await embed_passages(embedder, [])).shape == (0, embedder.dimension)


def test_a_passage_is_embedded_below_the_names_that_its_text_does_not_say() -> None:
    assert in_context(make_passage("text", title="T", headings=("T", "A", "B"))) == "T > A > B\ntext"
    assert in_context(make_passage("# A\ntext", title="A", headings=("A",))) == "# A\ntext"


# With the real store.


async def test_files_are_found_by_search_after_they_are_stored(tmp_path: Path) -> None:
    embedder = HashEmbedder()
    store = await LanceStore.open(tmp_path / "index", embedder=embedder.name, dimension=embedder.dimension)
    ingester = Ingester(store, embedder, tmp_path / "incoming", 1 << 20)
    await ingester.start()
    for version in ("배터리는 18개월 보증합니다.", "배터리는 24개월 보증합니다."):
        path = tmp_path / "보증.md"
        path.write_text(version)
        job = await ingester.add_file(path, path.name, str(path))
        await ingester.join()
        assert job.state == "stored"
        found = await store.search("배터리 보증", embedder.vector("배터리 보증"), 5)
        assert [passage.text for passage in found] == [version]
    await ingester.close()
    store.close()
