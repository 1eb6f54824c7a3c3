"""Documents over HTTP, with the real store and embedder behind a real server where it matters."""

from __future__ import annotations

import asyncio
import json
import os
import urllib.error
import urllib.request
import uuid
from typing import Any

import aiohttp
import pytest

from .app_client import MakeClient, Parts
from .conftest import Server
from .socket_client import is_korean
from .test_loaders import pdf


def form(*files: tuple[str, bytes]) -> aiohttp.FormData:
    data = aiohttp.FormData(quote_fields=False)
    for name, content in files:
        data.add_field("files", content, filename=name)
    return data


async def events_of(response: aiohttp.ClientResponse) -> list[dict[str, Any]]:
    assert response.headers["Content-Type"] == "text/event-stream"
    lines = (await response.text()).splitlines()
    assert set(lines[::3]) == {"event: job"}
    return [json.loads(line.removeprefix("data: ")) for line in lines[1::3]]


@pytest.mark.model
@pytest.mark.parametrize("lang", ["en", "ko"])
async def test_an_uploaded_document_is_found_at_once(server: Server, lang: str) -> None:
    word = f"zq{uuid.uuid4().hex[:8]}"
    text = {
        "en": f"# Warranty\n\nThe {word} pump has a warranty of 24 months.",
        "ko": f"# 보증\n\n{word} 펌프의 보증 기간은 24개월입니다.",
    }[lang]
    question = {"en": f"How long is the warranty of the {word} pump?", "ko": f"{word} 펌프의 보증 기간은?"}[lang]
    async with aiohttp.ClientSession(server.url) as client:
        async with client.post("/documents", data=form((f"{word}.md", text.encode()))) as response:
            assert response.status == 202
            job = (await response.json())["jobs"][0]
        async with client.get(f"/documents/jobs/{job['id']}/events") as response:
            states = await asyncio.wait_for(events_of(response), 60)
        assert states[-1] == {
            "id": job["id"],
            "name": f"{word}.md",
            "state": "stored",
            "done": 1,
            "total": 1,
            "error": None,
        }
        async with client.post("/search", json={"query": question, "k": 3}) as response:
            sources = (await response.json())["sources"]
    assert len(sources) == 3
    best = sources[0]
    assert best["metadata"]["source"] == f"{word}.md"
    assert best["title"] in ("Warranty", "보증")
    assert text[best["metadata"]["start"] : best["metadata"]["end"]] == best["content"]


async def test_each_file_is_a_job_of_its_own(parts: Parts, aiohttp_client: MakeClient) -> None:
    client = await aiohttp_client(parts.app())
    response = await client.post("/documents", data=form(("a.md", b"alpha"), ("b.txt", b"beta")))
    jobs = (await response.json())["jobs"]
    assert [job["name"] for job in jobs] == ["a.md", "b.txt"]
    for job in jobs:
        states = await events_of(await client.get(f"/documents/jobs/{job['id']}/events"))
        assert states[-1]["state"] == "stored"
    health = await (await client.get("/health")).json()
    assert health["documents"] == 3


@pytest.mark.parametrize("lang", ["en", "ko"])
@pytest.mark.parametrize(
    ("name", "content", "code"),
    [("a.exe", b"MZ", "DOC-001"), ("a.md", b"x" * (1 << 21), "DOC-002")],
)
async def test_a_file_that_cannot_be_taken_is_refused(
    parts: Parts, aiohttp_client: MakeClient, name: str, content: bytes, code: str, lang: str
) -> None:
    client = await aiohttp_client(parts.app())
    response = await client.post(f"/documents?lang={lang}", data=form(("good.md", b"good"), (name, content)))
    body = await response.json()
    assert body["error_code"] == code
    assert name in body["message"]
    assert response.status == {"DOC-001": 415, "DOC-002": 413}[code]
    assert list((parts.directory / "incoming").iterdir()) == [], "nothing of a refused request is kept"


@pytest.mark.parametrize("lang", ["en", "ko"])
async def test_a_file_that_cannot_be_read_fails_with_its_reason(
    parts: Parts, aiohttp_client: MakeClient, lang: str
) -> None:
    client = await aiohttp_client(parts.app())
    for name, content, code in (
        ("a.md", b" \n", "DOC-003"),
        ("a.pdf", pdf(["secret"], encrypted=True), "DOC-004"),
        ("b.pdf", b"%PDF-1.7 nonsense", "DOC-005"),
        ("c.pdf", pdf([""], image=True), "DOC-006"),
    ):
        response = await client.post("/documents", data=form((name, content)))
        job = (await response.json())["jobs"][0]
        states = await events_of(await client.get(f"/documents/jobs/{job['id']}/events?lang={lang}"))
        assert states[-1]["state"] == "failed"
        assert states[-1]["error"]["error_code"] == code
        assert name in states[-1]["error"]["message"]
        assert is_korean(states[-1]["error"]["message"]) == (lang == "ko")


@pytest.mark.parametrize("body", [None, aiohttp.FormData({"other": "x"})])
async def test_a_request_without_files_is_told_so(parts: Parts, aiohttp_client: MakeClient, body: Any) -> None:
    client = await aiohttp_client(parts.app())
    response = await client.post("/documents?lang=en", data=body)
    error = await response.json()
    assert (response.status, error["error_code"]) == (400, "WS-002-VALIDATION_ERROR")
    assert "'files'" in error["message"]


async def test_a_path_in_a_name_goes_nowhere(parts: Parts, aiohttp_client: MakeClient) -> None:
    client = await aiohttp_client(parts.app())
    response = await client.post("/documents", data=form(("../../../etc/evil.md", b"alpha")))
    assert (await response.json())["jobs"][0]["name"] == "etc/evil.md"
    await parts.ingester.join()
    assert {name for _, _, names in os.walk(parts.directory) for name in names} <= {
        "sessions.sqlite",
        "sessions.sqlite-wal",
        "sessions.sqlite-shm",
        "content",
        "about.json",
    }


@pytest.mark.parametrize("lang", ["en", "ko"])
async def test_an_unknown_job_is_told_so(parts: Parts, aiohttp_client: MakeClient, lang: str) -> None:
    client = await aiohttp_client(parts.app())
    response = await client.get(f"/documents/jobs/none/events?lang={lang}")
    body = await response.json()
    assert (response.status, body["error_code"]) == (404, "DOC-007")
    assert is_korean(body["message"]) == (lang == "ko")


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ("{", "WS-001-INVALID_JSON", ""),
        ("[]", "WS-001-INVALID_JSON", ""),
        ("{}", "WS-002-VALIDATION_ERROR", "query"),
        ('{"query": ""}', "WS-002-VALIDATION_ERROR", "query"),
        ('{"query": 7}', "WS-002-VALIDATION_ERROR", "query"),
        ('{"query": "x", "k": 0}', "WS-002-VALIDATION_ERROR", "k"),
        ('{"query": "x", "k": 101}', "WS-002-VALIDATION_ERROR", "k"),
        ('{"query": "x", "k": "5"}', "WS-002-VALIDATION_ERROR", "k"),
    ],
)
async def test_a_bad_search_names_the_field(
    parts: Parts, aiohttp_client: MakeClient, body: str, code: str, field: str
) -> None:
    client = await aiohttp_client(parts.app())
    response = await client.post("/search", data=body)
    error = await response.json()
    assert (response.status, error["error_code"]) == (400, code)
    assert f"'{field}'" in error["message"] or not field


@pytest.mark.model
def test_a_search_over_a_real_socket_has_the_shape_of_sources(server: Server) -> None:
    request = urllib.request.Request(
        server.url + "/search",
        json.dumps({"query": "시작용 모델은 무엇인가요?", "k": 2}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        sources = json.load(response)["sources"]
    assert len(sources) == 2
    assert sources[0]["metadata"]["source"] == "guides/ko/03-models.md"
    assert sources[0].keys() == {"title", "content", "score", "metadata"}
