"""A running server, asked over HTTP and the socket: what the command line does while a server holds the data."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

import aiohttp

from rag.errors import Lang, RagError
from rag.incoming import ENDED
from rag.terminal import Refused

from .tls import client_context

PAGE = 200
# Seconds between two looks at a server that is loading.
LOOK = 0.5


class Client:
    """A `rag.examiner.Door`, and more: a client of one server, with its errors in `lang`.

    It is asked for `answers` of that kind: quote, free, or anything else for what the server is set to.
    `certificate` (PEM) is that of a server with TLS, which is trusted without anybody's word for it.
    `key` is for a server that asks for one. Raises `Refused` for what the server refuses.
    """

    def __init__(self, url: str, lang: Lang, answers: str = "", certificate: str = "", key: str = "") -> None:
        self.url = url
        self._lang = lang
        self._answers = answers
        self._certificate = certificate
        self._headers = {"Accept-Language": lang} | ({"X-API-Key": key} if key else {})

    async def __aenter__(self) -> Client:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
        connector = aiohttp.TCPConnector(ssl=client_context(self._certificate) if self._certificate else True)
        self._http = aiohttp.ClientSession(self.url, connector=connector, timeout=timeout, headers=self._headers)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    async def ask(self, question: str, session_id: str) -> AsyncIterator[dict[str, Any]]:
        """The events of one answer. Raises `RagError` SETUP-007 if the server goes away."""
        message = {"type": "message", "message_id": "question", "content": question, "session_id": session_id}
        asked = {"session_id": session_id, "lang": self._lang, "answers": self._answers}
        with contextlib.suppress(aiohttp.ClientError):
            async with self._http.ws_connect("/chat-ws", params=asked) as socket:
                await socket.send_json(message)
                async for frame in socket:
                    event = json.loads(frame.data)
                    yield event
                    if event["type"] in ("stream_end", "stream_error"):
                        return
        raise RagError("SETUP-007", url=self.url, file=question)

    async def search(self, query: str, k: int) -> Sequence[dict[str, Any]]:
        body = await self._body(self._http.post("/search", json={"query": query, "k": k}))
        return list(body["sources"])

    async def part(self, document_id: str, start: int, end: int) -> str:
        path = f"/documents/{quote(document_id, safe='')}/text"
        body = await self._body(self._http.get(path, params={"start": str(start), "end": str(end)}))
        return str(body["text"])

    async def loaded(self) -> dict[str, Any]:
        """What the server tells of itself, once its models are loaded or have failed to.

        Raises `RagError` AUTH-001 or AUTH-002 if it asks for a key that this client does not have.
        """
        while True:
            async with self._http.get("/health") as response:
                health = dict(await response.json())
            if "model" not in health:
                raise RagError("AUTH-002" if "X-API-Key" in self._headers else "AUTH-001")
            if health["status"] != "loading":
                return health
            await asyncio.sleep(LOOK)

    async def documents(self, query: str) -> list[dict[str, Any]]:
        """The stored documents whose names hold the query."""
        rows: list[dict[str, Any]] = []
        for page in itertools.count(1):
            asked = {"q": query, "page": str(page), "page_size": str(PAGE)}
            body = await self._body(self._http.get("/documents", params=asked))
            rows += body["documents"]
            if not body["documents"]:
                break
        return [row for row in rows if row["status"] == "stored"]

    async def delete(self, document_id: str) -> None:
        await self._body(self._http.delete(f"/documents/{quote(document_id, safe='')}"))

    async def upload(self, source: str, path: Path) -> AsyncIterator[dict[str, Any]]:
        """The states of a file on its way in. Raises `RagError` DOC-008, or SETUP-007 if the server goes away."""
        try:
            with await asyncio.to_thread(path.open, "rb") as content:
                form = aiohttp.FormData(quote_fields=False)
                form.add_field("origin", str(path))
                form.add_field("files", content, filename=source)
                body = await self._body(self._http.post("/documents", data=form))
            async for state in self._states(body["jobs"][0]["id"]):
                yield state
        except aiohttp.ClientError:
            raise RagError("SETUP-007", url=self.url, file=source) from None
        except OSError:
            raise RagError("DOC-008", file=str(path)) from None

    async def _states(self, job_id: str) -> AsyncIterator[dict[str, Any]]:
        state: dict[str, Any] = {}
        async with self._http.get(f"/documents/jobs/{job_id}/events") as events:
            async for line in events.content:
                if line.startswith(b"data: "):
                    state = json.loads(line[6:])
                    yield state
        if state.get("state") not in ENDED:
            raise aiohttp.ServerDisconnectedError

    async def _body(self, request: Any) -> Any:
        """The JSON that the server answers."""
        async with request as response:
            body = await response.json() if response.status != 204 else None
        if response.status >= 400:
            raise Refused(body)
        return body
