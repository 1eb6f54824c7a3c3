"""The clients. Several chats at once, each asking one question after the other; times as a client sees them.

Both parsers look at as little as they can: they share the cores with the server.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import aiohttp

T = TypeVar("T")
Prompt = list[int]

TOKEN = '{"type":"stream_token"'
SOURCES = '{"type":"stream_sources"'
LAST = ('{"type":"stream_end"', '{"type":"stream_error"')
NO_LIMIT = aiohttp.ClientTimeout(total=None)


@dataclass(frozen=True, slots=True)
class Timing:
    """One answer. Times are of `time.perf_counter`; `last` is when its text was complete."""

    submitted: float
    first: float
    last: float
    ended: float
    tokens: int
    prompt: int
    cached: int
    reason: str
    text: str = ""

    @property
    def ttft(self) -> float:
        return self.first - self.submitted

    @property
    def speed(self) -> float:
        """Tokens per second between the first and the last token."""
        return (self.tokens - 1) / (self.last - self.first) if self.last > self.first else 0.0


Timings = list[list[Timing]]


def p95(values: Sequence[float]) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]


def summary(timings: Timings) -> dict[str, float]:
    """Throughput over the wall time and times to the first token."""
    every = [timing for chat in timings for timing in chat]
    wall = max(timing.ended for timing in every) - min(timing.submitted for timing in every)
    tokens = sum(timing.tokens for timing in every)
    return {
        "tokens_per_s": round(tokens / wall, 2),
        "wall_s": round(wall, 3),
        "tokens": tokens,
        "prompt_tokens": sum(timing.prompt for timing in every),
        "cached_tokens": sum(timing.cached for timing in every),
        "ttft_ms_median": round(1000 * statistics.median(timing.ttft for timing in every), 1),
        "ttft_ms_p95": round(1000 * p95([timing.ttft for timing in every]), 1),
    }


def run(work: Awaitable[T], limit: float) -> T:
    """Run one measurement from blocking code, in bounded time."""

    async def bounded() -> T:
        return await asyncio.wait_for(work, limit)

    return asyncio.run(bounded())


# /chat-ws


async def ask(
    socket: aiohttp.ClientWebSocketResponse, session_id: str, text: str, mark: Callable[[], None] | None = None
) -> Timing:
    """One question. `mark` is called with the first and the last token. Raises `RuntimeError` if it fails."""
    frame = {"type": "message", "message_id": uuid.uuid4().hex, "content": text, "session_id": session_id}
    first = last = 0.0
    said: list[str] = []
    submitted = time.perf_counter()
    await socket.send_str(json.dumps(frame))
    while True:
        event = await socket.receive_str()
        if event.startswith(TOKEN):
            said.append(event)
            if not first:
                first = time.perf_counter()
                if mark:
                    mark()
        elif event.startswith(SOURCES):
            last = time.perf_counter()
            if mark:
                mark()
        elif event.startswith(LAST):
            break
    ended = time.perf_counter()
    end = json.loads(event)
    if end["type"] == "stream_error":
        raise RuntimeError(event)
    usage = end["usage"]
    return Timing(
        submitted,
        first or last,
        last,
        ended,
        usage["completion_tokens"],
        usage["prompt_tokens"],
        usage["cached_tokens"],
        end["finish_reason"],
        "".join(json.loads(token)["token"] for token in said),
    )


async def ask_and_cancel(client: aiohttp.ClientSession, text: str, tokens: int = 3) -> float | None:
    """Ask in a session of its own, and cancel after some tokens.

    Seconds from sending the cancel to the last event; None if the answer was over before. Raises `RuntimeError`
    if it fails.
    """
    session_id, message_id = uuid.uuid4().hex, uuid.uuid4().hex
    frame = {"type": "message", "message_id": message_id, "content": text, "session_id": session_id}
    seen, sent = 0, 0.0
    async with client.ws_connect(f"/chat-ws?session_id={session_id}") as socket:
        await socket.send_str(json.dumps(frame))
        while True:
            event = await socket.receive_str()
            seen += event.startswith(TOKEN)
            if seen == tokens and not sent:
                sent = time.perf_counter()
                await socket.send_str(json.dumps({"type": "cancel", "message_id": message_id}))
            if event.startswith(LAST):
                break
        ended = time.perf_counter()
    end = json.loads(event)
    if end["type"] == "stream_error":
        raise RuntimeError(event)
    return ended - sent if end["finish_reason"] == "cancelled" else None


async def warm_up(url: str, text: str, chats: int) -> None:
    """The beginning of so many answers at once: what all prompts share is in the memory of as many sequences."""
    async with aiohttp.ClientSession(url, timeout=NO_LIMIT) as client:
        await asyncio.gather(*[ask_and_cancel(client, text, 1) for _ in range(chats)])


async def ask_ours(
    url: str, chats: Sequence[Sequence[str]], *, fresh: bool = False, mark: Callable[[], None] | None = None
) -> Timings:
    """All chats at once, a session and a socket each; with `fresh` each question has a session of its own."""

    async def talk(client: aiohttp.ClientSession, texts: Sequence[str]) -> list[Timing]:
        session_id = uuid.uuid4().hex
        async with client.ws_connect(f"/chat-ws?session_id={session_id}") as socket:
            return [await ask(socket, session_id, text, mark) for text in texts]

    async def talk_anew(client: aiohttp.ClientSession, texts: Sequence[str]) -> list[Timing]:
        return [timing for text in texts for timing in await talk(client, [text])]

    async with aiohttp.ClientSession(url, timeout=NO_LIMIT) as client:
        return list(await asyncio.gather(*[(talk_anew if fresh else talk)(client, texts) for texts in chats]))


# llama-server


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of llama-server besides the prompt."""

    tokens: int
    ignore_eos: bool = True
    cache_prompt: bool = True


async def complete(client: aiohttp.ClientSession, prompt: Prompt, wanted: Wanted) -> Timing:
    """One completion. Raises `RuntimeError` if it is answered by an error."""
    body = {
        "prompt": prompt,
        "n_predict": wanted.tokens,
        "ignore_eos": wanted.ignore_eos,
        "cache_prompt": wanted.cache_prompt,
        "temperature": 0,
        "stream": True,
    }
    first = 0.0
    received: list[bytes] = []
    submitted = time.perf_counter()
    async with client.post("/completion", json=body) as response:
        async for data in response.content.iter_any():
            first = first or time.perf_counter()
            received.append(data)
    ended = time.perf_counter()
    events = [part for part in b"".join(received).split(b"\n\n") if part.startswith(b"data: {")]
    end: dict[str, Any] = json.loads(events[-1][6:]) if events else {"error": received}
    if "tokens_predicted" not in end:
        raise RuntimeError(f"llama-server: {end}")
    reason = "length" if end["stop_type"] == "limit" else "stop"
    cached = end["timings"]["cache_n"]
    return Timing(submitted, first, ended, ended, end["tokens_predicted"], end["tokens_evaluated"], cached, reason)


async def ask_peer(url: str, chats: Sequence[Sequence[Prompt]], wanted: Wanted) -> Timings:
    """All chats at once, each prompt of a chat when the one before is answered."""

    async def talk(client: aiohttp.ClientSession, prompts: Sequence[Prompt]) -> list[Timing]:
        return [await complete(client, prompt, wanted) for prompt in prompts]

    # A connection for each request: a kept one may be closed by the server just when it is used again.
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with aiohttp.ClientSession(url, timeout=NO_LIMIT, connector=connector) as client:
        return list(await asyncio.gather(*[talk(client, prompts) for prompts in chats]))
