"""From a question to passages: the one way that every door takes."""

from __future__ import annotations

from dataclasses import dataclass

from .types import Embedder, Passage, Store


@dataclass(frozen=True, slots=True)
class Retriever:
    embedder: Embedder
    store: Store

    async def search(self, query: str, k: int) -> list[Passage]:
        """The `k` best passages, best first. Raises `RagError` SEARCH-001 or SEARCH-003."""
        vectors = await self.embedder.embed([query])
        return await self.store.search(query, vectors[0], k)
