"""Connections that tell at once when their client has gone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aiohttp import web
from aiohttp.web_protocol import RequestHandler


class Telling(RequestHandler):
    """A connection that calls `when_gone` at its end."""

    when_gone: Callable[[], None] | None = None

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        if self.when_gone is not None:
            self.when_gone()


@contextmanager
def when_gone(request: web.Request, call: Callable[[], None]) -> Iterator[None]:
    """Call it if the client goes meanwhile; not where the server's connections do not tell."""
    connection = request.protocol
    if not isinstance(connection, Telling):
        yield
        return
    connection.when_gone = call
    try:
        yield
    finally:
        connection.when_gone = None
