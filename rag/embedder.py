"""Texts to vectors with a GGUF, on a thread of its own.

Texts are computed one by one: several sequences in one ubatch would pay attention over all of them together,
which is slower (measured: 32 at once took nine times as long).
"""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from .llama import Context, Model
from .types import Vectors

# Passages are made to fit (rag.chunking); a longer text is cut. Embedders of this size are trained on no more.
MAX_TOKENS = 256


class GgufEmbedder:
    """An `Embedder` on one context. Raises `RagError` GEN-002 if the context cannot be made."""

    def __init__(self, model: Model, *, threads: int) -> None:
        self._model = model
        tokens = min(model.train_context, MAX_TOKENS)
        self._context = Context(model, tokens=tokens, batch=tokens, threads=threads, embeddings=True)
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="embed")

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def dimension(self) -> int:
        return self._model.dimension

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, float32 of shape `(len(texts), dimension)`. Calls are served in order, whole.

        Give few texts at a time where others wait, such as questions behind an ingestion.
        """
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._embed, list(texts))

    async def close(self) -> None:
        """Finish the running call, then free the context and the model."""
        await asyncio.to_thread(self._executor.shutdown, cancel_futures=True)
        self._context.close()
        self._model.close()

    def _embed(self, texts: Sequence[str]) -> Vectors:
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            vectors[row] = self._embed_one(text)
        return vectors

    def _embed_one(self, text: str) -> Vectors:
        tokens = self.tokens(text)
        if not tokens:
            return np.zeros(self.dimension, dtype=np.float32)
        self._context.cut(0)
        code = self._context.decode(tokens, 0, output="all")
        if code != 0:
            raise RuntimeError(f"llama_decode returned {code} for {len(tokens)} tokens")
        vector = self._context.embedding()
        length = float(np.linalg.norm(vector))
        return vector / length if length > 0 else vector

    def tokens(self, text: str) -> list[int]:
        """The tokens that are computed for `text`, special ones included, cut to the context."""
        if self._model.is_wordpiece:
            text = unicodedata.normalize("NFD", text)
        tokens = self._model.tokenize(text, add_special=True, parse_special=False)
        room = self._context.batch_size
        return tokens if len(tokens) <= room else [*tokens[: room - 1], tokens[-1]]
