"""Clients of HTTP: documents in and out, the other doors of the chat, searches, and what a page asks for."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any
from urllib.parse import quote

import aiohttp

from tests.hostile_files import HOSTILE

from . import files
from .chats import choose
from .run import Client, Run, Unexpected, http

PAGES = ("/", "/guides", "/guides/05-protocol", "/static/main.js", "/static/styles/page.css", "/health", "/stats")
PAGES += ("/metrics", "/documents", "/documents?q=place&sort=name", "/documents/stats", "/documents/jobs")
PAGES += ("/sessions", "/v1/models", "/openapi.json", "/?lang=ko")
ENDED = ("stored", "failed", "cancelled")


class Librarian(Client):
    """Keeps so many documents: replaces them, or deletes one and adds another. Now and then a hostile file."""

    def __init__(self, run: Run, documents: int) -> None:
        self.run = run
        self.chance = run.chance("library")
        self.names: list[str] = []
        self.ids: dict[str, str] = {}
        self.made = 0
        self.documents = documents

    async def act(self) -> None:
        async with http() as client:
            if len(self.names) < self.documents:
                self.names.append(await self.store(client, len(self.names)))
                return
            way = choose(self.chance, {"replace": 5, "exchange": 4, "hostile": 1, "cancel": 1})
            place = self.chance.randrange(self.documents)
            if way == "replace":
                self.names[place] = await self.store(client, place, self.names[place])
            elif way == "exchange":
                await self.delete(client, self.names[place])
                self.names[place] = await self.store(client, place)
            elif way == "hostile":
                await self.provoke(client)
            else:
                await self.cancel(client, place)
            self.run.done[f"document {way}"] += 1

    async def store(self, client: aiohttp.ClientSession, place: int, name: str = "") -> str:
        fact, suffix, content = files.make(place, self.chance)
        self.made += 1
        name = name or f"place{place}-{self.made}.{suffix}"
        begun = time.monotonic()
        if name in self.ids:
            self.run.facts.pop(self.ids[name], None)
        job = await self.follow(client, await self.upload(client, name, content))
        if job["state"] != "stored":
            raise Unexpected(f"{name}: {job}")
        self.run.took("document: upload to stored", time.monotonic() - begun)
        self.ids[name] = job["document_id"]
        self.run.facts[job["document_id"]] = fact
        return name

    async def upload(self, client: aiohttp.ClientSession, name: str, content: bytes) -> str:
        form = aiohttp.FormData()
        form.add_field("files", content, filename=name)
        async with client.post(f"{self.run.url}/documents", data=form) as response:
            body = await response.json()
            if response.status != 202:
                raise Unexpected(f"{name}: {response.status} {body}")
            return str(body["jobs"][0]["id"])

    async def follow(self, client: aiohttp.ClientSession, job_id: str) -> dict[str, Any]:
        """The job as it has ended."""
        async with client.get(f"{self.run.url}/documents/jobs/{job_id}/events") as response:
            async for line in response.content:
                if line.startswith(b"data: "):
                    job: dict[str, Any] = json.loads(line[6:])
                    if job["state"] in ENDED:
                        return job
        raise Unexpected(f"the events of job {job_id} have no end")

    async def delete(self, client: aiohttp.ClientSession, name: str) -> None:
        id = self.ids.pop(name)
        self.run.facts.pop(id, None)
        async with client.delete(f"{self.run.url}/documents/{quote(id)}") as response:
            if response.status != 204:
                raise Unexpected(f"{name} is not deleted: {response.status}")

    async def provoke(self, client: aiohttp.ClientSession) -> None:
        name = self.chance.choice(files.NASTY)
        make, code = HOSTILE[name]
        content = await asyncio.to_thread(make)
        job = await self.follow(client, await self.upload(client, f"hostile {name}", content))
        if job["state"] == "stored":
            self.ids["hostile"] = job["document_id"]
            await self.delete(client, "hostile")
        elif job["error"]["error_code"] not in code:
            raise Unexpected(f"hostile {name}: {job['error']}")
        self.run.provoked[code or "read"] += 1

    async def cancel(self, client: aiohttp.ClientSession, place: int) -> None:
        """A new document whose job is cancelled at once; where it was faster, it is deleted."""
        _, suffix, content = files.make(place, self.chance)
        job_id = await self.upload(client, f"cancelled.{suffix}", content)
        async with client.delete(f"{self.run.url}/documents/jobs/{job_id}") as response:
            job = await response.json()
        if job["state"] == "stored":
            self.ids["cancelled"] = job["document_id"]
            await self.delete(client, "cancelled")


class Program(Client):
    """Uses the other doors: SSE, one JSON, the doors for clients of OpenAI's, searches."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.chance = run.chance("program")
        self.ways = {
            "sse": 3,
            "sse left": 2,
            "json": 2,
            "v1": 2,
            "v1 left": 2,
            "embeddings": 1,
            "search": 5,
            "refused": 1,
        }

    async def act(self) -> None:
        way = choose(self.chance, self.ways)
        asked = "How do I add documents?"
        if self.run.facts:
            asked = self.chance.choice(self.chance.choice(list(self.run.facts.values())).questions)
        begun = time.monotonic()
        async with http() as client:
            await getattr(self, way.split()[0])(client, asked, "left" in way)
        self.run.done[way] += 1
        if "left" not in way and way != "refused":
            self.run.took(way, time.monotonic() - begun)

    async def sse(self, client: aiohttp.ClientSession, asked: str, leave: bool) -> None:
        await self.stream(client, "/chat/stream", {"message": asked}, b'"done"', leave)

    async def v1(self, client: aiohttp.ClientSession, asked: str, leave: bool) -> None:
        body = {"messages": [{"role": "user", "content": asked}], "stream": True, "model": "x"}
        if self.chance.random() < 0.5:
            body |= {"retrieval": False, "max_tokens": 60}
        await self.stream(client, "/v1/chat/completions", body, b"[DONE]", leave)

    async def stream(self, client: aiohttp.ClientSession, path: str, body: Any, last: bytes, leave: bool) -> None:
        most = self.chance.randrange(0, 6) if leave else 1 << 30
        async with client.post(self.run.url + path, json=body) as response:
            if response.status != 200:
                raise Unexpected(f"{path}: {response.status} {await response.text()}")
            line = b""
            lines = 0
            async for line in response.content:
                lines += bool(line.strip())
                if lines > most:
                    # Not read to its end, the connection is closed.
                    response.close()
                    return
                if b'"error_code"' in line:
                    raise Unexpected(f"{path}: {line[:300]!r}")
                if last in line:
                    return
        if not leave:
            raise Unexpected(f"{path}: a stream without an end")

    async def json(self, client: aiohttp.ClientSession, asked: str, _: bool) -> None:
        await self.post(client, "/chat", {"message": asked})

    async def embeddings(self, client: aiohttp.ClientSession, asked: str, _: bool) -> None:
        await self.post(client, "/v1/embeddings", {"input": [asked, "안녕하세요"], "model": "x"})

    async def search(self, client: aiohttp.ClientSession, asked: str, _: bool) -> None:
        await self.post(client, "/search", {"query": asked, "k": self.chance.choice((1, 5, 20))})

    async def refused(self, client: aiohttp.ClientSession, _: str, __: bool) -> None:
        path = self.chance.choice(("/search", "/chat", "/chat/stream", "/v1/chat/completions"))
        status, told = await self.answer(client, path, self.chance.choice(([], {"query": 7}, {"message": ""})))
        if not 400 <= status < 500:
            raise Unexpected(f"{path}: nonsense got {status}: {told[:200]}")
        self.run.provoked[f"HTTP {status}"] += 1

    async def post(self, client: aiohttp.ClientSession, path: str, body: Any) -> None:
        status, told = await self.answer(client, path, body)
        if status != 200:
            raise Unexpected(f"{path}: {status} {told[:300]}")

    async def answer(self, client: aiohttp.ClientSession, path: str, body: Any) -> tuple[int, str]:
        async with client.post(self.run.url + path, json=body) as response:
            return response.status, await response.text()


class Page(Client):
    """Opens the page and looks around, makes and forgets sessions, follows the jobs for a while."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.chance = run.chance("page")

    async def act(self) -> None:
        async with http() as client:
            for path in self.chance.sample(PAGES, 4):
                begun = time.monotonic()
                await self.get(client, path)
                self.run.took("GET", time.monotonic() - begun)
            if self.run.facts:
                await self.look_at(client, self.chance.choice(list(self.run.facts)))
            await self.follow_jobs(client)
            await self.session(client)
        self.run.done["page"] += 1

    async def get(self, client: aiohttp.ClientSession, path: str, allowed: tuple[int, ...] = (200,)) -> None:
        async with client.get(self.run.url + path) as response:
            await response.read()
            if response.status not in allowed:
                raise Unexpected(f"GET {path}: {response.status}")

    async def look_at(self, client: aiohttp.ClientSession, id: str) -> None:
        """It may be replaced or deleted meanwhile."""
        for path in ("", "/text", "/find?q=warranty", "/original"):
            await self.get(client, f"/documents/{quote(id)}{path}", (200,) if id in self.run.facts else (200, 404))

    async def follow_jobs(self, client: aiohttp.ClientSession) -> None:
        async with client.get(f"{self.run.url}/documents/jobs/events") as response:
            end = time.monotonic() + self.chance.random() * 5
            while time.monotonic() < end and not self.run.over:
                try:
                    async with asyncio.timeout(1):
                        await response.content.readline()
                except TimeoutError:
                    continue

    async def session(self, client: aiohttp.ClientSession) -> None:
        async with client.post(f"{self.run.url}/sessions", json={}) as response:
            body = await response.json()
            if response.status != 201:
                raise Unexpected(f"no session: {response.status} {body}")
        async with client.delete(f"{self.run.url}/sessions/{body['session_id']}") as response:
            if response.status != 204:
                raise Unexpected(f"a session is not deleted: {response.status}")
