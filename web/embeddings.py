"""`POST /v1/embeddings`: texts to vectors with the embedding model of the index, in OpenAI's shape."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from aiohttp import web

from rag.errors import RagError
from rag.types import Embedder, Vectors

from .chat_http import CLIENT_GONE
from .keys import STATE
from .openai_types import EmbeddingRequest, parsed, refused
from .replies import dumps, json_body, json_text

# As many texts as are taken, each as long as an embedder reads.
MAX_BODY = 4 << 20
# Texts that are embedded before others have their turn.
BATCH = 8


async def embeddings(request: web.Request) -> web.Response:
    """`POST /v1/embeddings` {"input", "encoding_format"?, "dimensions"?} → unit vectors in the order of the texts.

    Any name of a model is taken; the answer has the true one. A text that is longer than the model reads is refused.
    """
    asked = parsed(EmbeddingRequest, await json_body(request.clone(client_max_size=MAX_BODY)))
    embedder = request.app[STATE].ready_index().retriever.embedder
    if asked.dimensions not in (None, embedder.dimension):
        raise refused("dimensions", "rule:dimensions")
    tokens = await asyncio.to_thread(_count, embedder, asked.texts)
    vectors: list[Vectors] = []
    for begin in range(0, len(asked.texts), BATCH):
        if request.transport is None or request.transport.is_closing():
            return web.Response(status=CLIENT_GONE)
        # One text is a question that somebody waits for; many are documents.
        batch = asked.texts[begin : begin + BATCH]
        vectors += list(await embedder.embed(batch, background=len(asked.texts) > 1))
    compact = asked.encoding_format == "base64"
    body = await asyncio.to_thread(_body, vectors, compact, embedder.name, tokens)
    return json_text(body)


def _count(embedder: Embedder, texts: Sequence[str]) -> int:
    """Tokens of all texts together. Raises `RagError` EMBED-001."""
    total = 0
    for number, text in enumerate(texts, 1):
        tokens = embedder.count(text)
        if tokens > embedder.window:
            raise RagError("EMBED-001", number=number, tokens=tokens, limit=embedder.window)
        total += tokens
    return total


def _body(vectors: Iterable[Vectors], compact: bool, model: str, tokens: int) -> str:
    """The JSON, made vector by vector: as one piece, many would hold up the event loop even from a thread."""
    rows = (
        dumps({"object": "embedding", "index": index, "embedding": _base64(vector) if compact else vector.tolist()})
        for index, vector in enumerate(vectors)
    )
    usage: dict[str, Any] = {"prompt_tokens": tokens, "total_tokens": tokens}
    return f'{{"object":"list","data":[{",".join(rows)}],"model":{dumps(model)},"usage":{dumps(usage)}}}'


def _base64(vector: Vectors) -> str:
    """Its float32 numbers, little-endian."""
    return base64.b64encode(np.ascontiguousarray(vector, dtype="<f4").tobytes()).decode()
