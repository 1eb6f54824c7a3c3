"""The guide on asking over HTTP: its commands and programs run as they stand there, and its events are true."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from rag.errors import CATALOGUE, RagError
from rag.protocol import Stream, source_of, to_sse
from rag.types import Usage
from web.pages import GUIDES

from .conftest import Server
from .fakes import Clock, make_passage
from .sse_client import events_in

BLOCKS = [
    (lang, kind, text)
    for lang in ("en", "ko")
    for kind, text in re.findall(r"```(\w+)\n(.*?)```", (GUIDES / lang / "08-http.md").read_text("utf-8"), re.DOTALL)
]


def blocks(*kinds: str) -> list[tuple[str, str]]:
    return [(lang, text) for lang, kind, text in BLOCKS if kind in kinds]


@pytest.mark.model
@pytest.mark.parametrize(("lang", "text"), blocks("sh"))
def test_every_command_of_the_guide_is_answered(server: Server, lang: str, text: str) -> None:
    text = text.replace("http://127.0.0.1:8000", server.url).replace("curl ", "curl --fail-with-body -sS ")
    done = subprocess.run(["bash", "-ec", text], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip()


@pytest.mark.model
@pytest.mark.parametrize(("lang", "text"), blocks("python"))
def test_every_program_of_the_guide_runs(server: Server, lang: str, text: str) -> None:
    text = text.replace("http://127.0.0.1:8000", server.url)
    command = [sys.executable, "-X", "utf8", "-c", text]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.parametrize(("lang", "text"), blocks("text"))
def test_the_events_in_the_guide_have_the_fields_of_real_ones(lang: str, text: str) -> None:
    made = Stream("m", "s", Clock())
    events = [made.start(), made.sources([source_of(make_passage("a"))], 1), made.token("a"), made.end("stop", Usage())]
    real = events_in("".join(to_sse(event, "s", "en") for event in events))
    shown = events_in(text.replace("[…]", "[]").rstrip("\n") + "\n\n")
    assert [list(event) for event in shown] == [list(event) for event in real]


@pytest.mark.parametrize(("lang", "text"), blocks("json"))
def test_the_error_in_the_guide_is_that_of_the_catalogue(lang: str, text: str) -> None:
    error = RagError("WS-002-VALIDATION_ERROR", field="message", rule="rule:required")
    assert json.loads(text) == error.body("ko" if lang == "ko" else "en")


def test_every_code_in_the_guide_is_in_the_catalogue() -> None:
    for lang in ("en", "ko"):
        text = (GUIDES / lang / "08-http.md").read_text("utf-8")
        named = set(re.findall(r"\b[A-Z]+-\d{3}(?:-[A-Z_]+)?\b", text))
        assert named
        assert named <= set(CATALOGUE)


def test_no_block_of_the_guide_is_left_untried() -> None:
    assert {kind for _, kind, _ in BLOCKS} == {"sh", "python", "text", "json"}
