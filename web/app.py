"""The application: routes, middleware, and the parts that open behind the open port."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from weakref import WeakSet

import aiohttp_jinja2
import jinja2
from aiohttp import web

from rag import memory
from rag.answers import Answers
from rag.damage import Damage
from rag.disk import REFUSALS
from rag.errors import RagError
from rag.incoming import Job
from rag.rate import Limit
from rag.service import Models, add_guides, open_chat, open_index, watching
from rag.settings import Settings
from rag.terminal import say_damaged

from . import (
    assets,
    auth,
    chat_http,
    chat_ws,
    documents,
    embeddings,
    guidebook,
    jobs,
    metrics,
    middleware,
    openai,
    openapi,
    ops,
    pages,
    places,
    request_id,
    search,
    sessions,
    stopping,
)
from .guard import Guard
from .keys import ANSWERS, CLOSING, GUARD, LIMIT, SETTINGS, SOCKETS, STATE, VERSION, WORK
from .places import PLACES
from .state import State

MAX_BODY = 1 << 20
# Ids, but not the names of addresses beside them, which would then seem to take the methods of both.
DOCUMENT = "{id:(?!(?:jobs|stats)$)[^/]+}"
JOB = "{id:(?!events$)[^/]+}"
# Counting a large index takes longer than looking at the process.
PASSAGES_EVERY = 15.0
MEMORY_EVERY = 30.0
# Seconds until a start that the disk has refused is tried again.
AGAIN = 10.0

log = logging.getLogger(__name__)


def create_app(settings: Settings, version: str, *, models: Models, state: State | None = None) -> web.Application:
    """The application of one server. It answers at once; `GET /health` tells when the models are loaded.

    With a `state` of ready parts, which stay the caller's, nothing is loaded.
    """
    around = [request_id.identify, middleware.errors, middleware.own_address, auth.key_needed, stopping.refuse_new_work]
    app = web.Application(middlewares=around, client_max_size=MAX_BODY)
    app[SETTINGS] = settings
    app[GUARD] = Guard(settings.api_key)
    app[STATE] = state or State(
        model=models.chat.verdict.name if models.chat else "",
        embed_model=models.embed.verdict.name if models.embed else "",
    )
    app[VERSION] = version
    app[SOCKETS] = set()
    app[WORK] = set()
    app[chat_ws.CONNECTIONS] = WeakSet()
    app[PLACES] = places.empty()
    app[CLOSING] = asyncio.Event()
    app[ANSWERS] = Answers()
    app[metrics.METRICS] = metrics.Metrics(app[STATE], version, app[SOCKETS])
    app[LIMIT] = Limit(settings.rate_limit, time.monotonic)
    aiohttp_jinja2.setup(app, loader=jinja2.FileSystemLoader(pages.TEMPLATES), autoescape=True)
    app.add_routes(
        [
            web.get("/", pages.index),
            web.get("/guides", pages.guides),
            web.get("/guides/{slug}", pages.guide),
            web.get("/chat-ws", chat_ws.chat_ws),
            web.post("/chat", chat_http.chat),
            web.post("/chat/stream", chat_http.stream),
            web.get("/v1/models", openai.models),
            web.get("/v1/models/{id:.+}", openai.model),
            web.post("/v1/chat/completions", openai.completions),
            web.post("/v1/embeddings", embeddings.embeddings),
            web.post("/sessions", sessions.create),
            web.get("/sessions", sessions.list_sessions),
            web.get("/sessions/{id}", sessions.session),
            web.delete("/sessions/{id}", sessions.delete),
            web.post("/search", search.search),
            web.post("/documents", jobs.upload),
            web.get("/documents", documents.list_documents),
            web.get("/documents/jobs", jobs.list_jobs),
            web.get("/documents/jobs/events", jobs.events, allow_head=False),
            web.delete(f"/documents/jobs/{JOB}", jobs.cancel),
            web.get("/documents/jobs/{id}/events", jobs.job_events, allow_head=False),
            web.get("/documents/stats", documents.stats),
            web.get(f"/documents/{DOCUMENT}", documents.document),
            web.delete(f"/documents/{DOCUMENT}", documents.delete),
            web.get("/documents/{id}/text", documents.text),
            web.get("/documents/{id}/find", documents.find),
            web.get("/documents/{id}/original", documents.original),
            web.get("/login", auth.login_page),
            web.post("/login", auth.log_in),
            web.post("/logout", auth.log_out),
            web.get("/health", ops.health),
            web.get("/stats", ops.stats),
            web.get("/openapi.json", openapi.openapi),
            web.get("/metrics", metrics.metrics),
            web.get("/static/{path:.*}", assets.asset),
        ]
    )
    app.on_response_prepare.extend(
        [
            middleware.security_headers,
            middleware.cross_origin,
            auth.keep_private,
            request_id.tell,
            metrics.count_request,
        ]
    )
    app.on_shutdown.extend([chat_ws.close_all, jobs.end_streams])
    app.cleanup_ctx.append(_sampling)
    if state is None:
        app.cleanup_ctx.append(_parts(models))
    return app


async def _sampling(app: web.Application) -> AsyncIterator[None]:
    """Now and then: take the figures of the process and of the index, and give memory back that is free."""
    state = app[STATE]

    async def passages() -> None:
        while True:
            await asyncio.sleep(PASSAGES_EVERY)
            if state.index is not None:
                with contextlib.suppress(RagError):
                    state.figures.add("passages", (await state.index.store.counts())[1])

    async def memory_back() -> None:
        while True:
            await asyncio.sleep(MEMORY_EVERY)
            # After many requests and no writing: the store does it when it has tidied up.
            await asyncio.to_thread(memory.give_back)

    works = (state.figures.watch(), passages(), memory_back())
    tasks = [asyncio.create_task(work, name="figures") for work in works]
    yield
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _parts(models: Models) -> Callable[[web.Application], AsyncIterator[None]]:
    async def context(app: web.Application) -> AsyncIterator[None]:
        """Load in the background, so that the page can say how far it is."""
        stop = asyncio.Event()
        task = asyncio.create_task(_hold(app[SETTINGS], models, app[STATE], stop), name="parts")
        yield
        stop.set()
        if app[STATE].status == "loading":
            # What is still being opened is not waited for.
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    return context


async def _ends(jobs: Sequence[Job]) -> None:
    """Wait until all have ended."""
    for job in jobs:
        async for _ in job.states():
            pass


async def _until(stop: asyncio.Event, work: Coroutine[None, None, None]) -> None:
    """Wait for `work`, or give it up when `stop` is set."""
    tasks = [asyncio.create_task(work), asyncio.create_task(stop.wait())]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


async def _hold(settings: Settings, models: Models, state: State, stop: asyncio.Event) -> None:
    """Open index and chat, keep them until `stop`, close them. What the disk refuses is tried again now and then."""
    while True:
        await _open(settings, models, state, stop)
        if stop.is_set() or state.error is None or state.error.code not in REFUSALS:
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), AGAIN)
            return
        state.status, state.error, state.phase = "loading", None, "index"


async def _open(settings: Settings, models: Models, state: State, stop: asyncio.Event) -> None:

    def rebuilding(done: int, total: int) -> None:
        state.done, state.total = done, total

    def tell(found: Sequence[Damage]) -> None:
        state.damage += found
        for each in found:
            say_damaged(settings.lang, each)

    try:
        if models.embed is None or models.chat is None:
            missing = "chat model" if models.chat is None else "embedding model"
            raise RagError("GEN-002", file="*.gguf", reason=f"no {missing}", directory=str(settings.models_dir))
        begun = time.monotonic()
        async with open_index(settings, models.embed, rebuilding) as index:
            state.index, state.phase = index, "model"
            tell(index.ingester.damage)
            async with open_chat(settings, models.chat, index, time.time, state.figures, state.record) as chat:
                tell(chat.sessions.damage)
                first_start = not any(await index.store.counts())
                state.guides = await add_guides(index, settings, guidebook.GUIDES, guidebook.is_for_all)
                state.phase = "guides"
                if first_start:
                    # Whoever asks at once, most likely asks about the product.
                    await _until(stop, _ends(state.guides))
                memory.settle()
                state.chat = chat
                state.status = "ok"
                log.info("ready after %.1f s", time.monotonic() - begun)
                async with watching(settings, index) as damage:
                    tell(damage)
                    await _until(stop, chat.read_ahead())
                    await stop.wait()
    except RagError as error:
        log.error("%s", error.text("en").message)
        state.error = error
    except Exception:
        log.exception("loading failed")
        state.error = RagError("WS-999-INTERNAL_ERROR")
    finally:
        state.chat = state.index = None
        if state.error is not None:
            state.status = "error"
