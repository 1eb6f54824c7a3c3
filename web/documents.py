"""Stored documents over HTTP: list, text, original, deletion. Thin: decode, call `rag`, encode."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Annotated, Any, Literal
from urllib.parse import quote

from aiohttp import hdrs, web
from pydantic import BaseModel, Field, TypeAdapter

from rag.durable import bytes_in
from rag.errors import RagError
from rag.finding import find as find_words
from rag.incoming import Job, document_id
from rag.loaders import suffix
from rag.protocol import validate
from rag.service import Index
from rag.types import Document, SortKey

from .keys import SETTINGS, STATE
from .middleware import CONTENT_POLICY
from .replies import reply

# Characters of a text in one answer.
MAX_TEXT = 100_000
# Places of words in one answer.
MAX_PLACES = 2_000
# What a browser may show in its own window; it runs nothing of what stands in it.
SHOWN = {"pdf": "application/pdf"}
# The page shows them in a frame, and a browser's own viewer may be an object in it.
_SHOWN_POLICY = CONTENT_POLICY.replace("frame-ancestors 'none'", "frame-ancestors 'self'").replace(
    "object-src 'none'", "object-src 'self'"
)
Start = Annotated[int, Field(ge=0)]


class Listing(BaseModel):
    page: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    page_size: Annotated[int, Field(ge=1, le=200)] = 50
    q: Annotated[str, Field(max_length=200)] = ""
    sort: SortKey = "added"
    order: Literal["asc", "desc", ""] = ""

    @property
    def descending(self) -> bool:
        """Without an order: names from A on, of all else the most first."""
        return self.order == "desc" or (not self.order and self.sort != "name")


class Span(BaseModel):
    start: Start = 0
    end: Start = MAX_TEXT
    page: Annotated[int, Field(ge=1)] | None = None


class Words(BaseModel):
    q: Annotated[str, Field(min_length=1, max_length=1_000)]


_LISTING = TypeAdapter(Listing)
_SPAN = TypeAdapter(Span)
_WORDS = TypeAdapter(Words)


async def list_documents(request: web.Request) -> web.Response:
    """`GET /documents?page&page_size&q&sort&order` → {"documents": […], "total"}, of those whose name holds `q`.

    `sort` is `added` (the default), `name`, `size` or `passages`, `order` is `asc` or `desc`. New documents that are
    being worked on stand first, with the state of their job as `status`, which is `stored` for all others: those would
    survive a kill.
    """
    asked = validate(_LISTING, request.query)
    index = request.app[STATE].ready_index()
    coming = [job for job in index.ingester.working() if job.is_new and asked.q.casefold() in job.name.casefold()]
    first = (asked.page - 1) * asked.page_size
    rows = [_coming(job) for job in coming[first : first + asked.page_size]]
    stored, total = await index.store.list_documents(
        asked.q, max(0, first - len(coming)), asked.page_size - len(rows), asked.sort, asked.descending
    )
    return reply({"documents": rows + [_stored(document) for document in stored], "total": total + len(coming)})


def _coming(job: Job) -> dict[str, Any]:
    return {
        "id": document_id(job.origin),
        "name": job.name,
        "type": suffix(job.name).removeprefix("."),
        "bytes": job.size,
        "passages": job.total,
        "status": job.state,
        "added": None,
        "job": job.id,
    }


def _stored(document: Document) -> dict[str, Any]:
    return {
        "id": document.id,
        "name": document.source,
        "type": document.type,
        "bytes": document.bytes,
        "passages": document.passages,
        "status": "stored",
        "added": document.added or None,
    }


async def document(request: web.Request) -> web.Response:
    """`GET /documents/{id}` → the row of the list with `title`, `sha256`, `pages` (how many) and `characters`."""
    _, found = await _find(request)
    more = {
        "title": found.title,
        "sha256": found.sha256,
        "pages": len(found.pages),
        "characters": len(found.text),
    }
    return reply(_stored(found) | more)


async def text(request: web.Request) -> web.Response:
    """`GET /documents/{id}/text?start&end&page` → {"id", "start", "end", "text", "total", "pages"}, in characters.

    With a `page`, `start` and `end` count from where it begins. `pages` are those that the part touches. A part is at
    most `MAX_TEXT` characters long; `end` says where it ends.
    """
    asked = validate(_SPAN, request.query)
    _, found = await _find(request)
    total = len(found.text)
    first = next((page.start for page in found.pages if page.number == asked.page), 0)
    start = min(first + asked.start, total)
    end = max(start, min(first + asked.end, start + MAX_TEXT, total))
    pages = [asdict(page) for page in found.pages if page.start < end and page.end > start]
    part = found.text[start:end]
    return reply({"id": found.id, "start": start, "end": end, "text": part, "total": total, "pages": pages})


async def find(request: web.Request) -> web.Response:
    """`GET /documents/{id}/find?q` → {"places": [[start, end], …], "more"}, the first `MAX_PLACES` in characters."""
    asked = validate(_WORDS, request.query)
    _, found = await _find(request)
    places, more = await asyncio.to_thread(find_words, found.text, asked.q, MAX_PLACES)
    return reply({"places": places, "more": more})


async def original(request: web.Request) -> web.StreamResponse:
    """`GET /documents/{id}/original`: the file as it was added, to be saved; with `?inline=1` a PDF to be shown."""
    index, found = await _find(request)
    path = index.ingester.originals.path(found.sha256)
    if not await asyncio.to_thread(path.is_file):
        raise RagError("DOC-008", file=found.source)
    shown = SHOWN.get(found.type) if request.query.get("inline") == "1" else None
    name = quote(found.source.rpartition("/")[2], safe="")
    policy = _SHOWN_POLICY if shown else "sandbox"
    headers = {
        hdrs.CONTENT_TYPE: shown or "application/octet-stream",
        hdrs.CONTENT_DISPOSITION: f"{'inline' if shown else 'attachment'}; filename*=UTF-8''{name}",
        "Content-Security-Policy": policy,
        hdrs.CACHE_CONTROL: "private, no-cache",
    }
    response = web.FileResponse(path, headers=headers)
    # Sent by this process and not by the system, so that a client that does not read on is seen.
    response.enable_compression(web.ContentCoding.identity)
    return response


async def delete(request: web.Request) -> web.Response:
    """`DELETE /documents/{id}` → 204: nothing of the document is left, neither in the index nor its original."""
    index = request.app[STATE].ready_index()
    if not await index.ingester.remove(request.match_info["id"]):
        raise RagError("DOC-007", file=request.match_info["id"])
    return web.Response(status=204)


async def stats(request: web.Request) -> web.Response:
    """`GET /documents/stats`: how many documents and passages, their bytes on disk, the jobs, and the rebuilding."""
    index = request.app[STATE].ready_index()
    folder = request.app[SETTINGS].data_dir
    documents, passages = await index.store.counts()
    rebuilding = index.store.rebuilding()
    originals = await asyncio.to_thread(bytes_in, index.ingester.originals.folder)
    indexed = await asyncio.to_thread(bytes_in, folder / "index")
    return reply(
        {
            "documents": documents,
            "passages": passages,
            "bytes": originals + indexed,
            "originals_bytes": originals,
            "index_bytes": indexed,
            "jobs": index.ingester.job_counts(),
            "rebuilding": dict(zip(("done", "total"), rebuilding, strict=True)) if rebuilding else None,
        }
    )


async def _find(request: web.Request) -> tuple[Index, Document]:
    """Raises `RagError` DOC-007."""
    index = request.app[STATE].ready_index()
    found = await index.store.document(request.match_info["id"])
    if found is None:
        raise RagError("DOC-007", file=request.match_info["id"])
    return index, found
