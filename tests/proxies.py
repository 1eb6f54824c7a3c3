"""nginx and Apache as the guide on operations sets them up: its very snippets, but for ports and certificates."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from .guides import block, blocks

GUIDE = "11-operations"
MODULES = Path("/usr/lib/apache2/modules")
TRIES = 5
START_TIMEOUT = 30.0
NGINX, APACHE = shutil.which("nginx", path=f"{os.defpath}:/usr/sbin"), shutil.which("apache2", path="/usr/sbin")


@dataclass(frozen=True)
class Setup:
    """One way to stand before the server: a proxy, and a host name of its own or a path below another site."""

    proxy: str
    prefix: str

    @property
    def name(self) -> str:
        return f"{self.proxy}{self.prefix.replace('/', '-') or '-host'}"

    def snippet(self) -> str:
        """The block of the guide."""
        name = {"nginx": "nginx", "apache": "Apache"}[self.proxy]
        heading = f"Under a path of another site with {name}" if self.prefix else f"Behind {name}"
        (text,) = (each.text for each in blocks(GUIDE, "en") if (each.heading, each.kind) == (heading, self.proxy))
        return text

    @property
    def secure(self) -> bool:
        return not self.prefix


SETUPS = [Setup(proxy, prefix) for proxy in ("nginx", "apache") for prefix in ("", "/rag")]


@dataclass
class Running:
    """A proxy that listens. `url` is where the page lies, without a slash at the end."""

    setup: Setup
    port: int
    process: subprocess.Popen[bytes]
    certificate: Path

    @property
    def origin(self) -> str:
        return f"{'https' if self.setup.secure else 'http'}://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return self.origin + self.setup.prefix


@contextlib.contextmanager
def standing(setup: Setup, backend: int, folder: Path, timeout: int | None = None) -> Iterator[Running]:
    """The proxy before the server at the port. `timeout`: its time-outs in seconds, where the snippet has others."""
    program = NGINX if setup.proxy == "nginx" else APACHE
    if program is None:
        pytest.skip(f"{setup.proxy} is not installed")
    folder.mkdir()
    snippet = setup.snippet().replace("127.0.0.1:8000", f"127.0.0.1:{backend}")
    if timeout is not None:
        snippet, count = re.subn(r"(_timeout |timeout=)\d+", rf"\g<1>{timeout}", snippet)
        assert count
        if setup.proxy == "apache":
            # A tunnel may be silent for the longer of the two.
            snippet = f"Timeout {timeout}\n{snippet}"
    certificate = _certificate(folder)
    snippet = re.sub(r"/etc/ssl/rag\.(crt|key)", rf"{folder}/rag.\1", snippet)
    make: Callable[[Setup, str, int, Path], list[str]] = _nginx if setup.proxy == "nginx" else _apache
    for attempt in range(1, TRIES + 1):
        port = _free_port()
        with (folder / "output").open("wb") as output:
            command = [program, *make(setup, snippet, port, folder)]
            process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            if _wait(process, port):
                yield Running(setup, port, process, certificate)
                return
        finally:
            process.terminate()
            process.wait(START_TIMEOUT)
        # Somebody else may have taken the port.
        assert attempt < TRIES, "".join(log.read_text() for log in (folder / "output", *folder.glob("*.log")))


def _certificate(folder: Path) -> Path:
    files = ["-keyout", str(folder / "rag.key"), "-out", str(folder / "rag.crt")]
    new = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=rag"]
    subprocess.run(["openssl", "req", *new, *files], check=True, capture_output=True)
    return folder / "rag.crt"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def _wait(process: subprocess.Popen[bytes], port: int) -> bool:
    """Whether it listens; False if it has ended instead."""
    deadline = time.monotonic() + START_TIMEOUT
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        time.sleep(0.02)
    return False


def _nginx(setup: Setup, snippet: str, port: int, folder: Path) -> list[str]:
    """Write its configuration. The arguments of the program."""
    if setup.prefix:
        snippet = f"server {{ listen 127.0.0.1:{port};\n{snippet} }}"
    else:
        snippet, count = re.subn(r"listen 443 ", f"listen 127.0.0.1:{port} ", snippet)
        assert count == 1
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    user = "user root;\n" if os.getuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"{user}daemon off;\nworker_processes 1;\npid {folder}/nginx.pid;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{places}{snippet}}}\n"
    )
    return ["-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]


def _apache(setup: Setup, snippet: str, port: int, folder: Path) -> list[str]:
    """Write its configuration. The arguments of the program."""
    enabled = re.findall(r"a2enmod ([\w ]+)", block(GUIDE, "Behind Apache").text)
    # Those that Debian's Apache has from the start, as far as they matter, and those that the guide turns on.
    modules = ["mpm_event", "authz_core", "alias", "setenvif", "reqtimeout", *" ".join(enabled).split()]
    modules += ["socache_shmcb"] if "ssl" in modules else []
    load = "".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so\n" for name in dict.fromkeys(modules))
    if setup.prefix:
        snippet = f"<VirtualHost 127.0.0.1:{port}>\n{snippet}</VirtualHost>\n"
    else:
        snippet, count = re.subn(r"<VirtualHost \*:443>", f"<VirtualHost 127.0.0.1:{port}>", snippet)
        assert count == 1
    user = "User www-data\nGroup www-data\n" if os.getuid() == 0 else ""
    (folder / "apache.conf").write_text(
        f"ServerRoot {folder}\nDefaultRuntimeDir {folder}\nPidFile {folder}/apache.pid\nErrorLog {folder}/error.log\n"
        f"ServerName localhost\nListen 127.0.0.1:{port}\nStartServers 1\n{load}{user}"
        f"RequestReadTimeout header=20-40,MinRate=500 body=20,MinRate=500\n{snippet}"
    )
    return ["-d", str(folder), "-f", str(folder / "apache.conf"), "-D", "FOREGROUND"]
