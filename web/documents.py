"""Documents over HTTP: upload, progress and search. Thin: decode, call `rag`, encode."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Annotated, Any

from aiohttp import BodyPartReader, web
from pydantic import BaseModel, Field, StrictInt, TypeAdapter

from rag.errors import RagError
from rag.ingest import Ingester, Job
from rag.protocol import Content, load_object, source_of, validate

from .keys import STATE
from .middleware import lang_of

WRITE_SIZE = 1 << 20


class Search(BaseModel):
    query: Content
    k: Annotated[StrictInt, Field(ge=1, le=100)] = 5


_SEARCH = TypeAdapter(Search)


async def search(request: web.Request) -> web.Response:
    """`POST /search` {"query", "k"} → {"sources": […]} in the shape of `stream_sources`."""
    asked = validate(_SEARCH, load_object(await request.read()))
    index = request.app[STATE].ready_index()
    passages = await index.retriever.search(asked.query, asked.k)
    return web.json_response({"sources": [source_of(passage) for passage in passages]}, dumps=_dumps)


async def upload(request: web.Request) -> web.Response:
    """`POST /documents`, multipart: files in `files` → 202 {"jobs": [{"id", "name"}]}.

    A field `origin` before a file says where it comes from: the same origin replaces its document.
    """
    ingester = request.app[STATE].ready_index().ingester
    if not request.content_type.startswith("multipart/"):
        raise RagError("WS-002-VALIDATION_ERROR", field="files", rule="rule:files")
    jobs: list[Job] = []
    try:
        origin = ""
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader):
                continue
            if part.name == "origin":
                origin = (await part.text())[:4096]
            elif part.name == "files" and part.filename:
                jobs.append(await _receive(ingester, part, origin))
                origin = ""
    except BaseException as error:
        # Nothing of a request that failed half-way is kept.
        for job in jobs:
            await asyncio.to_thread(ingester.discard, job)
        if isinstance(error, ValueError):
            raise RagError("HTTP-400") from error
        raise
    if not jobs:
        raise RagError("WS-002-VALIDATION_ERROR", field="files", rule="rule:files")
    for job in jobs:
        await asyncio.to_thread(ingester.submit, job)
        ingester.enqueue(job)
    return web.json_response({"jobs": [{"id": job.id, "name": job.name} for job in jobs]}, status=202, dumps=_dumps)


async def _receive(ingester: Ingester, part: BodyPartReader, origin: str) -> Job:
    """Write the part to disk as it comes. Raises `RagError` DOC-001 or DOC-002."""
    job = await asyncio.to_thread(ingester.prepare, _safe_name(part.filename or ""), origin)
    try:
        size = 0
        with await asyncio.to_thread(job.content.open, "wb") as file:
            while data := await part.read_chunk(WRITE_SIZE):
                size += len(data)
                ingester.check_size(job, size)
                await asyncio.to_thread(file.write, data)
    except BaseException:
        await asyncio.to_thread(ingester.discard, job)
        raise
    return job


def _safe_name(name: str) -> str:
    """A name to show; it is never used as a path on this machine."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    return "/".join("".join(c for c in part if c.isprintable()) for part in parts)[-300:]


async def job_events(request: web.Request) -> web.StreamResponse:
    """`GET /documents/jobs/{id}/events`: server-sent events `job` until the job has ended."""
    ingester = request.app[STATE].ready_index().ingester
    job = ingester.job(request.match_info["id"])
    response = web.StreamResponse(
        headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    )
    await response.prepare(request)
    lang = lang_of(request)
    with contextlib.suppress(ConnectionError):
        async for state in ingester.watch(job):
            await response.write(f"event: job\ndata: {_dumps(state.body(lang))}\n\n".encode())
    return response


def _dumps(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False)
