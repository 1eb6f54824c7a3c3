"""The examples of the guide to clients, run as they stand there."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path, PurePosixPath

import pytest

from .app_client import Client, Parts
from .conftest import ROOT
from .guides import LANGS, Lang, block

GUIDE = "10-clients"
NODE = "How to use client.js in Node or Deno"
REACT = "A React hook for RAG Standard"
WEBSOCAT = "How to ask from a terminal with websocat"
LIMIT = 60
CLIENT_JS = ROOT / "web/static/client.js"
# With all that they need.
PACKAGES = {"react": "19.3.1", "react-test-renderer": "19.3.1", "react-is": "19.3.1", "scheduler": "0.28.0"}
REPLY = "The answer 답은 is 42 [1]."


def here(text: str, client: Client) -> str:
    """The text with the address of the application in this process."""
    return re.sub(r"\b(127\.0\.0\.1|localhost):8000\b", f"{client.host}:{client.port}", text)


async def node(folder: Path, *arguments: str) -> str:
    """What a program for Node prints."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("node is not installed")
    for flags in ([], ["--experimental-websocket"]):
        code, _, _ = await run(folder, found, *flags, "-e", "process.exit(typeof WebSocket === 'function' ? 0 : 1)")
        if code == 0:
            code, said, errors = await run(folder, found, *flags, *arguments)
            assert code == 0, errors
            return said
    pytest.skip("this node has no WebSocket of its own")


async def run(folder: Path, *command: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    try:
        said, errors = await asyncio.wait_for(process.communicate(), LIMIT)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, said.decode(), errors.decode()


@pytest.mark.guide("10-clients", "How to use client.js in Node or Deno")
@pytest.mark.parametrize("lang", LANGS)
async def test_the_example_for_node_prints_answers_and_sources(
    lang: Lang, client: Client, parts: Parts, tmp_path: Path
) -> None:
    parts.generator.reply = REPLY
    shutil.copy(CLIENT_JS, tmp_path / "client.mjs")
    text = here(block(GUIDE, NODE, lang, 1).text, client)
    text = re.sub(r"send\('[^']*'\)", "send('what is the answer')", text)
    (tmp_path / "example.mjs").write_text(text, encoding="utf-8")
    said = await node(tmp_path, "example.mjs")
    assert said.count(REPLY) == 2
    assert said.splitlines()[0] == f"{REPLY}[ 'Title' ]"


@pytest.mark.guide("10-clients", "How to use client.js in Node or Deno")
async def test_the_client_is_fetched_from_the_server(client: Client) -> None:
    command = block(GUIDE, NODE, nth=0).text.split()
    url = here(command[-1], client)
    async with client.session.get(url) as response:
        assert await response.read() == CLIENT_JS.read_bytes()
    assert command[:2] == ["curl", "-o"]
    assert f"./{command[2]}" in block(GUIDE, NODE, nth=1).text


@pytest.mark.guide("10-clients", "Time-outs")
@pytest.mark.parametrize("lang", LANGS)
async def test_the_example_of_limits_tells_what_happens(lang: Lang, client: Client, tmp_path: Path) -> None:
    shutil.copy(CLIENT_JS, tmp_path / "client.mjs")
    text = here(block(GUIDE, "Time-outs", lang).text, client)
    text = re.sub(r"send\('[^']*'", "send('what is the answer'", text)
    (tmp_path / "example.mjs").write_text(text, encoding="utf-8")
    lines = (await node(tmp_path, "example.mjs")).splitlines()
    assert lines[:3] == ["connection connecting", "connection open", "1 sources"]
    assert lines[-2].startswith("done ")
    assert lines[-1] == "connection closed"


@pytest.mark.guide("10-clients", "A React hook for RAG Standard")
async def test_the_hook_runs_in_react(client: Client, parts: Parts, tmp_path: Path) -> None:
    parts.generator.reply = REPLY
    packages = await asyncio.to_thread(react)
    hook = block(GUIDE, REACT).text
    assert hook == block(GUIDE, REACT, "ko").text
    (tmp_path / "hook.mjs").write_text(hook.replace("./client.js", "./client.mjs"), encoding="utf-8")
    shutil.copy(CLIENT_JS, tmp_path / "client.mjs")
    shutil.copy(ROOT / "tests/clients/react.mjs", tmp_path)
    (tmp_path / "node_modules").symlink_to(packages)
    said = await node(tmp_path, "react.mjs", str(client.make_url("/")), "what is the answer")
    shown = json.loads(said)
    assert (shown["text"], shown["sources"]) == (REPLY, 1)
    assert shown["paints"] >= 3


def react() -> Path:
    """React's packages, from npm once."""
    folder = ROOT / "tests/.cache/react-19.3.1"
    if folder.exists():
        return folder / "node_modules"
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    folder.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder.parent) as scratch:
        command = [npm, "pack", "--ignore-scripts", *(f"{name}@{version}" for name, version in PACKAGES.items())]
        try:
            done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False, timeout=60)
        except subprocess.TimeoutExpired:
            pytest.skip("npm takes too long")
        if done.returncode:
            pytest.skip(f"React cannot be had: {done.stderr[-300:]}")
        made = Path(scratch) / "made/node_modules"
        for name, version in PACKAGES.items():
            with tarfile.open(Path(scratch) / f"{name}-{version}.tgz") as archive:
                for member in archive:
                    # All lies in a folder "package".
                    parts = PurePosixPath(member.name).parts[1:]
                    content = archive.extractfile(member)
                    if content and ".." not in parts:
                        file = made.joinpath(name, *parts)
                        file.parent.mkdir(parents=True, exist_ok=True)
                        file.write_bytes(content.read())
        made.parent.rename(folder)
    return folder / "node_modules"


@pytest.mark.guide("10-clients", "How to ask from a terminal with websocat")
@pytest.mark.parametrize("lang", LANGS)
async def test_websocat_gets_the_events(lang: Lang, client: Client) -> None:
    websocat = shutil.which("websocat", path=str(Path(sys.executable).parent)) or shutil.which("websocat")
    if websocat is None:
        pytest.skip("websocat is not installed")
    command = here(block(GUIDE, WEBSOCAT, lang).text, client)
    frame = block(GUIDE, WEBSOCAT, lang, 1).text
    assert frame.count("\n") == 1
    process = await asyncio.create_subprocess_exec(
        *["bash", "-c", f"exec {command.replace('websocat', websocat, 1)}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    kinds: list[str] = []
    try:
        process.stdin.write(frame.encode())
        await process.stdin.drain()
        async with asyncio.timeout(LIMIT):
            while kinds[-1:] != ["stream_end"]:
                kinds.append(json.loads(await process.stdout.readline())["type"])
    finally:
        process.kill()
        await process.wait()
    assert kinds[0] == "stream_start"
    assert kinds[-2:] == ["stream_sources", "stream_end"]
