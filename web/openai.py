"""The door for clients of OpenAI's API: models and chat completions, over the same pipeline as every other door.

It keeps nothing: the messages of a request are the conversation.
"""

from __future__ import annotations

import threading
import time
import uuid
from typing import Any

from aiohttp import web

from rag.chat import Chat, Question
from rag.errors import RagError
from rag.protocol import End, Stream, TokenEvent

from .chat_http import CLIENT_GONE, listen, send
from .keys import STATE
from .middleware import lang_of
from .openai_types import ChatRequest, Completion, parsed
from .rate import asker_of
from .replies import json_body, reply
from .state import State

OWNER = "rag-standard"


async def models(request: web.Request) -> web.Response:
    """`GET /v1/models` → {"object": "list", "data": […]}: the chat model and the embedding model."""
    return reply({"object": "list", "data": _models(request.app[STATE])})


async def model(request: web.Request) -> web.Response:
    """`GET /v1/models/{id}` → one of them."""
    wanted = request.match_info["id"]
    found = next((one for one in _models(request.app[STATE]) if one["id"] == wanted), None)
    if found is None:
        raise RagError("HTTP-404", path=request.path)
    return reply(found)


def _models(state: State) -> list[dict[str, Any]]:
    created = int(state.figures.started)
    names = filter(None, dict.fromkeys((state.model, state.embed_model)))
    return [{"id": name, "object": "model", "created": created, "owned_by": OWNER} for name in names]


async def completions(request: web.Request) -> web.StreamResponse:
    """`POST /v1/chat/completions` → one `chat.completion`, or with `stream` server-sent `chat.completion.chunk`s.

    Any name of a model is taken; the answer has the true one. `sources` is an extension: on the completion, or on the
    chunk that has the `finish_reason`.
    """
    asked = parsed(ChatRequest, await json_body(request))
    asked.check()
    chat = request.app[STATE].ready_chat()
    question = _question(request, asked, chat)
    completion = Completion(
        question.stream.message_id,
        int(time.time()),
        chat.generator.name,
        lang_of(request),
        bool(asked.stream_options and asked.stream_options.include_usage),
    )
    if asked.stream:
        return await send(request, question, completion.encode)
    try:
        events = await listen(request, question)
    except ConnectionError:
        return web.Response(status=CLIENT_GONE)
    end = events[-1]
    assert isinstance(end, End)
    text = "".join(event.token for event in events if isinstance(event, TokenEvent))
    return reply(completion.whole(text, end))


def _question(request: web.Request, asked: ChatRequest, chat: Chat) -> Question:
    id = uuid.uuid4().hex
    session_id = f"v1-{id}"
    return Question(
        asked.question,
        Stream(f"chatcmpl-{id}", session_id, time.monotonic),
        threading.Event(),
        history=asked.history(),
        messages=[message.told() for message in asked.messages] if asked.bare else (),
        system=asked.system,
        sampling=asked.sampling(chat.sampling),
        asker=asker_of(request, session_id),
    )
