"""The guides: each block in them runs, both languages say the same, and what they name is there."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from aiohttp.test_utils import make_mocked_request

from rag import protocol
from rag.errors import CATALOGUE
from rag.questions import read
from rag.settings import TABLE
from server import COMMANDS, _parser, _with_command
from web.guidebook import anchor as anchor_of

from . import guides
from .app_client import Client
from .conftest import Server
from .guides import LANGS, README, ROOT, Block, Lang, block
from .test_loaders import pdf

RUN_HERE = ("sh", "python", "json", "js")
BOTH = [README, *guides.names()]
# Long enough for a slow machine; a block that waits for nothing ends in a second.
LIMIT = 120


# Every block is run.


@pytest.mark.parametrize("of", guides.all_blocks(), ids=str)
def test_every_block_is_run_here_or_claimed_by_a_test(of: Block) -> None:
    assert of.kind, "a block names its language"
    assert of.kind in RUN_HERE or guides.claimed(of), (
        f"no test runs this {of.kind} block: mark one with pytest.mark.guide({of.guide!r}, "
        f"{guides.english_heading(of)!r}) and read it with tests.guides.block"
    )


@pytest.mark.parametrize("claim", guides.claims(), ids=lambda claim: claim.test)
def test_what_a_test_claims_is_there_and_read_out_of_the_guide(claim: guides.Claim) -> None:
    assert guides.block(claim.guide, claim.heading)
    assert re.search(r"\bblocks?\(", (ROOT / claim.test.split("::")[0]).read_text(encoding="utf-8"))


@pytest.mark.parametrize("guide", BOTH)
def test_the_blocks_of_both_languages_are_the_same_code(guide: str) -> None:
    english, korean = (guides.blocks(guide, lang) for lang in LANGS)
    assert [each.kind for each in english] == [each.kind for each in korean]
    for pair in zip(english, korean, strict=True):
        assert guides.same_code(*pair), " and ".join(map(str, pair))


@pytest.fixture
def scratch(tmp_path: Path, starter_models: Path) -> Path:
    """A copy of the project's folder as a person has it, with a few documents of their own."""
    for name in ("server.py", "rag", "web", "requirements.txt"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "models").symlink_to(starter_models)
    (tmp_path / "manual.pdf").write_bytes(pdf(["The warranty of the X200 is 24 months."], title="X200"))
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "zorblax.md").write_text("# Zorblax\n\nThe Zorblax pump weighs 37 kilograms.\n")
    (tmp_path / "questions.csv").write_text(block("07-evaluation", "How to write a file of questions").text)
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    _program(programs / "python", f'exec "{sys.executable}" "$@"')
    # Without it curl is content with any answer.
    _program(programs / "curl", f'exec {shutil.which("curl")} --fail-with-body --silent --show-error "$@"')
    return tmp_path


def _program(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


@pytest.fixture
def environ(scratch: Path, server: Server, starter_models: Path) -> dict[str, str]:
    """What makes `server.py` use the running server's data and never a port or folder of the person's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAG_", "LC_", "LANG"))}
    return kept | {
        "PATH": f"{scratch / '.venv' / 'bin'}{os.pathsep}{kept['PATH']}",
        "PYTHONPATH": str(ROOT),
        "PYTHONUTF8": "1",
        "PYTHONUNBUFFERED": "1",
        "LANG": "C.UTF-8",
        "RAG_DATA_DIR": str(server.data_dir),
        "RAG_MODELS_DIR": str(starter_models),
        "RAG_OFFLINE": "1",
        "RAG_PORT": "0",
    }


@pytest.fixture
def documents(server: Server) -> Iterator[None]:
    """Whatever a block adds is taken away again."""
    before = _ids(server)
    yield
    for added in _ids(server) - before:
        request = urllib.request.Request(f"{server.url}/documents/{added}", method="DELETE")
        urllib.request.urlopen(request, timeout=30).close()


def _ids(server: Server) -> set[str]:
    with urllib.request.urlopen(f"{server.url}/documents?page_size=100", timeout=30) as response:
        return {row["id"] for row in json.load(response)["documents"]}


def _here(text: str, server: Server) -> str:
    """The text with the address of the running server."""
    authority = server.url.removeprefix("http://")
    return re.sub(r"\b(127\.0\.0\.1|localhost):8000\b", authority, text)


_STARTS = re.compile(r"server\.py(?!\s+(?:--help|--version|" + "|".join(set(COMMANDS) - {"serve"}) + r")\b)")


@pytest.mark.model
@pytest.mark.usefixtures("documents")
@pytest.mark.parametrize("of", guides.unclaimed("sh"), ids=str)
def test_every_command_runs(of: Block, scratch: Path, environ: dict[str, str], server: Server) -> None:
    text = _here(of.text, server)
    if _STARTS.search(text):
        text = re.sub(r"--port \d+", "--port 0", text)
        environ |= {"RAG_DATA_DIR": str(scratch / "data")}
    with subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", text],
        cwd=scratch,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        killer = threading.Timer(LIMIT, os.killpg, (process.pid, signal.SIGKILL))
        killer.start()
        lines, started = [], False
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if _STARTS.search(text) and "http://" in line:
                started = True
                os.killpg(process.pid, signal.SIGINT)
        code = process.wait()
        killer.cancel()
    output = "".join(lines)
    assert "Traceback" not in output, output
    assert started or code == 0, output


@pytest.mark.model
@pytest.mark.usefixtures("documents")
@pytest.mark.parametrize("of", guides.unclaimed("python"), ids=str)
def test_every_python_example_runs(of: Block, scratch: Path, environ: dict[str, str], server: Server) -> None:
    compile(of.text, str(of), "exec")
    done = subprocess.run(
        [sys.executable, "-c", _here(of.text, server)],
        cwd=scratch,
        env=environ,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip(), "an example shows something"


@pytest.mark.parametrize("of", guides.unclaimed("js"), ids=str)
def test_every_javascript_example_is_a_module_without_errors(of: Block, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    (tmp_path / "example.mjs").write_text(of.text, encoding="utf-8")
    done = subprocess.run([node, "--check", "example.mjs"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("of", guides.unclaimed("json"), ids=str)
def test_every_json_example_is_a_frame_or_an_error_of_the_protocol(of: Block) -> None:
    for value in _values(of.text):
        assert _is_known(value), f"{value}: claim it with a test that knows it"


def _values(text: str) -> Iterator[dict[str, Any]]:
    decoder, at = json.JSONDecoder(), 0
    while at < len(text.rstrip()):
        value, at = decoder.raw_decode(text, at)
        yield value
        at += len(text[at:]) - len(text[at:].lstrip())


EVENTS = {
    "stream_start": {"session_id", "timestamp"},
    "stream_token": {"token", "index"},
    "stream_sources": {"sources"},
    "stream_end": {"total_tokens", "processing_time_ms"},
    "stream_error": {"error_code", "message", "solutions"},
}


def _is_known(value: dict[str, Any]) -> bool:
    if value.get("error_code", "SESSION-001") not in CATALOGUE:
        return False
    if value.get("type") in EVENTS:
        return {"type", "message_id", *EVENTS[value["type"]]} <= set(value)
    if "type" in value:
        return bool(protocol.parse(json.dumps(value), value.get("session_id", "")))
    return {"error_code", "message", "solutions"} <= set(value) and isinstance(value["solutions"], list)


@pytest.mark.guide("07-evaluation", "How to write a file of questions")
@pytest.mark.parametrize("lang", LANGS)
def test_the_files_of_questions_in_the_guide_can_be_read(lang: Lang, tmp_path: Path) -> None:
    for nth, (name, count) in enumerate([("questions.csv", 3), ("questions.jsonl", 2)]):
        (tmp_path / name).write_text(block("07-evaluation", "How to write a file of questions", lang, nth).text)
        cases = read(tmp_path / name)
        assert len(cases) == count
        assert cases[0].expected
        assert not cases[-1].expected


@pytest.mark.guide("README", "RAG Standard")
@pytest.mark.guide("README", "Tests")
@pytest.mark.parametrize("lang", LANGS)
def test_the_commands_of_the_readme_are_those_that_ci_runs(lang: Lang) -> None:
    start, tests = (block(README, heading, lang).text.strip() for heading in ("RAG Standard", "Tests"))
    assert tests in (ROOT / ".ci" / "run").read_text().replace("pip install -q", "pip install")
    install = start.removesuffix(" && .venv/bin/python server.py")
    assert install != start
    assert tests.startswith(install)


# Both languages say the same.


@pytest.mark.parametrize("guide", BOTH)
def test_both_languages_have_the_same_outline(guide: str) -> None:
    english, korean = ([heading.level for heading in guides.headings(guide, lang)] for lang in LANGS)
    if guide == README:
        # The Korean half leaves out the figures and the choice of libraries, and says where they stand.
        assert set(korean) == set(english)
    else:
        assert english == korean


@pytest.mark.parametrize("guide", guides.names())
def test_tables_and_lists_have_the_same_size_in_both_languages(guide: str) -> None:
    counted = [
        [token.type for token in guides.tokens(guide, lang) if token.type in ("tr_open", "th_open", "td_open")]
        for lang in LANGS
    ]
    assert counted[0] == counted[1]
    items = [sum(token.type == "list_item_open" for token in guides.tokens(guide, lang)) for lang in LANGS]
    assert items[0] == items[1]


@pytest.mark.parametrize("guide", guides.names())
def test_what_is_not_language_is_the_same_in_both_languages(guide: str) -> None:
    """Commands, flags, addresses and error codes: what stands in code spans or looks like a code."""
    named = []
    for lang in LANGS:
        text = guides.path_of(guide, lang).read_text(encoding="utf-8")
        text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
        named.append({span for span in re.findall(r"`([^`\n]+)`", text) if not re.search("[가-힣 ]", span)})
    ours, theirs = named
    assert {span for span in ours ^ theirs if re.match(r"--|/|RAG_|[A-Z]+-\d{3}", span)} == set()


# What the guides name is there.


def _links(guide: str, lang: Lang) -> list[str]:
    found = []
    for token in guides.tokens(guide, lang):
        for child in token.children or ():
            if child.type in ("link_open", "image"):
                found.append(str(child.attrGet("href") or child.attrGet("src")))
    return found


@pytest.mark.parametrize("guide", guides.names())
def test_both_languages_have_the_same_links(guide: str) -> None:
    english, korean = ([link.partition("#")[0] for link in _links(guide, lang)] for lang in LANGS)
    assert english == korean


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("guide", BOTH)
def test_every_link_leads_somewhere(guide: str, lang: Lang) -> None:
    for link in _links(guide, lang):
        path, _, anchor = unquote(link).partition("#")
        if path.startswith("http://127.0.0.1"):
            continue
        assert "://" not in path, link
        assert not path or (guides.path_of(guide, lang).parent / path).exists(), link
        if anchor:
            other = Path(path).stem if path else guide
            languages = LANGS if other == README else (lang,)
            assert anchor in {anchor_of(each.text) for one in languages for each in guides.headings(other, one)}, link


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("guide", guides.names())
def test_every_heading_can_be_linked_to(guide: str, lang: Lang) -> None:
    anchors = [anchor_of(heading.text) for heading in guides.headings(guide, lang)]
    assert len(set(anchors)) == len(anchors)
    assert all(anchors)


@pytest.mark.parametrize("lang", LANGS)
def test_every_setting_stands_in_the_guide_with_its_default(lang: Lang) -> None:
    text = guides.path_of("04-settings", lang).read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(--[a-z-]+)` \| (.*)$", text, re.MULTILINE))
    assert set(rows) == {setting.flag for setting in TABLE}
    for setting in TABLE:
        variable, default = (cell.strip() for cell in rows[setting.flag].split(" | ")[:2])
        assert variable == f"`{setting.variable}`"
        if setting.name.endswith("_dir"):
            assert f"`{Path(str(setting.default)).name}`" in default
        elif setting.default == "":
            assert "`" not in default
        elif setting.default is False:
            assert default in ("off", "꺼짐")
        else:
            shown = f"{setting.default:g}" if isinstance(setting.default, float) else str(setting.default)
            assert default == f"`{shown}`", setting.flag


@pytest.mark.parametrize("lang", LANGS)
def test_every_error_stands_in_a_guide(lang: Lang) -> None:
    text = "".join(guides.path_of(guide, lang).read_text(encoding="utf-8") for guide in guides.names())
    assert [code for code in CATALOGUE if code not in text] == []


@pytest.mark.parametrize("lang", LANGS)
def test_every_command_stands_in_the_first_guide(lang: Lang) -> None:
    text = guides.path_of(guides.names()[0], lang).read_text(encoding="utf-8")
    for command in COMMANDS:
        assert f"`python server.py {command}" in text, command


_COMMAND = re.compile(r"`(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?python server\.py([^`]*)`")


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("guide", guides.names())
def test_every_command_in_a_sentence_is_understood(guide: str, lang: Lang) -> None:
    for given in _COMMAND.findall(guides.path_of(guide, lang).read_text(encoding="utf-8")):
        arguments = re.findall(r'"[^"]*"|\S+', given)
        if arguments not in (["--help"], ["--version"]):
            _parser().parse_args(_with_command(arguments))


_ADDRESS = re.compile(
    r"\b(GET|POST|PUT|PATCH|DELETE) (/[^\s`?,;)]*)|(?:http|ws)s?://(?:127\.0\.0\.1|localhost):8000(/[^\s`?\"');]+)"
)


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("guide", BOTH)
async def test_every_address_is_served(guide: str, lang: Lang, client: Client) -> None:
    text = guides.path_of(guide, lang).read_text(encoding="utf-8")
    for method, path, url in _ADDRESS.findall(text):
        # One shows what an error looks like, another is what programs are given to build theirs on.
        if url in ("/nowhere", "/v1"):
            continue
        methods = [method] if method else ["GET", "POST", "DELETE"]
        path = re.sub(r"\{\w+\}|\$\w+|\bID\b", "x", path or url)
        found = [await client.app.router.resolve(make_mocked_request(each, path)) for each in methods]
        assert any(match.http_exception is None for match in found), f"{method} {path}"
