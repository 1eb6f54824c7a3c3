"""Runs the application as the library does, with one difference: what is no HTTP gets the catalogue's body, too."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable
from typing import Any

from aiohttp import web

from rag.errors import RagError

from .connections import Connection, Refusal, Watch, most_connections
from .keys import SETTINGS
from .middleware import SECURITY_HEADERS
from .replies import reply

# Seconds that an idle connection is kept, and that requests have to end in when the server stops.
KEEP_ALIVE = 75.0
SHUTDOWN = 5.0


def run(app: web.Application, sock: socket.socket, ready: Callable[[], None], **site: Any) -> None:
    """Serve on the socket until the process is told to stop. `ready` is called at once; `site` as of `SockSite`."""
    # Where the system knows no signal handlers, Ctrl+C comes as this.
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(app, sock, ready, site))


async def _serve(app: web.Application, sock: socket.socket, ready: Callable[[], None], site: dict[str, Any]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    with contextlib.suppress(NotImplementedError):
        for number in numbers:
            loop.add_signal_handler(number, stop.set)
    runner = Runner(app, shutdown_timeout=SHUTDOWN, keepalive_timeout=KEEP_ALIVE)
    await runner.setup()
    try:
        await web.SockSite(runner, sock, **site).start()
        ready()
        await stop.wait()
        # Who says so twice does not want to wait.
        for number in numbers:
            loop.remove_signal_handler(number)
    finally:
        await runner.cleanup()


class Runner(web.AppRunner):
    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        settings = self.app[SETTINGS]
        watch = Watch(most_connections(settings.max_connections), settings.lang)
        return _Server(server, watch)


class _Server(web.Server):
    """The library's server, whose connections are watched, and say in the catalogue's words what they cannot read."""

    def __init__(self, made: web.Server, watch: Watch) -> None:
        # All that the library has set up, whatever that is.
        vars(self).update(vars(made))
        self.watch = watch

    def __call__(self) -> Connection | Refusal:  # type: ignore[override]
        if self.watch.is_full:
            return Refusal(self.watch)
        connection = _Connection(self, loop=self._loop, **self._kwargs)
        connection.watch = self.watch
        return connection


class _Connection(Connection):
    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what never became a request of the application, or went wrong around it.

        Raises `ConnectionError` where an answer has begun.
        """
        super().handle_error(request, status, exc, message)
        error = RagError("HTTP-400" if status < 500 else "WS-999-INTERNAL_ERROR")
        response = reply(error.body(self.watch.lang), status=error.status)
        response.headers.update(SECURITY_HEADERS)
        response.force_close()
        return response
