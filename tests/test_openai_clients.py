"""The field's own clients of OpenAI's API against the running server, and the guide's examples."""

from __future__ import annotations

import contextlib
import io
import json
import socket
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

from .conftest import Server
from .fakes import PATIENCE
from .guides import block, blocks
from .socket_client import answer, ask, message, open_socket, until_last

pytestmark = pytest.mark.model

QUESTION = "Which file types can RAG Standard read?"
FOLLOW_UP = "And how large may they be?"
CAPITAL = "What is the capital of France?"


@pytest.fixture(autouse=True)
def nothing_leaves_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = socket.socket.connect

    def checked(self: socket.socket, address: Any) -> None:
        assert self.family == socket.AF_UNIX or address[0] in ("127.0.0.1", "::1"), address
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", checked)
    monkeypatch.setenv("LANGSMITH_TRACING", "false")
    monkeypatch.setenv("LANGCHAIN_TRACING_V2", "false")
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def client(server: Server) -> Iterator[openai.OpenAI]:
    english = {"Accept-Language": "en"}
    with openai.OpenAI(
        base_url=f"{server.url}/v1", api_key="none", max_retries=0, default_headers=english
    ) as connected:
        yield connected


def user(content: str) -> Any:
    return {"role": "user", "content": content}


def bare(client: openai.OpenAI, **fields: Any) -> Any:
    extra = {"retrieval": False} | fields.pop("extra_body", {})
    return client.chat.completions.create(model="m", messages=[user(CAPITAL)], extra_body=extra, **fields)


def sources_of(events: list[dict[str, Any]]) -> Any:
    return next(event["sources"] for event in events if event["type"] == "stream_sources")


def running(server: Server) -> int:
    """Questions that are being answered."""
    with urllib.request.urlopen(f"{server.url}/stats", timeout=30) as response:
        return int(json.load(response)["queue"]["running"])


def until_idle(server: Server) -> None:
    deadline = time.monotonic() + 3 * PATIENCE
    while running(server):
        assert time.monotonic() < deadline, "the answer goes on"
        time.sleep(0.05)


def test_an_answer_is_that_of_the_socket_with_the_same_sources(client: openai.OpenAI, server: Server) -> None:
    events = ask(server.ws_url, QUESTION)
    whole = client.chat.completions.create(model="any", messages=[user(QUESTION)])
    assert whole.choices[0].message.content == answer(events)
    assert whole.choices[0].finish_reason == "stop"
    assert whole.sources == sources_of(events)  # type: ignore[attr-defined]
    assert whole.usage is not None
    assert whole.usage.completion_tokens > 10
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens
    assert whole.model == client.models.list().data[0].id
    chunks = list(
        client.chat.completions.create(
            model="any", messages=[user(QUESTION)], stream=True, stream_options={"include_usage": True}
        )
    )
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert said == answer(events)
    assert chunks[-2].sources == sources_of(events)  # type: ignore[attr-defined]
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens


def test_a_follow_up_question_is_answered_as_in_a_session(client: openai.OpenAI, server: Server) -> None:
    with open_socket(server.ws_url, "openai-follow-up") as connected:
        told = []
        for number, question in enumerate((QUESTION, FOLLOW_UP)):
            connected.send(message("openai-follow-up", question, f"m{number}"))
            told.append(until_last(connected, [f"m{number}"]))
    before = [user(QUESTION), {"role": "assistant", "content": answer(told[0])}]
    whole = client.chat.completions.create(model="any", messages=[*before, user(FOLLOW_UP)])
    assert whole.choices[0].message.content == answer(told[1])
    assert whole.sources == sources_of(told[1])  # type: ignore[attr-defined]
    alone = client.chat.completions.create(model="any", messages=[user(FOLLOW_UP)])
    assert alone.choices[0].message.content != answer(told[1])


def test_the_bare_model_ends_by_itself_by_its_limit_or_by_a_stop_text(client: openai.OpenAI) -> None:
    whole = bare(client, max_tokens=200, stop="\n")
    assert whole.sources == []
    short = bare(client, max_tokens=8)
    assert (short.usage.completion_tokens, short.choices[0].finish_reason) == (8, "length")
    text = short.choices[0].message.content
    assert whole.choices[0].message.content.startswith(text)
    word = text.split()[1]
    stopped = bare(client, max_tokens=8, stop=[word])
    assert stopped.choices[0].message.content == text[: text.index(word)]
    assert stopped.choices[0].finish_reason == "stop"


def test_an_end_that_is_ignored_is_never_said(client: openai.OpenAI) -> None:
    asked = [user("Say yes.")]
    plain = client.chat.completions.create(model="m", messages=asked, max_tokens=150, extra_body={"retrieval": False})
    assert plain.choices[0].finish_reason == "stop"
    assert plain.usage is not None
    assert plain.usage.completion_tokens < 150
    on = client.chat.completions.create(
        model="m", messages=asked, max_tokens=150, extra_body={"retrieval": False, "ignore_eos": True}
    )
    assert on.usage is not None
    assert (on.usage.completion_tokens, on.choices[0].finish_reason) == (150, "length")
    assert (on.choices[0].message.content or "").startswith(plain.choices[0].message.content or "-")
    assert "<|im_end|>" not in (on.choices[0].message.content or "")


def test_a_seed_repeats_itself_and_without_one_answers_vary(client: openai.OpenAI) -> None:
    def said(**fields: Any) -> str:
        return str(bare(client, max_tokens=24, temperature=1.5, top_p=1, **fields).choices[0].message.content)

    assert said(seed=7) == said(seed=7)
    assert len({said() for _ in range(4)}) > 1


def test_embeddings_are_the_same_packed_or_not_and_near_for_what_is_alike(client: openai.OpenAI) -> None:
    texts = ["The pump is loud.", "The motor makes noise.", "Bread needs flour and salt."]
    packed = client.embeddings.create(model="m", input=texts)
    plain = client.embeddings.create(model="m", input=texts, encoding_format="float")
    assert packed.model == plain.model == client.models.list().data[1].id
    vectors = [row.embedding for row in plain.data]
    for row, vector in zip(packed.data, vectors, strict=True):
        assert row.embedding == pytest.approx(vector, abs=1e-6)

    def cosine(a: int, b: int) -> float:
        return sum(x * y for x, y in zip(vectors[a], vectors[b], strict=True))

    assert cosine(0, 0) == pytest.approx(1, abs=1e-5)
    assert cosine(0, 1) > cosine(0, 2)


def test_errors_are_those_of_the_package(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="m", messages=[user("a")], n=2)
    assert (refused.value.code, refused.value.param) == ("WS-002-VALIDATION_ERROR", "n")
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("unknown")
    with pytest.raises(openai.BadRequestError, match="numbers of tokens"):
        client.embeddings.create(model="m", input=[[1, 2]])
    with pytest.raises(openai.APIStatusError) as long:
        client.embeddings.create(model="m", input="word " * 300)
    assert (long.value.status_code, long.value.code) == (413, "EMBED-001")


def test_a_client_that_goes_away_frees_the_model(client: openai.OpenAI, server: Server) -> None:
    endless = {"max_tokens": 1 << 20, "extra_body": {"ignore_eos": True}}
    stream = bare(client, stream=True, **endless)
    assert next(iter(stream)).choices
    assert running(server) == 1
    stream.close()
    until_idle(server)
    with pytest.raises(openai.APITimeoutError):
        bare(client.with_options(timeout=1.0), **endless)
    until_idle(server)


def test_langchain_chats_streams_and_embeds(server: Server) -> None:
    url = f"{server.url}/v1"
    llm = ChatOpenAI(base_url=url, api_key="none", model="m")  # type: ignore[arg-type]
    whole = llm.invoke([("system", "Be brief."), ("human", QUESTION)])
    assert whole.content == answer(ask(server.ws_url, QUESTION))
    assert whole.usage_metadata is not None
    assert whole.usage_metadata["output_tokens"] > 10
    assert "".join(str(piece.content) for piece in llm.stream(QUESTION)) == whole.content
    embeddings = OpenAIEmbeddings(base_url=url, api_key="none", model="m", check_embedding_ctx_length=False)  # type: ignore[arg-type]
    assert len(embeddings.embed_query("pump")) == 384
    assert len(embeddings.embed_documents(["pump", "motor"])) == 2


# The guide.


PYTHON = sorted({each.heading for each in blocks("09-openai", "en") if each.kind == "python"})


@pytest.mark.guide("09-openai", "How to use the Python package openai")
@pytest.mark.guide("09-openai", "How to stream an answer to an OpenAI client")
@pytest.mark.guide("09-openai", "How to use LangChain with RAG Standard")
@pytest.mark.guide("09-openai", "How to ask the model without documents")
@pytest.mark.guide("09-openai", "Embeddings for OpenAI clients")
@pytest.mark.guide("09-openai", "Errors for OpenAI clients")
@pytest.mark.parametrize("heading", PYTHON)
def test_every_python_example_of_the_guide_runs(server: Server, heading: str) -> None:
    code = block("09-openai", heading).text.replace("http://127.0.0.1:8000", server.url)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "09-openai.md", "exec"), {})
    assert len(printed.getvalue()) > 10
