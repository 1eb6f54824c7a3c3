"""Documents in: jobs that are parsed, cut into passages, embedded and stored, several at once, with their progress.

Several jobs are open at a time: while one embeds, the next is parsed, so that the embedder never waits. It serves their
texts in turns, so that a large file does not keep small ones waiting. Documents that are ready are stored together, at
most once in a while: a commit takes as long for many as for one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import numpy as np

from . import disk, durable, loaders
from .chunking import chunk, in_context
from .damage import Damage
from .errors import RagError
from .incoming import ENDED, Incoming, Job, State, document_id
from .library import Library, Ready
from .loaders import Loaded
from .types import Document, Embedded, Embedder, Passage, Store, Vectors

# Few, so that files take short turns.
EMBED_BATCH = 4
KEPT_JOBS = 1000
# Jobs being parsed and embedded at once: of any size, and of small files only.
OPEN_JOBS = 2
OPEN_SMALL_JOBS = 2
SMALL = 1 << 20
# Seconds from one commit to the next while there is more to come, unless so many passages are ready.
BETWEEN_COMMITS = 1.0
READY_PASSAGES = 1000
# Seconds until what the disk has refused is tried again, at first and at most; bytes that have to be free for it.
AGAIN, LATEST_AGAIN = 5.0, 300.0
ROOM = 4 << 20
RETRIED = disk.REFUSALS | {"SEARCH-003"}

log = logging.getLogger(__name__)


class FileParser(Protocol):
    """Files to text."""

    async def parse(self, name: str, path: Path) -> Loaded:
        """Raises `RagError` DOC-…. Cancelling the call ends the work."""
        ...


class Ingester:
    """The queue and its workers. `start` takes up what an earlier process left behind."""

    def __init__(
        self,
        store: Store,
        embedder: Embedder,
        parser: FileParser,
        folder: Path,
        max_bytes: int,
        small_parser: FileParser | None = None,
        damage: Sequence[Damage] = (),
    ) -> None:
        """Keep all in `folder`. With a parser of their own, small files do not wait for a large one to be parsed.

        `damage`: what was found damaged so far; after the start with what was found beside it.
        """
        self.incoming = Incoming(folder / "incoming", max_bytes)
        self._library = Library(store, self.incoming, folder, self.enqueue)
        self.originals = self._library.originals
        self._embedder = embedder
        self._parser = parser
        self._small_parser = small_parser or parser
        self._jobs: dict[str, Job] = {}
        self._ended: deque[str] = deque()
        self._waiting: dict[str, Job] = {}
        self._open: dict[str, tuple[Job, asyncio.Task[Embedded | None]]] = {}
        # Of the open ones, those that are to be stored next.
        self._ready: dict[str, Ready] = {}
        self._last_commit = -BETWEEN_COMMITS
        self._arrived = asyncio.Event()
        self._stirred = asyncio.Event()
        self._room = asyncio.Event()
        self._idle = asyncio.Event()
        # Since the start: passages that were embedded, and how jobs have ended.
        self.embedded = 0
        self.ends: Counter[State] = Counter()
        self._tasks: list[asyncio.Task[None]] = []
        # What failed for no fault of the file. What the disk has refused is tried again once it takes it.
        self._refused: dict[str, Job] = {}
        self._turned_away = asyncio.Event()
        self.damage = list(damage)
        self._idle.set()

    async def start(self) -> None:
        """Raises `RagError` SEARCH-003."""
        left = await asyncio.to_thread(self.incoming.left_behind)
        self.damage = await self._library.reconcile(left, self.damage)
        for job in left:
            self.enqueue(job)
        work = [self._work(small) for small in [False] * OPEN_JOBS + [True] * OPEN_SMALL_JOBS]
        every = (*work, self._store_ready(), self._try_again())
        self._tasks = [asyncio.create_task(each, name="ingest") for each in every]

    async def close(self) -> None:
        """Stop. Jobs that have not ended go on at the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._library.close()

    # Jobs.

    def enqueue(self, job: Job) -> None:
        """Put a submitted job into the queue. On the event loop."""
        self._jobs[job.id] = self._waiting[job.id] = job
        self._idle.clear()
        self._arrived.set()

    async def add_file(self, path: Path, name: str, origin: str, gives_way: bool = False) -> Job:
        """Accept a copy of a local file. Raises `RagError` DOC-001, DOC-002 or DOC-008."""
        job = await asyncio.to_thread(self.incoming.copy, path, name, origin)
        job.gives_way = gives_way
        self.enqueue(job)
        return job

    def job(self, job_id: str) -> Job:
        """Raises `RagError` DOC-007 for an unknown id."""
        if job_id not in self._jobs:
            raise RagError("DOC-007", file=job_id)
        return self._jobs[job_id]

    def jobs(self) -> list[Job]:
        """Those being worked on, those that wait, then those that have ended, the latest first."""
        return [*self.working(), *self._waiting.values(), *self.ended()]

    def working(self) -> list[Job]:
        """The jobs that are being worked on."""
        return [job for job, _ in self._open.values()]

    def ended(self) -> list[Job]:
        """The jobs that have ended, as far as they are remembered, the latest first."""
        return [self._jobs[job_id] for job_id in reversed(self._ended)]

    def job_counts(self) -> dict[str, int]:
        """How many jobs are queued, running, stored, failed and cancelled, as far as they are remembered."""
        ended = Counter(self._jobs[job_id].state for job_id in self._ended)
        return {"queued": len(self._waiting), "running": len(self._open)} | {state: ended[state] for state in ENDED}

    async def cancel(self, job: Job) -> None:
        """End a job; nothing of it is left. One that is just being stored is stored."""
        if self._refused.pop(job.id, None):
            self._forget_end(job)
            await self._conclude({job: asyncio.CancelledError()})
        elif self._waiting.pop(job.id, None) or self._ready.pop(job.id, None):
            await self._conclude({job: asyncio.CancelledError()})
        elif job.id in self._open:
            _, task = self._open[job.id]
            task.cancel()
            async for _ in job.states():
                pass

    async def join(self) -> None:
        """Until no job waits or is worked on."""
        await self._idle.wait()

    def is_busy(self) -> bool:
        """Whether a job waits or is worked on."""
        return not self._idle.is_set()

    def has_room(self, most: int) -> bool:
        """Whether fewer than so many jobs wait."""
        return len(self._waiting) < most

    # Documents.

    async def remove(self, document_id: str) -> bool:
        """Delete a document and all that belongs to it, wherever its file lies. False if there is none."""
        for job in self._coming(document_id):
            await self.cancel(job)
        return await self._library.remove(document_id)

    async def forget(self, origin: str) -> None:
        """The file is no longer at that place. Its document goes, unless another place holds the same content."""
        jobs = [job for job in self._coming(document_id(origin)) if job.origin == origin]
        for job in jobs:
            await self.cancel(job)
        documents = {document_id(origin), *(job.instead_of for job in jobs)} - {""}
        await self._library.forget(origin, documents, self._is_taken_over)

    def _is_taken_over(self, document: str) -> bool:
        """Whether another place is about to have the document's content, and lets go of the document then."""
        return any(job.instead_of == document for job in self._coming(document))

    def _coming(self, document: str) -> list[Job]:
        """What would bring the document back, under its own id or another."""
        jobs = [*self._refused.values(), *self._waiting.values(), *self.working()]
        return [job for job in jobs if document in (document_id(job.origin), job.instead_of)]

    # The work.

    def _next(self, small: bool) -> Job | None:
        """The first job in line. Versions of one document never overtake or meet each other. Those that give way come
        last and one at a time, so that there is a place for whatever comes."""
        working = self.working()
        busy = {document_id(job.origin) for job in working}
        late: Job | None = None
        for job in self._waiting.values():
            document = document_id(job.origin)
            if document not in busy and (job.size <= SMALL or not small):
                if not job.gives_way:
                    return self._waiting.pop(job.id)
                late = late or job
            busy.add(document)
        if late is None or any(job.gives_way for job in working):
            return None
        return self._waiting.pop(late.id)

    async def _work(self, small: bool) -> None:
        """Make one job after another ready."""
        while True:
            job = self._next(small)
            if job is None:
                self._arrived.clear()
                await self._arrived.wait()
                continue
            task = asyncio.create_task(self._embed(job, small), name=f"ingest {job.name}")
            self._open[job.id] = job, task
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError:
                task.cancel()
                await asyncio.wait([task])
                raise
            try:
                new = task.result()
            except (Exception, asyncio.CancelledError) as error:
                await self._conclude({job: error})
                continue
            if new is None:
                await self._conclude({job: None})
                continue
            self._ready[job.id] = Ready(job, new)
            self._stirred.set()
            while self._is_full():
                self._room.clear()
                await self._room.wait()

    async def _embed(self, job: Job, small: bool) -> Embedded | None:
        """The job's document, or None if its content is stored already."""
        job.move("parsing")
        job.sha256 = await asyncio.to_thread(durable.sha256_of, job.content)
        await self._wait_for_twins(job)
        if await self._library.has(job):
            return None
        document, passages = await self._parse(job, self._small_parser if small else self._parser)

        def progress(done: int, total: int) -> None:
            self.embedded += done - job.done
            job.move("embedding", done, total)

        vectors = await embed_passages(self._embedder, passages, progress)
        job.move("storing", len(passages), len(passages))
        return Embedded(document, passages, vectors)

    async def _wait_for_twins(self, job: Job) -> None:
        """Of jobs with the same content, the first goes on and the others find it stored."""
        for other in [other for other in self.working() if other is not job and other.sha256 == job.sha256]:
            self._stirred.set()
            async for _ in other.states():
                pass

    def _is_full(self) -> bool:
        return sum(len(ready.new.passages) for ready in self._ready.values()) >= READY_PASSAGES

    def _is_waited_for(self) -> bool:
        """Whether nothing else is being made ready, or a job cannot go on before another one is stored."""
        contents = {ready.job.sha256 for ready in self._ready.values()}
        return all(job.id in self._ready or job.sha256 in contents for job in self.working())

    async def _store_ready(self) -> None:
        """Store what is ready, together; more gets ready meanwhile."""
        while True:
            left = self._last_commit + BETWEEN_COMMITS - time.monotonic()
            if not self._ready or (left > 0 and not self._is_full() and not self._is_waited_for()):
                self._stirred.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(left if self._ready else None):
                        await self._stirred.wait()
                continue
            group = list(self._ready.values())
            self._ready.clear()
            self._room.set()
            self._last_commit = time.monotonic()
            errors = await self._library.put(group)
            await self._conclude({each.job: errors.get(each.job.id) for each in group})

    async def _conclude(self, ended: Mapping[Job, BaseException | None]) -> None:
        """End jobs, those with an error as failed or cancelled."""
        states = {job: self._judge(job, error) for job, error in ended.items()}
        # What failed for no fault of the file, such as a full disk, is tried again, at the latest at the next start.
        done = {job for job in ended if job.error is None or job.error.code.startswith("DOC-")}
        self._refused |= {job.id: job for job in ended if job not in done}
        done |= self._outdated(job for job, state in states.items() if state == "stored")
        await asyncio.to_thread(self.incoming.discard, *done)
        for job, state in states.items():
            self._open.pop(job.id, None)
            self._ended.append(job.id)
            self.ends[state] += 1
            job.move(state, job.total if state == "stored" else job.done, job.total)
        while len(self._ended) > KEPT_JOBS:
            del self._jobs[self._ended.popleft()]
        for event in (self._arrived, self._stirred, self._room):
            event.set()
        if self._refused:
            self._turned_away.set()
        if not self._open and not self._waiting:
            self._idle.set()

    def _outdated(self, stored: Iterable[Job]) -> set[Job]:
        """Take out the refused jobs in whose place a later file is stored."""
        latest = {document_id(job.origin): job.id for job in stored}
        found = {job for job in self._refused.values() if job.id < latest.get(document_id(job.origin), "")}
        for job in found:
            del self._refused[job.id]
        return found

    async def _try_again(self) -> None:
        """Put what the disk has refused into the queue again once it takes it, after longer and longer pauses."""
        pause = AGAIN
        while True:
            await self._turned_away.wait()
            await asyncio.sleep(pause)
            busy = {document_id(job.origin) for job in (*self._waiting.values(), *self.working())}
            refused = [job for _, job in sorted(self._refused.items()) if job.error and job.error.code in RETRIED]
            jobs = [job for job in refused if document_id(job.origin) not in busy]
            room = ROOM + 2 * sum(job.size for job in jobs)
            there_is_room = await asyncio.to_thread(disk.takes, self.incoming.folder.parent, room)
            if jobs and there_is_room:
                pause = min(2 * pause, LATEST_AGAIN)
                for job in jobs:
                    if self._refused.pop(job.id, None):
                        self._forget_end(job)
                        job.error = None
                        job.move("queued")
                        self.enqueue(job)
            elif not refused:
                self._turned_away.clear()
                pause = AGAIN

    def _forget_end(self, job: Job) -> None:
        """It failed, and is not at its end yet."""
        with suppress(ValueError):
            self._ended.remove(job.id)

    def _judge(self, job: Job, error: BaseException | None) -> State:
        if isinstance(error, asyncio.CancelledError):
            job.error = None
            # Too late where it has a document already.
            return "stored" if job.document_id else "cancelled"
        job.error = None
        error = disk.refusal(error, self.incoming.folder.parent) or error
        if isinstance(error, RagError):
            # Without the calls that it came through, which would keep the text and the passages.
            job.error = RagError(error.code, **error.data)
        elif error is not None:
            log.error("ingesting %s failed", job.name, exc_info=error)
            code = "DOC-005" if job.state == "parsing" else "WS-999-INTERNAL_ERROR"
            job.error = RagError(code, file=job.name)
        if job.error is None:
            return "stored"
        log.warning("%s: %s", job.name, job.error.text("en").message)
        return "failed"

    async def _parse(self, job: Job, parser: FileParser) -> tuple[Document, list[Passage]]:
        loaded = await parser.parse(job.name, job.content)
        document = Document(
            id=document_id(job.origin),
            source=job.name,
            title=loaded.title,
            type=loaders.suffix(job.name).removeprefix("."),
            sha256=job.sha256,
            bytes=job.size,
            text=loaded.text,
            pages=loaded.pages,
            added=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        )
        passages = await asyncio.to_thread(chunk, document, self._embedder.count, self._embedder.window)
        return replace(document, passages=len(passages)), passages


async def embed_passages(
    embedder: Embedder, passages: Sequence[Passage], progress: Callable[[int, int], None] = lambda done, total: None
) -> Vectors:
    """Unit vectors of shape `(len(passages), dimension)`, a few at a time; `progress` is told (done, total)."""
    parts: list[Vectors] = [np.zeros((0, embedder.dimension), dtype=np.float32)]
    progress(0, len(passages))
    for start in range(0, len(passages), EMBED_BATCH):
        batch = passages[start : start + EMBED_BATCH]
        parts.append(await embedder.embed([in_context(passage) for passage in batch], background=True))
        progress(start + len(batch), len(passages))
    return np.concatenate(parts)
