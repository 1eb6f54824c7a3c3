"""From a question to passages: the one way that every door takes."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice

import numpy as np

from . import neighbours
from .types import EVERYWHERE, Embedder, Filter, Passage, Store, Vectors

# Vectors of so many questions are kept: a few hundred KiB.
CACHED = 256
# Characters that are counted in less time than a thread is woken in.
SHORT = 500
# So many more passages are asked for than are wanted, since some are collapsed or joined.
SPARE = 10
# Of a query whose tokenizer knows its script (at most so many tokens a character), and of one that it takes to pieces.
KNOWN, UNKNOWN = 0.8, 1.2
# Cosines of single sentences help only where the query's vector is trusted so far.
TRUSTED = 0.5
# Texts are near-duplicates that share more of their shingles, of so many characters each.
SAME = 0.98
SHINGLE = 8
# Characters of passages that were joined.
LONGEST = 2400


@dataclass(frozen=True, slots=True)
class Retriever:
    embedder: Embedder
    store: Store
    _vectors: OrderedDict[str, asyncio.Task[Vectors]] = field(default_factory=OrderedDict, init=False, repr=False)

    async def search(self, query: str, k: int, where: Filter = EVERYWHERE) -> list[Passage]:
        """At most `k` passages, best first: of near-duplicates the best, and neighbours that meet as one.

        Each score says from 0 to 1 how much of the query the passage says (`rag.ranking`). Raises `RagError`
        SEARCH-001 or SEARCH-003.
        """
        vector = await self._vector(query)
        found = await self.store.search(query, vector, k + SPARE, where)
        return (await asyncio.to_thread(lambda: joined(distinct(found))))[:k]

    async def cosines(self, query: str, texts: Sequence[str]) -> list[float]:
        """Of each text with the query; none where the query's vector is not to be trusted."""
        vector = await self._vector(query)
        believed = float(np.linalg.norm(vector))
        if believed <= TRUSTED or not texts:
            return []
        vectors = await self.embedder.embed(texts)
        return [float(cosine) for cosine in vectors @ (vector / believed)]

    async def _vector(self, query: str) -> Vectors:
        """The query's vector, as long as it is to be trusted. Those who ask the same at once share one computation."""
        task = self._vectors.get(query)
        if task is None:
            task = self._vectors[query] = asyncio.create_task(self._compute(query))
            task.add_done_callback(lambda done: self._forget_failed(query, done))
            if len(self._vectors) > CACHED:
                self._vectors.popitem(last=False)
        self._vectors.move_to_end(query)
        # One who stops waiting does not stop it for the others.
        return await asyncio.shield(task)

    async def _compute(self, query: str) -> Vectors:
        short = len(query) <= SHORT
        tokens = self.embedder.count(query) if short else await asyncio.to_thread(self.embedder.count, query)
        believed = trust(query, tokens)
        if not believed:
            return np.zeros(self.embedder.dimension, dtype=np.float32)
        vectors = await self.embedder.embed([query])
        vector: Vectors = vectors[0] * np.float32(believed)
        return vector

    def _forget_failed(self, query: str, task: asyncio.Task[Vectors]) -> None:
        if (task.cancelled() or task.exception()) and self._vectors.get(query) is task:
            del self._vectors[query]


def trust(query: str, tokens: int) -> float:
    """How far the query's vector says what the query means, 0 to 1.

    A tokenizer that was not made for a script takes it to pieces smaller than characters (jamo, bytes): the model
    has not learned what they mean, and its cosines say nothing.
    """
    characters = sum(1 for character in query if not character.isspace())
    return min(1.0, max(0.0, (UNKNOWN - tokens / max(1, characters)) / (UNKNOWN - KNOWN)))


def distinct(passages: Sequence[Passage]) -> list[Passage]:
    """The passages, best first, without those that say nearly the same as a better one."""
    kept: list[Passage] = []
    texts: list[_Text] = []
    for passage in passages:
        text = _Text(" ".join(passage.text.casefold().split()))
        if not any(text.nearly_is(other) for other in texts):
            kept.append(passage)
            texts.append(text)
    return kept


class _Text:
    """A text to compare with others."""

    def __init__(self, plain: str) -> None:
        self.plain = plain

    @cached_property
    def pieces(self) -> list[str]:
        """Some of the shingles, each once: those that do not overlap."""
        starts = range(0, len(self.plain) - SHINGLE + 1, SHINGLE)
        return list(dict.fromkeys(self.plain[start : start + SHINGLE] for start in starts))

    @cached_property
    def shingles(self) -> set[str]:
        return {self.plain[start : start + SHINGLE] for start in range(max(1, len(self.plain) - SHINGLE + 1))}

    def nearly_is(self, other: _Text) -> bool:
        """Whether the Jaccard similarity of their shingles is high (Broder, 1997)."""
        lengths = sorted((len(self.plain), len(other.plain)))
        if self.plain == other.plain or lengths[0] < SAME * lengths[1] - SHINGLE:
            return self.plain == other.plain
        # More that the other text lacks than the share allows: most texts are told apart after a few.
        lacking = (piece for piece in self.pieces if piece not in other.plain)
        if next(islice(lacking, int((1 - SAME) * sum(lengths)), None), None):
            return False
        a, b = self.shingles, other.shingles
        common = len(a & b)
        return common > SAME * (len(a) + len(b) - common)


def joined(passages: Sequence[Passage]) -> list[Passage]:
    """The passages, best first, those that touch or overlap as one, in the place and with the score of the better.

    Only what stands on one page below the same headings is joined, up to `LONGEST` characters.
    """
    return neighbours.joined(passages, _join)


def _join(a: Passage, b: Passage) -> Passage | None:
    """Both as one, which is otherwise as the better; None if they do not meet."""
    first, second = (a, b) if a.start <= b.start else (b, a)
    end = max(first.end, second.end)
    common = first.end - second.start
    if (
        (a.document_id, a.page, a.headings) != (b.document_id, b.page, b.headings)
        or common < 0
        or end - first.start > LONGEST
        # Of two versions of the document, read while one took the other's place.
        or not second.text.startswith(first.text[second.start - first.start :][: len(second.text)])
    ):
        return None
    better = a if a.score >= b.score else b
    return replace(better, text=first.text + second.text[common:], start=first.start, end=end)
