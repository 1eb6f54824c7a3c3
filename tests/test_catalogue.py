"""Every code of the catalogue, through every door that can raise it, in both languages."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import logging
import re
import socket
import sqlite3
import string
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from filelock import FileLock

import rag.service
import server
from rag import disk
from rag.catalogue import CATALOGUE, Door
from rag.errors import Lang, RagError
from rag.rate import Limit
from rag.types import Token
from web.guard import FREE, Guard
from web.keys import CLOSING, GUARD, LIMIT, SETTINGS
from web.state import State

from .app_client import Client, MakeClient, Parts, converse
from .fakes import Clock
from .sse_client import events_in
from .test_app import fail_long, fail_search, fail_slowly, fail_store, fail_unforeseen
from .test_loaders import pdf

ASKED = "what is the answer"
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Told:
    """An error as a client meets it: its code, all that it says, and its status, if it came with one."""

    code: str
    said: str
    status: int | None = None


@dataclass
class Stage:
    """An application over scripted parts, before it is made: what a cause may change."""

    parts: Parts
    state: State | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    limit: Limit | None = None
    guard: Guard | None = None
    stopping: bool = False


Cause = Callable[[Stage], None]
Ask = Callable[[Client, str], Awaitable[list[Told]]]


# What goes wrong.


def nothing(stage: Stage) -> None:
    """The request itself is what is wrong."""


def parts(change: Callable[[Parts], None]) -> Cause:
    return lambda stage: change(stage.parts)


def loading(stage: Stage) -> None:
    stage.state = State()


def rebuilding(stage: Stage) -> None:
    stage.parts.store.error = RagError("SEARCH-004", percent=25)


def failed(code: str, **data: Any) -> Cause:
    """The parts could not be opened."""

    def cause(stage: Stage) -> None:
        stage.state = State("error", error=RagError(code, **data))

    return cause


def engine(code: str, **data: Any) -> Cause:
    """The engine refuses the prompt, or fails on the way."""

    async def generate(*_: Any, **__: Any) -> AsyncGenerator[Token, None]:
        raise RagError(code, **data)
        yield Token("")

    def cause(stage: Stage) -> None:
        stage.parts.generator.generate = generate  # type: ignore[method-assign]

    return cause


def parser(code: str, **data: Any) -> Cause:
    """The process that reads files gives up."""

    async def parse(name: str, path: Path) -> Any:
        raise RagError(code, file=name, **data)

    def cause(stage: Stage) -> None:
        stage.parts.parser.parse = parse  # type: ignore[method-assign]

    return cause


def broken_store(stage: Stage) -> None:
    stage.parts.store.error = ZeroDivisionError()


def broken_sessions(stage: Stage) -> None:
    async def look(session_id: str) -> None:
        raise ZeroDivisionError

    stage.parts.sessions.look = look  # type: ignore[assignment,method-assign]


def too_often(stage: Stage) -> None:
    stage.limit = Limit(1, Clock())
    stage.limit.take("127.0.0.1")


def locked(stage: Stage) -> None:
    stage.guard = Guard(["the-right-key"], Clock())


def guessed(stage: Stage) -> None:
    stage.guard = Guard(["the-right-key"], Clock())
    for number in range(FREE):
        with contextlib.suppress(RagError):
            stage.guard.check(f"guess {number}", "127.0.0.1")


def stopping(stage: Stage) -> None:
    stage.stopping = True


def full_disk(stage: Stage) -> None:
    """Whatever is to be kept finds no room."""

    def database(*_: Any) -> None:
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = disk.SQLITE_FULL
        raise error

    def file(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    stage.parts.sessions._append = stage.parts.sessions._create = database  # type: ignore[assignment,method-assign]
    stage.parts.ingester.incoming.describe = file  # type: ignore[method-assign,assignment]


def no_room(stage: Stage) -> None:
    stage.settings["max_connections"] = 0


def no_room_for_one(stage: Stage) -> None:
    stage.settings |= {"max_client_connections": 0, "trusted_proxies": "127.0.0.1"}


# How a client meets it.


async def told(response: aiohttp.ClientResponse) -> Told:
    body = await response.json()
    if response.url.path.startswith("/v1/"):
        assert body.keys() == {"error", "request_id"}
        error = body["error"]
        assert error.keys() == {"message", "type", "param", "code"}
        return Told(error["code"], error["message"], response.status)
    assert body.keys() == {"error_code", "message", "solutions", "request_id"}
    assert body["solutions"]
    return Told(body["error_code"], " ".join([body["message"], *body["solutions"]]), response.status)


def request(method: str, path: str, **given: Any) -> Ask:
    async def ask(client: Client, lang: str) -> list[Told]:
        headers = {"Accept-Language": lang, **given.get("headers", {})}
        async with client.request(method, path, **{**given, "headers": headers}) as response:
            return [await told(response)]

    return ask


def all_of(*asks: Ask) -> Ask:
    async def ask(client: Client, lang: str) -> list[Told]:
        return [each for ask in asks for each in await ask(client, lang)]

    return ask


async def on_socket(client: Client, lang: str) -> list[Told]:
    return [_event((await converse(client, ASKED, lang))[-1])]


def frame(text: str | bytes) -> Ask:
    async def ask(client: Client, lang: str) -> list[Told]:
        async with client.ws_connect(f"/chat-ws?session_id=s&lang={lang}") as opened:
            await (opened.send_str(text) if isinstance(text, str) else opened.send_bytes(text))
            return [_event(await opened.receive_json(timeout=10))]

    return ask


def _event(event: dict[str, Any]) -> Told:
    assert event["type"] == "stream_error"
    return Told(event["error_code"], " ".join([event["message"], *event["solutions"]]))


def handshake(query: str = "session_id=s", **headers: str) -> Ask:
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    return request("GET", f"/chat-ws?{query}", headers=upgrade | headers)


async def on_chat(client: Client, lang: str) -> list[Told]:
    """Both doors of the chat. What fails after the stream has begun is an event of it."""
    found = await request("POST", "/chat", json={"message": ASKED})(client, lang)
    async with client.post("/chat/stream", json={"message": ASKED}, headers={"Accept-Language": lang}) as response:
        if response.status != 200:
            return [*found, await told(response)]
        event = events_in(await response.text())[-1]
    assert event["event"] == "error"
    assert event["suggestion"] == event["solutions"][0]
    return [*found, Told(event["error_code"], " ".join([event["message"], *event["solutions"]]))]


async def on_openai(client: Client, lang: str) -> list[Told]:
    """A completion as a whole, and one that is streamed."""
    body = {"messages": [{"role": "user", "content": ASKED}], "temperature": 0}
    found = await request("POST", "/v1/chat/completions", json=body)(client, lang)
    streamed, headers = body | {"stream": True}, {"Accept-Language": lang}
    async with client.post("/v1/chat/completions", json=streamed, headers=headers) as response:
        if response.status != 200:
            return [*found, await told(response)]
        error = json.loads((await response.text()).split("data: ")[-1])["error"]
    return [*found, Told(error["code"], error["message"])]


def with_key(**headers: str) -> dict[Door, Ask]:
    """Every door, with what is to open it."""
    addresses: dict[Door, tuple[str, ...]] = {
        "chat": ("POST /chat", "POST /chat/stream"),
        "openai": ("GET /v1/models", "POST /v1/chat/completions", "POST /v1/embeddings"),
        "search": ("POST /search",),
        "documents": ("GET /documents", "POST /documents", "DELETE /documents/doc"),
        "sessions": ("GET /sessions/s", "DELETE /sessions/s"),
        "http": ("GET /", "GET /stats", "GET /guides", "GET /nowhere"),
    }
    asks = {
        door: all_of(*(request(*each.split(), headers=headers) for each in found)) for door, found in addresses.items()
    }
    return {"socket": handshake(**headers), **asks}


def holding(**headers: str) -> dict[Door, Ask]:
    """What takes a place as long as it is told."""
    completion = {"messages": [{"role": "user", "content": ASKED}]}
    return {
        "socket": handshake(**headers),
        "chat": all_of(
            *(request("POST", path, json={"message": ASKED}, headers=headers) for path in ("/chat", "/chat/stream"))
        ),
        "openai": request("POST", "/v1/chat/completions", json=completion, headers=headers),
        "documents": request("GET", "/documents/jobs/events", headers=headers),
    }


def bad_json(*paths: str) -> Ask:
    return all_of(*(request("POST", path, data="{", headers=JSON) for path in paths))


def bad_field(**bodies: Any) -> Ask:
    return all_of(*(request("POST", "/" + path.replace("__", "/"), json=body) for path, body in bodies.items()))


ON_SEARCH = request("POST", "/search", json={"query": "answer"})
ON_DOCUMENTS = request("GET", "/documents")
ON_SESSIONS = request("GET", "/sessions/s")


def upload(name: str, content: bytes) -> Ask:
    async def ask(client: Client, lang: str) -> list[Told]:
        """Refused at once, or by the job."""
        form = aiohttp.FormData(quote_fields=False)
        form.add_field("files", content, filename=name)
        async with client.post(f"/documents?lang={lang}", data=form) as response:
            if response.status != 202:
                return [await told(response)]
            job = (await response.json())["jobs"][0]["id"]
        async with client.get(f"/documents/jobs/{job}/events?lang={lang}") as response:
            error = json.loads((await response.text()).strip().splitlines()[-1].removeprefix("data: "))["error"]
        return [Told(error["error_code"], " ".join([error["message"], *error["solutions"]]))]

    return ask


NO_CHAT_MODEL = failed("GEN-002", file="x.gguf", reason="damaged", directory="models")
NO_DIRECTORY = failed("SETUP-003", directory="data", reason="read-only")
CHATTING: dict[Door, Ask] = {"socket": on_socket, "chat": on_chat, "openai": on_openai}
ASKING: dict[Door, Ask] = {**CHATTING, "search": ON_SEARCH}
EVERY: dict[Door, Ask] = {**ASKING, "documents": ON_DOCUMENTS, "sessions": ON_SESSIONS}
STORED: dict[Door, Ask] = {**ASKING, "documents": ON_DOCUMENTS}


def ways(cause: Cause, asks: dict[Door, Ask]) -> dict[Door, tuple[Cause, Ask]]:
    return {door: (cause, ask) for door, ask in asks.items()}


def added(name: str, content: bytes, cause: Cause = nothing) -> dict[Door, tuple[Cause, Ask]]:
    return {"documents": (cause, upload(name, content))}


# Of each code, at which doors it is met, and how it is brought about there.
WALKS: dict[str, dict[Door, tuple[Cause, Ask]]] = {
    "WS-001-INVALID_JSON": ways(
        nothing,
        {
            "socket": all_of(frame("{"), frame("[]"), frame(b"{}")),
            "chat": bad_json("/chat", "/chat/stream"),
            "openai": bad_json("/v1/chat/completions", "/v1/embeddings"),
            "search": bad_json("/search"),
            "sessions": bad_json("/sessions"),
        },
    ),
    "WS-002-VALIDATION_ERROR": ways(
        nothing,
        {
            "socket": all_of(frame("{}"), frame('{"type": "cancel"}')),
            "chat": bad_field(chat={}, chat__stream={"message": " "}),
            "openai": bad_field(v1__chat__completions={}, v1__embeddings={"input": []}),
            "search": bad_field(search={"query": "x", "k": 0}),
            "documents": all_of(request("GET", "/documents?page=0"), request("POST", "/documents")),
            "sessions": all_of(request("GET", "/sessions?page=0"), bad_field(sessions={"session_id": 7})),
        },
    ),
    "WS-003-SERVICE_NOT_INITIALIZED": ways(loading, EVERY),
    "WS-006-SERVER_STOPPING": ways(
        stopping,
        {
            "socket": handshake(),
            "chat": on_chat,
            "openai": all_of(on_openai, request("POST", "/v1/embeddings", json={"input": "word"})),
            "search": ON_SEARCH,
            "documents": all_of(
                *(
                    request(*each.split())
                    for each in (
                        *("POST /documents", "DELETE /documents/doc", "DELETE /documents/jobs/none"),
                        *("GET /documents/jobs/events", "GET /documents/jobs/none/events"),
                    )
                )
            ),
            "sessions": all_of(request("POST", "/sessions", json={}), request("DELETE", "/sessions/s")),
        },
    ),
    "WS-004-TOO_MANY_CONNECTIONS": ways(no_room, holding()),
    "WS-005-TOO_MANY_OF_CLIENT": ways(no_room_for_one, holding(**{"X-Forwarded-For": "203.0.113.9"})),
    "WS-999-INTERNAL_ERROR": ways(parts(fail_unforeseen), ASKING)
    | ways(broken_store, {"documents": ON_DOCUMENTS, "http": request("GET", "/health")})
    | ways(broken_sessions, {"sessions": ON_SESSIONS}),
    "GEN-001": ways(parts(fail_slowly), CHATTING),
    "GEN-002": ways(NO_CHAT_MODEL, EVERY),
    "GEN-003": ways(parts(fail_long), CHATTING),
    "GEN-004": ways(engine("GEN-004", seconds=7), CHATTING),
    "GEN-999": ways(engine("GEN-999"), CHATTING),
    "EMBED-001": ways(nothing, {"openai": request("POST", "/v1/embeddings", json={"input": "word " * 300})}),
    "SEARCH-001": ways(parts(fail_search), ASKING),
    "SEARCH-003": ways(parts(fail_store), STORED)
    | ways(failed("SEARCH-003", reason="disk", directory="data"), {"sessions": ON_SESSIONS}),
    "SEARCH-004": ways(rebuilding, STORED),
    "SESSION-001": ways(
        nothing,
        {
            "socket": all_of(handshake(""), handshake("session_id=a%20b")),
            "chat": bad_field(
                chat={"message": ASKED, "session_id": "a b"}, chat__stream={"message": ASKED, "session_id": ""}
            ),
            "sessions": all_of(request("GET", "/sessions/a%20b"), request("DELETE", "/sessions/a%20b")),
        },
    ),
    "SESSION-002": ways(
        nothing, {"sessions": all_of(request("GET", "/sessions/none"), request("DELETE", "/sessions/none"))}
    ),
    "SESSION-003": ways(nothing, {"socket": frame('{"type": "resume", "message_id": "none", "next_index": 0}')}),
    "DOC-001": added("a.exe", b"MZ"),
    "DOC-002": added("a.md", b"x" * (1 << 21)),
    "DOC-003": added("a.md", b" \n"),
    "DOC-004": added("a.pdf", pdf(["secret"], encrypted=True)),
    "DOC-005": added("a.pdf", b"%PDF-1.7 nonsense"),
    "DOC-006": added("a.pdf", pdf([""], image=True)),
    "DOC-007": ways(
        nothing,
        {
            "documents": all_of(
                *(request("GET", f"/documents/none{more}") for more in ("", "/text", "/find?q=x", "/original")),
                *(request("DELETE", f"/documents/{id}") for id in ("none", "jobs/none")),
                request("GET", "/documents/jobs/none/events"),
            )
        },
    ),
    "DOC-008": ways(nothing, {"documents": request("GET", "/documents/doc/original")}),
    "DOC-009": added("a.md", b"x", parser("DOC-009", seconds=60)),
    "DOC-010": added("a.md", b"x", parser("DOC-010")),
    "DOC-011": added("a.md", b"x", parser("DOC-011", limit=100)),
    "SETUP-010": ways(
        full_disk,
        {
            "socket": on_socket,
            "chat": on_chat,
            "documents": upload("a.md", b"x"),
            "sessions": request("POST", "/sessions"),
        },
    )
    | ways(failed("SETUP-010", directory="data"), {"openai": on_openai, "search": ON_SEARCH}),
    "AUTH-003": ways(
        nothing,
        {
            "socket": all_of(handshake(Host="evil.example"), handshake(Origin="http://evil.example")),
            "http": all_of(
                *(
                    request("GET", path, headers={"Origin": "http://evil.example"})
                    for path in ("/", "/health", "/documents", "/v1/models", "/nowhere", "/static/main.js")
                )
            ),
        },
    ),
    "AUTH-001": ways(locked, with_key()),
    "AUTH-002": ways(locked, with_key(**{"X-API-Key": "a-wrong-key"})),
    "RATE-001": ways(too_often, CHATTING),
    "RATE-002": ways(guessed, with_key(**{"X-API-Key": "the-right-key"})),
    "HTTP-400": ways(
        nothing,
        {
            "http": request(
                "POST",
                "/documents",
                data=b"--b\r\nno header\r\n",
                headers={"Content-Type": "multipart/form-data; boundary=b"},
            )
        },
    ),
    "HTTP-404": ways(
        nothing,
        {
            "http": all_of(
                *(
                    request(method, path)
                    for method in ("GET", "POST", "OPTIONS")
                    for path in (
                        *("/nowhere", "/chat/nowhere", "/v1/nowhere", "/sessions/a/b", "/documents/a/b/c"),
                        *("/search/a", "/health/a", "/guides/a/b", "/%EA%B0%80"),
                    )
                ),
                *(request("GET", path) for path in ("/guides/nothing", "/static/nothing", "/v1/models/nothing")),
            )
        },
    ),
    "HTTP-405": ways(
        nothing,
        {
            "http": all_of(
                *(
                    request(method, path)
                    for method in ("PUT", "PATCH", "TRACE")
                    for path in (
                        "/",
                        "/chat",
                        "/v1/models",
                        "/sessions/a",
                        "/documents/a",
                        "/documents/jobs",
                        "/search",
                    )
                )
            )
        },
    ),
    "HTTP-413": ways(
        nothing,
        {
            "http": all_of(
                *(
                    request("POST", path, data=b"x" * (5 << 20), headers=JSON)
                    for path in (
                        "/chat",
                        "/chat/stream",
                        "/search",
                        "/sessions",
                        "/v1/chat/completions",
                        "/v1/embeddings",
                    )
                )
            )
        },
    ),
    "HTTP-415": ways(
        nothing,
        {
            "http": all_of(
                *(
                    request("POST", path, data="{}", headers={"Content-Type": "text/plain"})
                    for path in (
                        *("/chat", "/chat/stream", "/search", "/sessions", "/documents"),
                        *("/v1/chat/completions", "/v1/embeddings"),
                    )
                )
            )
        },
    ),
    "SETUP-003": ways(NO_DIRECTORY, EVERY),
}


def spoken(code: str, lang: Lang, whole: bool = True) -> re.Pattern[str]:
    """What the catalogue says in the language, with anything in the place of its data."""
    row = CATALOGUE[code]
    text = row.ko if lang == "ko" else row.en
    lines = (
        "".join(
            re.escape(said) + ("" if name is None else "(?s:.+?)") for said, name, *_ in string.Formatter().parse(line)
        )
        for line in (text.message, *(text.solutions if whole else ()))
    )
    return re.compile(" ".join(lines))


WALKED = [(code, door) for code, doors in WALKS.items() for door in doors]


@pytest.mark.parametrize("lang", ["en", "ko"])
@pytest.mark.parametrize(("code", "door"), WALKED)
async def test_an_error_is_told_in_the_words_of_the_catalogue(
    tmp_path: Path, aiohttp_client: MakeClient, code: str, door: Door, lang: Lang
) -> None:
    cause, ask = WALKS[code][door]
    async with staged(tmp_path) as stage:
        cause(stage)
        app = stage.parts.app(stage.state)
        app[SETTINGS] = dataclasses.replace(app[SETTINGS], **stage.settings)
        app[LIMIT] = stage.limit or app[LIMIT]
        app[GUARD] = stage.guard or app[GUARD]
        if stage.stopping:
            app[CLOSING].set()
        found = await ask(await aiohttp_client(app), lang)
    assert found
    for each in found:
        assert each.code == code
        assert spoken(code, lang).fullmatch(each.said), each.said
        assert each.status in (None, CATALOGUE[code].status)


@contextlib.asynccontextmanager
async def staged(directory: Path) -> AsyncIterator[Stage]:
    made = Parts(directory)
    await made.ingester.start()
    yield Stage(made)
    await made.ingester.close()
    await made.sessions.close()


# The command line.


def asked(cause: Cause) -> tuple[Cause, Callable[[Path], list[str]]]:
    return cause, lambda folder: ["ask", ASKED]


def ingested(name: str, content: bytes | None, cause: Cause = nothing) -> tuple[Cause, Callable[[Path], list[str]]]:
    def arguments(folder: Path) -> list[str]:
        if content is not None:
            (folder / name).write_bytes(content)
        return ["ingest", str(folder / name)]

    return cause, arguments


def questions(folder: Path) -> list[str]:
    (folder / "questions.jsonl").write_text('{"question": ""}\n')
    return ["bench", "answers", "--questions", str(folder / "questions.jsonl")]


COMMANDS: dict[str, tuple[Cause, Callable[[Path], list[str]]]] = {
    "GEN-001": asked(parts(fail_slowly)),
    "GEN-003": asked(parts(fail_long)),
    "GEN-004": asked(engine("GEN-004", seconds=7)),
    "GEN-999": asked(engine("GEN-999")),
    "SEARCH-001": asked(parts(fail_search)),
    "SEARCH-003": asked(parts(fail_store)),
    "SEARCH-004": asked(rebuilding),
    "DOC-001": ingested("a.exe", b"MZ"),
    "DOC-002": ingested("a.md", b"x" * (1 << 21)),
    "DOC-003": ingested("a.md", b" \n"),
    "DOC-004": ingested("a.pdf", pdf(["secret"], encrypted=True)),
    "DOC-005": ingested("a.pdf", b"%PDF-1.7 nonsense"),
    "DOC-006": ingested("a.pdf", pdf([""], image=True)),
    "DOC-007": (nothing, lambda folder: ["delete", "none"]),
    "DOC-008": ingested("none.md", None),
    "DOC-009": ingested("a.md", b"x", parser("DOC-009", seconds=60)),
    "DOC-010": ingested("a.md", b"x", parser("DOC-010")),
    "DOC-011": ingested("a.md", b"x", parser("DOC-011", limit=100)),
    "SETUP-010": ingested("a.md", b"x", full_disk),
    "BENCH-001": (nothing, questions),
}


@pytest.fixture
def scripted_models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Cause], None]:
    """Puts scripted parts in the place of the models."""

    def put(cause: Cause) -> None:
        stages: list[Stage] = []

        @contextlib.asynccontextmanager
        async def open_index(*_: Any) -> AsyncIterator[Any]:
            async with staged(tmp_path) as stage:
                cause(stage)
                stages.append(stage)
                yield stage.parts.index()

        @contextlib.asynccontextmanager
        async def open_chat(*_: Any) -> AsyncIterator[Any]:
            yield stages[-1].parts.chat()

        model = SimpleNamespace(verdict=SimpleNamespace(name="scripted"))
        monkeypatch.setattr(server, "_models", lambda *_: SimpleNamespace(chat=model, embed=model))
        monkeypatch.setattr(rag.service, "open_index", open_index)
        monkeypatch.setattr(rag.service, "open_chat", open_chat)

    return put


@pytest.fixture
def own_log() -> Iterator[None]:
    """The command line sets up the log of its process, which here is that of all tests."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)


def complaint(arguments: list[str], folder: Path, lang: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What the command says on the error stream, its lines as one, without what the log says."""
    places = ["--data-dir", str(folder / "data"), "--models-dir", str(folder / "models"), "--offline", "--lang", lang]
    assert server.main([*arguments, *places]) == 1
    return " ".join(line.removeprefix("  - ") for line in capsys.readouterr().err.splitlines())


@pytest.mark.parametrize("lang", ["en", "ko"])
@pytest.mark.parametrize("code", COMMANDS)
def test_the_command_line_says_it_too(
    tmp_path: Path,
    scripted_models: Callable[[Cause], None],
    own_log: None,
    capsys: pytest.CaptureFixture[str],
    code: str,
    lang: Lang,
) -> None:
    cause, arguments = COMMANDS[code]
    scripted_models(cause)
    said = complaint(arguments(tmp_path), tmp_path, lang, capsys)
    # Of a file among others just what went wrong is told.
    assert re.search(f"{code}: {spoken(code, lang, whole=not code.startswith(('DOC', 'SETUP'))).pattern}", said), said


def port_in_use(folder: Path, held: contextlib.ExitStack) -> list[str]:
    taken = held.enter_context(socket.create_server(("127.0.0.1", 0)))
    return ["--port", str(taken.getsockname()[1])]


def unwritable(folder: Path, held: contextlib.ExitStack) -> list[str]:
    (folder / "data").write_text("a file")
    return ["--port", "0"]


def data_in_use(folder: Path, held: contextlib.ExitStack) -> list[str]:
    (folder / "data").mkdir()
    held.enter_context(FileLock(folder / "data" / "lock"))
    return ["--port", "0"]


def server_gone(folder: Path, held: contextlib.ExitStack) -> list[str]:
    data_in_use(folder, held)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (folder / "data" / "server.json").write_text(json.dumps({"url": f"http://127.0.0.1:{port}", "pid": 1}))
    return ["documents"]


def no_certificate(folder: Path, held: contextlib.ExitStack) -> list[str]:
    return ["--tls-cert", str(folder / "none.pem"), "--tls-key", str(folder / "none.key")]


def place_taken(folder: Path, held: contextlib.ExitStack) -> list[str]:
    (folder / "file").write_text("")
    return ["bundle", str(folder)]


def newer_data(folder: Path, held: contextlib.ExitStack) -> list[str]:
    (folder / "data").mkdir()
    (folder / "data" / "format.json").write_text('{"format": 99}')
    return ["--port", "0"]


def bad_model(code: str) -> Callable[[Path, contextlib.ExitStack], list[str]]:
    def arrange(folder: Path, held: contextlib.ExitStack) -> list[str]:
        def trusted(settings: Any, path: Path, announce: Any) -> Any:
            raise RagError(code, file=path.name, reason="damaged", directory=str(path.parent))

        patch = held.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(rag.service.probe, "trusted", trusted)
        return ["models", "--model", str(folder / "x.gguf")]

    return arrange


# What keeps a command from its work.
STARTS: dict[str, Callable[[Path, contextlib.ExitStack], list[str]]] = {
    "GEN-002": bad_model("GEN-002"),
    "SETUP-001": lambda folder, held: ["--port", "0"],
    "SETUP-002": port_in_use,
    "SETUP-003": unwritable,
    "SETUP-004": data_in_use,
    "SETUP-005": bad_model("SETUP-005"),
    "SETUP-006": lambda folder, held: ["--port", "x"],
    "SETUP-007": server_gone,
    "SETUP-008": lambda folder, held: ["--port", "0", "--host", "0.0.0.0"],
    "SETUP-009": no_certificate,
    "SETUP-011": newer_data,
    "BUNDLE-001": place_taken,
}


@pytest.mark.parametrize("lang", ["en", "ko"])
@pytest.mark.parametrize("code", STARTS)
def test_what_keeps_a_command_from_its_work_is_one_clear_message(
    tmp_path: Path, own_log: None, capsys: pytest.CaptureFixture[str], code: str, lang: Lang
) -> None:
    with contextlib.ExitStack() as held:
        said = complaint(STARTS[code](tmp_path, held), tmp_path, lang, capsys)
    assert re.search(f"{code}: {spoken(code, lang).pattern}", said), said


def test_every_code_is_walked_through_every_door_that_its_row_names() -> None:
    walked = {code: set(doors) for code, doors in WALKS.items()}
    for code in (*COMMANDS, *STARTS):
        walked.setdefault(code, set()).add("command")
    assert walked == {code: set(row.doors) for code, row in CATALOGUE.items()}
