"""Originals: each content once, whole, and only while a document names it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from rag import durable
from rag.originals import Originals


def keep(originals: Originals, content: bytes, folder: Path) -> str:
    source = folder / "content"
    source.unlink(missing_ok=True)
    source.write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    originals.keep(sha256, source)
    return sha256


@pytest.fixture
def originals(tmp_path: Path) -> Originals:
    return Originals(tmp_path / "originals")


@pytest.mark.parametrize("links", [True, False])
def test_a_content_is_kept_under_its_hash(
    originals: Originals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    if not links:

        def refuse(*_: object) -> None:
            raise OSError("no links here")

        monkeypatch.setattr(os, "link", refuse)
    sha256 = keep(originals, b"text", tmp_path)
    (tmp_path / "content").unlink()
    assert durable.sha256_of(originals.path(sha256)) == sha256
    assert [path.name for path in originals.folder.iterdir()] == [sha256]


def test_keeping_twice_changes_nothing_and_a_cut_file_is_made_whole(originals: Originals, tmp_path: Path) -> None:
    sha256 = keep(originals, b"text", tmp_path)
    keep(originals, b"text", tmp_path)
    originals.path(sha256).unlink()
    originals.path(sha256).write_bytes(b"te")
    keep(originals, b"text", tmp_path)
    assert originals.path(sha256).read_bytes() == b"text"
    assert [path.name for path in originals.folder.iterdir()] == [sha256]


def test_a_link_over_itself_leaves_no_second_name(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("text")
    durable.place(tmp_path / "a", tmp_path / "b")
    durable.place(tmp_path / "a", tmp_path / "b")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_a_sweep_removes_what_nobody_names(originals: Originals, tmp_path: Path) -> None:
    assert originals.sweep(set()) == 0
    kept, stray = keep(originals, b"kept", tmp_path), keep(originals, b"stray", tmp_path)
    (originals.folder / ".half").write_text("ha")
    assert originals.sweep({kept, "another"}) == 2
    assert [path.name for path in originals.folder.iterdir()] == [kept]
    originals.drop(stray)
    originals.drop(kept)
    assert list(originals.folder.iterdir()) == []


def test_bytes_are_counted_in_all_folders_below(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "one").write_bytes(b"1")
    (tmp_path / "a" / "b" / "two").write_bytes(b"22")
    assert durable.bytes_in(tmp_path) == 3
    assert durable.bytes_in(tmp_path / "none") == 0
