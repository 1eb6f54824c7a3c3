"""`server.py` with the arguments given, but over scripted parts: everything around the models is the real thing.

The environment variable SCRIPTED_WORDS makes each answer that long.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from typing import Any

import server
import web.app
from rag import memory
from rag.service import Models
from rag.settings import Settings
from tests.app_client import Parts
from web.state import State

create_app = web.app.create_app


def _app(settings: Settings, version: str, **_: Any) -> Any:
    parts = Parts(settings.data_dir)
    if words := int(os.environ.get("SCRIPTED_WORDS", "0")):
        parts.generator.reply = " ".join(f"word{number}" for number in range(words))
    chat = parts.chat()
    state = State("ok", "scripted", "hashed words", chat, parts.index(), figures=chat.figures)
    app = create_app(settings, version, models=Models(None, None), state=state)
    app.on_startup.extend((_tell_tasks, _settle))

    async def ingesting(_: Any) -> AsyncIterator[None]:
        await parts.ingester.start()
        yield
        await parts.ingester.close()

    app.cleanup_ctx.append(ingesting)
    return app


async def _settle(_: Any) -> None:
    """As the real one does when it is ready."""
    memory.settle()


async def _tell_tasks(_: Any) -> None:
    """A signal has the number of tasks written out, for those who look for what stays."""
    with contextlib.suppress(AttributeError, NotImplementedError):
        asyncio.get_running_loop().add_signal_handler(
            signal.SIGUSR1, lambda: print("tasks", len(asyncio.all_tasks()), flush=True)
        )


if __name__ == "__main__":
    server._models = lambda settings, lang: Models(None, None)  # type: ignore[assignment]
    web.app.create_app = _app  # type: ignore[assignment]
    sys.exit(server.main())
