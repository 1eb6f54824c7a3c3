"""Conversations over HTTP: what the server still knows of one, and forgetting it."""

from __future__ import annotations

from aiohttp import hdrs, web

from rag.errors import RagError
from rag.protocol import check_session_id

from .keys import ANSWERS, SETTINGS, STATE
from .replies import reply


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
