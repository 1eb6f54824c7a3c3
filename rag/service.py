"""Where the parts are put together: which models, then store, embedder, engine and chat, opened and closed in order.

The index (store, embedder, ingestion) can be opened without the chat model, which is what `ingest` needs.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from . import durable, jsonfile, llama, probe
from .chat import Chat
from .chunking import chunk
from .damage import Damage
from .embedder import GgufEmbedder
from .engine import Engine, Pace
from .errors import RagError
from .figures import Figures
from .folders import find_files
from .incoming import Job
from .ingest import Ingester, embed_passages
from .parsing import Parser
from .prompt import NARROW_BELOW
from .retrieval import Retriever
from .sessions import Sessions
from .settings import Settings
from .store import LanceStore
from .tuning import plan_engine
from .types import Document, Passage, Sampling, Vectors
from .watch import Watcher

SMALL_PENALTY = 1.1

Progress = Callable[[int, int], None]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Chosen:
    """A model file, what its trial found, and the file to load."""

    path: Path
    verdict: probe.Verdict
    weights: Path


@dataclass(frozen=True, slots=True)
class Models:
    chat: Chosen | None
    embed: Chosen | None


@dataclass(frozen=True, slots=True)
class Index:
    """What documents go into and are found in."""

    store: LanceStore
    retriever: Retriever
    ingester: Ingester


def choose_models(
    settings: Settings, starters: Collection[str], announce: Callable[[Path], None] = lambda path: None
) -> Models:
    """The chat model and the embedder: those given by setting, else the first of each kind in the models directory.

    Files that people put there come before the starters. Each file is tried in a child process unless a verdict is
    remembered; blocks for that long, and announces it. A bad file is passed over with a warning, unless it was asked
    for by name: then raises `RagError` GEN-002 or SETUP-005.
    """
    memory = probe.memory_of(settings.data_dir)
    chosen: dict[str, Chosen] = {}
    for kind, given in (("chat", settings.model), ("embed", settings.embed_model)):
        if given:
            path = Path(given).expanduser().absolute()
            verdict = probe.trusted(settings, path, announce)
            if verdict.kind != kind:
                wanted = "a chat model with a template" if kind == "chat" else "an embedding model"
                raise RagError("GEN-002", file=path.name, reason=f"not {wanted}", directory=str(path.parent))
            chosen[kind] = Chosen(path, verdict, probe.weights_of(path, verdict, memory))
    for path in _candidates(settings.models_dir, starters):
        if len(chosen) == 2:
            break
        try:
            verdict = probe.trusted(settings, path, announce)
        except RagError as error:
            log.warning("%s", error.text("en").message)
            continue
        chosen.setdefault(verdict.kind, Chosen(path, verdict, probe.weights_of(path, verdict, memory)))
        chosen.pop("other", None)
    return Models(chosen.get("chat"), chosen.get("embed"))


def _candidates(directory: Path, starters: Collection[str]) -> list[Path]:
    """GGUF files of the directory, the newest first, the starters last."""
    files = [path for path in directory.glob("*.gguf") if path.is_file()]
    return sorted(files, key=lambda path: (path.name in starters, -path.stat().st_mtime, path.name.lower()))


@asynccontextmanager
async def open_index(settings: Settings, embed: Chosen, progress: Progress) -> AsyncIterator[Index]:
    """Open embedder, store and ingestion; the ingestion goes on with what was left. Raises `RagError`.

    If the store was made for another embedding model, all documents are embedded anew in the background; `progress`
    is told (documents done, documents in total).
    """
    await asyncio.to_thread(durable.sweep, settings.data_dir)
    model = await asyncio.to_thread(llama.Model, embed.path, extra_bufts=embed.verdict.extra_bufts)
    embedder = await asyncio.to_thread(GgufEmbedder, model, threads=probe.threads_of(settings))
    try:
        store = await LanceStore.open(
            settings.data_dir / "index", embedder=_fingerprint(embed.path, model), dimension=embedder.dimension
        )
        # Both together take at most a quarter of the machine's memory, but what a common file needs.
        memory = min(2 << 30, max(512 << 20, probe.Machine.look().memory // 8))
        parser, small_parser = Parser(memory=memory), Parser(memory=memory)
        limit = settings.max_upload << 20
        ingester = Ingester(store, embedder, parser, settings.data_dir, limit, small_parser, store.damage)
        background = [store.keep_house(ingester.is_busy), _rebuild(store, embedder, progress)]
        tasks = [asyncio.create_task(work, name="index") for work in background]
        try:
            await ingester.start()
            yield Index(store, Retriever(embedder, store), ingester)
        finally:
            await ingester.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await parser.close()
            await small_parser.close()
            store.close()
    finally:
        await embedder.close()


def _fingerprint(path: Path, model: llama.Model) -> str:
    """Names an embedding model by what it is, not by where it lies."""
    return f"{model.name}\n{model.meta.get('general.file_type')}\n{path.stat().st_size}"


@asynccontextmanager
async def watching(settings: Settings, index: Index) -> AsyncIterator[list[Damage]]:
    """Keep up with the watched folders, if there are any. What was found damaged."""
    roots = settings.watched()
    if not roots:
        yield []
        return
    folder = settings.data_dir
    memory = folder / "watch.sqlite"
    if any(each.part == "places" for each in index.ingester.damage):
        # All files are taken anew, which tells their places.
        for file in (memory, *folder.glob(f"{memory.name}-*")):
            await asyncio.to_thread(file.unlink, missing_ok=True)
    watcher = Watcher(index.ingester, roots, memory, settings.watch_seconds, without=[folder])
    await watcher.start()
    try:
        yield watcher.damage
    finally:
        await watcher.close()


@asynccontextmanager
async def open_chat(
    settings: Settings,
    chat: Chosen,
    index: Index,
    clock: Callable[[], float],
    figures: Figures | None = None,
    progress: Callable[[float], None] = lambda done: None,
) -> AsyncIterator[Chat]:
    """Open the chat model, its engine and the sessions; `progress` is told, in another thread, the share of the model
    that is loaded. Raises `RagError`.
    """
    model = await asyncio.to_thread(
        llama.Model,
        chat.weights,
        extra_bufts=chat.verdict.extra_bufts,
        gpu_layers=settings.gpu_layers,
        progress=progress,
    )
    plan = plan_engine(settings, chat.verdict.tuning, model.train_context, probe.Machine.look().memory)
    context = await asyncio.to_thread(
        llama.Context,
        model,
        tokens=plan.context,
        batch=plan.batch,
        threads=plan.threads,
        batch_threads=plan.batch_threads,
        sequences=plan.sequences,
        flash_attention=plan.flash_attention,
        kv_type=plan.kv_type,
    )
    engine = Engine(
        model,
        context,
        lambda sampling: llama.Sampler(context, sampling),
        Pace(plan.piece, plan.cost),
        settings.token_timeout,
    )
    figures = figures or Figures()
    figures.beyond = lambda: engine.waiting
    figures.drafts = lambda: (engine.drafted, engine.accepted)
    sessions = await asyncio.to_thread(Sessions, settings.data_dir / "sessions.sqlite", settings.session_minutes, clock)
    try:
        yield Chat(
            generator=engine,
            retriever=index.retriever,
            sessions=sessions,
            sampling=Sampling(
                temperature=settings.temperature,
                max_tokens=settings.max_tokens,
                # A small model falls into repeating itself; a large one only loses by the penalty.
                repeat_penalty=SMALL_PENALTY if model.parameters < NARROW_BELOW else 1.0,
            ),
            passages=settings.sources,
            answers=settings.answers,
            token_timeout=settings.token_timeout,
            figures=figures,
        )
    finally:
        figures.beyond = lambda: 0
        await asyncio.to_thread(engine.close)
        await asyncio.to_thread(model.close)
        await sessions.close()


async def add_guides(index: Index, settings: Settings, folder: Path, first: Callable[[str], bool]) -> list[Job]:
    """Put the guides into the queue: all at the first start, later those that a new version has changed.

    A guide that somebody has deleted stays away until it changes. Returns the jobs of those whose names are to come
    `first`; the others give way to whatever is added.
    """
    memory = settings.data_dir / "guides.json"
    files = await asyncio.to_thread(lambda: sorted(find_files(folder), key=lambda file: not first(file[0])))
    hashes = {source: await asyncio.to_thread(durable.sha256_of, path) for source, path in files}
    known = await asyncio.to_thread(jsonfile.load, memory)
    changed = [(source, path) for source, path in files if known.get(source) != hashes[source]]
    jobs = [
        await index.ingester.add_file(path, source, origin=source, gives_way=not first(source))
        for source, path in changed
    ]
    await asyncio.to_thread(jsonfile.save, memory, hashes)
    return [job for job in jobs if first(job.name)]


async def _rebuild(store: LanceStore, embedder: GgufEmbedder, progress: Progress) -> None:
    """Embed anew what another embedding model has left. What fails stays found by its words until the next start."""

    async def embed(document: Document) -> tuple[list[Passage], Vectors]:
        passages = await asyncio.to_thread(chunk, document, embedder.count, embedder.window)
        return passages, await embed_passages(embedder, passages)

    try:
        await store.rebuild(embed, progress)
    except RagError as error:
        log.error("the index is not rebuilt: %s", error.text("en").message)
