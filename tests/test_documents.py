"""Documents over HTTP, with the real store and embedder behind a real server where it matters."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import urllib.error
import urllib.request
import uuid
from typing import Any

import aiohttp
import pytest

from rag.incoming import document_id
from rag.types import Page
from web import documents, jobs

from .app_client import Client, MakeClient, Parts
from .conftest import Server
from .fakes import PATIENCE, make_document, make_passage, until
from .hostile_files.names import NAMES
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
            "document_id": document_id(f"{word}.md"),
            "duplicate": False,
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
    assert not list((parts.directory / "incoming").iterdir()), "nothing of a refused request is kept"


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


@pytest.mark.parametrize("body", [None, aiohttp.FormData({"other": "x"}, default_to_multipart=True)])
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
        *(f"{name}.sqlite{end}" for name in ("sessions", "origins") for end in ("", "-wal", "-shm")),
        hashlib.sha256(b"alpha").hexdigest(),
    }


async def test_no_name_leads_out_of_the_data_directory(parts: Parts, aiohttp_client: MakeClient) -> None:
    client = await aiohttp_client(parts.app())
    before = sorted(parts.directory.parent.iterdir())
    for number, name in enumerate(NAMES):
        # By hand: a client's library refuses some of them.
        head = f'--x\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n{{"a": "{number}"}}'
        whole = {"Content-Type": "multipart/form-data; boundary=x"}
        response = await client.post("/documents", data=(head + "\r\n--x--\r\n").encode(), headers=whole)
        body = await response.json()
        assert response.status == 202 or body["error_code"] in ("DOC-001", "HTTP-400", "WS-002-VALIDATION_ERROR"), name
        for job in body.get("jobs", ()):
            assert job["name"].isprintable(), name
            assert not {"..", "", "."} & set(job["name"].split("/")), name
    await parts.ingester.join()
    assert sorted(parts.directory.parent.iterdir()) == before
    assert not list((parts.directory / "incoming").iterdir())
    kept = [path.name for path in (parts.directory / "originals").iterdir()]
    assert kept
    assert all(re.fullmatch("[0-9a-f]{64}", name) for name in kept)
    assert not [path for path in parts.directory.rglob("*") if "evil" in path.name]


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
        ('{"query": "x", "folders": "a"}', "WS-002-VALIDATION_ERROR", "folders"),
        ('{"query": "x", "documents": [7]}', "WS-002-VALIDATION_ERROR", "documents"),
        ('{"query": "x", "types": [""]}', "WS-002-VALIDATION_ERROR", "types"),
    ],
)
async def test_a_bad_search_names_the_field(
    parts: Parts, aiohttp_client: MakeClient, body: str, code: str, field: str
) -> None:
    client = await aiohttp_client(parts.app())
    response = await client.post("/search", data=body, headers={"Content-Type": "application/json"})
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


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ({}, {"a.md", "docs/b.txt", "docs/sub/c.md"}),
        ({"documents": ["a"]}, {"a.md"}),
        ({"folders": ["docs"]}, {"docs/b.txt", "docs/sub/c.md"}),
        ({"folders": ["docs"], "types": [".MD"]}, {"docs/sub/c.md"}),
        ({"documents": ["none"]}, set()),
    ],
)
async def test_a_search_looks_only_where_it_is_told(
    parts: Parts, client: Client, where: dict[str, Any], found: set[str]
) -> None:
    parts.store.passages.clear()
    for id, source in (("a", "a.md"), ("b", "docs/b.txt"), ("c", "docs/sub/c.md")):
        parts.store.documents[id] = make_document(f"word {id}", id, source=source, type=source.rpartition(".")[2])
        parts.store.passages[id] = [make_passage(f"word {id * 9}", 0, id, source=source)]
    response = await client.post("/search", json={"query": "word", **where})
    assert {source["metadata"]["source"] for source in (await response.json())["sources"]} == found


# Jobs.


async def send(client: Client, *files: tuple[str, bytes]) -> list[str]:
    """The ids of the jobs."""
    response = await client.post("/documents", data=form(*files))
    assert response.status == 202
    return [job["id"] for job in (await response.json())["jobs"]]


async def test_what_was_accepted_is_on_disk(parts: Parts, client: Client) -> None:
    parts.parser.wait = asyncio.Event()
    (job,) = await send(client, ("a.md", b"alpha"))
    folder = parts.directory / "incoming" / job
    assert (folder / "content").read_bytes() == b"alpha"
    assert json.loads((folder / "about.json").read_text())["name"] == "a.md"


async def test_jobs_are_listed_and_can_be_cancelled(parts: Parts, client: Client) -> None:
    parts.parser.wait = asyncio.Event()
    ids = await send(client, *((f"{number}.md", b"text %d" % number) for number in range(6)))
    await until(lambda: len(parts.parser.names) == 4)
    listed = await (await client.get("/documents/jobs")).json()
    assert [job["id"] for job in listed["jobs"]] == ids
    assert [job["state"] for job in listed["jobs"]] == ["parsing"] * 4 + ["queued"] * 2
    assert listed["total"] == 6
    for job in (ids[0], ids[5]):
        response = await client.delete(f"/documents/jobs/{job}")
        assert (response.status, (await response.json())["state"]) == (200, "cancelled")
        states = await events_of(await client.get(f"/documents/jobs/{job}/events"))
        assert [state["state"] for state in states] == ["cancelled"]
    parts.parser.wait.set()
    await parts.ingester.join()
    listed = await (await client.get("/documents/jobs")).json()
    assert {job["id"]: job["state"] for job in listed["jobs"]} == {
        job: "cancelled" if job in (ids[0], ids[5]) else "stored" for job in ids
    }
    response = await client.delete(f"/documents/jobs/{ids[1]}")
    assert (await response.json())["state"] == "stored", "it was too late"
    assert (await client.delete("/documents/jobs/none")).status == 404


async def next_jobs(stream: aiohttp.StreamReader) -> dict[str, Any]:
    """The next event of the stream of all jobs."""
    async with asyncio.timeout(PATIENCE):
        while not (line := await stream.readline()).startswith(b"data: "):
            assert line in (b"event: jobs\n", b"\n", b": \n")
    return json.loads(line[6:])


async def test_one_stream_tells_of_all_jobs(parts: Parts, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "LOOK", 0.01)
    await send(client, ("old.md", b""), ("empty.md", b""))
    await parts.ingester.join()
    await send(client, ("old.md", b"old"))
    await parts.ingester.join()
    parts.parser.wait = asyncio.Event()
    ids = await send(client, *((f"{number}.md", b"text %d" % number) for number in range(5)))
    await until(lambda: len(parts.parser.names) == 7)
    response = await client.get("/documents/jobs/events?lang=en")
    event = await next_jobs(response.content)
    assert [(job["name"], job["state"]) for job in event["jobs"]] == [
        *((f"{number}.md", "parsing") for number in range(4)),
        ("4.md", "queued"),
        ("empty.md", "failed"),
    ], "what is stored, what was cancelled and what was sent again is no news"
    assert event["first"] is True
    assert event["counts"] == {"queued": 1, "running": 4, "stored": 1, "failed": 2, "cancelled": 0}
    await client.delete(f"/documents/jobs/{ids[0]}")
    parts.parser.wait.set()
    last: dict[str, str] = {}
    while event["counts"]["stored"] < 5:
        event = await next_jobs(response.content)
        assert event["first"] is False
        last |= {job["name"]: job["state"] for job in event["jobs"]}
    assert last == {f"{number}.md": "cancelled" if number == 0 else "stored" for number in range(5)}
    response.close()


async def test_the_stream_of_all_jobs_ends_with_the_server(parts: Parts, aiohttp_client: MakeClient) -> None:
    app = parts.app()
    client = await aiohttp_client(app)
    response = await client.get("/documents/jobs/events")
    assert (await next_jobs(response.content))["jobs"] == []
    async with asyncio.timeout(PATIENCE):
        await app.shutdown()
        assert await response.content.read() == b"\n"


async def test_a_silent_stream_of_all_jobs_is_kept_alive(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "LOOK", 0.01)
    monkeypatch.setattr(jobs, "HEARTBEAT", 0.02)
    async with asyncio.timeout(PATIENCE):
        response = await client.get("/documents/jobs/events")
        while await response.content.readline() != b": \n":
            pass
    response.close()


async def test_a_silent_job_keeps_its_line_alive_and_a_client_may_leave(
    parts: Parts, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "HEARTBEAT", 0.01)
    parts.parser.wait = asyncio.Event()
    (job,) = await send(client, ("a.md", b"alpha"))
    async with asyncio.timeout(PATIENCE):
        response = await client.get(f"/documents/jobs/{job}/events")
        while await response.content.readline() != b": \n":
            pass
        response.close()
        parts.parser.wait.set()
        response = await client.get(f"/documents/jobs/{job}/events")
        lines = (await response.text()).splitlines()
    assert json.loads([line for line in lines if line.startswith("data")][-1][6:])["state"] == "stored"


async def test_the_same_content_is_told_to_be_there_already(parts: Parts, client: Client) -> None:
    for name in ("a.md", "b.md"):
        (job,) = await send(client, (name, b"alpha"))
        states = await events_of(await client.get(f"/documents/jobs/{job}/events"))
    last = states[-1]
    assert (last["state"], last["duplicate"], last["document_id"]) == ("stored", True, document_id("a.md"))


# Stored documents.


async def listing(client: Client, query: str = "") -> tuple[list[dict[str, Any]], int]:
    body = await (await client.get(f"/documents{query}")).json()
    return body["documents"], body["total"]


async def test_documents_are_listed_by_pages_the_newest_first(parts: Parts, client: Client) -> None:
    parts.store.documents.clear()
    for number in range(5):
        await send(client, (f"{number}.md", b"text %d" % number))
        await parts.ingester.join()
    rows, total = await listing(client, "?page_size=2")
    assert total == 5
    assert [row["name"] for row in rows] == ["4.md", "3.md"]
    assert rows[0] == {
        "id": document_id("4.md"),
        "name": "4.md",
        "type": "md",
        "bytes": 6,
        "passages": 1,
        "status": "stored",
        "added": rows[0]["added"],
    }
    assert rows[0]["added"].endswith("Z")
    assert [row["name"] for row in (await listing(client, "?page=3&page_size=2"))[0]] == ["0.md"]
    assert await listing(client, "?page=4&page_size=2") == ([], 5)
    assert [row["name"] for row in (await listing(client, "?q=3.MD"))[0]] == ["3.md"]


async def test_documents_are_sorted_as_asked(parts: Parts, client: Client) -> None:
    parts.store.documents.clear()
    for day, (name, size) in enumerate((("b 10.md", 2), ("B 9.md", 30), ("가.md", 4))):
        document = make_document("x" * size, name, source=name, added=f"2026-01-0{day + 1}T00:00:00Z")
        parts.store.documents[name] = document
    for query, expected in (
        ("sort=name", ["B 9.md", "b 10.md", "가.md"]),
        ("sort=name&order=desc", ["가.md", "b 10.md", "B 9.md"]),
        ("sort=size", ["B 9.md", "가.md", "b 10.md"]),
        ("sort=size&order=asc&page_size=2", ["b 10.md", "가.md"]),
        ("sort=added&order=asc", ["b 10.md", "B 9.md", "가.md"]),
        ("order=desc", ["가.md", "B 9.md", "b 10.md"]),
    ):
        assert [row["name"] for row in (await listing(client, f"?{query}"))[0]] == expected, query


async def test_new_documents_are_listed_with_the_state_of_their_job(parts: Parts, client: Client) -> None:
    await send(client, ("old.md", b"old"))
    await parts.ingester.join()
    parts.embedder.wait = asyncio.Event()
    await send(client, ("new.md", b"new"), ("old.md", b"newer"))
    await until(lambda: len(parts.embedder.texts) == 3)
    rows, total = await listing(client)
    assert [(row["name"], row["status"]) for row in rows] == [
        ("new.md", "embedding"),
        ("old.md", "stored"),
        ("doc.md", "stored"),
    ]
    assert total == 3
    assert [row["name"] for row in (await listing(client, "?page=2&page_size=1"))[0]] == ["old.md"]
    assert (await listing(client, "?q=old"))[1] == 1
    parts.embedder.wait.set()
    await parts.ingester.join()
    rows, total = await listing(client)
    assert ({row["status"] for row in rows}, total) == ({"stored"}, 3)


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/documents?page=0", "page"),
        ("/documents?page=x", "page"),
        ("/documents?page_size=201", "page_size"),
        ("/documents?q=" + "x" * 201, "q"),
        ("/documents?sort=colour", "sort"),
        ("/documents?order=up", "order"),
        ("/documents/doc/text?start=-1", "start"),
        ("/documents/doc/text?end=x", "end"),
        ("/documents/doc/text?page=0", "page"),
        ("/documents/doc/find", "q"),
    ],
)
@pytest.mark.parametrize("lang", ["en", "ko"])
async def test_a_bad_number_in_the_address_is_named(client: Client, path: str, field: str, lang: str) -> None:
    response = await client.get(path, headers={"Accept-Language": lang})
    error = await response.json()
    assert (response.status, error["error_code"]) == (400, "WS-002-VALIDATION_ERROR")
    assert f"'{field}'" in error["message"]
    assert is_korean(error["message"]) == (lang == "ko")


async def test_a_document_tells_its_facts_and_its_text(parts: Parts, client: Client) -> None:
    text = "# 보증\n\n배터리는 24개월 보증합니다. 🙂"
    await send(client, ("보증.md", text.encode()))
    await parts.ingester.join()
    id = document_id("보증.md")
    facts = await (await client.get(f"/documents/{id}")).json()
    assert facts["title"] == "보증"
    assert (facts["characters"], facts["pages"], facts["passages"]) == (len(text), 0, 1)
    assert facts["sha256"] == hashlib.sha256(text.encode()).hexdigest()
    for query, start, end in (("", 0, None), ("?start=3&end=5", 3, 5), ("?start=9999", None, None), ("?end=0", 0, 0)):
        part = await (await client.get(f"/documents/{id}/text{query}")).json()
        start, end = len(text) if start is None else start, len(text) if end is None else end
        assert part == {"id": id, "start": start, "end": end, "text": text[start:end], "total": len(text), "pages": []}


async def test_a_long_text_comes_in_parts_with_the_pages_they_touch(
    parts: Parts, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "MAX_TEXT", 10)
    pages = (Page(1, 0, 12), Page(2, 12, 30))
    parts.store.documents["long"] = make_document("x" * 30, "long", pages=pages)
    part = await (await client.get("/documents/long/text?start=5&end=30")).json()
    assert (part["start"], part["end"], part["total"]) == (5, 15, 30)
    assert [page["number"] for page in part["pages"]] == [1, 2]
    part = await (await client.get("/documents/long/text?start=12")).json()
    assert part["pages"] == [{"number": 2, "start": 12, "end": 30}]
    part = await (await client.get("/documents/long/text?page=2&start=3&end=8")).json()
    assert (part["start"], part["end"]) == (15, 20)


async def test_words_are_found_in_a_text_with_their_places(
    parts: Parts, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts.store.documents["doc"] = make_document("🙂 The warranty\nperiod. No warranty period.", "doc")
    found = await (await client.get("/documents/doc/find?q=Warranty%20period")).json()
    assert found == {"places": [[6, 21], [26, 41]], "more": False}
    monkeypatch.setattr(documents, "MAX_PLACES", 1)
    found = await (await client.get("/documents/doc/find?q=warranty")).json()
    assert found == {"places": [[6, 14]], "more": True}


async def test_an_original_comes_back_byte_for_byte_and_runs_nothing(parts: Parts, client: Client) -> None:
    page = b"<p>alpha</p><script>alert(1)</script>"
    await send(client, ("dir/한글 page.html", page))
    await parts.ingester.join()
    path = f"/documents/{document_id('dir/한글 page.html')}/original"
    for query in ("", "?inline=1"):
        response = await client.get(path + query)
        assert await response.read() == page
        assert response.content_type == "application/octet-stream"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Content-Security-Policy"] == "sandbox"
        name = response.headers["Content-Disposition"]
        assert name == "attachment; filename*=UTF-8''%ED%95%9C%EA%B8%80%20page.html"
    response = await client.get(path, headers={"Range": "bytes=3-7"})
    assert (response.status, await response.read()) == (206, b"alpha")


async def test_a_pdf_may_be_shown(parts: Parts, client: Client) -> None:
    content = pdf(["some text"])
    await send(client, ("a.pdf", content))
    await parts.ingester.join()
    response = await client.get(f"/documents/{document_id('a.pdf')}/original?inline=1")
    assert response.content_type == "application/pdf"
    assert response.headers["Content-Disposition"].startswith("inline;")
    assert "frame-ancestors 'self'" in response.headers["Content-Security-Policy"]
    assert await response.read() == content


async def test_a_deleted_document_is_gone_everywhere(parts: Parts, client: Client) -> None:
    await send(client, ("a.md", b"alpha"))
    await parts.ingester.join()
    id = document_id("a.md")
    response = await client.delete(f"/documents/{id}")
    assert (response.status, await response.read()) == (204, b"")
    for method, path in (("DELETE", ""), ("GET", ""), ("GET", "/text"), ("GET", "/find?q=x"), ("GET", "/original")):
        response = await client.request(method, f"/documents/{id}{path}")
        assert (response.status, (await response.json())["error_code"]) == (404, "DOC-007")
    assert list((parts.directory / "originals").iterdir()) == []


async def test_a_document_without_its_original_says_so(client: Client) -> None:
    response = await client.get("/documents/doc/original")
    assert (response.status, (await response.json())["error_code"]) == (404, "DOC-008")


async def test_stats_count_what_there_is(parts: Parts, client: Client) -> None:
    await send(client, ("a.md", b"alpha"), ("empty.md", b""))
    await parts.ingester.join()
    (parts.directory / "index").mkdir()
    (parts.directory / "index" / "x").write_bytes(b"123")
    assert await (await client.get("/documents/stats")).json() == {
        "documents": 2,
        "passages": 2,
        "bytes": 8,
        "originals_bytes": 5,
        "index_bytes": 3,
        "jobs": {"queued": 0, "running": 0, "stored": 1, "failed": 1, "cancelled": 0},
        "rebuilding": None,
    }
