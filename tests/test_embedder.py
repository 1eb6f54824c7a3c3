"""Texts to vectors with the real starter embedder. That the vectors are right: test_starter.py."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from rag.embedder import MAX_TOKENS, GgufEmbedder
from rag.llama import Model

pytestmark = pytest.mark.model


@pytest.fixture
async def embedder(starter_models: Path) -> AsyncIterator[GgufEmbedder]:
    model = await asyncio.to_thread(Model, starter_models / "all-MiniLM-L6-v2.Q8_0.gguf")
    made = GgufEmbedder(model, threads=2)
    yield made
    await made.close()


async def test_vectors_are_of_length_one_in_the_order_of_the_texts(embedder: GgufEmbedder) -> None:
    texts = ["a pump", "보증 기간", "", "🙂", "a pump"]
    vectors = await embedder.embed(texts)
    assert vectors.shape == (5, embedder.dimension) == (5, 384)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-4)
    assert vectors[0] == pytest.approx(vectors[4], abs=1e-6)
    assert (await embedder.embed([])).shape == (0, 384)


async def test_what_is_alike_in_meaning_is_near(embedder: GgufEmbedder) -> None:
    question, near, far = await embedder.embed(
        ["How long is the warranty?", "The guarantee lasts two years.", "Penguins live in the cold."]
    )
    assert question @ near > question @ far + 0.2


async def test_a_text_beyond_the_limit_is_cut_and_not_refused(embedder: GgufEmbedder) -> None:
    long = "word " * 5_000
    assert len(embedder.tokens(long)) == MAX_TOKENS
    (vector,) = await embedder.embed([long])
    assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-4)


async def test_texts_of_other_calls_change_nothing(embedder: GgufEmbedder) -> None:
    alone = await embedder.embed(["a pump", "보증"])
    together = await asyncio.gather(*(embedder.embed([text]) for text in ("보증", "a pump", "x" * 400, "보증")))
    assert together[1][0] == pytest.approx(alone[0], abs=1e-6)
    assert together[3][0] == pytest.approx(alone[1], abs=1e-6)


async def test_the_loop_goes_on_while_texts_are_embedded(embedder: GgufEmbedder) -> None:
    work = asyncio.create_task(embedder.embed(["word " * 500] * 8))
    turns = 0
    while not work.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 100
