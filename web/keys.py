"""Typed keys of what the application holds."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from rag.answers import Answers
from rag.rate import Limit
from rag.settings import Settings

from .guard import Guard
from .state import State

SETTINGS = web.AppKey("settings", Settings)
STATE = web.AppKey("state", State)
GUARD = web.AppKey("guard", Guard)
VERSION = web.AppKey("version", str)
CLOSING = web.AppKey("closing", asyncio.Event)
ANSWERS = web.AppKey("answers", Answers)
LIMIT = web.AppKey("limit", Limit)
WORK: web.AppKey[set[asyncio.Task[Any]]] = web.AppKey("work", set)
SOCKETS: web.AppKey[set[web.WebSocketResponse]] = web.AppKey("sockets", set)
