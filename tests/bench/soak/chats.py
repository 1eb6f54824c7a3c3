"""Clients of `/chat-ws` that behave as people, networks and programs do."""

from __future__ import annotations

import json
import random
import socket as sockets
import struct
import time
import uuid
from typing import Any

import aiohttp

from .files import KOREAN_THINGS, THINGS
from .run import Client, Run, Unexpected, http

LAST = ("stream_end", "stream_error")
FOLLOW_UPS = (
    ("And how much does it weigh?", "그럼 무게는 얼마입니까?"),
    ("What else is said of it?", "더 알려 주세요."),
)
GENERAL = (
    ("How do I add documents?", "문서는 어떻게 추가합니까?"),
    ("Which models does RAG Standard use?", "RAG Standard는 어떤 모델을 씁니까?"),
    ("What is this document about?", "이 문서는 무엇에 관한 것입니까?"),
    ("Hello!", "안녕하세요!"),
    ("Who won the chess game on the moon in 1851?", "1851년 달에서 체스를 이긴 사람은 누구입니까?"),
)
BAD_FRAMES = ("{", "[]", '{"type": "message"}', '{"type": "dance"}', "\ud55c\uae00", '{"type": "cancel"}')
# How answers are read, and how often.
WAYS = (("whole", 60), ("cancel", 14), ("resume", 12), ("leave", 4), ("goodbye", 4), ("reset", 3), ("bad frame", 6))


class Chatter(Client):
    """Each act is one conversation of some questions on one socket, or on more where it breaks."""

    def __init__(self, run: Run, name: str) -> None:
        self.run = run
        self.chance = run.chance(f"chat {name}")

    async def act(self) -> None:
        session_id = str(uuid.UUID(int=self.chance.getrandbits(128), version=4))
        lang = self.chance.choice((0, 1))
        mode = self.chance.choice(("free", "quote", "quote", ""))
        early = self.chance.choice(("", "&sources=early"))
        self.query = f"session_id={session_id}&lang={('en', 'ko')[lang]}&answers={mode}{early}"
        async with http() as client:
            self.client = client
            socket = await self.connect()
            for number in range(self.chance.choice((1, 1, 2, 3, 5))):
                if self.run.over:
                    break
                (way,) = self.chance.choices(*zip(*WAYS, strict=True))
                await self.ask(socket, session_id, self.question(number, lang), mode or "auto", way)
                if socket.closed or way in ("leave", "goodbye", "reset", "resume"):
                    await socket.close()
                    socket = await self.connect()
            await socket.close()
            if self.chance.random() < 0.5:
                async with client.delete(f"{self.run.url}/sessions/{session_id}") as response:
                    if response.status not in (204, 404):
                        raise Unexpected(f"a session is not deleted: {response.status}")
                self.run.done["session deleted"] += 1

    async def connect(self) -> aiohttp.ClientWebSocketResponse:
        return await self.client.ws_connect(f"{self.run.ws_url}?{self.query}", max_msg_size=0)

    def question(self, number: int, lang: int) -> str:
        if number and self.chance.random() < 0.6:
            return self.chance.choice(FOLLOW_UPS)[lang]
        if self.run.facts and self.chance.random() < 0.6:
            asked = self.chance.choice(list(self.run.facts.values())).questions[lang]
            return asked if self.chance.random() < 0.9 else self.long(asked)
        return self.chance.choice(GENERAL)[lang]

    def long(self, asked: str) -> str:
        words = [*THINGS, *KOREAN_THINGS]
        return f"{' '.join(self.chance.choices(words, k=200))}. {asked}"

    async def ask(
        self, socket: aiohttp.ClientWebSocketResponse, session_id: str, content: str, mode: str, way: str
    ) -> None:
        message_id = str(uuid.UUID(int=self.chance.getrandbits(128), version=4))
        if way == "bad frame":
            await self.misbehave(socket)
        frame = {"type": "message", "message_id": message_id, "content": content, "session_id": session_id}
        begun = time.monotonic()
        await socket.send_json(frame)
        events: list[dict[str, Any]] = []
        limit = self.chance.randrange(0, 8) if way in ("cancel", "resume", "leave", "goodbye", "reset") else 1 << 30
        first = 0.0
        while not events or events[-1]["type"] not in LAST:
            if len(events) >= limit:
                limit = 1 << 30
                if way == "cancel":
                    await socket.send_json({"type": "cancel", "message_id": message_id})
                else:
                    break_off(socket, way)
                    if way == "goodbye":
                        await socket.close(code=self.chance.choice((1000, 1001)))
                    if way != "resume":
                        self.run.done[f"chat {way}"] += 1
                        return
                    await socket.close()
                    socket = await self.connect()
                    index = sum(event["type"] == "stream_token" for event in events)
                    await socket.send_json({"type": "resume", "message_id": message_id, "next_index": index})
            event = await next_event(socket)
            first = first or (time.monotonic() if event["type"] == "stream_token" else 0)
            events.append(event)
        self.run.done[f"chat {way}"] += 1
        if events[-1]["type"] == "stream_error":
            raise Unexpected(f"{way}: {events[-1]['error_code']} for {content[:80]!r}")
        if way == "whole":
            self.run.took(f"chat {mode}: whole", time.monotonic() - begun)
            if first:
                self.run.took(f"chat {mode}: first token", first - begun)
        if way == "resume":
            await socket.close()

    async def misbehave(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        if self.chance.random() < 0.3:
            await socket.send_bytes(b"\0\1")
        else:
            await socket.send_str(self.chance.choice(BAD_FRAMES))
        event = await next_event(socket)
        if event["type"] != "stream_error" or not event["error_code"].startswith("WS-00"):
            raise Unexpected(f"a bad frame got {event}")
        self.run.provoked[event["error_code"]] += 1


def break_off(socket: aiohttp.ClientWebSocketResponse, way: str) -> None:
    """End the connection without a goodbye: by FIN, or by RST."""
    if way == "goodbye":
        return
    connection = socket.get_extra_info("socket")
    assert connection is not None
    if way == "reset":
        connection.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, struct.pack("ii", 1, 0))
    else:
        connection.shutdown(sockets.SHUT_RDWR)


async def next_event(socket: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    frame = await socket.receive()
    if frame.type is not aiohttp.WSMsgType.TEXT:
        raise Unexpected(f"the socket ended: {frame.type.name} {frame.data}")
    event: dict[str, Any] = json.loads(frame.data)
    return event


def chatters(run: Run, count: int) -> dict[str, Client]:
    return {f"chat {number}": Chatter(run, str(number)) for number in range(count)}


def choose(chance: random.Random, weighted: dict[str, float]) -> str:
    return chance.choices(list(weighted), list(weighted.values()))[0]
