"""The socket that is served on, and how many the process may have."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket

from rag.errors import RagError


def url_of(scheme: str, host: str, port: int) -> str:
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def allow_files(wanted: int) -> None:
    """Let the process open so many files and sockets, or as many as the system lets it."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        if soft != resource.RLIM_INFINITY and most > soft:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def bind(host: str, port: int, to_all: bool) -> socket.socket:
    """A bound socket, so that a port in use is told before anything else. Raises `RagError` SETUP-002.

    Not `to_all`: for this machine alone. Raises SETUP-008 for an address that others can reach.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        if not to_all and not ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback:
            raise RagError("SETUP-008", host=host)
        listening = socket.socket(family, socket.SOCK_STREAM)
        if os.name == "posix":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        # Listening at once makes a second server fail here; early visitors wait instead of being refused.
        listening.listen(128)
    except OSError as error:
        raise RagError("SETUP-002", host=host, port=port, reason=error.strerror or str(error)) from error
    return listening
