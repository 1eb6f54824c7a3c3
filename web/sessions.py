"""Conversations over HTTP: beginning one, what the server still knows of them, and forgetting one."""

from __future__ import annotations

import uuid
from typing import Annotated

from aiohttp import hdrs, web
from pydantic import BaseModel, Field, TypeAdapter

from rag.errors import RagError
from rag.protocol import SessionId, check_session_id, timestamp, validate
from rag.sessions import Summary

from .keys import ANSWERS, SETTINGS, STATE
from .replies import json_body, reply


class New(BaseModel):
    session_id: SessionId | None = None


class Listing(BaseModel):
    page: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    page_size: Annotated[int, Field(ge=1, le=200)] = 50


_NEW = TypeAdapter(New)
_LISTING = TypeAdapter(Listing)


async def create(request: web.Request) -> web.Response:
    """`POST /sessions` {"session_id"?} → 201 {"session_id", "expires_in"}, or 200 where it is known already.

    Without an id, or without a body, the id is a new UUID v4. `expires_in` are seconds.
    """
    asked = validate(_NEW, await json_body(request)) if request.body_exists else New()
    session_id = str(uuid.uuid4()) if asked.session_id is None else check_session_id(asked.session_id)
    kept = request.app[STATE].ready_chat().sessions
    new = await kept.create(session_id)
    return reply({"session_id": session_id, "expires_in": int(kept.life)}, status=201 if new else 200)


async def list_sessions(request: web.Request) -> web.Response:
    """`GET /sessions?page&page_size` → {"sessions": [{"session_id", "turns", "used", "title"}], "total"}.

    The latest used comes first. `used` is a time of ISO 8601, `title` the first question, shortened.
    """
    asked = validate(_LISTING, request.query)
    first = (asked.page - 1) * asked.page_size
    found, total = await request.app[STATE].ready_chat().sessions.summaries(first, asked.page_size)
    response = reply({"sessions": [_told(summary) for summary in found], "total": total})
    response.headers[hdrs.CACHE_CONTROL] = "no-store"
    return response


def _told(summary: Summary) -> dict[str, str | int]:
    return {
        "session_id": summary.session_id,
        "turns": summary.turns,
        "used": timestamp(summary.used),
        "title": summary.title,
    }


async def session(request: web.Request) -> web.Response:
    """`GET /sessions/{id}` → {"session_id", "turns": [{"message_id", "question", "answer", "sources"}], "expires_in"}.

    `expires_in` are seconds. Looking does not count as use.
    """
    session_id = check_session_id(request.match_info["id"])
    found = await request.app[STATE].ready_chat().sessions.look(session_id)
    if found is None:
        raise _missing(request)
    turns, left = found
    told = [
        {"message_id": turn.message_id, "question": turn.question, "answer": turn.answer, "sources": turn.sources}
        for turn in turns
    ]
    response = reply({"session_id": session_id, "turns": told, "expires_in": int(left)})
    response.headers[hdrs.CACHE_CONTROL] = "no-store"
    return response


async def delete(request: web.Request) -> web.Response:
    """`DELETE /sessions/{id}` → 204: nothing of the conversation is left.

    An answer that runs and that nobody reads is cancelled; the end of one that is read is waited for.
    """
    session_id = check_session_id(request.match_info["id"])
    answers = request.app[ANSWERS]
    for answer in answers.abandoned(session_id):
        answer.cancel()
    deleted = await request.app[STATE].ready_chat().sessions.delete(session_id)
    answers.forget(session_id)
    if not deleted:
        raise _missing(request)
    return web.Response(status=204)


def _missing(request: web.Request) -> RagError:
    return RagError("SESSION-002", minutes=f"{request.app[SETTINGS].session_minutes:g}")
