"""Runs the application as the library does, with one difference: what is no HTTP gets the catalogue's body, too."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Any

from aiohttp import web

from rag.ending import Ending
from rag.errors import RagError

from . import stopping
from .connections import Connection, Refusal, Watch, most_connections
from .keys import SETTINGS
from .middleware import SECURITY_HEADERS
from .replies import reply

# Seconds that an idle connection is kept, and that requests have after the drain, once to end and once to be cancelled.
KEEP_ALIVE = 75.0
SHUTDOWN = 0.25

log = logging.getLogger(__name__)


def run(app: web.Application, sock: socket.socket, ready: Callable[[], None], ending: Ending, **site: Any) -> None:
    """Serve on the socket until the process is told to end. `ready` is called at once; `site` as of `SockSite`."""
    # It is not closed: that would wait for threads whose work nobody waits for.
    asyncio.Runner().run(_serve(app, sock, ready, ending, site))


async def _serve(
    app: web.Application, sock: socket.socket, ready: Callable[[], None], ending: Ending, site: dict[str, Any]
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop_soon() -> None:
        loop.call_soon_threadsafe(stop.set)

    ending.on_signal(stop_soon)
    runner = Runner(app, shutdown_timeout=SHUTDOWN, keepalive_timeout=KEEP_ALIVE)
    await runner.setup()
    try:
        await web.SockSite(runner, sock, **site).start()
        ready()
        await stop.wait()
        await stopping.drain(app)
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
        # A body of some kilobytes would unpack to gigabytes, and the library does so even to throw it away.
        connection = _Connection(self, loop=self._loop, auto_decompress=False, **self._kwargs)
        connection.watch = self.watch
        return connection


class _Connection(Connection):
    def log_exception(self, *args: Any, **more: Any) -> None:
        """A body that is broken is no fault of the server, also where nobody waits for it any more."""
        if isinstance(more.get("exc_info"), web.RequestPayloadError):
            log.debug(*args)
        else:
            super().log_exception(*args, **more)

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
        if status < 500:
            # Whoever sends nonsense fills no log with it, and the library's own word on it quotes the request.
            log.debug("not HTTP")
            if request.writer.output_size > 0:
                raise ConnectionError("an answer has begun")
        else:
            super().handle_error(request, status, exc, message)
        error = RagError("HTTP-400" if status < 500 else "WS-999-INTERNAL_ERROR")
        response = reply(error.body(self.watch.lang), status=error.status)
        response.headers.update(SECURITY_HEADERS)
        response.force_close()
        return response
