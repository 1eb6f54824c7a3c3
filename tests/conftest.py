"""Real parts for the tests that need them: the starter models, and one server for the whole run."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from models import starter
from rag import memory
from web.serving import Runner

from . import vocabularies
from .app_client import Client, MakeClient, Parts
from .logged import logged as logged

ROOT = Path(__file__).resolve().parent.parent
START_TIMEOUT = 300.0


def pytest_collection_finish() -> None:
    """As a server does when it is ready. Else each collection looks through all tests, and holds up the one that runs
    for half a second."""
    memory.settle()


@dataclass
class Server:
    """`server.py` in a process of its own, on a free port."""

    process: subprocess.Popen[str]
    data_dir: Path
    lines: list[str] = field(default_factory=list)
    url: str = ""
    certificate: Path | None = None

    @property
    def ws_url(self) -> str:
        return self.url.replace("http", "ws", 1) + "/chat-ws"

    def health(self) -> dict[str, Any]:
        context = ssl.create_default_context(cafile=self.certificate) if self.certificate else None
        if context:
            context.check_hostname = False
        try:
            with urllib.request.urlopen(self.url + "/health", timeout=10, context=context) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            return json.load(error)

    def wait(self) -> Server:
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline and self.process.poll() is None:
            if not self.url:
                found = re.search(r"https?://\S+", "".join(self.lines))
                self.url = found.group(0).rstrip(".") if found else ""
            elif self.health()["status"] != "loading":
                return self
            time.sleep(0.1)
        raise AssertionError("the server did not start:\n" + "".join(self.lines))

    def settle(self) -> None:
        """Wait until no document is on its way in: some guides are read when the server is ready already."""
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            with urllib.request.urlopen(self.url + "/documents/stats", timeout=10) as response:
                jobs = json.load(response)["jobs"]
            if not jobs["queued"] + jobs["running"]:
                return
            time.sleep(0.2)
        raise AssertionError("documents are still on their way in")

    def stop(self, sig: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(sig)
        return self.process.wait(timeout=30)


PROGRAM = (sys.executable, "-u", str(ROOT / "server.py"))
# The same without models.
SCRIPTED = (sys.executable, "-u", "-m", "tests.scripted_server")


def start_server(
    data_dir: Path,
    models_dir: Path,
    arguments: Sequence[str] = (),
    wrap: Sequence[str] = (),
    program: Sequence[str] = PROGRAM,
    offline: bool = True,
) -> Server:
    command = [*wrap, *program, "--port", "0", "--data-dir", str(data_dir)]
    command += ["--models-dir", str(models_dir), *(["--offline"] if offline else []), *arguments]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("RAG_")}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environ | {"LANG": "C.UTF-8"}
    )
    server = Server(process, data_dir)

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            server.lines.append(line)

    threading.Thread(target=read, daemon=True).start()
    return server


@pytest.fixture(scope="session")
def starter_models() -> Path:
    """The models directory with both starter models, fetched if they are not there."""
    directory = ROOT / "models"
    starter.fetch(directory)
    return directory


@pytest.fixture(scope="session")
def llama_files() -> vocabularies.LlamaFiles:
    """Vocabularies and chat templates of the usual families, fetched if they are not there."""
    try:
        return vocabularies.fetch()
    except starter.Refused as error:
        pytest.skip(f"{vocabularies.ARCHIVE.name} cannot be had: {error}")


@pytest.fixture(scope="session")
def recurrent_model(llama_files: vocabularies.LlamaFiles, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chat model with random weights whose memory is a state: nothing but all of it can be forgotten."""
    return vocabularies.make_model(
        llama_files.vocabulary("phi-3"), tmp_path_factory.mktemp("recurrent") / "recurrent.gguf", arch="mamba"
    )


@pytest.fixture(scope="session")
def hybrid_model(llama_files: vocabularies.LlamaFiles, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chat model with random weights, one layer recurrent and one with attention."""
    return vocabularies.make_model(
        llama_files.vocabulary("phi-3"), tmp_path_factory.mktemp("hybrid") / "hybrid.gguf", arch="jamba"
    )


@pytest.fixture(scope="session")
def sliding_model(llama_files: vocabularies.LlamaFiles, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chat model with random weights, one layer of which sees the last `vocabularies.WINDOW` tokens only."""
    return vocabularies.make_model(
        llama_files.vocabulary("phi-3"), tmp_path_factory.mktemp("sliding") / "sliding.gguf", arch="gemma3"
    )


@pytest.fixture(scope="session")
def first_start(starter_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of a server that has read the guides and has stopped. Not to be written to."""
    data_dir = tmp_path_factory.mktemp("first") / "data"
    running = start_server(data_dir, starter_models).wait()
    running.settle()
    assert running.stop() == 0
    return data_dir


@pytest.fixture
def data_dir(first_start: Path, tmp_path: Path) -> Path:
    """A data directory that knows the guides and the models, so that a server starts in seconds."""
    return Path(shutil.copytree(first_start, tmp_path / "data"))


@pytest.fixture(scope="session")
def server(first_start: Path, starter_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running server with the guides as its documents."""
    data_dir = Path(shutil.copytree(first_start, tmp_path_factory.mktemp("server") / "data"))
    arguments = ["--max-tokens", "96", "--log-format", "json", "--log-level", "debug"]
    running = start_server(data_dir, starter_models, arguments).wait()
    running.settle()
    yield running
    running.stop()


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Parts]:
    """Scripted parts for an application in this process."""
    made = Parts(tmp_path)
    await made.ingester.start()
    yield made
    await made.ingester.close()
    await made.sessions.close()


@pytest.fixture
async def client(parts: Parts, aiohttp_client: MakeClient) -> Client:
    """A client of an application over scripted parts."""
    made: Client = await aiohttp_client(parts.app())
    return made


@pytest.fixture
async def port(parts: Parts) -> AsyncIterator[int]:
    """Where such an application listens, served as the program does it."""
    runner = Runner(parts.app(lang="en"))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()
