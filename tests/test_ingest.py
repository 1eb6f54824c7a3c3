"""Documents in: what was accepted gets stored, once, in order, and whatever goes wrong stays with its own file."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import time
import unicodedata
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from rag import ingest
from rag.chunking import in_context
from rag.errors import RagError
from rag.incoming import Job, document_id
from rag.ingest import EMBED_BATCH, OPEN_JOBS, OPEN_SMALL_JOBS, Ingester, embed_passages
from rag.store import LanceStore
from rag.types import Embedded
from tests.fakes import PATIENCE, HashEmbedder, MemoryStore, ThreadParser, make_passage, until

LONG = "\n\n".join(f"Paragraph {number} " + "word " * 150 for number in range(10))


class Rig:
    """An ingester on a store in memory, and what it left on disk."""

    def __init__(self, folder: Path, max_bytes: int = 4 << 20) -> None:
        self.store = MemoryStore()
        self.embedder = HashEmbedder()
        self.parser = ThreadParser()
        self.folder = folder
        self.max_bytes = max_bytes
        self.ingester = self.make()

    def make(self) -> Ingester:
        return Ingester(self.store, self.embedder, self.parser, self.folder, self.max_bytes)

    async def restart(self) -> None:
        """As after a kill: nothing is remembered but what is on disk and in the store."""
        await self.ingester.close()
        self.ingester = self.make()
        await self.ingester.start()

    def submit(self, name: str, content: str | bytes, origin: str = "") -> Job:
        job = self.ingester.incoming.prepare(name, origin)
        job.content.write_bytes(content.encode() if isinstance(content, str) else content)
        self.ingester.incoming.submit(job)
        self.ingester.enqueue(job)
        return job

    async def settle(self) -> None:
        """Until all has ended."""
        async with asyncio.timeout(PATIENCE):
            await self.ingester.join()

    async def store_all(self, **contents: str) -> list[Job]:
        """Files stored one after the other: what comes from `a` is `a.txt`."""
        jobs = []
        for origin, content in contents.items():
            jobs.append(self.submit(f"{origin}.txt", content, origin))
            await self.settle()
        return jobs

    def texts(self) -> dict[str, str]:
        """The text of each stored document by its source."""
        return {document.source: document.text for document in self.store.documents.values()}

    def on_disk(self, folder: str = "incoming") -> list[str]:
        return sorted(path.name for path in (self.folder / folder).glob("*"))

    def check(self) -> None:
        """What lies on disk is what the store names, and nothing else."""
        assert self.on_disk() == []
        assert self.on_disk("originals") == sorted({document.sha256 for document in self.store.documents.values()})
        for document in self.store.documents.values():
            kept = self.ingester.originals.path(document.sha256).read_bytes()
            assert hashlib.sha256(kept).hexdigest() == document.sha256


async def state_of(job: Job, state: str) -> None:
    """Until the job is in that state."""
    async with asyncio.timeout(PATIENCE):
        async for _ in job.states():
            if job.state == state:
                return


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(tmp_path)
    await made.ingester.start()
    yield made
    if made.store.wait:
        # What is being stored is stored before an end.
        made.store.wait.set()
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
    assert seen == [("parsing", 0, 0), *steps, ("storing", count, count), ("stored", count, count)]


async def test_a_watcher_sees_changes_until_the_end(rig: Rig) -> None:
    rig.embedder.wait = asyncio.Event()
    job = rig.submit("a.txt", LONG)
    seen = []
    async with asyncio.timeout(PATIENCE):
        async for state in job.states():
            seen.append(state.state)
            if state.state == "embedding":
                rig.embedder.wait.set()
    assert seen[0] == "queued"
    assert "embedding" in seen
    assert seen[-1] == "stored"
    # Someone who comes late is told the end at once.
    assert [late.state async for late in job.states()] == ["stored"]


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


@pytest.mark.parametrize("code", ["SEARCH-003", "SETUP-010"])
async def test_the_text_of_a_file_that_failed_does_not_stay_in_memory(rig: Rig, code: str) -> None:
    rig.store.error = RagError(code, reason="disk full", directory="d")
    job = rig.submit("a.txt", "text")
    await rig.settle()
    assert job.error is not None
    assert (job.error.code, job.error.__traceback__, job.error.__context__) == (code, None, None)


async def test_what_fails_for_no_fault_of_the_file_keeps_the_queue_going_and_is_tried_again(rig: Rig) -> None:
    rig.store.error = RagError("SEARCH-003", reason="disk full", directory="d")
    first = rig.submit("a.txt", "text")
    await rig.settle()
    rig.store.error = None
    rig.embedder.error = ZeroDivisionError()
    second = rig.submit("b.txt", "another text")
    await rig.settle()
    rig.embedder.error = None
    third = rig.submit("c.txt", "a third text")
    await rig.settle()
    assert len(rig.on_disk()) == 2
    assert [job.state for job in (first, second, third)] == ["failed", "failed", "stored"]
    assert [job.error and job.error.code for job in (first, second)] == ["SEARCH-003", "WS-999-INTERNAL_ERROR"]
    await rig.restart()
    await rig.settle()
    assert {document.source for document in rig.store.documents.values()} == {"a.txt", "b.txt", "c.txt"}


async def test_a_lost_file_fails_alone(rig: Rig) -> None:
    job = rig.ingester.incoming.prepare("a.txt")
    job.content.write_text("text")
    rig.ingester.incoming.submit(job)
    job.content.unlink()
    rig.ingester.enqueue(job)
    await rig.settle()
    assert job.state == "failed"


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
    waiting = [rig.submit(f"{number}.txt", f"text {number}") for number in range(4)]
    assert all(rig.ingester.job(job.id) is job for job in waiting)
    rig.embedder.wait.set()
    await rig.settle()
    assert len(rig.ingester.jobs()) == 2
    last = rig.submit("last.txt", "text")
    assert rig.ingester.job(last.id) is last
    await rig.settle()
    assert rig.ingester.jobs()[0] is last
    forgotten = next(job for job in waiting if job not in rig.ingester.jobs())
    with pytest.raises(RagError):
        rig.ingester.job(forgotten.id)


# Several at once.


async def test_a_large_file_does_not_keep_small_ones_waiting(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "SMALL", 100)
    never = rig.parser.wait = asyncio.Event()
    large = [rig.submit(f"large{number}.txt", f"{number} {LONG}") for number in range(5)]
    await until(lambda: len(rig.parser.names) == OPEN_JOBS)
    rig.parser.wait = None
    small = [rig.submit(f"small{number}.txt", f"text {number}") for number in range(5)]
    async with asyncio.timeout(PATIENCE):
        for job in small:
            await state_of(job, "stored")
    assert [job.state for job in large].count("queued") == 5 - OPEN_JOBS
    never.set()
    await rig.settle()
    assert {job.state for job in large} == {"stored"}


async def test_small_files_are_taken_in_order_and_so_many_at_a_time(rig: Rig) -> None:
    rig.parser.wait = asyncio.Event()
    jobs = [rig.submit(f"{number}.txt", f"text {number}") for number in range(6)]
    at_once = OPEN_JOBS + OPEN_SMALL_JOBS
    await until(lambda: [job.state for job in jobs].count("parsing") == at_once)
    assert [job.state for job in jobs] == ["parsing"] * at_once + ["queued"] * (6 - at_once)
    assert rig.ingester.jobs() == jobs
    assert rig.ingester.job_counts() == {
        "queued": 6 - at_once,
        "running": at_once,
        "stored": 0,
        "failed": 0,
        "cancelled": 0,
    }
    rig.parser.wait.set()
    await rig.settle()
    assert rig.ingester.job_counts()["stored"] == 6


async def test_versions_of_one_file_never_overtake_each_other(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "SMALL", 100)
    first = rig.parser.wait = asyncio.Event()
    old = rig.submit("a.txt", LONG, "a")
    await until(lambda: rig.parser.names)
    rig.parser.wait = None
    new, other = rig.submit("a.txt", "new", "a"), rig.submit("b.txt", "other", "b")
    await state_of(other, "stored")
    assert (old.state, new.state) == ("parsing", "queued")
    first.set()
    await rig.settle()
    assert rig.texts() == {"b.txt": "other", "a.txt": "new"}
    rig.check()


async def test_the_next_file_is_parsed_while_one_is_embedded(rig: Rig) -> None:
    rig.embedder.wait = asyncio.Event()
    first = rig.submit("a.txt", LONG)
    await state_of(first, "embedding")
    second = rig.submit("b.txt", "text")
    await state_of(second, "embedding")
    assert (first.state, first.done) == ("embedding", 0)
    rig.embedder.wait.set()
    await rig.settle()


# Storing together.


def held_back(rig: Rig) -> tuple[Job, asyncio.Event]:
    """A job that keeps being parsed until the event is set; later ones pass it."""
    held = rig.parser.wait = asyncio.Event()
    job = rig.submit("held.txt", "held")
    return job, held


async def test_documents_that_get_ready_while_others_are_stored_share_a_commit(rig: Rig) -> None:
    held = rig.store.wait = asyncio.Event()
    first = rig.submit("first.txt", "first")
    await until(lambda: rig.store.commits)
    others = [rig.submit(f"{number}.txt", f"text {number}") for number in range(OPEN_JOBS + OPEN_SMALL_JOBS + 3)]
    await until(lambda: all(job.state == "storing" for job in others))
    assert first.state == "storing"
    held.set()
    await rig.settle()
    assert (rig.store.commits, rig.store.upserts) == (2, 1 + len(others))
    rig.check()


async def test_nothing_waits_for_a_commit_that_nothing_else_will_join(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "BETWEEN_COMMITS", 10 * PATIENCE)
    await rig.store_all(a="text", b="other", c="text")
    # Neither a waiting version of the same file nor the same content elsewhere.
    for name, text in (("a", "new"), ("a", "newer"), ("d", "same"), ("e", "same")):
        rig.submit(f"{name}.txt", text, name)
    await rig.settle()
    # Which of the two is hashed first is open.
    twins = rig.texts().keys() & {"d.txt", "e.txt"}
    assert len(twins) == 1
    assert rig.texts() == {"a.txt": "newer", "b.txt": "other", "c.txt": "text", twins.pop(): "same"}
    rig.check()


async def test_beside_a_long_job_documents_are_stored_once_in_a_while(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, held = held_back(rig)
    await until(lambda: rig.parser.names)
    rig.parser.wait = None
    await state_of(rig.submit("a.txt", "first"), "stored")
    monkeypatch.setattr(ingest, "BETWEEN_COMMITS", 10 * PATIENCE)
    jobs = [rig.submit(f"{number}.txt", f"text {number}") for number in range(10)]
    await until(lambda: all(job.state == "storing" for job in jobs))
    assert rig.store.commits == 1
    monkeypatch.setattr(ingest, "READY_PASSAGES", len(jobs) + 1)
    last = rig.submit("last.txt", "last")
    async with asyncio.timeout(PATIENCE):
        for job in (*jobs, last):
            await state_of(job, "stored")
    assert rig.store.commits == 2
    monkeypatch.setattr(ingest, "BETWEEN_COMMITS", 0.2)
    await state_of(rig.submit("z.txt", "z"), "stored")
    held.set()
    await rig.settle()


async def test_a_document_that_the_store_refuses_fails_alone(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    upsert_all = rig.store.upsert_all

    async def refuse(new: Sequence[Embedded]) -> None:
        if any(each.document.source == "bad.txt" for each in new):
            raise RagError("SEARCH-003", reason="bad", directory="d")
        await upsert_all(new)

    monkeypatch.setattr(rig.store, "upsert_all", refuse)
    monkeypatch.setattr(ingest, "BETWEEN_COMMITS", 10 * PATIENCE)
    rig.ingester._last_commit = time.monotonic()
    jobs = [rig.submit(f"{name}.txt", name) for name in ("a", "bad", "b", "c")]
    await rig.settle()
    assert [job.state for job in jobs] == ["stored", "failed", "stored", "stored"]
    assert jobs[1].error is not None
    assert jobs[1].error.code == "SEARCH-003"
    assert set(rig.texts()) == {"a.txt", "b.txt", "c.txt"}


async def test_a_file_that_vanishes_before_it_is_stored_fails_alone(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    _, held = held_back(rig)
    await until(lambda: rig.parser.names)
    rig.parser.wait = None
    monkeypatch.setattr(ingest, "BETWEEN_COMMITS", 10 * PATIENCE)
    rig.ingester._last_commit = time.monotonic()
    jobs = [rig.submit(f"{name}.txt", name) for name in ("a", "b")]
    await until(lambda: all(job.state == "storing" for job in jobs))
    jobs[0].content.unlink()
    held.set()
    await rig.settle()
    assert [job.state for job in jobs] == ["failed", "stored"]
    assert set(rig.texts()) == {"b.txt", "held.txt"}


# Cancelling.


async def test_a_job_that_is_ready_but_not_being_stored_can_be_cancelled(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "READY_PASSAGES", 4)
    held = rig.store.wait = asyncio.Event()
    rig.submit("first.txt", "first")
    await until(lambda: rig.store.commits)
    jobs = [rig.submit(f"{number}.txt", f"text {number}") for number in range(8)]
    await until(lambda: len(rig.ingester._ready) == 7)
    assert jobs[7].state == "queued"
    for job in jobs[:4]:
        await rig.ingester.cancel(job)
    # There is room again.
    await until(lambda: jobs[7].state == "storing")
    held.set()
    await rig.settle()
    assert [job.state for job in jobs] == ["cancelled"] * 4 + ["stored"] * 4
    assert set(rig.texts()) == {"first.txt", *(job.name for job in jobs[4:])}
    rig.check()


@pytest.mark.parametrize("state", ["queued", "parsing", "embedding"])
async def test_of_a_cancelled_job_nothing_is_left(rig: Rig, state: str) -> None:
    held = asyncio.Event()
    if state == "embedding":
        rig.embedder.wait = held
    else:
        rig.parser.wait = held
    jobs = [rig.submit(f"{number}.txt", f"text {number}") for number in range(OPEN_JOBS + OPEN_SMALL_JOBS + 1)]
    job = jobs[-1] if state == "queued" else jobs[0]
    await until(lambda: job.state == state and jobs[0].state != "queued")
    await rig.ingester.cancel(job)
    assert (job.state, job.error, job.document_id) == ("cancelled", None, "")
    await rig.ingester.cancel(job)
    held.set()
    await rig.settle()
    assert len(rig.texts()) == len(jobs) - 1
    assert job.name not in rig.texts()
    assert rig.ingester.job(job.id) is job
    rig.check()


async def test_a_job_that_is_being_stored_is_stored(rig: Rig) -> None:
    held = rig.store.wait = asyncio.Event()
    job = rig.submit("a.txt", "text")
    await until(lambda: rig.store.upserts)
    cancelled = asyncio.create_task(rig.ingester.cancel(job))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not cancelled.done()
    held.set()
    await cancelled
    assert job.state == "stored"
    assert rig.texts() == {"a.txt": "text"}
    rig.check()


async def test_cancelling_a_new_version_leaves_the_old_one(rig: Rig) -> None:
    await rig.store_all(a="old")
    rig.embedder.wait = asyncio.Event()
    job = rig.submit("a.txt", "new", "a")
    await state_of(job, "embedding")
    await rig.ingester.cancel(job)
    assert rig.texts() == {"a.txt": "old"}
    rig.check()


# The same content in several places.


async def test_the_same_content_is_stored_once(rig: Rig) -> None:
    first, second = await rig.store_all(a="text", b="text")
    assert (second.state, second.document_id, second.duplicate) == ("stored", document_id("a"), True)
    assert (first.document_id, first.duplicate, second.total) == (document_id("a"), False, first.total)
    assert rig.texts() == {"a.txt": "text"}
    rig.check()


async def test_the_same_content_at_the_same_time_is_embedded_once(rig: Rig) -> None:
    jobs = [rig.submit(f"{number}.txt", "text") for number in range(4)]
    await rig.settle()
    assert sorted(job.duplicate for job in jobs) == [False, True, True, True]
    assert (len(rig.embedder.texts), rig.store.upserts) == (1, 1)
    rig.check()


async def test_content_stays_while_any_place_holds_it(rig: Rig) -> None:
    await rig.store_all(a="text", b="text", c="text", d="other")
    for origin, left in (("b", {"a", "d"}), ("a", {"c", "d"}), ("c", {"d"}), ("d", set[str]())):
        await rig.ingester.forget(origin)
        await rig.settle()
        assert set(rig.texts()) == {f"{name}.txt" for name in left}
        rig.check()


async def test_content_is_found_without_a_gap_while_another_place_takes_it_over(rig: Rig) -> None:
    await rig.store_all(a="text", b="text")
    rig.embedder.wait = asyncio.Event()
    await rig.ingester.forget("a")
    await until(lambda: rig.ingester.job_counts()["running"])
    assert rig.texts() == {"a.txt": "text"}
    rig.embedder.wait.set()
    await rig.settle()
    assert rig.texts() == {"b.txt": "text"}
    rig.check()


async def test_a_takeover_goes_on_after_a_restart(rig: Rig) -> None:
    await rig.store_all(a="text", b="text")
    rig.embedder.wait = asyncio.Event()
    await rig.ingester.forget("a")
    await rig.restart()
    rig.embedder.wait = None
    await rig.restart()
    await rig.settle()
    assert rig.texts() == {"b.txt": "text"}
    rig.check()


async def test_a_place_that_vanishes_while_it_takes_over_takes_the_content_with_it(rig: Rig) -> None:
    await rig.store_all(a="text", b="text")
    rig.embedder.wait = asyncio.Event()
    await rig.ingester.forget("a")
    await rig.ingester.forget("b")
    rig.embedder.wait.set()
    await rig.settle()
    assert rig.texts() == {}
    rig.check()


async def test_when_one_place_changes_the_others_keep_their_content(rig: Rig) -> None:
    await rig.store_all(a="text", b="text", c="text")
    await rig.store_all(a="new")
    assert rig.texts() == {"a.txt": "new", "b.txt": "text"}
    rig.check()
    await rig.store_all(b="newer")
    assert rig.texts() == {"a.txt": "new", "b.txt": "newer", "c.txt": "text"}
    rig.check()


async def test_a_file_that_becomes_what_another_holds_gives_up_its_own(rig: Rig) -> None:
    await rig.store_all(a="text", b="other", c="other")
    (job,) = await rig.store_all(b="text")
    assert (job.duplicate, job.document_id) == (True, document_id("a"))
    assert rig.texts() == {"a.txt": "text", "c.txt": "other"}
    rig.check()
    await rig.store_all(b="third")
    await rig.ingester.forget("a")
    await rig.settle()
    assert rig.texts() == {"b.txt": "third", "c.txt": "other"}, "what b held before is not b's any more"
    rig.check()


async def test_a_file_that_was_moved_takes_its_document_along(rig: Rig, tmp_path: Path) -> None:
    old, new = tmp_path / "old.txt", tmp_path / "new.txt"
    old.write_text("text")
    await rig.ingester.add_file(old, "files/old.txt", str(old))
    await rig.settle()
    copy = await rig.ingester.add_file(old, "files/copy.txt", str(tmp_path / "copy.txt"))
    await rig.settle()
    assert copy.duplicate
    old.rename(new)
    job = await rig.ingester.add_file(new, "files/new.txt", str(new))
    await rig.settle()
    assert (job.document_id, job.duplicate) == (document_id(str(new)), False)
    assert rig.texts() == {"files/new.txt": "text"}
    rig.check()


async def test_a_file_that_was_moved_is_found_while_its_old_place_is_given_up(rig: Rig, tmp_path: Path) -> None:
    old, new = tmp_path / "old.txt", tmp_path / "new.txt"
    old.write_text("text")
    await rig.ingester.add_file(old, old.name, str(old))
    await rig.settle()
    rig.embedder.wait = asyncio.Event()
    old.rename(new)
    await state_of(await rig.ingester.add_file(new, new.name, str(new)), "embedding")
    await rig.ingester.forget(str(old))
    assert rig.texts() == {"old.txt": "text"}
    rig.embedder.wait.set()
    await rig.settle()
    assert rig.texts() == {"new.txt": "text"}
    rig.check()


async def test_a_file_that_was_moved_and_is_gone_before_it_was_taken_leaves_nothing(rig: Rig, tmp_path: Path) -> None:
    old, new = tmp_path / "old.txt", tmp_path / "new.txt"
    old.write_text("text")
    await rig.ingester.add_file(old, old.name, str(old))
    await rig.settle()
    rig.embedder.wait = asyncio.Event()
    old.rename(new)
    await state_of(await rig.ingester.add_file(new, new.name, str(new)), "embedding")
    await rig.ingester.forget(str(old))
    new.unlink()
    await rig.ingester.forget(str(new))
    rig.embedder.wait.set()
    await rig.settle()
    assert rig.texts() == {}
    rig.check()


async def test_a_drive_that_is_away_is_no_move(rig: Rig, tmp_path: Path) -> None:
    path = tmp_path / "drive" / "a.txt"
    path.parent.mkdir()
    path.write_text("text")
    await rig.ingester.add_file(path, "a.txt", str(path))
    await rig.settle()
    path.parent.rename(tmp_path / "away")
    job = await rig.ingester.add_file(tmp_path / "away" / "a.txt", "b.txt", str(tmp_path / "away" / "a.txt"))
    await rig.settle()
    assert job.duplicate
    assert set(rig.texts()) == {"a.txt"}


async def test_what_gives_way_comes_after_all_else_and_leaves_places(rig: Rig, tmp_path: Path) -> None:
    names = [f"guide{number}.txt" for number in range(OPEN_JOBS + 2)]
    held = rig.parser.wait = asyncio.Event()
    for name in names:
        (tmp_path / name).write_text(name)
        await rig.ingester.add_file(tmp_path / name, name, name, gives_way=True)
    await until(lambda: rig.parser.names)
    rig.parser.wait = None
    mine = [rig.submit(name, name) for name in ("mine.txt", "other.txt")]
    await until(lambda: all(job.state == "stored" for job in mine))
    assert sorted(rig.parser.names) == [names[0], "mine.txt", "other.txt"]
    held.set()
    await rig.settle()
    assert rig.parser.names[3:] == names[1:]


async def test_a_newer_version_waits_for_an_older_one_that_gives_way(rig: Rig, tmp_path: Path) -> None:
    path = tmp_path / "guide.txt"
    held = rig.parser.wait = asyncio.Event()
    for text, gives_way in (("first", True), ("old", True), ("new", False)):
        path.write_text(text)
        await rig.ingester.add_file(path, path.name, "first" if text == "first" else "guide", gives_way=gives_way)
    await until(lambda: rig.parser.names)
    held.set()
    await rig.settle()
    assert "new" in rig.texts().values()
    assert "old" not in rig.texts().values()


# Deleting.


async def test_a_deleted_document_leaves_nothing_behind(rig: Rig) -> None:
    await rig.store_all(a="text", b="text", c="other")
    assert await rig.ingester.remove(document_id("a"))
    assert not await rig.ingester.remove(document_id("a"))
    assert rig.texts() == {"c.txt": "other"}
    rig.check()


async def test_deleting_a_document_stops_what_would_bring_it_back(rig: Rig) -> None:
    await rig.store_all(a="text", b="text")
    rig.embedder.wait = asyncio.Event()
    new = rig.submit("a.txt", "new", "a")
    await state_of(new, "embedding")
    waiting = rig.submit("a.txt", "newer", "a")
    assert await rig.ingester.remove(document_id("a"))
    rig.embedder.wait.set()
    await rig.settle()
    assert {new.state, waiting.state} == {"cancelled"}
    assert rig.texts() == {}
    rig.check()


async def test_a_start_sweeps_originals_that_no_document_names(rig: Rig) -> None:
    await rig.store_all(a="text")
    (rig.folder / "originals" / ("0" * 64)).write_text("orphan")
    (rig.folder / "originals" / ".half").write_text("ha")
    await rig.restart()
    rig.check()


# Across a restart.


async def test_a_job_that_was_left_behind_is_taken_up(rig: Rig) -> None:
    rig.embedder.wait = asyncio.Event()
    running, waiting = rig.submit("a.txt", "first", "o1"), rig.submit("b.txt", "second", "o2")
    async for job in running.states():
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
    folder = rig.ingester.incoming.folder / "left"
    folder.mkdir()
    (folder / "content").write_text("text")
    (folder / "about.json").write_text(json.dumps({"name": "a.txt", "origin": "a.txt"}))
    await rig.restart()
    await rig.settle()
    assert rig.ingester.job("left").state == "stored"
    assert rig.store.upserts == 1


# Local files.


async def test_a_local_file_is_copied_and_stays_where_it_is(rig: Rig, tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("my text")
    job = await rig.ingester.add_file(path, "folder/mine.txt", str(path))
    await rig.settle()
    assert job.state == "stored"
    assert rig.store.documents[document_id(str(path))].source == "folder/mine.txt"
    assert path.read_text() == "my text"


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
    ingester = Ingester(store, embedder, ThreadParser(), tmp_path, 1 << 20)
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
