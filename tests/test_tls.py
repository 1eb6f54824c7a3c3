"""TLS in the process itself: https, wss, and the command line that trusts the server's own certificate and no other."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import WebSocketException

from rag.errors import RagError
from web import tls

from .conftest import ROOT, SCRIPTED, Server, start_server
from .guides import block
from .socket_client import ask, is_korean, message, open_socket, types, until_last

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def make_pair(folder: Path, name: str, kind: str = "ec") -> tuple[Path, Path]:
    """A certificate that signs itself, and its key."""
    new = {"ec": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "ed25519": ["ed25519"]}[kind]
    files = ["-keyout", f"{name}.key", "-out", f"{name}.crt"]
    openssl(folder, "req", "-x509", "-newkey", *new, "-nodes", "-days", "2", "-subj", "/CN=rag.example", *files)
    return folder / f"{name}.crt", folder / f"{name}.key"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pairs, `a` and `b`, and whatever else may be given by mistake."""
    made = tmp_path_factory.mktemp("tls")
    for name, kind in (("a", "ec"), ("b", "ec"), ("other", "ed25519")):
        make_pair(made, name, kind)
    openssl(made, "ec", "-aes256", "-in", "a.key", "-out", "locked.key", "-passout", "pass:secret")
    (made / "junk.pem").write_text("junk")
    (made / "folder.pem").mkdir()
    return made


@pytest.mark.parametrize(
    ("cert", "key", "named", "reason"),
    [
        ("none.crt", "a.key", "none.crt", "No such file"),
        ("a.crt", "none.key", "none.key", "No such file"),
        ("folder.pem", "a.key", "folder.pem", "directory"),
        ("junk.pem", "a.key", "junk.pem", "no certificate"),
        ("a.key", "a.key", "a.key", "no certificate"),
        ("a.crt", "junk.pem", "junk.pem", "no private key"),
        ("a.crt", "a.crt", "a.crt", "no private key"),
        ("a.crt", "b.key", "b.key", "not the key"),
        ("a.crt", "other.key", "other.key", "not the key"),
        ("a.crt", "locked.key", "locked.key", "password"),
    ],
)
def test_files_that_do_not_do_are_named_with_the_reason(
    folder: Path, cert: str, key: str, named: str, reason: str
) -> None:
    with pytest.raises(RagError) as raised:
        tls.server_context(folder / cert, folder / key)
    assert raised.value.code == "SETUP-009"
    said = raised.value.body("en")["message"]
    assert str(folder / named) in said
    assert reason in said


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_the_command_line_tells_it_before_anything_else(folder: Path, tmp_path: Path, lang: str) -> None:
    where = ["--data-dir", str(tmp_path / "data"), "--models-dir", str(tmp_path / "none"), "--lang", lang]
    for arguments, code in (
        (["--tls-cert", str(folder / "a.crt"), "--tls-key", str(folder / "b.key")], "SETUP-009"),
        (["--tls-cert", str(folder / "a.crt")], "SETUP-006"),
    ):
        done = subprocess.run(
            [sys.executable, str(ROOT / "server.py"), *where, *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 1
        assert done.stderr.startswith(code)
        assert is_korean(done.stderr) == (lang == "ko")
        assert not (tmp_path / "data").exists()


def test_the_first_certificate_of_a_chain_is_the_servers_own(folder: Path, tmp_path: Path) -> None:
    chain = tmp_path / "chain.pem"
    chain.write_text("a comment\n" + (folder / "a.crt").read_text() + (folder / "b.crt").read_text())
    first, own = (ssl.PEM_cert_to_DER_cert(tls.first_certificate(file)) for file in (chain, folder / "a.crt"))
    assert first == own


@pytest.fixture(scope="module")
def running(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`server.py` over scripted parts, with the certificate and the flags of the guide."""
    make, start = (block("11-operations", "TLS without a proxy", nth=nth).text for nth in (0, 1))
    subprocess.run(["bash", "-c", make], cwd=folder, check=True, capture_output=True)
    command, file, *arguments = shlex.split(re.sub(r"\brag\.(crt|key)", rf"{folder}/rag.\1", start))
    assert (command, file) == ("python", "server.py")
    server = start_server(tmp_path_factory.mktemp("data"), ROOT / "models", arguments, program=SCRIPTED)
    server.certificate = folder / "rag.crt"
    yield server.wait()
    server.stop()


def trusting(cert: Path) -> ssl.SSLContext:
    return tls.client_context(cert.read_text())


@pytest.mark.guide("11-operations", "TLS without a proxy")
def test_the_server_says_https_and_serves_the_page_by_it(running: Server, folder: Path) -> None:
    assert running.url.startswith("https://127.0.0.1:")
    kept = json.loads((running.data_dir / "server.json").read_text())
    assert kept["url"] == running.url
    with urllib.request.urlopen(running.url + "/", context=trusting(folder / "rag.crt"), timeout=30) as response:
        assert "RAG Standard" in response.read().decode()


def test_who_trusts_another_certificate_gets_nothing(running: Server, folder: Path) -> None:
    for context in (trusting(folder / "b.crt"), ssl.create_default_context()):
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            urllib.request.urlopen(running.url + "/health", context=context, timeout=30)
        with pytest.raises((OSError, WebSocketException)):
            ask(running.ws_url, "what is the answer", ssl=context)


def test_a_chat_goes_by_wss(running: Server, folder: Path) -> None:
    assert running.ws_url.startswith("wss://")
    with open_socket(running.ws_url, "s", ssl=trusting(folder / "rag.crt")) as socket:
        assert socket.socket.version() >= "TLSv1.2"
        socket.send(message("s", "what is the answer"))
        assert types(until_last(socket)) == ["stream_start", "stream_token", "stream_sources", "stream_end"]


def test_what_is_older_than_tls_1_2_is_refused(running: Server, folder: Path) -> None:
    context = trusting(folder / "rag.crt")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with urllib.request.urlopen(running.url + "/health", context=context, timeout=30) as response:
        assert response.status == 200
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(OSError):
        urllib.request.urlopen(running.url + "/health", context=context, timeout=30)


def command(running: Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    where = ["--data-dir", str(running.data_dir), "--lang", "en", "--offline"]
    run = [sys.executable, str(ROOT / "server.py"), arguments[0], *where, *arguments[1:]]
    return subprocess.run(run, capture_output=True, text=True, timeout=60, check=False)


def test_the_command_line_hands_its_work_to_the_server(running: Server) -> None:
    done = command(running, "ask", "what is the answer")
    assert done.returncode == 0, done.stderr
    assert "The answer is 42" in done.stdout


def test_the_command_line_does_not_talk_to_one_with_another_certificate(running: Server, folder: Path) -> None:
    record = running.data_dir / "server.json"
    kept = record.read_text()
    try:
        record.write_text(json.dumps(json.loads(kept) | {"certificate": (folder / "b.crt").read_text()}))
        done = command(running, "ask", "what is the answer")
    finally:
        record.write_text(kept)
    assert done.returncode == 1
    assert done.stderr.startswith("SETUP-007")
    assert "42" not in done.stdout
