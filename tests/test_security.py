"""One attack for each known case that the guide on security names, each named after it."""

from __future__ import annotations

import ast
import contextlib
import gzip
import json
import logging
import os
import re
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp
import numpy as np
import pytest
from jinja2 import TemplateError
from yarl import URL

import server as program
from rag import logs, terminal
from rag.template import ChatTemplate
from rag.types import Filter, Message
from web.operations import OPERATIONS

from . import guides
from .app_client import Client, MakeClient, Parts
from .conftest import ROOT
from .fakes import make_document
from .raw_http import send
from .test_auth import KEY, cookie_of, locked, log_in  # noqa: F401 (a fixture)
from .test_documents import form
from .test_middleware import UPGRADE, first_status
from .test_store import EMBEDDER, put, store  # noqa: F401 (a fixture)

# A title of the window, a cleared screen, a line of one's own, a text that runs the other way, an order of one byte.
ORDERS = "\x1b]0;owned\x07\x1b[2J\r\n2026-11-23 ERROR forged\u202e\x9b31m"


async def test_dns_rebinding_cve_2024_28224_reads_and_changes_nothing(parts: Parts, client: Client) -> None:
    for method, path in (("GET", "/documents"), ("DELETE", "/documents/doc"), ("GET", "/v1/models")):
        reply = await send(client, f"{method} {path} HTTP/1.1", f"Host: evil.example:{client.port}")
        assert (reply.status, json.loads(reply.body).keys() & {"error", "error_code"}) != (200, set())
        assert reply.status == 403
        assert "doc.md" not in reply.body
    assert list(parts.store.documents) == ["doc"]


@pytest.mark.parametrize("origin", ["http://evil.example", "http://localhost:1", "null"])
async def test_cross_site_websocket_hijacking_opens_no_socket(locked: Client, origin: str) -> None:  # noqa: F811
    head = ("GET /chat-ws?session_id=s HTTP/1.1", "Host: localhost", f"Cookie: {await cookie_of(locked)}", *UPGRADE)
    assert await first_status(locked, *head, f"Origin: {origin}") == 403
    assert await first_status(locked, *head, "Origin: http://localhost") in (101, 401)


@pytest.mark.parametrize(
    "path", ["/", "/guides/01-overview", "/login", "/documents", "/nowhere/<script>alert(1)</script>"]
)
async def test_xss_cve_2026_32626_no_answer_lets_a_browser_run_what_stands_in_it(client: Client, path: str) -> None:
    response = await client.get(URL(path, encoded=True), headers={"Accept": "text/html"})
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "<script>alert" not in await response.text() or response.content_type == "application/json"


async def test_echoleak_cve_2025_32711_the_page_may_load_nothing_from_elsewhere(client: Client) -> None:
    headers = (await client.get("/")).headers
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    loads = {name: value for name, value in policy.items() if name.endswith("-src")}
    assert set(loads.values()) <= {"'self'", "'none'"}
    assert loads["default-src"] == "'self'"
    assert (headers["Referrer-Policy"], headers["X-DNS-Prefetch-Control"]) == ("no-referrer", "off")


@pytest.mark.parametrize(
    "attack",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ cycler.__init__.__globals__.os.popen('touch PLACE').read() }}",
        "{{ self._TemplateReference__context.cycler.__init__.__globals__.os.system('touch PLACE') }}",
        "{{ raise_exception.__globals__['__builtins__']['open']('PLACE', 'w') }}",
        "{{ strftime_now.__globals__.__builtins__.__import__('os').system('touch PLACE') }}",
        "{{ messages.append.__self__.__class__.__base__.__subclasses__()[0] }}",
        "{{ ''|attr('__class__')|attr('__base__') }}",
        "{{ '{0.__class__.__init__.__globals__}'.format(raise_exception) }}",
        "{% include '/etc/passwd' %}",
        "{% set _ = messages.clear() %}",
    ],
)
def test_template_injection_cve_2024_34359_runs_nothing(attack: str, tmp_path: Path) -> None:
    place = tmp_path / "harmed"
    written = ""
    # Whether it is refused or comes to nothing is the sandbox's affair.
    with contextlib.suppress(TemplateError, AttributeError, TypeError):
        written = ChatTemplate(attack.replace("PLACE", str(place))).render([Message("user", "x")])
    assert not place.exists()
    assert not re.search(r"class|builtin|root:", written)


@pytest.mark.parametrize(
    "name",
    [
        "../../outside.md",
        "/outside.md",
        "..\\..\\outside.md",
        "C:\\outside.md",
        "a/../../outside.md",
        "....//outside.md",
    ],
)
async def test_path_traversal_cve_2024_37032_an_upload_leaves_the_data_folder_nowhere(
    parts: Parts, client: Client, name: str
) -> None:
    around = {path for path in parts.directory.parent.rglob("*") if not path.is_relative_to(parts.directory)}
    data = aiohttp.FormData(quote_fields=False)
    data.add_field("origin", f"../../{name}")
    data.add_field("files", b"alpha beta", filename=name)
    assert (await client.post("/documents", data=data)).status == 202
    await parts.ingester.join()
    assert {path for path in parts.directory.parent.rglob("*") if not path.is_relative_to(parts.directory)} == around
    assert not list(parts.directory.rglob("*outside*"))


@pytest.mark.parametrize(
    "up", ["../", "..%2f", "%2e%2e/", "%2e%2e%2f", "..%5c", "..%252f", "%c0%ae%c0%ae/", "/etc/../"]
)
async def test_path_traversal_cve_2024_37032_no_address_reads_a_file_of_the_machine(client: Client, up: str) -> None:
    for path in (f"/static/{up * 8}etc/passwd", f"/static/{up}app.py", f"/documents/{up * 8}etc%2fpasswd/original"):
        reply = await send(client, f"GET {path} HTTP/1.1", "Host: localhost")
        assert reply.status in (400, 403, 404), path
        assert "root:" not in reply.body
        assert "import" not in reply.body


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
async def test_csrf_by_simple_requests_changes_nothing(parts: Parts, locked: Client, kind: str) -> None:  # noqa: F811
    """What a form of another site can send, with the login of the person, each as browsers old and new tell it."""
    cookie = await cookie_of(locked)
    changing = [(each.method.upper(), each.path) for each in OPERATIONS if each.method.upper() not in ("GET", "HEAD")]
    assert len(changing) > 10
    body = json.dumps({"message": "x", "query": "x", "session_id": "planted", "input": "x"})
    ways: tuple[dict[str, str], ...] = (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
    )
    for method, path in changing:
        address = path.replace("{id}", "doc")
        for way in ways:
            headers = {"Cookie": cookie, **way, **({"Content-Type": kind} if kind else {})}
            response = await locked.request(method, address, headers=headers, data=body.encode(), allow_redirects=False)
            assert response.status == 403, (method, path, way)
        # A program tells nothing of the kind; what it sends must be what the route takes.
        if kind == "text/plain" and method == "POST" and path not in ("/logout",):
            headers = {"Cookie": cookie, "Content-Type": kind}
            response = await locked.post(address, headers=headers, data=body.encode(), allow_redirects=False)
            assert response.status in (400, 404, 405, 415), (path, response.status)
    assert list(parts.store.documents) == ["doc"]
    assert parts.generator.prompts == []
    assert (await locked.get("/documents", headers={"Cookie": cookie})).status == 200, "still logged in"


@pytest.mark.parametrize(
    "way",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "./\\\\evil.example",
        ".//\tevil.example",
        "./\r\nX: y",
    ],
)
async def test_open_redirect_at_the_login_leads_nowhere_else(locked: Client, way: str) -> None:  # noqa: F811
    told = (await log_in(locked, way=way)).headers["Location"]
    assert urlsplit(urljoin("http://here.example/login", told)).netloc == "here.example"
    asked = await send(locked, "GET //evil.example/..;/x HTTP/1.1", "Host: localhost", "Accept: text/html")
    if "location" in asked.headers:
        assert urlsplit(urljoin("http://here.example/a", asked.headers["location"])).netloc == "here.example"


@pytest.mark.parametrize(
    "text", ["' OR '1'='1", "x') OR ('1'='1", "'; DROP TABLE passages; --", "\\' OR 1=1 --", "%", "\0"]
)
async def test_filter_injection_finds_and_deletes_nothing_else(store: Any, text: str) -> None:  # noqa: F811
    await put(store, make_document("the battery", id="bystander"))
    for where in (Filter(documents=(text,)), Filter(folders=(text,)), Filter(types=(text,))):
        assert await store.search("battery", EMBEDDER.vector("battery"), 5, where) == []
    assert await store.delete(text) is False
    assert (await store.list_documents(text, 0, 10))[1] == 0
    assert await store.counts() == (1, 1)
    assert np.isfinite((await store.search("battery", EMBEDDER.vector("battery"), 5))[0].score)


@pytest.mark.parametrize("form", [logs.Text(logs.LINE), logs.Json()])
def test_log_injection_a_name_begins_no_line_and_orders_no_terminal(form: logging.Formatter) -> None:
    record = logging.LogRecord(
        "rag.parsing", logging.WARNING, __file__, 1, "reading %s failed", (f"{ORDERS}.md",), None
    )
    logs.Fields().filter(record)
    line = form.format(record)
    assert len(line.splitlines()) == 1
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", line)


async def test_terminal_injection_answers_and_names_order_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    async def events() -> AsyncIterator[dict[str, Any]]:
        yield {"type": "stream_token", "token": f"한글\n\t{ORDERS}"}
        yield {"type": "stream_sources", "sources": [{"title": ORDERS, "metadata": {"source": ORDERS}, "score": 1.0}]}

    await terminal.show(events(), "en")
    total = terminal.Total(1)
    total.end(f"{ORDERS}.md", {"error_code": "DOC-001", "message": ORDERS})
    program._complain({"error_code": "DOC-001", "message": ORDERS, "solutions": [ORDERS]})
    told = capsys.readouterr()
    assert told.out.startswith("한글\n\t]0;owned")
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", told.out)
    # The bar orders the terminal to begin its line anew.
    assert not re.search(r"[\x07\x1b\x80-\x9f\u202e]", told.err)
    assert "\n2026-11-23 ERROR" not in told.err


@pytest.mark.parametrize("kind", ["html", "htm", "xhtml", "md", "txt", "json"])
async def test_originals_are_saved_and_never_shown(parts: Parts, client: Client, kind: str) -> None:
    page = f"<html><script>alert('{kind}')</script><p>alpha</p></html>".encode()
    await client.post("/documents", data=form((f"a.{kind}", page if kind != "json" else b'{"a": "<script>"}')))
    await parts.ingester.join()
    (document,) = [each for each in parts.store.documents if each != "doc"]
    for query in ("", "?inline=1"):
        headers = (await client.get(f"/documents/{document}/original{query}")).headers
        assert headers["Content-Type"] == "application/octet-stream"
        assert headers["Content-Disposition"].startswith("attachment;")
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Security-Policy"] == "sandbox"


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_other_users_of_the_machine_what_a_command_writes_is_for_its_user_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"

    def written(*_: object) -> int:
        program._writable(data)
        (data / "file").write_text("private")
        return 0

    monkeypatch.setattr(program, "_run", written)
    before = os.umask(0o022)
    try:
        assert program.main(["documents", "--data-dir", str(data)]) == 0
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (data, data / "file")] == [0o700, 0o600]


@pytest.mark.model
@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_other_users_of_the_machine_read_nothing_of_the_data_folder(first_start: Path) -> None:
    paths = [first_start, *first_start.rglob("*")]
    assert len(paths) > 20
    assert [path for path in paths if stat.S_IMODE(path.stat().st_mode) & 0o077] == []


def test_unpickling_no_part_reads_what_could_run() -> None:
    """Between the parser and the server go lengths, JSON and text; nothing anywhere takes objects from bytes."""
    forbidden = {
        "pickle",
        "cPickle",
        "_pickle",
        "marshal",
        "shelve",
        "dill",
        "joblib",
        "cloudpickle",
        "multiprocessing",
    }
    for path in [ROOT / "server.py", *(ROOT / "rag").rglob("*.py"), *(ROOT / "web").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.partition(".")[0] for name in names} & forbidden, path
            assert not (isinstance(node, ast.keyword) and node.arg == "allow_pickle"), path
            is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            assert not (is_call and node.func.id in ("eval", "exec")), path  # type: ignore[attr-defined]


async def test_decompression_bombs_in_bodies_are_refused(parts: Parts, aiohttp_client: MakeClient) -> None:
    client = await aiohttp_client(parts.app())
    bomb = gzip.compress(b'{"query": "' + b"x" * (32 << 20) + b'"}')
    assert len(bomb) < 1 << 16
    for path in ("/search", "/chat/stream", "/v1/chat/completions", "/v1/embeddings", "/login"):
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        if path == "/login":
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        response = await client.post(path, data=bomb, headers=headers)
        assert response.status in (400, 413), path
    upload = aiohttp.FormData()
    upload.add_field("files", b"y" * (32 << 20), filename="a.txt", content_type="text/plain")
    response = await client.post("/documents", data=upload, headers={"Content-Encoding": "gzip"}, compress=None)
    assert response.status in (400, 413)
    origin = aiohttp.FormData(default_to_multipart=True)
    origin.add_field("origin", "z" * (32 << 20))
    assert (await client.post("/documents", data=origin)).status in (400, 413)
    await parts.ingester.join()
    assert list(parts.store.documents) == ["doc"]
    assert not list((parts.directory / "incoming").glob("*"))


@pytest.mark.parametrize("lang", guides.LANGS)
def test_every_test_that_the_guide_names_is_there(lang: str) -> None:
    text = (guides.GUIDES / lang / "13-security.md").read_text(encoding="utf-8")
    code = "".join((ROOT / name).read_text(encoding="utf-8") for name in re.findall(r"`(tests/[\w/]+\.py)`", text))
    named = re.findall(r"`(test_\w+)`", text)
    assert len(named) > 15
    assert [name for name in named if f"def {name}(" not in code] == []
