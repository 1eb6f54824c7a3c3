"""Texts to vectors with a GGUF, on threads of their own: one for questions, one for documents in the background.

Texts are computed one by one: several sequences in one ubatch would pay attention over all of them together,
which is slower (measured: 32 at once took nine times as long).
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import unicodedata
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from .llama import Context, Model
from .types import Rows, Vectors

# Passages are made to fit (rag.chunking); a longer text is cut. Embedders of this size are trained on no more.
MAX_TOKENS = 256
# Of 19. The chat model beside an ingestion keeps nearly all of its speed; alone, the ingestion has all cores.
BACKGROUND = 15


class GgufEmbedder:
    """An `Embedder` on two contexts. Raises `RagError` GEN-002 if a context cannot be made."""

    def __init__(self, model: Model, *, threads: int) -> None:
        self._model = model
        self._questions = _Lane(model, threads, nice=0)
        self._documents = _Lane(model, threads, nice=BACKGROUND)

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def dimension(self) -> int:
        return self._model.dimension

    @property
    def window(self) -> int:
        return self._questions.window

    def count(self, text: str) -> int:
        """Tokens of a text, special ones left out."""
        return self._questions.count(text)

    async def embed(self, texts: Sequence[str], *, background: bool = False) -> Vectors:
        """Unit vectors, float32 of shape `(len(texts), dimension)`. Calls of one kind are served in order, whole.

        Give few texts at a time where others wait.
        """
        lane = self._documents if background else self._questions
        return await asyncio.get_running_loop().run_in_executor(lane.executor, lane.embed, list(texts))

    async def close(self) -> None:
        """Break off the running calls, which then raise, and free the contexts and the model."""
        for lane in (self._questions, self._documents):
            await asyncio.to_thread(lane.close)
        self._model.close()

    def tokens(self, text: str) -> list[int]:
        """The tokens that are computed for `text`, special ones included, cut to the context."""
        return self._questions.tokens(text)


class _Lane:
    """A thread with a context of its own. `nice`: how readily its threads let others go first, 0 to 19."""

    def __init__(self, model: Model, threads: int, *, nice: int) -> None:
        self._model = model
        tokens = min(model.train_context, MAX_TOKENS)
        self._context = Context(model, tokens=tokens, batch=tokens, threads=threads, embeddings=True)
        self._closing = False
        self._context.abort = lambda: self._closing
        self.executor = ThreadPoolExecutor(1, thread_name_prefix="embed", initializer=_be_nice, initargs=(nice,))

    def close(self) -> None:
        self._closing = True
        self.executor.shutdown(cancel_futures=True)
        self._context.close()

    def embed(self, texts: Sequence[str]) -> Vectors:
        vectors = np.zeros((len(texts), self._model.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            vectors[row] = self._embed_one(text)
        return vectors

    def _embed_one(self, text: str) -> Vectors:
        tokens = self.tokens(text)
        if self._closing:
            raise RuntimeError("the embedder is closed")
        if not tokens:
            return np.zeros(self._model.dimension, dtype=np.float32)
        self._context.cut(0, 0)
        code = self._context.decode([Rows(0, 0, tokens, len(tokens))])
        if code != 0:
            raise RuntimeError(f"llama_decode returned {code} for {len(tokens)} tokens")
        vector = self._context.embedding()
        length = float(np.linalg.norm(vector))
        return vector / length if length > 0 else vector

    @property
    def window(self) -> int:
        return self._context.batch_size - 2

    def count(self, text: str) -> int:
        return len(self._tokenize(text, add_special=False))

    def _tokenize(self, text: str, *, add_special: bool) -> list[int]:
        if self._model.is_wordpiece:
            text = unicodedata.normalize("NFD", text)
        return self._model.tokenize(text, add_special=add_special, parse_special=False)

    def tokens(self, text: str) -> list[int]:
        tokens = self._tokenize(text, add_special=True)
        room = self._context.batch_size
        return tokens if len(tokens) <= room else [*tokens[: room - 1], tokens[-1]]


def _be_nice(nice: int) -> None:
    # On Linux each thread has its own; the compute threads that this one starts inherit it.
    if nice and sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nice)
