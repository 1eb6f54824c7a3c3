"""Documents in: jobs that are parsed, cut into passages, embedded and stored, several at once, with their progress.

Several jobs are open at a time: while one embeds, the next is parsed and the last is stored, so that the embedder never
waits. It serves their texts in turns, so that a large file does not keep small ones waiting.

The order of writing makes a kill harmless: the original file, then its place, then the store, and only then the
accepted file goes. What was begun is begun anew at the next start; nothing that was stored is touched by that.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from . import durable, loaders
from .chunking import chunk, in_context
from .errors import RagError
from .incoming import ENDED, Incoming, Job, State, document_id
from .loaders import Loaded
from .originals import Originals
from .origins import Origins
from .types import Document, Embedder, Passage, Store, Vectors

# Few, so that files take short turns.
EMBED_BATCH = 4
KEPT_JOBS = 1000
# Jobs open at once: of any size, and of small files only.
OPEN_JOBS = 2
OPEN_SMALL_JOBS = 2
SMALL = 1 << 20

T = TypeVar("T")

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
    ) -> None:
        """Keep all in `folder`. With a parser of their own, small files do not wait for a large one to be parsed."""
        self.incoming = Incoming(folder / "incoming", max_bytes)
        self.originals = Originals(folder / "originals")
        self._origins = Origins(folder / "origins.sqlite")
        self._store = store
        self._embedder = embedder
        self._parser = parser
        self._small_parser = small_parser or parser
        self._jobs: dict[str, Job] = {}
        self._ended: deque[str] = deque()
        self._waiting: dict[str, Job] = {}
        self._open: dict[str, tuple[Job, asyncio.Task[None]]] = {}
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        # Held over every change of the store and what belongs to it.
        self._writing = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []
        self._idle.set()

    async def start(self) -> None:
        """Raises `RagError` SEARCH-003."""
        named = await self._store.contents()
        await asyncio.to_thread(self.originals.sweep, named)
        for job in await asyncio.to_thread(self.incoming.left_behind):
            self.enqueue(job)
        work = [self._work(small) for small in [False] * OPEN_JOBS + [True] * OPEN_SMALL_JOBS]
        self._tasks = [asyncio.create_task(each, name="ingest") for each in work]

    async def close(self) -> None:
        """Stop. Jobs that have not ended go on at the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.to_thread(self._origins.close)

    # Jobs.

    def enqueue(self, job: Job) -> None:
        """Put a submitted job into the queue. On the event loop."""
        self._jobs[job.id] = self._waiting[job.id] = job
        self._idle.clear()
        self._arrived.set()

    async def add_file(self, path: Path, name: str, origin: str) -> Job:
        """Accept a copy of a local file. Raises `RagError` DOC-001, DOC-002 or DOC-008."""
        job = await asyncio.to_thread(self.incoming.copy, path, name, origin)
        self.enqueue(job)
        return job

    def job(self, job_id: str) -> Job:
        """Raises `RagError` DOC-007 for an unknown id."""
        if job_id not in self._jobs:
            raise RagError("DOC-007", file=job_id)
        return self._jobs[job_id]

    def jobs(self) -> list[Job]:
        """Those being worked on, those that wait, then those that have ended, the latest first."""
        return [*self.working(), *self._waiting.values(), *(self._jobs[job_id] for job_id in reversed(self._ended))]

    def working(self) -> list[Job]:
        """The jobs that are being worked on."""
        return [job for job, _ in self._open.values()]

    def job_counts(self) -> dict[str, int]:
        """How many jobs are queued, running, stored, failed and cancelled, as far as they are remembered."""
        ended = Counter(self._jobs[job_id].state for job_id in self._ended)
        return {"queued": len(self._waiting), "running": len(self._open)} | {state: ended[state] for state in ENDED}

    async def cancel(self, job: Job) -> None:
        """End a job; nothing of it is left. One that is just being stored is stored."""
        if self._waiting.pop(job.id, None):
            await self._end(job, "cancelled")
        elif job.id in self._open:
            _, task = self._open[job.id]
            task.cancel()
            async for _ in job.states():
                pass

    async def join(self) -> None:
        """Until no job waits or is worked on."""
        await self._idle.wait()

    def has_room(self, most: int) -> bool:
        """Whether fewer than so many jobs wait."""
        return len(self._waiting) < most

    # Documents.

    async def remove(self, document_id: str) -> bool:
        """Delete a document and all that belongs to it, wherever its file lies. False if there is none."""
        await self._cancel_all(document_id)
        async with self._writing:
            document = await self._store.document(document_id)
            if document is None:
                return False
            await asyncio.to_thread(self._origins.remove_content, document.sha256)
            await _unbroken(self._delete(document))
            return True

    async def forget(self, origin: str) -> None:
        """The file is no longer at that place. Its document goes, unless another place holds the same content."""
        mine = document_id(origin)
        relieved = await self._cancel_all(mine)
        async with self._writing:
            await asyncio.to_thread(self._origins.remove, origin)
            for document in (mine, *relieved):
                await _unbroken(self._give_up(document))

    async def _cancel_all(self, document: str) -> set[str]:
        """Cancel what would bring the document back. The documents that were to be relieved by it."""
        coming = [*self._waiting.values(), *self.working()]
        jobs = [job for job in coming if document in (document_id(job.origin), job.instead_of)]
        for job in jobs:
            await self.cancel(job)
        return {job.instead_of for job in jobs} - {"", document}

    async def _give_up(self, document_id: str) -> None:
        """Delete a document, unless another place holds the same content."""
        document = await self._store.document(document_id)
        if document is not None and not await self._bequeath(document):
            await self._delete(document)

    async def _delete(self, document: Document) -> None:
        await self._store.delete(document.id)
        await self._drop(document.sha256)

    async def _drop(self, sha256: str) -> None:
        """Let go of an original that a document no longer has."""
        if await self._store.with_content(sha256) is None:
            await asyncio.to_thread(self.originals.drop, sha256)

    async def _bequeath(self, document: Document) -> bool:
        """Let another place that holds the document's content have a document of its own, if there is one."""
        places = await asyncio.to_thread(self._origins.places, document.sha256)
        heir = next((place for place in places if document_id(place[0]) != document.id), None)
        original = self.originals.path(document.sha256)
        if heir is None or not await asyncio.to_thread(original.exists):
            return False
        origin, name = heir
        self.enqueue(await asyncio.to_thread(self.incoming.link, original, name, origin, document.id))
        return True

    # The work.

    def _next(self, small: bool) -> Job | None:
        """The first job in line. Versions of one document never overtake or meet each other."""
        busy = {document_id(job.origin) for job in self.working()}
        for job in self._waiting.values():
            document = document_id(job.origin)
            if document not in busy and (job.size <= SMALL or not small):
                return self._waiting.pop(job.id)
            busy.add(document)
        return None

    async def _work(self, small: bool) -> None:
        while True:
            job = self._next(small)
            if job is None:
                self._arrived.clear()
                await self._arrived.wait()
                continue
            task = asyncio.create_task(self._ingest(job, small), name=f"ingest {job.name}")
            self._open[job.id] = job, task
            try:
                await asyncio.wait([task])
                await self._conclude(job, task)
            except asyncio.CancelledError:
                task.cancel()
                await asyncio.wait([task])
                raise
            finally:
                del self._open[job.id]
            self._arrived.set()
            if not self._open and not self._waiting:
                self._idle.set()

    async def _conclude(self, job: Job, task: asyncio.Task[None]) -> None:
        try:
            task.result()
        except asyncio.CancelledError:
            # Too late where it has a document already.
            await self._end(job, "stored" if job.document_id else "cancelled")
            return
        except RagError as error:
            job.error = error
        except Exception:
            log.exception("ingesting %s failed", job.name)
            code = "DOC-005" if job.state == "parsing" else "WS-999-INTERNAL_ERROR"
            job.error = RagError(code, file=job.name)
        if job.error is None:
            await self._end(job, "stored")
            return
        log.warning("%s: %s", job.name, job.error.text("en").message)
        # What failed for no fault of the file, such as a full disk, is tried again at the next start.
        await self._end(job, "failed", keep=not job.error.code.startswith("DOC-"))

    async def _end(self, job: Job, state: State, keep: bool = False) -> None:
        if not keep:
            await asyncio.to_thread(self.incoming.discard, job)
        self._ended.append(job.id)
        while len(self._ended) > KEPT_JOBS:
            del self._jobs[self._ended.popleft()]
        job.move(state, job.total if state == "stored" else job.done, job.total)

    async def _ingest(self, job: Job, small: bool) -> None:
        job.move("parsing")
        job.sha256 = await asyncio.to_thread(durable.sha256_of, job.content)
        await self._wait_for_twins(job)
        async with self._writing:
            before = await self._store.document(document_id(job.origin))
            job.is_new = before is None
            if await self._is_stored(job, before):
                return
        document, passages = await self._parse(job, self._small_parser if small else self._parser)
        vectors = await embed_passages(self._embedder, passages, lambda done, total: job.move("embedding", done, total))
        job.move("storing", len(passages), len(passages))
        async with self._writing:
            await _unbroken(self._put(job, document, passages, vectors, before))

    async def _wait_for_twins(self, job: Job) -> None:
        """Of jobs with the same content, the first goes on and the others find it stored."""
        for other in [other for other in self.working() if other is not job and other.sha256 == job.sha256]:
            async for _ in other.states():
                pass

    async def _is_stored(self, job: Job, before: Document | None) -> bool:
        """Whether the content is stored already; `before` is what the job's place had until now."""
        if before is not None and before.sha256 == job.sha256:
            known: Document | None = before
        else:
            known = await self._store.with_content(job.sha256)
        if known is not None and known is not before and await self._has_moved(known):
            job.instead_of = known.id
            await asyncio.to_thread(self.incoming.describe, job)
        if known is None or known.id == job.instead_of:
            return False
        job.total, job.duplicate = known.passages, known is not before
        await asyncio.to_thread(self._origins.put, job.origin, job.name, job.sha256)
        if job.duplicate and before is not None:
            await _unbroken(self._give_up(before.id))
        elif not job.duplicate:
            await _unbroken(self._relieve(job))
        job.document_id = known.id
        return True

    async def _has_moved(self, document: Document) -> bool:
        """Whether the document's file is gone from a folder that is still there: it was moved or renamed."""

        def look() -> bool:
            for origin, _ in self._origins.places(document.sha256):
                path = Path(origin)
                if document_id(origin) == document.id:
                    return path.is_absolute() and path.parent.is_dir() and not path.exists()
            return False

        return await asyncio.to_thread(look)

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

    async def _put(
        self, job: Job, document: Document, passages: Sequence[Passage], vectors: Vectors, before: Document | None
    ) -> None:
        """Store the document in place of the one `before`. What a kill leaves half-done, the next start does again."""
        await asyncio.to_thread(self.originals.keep, job.sha256, job.content)
        if before is not None:
            await self._bequeath(before)
        await asyncio.to_thread(self._origins.put, job.origin, job.name, job.sha256)
        await self._store.upsert(document, passages, vectors)
        job.document_id, job.is_new = document.id, False
        if before is not None:
            await self._drop(before.sha256)
        await self._relieve(job)

    async def _relieve(self, job: Job) -> None:
        """Delete the document of the same content that the job was to relieve."""
        if job.instead_of:
            old = await self._store.document(job.instead_of)
            if old is not None and old.sha256 == job.sha256:
                await self._delete(old)


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


async def _unbroken(work: Coroutine[None, None, T]) -> T:
    """Do it to the end, even where the caller is cancelled meanwhile; only then is that told."""
    task = asyncio.ensure_future(work)
    cancelled = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    result = task.result()
    if cancelled:
        raise cancelled
    return result
