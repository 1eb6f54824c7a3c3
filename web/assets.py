"""The files of the page, compressed and remembered: few bytes over the wire, and none of them twice."""

from __future__ import annotations

import asyncio
import functools
import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path

from aiohttp import hdrs, web

STATIC = Path(__file__).resolve().parent / "static"
# Not what the machine thinks of them: some have no or a wrong type for scripts.
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".json": "application/json"}


@dataclass(frozen=True, slots=True)
class Asset:
    content_type: str
    plain: bytes
    compressed: bytes
    etag: str


async def asset(request: web.Request) -> web.Response:
    """`GET /static/{path}`: the file, or 304 where the browser has it already."""
    path = STATIC / request.match_info["path"]
    # Names are compared, never joined and opened: there is no way out of the folder.
    if path not in await asyncio.to_thread(_files):
        raise web.HTTPNotFound
    changed = (await asyncio.to_thread(path.stat)).st_mtime_ns
    found = await asyncio.to_thread(_read, path, changed)
    headers = {hdrs.ETAG: found.etag, hdrs.CACHE_CONTROL: "no-cache", hdrs.VARY: hdrs.ACCEPT_ENCODING}
    if request.headers.get(hdrs.IF_NONE_MATCH) == found.etag:
        return web.Response(status=304, headers=headers)
    headers[hdrs.CONTENT_TYPE] = found.content_type
    if "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, ""):
        return web.Response(body=found.compressed, headers=headers | {hdrs.CONTENT_ENCODING: "gzip"})
    return web.Response(body=found.plain, headers=headers)


@functools.cache
def _files() -> frozenset[Path]:
    return frozenset(path for path in STATIC.rglob("*") if path.is_file())


@functools.lru_cache(maxsize=256)
def _read(path: Path, changed: int) -> Asset:
    """The file as it is since `changed`."""
    plain = path.read_bytes()
    etag = f'"{hashlib.sha256(plain).hexdigest()[:32]}"'
    return Asset(f"{TYPES[path.suffix]}; charset=utf-8", plain, gzip.compress(plain, mtime=0), etag)
