"""Every door leads to the same pipeline: the real model's answers and sources are the same through each of them."""

from __future__ import annotations

import http.client
import json
import time
import urllib.request
import uuid
from collections.abc import Callable
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest

from . import socket_client, sse_client
from .conftest import Server
from .socket_client import message, open_socket, until_last

pytestmark = pytest.mark.model

Told = tuple[str, list[dict[str, Any]]]
Door = Callable[[Server, str, str, dict[str, Any]], Told]

PATIENCE = 60.0
QUESTIONS = {"en": "How do I add documents?", "ko": "문서를 어떻게 추가하나요?"}
STORIES = [
    "Tell me everything about documents, models, settings and the protocol, at length.",
    "Describe every setting with its flag and its meaning, one after the other.",
    "Explain step by step how to add documents, in as many words as you can.",
    "Which events does an answer consist of, and which fields does each of them have?",
    "Write a long letter to a friend about all that RAG Standard can do.",
    "List all commands of RAG Standard and say of each what it is for.",
]


def by_socket(server: Server, content: str, session_id: str, options: dict[str, Any]) -> Told:
    with open_socket(server.ws_url, session_id) as socket:
        socket.send(json.dumps(json.loads(message(session_id, content)) | {"options": options}))
        events = until_last(socket)
    return socket_client.answer(events), events[-2]["sources"]


def by_chat(server: Server, content: str, session_id: str, options: dict[str, Any]) -> Told:
    with post(server, "/chat", message=content, session_id=session_id, options=options) as response:
        body = json.load(response)
    return body["answer"], body["sources"]


def by_stream(server: Server, content: str, session_id: str, options: dict[str, Any]) -> Told:
    with post(server, "/chat/stream", message=content, session_id=session_id, options=options) as response:
        events = sse_client.events_in(response.read().decode())
    assert sse_client.names(events) == ["metadata", "chunk", "done"]
    return sse_client.answer(events), events[-1]["sources"]


def by_openai(server: Server, content: str, session_id: str, options: dict[str, Any]) -> Told:
    """It keeps no session, and has no options of ours."""
    asked = [{"role": "user", "content": content}]
    with post(server, "/v1/chat/completions", model="any", messages=asked) as response:
        body = json.load(response)
    return body["choices"][0]["message"]["content"], body["sources"]


# A further door is one line here; those of the first group take options and keep sessions.
OWN: dict[str, Door] = {
    "/chat-ws": by_socket,
    "/chat": by_chat,
    "/chat/stream": by_stream,
}
DOORS: dict[str, Door] = OWN | {
    "/v1/chat/completions": by_openai,
}


def post(server: Server, path: str, **body: Any) -> http.client.HTTPResponse:
    request = urllib.request.Request(
        server.url + path, json.dumps(body).encode(), {"Content-Type": "application/json", "Accept-Language": "en"}
    )
    response: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=PATIENCE)
    return response


def turns(server: Server, session_id: str) -> list[dict[str, Any]]:
    """What the server knows of a session; nothing of one that is unknown."""
    try:
        with urllib.request.urlopen(f"{server.url}/sessions/{session_id}") as response:
            return list(json.load(response)["turns"])
    except urllib.error.HTTPError:
        return []


@pytest.mark.parametrize("answers", ["quote", "free"])
@pytest.mark.parametrize("lang", QUESTIONS)
def test_the_same_question_gets_the_same_answer_and_sources_through_every_door(
    server: Server, lang: str, answers: str
) -> None:
    doors = OWN if answers == "free" else DOORS
    options = {"answers": answers, "max_tokens": 24}
    told = {name: door(server, QUESTIONS[lang], str(uuid.uuid4()), options) for name, door in doors.items()}
    first = told["/chat-ws"]
    assert first[0]
    assert first[1]
    assert told == dict.fromkeys(doors, first)


def test_a_conversation_goes_on_through_every_door(server: Server) -> None:
    session_id = str(uuid.uuid4())
    for name, door in OWN.items():
        door(server, QUESTIONS["en"], session_id, {})
        assert turns(server, session_id)[-1]["question"] == QUESTIONS["en"], name
    assert len(turns(server, session_id)) == len(OWN)


def test_max_tokens_ends_an_answer(server: Server) -> None:
    with post(server, "/chat", message=QUESTIONS["en"], options={"answers": "free", "max_tokens": 5}) as response:
        body = json.load(response)
    assert (body["usage"]["completion_tokens"], body["finish_reason"]) == (5, "length")
    assert body["tokens_used"] == body["usage"]["prompt_tokens"] + 5


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def running(server: Server) -> int:
    with urllib.request.urlopen(f"{server.url}/stats") as response:
        return int(json.load(response)["queue"]["running"])


@pytest.fixture(scope="module")
def story(server: Server) -> tuple[str, str]:
    """A question with a long answer, and how that begins: what the model makes of one changes with the guides."""
    for question in STORIES:
        with post(server, "/chat", message=question, options={"answers": "free", "max_tokens": 48}) as response:
            told = json.load(response)
        if told["finish_reason"] == "length":
            return question, told["answer"]
    raise AssertionError("all answers are short")


def send(server: Server, path: str, **body: Any) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=PATIENCE)
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    return connection


def test_a_client_that_goes_away_while_it_is_answered_frees_the_model(server: Server, story: tuple[str, str]) -> None:
    wait_for(lambda: not running(server))
    question, begins = story
    session_id, options = str(uuid.uuid4()), {"answers": "free", "max_tokens": 48}
    with closing(send(server, "/chat/stream", message=question, session_id=session_id, options=options)) as connection:
        response = connection.getresponse()
        while b"event: chunk" not in response.readline():
            pass
        response.close()
    wait_for(lambda: not running(server))
    (turn,) = turns(server, session_id)
    assert begins.startswith(turn["answer"])
    assert len(turn["answer"]) < len(begins)


@pytest.mark.parametrize("path", ["/chat", "/chat/stream"])
def test_a_client_that_goes_away_while_its_question_is_read_frees_the_model(server: Server, path: str) -> None:
    wait_for(lambda: not running(server))
    session_id = str(uuid.uuid4())
    # Seconds of reading, and not in memory yet.
    long = f"{session_id} " + "How do I add documents? " * 300
    with closing(send(server, path, message=long, session_id=session_id, options={"answers": "free"})):
        wait_for(lambda: running(server))
    wait_for(lambda: not running(server))
    assert turns(server, session_id) == []
