"""`/openapi.json` is valid, complete and true, and the guides made of it can be read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from rag.catalogue import CATALOGUE
from rag.errors import Lang
from web.openapi import codes_of, document
from web.operations import OPERATIONS

from .app_client import Client
from .browser.conftest import Scripted, serving
from .conftest import Server

HERE = Path(__file__).resolve().parent
# What any address tells, whatever it is for, and what comes with any body.
SHARED = {"http"}


@pytest.mark.parametrize("lang", ["en", "ko"])
async def test_it_is_valid_and_served_in_both_languages(client: Client, lang: Lang) -> None:
    validator = pytest.importorskip("openapi_spec_validator")
    served = await (await client.get(f"/openapi.json?lang={lang}")).json()
    validator.validate(served)
    assert served == json.loads(json.dumps(document("test", lang)))
    assert "x-ko" not in json.dumps(served)


def test_both_languages_describe_the_same() -> None:
    def bare(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: bare(value) for key, value in part.items() if key not in ("description", "summary")}
        return [bare(each) for each in part] if isinstance(part, list) else part

    ko, en = document("test", "ko"), document("test", "en")
    assert bare(ko) == bare(en)
    assert ko != en


async def test_every_route_is_told_and_nothing_else(client: Client) -> None:
    routes = {
        (route.method, route.resource.canonical)
        for route in client.app.router.routes()
        if route.method != "HEAD" and isinstance(route.resource, web.Resource)
    }
    told = [(operation.method, operation.path) for operation in OPERATIONS]
    assert set(told) == routes
    assert len(told) == len(routes), "one of them is told twice"


def test_every_error_of_a_door_is_told_where_it_can_be_met() -> None:
    """What the catalogue says of a door, its operations say together."""
    told: dict[str, set[str]] = {}
    for operation in OPERATIONS:
        told.setdefault(operation.door, set()).update(codes_of(operation))
        for code in operation.codes:
            doors = set(CATALOGUE[code].doors)
            assert operation.door in doors or "http" in doors, f"{operation.id} tells {code}"
    # The jobs of documents tell why a file could not be read; the socket, what went wrong with a message; and what is
    # at no address, or takes no such method, is no operation.
    told["documents"] |= {f"DOC-{number:03}" for number in (3, 4, 5, 6, 9, 10, 11)}
    told["socket"] |= {code for code, row in CATALOGUE.items() if "socket" in row.doors}
    told["http"] |= {"HTTP-405", *(code for door in told.values() for code in door if code.startswith("HTTP"))}
    for code, row in CATALOGUE.items():
        for door in set(row.doors) - {"command"}:
            assert code in told[door], f"no operation of {door} tells {code}"


async def test_the_examples_are_accepted(client: Client) -> None:
    tried = 0
    for path, methods in document("test", "en")["paths"].items():
        for method, operation in methods.items():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            if "example" in body:
                response = await client.request(method, path, json=body["example"])
                assert str(response.status) in operation["responses"]
                assert response.status < 300, await response.text()
                tried += 1
    assert tried >= 6


def test_errors_below_v1_have_the_shape_of_openai() -> None:
    for path, methods in document("test", "en")["paths"].items():
        for operation in methods.values():
            shape = operation["responses"]["403"]["content"]["application/json"]["schema"]["$ref"]
            assert shape.endswith("OpenAIError" if path.startswith("/v1/") else "/Error")


# Against the running server.


def strict(told: dict[str, Any]) -> dict[str, Any]:
    """The document, whose answers may then hold nothing that it does not tell."""
    asked = json.dumps(
        [each["requestBody"] for path in told["paths"].values() for each in path.values() if "requestBody" in each]
    )
    schemas = told["components"]["schemas"]
    bodies = {name for name in schemas if f'schemas/{name}"' in asked} | {
        "Options",
        "ChatMessage",
        "TextPart",
        "StreamOptions",
    }
    for name, schema in schemas.items():
        if name not in bodies:
            schema["additionalProperties"] = False
    return told


@pytest.fixture
def scripted(tmp_path: Path) -> Iterator[Scripted]:
    with serving(tmp_path) as made:
        yield made


@pytest.fixture
def known(scripted: Scripted) -> Iterator[dict[str, str]]:
    """Ids of a document with its original, of its job, and of a conversation."""
    head = 'Content-Disposition: form-data; name="files"; filename="known.md"'
    form = f"--b\r\n{head}\r\n\r\nknown\r\n--b--\r\n".encode()
    job = post(f"{scripted.url}/documents", form, "multipart/form-data; boundary=b")["jobs"][0]["id"]
    with urllib.request.urlopen(f"{scripted.url}/documents/jobs/{job}/events", timeout=30) as events:
        stored = json.loads(events.read().decode().strip().splitlines()[-1].removeprefix("data: "))
    asked = json.dumps({"message": "what is the answer", "session_id": "known"}).encode()
    post(f"{scripted.url}/chat", asked, "application/json")
    return {"KNOWN_DOCUMENT": stored["document_id"], "KNOWN_JOB": job, "KNOWN_SESSION": "known"}


def post(url: str, body: bytes, kind: str) -> Any:
    with urllib.request.urlopen(urllib.request.Request(url, body, {"Content-Type": kind}), timeout=30) as response:
        return json.load(response)


def test_the_server_does_what_the_document_says(scripted: Scripted, known: dict[str, str], tmp_path: Path) -> None:
    check(scripted.url, known, tmp_path)


@pytest.mark.model
def test_so_does_a_real_server(server: Server, tmp_path: Path) -> None:
    known = {"KNOWN_DOCUMENT": "none", "KNOWN_JOB": "none", "KNOWN_SESSION": "none"}
    check(server.url, known, tmp_path, "--phases", "examples")


def check(url: str, known: dict[str, str], tmp_path: Path, *options: str) -> None:
    """Ask in many ways, and hold each answer against the document."""
    with urllib.request.urlopen(f"{url}/openapi.json?lang=en", timeout=30) as response:
        (tmp_path / "openapi.json").write_text(json.dumps(strict(json.load(response))))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml"), "run"),
            *(str(tmp_path / "openapi.json"), "--url", url, "--no-color", "--continue-on-failure", *options),
        ],
        cwd=tmp_path,
        env=os.environ | known,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(OPERATIONS)} selected" in done.stdout, done.stdout
