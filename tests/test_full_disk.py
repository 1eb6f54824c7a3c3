"""A full disk loses nothing: the chat goes on meanwhile, and all else when there is room again, without a restart.
On a real small file system, with the real server."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import time
import urllib.error
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rag.incoming import document_id

from .bench.beside import upload
from .bench.kills import LIFE, QUICK, prepare
from .bench.told import a_text, call, check_stored, jobs, text_sha256
from .conftest import Server, start_server
from .socket_client import answer, ask
from .test_doors import PATIENCE

pytestmark = pytest.mark.model

SIZE = 48 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of some megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount")
    if done.returncode:
        pytest.skip(f"a file system cannot be mounted: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 2 * PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def fill(disk: Path, leave: int = 0) -> None:
    """Let the disk have so many bytes left."""
    with (disk / "ballast").open("ab", buffering=0) as ballast:
        for size in (1 << 20, 1 << 12, 1):
            while True:
                try:
                    ballast.write(bytes(size))
                except OSError:
                    break
        ballast.truncate(ballast.tell() - leave)


def refused(call: Callable[[], Any]) -> str:
    """The code of the error that it is refused with, and its status."""
    with pytest.raises(urllib.error.HTTPError) as caught:
        call()
    with caught.value as error:
        return f"{json.load(error)['error_code']} {error.code}"


def turns(server: Server, session: str) -> list[str]:
    found = call(server, "GET", f"/sessions/{session}")
    return [turn["question"] for turn in found["turns"]] if found else []


class Chatting:
    """Questions of one conversation, and which of them were told to their end."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.asked = 0
        self.told: list[str] = []

    def ask(self) -> str:
        """The code of the error at its end, or ""."""
        self.asked += 1
        question = f"Question {self.asked}: how long is the warranty of the pump?"
        events = ask(self.server.ws_url, question, "talk")
        assert answer(events)
        last = events[-1]
        if last["type"] == "stream_end":
            self.told.append(question)
        # What was told to its end is kept, and nothing else.
        assert turns(self.server, "talk") == self.told
        return str(last.get("error_code", ""))


def test_a_full_disk_loses_nothing_and_all_goes_on_when_there_is_room(
    small_disk: Path, tmp_path: Path, starter_models: Path
) -> None:
    draw = random.Random(1)
    known, embedders = prepare(tmp_path, starter_models)
    data_dir = small_disk / "data"
    known.rename(tmp_path / "known")
    data_dir.mkdir()
    (data_dir / "guides.json").write_bytes((tmp_path / "known" / "guides.json").read_bytes())
    arguments = [f"--{name}={value}" for name, value in (QUICK | LIFE | {"embed-model": embedders[0]}).items()]
    # Its log lies on the same disk.
    log = ["sh", "-c", f'exec "$@" 2>>{small_disk}/log', "sh"]
    server = start_server(data_dir, embedders[0].parent, arguments, wrap=log).wait()
    chat = Chatting(server)
    texts = {"first.txt": a_text(draw, "a"), "second.txt": a_text(draw, "b")}
    try:
        stored(server, texts)
        assert chat.ask() == ""
        fill(small_disk)
        assert refused(lambda: upload(server, "large.txt", a_text(draw, "c") * 2000)) == "SETUP-010 507"
        for _ in range(5):
            # The log of changes may have room for a turn or two.
            if code := chat.ask():
                break
        assert code == "SETUP-010"
        assert refused(lambda: call(server, "POST", "/sessions", {})) == "SETUP-010 507"
        assert refused(lambda: call(server, "DELETE", f"/documents/{document_id('second.txt')}")) == "SETUP-010 507"
        found = call(server, "POST", "/search", {"query": texts["first.txt"].split()[0]})["sources"]
        assert found[0]["metadata"]["document_id"] == document_id("first.txt")
        accepted = accepted_on_a_full_disk(server, small_disk, draw)
        (small_disk / "ballast").unlink()
        wait_for(lambda: {job["state"] for job in jobs(server)} == {"stored"})
        texts |= accepted
        texts["third.txt"] = a_text(draw, "d")
        stored(server, {"third.txt": texts["third.txt"]})
        assert chat.ask() == ""
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
        again = start_server(data_dir, embedders[0].parent, arguments, wrap=log).wait()
        chat.server = server = again
        wrong = [each for name, text in texts.items() for each in check_stored(again, document_id(name), name, text)]
        assert wrong == []
        assert turns(again, "talk") == chat.told
        assert call(again, "GET", "/stats")["damage"] == []
        kept = {path.name for path in (data_dir / "originals").iterdir()}
        assert {text_sha256(text) for text in texts.values()} <= kept
        assert not list((data_dir / "incoming").iterdir())
    finally:
        server.stop()
        print((small_disk / "log").read_text()[-5000:])


def stored(server: Server, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        upload(server, name, text)
    wait_for(lambda: {job["state"] for job in jobs(server)} == {"stored"})


def accepted_on_a_full_disk(server: Server, disk: Path, draw: Any) -> dict[str, str]:
    """Make room page by page until a file is accepted, which is then stored or has failed for the full disk."""
    page = os.sysconf("SC_PAGE_SIZE")
    text = a_text(draw, "e")
    while True:
        fill(disk)
        os.truncate(disk / "ballast", (disk / "ballast").stat().st_size - page)
        page += os.sysconf("SC_PAGE_SIZE")
        with contextlib.suppress(urllib.error.HTTPError):
            upload(server, "late.txt", text)
            break
    wait_for(lambda: {job["state"] for job in jobs(server)} <= {"stored", "failed"})
    failed = [job["error"]["error_code"] for job in jobs(server) if job["state"] == "failed"]
    assert failed == ["SETUP-010"]
    return {"late.txt": text}


def test_a_disk_that_is_read_only_is_told_at_the_start(small_disk: Path, starter_models: Path) -> None:
    (small_disk / "data").mkdir()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    refusing = start_server(small_disk / "data", starter_models)
    assert refusing.process.wait(timeout=2 * PATIENCE) == 1
    wait_for(lambda: "SETUP-003" in "".join(refusing.lines))
