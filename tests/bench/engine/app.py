"""The real server for the benchmark: real engine, pipeline and socket. What differs from `server.py`:

the prompts are remembered, so that a peer can be given the very same tokens; sampling is greedy without a penalty;
with --never-end an answer has exactly --max-tokens tokens; the passages may come from a file instead of the index.
Prints one JSON object when it is ready: url, threads, flash_attention, …

usage: python -m tests.bench.engine.app --models-dir DIR --data-dir DIR [--set NAME=VALUE …] [--max-tokens N] …
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

# As `server.main` does, before the library is loaded.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

from aiohttp import web

from models import starter
from rag import llama, probe, service, settings, tuning
from rag.chat import Chat
from rag.types import EVERYWHERE, CancelFlag, Filter, Message, Passage, Sampling, Token
from web import guidebook
from web.app import create_app
from web.state import State

LAG_INTERVAL = 0.005


@dataclass(eq=False)
class Recorder:
    """A `Generator` in front of another that remembers what it was asked. Costs one append for each answer."""

    inner: Any
    asked: list[list[Message] | str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def generate(
        self,
        messages: Sequence[Message] | str,
        sampling: Sampling,
        cancel: CancelFlag,
        choices: Sequence[str] = (),
        priors: Sequence[float] = (),
        asker: str = "",
    ) -> AsyncGenerator[Token, None]:
        self.asked.append(messages if isinstance(messages, str) else list(messages))
        generated: AsyncGenerator[Token, None] = self.inner.generate(messages, sampling, cancel, choices, priors)
        return generated


class FixedRetriever:
    """Passages from a JSON file: `{question: [[title, text], …]}`; those of "" where a question is not in it."""

    def __init__(self, path: Path) -> None:
        self._of = {
            question: [
                Passage(f"{title}-{number}", title, title, title, text, 0, len(text), score=0.9)
                for number, (title, text) in enumerate(rows)
            ]
            for question, rows in json.loads(path.read_text(encoding="utf-8")).items()
        }

    async def search(self, query: str, k: int, where: Filter = EVERYWHERE) -> list[Passage]:
        return self._of.get(query, self._of.get("", []))[:k]


@asynccontextmanager
async def open_chat(
    chosen: settings.Settings, chosen_model: service.Chosen, index: service.Index, options: argparse.Namespace
) -> AsyncIterator[tuple[Chat, Recorder]]:
    """The chat as the server opens it, with the benchmark's differences."""
    async with service.open_chat(chosen, chosen_model, index, time.time) as chat:
        generator: Any = chat.generator
        if options.never_end:
            # The one look behind the engine's interface; clients notice if it stops working.
            generator._model.ends = lambda token: False
        recorder = Recorder(generator)
        retriever: Any = FixedRetriever(options.passages) if options.passages else chat.retriever
        sampling = Sampling(temperature=0.0, repeat_penalty=1.0, max_tokens=options.max_tokens)
        yield replace(chat, generator=recorder, sampling=sampling, retriever=retriever), recorder


@dataclass(eq=False)
class Bench:
    """The routes that only the benchmark has."""

    recorder: Recorder
    vocabulary: llama.Model
    late: list[float] = field(default_factory=list)
    measuring: asyncio.Task[None] | None = None

    async def prompts(self, request: web.Request) -> web.Response:
        """`[[last message, tokens], …]` of all answers so far, in the order they were asked."""

        def render() -> list[tuple[str, list[int]]]:
            return [self._rendered(messages) for messages in list(self.recorder.asked)]

        return web.json_response(await asyncio.to_thread(render))

    def _rendered(self, messages: list[Message] | str) -> tuple[str, list[int]]:
        if isinstance(messages, str):
            return messages, self.vocabulary.raw_tokens(messages)
        return messages[-1].content, self.vocabulary.prompt_tokens(messages)

    async def start_lag(self, request: web.Request) -> web.Response:
        self.late.clear()
        self.measuring = asyncio.create_task(self._measure())
        return web.json_response({})

    async def _measure(self) -> None:
        while True:
            begun = time.perf_counter()
            await asyncio.sleep(LAG_INTERVAL)
            self.late.append(time.perf_counter() - begun - LAG_INTERVAL)

    async def stop_lag(self, request: web.Request) -> web.Response:
        """How much later than asked the event loop woke, in milliseconds."""
        if self.measuring:
            self.measuring.cancel()
        late = sorted(1000 * each for each in self.late) or [0.0]
        at = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
        found = {name: round(late[min(len(late) - 1, int(share * len(late)))], 2) for name, share in at.items()}
        return web.json_response(found | {"samples": len(late)})


def computing(chosen: settings.Settings, verdict: probe.Verdict, context: int) -> dict[str, Any]:
    """How the model computes: threads, flash attention and so on. For starting a peer in the same way."""
    plan = asdict(tuning.plan_engine(chosen, verdict.tuning, context, probe.Machine.look().memory))
    plan["drafts"] = bool(plan.pop("cost"))
    return plan


async def serve(options: argparse.Namespace) -> None:
    given = dict(pair.split("=", 1) for pair in options.set)
    known = {setting.name for setting in settings.TABLE}
    unknown = sorted(set(given) - known)
    flags = {name: value for name, value in given.items() if name in known}
    flags |= {"models_dir": str(options.models_dir), "data_dir": str(options.data_dir), "max_tokens": "16"}
    chosen = settings.load(flags, {})
    models = service.choose_models(chosen, [model.file for model in starter.starters()])
    if models.chat is None or models.embed is None:
        raise SystemExit(f"no models in {options.models_dir}")
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with service.open_index(chosen, models.embed, lambda done, total: None) as index:
        if not options.passages:
            await service.add_guides(index, chosen, guidebook.GUIDES, guidebook.is_for_all)
            await index.ingester.join()
        async with open_chat(chosen, models.chat, index, options) as (chat, recorder):
            state = State("ok", models.chat.verdict.name, models.embed.verdict.name, chat, index)
            app = create_app(chosen, "bench", models=models, state=state)
            bench = Bench(recorder, llama.Model(models.chat.path, vocab_only=True))
            app.router.add_get("/bench/prompts", bench.prompts)
            app.router.add_post("/bench/lag", bench.start_lag)
            app.router.add_get("/bench/lag", bench.stop_lag)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=2)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            about = {
                "url": f"http://127.0.0.1:{runner.addresses[0][1]}",
                "model": str(models.chat.path),
                **computing(chosen, models.chat.verdict, chat.generator.context),
                "unknown_settings": unknown,
                "native_threads": {thread.name: thread.native_id for thread in threading.enumerate()},
            }
            print(json.dumps(about), flush=True)
            await stop.wait()
            await runner.cleanup()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models-dir", type=Path, required=True)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the server")
    parser.add_argument("--max-tokens", type=int, default=128)
    parser.add_argument("--never-end", action="store_true", help="every answer has exactly --max-tokens tokens")
    parser.add_argument("--passages", type=Path, help="passages from this file; otherwise the guides, indexed")
    options = parser.parse_args()
    options.data_dir.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(options))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
