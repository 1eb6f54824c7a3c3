"""What is ready: the models load behind the open port, and every door asks here first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rag.chat import Chat
from rag.errors import RagError
from rag.service import Index


@dataclass(slots=True)
class State:
    """`chat` and `index` are there when `status` is `ok`. `done` of `total` documents are embedded anew, if any."""

    status: Literal["loading", "ok", "error"] = "loading"
    model: str = ""
    embed_model: str = ""
    chat: Chat | None = None
    index: Index | None = None
    error: RagError | None = None
    done: int = 0
    total: int = 0

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
