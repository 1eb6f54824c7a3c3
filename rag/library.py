"""What is kept of documents, in step: rows in the store, the original files, and the places that they come from.

The order of writing makes a kill harmless: the original file, then its place, then the store, and only then the
accepted file goes (rag.ingest). What was begun is begun anew at the next start; nothing that was stored is touched by
that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from .incoming import Incoming, Job, document_id
from .originals import Originals
from .origins import Origins
from .types import Document, Embedded, Store

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ready:
    """A job whose document can be stored."""

    job: Job
    new: Embedded


class Library:
    """Its changes take turns, and are done to the end even if the caller is cancelled meanwhile."""

    def __init__(self, store: Store, incoming: Incoming, folder: Path, enqueue: Callable[[Job], None]) -> None:
        """Keep what is no row in `folder`. `enqueue` takes the jobs by which another place takes over a content."""
        self.originals = Originals(folder / "originals")
        self._origins = Origins(folder / "origins.sqlite")
        self._store = store
        self._incoming = incoming
        self._enqueue = enqueue
        self._writing = asyncio.Lock()

    async def sweep(self) -> None:
        """Remove originals that no document names. Raises `RagError` SEARCH-003."""
        named = await self._store.contents()
        await asyncio.to_thread(self.originals.sweep, named)

    async def close(self) -> None:
        await asyncio.to_thread(self._origins.close)

    # In.

    async def has(self, job: Job) -> bool:
        """Whether the job's content is stored already; the job then knows its document. Else a document of the same
        content whose file was moved is noted in the job, which is to relieve it."""
        before, known = await self._look(job)
        job.is_new = before is None
        if known is None:
            # The rule; it waits for no commit.
            return False
        async with self._writing:
            before, known = await self._look(job)
            if known is not None and known is not before and await self._has_moved(known):
                job.instead_of = known.id
                await asyncio.to_thread(self._incoming.describe, job)
            if known is None or known.id == job.instead_of:
                return False
            job.total, job.duplicate = known.passages, known is not before
            await asyncio.to_thread(self._origins.put, (job.origin, job.name, job.sha256))
            if job.duplicate and before is not None:
                await _unbroken(self._give_up(before.id))
            elif not job.duplicate:
                await _unbroken(self._relieve(job))
            job.document_id = known.id
            return True

    async def _look(self, job: Job) -> tuple[Document | None, Document | None]:
        """The document that comes from the job's place, and the one that has its content."""
        before = await self._store.head(document_id(job.origin))
        if before is not None and before.sha256 == job.sha256:
            return before, before
        return before, await self._store.with_content(job.sha256)

    async def put(self, group: Sequence[Ready]) -> dict[str, Exception]:
        """Store documents of different places in place of what those held before, by one commit. What failed, by the
        ids of the jobs; it is as it was before. What a kill leaves half-done, the next start does again."""
        errors: dict[str, Exception] = {}
        async with self._writing:
            try:
                await _unbroken(self._put(group, errors))
            except Exception as error:
                errors |= {each.job.id: error for each in group}
        return errors

    async def _put(self, group: Sequence[Ready], errors: dict[str, Exception]) -> None:
        await asyncio.to_thread(self._keep, group, errors)
        before: dict[str, Document] = {}
        for each in group:
            with _noted(errors, each.job):
                document = await self._store.head(each.new.document.id)
                if document is not None:
                    before[each.job.id] = document
                    await self._bequeath(document)
        await self._commit([each for each in group if each.job.id not in errors], errors)
        for job in [each.job for each in group if each.job.id not in errors]:
            with _noted(errors, job):
                if job.id in before:
                    await self._drop(before[job.id].sha256)
                await self._relieve(job)

    def _keep(self, group: Sequence[Ready], errors: dict[str, Exception]) -> None:
        """Originals and places. Blocks on the disk."""
        places = []
        for job in [each.job for each in group]:
            with _noted(errors, job):
                self.originals.keep(job.sha256, job.content)
                places.append((job.origin, job.name, job.sha256))
        self._origins.put(*places)

    async def _commit(self, group: Sequence[Ready], errors: dict[str, Exception]) -> None:
        """All or, if that fails, each by itself: what is wrong with one is no reason to refuse the others."""
        try:
            if group:
                await self._store.upsert_all([each.new for each in group])
        except Exception as error:
            if len(group) == 1:
                errors[group[0].job.id] = error
                return
            for each in group:
                await self._commit([each], errors)
            return
        for each in group:
            each.job.document_id, each.job.is_new = each.new.document.id, False

    async def _has_moved(self, document: Document) -> bool:
        """Whether the document's file is gone from a folder that is still there: it was moved or renamed."""

        def look() -> bool:
            for origin, _ in self._origins.places(document.sha256):
                path = Path(origin)
                if document_id(origin) == document.id:
                    return path.is_absolute() and path.parent.is_dir() and not path.exists()
            return False

        return await asyncio.to_thread(look)

    # Out.

    async def remove(self, document_id: str) -> bool:
        """Delete a document and all that belongs to it, wherever its file lies. False if there is none."""
        async with self._writing:
            document = await self._store.head(document_id)
            if document is None:
                return False
            await asyncio.to_thread(self._origins.remove_content, document.sha256)
            await _unbroken(self._delete(document))
            return True

    async def forget(self, origin: str, relieved: Collection[str]) -> None:
        """The file is no longer at that place. Its document goes, and those that were to be `relieved` by it, unless
        another place holds the same content."""
        async with self._writing:
            await asyncio.to_thread(self._origins.remove, origin)
            for document in (document_id(origin), *relieved):
                await _unbroken(self._give_up(document))

    async def _give_up(self, document_id: str) -> None:
        """Delete a document, unless another place holds the same content."""
        document = await self._store.head(document_id)
        if document is not None and not await self._bequeath(document):
            await self._delete(document)

    async def _bequeath(self, document: Document) -> bool:
        """Let another place that holds the document's content have a document of its own, if there is one."""
        places = await asyncio.to_thread(self._origins.places, document.sha256)
        heir = next((place for place in places if document_id(place[0]) != document.id), None)
        original = self.originals.path(document.sha256)
        if heir is None or not await asyncio.to_thread(original.exists):
            return False
        origin, name = heir
        self._enqueue(await asyncio.to_thread(self._incoming.link, original, name, origin, document.id))
        return True

    async def _relieve(self, job: Job) -> None:
        """Delete the document of the same content that the job was to relieve."""
        if job.instead_of:
            old = await self._store.head(job.instead_of)
            if old is not None and old.sha256 == job.sha256:
                await self._delete(old)

    async def _delete(self, document: Document) -> None:
        await self._store.delete(document.id)
        await self._drop(document.sha256)

    async def _drop(self, sha256: str) -> None:
        """Let go of an original that a document no longer has."""
        if await self._store.with_content(sha256) is None:
            await asyncio.to_thread(self.originals.drop, sha256)


@contextmanager
def _noted(errors: dict[str, Exception], job: Job) -> Iterator[None]:
    """What is raised is kept, as the job's."""
    try:
        yield
    except Exception as error:
        errors[job.id] = error


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
