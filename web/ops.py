"""For those who run it."""

from __future__ import annotations

from aiohttp import web

from rag.errors import RagError

from .keys import STATE, VERSION
from .middleware import lang_of


async def health(request: web.Request) -> web.Response:
    """`GET /health`: what is ready, with which models, over how much."""
    state = request.app[STATE]
    status, error = state.status, state.error
    documents = passages = 0
    if state.index is not None:
        try:
            documents, passages = await state.index.store.counts()
        except RagError as failure:
            status, error = "error", failure
    body = {
        "status": status,
        "model": state.model,
        "embed_model": state.embed_model,
        "documents": documents,
        "passages": passages,
        "version": request.app[VERSION],
    }
    if error is not None:
        body["error"] = error.body(lang_of(request))
    return web.json_response(body, status=503 if status == "error" else 200)
