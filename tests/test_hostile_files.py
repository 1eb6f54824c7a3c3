"""Each broken or hostile file gets its error in both languages, and the same parser goes on reading the next one."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from rag.errors import Lang, RagError
from rag.loaders import SUPPORTED, Loaded
from rag.parsing import Parser

from .hostile_files import BOOK, HEAVY, HOSTILE, SHEET, SLIDES, TEXT, WORD, flipped, plain_pdf

pytestmark = [pytest.mark.files, pytest.mark.asyncio(loop_scope="module")]
SECONDS = 60.0
LANGUAGES: tuple[Lang, ...] = ("ko", "en")
GOOD = "# 보증\n\n2년입니다."


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def parser() -> AsyncIterator[Parser]:
    """One for all files: none may harm the next."""
    made = Parser(SECONDS, 1 << 30)
    yield made
    await made.close()


async def outcome(parser: Parser, path: Path, name: str) -> str:
    """The code of the error, or "" if the file is read; then a good file is read by the same parser."""
    found = await asyncio.gather(parser.parse(name, path), return_exceptions=True)
    good = path.with_name("good.md")
    good.write_text(GOOD)
    assert (await parser.parse("good.md", good)).text == GOOD
    if isinstance(found[0], Loaded):
        return ""
    assert isinstance(found[0], RagError)
    assert all(name in found[0].body(lang)["message"] for lang in LANGUAGES)
    return found[0].code


@pytest.mark.parametrize("name", [name for name in HOSTILE if name not in HEAVY])
async def test_a_hostile_file_gets_its_error_and_the_next_file_is_read(
    parser: Parser, tmp_path: Path, name: str
) -> None:
    make, expected = HOSTILE[name]
    path = tmp_path / "hostile"
    path.write_bytes(await asyncio.to_thread(make))
    assert await outcome(parser, path, name) in expected.split(" ")


async def test_a_file_that_a_real_loader_is_stuck_in_is_stopped(tmp_path: Path) -> None:
    path = tmp_path / "stuck"
    # Each opening is looked for to the end of the file: the time grows with the square.
    path.write_bytes(b"<!--" * 100_000)
    parser = Parser(seconds=3)
    assert await outcome(parser, path, "stuck.html") == "DOC-009"
    await parser.close()


async def test_all_10_000_pages_are_read_in_their_order_while_the_event_loop_goes_on(
    parser: Parser, tmp_path: Path
) -> None:
    path = tmp_path / "pages"
    path.write_bytes(await asyncio.to_thread(plain_pdf, 10_000))
    work = asyncio.create_task(parser.parse("pages.pdf", path))
    started, longest = time.monotonic(), 0.0
    while not work.done():
        begun = time.monotonic()
        await asyncio.sleep(0.01)
        longest = max(longest, time.monotonic() - begun)
    loaded = await work
    took = time.monotonic() - started
    assert [page.number for page in loaded.pages] == list(range(1, 10_001))
    for page in loaded.pages[::999]:
        assert f"This is sheet {page.number} of many." in loaded.text[page.start : page.end]
    assert longest < took / 4


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.docx", WORD),
        ("a.xlsx", SHEET),
        ("a.pptx", SLIDES),
        ("a.odt", TEXT),
        ("a.epub", BOOK),
        ("a.pdf", plain_pdf(3)),
        (
            "a.rtf",
            rb"{\rtf1{\fonttbl{\f0\fcharset129 G;}}{\stylesheet{\s1 heading 1;}}\pard\s1 One\par two\cell\row}",
        ),
        ("a.html", b"<html><head><title>t</title></head><body><h1>One</h1><table><tr><td>a<td>b</table></body>"),
        ("a.json", b'{"a": [{"b": "c"}, {"d": [1, 2, 3]}], "e": null}'),
        ("a.eml", b"From: a@b.c\nSubject: s\nContent-Type: text/html; charset=utf-8\n\n<p>text</p>"),
        ("a.csv", b'a,b\n"1",2\n3,4\n'),
    ],
)
async def test_bits_that_flip_never_end_the_parser(parser: Parser, tmp_path: Path, name: str, data: bytes) -> None:
    path = tmp_path / "flipped"
    allowed = {"", "DOC-003", "DOC-004", "DOC-005", "DOC-006", "DOC-011"}
    for seed in range(30):
        path.write_bytes(flipped(data, seed))
        assert await outcome(parser, path, name) in allowed, seed


@pytest.mark.parametrize("suffix", SUPPORTED)
async def test_noise_never_ends_the_parser(parser: Parser, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "noise"
    for size in (1, 100, 10_000):
        path.write_bytes(random.Random(size).randbytes(size))
        assert await outcome(parser, path, "noise" + suffix) in ("", "DOC-005", "DOC-006"), size
