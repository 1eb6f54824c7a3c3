"""For those who run it."""

from __future__ import annotations

import asyncio
import functools
from dataclasses import asdict
from typing import Any

from aiohttp import web

from rag import llama
from rag.ending import refusal
from rag.errors import RagError
from rag.figures import free_memory, process_memory
from rag.probe import Machine, threads_of

from .auth import may_enter
from .keys import CLOSING, GUARD, SETTINGS, STATE, VERSION
from .middleware import lang_of
from .replies import reply
from .state import State


async def health(request: web.Request) -> web.Response:
    """`GET /health`: what is ready, with which models, over how much; while it loads, how far that is.

    Who has no key where one is needed learns no more than whether it is up.
    """
    state = request.app[STATE]
    status: str = state.status
    error = state.error
    documents = passages = 0
    try:
        documents, passages = await _counts(state)
    except RagError as failure:
        status, error = "error", failure
    if request.app[CLOSING].is_set():
        status, error = "stopping", refusal()
    code = 503 if status in ("error", "stopping") else 200
    body: dict[str, Any] = {
        "status": status,
        "version": request.app[VERSION],
        "key_required": request.app[GUARD].is_needed,
    }
    if not may_enter(request):
        return reply(body, status=code)
    body |= {"model": state.model, "embed_model": state.embed_model, "documents": documents, "passages": passages}
    if status == "loading":
        done, total = state.progress()
        body["loading"] = {"phase": state.phase, "done": done, "total": total}
    if error is not None:
        body["error"] = error.body(lang_of(request))
    return reply(body, status=code)


async def stats(request: web.Request) -> web.Response:
    """`GET /stats`: models, machine, load, and the figures of the last hour. What is not there yet is null."""
    state, settings = request.app[STATE], request.app[SETTINGS]
    figures, chat = state.figures, state.chat
    try:
        documents, passages = await _counts(state)
    except RagError:
        documents = passages = 0
    machine = await asyncio.to_thread(_machine)
    body = {
        "version": request.app[VERSION],
        "status": state.status,
        "now": round(figures.clock(), 1),
        "uptime_seconds": round(figures.uptime),
        "model": {
            "name": state.model,
            "parameters": chat.generator.parameters if chat else None,
            "context": chat.generator.context if chat else None,
        },
        "embed_model": {
            "name": state.embed_model,
            "dimension": state.index.retriever.embedder.dimension if state.index else None,
        },
        "hardware": {
            "cpu": machine.cpu,
            "cores": machine.cores,
            "memory_bytes": machine.memory or None,
            "gpu": _gpu(),
        },
        "threads": threads_of(settings),
        "defaults": {
            "answers": ("quote" if chat.quotes else "free") if chat else None,
            "temperature": settings.temperature,
            "sources": settings.sources,
        },
        "queue": {"running": figures.running, "waiting": figures.waiting},
        "memory": {"process_bytes": process_memory(), "free_bytes": free_memory()},
        "documents": documents,
        "passages": passages,
        "totals": {"answers": figures.answers, "errors": figures.errors, "tokens": figures.tokens},
        "series": figures.told(),
        "damage": [asdict(each) for each in state.damage],
    }
    response = reply(body)
    response.headers["Cache-Control"] = "no-store"
    return response


async def _counts(state: State) -> tuple[int, int]:
    """Documents and passages. Raises `RagError` SEARCH-003."""
    return await state.index.store.counts() if state.index else (0, 0)


# Neither changes while a process lives.
_machine = functools.cache(Machine.look)
_gpu = functools.cache(llama.offloads)
