"""The client, of the command line and for other programs, against an application in this process."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from rag.errors import RagError, Refused
from rag.examiner import examine
from rag.questions import Case
from web import reply
from web.client import Client, ask
from web.keys import ANSWERS
from web.state import State

from .app_client import Client as Application
from .app_client import MakeClient, Parts
from .cutting_proxy import CuttingProxy, cutting_proxy
from .fakes import until

ASKED = "what is the answer"
REPLY = "The answer 답은 is 42 🙂 [1]."


def url_of(client: Application) -> str:
    return str(client.make_url("/"))


async def test_questions_are_asked_over_the_socket_and_judged_as_in_this_process(
    client: Application, parts: Parts
) -> None:
    parts.generator.reply = "**42** “the answer to all questions is 42” [1]"
    async with Client(url_of(client)) as door:
        cases = [Case("what is the answer?", ("42",), source="doc.md"), Case("zzz?", told=False)]
        answered, refused = [outcome async for outcome in examine(cases, door)]
    assert (answered.verdict, answered.words_at, answered.source_at) == ("right", 1, 1)
    assert (answered.quotes, answered.verbatim) == (1, 1)
    assert refused.verdict == "refused"


async def test_the_kind_of_answers_is_passed_on(client: Application, parts: Parts) -> None:
    parts.generator.parameters = 1
    for answers, quotes in (("free", False), ("quote", True), ("auto", True)):
        async with Client(url_of(client), answers=answers) as door:
            _ = [event async for event in door.ask("what is the answer?", f"session-{answers}")]
        assert bool(parts.generator.choices) == quotes


async def test_an_error_of_the_answer_is_its_last_event(client: Application, parts: Parts) -> None:
    parts.generator.error = RagError("GEN-999")
    async with Client(url_of(client), lang="ko") as door:
        events = [event async for event in door.ask("what is the answer?", "s")]
    assert events[-1]["error_code"] == "GEN-999"
    assert events[-1]["message"] == RagError("GEN-999").body("ko")["message"]


async def test_a_server_that_is_not_there_is_named() -> None:
    async with Client("http://127.0.0.1:9") as door:
        for asked in (door.ask("Is anybody there?", "s").answer(), door.documents(), door.loaded()):
            with pytest.raises(Refused) as refused:
                await asked
            assert refused.value.code == "SETUP-007"
            assert "127.0.0.1:9" in refused.value.message


async def test_documents_are_listed_and_deleted_and_a_refusal_comes_in_the_words_of_the_server(
    client: Application,
) -> None:
    async with Client(url_of(client)) as door:
        assert [row["name"] for row in await door.documents("")] == ["doc.md"]
        await door.delete("doc")
        assert await door.documents("") == []
        with pytest.raises(Refused) as refused:
            await door.delete("doc")
    assert refused.value.code == "DOC-007"


async def test_a_file_is_followed_on_its_way_in(client: Application, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# Gnomon\n\nA gnomon casts the shadow of a sundial.\n")
    async with Client(url_of(client)) as door:
        states = [state async for state in door.upload(tmp_path / "a.md", name="papers/a.md")]
        assert states[-1]["state"] == "stored"
        with pytest.raises(Refused) as refused:
            _ = [state async for state in door.upload(tmp_path / "b.md")]
        assert refused.value.code == "DOC-008"
        with pytest.raises(Refused) as refused:
            _ = [state async for state in door.upload(tmp_path / "a.md", name="a.exe")]
    assert refused.value.code == "DOC-001"


async def test_a_server_that_is_loading_is_waited_for(
    parts: Parts, aiohttp_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = State("loading", "a model", "an embedder", parts.chat(), parts.index())
    client: Any = await aiohttp_client(parts.app(state))
    looks = 0

    async def look(seconds: float) -> None:
        nonlocal looks
        looks += 1
        state.status = "ok" if looks == 3 else "loading"

    monkeypatch.setattr("web.client.asyncio.sleep", look)
    async with Client(url_of(client)) as door:
        assert (await door.loaded())["model"] == "a model"
    assert looks == 3


# What other programs use.


def proxied(client: Application, **options: Any) -> Any:
    return cutting_proxy(str(client.host), client.port or 0, **options)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Comes back at once."""
    monkeypatch.setattr(reply, "BACKOFF_FIRST", 0.001)
    monkeypatch.setattr(reply, "BACKOFF_CAP", 0.01)


async def test_an_answer_is_whole_with_its_sources_and_told_in_pieces(client: Application, parts: Parts) -> None:
    parts.generator.reply = REPLY
    async with Client(url_of(client)) as mine:
        answer = await mine.ask(ASKED).answer()
        pieces = [piece async for piece in mine.ask(ASKED).tokens()]
    assert answer.text == "".join(pieces) == REPLY
    assert [source["metadata"]["document_id"] for source in answer.sources] == ["doc"]
    assert (answer.end["finish_reason"], answer.session_id) == ("stop", mine.session_id)
    assert len(pieces) > 1


async def test_questions_without_a_session_of_their_own_follow_one_another(client: Application) -> None:
    async with Client(url_of(client)) as mine:
        for session in ("", "", "other"):
            await mine.ask(ASKED, session).answer()
        assert [len(await mine.turns(session)) for session in ("", "other")] == [2, 1]
        first = (await mine.turns())[0]
        await mine.ask("what is the answer to all questions", replaces=first["message_id"]).answer()
        assert [turn["question"] for turn in await mine.turns()] == ["what is the answer to all questions"]
        await mine.forget()
        with pytest.raises(Refused) as refused:
            await mine.turns()
    assert refused.value.code == "SESSION-002"


async def test_what_one_question_wants_goes_with_it(client: Application, parts: Parts) -> None:
    parts.generator.thoughts = "Let me see"
    async with Client(url_of(client)) as mine:
        asked = mine.ask(ASKED, options={"temperature": 0.7}, early_sources=True, thinking=True)
        kinds = [event["type"] async for event in asked]
    assert kinds[:3] == ["stream_start", "stream_sources", "stream_thinking"]
    assert parts.generator.samplings[-1].temperature == 0.7


async def test_a_failed_answer_raises_its_error(client: Application, parts: Parts) -> None:
    parts.generator.error = RagError("GEN-999")
    async with Client(url_of(client)) as mine:
        with pytest.raises(Refused) as refused:
            await mine.ask(ASKED).answer()
        assert (refused.value.code, refused.value.message) == ("GEN-999", RagError("GEN-999").text("en").message)
        assert refused.value.solutions
        with pytest.raises(Refused):
            _ = [piece async for piece in mine.ask(ASKED).tokens()]


async def test_a_refused_handshake_says_why(client: Application) -> None:
    async with Client(url_of(client)) as mine:
        with pytest.raises(Refused) as refused:
            await mine.ask(ASKED, "not a session").answer()
    assert refused.value.code == "SESSION-001"


def hold(parts: Parts, words: int) -> asyncio.Event:
    """Lets the model wait after so many words."""
    said, go = iter(range(words)), asyncio.Event()
    parts.generator.wait = lambda: go if next(said, None) is None else None
    return go


def cancelled(client: Application) -> Callable[[], bool]:
    """Whether the server has been told to cancel its only answer."""
    assert client.app is not None
    (kept,) = client.app[ANSWERS]._kept.values()
    return kept.question.cancel.is_set


async def test_a_cancelled_answer_keeps_what_was_said(client: Application, parts: Parts) -> None:
    go = hold(parts, 2)
    async with Client(url_of(client)) as mine:
        asked = mine.ask(ASKED)
        text, end = "", None
        async for event in asked:
            if event["type"] == "stream_token":
                text += event["token"]
                if text == "The answer":
                    await asked.cancel()
                    await until(cancelled(client))
                    go.set()
            elif event["type"] == "stream_end":
                end = event["finish_reason"]
    assert (text, end) == ("The answer", "cancelled")


async def test_an_answer_that_is_left_early_is_cancelled(client: Application, parts: Parts) -> None:
    go = hold(parts, 1)
    async with Client(url_of(client)) as mine:
        async for piece in mine.ask(ASKED).tokens():
            assert piece == "The"
            break
        await until(cancelled(client))
    go.set()


@pytest.mark.usefixtures("quick")
async def test_the_connection_may_break_after_every_event(client: Application, parts: Parts) -> None:
    parts.generator.reply = REPLY
    parts.generator.thoughts = "Let me see"
    thoughts: list[str] = []
    for position in range(len(REPLY.split()) + 6):
        async with proxied(client, frames=position) as proxy, Client(proxy.url) as mine:
            told = mine.ask(ASKED, thinking=True)
            events = []
            async for event in _going_on(told, proxy):
                events.append(event)
        kinds = [event["type"] for event in events]
        assert "".join(event["token"] for event in events if event["type"] == "stream_token") == REPLY
        thoughts.append("".join(event["text"] for event in events if event["type"] == "stream_thinking"))
        for kind in ("stream_start", "stream_sources", "stream_end"):
            assert kinds.count(kind) == 1
    assert set(thoughts) == {"Let me see"}
    assert len(parts.generator.prompts) == position + 1


async def _going_on(told: reply.Reply, proxy: CuttingProxy) -> AsyncIterator[Any]:
    """The events; the connection is cut once."""

    async def once() -> None:
        await until(lambda: proxy.cuts)
        proxy.frames = None

    watching = asyncio.create_task(once())
    async for event in told:
        yield event
    await watching


@pytest.mark.usefixtures("quick")
async def test_a_server_that_says_nothing_any_more_is_given_up(client: Application, parts: Parts) -> None:
    go = hold(parts, 1)
    async with proxied(client) as proxy, Client(proxy.url, timeout=0.3) as mine:
        with pytest.raises(Refused) as refused:
            async for _ in mine.ask(ASKED).tokens():
                proxy.stalled = proxy.away = True
    assert refused.value.code == "SETUP-007"
    go.set()


async def test_search_finds_what_is_asked_for(client: Application) -> None:
    async with Client(url_of(client)) as mine:
        assert [source["title"] for source in await mine.search("answer", 3)]
        assert await mine.search("answer", documents=["another"]) == []


async def test_an_upload_tells_how_much_is_sent(client: Application, tmp_path: Path) -> None:
    text = "A gnomon casts the shadow of a sundial.\n" * 20_000
    (tmp_path / "a.md").write_text(text)
    sent: list[tuple[int, int]] = []
    async with Client(url_of(client)) as mine:
        uploading = mine.upload(tmp_path / "a.md", on_sent=lambda done, total: sent.append((done, total)))
        states = [state["state"] async for state in uploading]
    assert states[-1] == "stored"
    assert len(sent) > 1
    assert sent == sorted(sent)
    assert sent[-1] == (len(text), len(text))


async def test_a_refusal_of_somebody_between_has_its_status() -> None:
    async def refuse(request: web.Request) -> web.Response:
        raise web.HTTPBadGateway(text="<html>")

    app = web.Application()
    app.add_routes([web.get("/rag/documents", refuse)])
    async with TestServer(app) as server, Client(str(server.make_url("/rag"))) as mine:
        with pytest.raises(Refused) as refused:
            await mine.documents()
    assert (refused.value.code, refused.value.message) == ("HTTP-502", "Bad Gateway")


def certify(openssl: str, folder: Path) -> None:
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", "key.pem", "-out", "cert.pem", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(command, check=True, capture_output=True, cwd=folder, timeout=60)


async def test_key_and_certificate_go_to_the_server(tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    await asyncio.to_thread(certify, openssl, tmp_path)
    seen: list[str | None] = []

    async def health(request: web.Request) -> web.Response:
        seen.append(request.headers.get("X-API-Key"))
        return web.json_response({"status": "ok"})

    app = web.Application()
    app.add_routes([web.get("/health", health)])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    server = TestServer(app, scheme="https")
    await server.start_server(ssl=context)
    async with server:
        url = str(server.make_url("/"))
        async with Client(url, api_key="secret", cafile=tmp_path / "cert.pem") as mine:
            assert (await mine.health())["status"] == "ok"
        async with Client(url) as mine:
            with pytest.raises(Refused):
                await mine.health()
    assert seen == ["secret"]


async def test_a_program_without_a_loop_asks_in_one_line(client: Application) -> None:
    answer = await asyncio.to_thread(ask, ASKED, url_of(client))
    assert answer.text == "The answer is 42 [1]."
