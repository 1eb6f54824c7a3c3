"""What is kept of documents, in step: rows in the store, the original files, and the places that they come from.

The order of writing makes a kill harmless: the original file, then its place, then the store, and only then the
accepted file goes (rag.ingest). What was begun is begun anew at the next start; nothing that was stored is touched by
that.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Collection, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from . import disk, durable
from .damage import Damage
from .incoming import Incoming, Job, document_id
from .originals import Originals
from .origins import Origins
from .types import Document, Embedded, Store

T = TypeVar("T")

log = logging.getLogger(__name__)


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
        self._folder = folder
        self._store = store
        self._incoming = incoming
        self._enqueue = enqueue
        self._writing = asyncio.Lock()

    async def reconcile(self, coming: Collection[Job], found: Sequence[Damage]) -> list[Damage]:
        """Make documents, places and originals fit together again. Before any job is worked on; `coming` are those
        that an earlier process has accepted, `found` is what was found damaged so far. What was found in the end.
        Raises `RagError` SEARCH-003.

        A document whose original and place are known, but which the index does not hold, was lost with a damaged
        version: it is put into the queue. A kill leaves no such document, as its job is still there. What was deleted,
        and has come back with an older version, is deleted again. What belongs to nothing is removed, unless something
        was damaged: then it is moved aside.
        """
        damage = list(found)
        if self._origins.aside:
            damage.append(Damage("places", str(self._origins.aside)))
            await self._find_places()
        held = await self._store.contents()
        # Of thousands of deleted ones hardly any is back, and none costs more than a look into a set.
        for document in held.keys() & set(await asyncio.to_thread(self._origins.deleted)):
            await self._store.delete(document)
            del held[document]
        await asyncio.to_thread(self._origins.forget_deleted)
        named, kept = set(held.values()), await asyncio.to_thread(self.originals.names)
        lost = await asyncio.to_thread(self._lost, kept - named, {job.origin for job in coming})
        for sha256, (origin, name) in lost.items():
            log.warning("%s is indexed anew: the index had lost it", name)
            self._enqueue(await asyncio.to_thread(self._incoming.link, self.originals.path(sha256), name, origin, ""))
        if lost:
            damage.append(Damage("documents", count=len(lost)))
        if not damage:
            await asyncio.to_thread(self.originals.sweep, named)
        elif aside := await asyncio.to_thread(self.originals.set_aside, named | lost.keys()):
            log.warning("files that belong to no known document are now in %s", aside)
        return damage

    def _lost(self, unnamed: Collection[str], coming: Collection[str]) -> dict[str, tuple[str, str]]:
        """(origin, name) of the contents that no document has, but a place does, unless more comes from there."""
        lost = {}
        for sha256 in sorted(unnamed):
            places = self._origins.places(sha256)
            expected = any(origin in coming for origin, _ in places)
            if places and not expected and durable.sha256_of(self.originals.path(sha256)) == sha256:
                lost[sha256] = places[0]
        return lost

    async def _find_places(self) -> None:
        """Note the places that the documents themselves tell: those whose place is their name."""
        documents, _ = await self._store.list_documents(most=sys.maxsize)
        places = [(each.source, each.source, each.sha256) for each in documents if document_id(each.source) == each.id]
        await asyncio.to_thread(self._origins.put, *places)

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
        self._origins.put(*places, documents=[each.new.document.id for each in group])

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
        """Delete a document and all that belongs to it, wherever its file lies. False if there is none.

        Raises `RagError` SETUP-010 or SETUP-003 if the disk takes nothing; it is then still there, or comes back.
        """
        async with self._writing:
            document = await self._store.head(document_id)
            if document is None:
                return False
            with disk.told(self._folder):
                await _unbroken(self._delete(document, everywhere=True))
            return True

    async def forget(self, origin: str, documents: Collection[str], is_taken_over: Callable[[str], bool]) -> None:
        """The file is no longer at that place. Its `documents` go, unless another place holds the same content or is
        about to take it over. Raises `RagError` SETUP-010 or SETUP-003 if the disk takes nothing."""
        async with self._writing:
            with disk.told(self._folder):
                await asyncio.to_thread(self._origins.remove, origin)
                for document in documents:
                    if not is_taken_over(document):
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

    async def _delete(self, document: Document, everywhere: bool = False) -> None:
        """Delete a document; from then on, with `everywhere`, no place holds its content."""
        await self._store.delete(document.id)
        await asyncio.to_thread(self._origins.note_deleted, document.id, document.sha256 if everywhere else "")
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
