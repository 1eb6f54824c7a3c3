"""The real server with a key, over scripted parts: where it listens, and that no key leaves it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rag.errors import RagError
from web import listening

from . import guides
from .conftest import ROOT

KEYS = ("key-in-the-variable", "key-in-the-file")
WRONG = "a-wrong-key-that-is-nobodys"


def environ(**given: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAG_", "LC_", "LANG"))}
    return kept | {"LANG": "C.UTF-8", "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"} | given


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost"])
def test_this_computer_is_served_without_a_key(host: str) -> None:
    with listening.bind(host, 0, to_all=False) as opened:
        assert opened.getsockname()[1]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "::ffff:192.0.2.1", "fe80::1"])
def test_an_address_that_others_can_reach_is_refused_before_it_is_opened(host: str) -> None:
    with pytest.raises(RagError) as refused:
        listening.bind(host, 0, to_all=False)
    assert refused.value.code == "SETUP-008"
    assert host in refused.value.body("en")["message"]


def test_a_name_counts_as_what_it_stands_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(*_: object, **__: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(RagError) as refused:
        listening.bind("localhost.example", 0, to_all=False)
    assert refused.value.code == "SETUP-008"


@pytest.mark.parametrize("host", ["unix:/tmp/rag.sock", "no such name"])
def test_what_is_no_address_is_refused(host: str) -> None:
    with pytest.raises(RagError) as refused:
        listening.bind(host, 0, to_all=False)
    assert refused.value.code == "SETUP-002"


def test_with_a_key_or_by_order_all_addresses_may_be_opened() -> None:
    with listening.bind("0.0.0.0", 0, to_all=True) as opened:
        assert opened.getsockname()[0] == "0.0.0.0"


@contextmanager
def running(command: Sequence[str] | str, cwd: Path, **given: str) -> Iterator[tuple[str, Path]]:
    """A server in a process of its own: its address, and the file of all that it says."""
    said = cwd / "said.txt"
    with said.open("w") as output:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=environ(**given),
            stdout=output,
            stderr=subprocess.STDOUT,
            shell=isinstance(command, str),
        )
    try:
        deadline = time.monotonic() + 120
        while not (found := re.search(r"http://\S+:(\d+)", said.read_text())):
            assert process.poll() is None, said.read_text()
            assert time.monotonic() < deadline, said.read_text()
            time.sleep(0.05)
        yield f"http://127.0.0.1:{found[1]}", said
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def status(url: str, headers: dict[str, str] | None = None, data: bytes | None = None) -> int:
    asked = urllib.request.Request(url, data, headers or {})
    try:
        with urllib.request.urlopen(asked, timeout=30) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        text = error.read().decode()
        assert not [key for key in (*KEYS, WRONG) if key in text]
        return error.code


def test_no_key_leaves_the_server(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(f"{KEYS[1]}\n")
    (tmp_path / "keys").chmod(0o644)
    command = [sys.executable, "-m", "tests.scripted_server", "--port", "0", "--data-dir", str(tmp_path / "data")]
    command += ["--log-level", "debug", "--log-format", "json", "--api-key-file", "keys"]
    with running(command, tmp_path, RAG_API_KEY=KEYS[0]) as (url, said):
        for key in KEYS:
            assert status(f"{url}/documents", {"X-API-Key": key}) == 200
            assert status(f"{url}/stats", {"Authorization": f"Bearer {key}"}) == 200
            assert status(f"{url}/documents?api_key={key}") == 401
            assert status(f"{url}/nowhere/{key}") == 401
            assert status(f"{url}/nowhere", {"X-API-Key": key}) == 404
            form = urllib.parse.urlencode({"key": key}).encode()
            assert status(f"{url}/login", data=form) in (200, 401)
        assert status(f"{url}/documents", {"X-API-Key": WRONG}) == 403
        assert status(f"{url}/login", data=f"key={WRONG}".encode()) == 403
        with urllib.request.urlopen(urllib.request.Request(f"{url}/stats", headers={"X-API-Key": KEYS[0]})) as response:
            told = response.read().decode()
        assert "version" in json.loads(told)
    kept = "".join(file.read_text(errors="replace") for file in (tmp_path / "data").rglob("*") if file.is_file())
    for text in (said.read_text(), told, kept):
        assert not [key for key in (*KEYS, WRONG) if key in text]
    assert "web.access" in said.read_text(), "requests are logged"
    # It was told that others can read the file, by its name.
    assert re.search(r"Warning: .*keys", said.read_text())


def test_openais_own_client_brings_the_key(tmp_path: Path) -> None:
    openai = pytest.importorskip("openai", reason="openai is not installed")
    command = [sys.executable, "-m", "tests.scripted_server", "--port", "0", "--data-dir", str(tmp_path / "data")]
    with running(command, tmp_path, RAG_API_KEY=KEYS[0]) as (url, _):

        def client(key: str) -> Any:
            return openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)

        with client(KEYS[0]) as right:
            assert right.models.list().data
        with client(WRONG) as wrong, pytest.raises(openai.PermissionDeniedError) as refused:
            wrong.models.list()
        assert refused.value.code == "AUTH-002"
        with client("none") as none, pytest.raises(openai.AuthenticationError) as missing:
            none.models.list(extra_headers={"Authorization": openai.Omit()})
        assert missing.value.code == "AUTH-001"


def test_help_and_doctor_show_no_key(tmp_path: Path) -> None:
    for arguments in (["--help"], ["doctor", "--data-dir", str(tmp_path), "--models-dir", str(tmp_path)]):
        command = [sys.executable, str(ROOT / "server.py"), *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, env=environ(RAG_API_KEY=KEYS[0]), timeout=120, check=True
        )
        assert KEYS[0] not in done.stdout + done.stderr


@pytest.mark.guide("13-security", "How to set a key")
@pytest.mark.guide("13-security", "How programs send the key")
@pytest.mark.parametrize("lang", guides.LANGS)
def test_every_command_of_the_guide_runs(tmp_path: Path, lang: guides.Lang) -> None:
    start, ask = guides.blocks("13-security", lang)
    (tmp_path / "server.py").write_text(
        "import runpy, sys\nsys.path.pop(0)\nrunpy.run_module('tests.scripted_server', run_name='__main__')\n"
    )
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # The shell's place is taken by the server, which then gets the signals.
    *before, last = start.text.strip().splitlines()
    script = "\n".join((*before, f"exec {last}"))
    with running(script, tmp_path, PATH=path, RAG_PORT="0", RAG_DATA_DIR=str(tmp_path / "data")) as (url, said):
        key = (tmp_path / "keys.txt").read_text().strip()
        assert len(key) > 40
        for line in ask.text.strip().splitlines():
            command = line.replace("http://127.0.0.1:8000", url).replace("curl", "curl -sS --fail-with-body", 1)
            done = subprocess.run(
                command,
                shell=True,
                env=environ(PATH=path, KEY=key),
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            assert "{" in done.stdout
            assert status(re.search(r"http://\S+", command)[0]) == 401  # type: ignore[index]
        assert "Warning" not in said.read_text()
