"""Documents on their way in, over HTTP: upload, progress and cancelling. Thin: decode, call `rag`, encode."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterable

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from rag import disk
from rag.errors import RagError
from rag.incoming import Incoming, Job, State

from . import places
from .keys import CLOSING, STATE
from .middleware import lang_of
from .operation import FORM
from .replies import check_type, dumps, event_stream, reply

WRITE_SIZE = 1 << 20
# Seconds of silence after which a line is sent that says nothing, so that nobody between takes the line for dead.
HEARTBEAT = 15.0
# Parts of a form that are read in one go.
PARTS = 64
LISTED_JOBS = 200
# Waiting jobs in the first event of the stream of all jobs, and seconds between two looks at what has changed.
FOLLOWED_JOBS = 1000
LOOK = 0.25
# What the library raises where the parts of a request are not as they should be.
MALFORMED = (ValueError, LookupError, RuntimeError, AssertionError, HttpProcessingError)


async def upload(request: web.Request) -> web.Response:
    """`POST /documents`, multipart: files in `files` → 202 {"jobs": [{"id", "name"}]}. What is accepted is on disk.

    A field `origin` before a file says where it comes from: the same origin replaces its document.
    """
    ingester = request.app[STATE].ready_index().ingester
    if not request.body_exists:
        raise RagError("WS-002-VALIDATION_ERROR", field="files", rule="rule:files")
    check_type(request, FORM)
    jobs: list[Job] = []
    try:
        origin = ""
        parts = 0
        async for part in await request.multipart():
            parts += 1
            if parts % PARTS == 0:
                # They are there already, so that the library never waits.
                await asyncio.sleep(0)
            if not isinstance(part, BodyPartReader):
                continue
            if part.name == "origin":
                origin = (await part.text())[:4096]
            elif part.name == "files" and part.filename:
                jobs.append(await _receive(ingester.incoming, part, origin))
                origin = ""
    except BaseException as error:
        # Nothing of a request that failed half-way is kept.
        for job in jobs:
            await asyncio.to_thread(ingester.incoming.discard, job)
        if isinstance(error, MALFORMED):
            raise RagError("HTTP-400") from error
        raise
    if not jobs:
        raise RagError("WS-002-VALIDATION_ERROR", field="files", rule="rule:files")
    try:
        for job in jobs:
            await asyncio.to_thread(ingester.incoming.submit, job)
    except RagError:
        await asyncio.to_thread(ingester.incoming.discard, *jobs)
        raise
    for job in jobs:
        ingester.enqueue(job)
    return reply({"jobs": [{"id": job.id, "name": job.name} for job in jobs]}, status=202)


async def _receive(incoming: Incoming, part: BodyPartReader, origin: str) -> Job:
    """Write the part to disk as it comes. Raises `RagError` DOC-001, DOC-002, SETUP-003 or SETUP-010."""
    job = await asyncio.to_thread(incoming.prepare, _safe_name(part.filename or ""), origin)
    try:
        size = 0
        with disk.told(incoming.folder), await asyncio.to_thread(job.content.open, "wb") as file:
            while data := await part.read_chunk(WRITE_SIZE):
                size += len(data)
                incoming.check_size(job, size)
                await asyncio.to_thread(file.write, data)
    except BaseException:
        await asyncio.to_thread(incoming.discard, job)
        raise
    return job


def _safe_name(name: str) -> str:
    """A name to show; it is never used as a path on this machine."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    return "/".join("".join(c for c in part if c.isprintable()) for part in parts)[-300:]


async def list_jobs(request: web.Request) -> web.Response:
    """`GET /documents/jobs` → {"jobs": […], "total"}: those being worked on, those that wait, those that have ended."""
    jobs = request.app[STATE].ready_index().ingester.jobs()
    lang = lang_of(request)
    return reply({"jobs": [job.body(lang) for job in jobs[:LISTED_JOBS]], "total": len(jobs)})


async def job_events(request: web.Request) -> web.StreamResponse:
    """`GET /documents/jobs/{id}/events`: server-sent events `job` until the job has ended, or the server stops."""
    job = request.app[STATE].ready_index().ingester.job(request.match_info["id"])
    lang, closing = lang_of(request), request.app[CLOSING]
    with places.held(request, "stream"):
        response = await event_stream(request)
        with contextlib.suppress(ConnectionError):
            while True:
                changed = job.changed
                await response.write(f"event: job\ndata: {dumps(job.body(lang))}\n\n".encode())
                if job.ended or closing.is_set():
                    break
                while not await _one_of(changed, closing):
                    await response.write(b": \n\n")
    return response


async def _one_of(*events: asyncio.Event) -> bool:
    """Whether one of them was set within `HEARTBEAT` seconds."""
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        done, _ = await asyncio.wait(waiting, timeout=HEARTBEAT, return_when=asyncio.FIRST_COMPLETED)
        return bool(done)
    finally:
        for each in waiting:
            each.cancel()


async def events(request: web.Request) -> web.StreamResponse:
    """`GET /documents/jobs/events`: server-sent events `jobs` {"jobs": […], "counts": {…}, "first"}, without end.

    The `first` holds the jobs that are being worked on, those that wait (the first of them; `counts` tells how many)
    and those that have failed and were not sent again, later ones what has changed since. `counts` is as in the
    statistics.
    """
    with places.held(request, "stream"):
        return await _events(request)


async def _events(request: web.Request) -> web.StreamResponse:
    state, lang = request.app[STATE], lang_of(request)
    known: dict[str, tuple[State, int, int]] = {}

    def changes(first: bool) -> list[Job]:
        ingester = state.ready_index().ingester
        every = ingester.jobs() if first else [*ingester.working(), *ingester.ended()]
        now = {job.id: (job.state, job.done, job.total) for job in every}
        changed = [job for job in every if known.get(job.id) != now[job.id]]
        known.clear()
        known.update(now)
        return changed

    jobs = _news(changes(first=True))[:FOLLOWED_JOBS]
    response = await event_stream(request)
    first, silent_since = True, time.monotonic()
    with contextlib.suppress(ConnectionError, RagError):
        while True:
            now = time.monotonic()
            if jobs or first:
                bodies = [job.body(lang) for job in jobs]
                counts = state.ready_index().ingester.job_counts()
                data = dumps({"jobs": bodies, "counts": counts, "first": first})
                await response.write(f"event: jobs\ndata: {data}\n\n".encode())
                first, silent_since = False, now
            elif now - silent_since >= HEARTBEAT:
                await response.write(b": \n\n")
                silent_since = now
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(request.app[CLOSING].wait(), LOOK)
                break
            jobs = changes(first=False)
    return response


def _news(jobs: Iterable[Job]) -> list[Job]:
    """What goes on, and what failed and was not sent again. Of the jobs that have ended, the latest come first."""
    found, later = [], set[str]()
    for job in jobs:
        if not job.ended or (job.state == "failed" and job.origin not in later):
            found.append(job)
        later.add(job.origin)
    return found


async def end_streams(app: web.Application) -> None:
    """`on_shutdown`: the stream of all jobs has no end of its own."""
    app[CLOSING].set()


async def cancel(request: web.Request) -> web.Response:
    """`DELETE /documents/jobs/{id}` → the job as it has ended: nothing is left of it, unless it was stored before."""
    ingester = request.app[STATE].ready_index().ingester
    job = ingester.job(request.match_info["id"])
    await ingester.cancel(job)
    return reply(job.body(lang_of(request)))
