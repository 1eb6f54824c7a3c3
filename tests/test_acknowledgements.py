"""What is acknowledged is on the disk: the calls of the real server, as the kernel sees them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .bench.beside import upload
from .bench.kills import LIFE, QUICK, prepare
from .bench.told import settle
from .conftest import start_server
from .socket_client import ask

pytestmark = [
    pytest.mark.model,
    pytest.mark.skipif(sys.platform != "linux" or not shutil.which("strace"), reason="needs strace"),
]

CALLS = "trace=fsync,fdatasync,rename,renameat,renameat2,link,linkat,write,pwrite64,writev,sendto,sendmsg"
MARK = "zqacknowledged"


@pytest.fixture(scope="module")
def calls(starter_models: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The data directory of a server, and its calls while it took one file and answered one question."""
    place = tmp_path_factory.mktemp("traced")
    data_dir, embedders = prepare(place, starter_models)
    arguments = [f"--{name}={value}" for name, value in (QUICK | LIFE | {"embed-model": embedders[0]}).items()]
    # Once without, so that the models are tried already.
    start_server(data_dir, embedders[0].parent, arguments).wait().stop()
    server = start_server(data_dir, embedders[0].parent, arguments).wait()
    try:
        settle(server)
        trace = place / "trace"
        command = ["strace", "-f", "-y", "-s", "400", "-o", str(trace), "-e", CALLS, "-p", str(server.process.pid)]
        tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert tracer.stderr is not None
        if "attached" not in (said := tracer.stderr.readline()):
            pytest.skip(f"strace may not look: {said.strip()}")
        upload(server, f"{MARK}.txt", "the pump needs oil")
        settle(server)
        assert ask(server.ws_url, f"What does the pump need, {MARK}?", "talk")[-1]["type"] == "stream_end"
    finally:
        server.stop()
    tracer.wait(timeout=60)
    return data_dir, trace.read_text().splitlines()


def first(lines: list[str], pattern: str, begin: int = 0) -> int:
    """The number of the first line, from `begin` on, that the pattern is found in."""
    found = (number for number in range(begin, len(lines)) if re.search(pattern, lines[number]))
    number = next(found, None)
    assert number is not None, pattern
    return number


def synced(lines: list[str], path: str, begin: int, end: int) -> bool:
    """Whether a call that syncs the path returned between two lines."""
    for number in range(begin, end):
        call = re.search(rf"^(\d+) +(?:fsync|fdatasync)\(\d+<{path}>(.*)$", lines[number])
        if call and call[2].startswith(")"):
            return True
        if call:
            over = rf"^{call[1]} +<\.\.\. (?:fsync|fdatasync) resumed>"
            return any(re.search(over, line) for line in lines[number:end])
    return False


def test_an_upload_is_on_the_disk_before_it_is_accepted(calls: tuple[Path, list[str]]) -> None:
    data_dir, lines = calls
    incoming = re.escape(str(data_dir / "incoming"))
    told = first(lines, r"<(?:TCP|socket).*HTTP/1.1 202")
    content = first(lines, rf"write\w*\(\d+<{incoming}/\.\w+/content>")
    moved = first(lines, rf'rename\w*\(.*"{incoming}/\.\w+".*"{incoming}/\w+"')
    assert content < moved < told
    assert synced(lines, rf"{incoming}/\.\w+/content", content, moved)
    assert synced(lines, rf"{incoming}/\.\w+/\.about\.json", 0, moved)
    assert synced(lines, rf"{incoming}/\.\w+", content, moved)
    assert synced(lines, incoming, moved, told)


def test_a_document_is_on_the_disk_before_what_was_accepted_goes(calls: tuple[Path, list[str]]) -> None:
    data_dir, lines = calls
    incoming, originals, index = (re.escape(str(data_dir / name)) for name in ("incoming", "originals", "index"))
    gone = first(lines, rf'rename\w*\(.*"{incoming}/\w+".*"{incoming}/\.\w+"')
    kept = first(lines, rf'rename\w*\(.*"{originals}/\.\w+".*"{originals}/\w+"')
    commit = first(lines, rf'(?:rename|link)\w*\(.*"{index}/[^"]+\.manifest[^"]*"', kept)
    assert kept < commit < gone
    assert synced(lines, rf"{originals}/\.\w+", 0, kept)
    assert synced(lines, originals, kept, commit)
    assert synced(lines, re.escape(str(data_dir / "origins.sqlite-wal")), 0, commit)
    assert synced(lines, rf"{index}/\S+\.manifest", commit, gone)
    assert synced(lines, rf"{index}/\S+\.lance", 0, gone)
    assert synced(lines, rf"{index}/\S+/_versions", commit, gone)
    assert synced(lines, rf"{index}/\S+/data", 0, gone)


def test_a_turn_is_on_the_disk_before_its_end_is_told(calls: tuple[Path, list[str]]) -> None:
    data_dir, lines = calls
    log = re.escape(str(data_dir / "sessions.sqlite-wal"))
    told = first(lines, r"<(?:TCP|socket).*stream_end")
    # The last pages before the end are those of the turn.
    written = max(number for number in range(told) if re.search(rf"pwrite64\(\d+<{log}>", lines[number]))
    assert synced(lines, log, written, told)
