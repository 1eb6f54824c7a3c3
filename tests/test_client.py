"""The command line's client against an application in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rag.errors import RagError
from rag.examiner import examine
from rag.questions import Case
from rag.terminal import Refused
from web.client import Client
from web.state import State

from .app_client import Client as Application
from .app_client import MakeClient, Parts


def url_of(client: Application) -> str:
    return str(client.make_url("/"))


async def test_questions_are_asked_over_the_socket_and_judged_as_in_this_process(
    client: Application, parts: Parts
) -> None:
    parts.generator.reply = "**42** “the answer to all questions is 42” [1]"
    async with Client(url_of(client), "en") as door:
        cases = [Case("what is the answer?", ("42",), source="doc.md"), Case("zzz?", told=False)]
        answered, refused = [outcome async for outcome in examine(cases, door)]
    assert (answered.verdict, answered.words_at, answered.source_at) == ("right", 1, 1)
    assert (answered.quotes, answered.verbatim) == (1, 1)
    assert refused.verdict == "refused"


async def test_the_kind_of_answers_is_passed_on(client: Application, parts: Parts) -> None:
    parts.generator.parameters = 1
    for answers, quotes in (("free", False), ("quote", True), ("auto", True)):
        async with Client(url_of(client), "en", answers) as door:
            _ = [event async for event in door.ask("what is the answer?", f"session-{answers}")]
        assert bool(parts.generator.choices) == quotes


async def test_an_error_of_the_answer_is_its_last_event(client: Application, parts: Parts) -> None:
    parts.generator.error = RagError("GEN-999")
    async with Client(url_of(client), "ko") as door:
        events = [event async for event in door.ask("what is the answer?", "s")]
    assert events[-1]["error_code"] == "GEN-999"
    assert events[-1]["message"] == RagError("GEN-999").body("ko")["message"]


async def test_a_server_that_is_not_there_is_named() -> None:
    async with Client("http://127.0.0.1:9", "en") as door:
        with pytest.raises(RagError) as raised:
            _ = [event async for event in door.ask("Is anybody there?", "s")]
    assert raised.value.code == "SETUP-007"
    assert "127.0.0.1:9" in raised.value.data["url"]


async def test_documents_are_listed_and_deleted_and_a_refusal_comes_in_the_words_of_the_server(
    client: Application,
) -> None:
    async with Client(url_of(client), "en") as door:
        assert [row["name"] for row in await door.documents("")] == ["doc.md"]
        await door.delete("doc")
        assert await door.documents("") == []
        with pytest.raises(Refused) as refused:
            await door.delete("doc")
    assert refused.value.args[0]["error_code"] == "DOC-007"


async def test_a_file_is_followed_on_its_way_in(client: Application, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# Gnomon\n\nA gnomon casts the shadow of a sundial.\n")
    async with Client(url_of(client), "en") as door:
        states = [state async for state in door.upload("papers/a.md", tmp_path / "a.md")]
        assert states[-1]["state"] == "stored"
        with pytest.raises(RagError) as raised:
            _ = [state async for state in door.upload("b.md", tmp_path / "b.md")]
        assert raised.value.code == "DOC-008"
        with pytest.raises(Refused) as refused:
            _ = [state async for state in door.upload("a.exe", tmp_path / "a.md")]
    assert refused.value.args[0]["error_code"] == "DOC-001"


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
    async with Client(url_of(client), "en") as door:
        assert (await door.loaded())["model"] == "a model"
    assert looks == 3
