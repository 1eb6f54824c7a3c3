"""OpenAI's API over scripted parts: its shapes, what is refused, what the model gets to read, clients that go away."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from typing import Any

import aiohttp
import numpy as np
import pytest

from rag.errors import RagError
from rag.types import Message
from web import chat_http
from web.keys import ANSWERS
from web.openai_types import ChatRequest, error_body, parsed
from web.state import State

from .app_client import Client, MakeClient, Parts
from .fakes import PATIENCE, until
from .socket_client import is_korean
from .test_app import fail_decode, fail_long, fail_search, fail_unforeseen
from .test_chat_http import Hold, read_until

ASKED = "what is the answer"
CHAT, EMBEDDINGS = "/v1/chat/completions", "/v1/embeddings"

Body = dict[str, Any]


def user(content: Any = ASKED) -> Body:
    return {"role": "user", "content": content}


async def post(client: Client, path: str = CHAT, lang: str = "en", **body: Any) -> aiohttp.ClientResponse:
    if path == CHAT:
        body = {"model": "any", "messages": [user()]} | body
    return await client.post(path, json=body, headers={"Accept-Language": lang})


async def asked(client: Client, **body: Any) -> Body:
    response = await post(client, **body)
    assert response.status == 200, await response.text()
    answer: Body = await response.json()
    return answer


def data_in(text: str) -> list[Any]:
    """What a stream that has ended holds: each is one line `data:`, the last of an answer is not JSON."""
    assert text.endswith("\n\n")
    lines = [line for line in text.removesuffix("\n\n").split("\n\n") if not line.startswith(":")]
    assert all(line.startswith("data: ") and "\n" not in line for line in lines)
    found = [line.removeprefix("data: ") for line in lines]
    return [each if each == "[DONE]" else json.loads(each) for each in found]


async def streamed(client: Client, **body: Any) -> list[Any]:
    async with asyncio.timeout(PATIENCE):
        return data_in(await (await post(client, stream=True, **body)).text())


# Models.


async def test_both_models_are_listed_and_each_can_be_asked_for(client: Client) -> None:
    listed = await (await client.get("/v1/models")).json()
    assert listed["object"] == "list"
    assert [model["id"] for model in listed["data"]] == ["scripted", "hashed words"]
    for model in listed["data"]:
        assert (model["object"], type(model["created"]), type(model["owned_by"])) == ("model", int, str)
        assert await (await client.get(f"/v1/models/{model['id']}")).json() == model


async def test_a_name_of_a_model_may_hold_a_slash(parts: Parts, aiohttp_client: MakeClient) -> None:
    client = await aiohttp_client(parts.app(State(model="maker/model 1")))
    assert (await (await client.get("/v1/models/maker/model%201")).json())["id"] == "maker/model 1"


# Answers.


async def test_an_answer_is_a_completion_with_sources_and_usage(parts: Parts, client: Client) -> None:
    body = await asked(client, model="gpt-4o")
    prompt = parts.generator.count(parts.generator.prompts[0])
    (source,) = body.pop("sources")
    assert source["content"] == "the answer to all questions is 42"
    assert source["metadata"]["cited"]
    assert body.pop("id").startswith("chatcmpl-")
    assert isinstance(body.pop("created"), int)
    assert body == {
        "object": "chat.completion",
        "model": "scripted",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": parts.generator.reply, "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": prompt,
            "completion_tokens": 5,
            "total_tokens": prompt + 5,
            "prompt_tokens_details": {"cached_tokens": 0},
        },
    }


async def test_a_stream_says_the_same_in_chunks_with_the_sources_on_the_last(client: Client) -> None:
    whole = await asked(client)
    response = await post(client, stream=True)
    assert response.headers["Content-Type"] == "text/event-stream"
    assert response.headers["Cache-Control"] == "no-cache"
    *chunks, done = data_in(await response.text())
    assert done == "[DONE]"
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert {(chunk["object"], chunk["model"]) for chunk in chunks} == {("chat.completion.chunk", "scripted")}
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert deltas[0] == {"role": "assistant", "content": ""}
    said = "".join(delta["content"] for delta in deltas[1:-1])
    assert said == whole["choices"][0]["message"]["content"]
    assert deltas[-1] == {}
    reasons = [chunk["choices"][0]["finish_reason"] for chunk in chunks]
    assert reasons == [None] * (len(chunks) - 1) + ["stop"]
    assert [chunk.get("sources") for chunk in chunks] == [None] * (len(chunks) - 1) + [whole["sources"]]
    assert not any("usage" in chunk for chunk in chunks)


async def test_usage_comes_last_in_a_stream_that_asks_for_it(client: Client) -> None:
    usage = (await asked(client))["usage"]
    *chunks, last, done = await streamed(client, stream_options={"include_usage": True})
    assert done == "[DONE]"
    assert (last["choices"], last["usage"]) == ([], usage)
    assert all(chunk["usage"] is None for chunk in chunks)


async def test_an_answer_without_the_model_is_counted_too(parts: Parts, client: Client) -> None:
    body = await asked(client, messages=[user("hello")])
    assert parts.generator.prompts == []
    said = len(body["choices"][0]["message"]["content"].split())
    assert (body["usage"]["prompt_tokens"], body["usage"]["completion_tokens"]) == (0, said)
    assert body["sources"] == []


async def test_nothing_is_kept(parts: Parts, client: Client) -> None:
    await asked(client)
    assert parts.sessions._db.execute("SELECT COUNT(*) FROM turns").fetchone() == (0,)
    assert not len(client.app[ANSWERS])


async def test_a_content_may_come_in_parts(parts: Parts, client: Client) -> None:
    pieces = [{"type": "text", "text": "what is"}, {"type": "text", "text": "the answer"}]
    await asked(client, messages=[user(pieces)])
    assert parts.generator.prompts[0][-1].content.endswith("Question: what is\nthe answer")


async def test_the_messages_before_are_the_conversation_and_the_system_message_a_wish(
    parts: Parts, client: Client
) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "assistant", "content": "How can I help?"},
        user("what is the answer to all"),
        {"role": "assistant", "content": "It is 42 [1]."},
        user("an answer that failed"),
        {"role": "developer", "content": "Rhyme."},
        user(),
    ]
    await asked(client, messages=messages)
    system, question, answer, last = parts.generator.prompts[0]
    assert system.content.endswith("\n\nBe brief.\n\nRhyme.")
    assert [message.role for message in (system, question, answer, last)] == ["system", "user", "assistant", "user"]
    # As the model read it, with its passages, so that its memory of the prompt can be used again.
    assert question.content.endswith("Question: what is the answer to all")
    assert question.content.startswith("[1] Title")
    assert answer.content == "It is 42 [1]."


async def test_without_retrieval_the_model_reads_exactly_the_messages(parts: Parts, client: Client) -> None:
    messages = [{"role": "system", "content": "Be brief."}, user("hello"), user("hello again")]
    body = await asked(client, messages=messages, retrieval=False)
    assert parts.generator.prompts == [
        [Message("system", "Be brief."), Message("user", "hello"), Message("user", "hello again")]
    ]
    assert body["choices"][0]["message"]["content"] == parts.generator.reply
    assert body["sources"] == []
    assert parts.embedder.texts == []
    assert parts.generator.samplings[0].stop == ()
    last = (await streamed(client, messages=messages, retrieval=False))[-2]
    assert last["sources"] == []


async def test_sampling_is_as_asked_for_or_else_as_the_server_is_set(parts: Parts, client: Client) -> None:
    wish = {"temperature": 0.5, "top_p": 0.7, "max_tokens": 9, "max_completion_tokens": 8, "seed": -3}
    await asked(
        client, **wish, stop=["END", "###"], user="u", frequency_penalty=1, n=1, response_format={"type": "text"}
    )
    sampling = parts.generator.samplings[-1]
    assert (sampling.temperature, sampling.top_p, sampling.max_tokens, sampling.seed) == (0.5, 0.7, 8, -3)
    assert sampling.stop == ("END", "###", "\nQuestion:")
    await asked(client, stop="END", temperature=None, max_tokens=None)
    sampling = parts.generator.samplings[-1]
    assert (sampling.temperature, sampling.top_p, sampling.max_tokens) == (0.0, 0.95, 512)
    assert sampling.stop == ("END", "\nQuestion:")
    await asked(client, ignore_eos=True)
    sampling = parts.generator.samplings[-1]
    assert (sampling.ignore_end, sampling.stop) == (True, ())
    assert parts.generator.samplings[0].seed != parts.generator.samplings[1].seed


# What is refused.

REFUSED: dict[str, tuple[Body, str]] = {
    "no messages": ({"messages": None}, "messages"),
    "empty messages": ({"messages": []}, "messages"),
    "a message of text": ({"messages": ["a"]}, "messages.0"),
    "no role": ({"messages": [{"content": "a"}]}, "messages.0.role"),
    "a tool's message": ({"messages": [{"role": "tool", "content": "a"}, user()]}, "messages.0.role"),
    "a picture": ({"messages": [user([{"type": "image_url", "image_url": {"url": "x"}}])]}, "messages.0.content"),
    "no content": ({"messages": [{"role": "user"}]}, "messages.0.content"),
    "half a character": ({"messages": [user("a\ud800")]}, "messages.0.content"),
    "half a character in a part": ({"messages": [user([{"type": "text", "text": "\ud800"}])]}, "messages.0.content"),
    "a blank question": ({"messages": [user("a"), user(" ")]}, "messages.1.content"),
    "a long question": ({"messages": [user("가" * 10_001)]}, "messages.0.content"),
    "an answer last": ({"messages": [user(), {"role": "assistant", "content": "a"}]}, "messages"),
    "too hot": ({"temperature": 2.1}, "temperature"),
    "no number": ({"top_p": "1"}, "top_p"),
    "no tokens": ({"max_tokens": 0}, "max_tokens"),
    "endless": ({"max_completion_tokens": -1}, "max_completion_tokens"),
    "five stops": ({"stop": list("abcde")}, "stop"),
    "an empty stop": ({"stop": [""]}, "stop"),
    "a broken stop": ({"stop": "\ud800"}, "stop"),
    "a worded seed": ({"seed": "1"}, "seed"),
    "two answers": ({"n": 2}, "n"),
    "a worded flag": ({"stream": "yes"}, "stream"),
    "a worded option": ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
    "retrieval of no kind": ({"retrieval": 0}, "retrieval"),
    "tools": ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
    "log probabilities": ({"logprobs": True}, "logprobs"),
    "JSON alone": ({"response_format": {"type": "json_object"}}, "response_format"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_cannot_be_done_is_refused_with_the_field(parts: Parts, client: Client, name: str) -> None:
    body, field = REFUSED[name]
    for lang in ("en", "ko"):
        response = await post(client, CHAT, lang, **body)
        error = (await response.json())["error"]
        assert response.status == 400
        assert (error["code"], error["param"]) == ("WS-002-VALIDATION_ERROR", field)
        assert error["type"] == "invalid_request_error"
        assert f"'{field}'" in error["message"]
        assert is_korean(error["message"]) == (lang == "ko")
    assert parts.generator.prompts == []


def test_a_rule_says_what_is_wrong_with_a_text() -> None:
    with pytest.raises(RagError, match="rule:surrogate"):
        parsed(ChatRequest, {"messages": [user("a\ud800")]})
    with pytest.raises(RagError, match="rule:parts"):
        parsed(ChatRequest, {"messages": [user(5)]})


async def test_a_template_that_does_not_take_the_messages_is_no_failure_of_the_model(
    parts: Parts, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def count(messages: object) -> int:
        raise RagError("GEN-002", file="m.gguf", reason="chat template: roles must alternate", directory=".")

    monkeypatch.setattr(parts.generator, "count", count)
    response = await post(client, retrieval=False)
    error = (await response.json())["error"]
    assert (response.status, error["param"]) == (400, "messages")
    assert "chat template" in error["message"]


async def test_every_error_below_v1_has_openais_shape(parts: Parts, client: Client) -> None:
    async def told(response: aiohttp.ClientResponse) -> tuple[int, str]:
        body = await response.json()
        assert body.keys() == {"error", "request_id"}
        assert {"message", "type", "param", "code"} <= body["error"].keys()
        return response.status, body["error"]["code"]

    assert await told(await client.get("/v1/nowhere")) == (404, "HTTP-404")
    assert await told(await client.get("/v1")) == (404, "HTTP-404")
    assert await told(await client.get("/v1/models/unknown")) == (404, "HTTP-404")
    refusal = await client.get(CHAT)
    assert "POST" in refusal.headers["Allow"]
    assert await told(refusal) == (405, "HTTP-405")
    assert await told(await client.get("/v1/models", headers={"Host": "evil.example"})) == (403, "AUTH-003")
    json_type = {"Content-Type": "application/json"}
    assert await told(await client.post(CHAT, data=b"x" * (2 << 20), headers=json_type)) == (413, "HTTP-413")
    assert await told(await client.post(CHAT, data=b"{", headers=json_type)) == (400, "WS-001-INVALID_JSON")
    assert await told(await client.post(CHAT, data=b"{}", headers={"Content-Type": "text/plain"})) == (415, "HTTP-415")
    fail_unforeseen(parts)
    assert await told(await post(client)) == (500, "WS-999-INTERNAL_ERROR")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RagError("HTTP-404", path="/v1/x"), "invalid_request_error"),
        (RagError("HTTP-413"), "invalid_request_error"),
        (RagError("AUTH-003", name="Host", value="x"), "permission_error"),
        (RagError("WS-999-INTERNAL_ERROR"), "server_error"),
        (RagError("WS-003-SERVICE_NOT_INITIALIZED"), "server_error"),
    ],
    ids=str,
)
def test_an_error_names_its_kind(error: RagError, kind: str) -> None:
    assert error_body(error, "en")["error"]["type"] == kind


def test_the_message_of_an_error_says_what_to_do() -> None:
    text = error_body(RagError("GEN-004", seconds=7), "en")["error"]["message"]
    assert "about 7 s" in text
    assert "Send the message again" in text


FAILURES: dict[str, tuple[int, Callable[[Parts], None]]] = {
    "GEN-003": (413, fail_long),
    "SEARCH-001": (500, fail_search),
    "WS-999-INTERNAL_ERROR": (500, fail_unforeseen),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("code", FAILURES)
async def test_what_fails_before_the_first_word_leaves_with_its_status(
    parts: Parts, client: Client, code: str, stream: bool
) -> None:
    status, fail = FAILURES[code]
    fail(parts)
    response = await post(client, stream=stream)
    assert (response.status, (await response.json())["error"]["code"]) == (status, code)


@pytest.mark.parametrize("path", [CHAT, EMBEDDINGS])
async def test_while_the_models_load_it_says_so(parts: Parts, aiohttp_client: MakeClient, path: str) -> None:
    client = await aiohttp_client(parts.app(State()))
    response = await post(client, path, **({"input": "a"} if path == EMBEDDINGS else {}))
    assert (response.status, (await response.json())["error"]["type"]) == (503, "server_error")


async def test_what_fails_later_is_the_last_data_of_the_stream(parts: Parts, client: Client) -> None:
    hold = Hold(parts, 1)
    response = await post(client, stream=True)
    begun = await read_until(response, b'"The"')
    fail_decode(parts)
    hold.go_on.set()
    *_, word, last = data_in((begun + await response.read()).decode())
    assert word["choices"][0]["delta"]["content"] == " answer"
    assert last["error"]["code"] == "GEN-999"
    assert (await post(client)).status == 500


# Clients that go away.


async def test_a_client_that_goes_away_stops_its_stream_within_a_token(parts: Parts, client: Client) -> None:
    hold = Hold(parts, 3)
    response = await post(client, stream=True)
    await until(lambda: hold.said == 4)
    response.close()
    await until(lambda: not len(client.app[ANSWERS]))
    hold.go_on.set()
    await asked(client, messages=[user("hello")])
    assert hold.said == 4


async def test_a_client_that_goes_away_stops_an_answer_that_it_would_get_whole(parts: Parts, client: Client) -> None:
    hold = Hold(parts, 3)
    asking = asyncio.create_task(post(client))
    await until(lambda: hold.said == 4)
    asking.cancel()
    await until(lambda: not len(client.app[ANSWERS]))
    hold.go_on.set()
    await asked(client, messages=[user("hello")])
    assert hold.said == 4


async def test_a_client_that_stops_reading_is_dropped(
    parts: Parts, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat_http, "SEND_TIMEOUT", 0.2)
    parts.generator.reply = " ".join(["x" * 200_000] * 101)
    hold = Hold(parts, 100)
    response = await post(client, stream=True)
    await until(lambda: not len(client.app[ANSWERS]))
    hold.go_on.set()
    with pytest.raises(aiohttp.ClientError):
        await response.read()


# Embeddings.


async def test_embeddings_come_in_order_as_numbers_or_packed(parts: Parts, client: Client) -> None:
    texts = [f"text number {number}" for number in range(20)]
    body = await (await post(client, EMBEDDINGS, input=texts)).json()
    assert (body["object"], body["model"]) == ("list", "hashed words")
    assert [row["index"] for row in body["data"]] == list(range(20))
    for text, row in zip(texts, body["data"], strict=True):
        assert np.allclose(row["embedding"], parts.embedder.vector(text))
    assert body["usage"] == {"prompt_tokens": 60, "total_tokens": 60}
    packed = await (await post(client, EMBEDDINGS, input=texts, encoding_format="base64", dimensions=64)).json()
    for plain, row in zip(body["data"], packed["data"], strict=True):
        assert np.frombuffer(base64.b64decode(row["embedding"]), "<f4").tolist() == plain["embedding"]
    single = await (await post(client, EMBEDDINGS, input=texts[0])).json()
    assert single["data"] == body["data"][:1]


async def test_many_texts_may_be_more_than_other_bodies(client: Client) -> None:
    texts = ["word " * 200] * 2048
    response = await post(client, EMBEDDINGS, input=texts)
    assert len((await response.json())["data"]) == 2048
    assert (await post(client, EMBEDDINGS, input=["word " * 500] * 2048)).status == 413


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({}, 400, "input"),
        ({"input": ""}, 400, "input"),
        ({"input": []}, 400, "input"),
        ({"input": ["a", ""]}, 400, "input"),
        ({"input": [1, 2]}, 400, "input"),
        ({"input": [[1, 2]]}, 400, "input"),
        ({"input": ["a"] * 2049}, 400, "input"),
        ({"input": "\ud800"}, 400, "input"),
        ({"input": "a", "dimensions": 63}, 400, "dimensions"),
        ({"input": "a", "encoding_format": "int8"}, 400, "encoding_format"),
        ({"input": ["a", "word " * 255]}, 413, None),
    ],
)
async def test_what_cannot_be_embedded_is_refused(
    parts: Parts, client: Client, body: Body, status: int, field: str | None
) -> None:
    response = await post(client, EMBEDDINGS, **body)
    error = (await response.json())["error"]
    assert (response.status, error["param"]) == (status, field)
    if field is None:
        assert error["code"] == "EMBED-001"
        assert "Text number 2" in error["message"]
        assert "255 tokens, at most 254" in error["message"]
    assert parts.embedder.texts == []


async def test_a_client_that_goes_away_ends_its_embeddings(parts: Parts, client: Client) -> None:
    parts.embedder.wait = asyncio.Event()
    asking = asyncio.create_task(post(client, EMBEDDINGS, input=["a"] * 100))
    await until(lambda: parts.embedder.texts)
    asking.cancel()
    server = client.server.handler
    assert server is not None
    await until(lambda: not server.connections)
    parts.embedder.wait.set()
    await (await post(client, EMBEDDINGS, input="last")).read()
    assert len(parts.embedder.texts) < 100
