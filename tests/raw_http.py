"""One request written by hand, for what no client library would send."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from .app_client import Client


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: str


async def send(client: Client, *lines: str, body: str = "") -> Reply:
    """Send the lines of a head, and a body, and read the reply to its end. Names of headers come in small letters."""
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write("\r\n".join((*lines, "Connection: close", "", body)).encode())
    async with asyncio.timeout(10):
        head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    writer.close()
    first, *rest = head.split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in rest)}
    return Reply(int(first.split()[1]), headers, body)
