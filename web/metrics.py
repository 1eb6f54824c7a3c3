"""`GET /metrics`: what happened since the start, in the text format of Prometheus.

Nothing is measured here but what the doors count; the rest is read from where it is counted when somebody asks.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate

from aiohttp import hdrs, web
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from rag.durable import bytes_in
from rag.errors import RagError
from rag.figures import Distribution
from rag.incoming import ENDED

from .keys import SETTINGS, STATE
from .state import State

# Seconds for which the size of the data on disk is believed: looking at every file takes a while.
SIZES_FOR = 60.0
# Whatever else a client writes there is one method, so that nobody can make up series.
METHODS = frozenset(hdrs.METH_ALL)
FINISHES = ("stop", "length", "cancelled", "error")
FRAMES = ("message", "cancel", "resume", "invalid")


class Metrics(Collector):
    """The metrics of one application. Its doors count `requests` (route, method, status), `errors` (code, door) and
    `frames` that came through sockets, by their type. `documents`, `passages` and `sizes` are as of the last look."""

    def __init__(self, state: State, version: str, sockets: set[web.WebSocketResponse]) -> None:
        self._state = state
        self._version = version
        self._sockets = sockets
        self.requests: Counter[tuple[str, ...]] = Counter()
        self.errors: Counter[tuple[str, ...]] = Counter()
        self.frames: Counter[str] = Counter()
        self.counts: tuple[int, int] | None = None
        self.sizes: tuple[int, int] | None = None
        self.sized = 0.0
        self.registry = CollectorRegistry()
        self.registry.register(self)
        ProcessCollector(registry=self.registry)

    def collect(self) -> Iterator[Metric]:
        state, figures = self._state, self._state.figures
        build = {"version": self._version, "model": state.model, "embed_model": state.embed_model}
        yield InfoMetricFamily("rag_build", "The version and the models.", build)
        yield _gauge(
            "rag_ready",
            "1 when questions are answered, 0 while models load or after they failed to.",
            state.status == "ok",
        )
        yield _gauge("rag_uptime_seconds", "Seconds since the start.", figures.uptime)
        yield from self._doors()
        yield _gauges(
            "rag_questions",
            "Questions that are being answered or wait.",
            "state",
            {"running": figures.running, "waiting": figures.waiting},
        )
        yield from self._answers()
        yield from self._index()
        yield _histogram(
            "rag_event_loop_lag_seconds", "How late the event loop was, looked at ten times a second.", figures.lag
        )

    def _doors(self) -> Iterator[Metric]:
        yield _counters(
            "rag_http_requests",
            "HTTP requests, by the template of their route.",
            ("route", "method", "status"),
            self.requests,
        )
        yield _gauge("rag_websocket_connections", "Sockets that are open.", len(self._sockets))
        yield _counters(
            "rag_websocket_messages",
            "Messages from clients through sockets.",
            ("type",),
            {(kind,): self.frames[kind] for kind in FRAMES},
        )
        yield _counters("rag_errors", "Errors that clients were told.", ("code", "door"), self.errors)

    def _answers(self) -> Iterator[Metric]:
        figures = self._state.figures
        yield _counters(
            "rag_answers",
            "Answers that have ended, at all doors.",
            ("finish_reason",),
            {(reason,): figures.ends[reason] for reason in FINISHES},
        )
        yield _counter("rag_completion_tokens", "Tokens that the model has written in answers.", figures.tokens)
        yield _counter("rag_prompt_tokens", "Tokens of the prompts of answers.", figures.prompt_tokens)
        yield _counter(
            "rag_prompt_cached_tokens", "Those of them that were known and not computed again.", figures.cached_tokens
        )
        proposed, accepted = figures.drafts()
        yield _counter("rag_draft_proposed_tokens", "Tokens that drafts proposed.", proposed)
        yield _counter("rag_draft_accepted_tokens", "Those of them that were right.", accepted)
        yield _histogram(
            "rag_time_to_first_token_seconds", "From a question to the first token of its answer.", figures.first_token
        )
        yield _histogram(
            "rag_answer_duration_seconds", "From a question to the end of its answer.", figures.whole_answer
        )
        yield _histogram("rag_decode_tokens_per_second", "How fast answers were written.", figures.speed)

    def _index(self) -> Iterator[Metric]:
        if self._state.index is None:
            return
        if self.counts:
            yield _gauge("rag_documents", "Documents in the index.", self.counts[0])
            yield _gauge("rag_passages", "Passages in the index.", self.counts[1])
        if self.sizes:
            yield _gauge("rag_index_bytes", "Size of the index on disk.", self.sizes[0])
            yield _gauge("rag_originals_bytes", "Size of the original files on disk.", self.sizes[1])
        ingester = self._state.index.ingester
        now = ingester.job_counts()
        yield _gauges(
            "rag_ingest_jobs", "Files on their way in.", "state", {state: now[state] for state in ("queued", "running")}
        )
        yield _counters(
            "rag_ingest_jobs_ended",
            "Files whose way in has ended.",
            ("state",),
            {(state,): ingester.ends[state] for state in sorted(ENDED)},
        )
        yield _counter("rag_ingest_passages", "Passages that were embedded.", ingester.embedded)


METRICS = web.AppKey("metrics", Metrics)


async def metrics(request: web.Request) -> web.Response:
    """`GET /metrics`. What is not known, such as the size of an index that is not open, is left out."""
    found = request.app[METRICS]
    await _look(found, request.app)
    headers = {hdrs.CONTENT_TYPE: CONTENT_TYPE_PLAIN_0_0_4, hdrs.CACHE_CONTROL: "no-store"}
    return web.Response(body=generate_latest(found.registry), headers=headers)


async def _look(found: Metrics, app: web.Application) -> None:
    """How large the index is."""
    index = app[STATE].index
    if index is None:
        return
    try:
        found.counts = await index.store.counts()
    except RagError:
        found.counts = None
    now = time.monotonic()
    if found.sizes is None or now - found.sized > SIZES_FOR:
        found.sized = now
        folders = (app[SETTINGS].data_dir / "index", index.ingester.originals.folder)
        indexed, originals = await asyncio.gather(*(asyncio.to_thread(bytes_in, folder) for folder in folders))
        found.sizes = indexed, originals


async def count_request(request: web.Request, response: web.StreamResponse) -> None:
    """`on_response_prepare`: so that streams and sockets count when they begin."""
    method = request.method if request.method in METHODS else "other"
    request.app[METRICS].requests[route_of(request), method, str(response.status)] += 1


def count_error(request: web.Request, code: str) -> None:
    """A client was told of an error, by the status of an answer or within a stream."""
    request.app[METRICS].errors[code, door_of(request)] += 1


def route_of(request: web.Request) -> str:
    """The template of the request's route, such as `/documents/{id}`; `unknown` where there is none."""
    resource = request.match_info.route.resource
    return resource.canonical if resource else "unknown"


def door_of(request: web.Request) -> str:
    """By which door the client came: `websocket`, `sse`, `openai` or `http`."""
    route = route_of(request)
    if route.startswith("/v1/"):
        return "openai"
    return {"/chat-ws": "websocket", "/chat/stream": "sse"}.get(route, "http")


# Families of one metric.


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value)


def _gauges(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value)


def _counters(name: str, text: str, labels: Iterable[str], values: Mapping[tuple[str, ...], float]) -> Metric:
    family = CounterMetricFamily(name, text, labels=list(labels))
    for key, value in sorted(values.items()):
        family.add_metric(key, value)
    return family


def _histogram(name: str, text: str, values: Distribution) -> Metric:
    bounds = [*map(floatToGoString, values.bounds), "+Inf"]
    buckets = list(zip(bounds, accumulate(values.counts), strict=True))
    return HistogramMetricFamily(name, text, buckets, values.sum)
