"""What is ready: the models load behind the open port, and every door asks here first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from rag.chat import Chat
from rag.damage import Damage
from rag.errors import RagError
from rag.figures import Figures
from rag.incoming import Job
from rag.service import Index

Phase = Literal["index", "model", "guides"]


@dataclass(slots=True)
class State:
    """`chat` and `index` are there when `status` is `ok`; until then `phase` says what is being opened or read.

    `done` of `total` documents are embedded anew, if any. `loaded`: the share of the chat model; `guides`: the jobs
    of those that are waited for at the first start. `damage`: what was found damaged.
    """

    status: Literal["loading", "ok", "error"] = "loading"
    model: str = ""
    embed_model: str = ""
    chat: Chat | None = None
    index: Index | None = None
    error: RagError | None = None
    done: int = 0
    total: int = 0
    phase: Phase = "index"
    loaded: float = 0.0
    guides: Sequence[Job] = ()
    figures: Figures = field(default_factory=Figures)
    damage: list[Damage] = field(default_factory=list)

    def ready_chat(self) -> Chat:
        """Raises `RagError`: what went wrong while loading, or WS-003 while it goes on."""
        if self.chat is None:
            raise self.error or RagError("WS-003-SERVICE_NOT_INITIALIZED")
        return self.chat

    def ready_index(self) -> Index:
        """Raises `RagError`: what went wrong while loading, SEARCH-004 or WS-003 while it goes on."""
        if self.index is None:
            if self.total > self.done:
                raise RagError("SEARCH-004", percent=100 * self.done // self.total)
            raise self.error or RagError("WS-003-SERVICE_NOT_INITIALIZED")
        return self.index

    def progress(self) -> tuple[int, int]:
        """(done, in total) of the phase: per cent of the model, or guides. (0, 0) where it cannot be told."""
        if self.phase == "model":
            return round(100 * self.loaded), 100
        if self.phase == "guides":
            return sum(job.ended for job in self.guides), len(self.guides)
        return 0, 0

    def record(self, share: float) -> None:
        """So much of the model is loaded. Called in another thread."""
        self.loaded = share
