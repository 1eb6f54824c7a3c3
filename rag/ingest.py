"""Documents in: a queue of jobs, each parsed, cut into passages, embedded and stored, with its progress.

A file that was accepted lies in the `incoming` folder until it is stored, so that a restart takes it up again.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import shutil
import unicodedata
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from . import loaders
from .chunking import chunk, in_context
from .errors import Lang, RagError
from .types import Document, Embedder, Passage, Store, Vectors

State = Literal["queued", "parsing", "embedding", "stored", "failed", "cancelled"]
ENDED: frozenset[State] = frozenset(("stored", "failed", "cancelled"))
# Few, so that a question behind an ingestion does not wait long for its embedding.
EMBED_BATCH = 4
KEPT_JOBS = 1000

log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class Job:
    """One file on its way in. `done` of `total` passages are embedded."""

    id: str
    name: str
    origin: str
    folder: Path
    state: State = "queued"
    done: int = 0
    total: int = 0
    error: RagError | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    @property
    def content(self) -> Path:
        return self.folder / "content"

    def body(self, lang: Lang) -> dict[str, Any]:
        """The job as every door shows it."""
        error = self.error.body(lang) if self.error else None
        return {
            "id": self.id,
            "name": self.name,
            "state": self.state,
            "done": self.done,
            "total": self.total,
            "error": error,
        }

    def move(self, state: State, done: int = 0, total: int = 0) -> None:
        self.state, self.done, self.total = state, done, total
        self.changed.set()
        self.changed = asyncio.Event()


def document_id(origin: str) -> str:
    """The id of what comes from `origin`: the same place gives the same document, which is then replaced."""
    return hashlib.sha256(origin.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def readable(name: str) -> str:
    """A file name as Unicode. On Linux it may be other bytes: Korean ones, where a ZIP file of Windows was unpacked."""
    data = name.encode("utf-8", "surrogateescape")
    for encoding in ("utf-8", "cp949"):
        with contextlib.suppress(UnicodeDecodeError):
            return unicodedata.normalize("NFC", data.decode(encoding))
    return data.decode("utf-8", "replace")


def find_files(path: Path) -> Iterator[tuple[str, Path]]:
    """(source, path) of the file, or of all files of supported types in the folder, sorted, hidden ones left out.

    Sources are relative to the parent of `path`. Raises `RagError` DOC-008 if there is no such path.
    """
    path = path.expanduser().absolute()
    if path.is_file():
        yield path.name, path
    elif path.is_dir():
        for file in sorted(path.rglob("*")):
            inside = file.relative_to(path.parent)
            hidden = any(part.startswith(".") for part in inside.parts[1:])
            if file.is_file() and not hidden and loaders.suffix(file.name) in loaders.LOADERS:
                yield inside.as_posix(), file
    else:
        raise RagError("DOC-008", file=str(path))


class Ingester:
    """The queue and its one worker. `start` takes up what an earlier process left behind."""

    def __init__(self, store: Store, embedder: Embedder, incoming: Path, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._store = store
        self._embedder = embedder
        self._incoming = incoming
        self._queue: asyncio.Queue[Job] = asyncio.Queue()
        self._jobs: dict[str, Job] = {}
        self._order: deque[str] = deque()
        self._worker: asyncio.Task[None] | None = None

    async def start(self) -> None:
        for job in await asyncio.to_thread(self._left_behind):
            self.enqueue(job)
        self._worker = asyncio.create_task(self._work(), name="ingest")

    async def close(self) -> None:
        """Stop. Jobs that have not ended go on at the next start."""
        if self._worker:
            self._worker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._worker

    def prepare(self, name: str, origin: str = "") -> Job:
        """A job with a folder for its content, which the caller writes to `job.content`, then calls `submit`.

        Raises `RagError` DOC-001 if the type is not supported. Blocks for a moment on the disk.
        """
        name = readable(name)
        if loaders.suffix(name) not in loaders.LOADERS:
            raise RagError("DOC-001", file=name, supported=sorted(loaders.LOADERS))
        job_id = uuid.uuid4().hex
        folder = self._incoming / f".{job_id}"
        folder.mkdir(parents=True)
        return Job(job_id, name, origin or name, folder)

    def check_size(self, job: Job, size: int) -> None:
        """Raises `RagError` DOC-002 if the content is larger than is allowed."""
        if size > self.max_bytes:
            raise RagError("DOC-002", file=job.name, limit=self.max_bytes >> 20)

    def submit(self, job: Job) -> None:
        """Accept the job: from here on a restart takes it up. Blocks for a moment on the disk."""
        about = json.dumps({"name": job.name, "origin": job.origin})
        (job.folder / "about.json").write_text(about)
        job.folder = job.folder.rename(self._incoming / job.id)

    def enqueue(self, job: Job) -> None:
        """Put a submitted job into the queue. On the event loop."""
        self._jobs[job.id] = job
        self._order.append(job.id)
        while len(self._order) > KEPT_JOBS and self._jobs[self._order[0]].ended:
            del self._jobs[self._order.popleft()]
        self._queue.put_nowait(job)

    async def add_file(self, path: Path, name: str, origin: str) -> Job:
        """Accept a copy of a local file. Raises `RagError` DOC-001, DOC-002 or DOC-008."""

        def copy() -> Job:
            job = self.prepare(name, origin)
            try:
                self.check_size(job, path.stat().st_size)
                shutil.copyfile(path, job.content)
            except (OSError, RagError) as error:
                self.discard(job)
                raise error if isinstance(error, RagError) else RagError("DOC-008", file=str(path)) from error
            self.submit(job)
            return job

        job = await asyncio.to_thread(copy)
        self.enqueue(job)
        return job

    @staticmethod
    def discard(job: Job) -> None:
        """Remove what the job has on disk. Blocks."""
        shutil.rmtree(job.folder, ignore_errors=True)

    def job(self, job_id: str) -> Job:
        """Raises `RagError` DOC-007 for an unknown id."""
        if job_id not in self._jobs:
            raise RagError("DOC-007", file=job_id)
        return self._jobs[job_id]

    async def watch(self, job: Job) -> AsyncIterator[Job]:
        """The job, each time it has changed, until it has ended. States between may be passed over."""
        while True:
            changed = job.changed
            yield job
            if job.ended:
                return
            await changed.wait()

    async def join(self) -> None:
        await self._queue.join()

    def _left_behind(self) -> list[Job]:
        self._incoming.mkdir(parents=True, exist_ok=True)
        jobs = []
        for folder in sorted(self._incoming.iterdir()):
            try:
                about = json.loads((folder / "about.json").read_text())
                if folder.name.startswith("."):
                    raise ValueError("never submitted")
                jobs.append(Job(folder.name, about["name"], about["origin"], folder))
            except (OSError, ValueError, KeyError):
                shutil.rmtree(folder, ignore_errors=True)
        return jobs

    async def _work(self) -> None:
        changed = False
        while True:
            if changed and self._queue.empty():
                changed = False
                with contextlib.suppress(RagError):
                    await self._store.optimize()
            job = await self._queue.get()
            try:
                changed |= await self._ingest(job)
            except RagError as error:
                self._fail(job, error)
            except Exception:
                log.exception("ingesting %s failed", job.name)
                code = "DOC-005" if job.state == "parsing" else "WS-999-INTERNAL_ERROR"
                self._fail(job, RagError(code, file=job.name))
            finally:
                self._queue.task_done()
            # What failed for no fault of the file, such as a full disk, is tried again at the next start.
            if job.error is None or job.error.code.startswith("DOC-"):
                await asyncio.to_thread(self.discard, job)

    @staticmethod
    def _fail(job: Job, error: RagError) -> None:
        log.warning("%s: %s", job.name, error.text("en").message)
        job.error = error
        job.move("failed")

    async def _ingest(self, job: Job) -> bool:
        """Whether the store has changed."""
        job.move("parsing")
        document, passages = await asyncio.to_thread(self._parse, job)
        known = await self._store.sha256(document.id)
        if known == document.sha256:
            job.move("stored", len(passages), len(passages))
            return False
        vectors = await embed_passages(self._embedder, passages, lambda done, total: job.move("embedding", done, total))
        await self._store.upsert(document, passages, vectors)
        job.move("stored", len(passages), len(passages))
        return True

    @staticmethod
    def _parse(job: Job) -> tuple[Document, list[Passage]]:
        data = job.content.read_bytes()
        loaded = loaders.load(job.name, data)
        document = Document(
            id=document_id(job.origin),
            source=job.name,
            title=loaded.title,
            type=loaders.suffix(job.name).removeprefix("."),
            sha256=hashlib.sha256(data).hexdigest(),
            bytes=len(data),
            text=loaded.text,
            pages=loaded.pages,
            added=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        )
        passages = chunk(document)
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
