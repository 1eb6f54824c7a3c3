"""A client of a running server: for the command line, and for other programs. The guide to clients shows its use."""

from __future__ import annotations

import asyncio
import contextlib
import io
import itertools
import json
import ssl
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal, cast
from urllib.parse import quote

import aiohttp

from rag.errors import Lang, RagError, Refused

from .events import Answer, DocumentRow, JobState, Options, Source, Turn
from .reply import Reply
from .tls import client_context

__all__ = ["Client", "Refused", "Reply", "ask"]

PAGE = 200
# Seconds between two looks at a server that is loading.
LOOK = 0.5
ENDED = ("stored", "failed", "cancelled")


class Client:
    """A client of one server. Use it with `async with`; it may ask many questions at a time.

    Questions without a `session_id` of their own follow one another in `session_id`, which is new by default. Errors
    are in `lang`. `answers` is quote, free, or anything else for what the server is set to. `cafile` holds the
    authorities to trust and `certificate` the server's very own, both PEM. After `timeout` seconds without any sign a
    connection counts as lost. All methods raise `Refused` for what the server refuses, and with SETUP-007 if it cannot
    be reached. It is a `rag.examiner.Door`, too.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        lang: Lang = "en",
        session_id: str = "",
        answers: str = "",
        api_key: str = "",
        cafile: Path | None = None,
        certificate: str = "",
        timeout: float = 60.0,
    ) -> None:
        self.session_id = session_id or str(uuid.uuid4())
        self.url = url.rstrip("/")
        self._lang: Lang = lang
        self._answers = answers
        self._headers = {"Accept-Language": lang, **({"X-API-Key": api_key} if api_key else {})}
        self._cafile = cafile
        self._certificate = certificate
        self._timeout = timeout

    async def __aenter__(self) -> Client:
        trusted = await asyncio.to_thread(self._trusted)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=self._timeout)
        connector = aiohttp.TCPConnector(ssl=trusted)
        self._http = aiohttp.ClientSession(self.url + "/", connector=connector, timeout=timeout, headers=self._headers)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    def _trusted(self) -> ssl.SSLContext | bool:
        if self._certificate:
            return client_context(self._certificate)
        return ssl.create_default_context(cafile=self._cafile) if self._cafile else True

    # Questions.

    def ask(
        self,
        question: str,
        session_id: str = "",
        *,
        options: Options | None = None,
        replaces: str = "",
        early_sources: bool = False,
        thinking: bool = False,
    ) -> Reply:
        """The reply to a question, which goes out when the reply is read.

        `replaces`: the `message_id` of the question in whose place it is asked.
        """
        session_id = session_id or self.session_id
        message = {"type": "message", "message_id": str(uuid.uuid4()), "content": question, "session_id": session_id}
        if options:
            message["options"] = options  # type: ignore[assignment]
        if replaces:
            message["replaces"] = replaces
        query = {"session_id": session_id, "lang": self._lang, "answers": self._answers}
        query |= {"sources": "early"} if early_sources else {}
        query |= {"thinking": "show"} if thinking else {}
        return Reply(message, lambda: self._connect(query), self._gone(question))

    @contextlib.asynccontextmanager
    async def _connect(self, query: dict[str, str]) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """A socket whose peer is pinged: one that does not answer in time counts as lost."""
        heartbeat = self._timeout / 1.5
        try:
            opening = self._http.ws_connect("chat-ws", params=query, heartbeat=heartbeat, max_msg_size=0)
            socket = await opening
        except aiohttp.WSServerHandshakeError:
            # The library keeps the body of a refusal to itself.
            await self._body("GET", "chat-ws", params=query)
            raise
        async with socket:
            yield socket

    async def turns(self, session_id: str = "") -> list[Turn]:
        """What the server remembers of a conversation. Raises `Refused` SESSION-002 if that is nothing."""
        body = await self._body("GET", f"sessions/{session_id or self.session_id}")
        return list(body["turns"])

    async def forget(self, session_id: str = "") -> None:
        """Make the server forget a conversation. Raises `Refused` SESSION-002 if it has none."""
        await self._body("DELETE", f"sessions/{session_id or self.session_id}")

    # Documents.

    async def search(
        self,
        query: str,
        k: int = 5,
        *,
        documents: Sequence[str] = (),
        folders: Sequence[str] = (),
        types: Sequence[str] = (),
    ) -> list[Source]:
        """The best passages, without an answer. `documents` are ids, `types` are such as `pdf`."""
        where = {"documents": list(documents), "folders": list(folders), "types": list(types)}
        body = await self._body("POST", "search", json={"query": query, "k": k, **where})
        return list(body["sources"])

    async def part(self, document_id: str, start: int, end: int) -> str:
        """A part of a document's text, by its characters."""
        path = f"documents/{quote(document_id, safe='')}/text"
        body = await self._body("GET", path, params={"start": str(start), "end": str(end)})
        return str(body["text"])

    async def documents(self, query: str = "") -> list[DocumentRow]:
        """The stored documents whose names hold the query."""
        rows: list[DocumentRow] = []
        for page in itertools.count(1):
            asked = {"q": query, "page": str(page), "page_size": str(PAGE)}
            body = await self._body("GET", "documents", params=asked)
            rows += body["documents"]
            if not body["documents"]:
                break
        return [row for row in rows if row["status"] == "stored"]

    async def delete(self, document_id: str) -> None:
        """Raises `Refused` DOC-007 if there is no such document."""
        await self._body("DELETE", f"documents/{quote(document_id, safe='')}")

    async def upload(
        self, path: Path, *, name: str = "", on_sent: Callable[[int, int], None] | None = None
    ) -> AsyncIterator[JobState]:
        """The states of a file on its way in, to its last. The same path replaces its document.

        `on_sent` is called with the bytes that were sent and their number, on a thread of its own. Raises `Refused`
        DOC-008 if the file cannot be read.
        """
        name, path = name or path.name, await asyncio.to_thread(path.absolute)
        try:
            with await asyncio.to_thread(_open, path, on_sent) as content:
                form = aiohttp.FormData(quote_fields=False)
                form.add_field("origin", str(path))
                form.add_field("files", content, filename=name)
                body = await self._body("POST", "documents", name, data=form)
        except OSError:
            raise Refused(RagError("DOC-008", file=str(path)).body(self._lang)) from None
        with self._reached(name):
            async for state in self._states(body["jobs"][0]["id"]):
                yield state

    async def _states(self, job_id: str) -> AsyncIterator[JobState]:
        state: JobState | None = None
        async with self._http.get(f"documents/jobs/{job_id}/events") as events:
            async for line in events.content:
                if line.startswith(b"data: "):
                    state = cast("JobState", json.loads(line[6:]))
                    yield state
        if state is None or state["state"] not in ENDED:
            raise aiohttp.ServerDisconnectedError

    # The server.

    async def health(self) -> dict[str, Any]:
        """What the server tells of itself: `status`, `model`, `embed_model`, `documents`, `passages`, `version`."""
        with self._reached("/health"):
            async with self._http.get("health") as response:
                return dict(await response.json())

    async def loaded(self) -> dict[str, Any]:
        """`health()`, once the models are loaded or have failed to. Raises `Refused` without the key it asks for."""
        while True:
            health = await self.health()
            if "model" not in health:
                code = "AUTH-002" if "X-API-Key" in self._headers else "AUTH-001"
                raise Refused(RagError(code).body(self._lang))
            if health["status"] != "loading":
                return health
            await asyncio.sleep(LOOK)

    async def _body(self, method: Literal["GET", "POST", "DELETE"], path: str, about: str = "", **sent: Any) -> Any:
        """The JSON that the server answers."""
        with self._reached(about or f"/{path}"):
            async with self._http.request(method, path, **sent) as response:
                if response.status < 400:
                    return await response.json() if response.status != 204 else None
                try:
                    body = await response.json()
                except aiohttp.ContentTypeError:
                    # Somebody between this and the server.
                    body = {"error_code": f"HTTP-{response.status}", "message": response.reason or "", "solutions": []}
        raise Refused(body)

    @contextlib.contextmanager
    def _reached(self, about: str) -> Any:
        try:
            yield
        except (aiohttp.ClientError, TimeoutError):
            raise self._gone(about) from None

    def _gone(self, about: str) -> Refused:
        return Refused(RagError("SETUP-007", url=self.url, file=about).body(self._lang))


def ask(question: str, url: str = "http://127.0.0.1:8000", *, lang: Lang = "en", session_id: str = "") -> Answer:
    """One whole answer, for programs without an event loop. Raises `Refused`."""

    async def asked() -> Answer:
        async with Client(url, lang=lang, session_id=session_id) as client:
            return await client.ask(question).answer()

    return asyncio.run(asked())


class _Counted(io.BufferedReader):
    """A file that tells how much of it was read."""

    def __init__(self, path: Path, on_read: Callable[[int, int], None]) -> None:
        super().__init__(io.FileIO(path))
        self._size = path.stat().st_size
        self._on_read = on_read

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if data:
            self._on_read(self.tell(), self._size)
        return data


def _open(path: Path, on_sent: Callable[[int, int], None] | None) -> BinaryIO:
    return _Counted(path, on_sent) if on_sent else path.open("rb")
