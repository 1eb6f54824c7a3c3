"""Nothing leaves the machine: not a call, not a packet, not a look-up of a name, whatever a user does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from rag.loaders import SUPPORTED

from .conftest import ROOT
from .recorder import STRACE, foreign
from .socket_client import answer, types

ANSWERED = ["stream_start", "stream_token", "stream_sources", "stream_end"]
SCRIPT = str(ROOT / "tests/clients/quiet.py")


def namespace() -> list[str]:
    """The command that gives a program namespaces of its own. Skips where there is none."""
    unshare = shutil.which("unshare")
    command = [unshare or "", "-rnm"]
    if not unshare or subprocess.run([*command, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine does not allow namespaces")
    return command


@pytest.fixture(scope="module")
def run(first_start: Path, starter_models: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the recorders heard while RAG Standard was used after its first start."""
    command = namespace()
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    folder = tmp_path_factory.mktemp("quiet")
    data = shutil.copytree(first_start, folder / "data")
    arguments = [*command, sys.executable, SCRIPT, str(folder), str(data), str(starter_models)]
    # A user's own start: no setting but the folders.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("RAG_")}
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=900, check=False, env=environ)
    assert done.returncode == 0, done.stderr
    heard: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return heard


@pytest.mark.model
def test_both_recorders_hear_a_program_that_goes_out(run: dict[str, Any]) -> None:
    calls = "\n".join(run["control"]["calls"])
    assert '"192.0.2.1"' in calls
    assert '"192.0.2.53"' in calls, "the look-up of a name"
    if run["packets"] is not None:
        assert {"192.0.2.1:9", "192.0.2.53:53 .name.example"} <= set(run["control"]["packets"])


@pytest.mark.model
def test_everything_was_done_while_they_listened(run: dict[str, Any]) -> None:
    assert {Path(line.split()[-1]).suffix for line in run["documents"]} >= set(SUPPORTED)
    for events in run["events"].values():
        assert types(events) == ANSWERED
        assert answer(events)
    # Korean is not among the languages of the starter model, which quotes then.
    assert run["events"]["en"][-1]["usage"]["completion_tokens"] > 0
    assert run["told"].strip()
    assert (run["status"], run["exit"]) == ("ok", 0)


@pytest.mark.model
def test_no_program_calls_anything_but_this_machine(run: dict[str, Any]) -> None:
    programs = {"ingest", "serve", "asked", "listed", "doctor", "ask"}
    assert run["calls"] == {program: [] for program in programs}


@pytest.mark.model
def test_no_packet_leaves_and_no_name_is_looked_up(run: dict[str, Any]) -> None:
    if run["packets"] is None:
        pytest.skip("this machine has no /dev/net/tun")
    assert run["packets"] == []


@pytest.mark.model
@pytest.mark.browser
def test_the_page_asks_nobody_but_its_server(run: dict[str, Any]) -> None:
    if "page" not in run:
        pytest.skip("chromium and chromedriver are not installed")
    own = urlsplit(run["url"]).netloc
    assert {urlsplit(url).netloc for url in run["page"]} == {own}
    assert {urlsplit(url).scheme for url in run["page"]} >= {"http", "ws"}


# The recorder of calls.


@pytest.mark.parametrize(
    "line",
    [
        '7 connect(3, {sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr("1.1.1.1")}, 16) = 0',
        '7 connect(3, {sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr("10.0.0.1")}, 16 <unfinished ...>',
        '7 connect(3, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("127.0.0.53")}, 16) = 0',
        "7 connect(3, {sa_family=AF_INET6, sin6_port=htons(80), sin6_flowinfo=htonl(0), inet_pton(AF_INET6,"
        ' "2001:db8::1", &sin6_addr), sin6_scope_id=0}, 28) = -1 ENETUNREACH',
        '7 sendto(3, "x", 1, 0, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("8.8.8.8")}, 16) = 1',
        '7 sendmsg(3, {msg_name={sa_family=AF_INET, sin_port=htons(9), sin_addr=inet_addr("192.0.2.1")}, …}) = 1',
        '7 connect(3, {sa_family=AF_UNIX, sun_path="/run/systemd/resolve/io.systemd.Resolve"}, 42) = 0',
        "7 connect(3, {sa_family=AF_VSOCK, svm_cid=0x2, svm_port=0x1}, 16) = 0",
        "7 socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)) = 3",
        "7 socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) = 3",
    ],
)
def test_a_call_that_goes_out_is_told(line: str) -> None:
    assert list(foreign([line])) == [line]


@pytest.mark.parametrize(
    "line",
    [
        '7 connect(3, {sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr("127.0.0.1")}, 16) = 0',
        '7 connect(3, {sa_family=AF_INET6, sin6_port=htons(80), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "::1",'
        " &sin6_addr), sin6_scope_id=0}, 28) = 0",
        '7 connect(3, {sa_family=AF_UNIX, sun_path="/var/run/nscd/socket"}, 110) = -1 ENOENT',
        '7 bind(3, {sa_family=AF_INET, sin_port=htons(0), sin_addr=inet_addr("127.0.0.1")}, 16) = 0',
        '7 sendto(3, "GET http://1.1.1.1/ HTTP/1.1", 27, 0, NULL, 0) = 27',
        "7 sendto(3, [{nlmsg_len=20}], 20, 0, {sa_family=AF_NETLINK, nl_pid=0, nl_groups=00000000}, 12) = 20",
        "7 socket(AF_NETLINK, SOCK_RAW|SOCK_CLOEXEC, NETLINK_ROUTE) = 3",
        "7 +++ exited with 0 +++",
    ],
)
def test_a_call_within_the_machine_is_not(line: str) -> None:
    assert list(foreign([line])) == []


def test_the_recorder_looks_at_every_call_that_can_name_another_end() -> None:
    assert {"socket", "connect", "sendto", "sendmsg", "sendmmsg"} <= set(STRACE[-2].partition("=")[2].split(","))
