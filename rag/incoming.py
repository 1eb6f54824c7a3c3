"""What was accepted and is not stored yet: a folder for each job, so that a restart takes it up again.

A folder whose name begins with a dot holds nothing that anyone was promised.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import shutil
import time
import unicodedata
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from . import disk, durable, loaders
from .errors import Lang, RagError

State = Literal["queued", "parsing", "embedding", "storing", "stored", "failed", "cancelled"]
ENDED: frozenset[State] = frozenset(("stored", "failed", "cancelled"))


@dataclass(eq=False, slots=True)
class Job:
    """One file on its way in. `done` of `total` passages are embedded.

    `origin` is the place that it comes from. `instead_of` names a document of the same content that it relieves.
    `document_id` is known at the end; it is another place's document if the content is a `duplicate`. It `is_new`
    while it is known that its place has no document. Nobody waits for what `gives_way`.
    """

    id: str
    name: str
    origin: str
    folder: Path
    instead_of: str = ""
    size: int = 0
    state: State = "queued"
    done: int = 0
    total: int = 0
    error: RagError | None = None
    sha256: str = ""
    document_id: str = ""
    duplicate: bool = False
    is_new: bool = False
    gives_way: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    @property
    def content(self) -> Path:
        return self.folder / "content"

    def body(self, lang: Lang) -> dict[str, Any]:
        """The job as every door shows it."""
        return {
            "id": self.id,
            "name": self.name,
            "state": self.state,
            "done": self.done,
            "total": self.total,
            "document_id": self.document_id or None,
            "duplicate": self.duplicate,
            "error": self.error.body(lang) if self.error else None,
        }

    def move(self, state: State, done: int = 0, total: int = 0) -> None:
        self.state, self.done, self.total = state, done, total
        self.changed.set()
        self.changed = asyncio.Event()

    async def states(self) -> AsyncIterator[Job]:
        """The job, each time it has changed, until it has ended. States between may be passed over."""
        while True:
            changed = self.changed
            yield self
            if self.ended:
                return
            await changed.wait()


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


class Incoming:
    """All methods block on the disk."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.folder = folder
        self.max_bytes = max_bytes

    def prepare(self, name: str, origin: str = "", instead_of: str = "") -> Job:
        """A job with a folder for its content, which the caller writes to `job.content`, then calls `submit`.

        Raises `RagError` DOC-001 if the type is not supported, SETUP-010 or SETUP-003 if the disk takes nothing.
        """
        name = readable(name)
        if loaders.suffix(name) not in loaders.SUPPORTED:
            raise RagError("DOC-001", file=name, supported=list(loaders.SUPPORTED))
        # Ids sort by time, so that a restart keeps the order.
        job_id = f"{time.time_ns():016x}{uuid.uuid4().hex[:16]}"
        folder = self.folder / f".{job_id}"
        with disk.told(self.folder):
            durable.make_folder(self.folder)
            folder.mkdir()
        return Job(job_id, name, origin or name, folder, instead_of)

    def check_size(self, job: Job, size: int) -> None:
        """Raises `RagError` DOC-002 if the content is larger than is allowed."""
        if size > self.max_bytes:
            raise RagError("DOC-002", file=job.name, limit=self.max_bytes >> 20)

    def submit(self, job: Job) -> None:
        """Accept the job: it is on disk when this returns, and a restart takes it up.

        Raises `RagError` SETUP-010 or SETUP-003 if the disk does not take it.
        """
        with disk.told(self.folder):
            self.describe(job)
            job.size = job.content.stat().st_size
            durable.sync(job.content)
            durable.sync(job.folder)
            job.folder = job.folder.rename(self.folder / job.id)
            durable.sync(self.folder)

    @staticmethod
    def describe(job: Job) -> None:
        """Write down what a restart has to know of the job."""
        written = job.folder / ".about.json"
        written.write_text(json.dumps({"name": job.name, "origin": job.origin, "instead_of": job.instead_of}))
        durable.sync(written)
        written.replace(job.folder / "about.json")

    def copy(self, path: Path, name: str, origin: str) -> Job:
        """Accept a copy of a local file. Raises `RagError` DOC-001, DOC-002, DOC-008, SETUP-003 or SETUP-010."""
        job = self.prepare(name, origin)
        try:
            self.check_size(job, path.stat().st_size)
            shutil.copyfile(path, job.content)
            self.submit(job)
        except (OSError, RagError) as error:
            self.discard(job)
            raise disk.refusal(error, self.folder) or (
                error if isinstance(error, RagError) else RagError("DOC-008", file=str(path))
            ) from error
        return job

    def link(self, path: Path, name: str, origin: str, instead_of: str) -> Job:
        """Accept a file that is never written to again."""
        job = self.prepare(name, origin, instead_of)
        with disk.told(self.folder):
            durable.place(path, job.content)
        self.submit(job)
        return job

    @staticmethod
    def discard(*jobs: Job) -> None:
        """Remove what the jobs have on disk. A kill or a power cut leaves nothing that a restart would take up."""
        for job in jobs:
            with contextlib.suppress(OSError):
                job.folder = job.folder.rename(job.folder.with_name(f".{job.id}"))
        for parent in {job.folder.parent for job in jobs}:
            with contextlib.suppress(OSError):
                durable.sync(parent)
        for job in jobs:
            shutil.rmtree(job.folder, ignore_errors=True)

    def left_behind(self) -> list[Job]:
        """The jobs that an earlier process has accepted, in their order. What was never accepted is removed."""
        durable.make_folder(self.folder)
        jobs = []
        for folder in sorted(self.folder.iterdir()):
            try:
                about = json.loads((folder / "about.json").read_text())
                size = (folder / "content").stat().st_size
                if folder.name.startswith("."):
                    raise ValueError("never submitted")
                jobs.append(Job(folder.name, about["name"], about["origin"], folder, about.get("instead_of", ""), size))
            except (OSError, ValueError, KeyError, TypeError):
                shutil.rmtree(folder, ignore_errors=True)
        return jobs
