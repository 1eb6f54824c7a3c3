"""The application in this process, with scripted parts, for what the real ones cannot be made to do."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient

from rag.chat import Chat
from rag.ingest import Ingester
from rag.retrieval import Retriever
from rag.service import Index, Models
from rag.sessions import Sessions
from rag.settings import load
from rag.types import Sampling
from web.app import create_app
from web.state import State

from .fakes import Clock, HashEmbedder, MemoryStore, ScriptedGenerator, ThreadParser, make_document, make_passage
from .socket_client import LAST, Event

Client = TestClient[web.Request, web.Application]


@dataclass
class Parts:
    """Scripted parts behind a real application. Change them before the request that meets them."""

    directory: Path
    generator: ScriptedGenerator = field(default_factory=ScriptedGenerator)
    embedder: HashEmbedder = field(default_factory=HashEmbedder)
    store: MemoryStore = field(default_factory=MemoryStore)
    token_timeout: float = 30.0
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        text = "the answer to all questions is 42"
        self.store.documents["doc"] = make_document(text)
        self.store.passages["doc"] = [make_passage(text)]
        self.parser = ThreadParser()
        self.ingester = Ingester(self.store, self.embedder, self.parser, self.directory, 1 << 20)
        self.sessions = Sessions(self.directory / "sessions.sqlite", 30, self.clock)

    def chat(self) -> Chat:
        retriever = Retriever(self.embedder, self.store)
        return Chat(self.generator, retriever, self.sessions, Sampling(), token_timeout=self.token_timeout)

    def index(self) -> Index:
        return Index(self.store, Retriever(self.embedder, self.store), self.ingester)  # type: ignore[arg-type]

    def app(self, state: State | None = None, **given: str) -> web.Application:
        if state is None:
            chat = self.chat()
            state = State("ok", "scripted", "hashed words", chat, self.index(), figures=chat.figures)
        settings = load({"data_dir": str(self.directory), "models_dir": str(self.directory)} | given, {})
        return create_app(settings, "test", models=Models(None, None), state=state)


async def converse(
    client: Client, content: str, lang: str = "en", session_id: str = "", query: str = ""
) -> list[Event]:
    """One question over a socket of its own; all its events."""
    session_id = session_id or str(uuid.uuid4())
    async with client.ws_connect(f"/chat-ws?session_id={session_id}&lang={lang}{query}") as socket:
        await socket.send_json({"type": "message", "message_id": "m", "content": content, "session_id": session_id})
        events: list[Event] = []
        while not events or events[-1]["type"] not in LAST:
            events.append(json.loads(await asyncio.wait_for(socket.receive_str(), 10)))
        return events


MakeClient = Callable[..., Any]
