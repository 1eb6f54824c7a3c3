"""Data of a newer format is refused; any other is taken, and noted once it is no longer of the first."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rag import dataformat
from rag.errors import RagError


def test_a_directory_of_any_earlier_version_is_taken_as_it_is(tmp_path: Path) -> None:
    dataformat.claim(tmp_path)
    assert list(tmp_path.iterdir()) == []
    for text in ("", "{", "[]", '{"format": "new"}', '{"format": 1}'):
        (tmp_path / dataformat.FILE).write_text(text)
        dataformat.claim(tmp_path)
        assert (tmp_path / dataformat.FILE).read_text() == text


def test_a_later_format_is_noted_and_then_refused_by_the_version_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as newer:
        newer.setattr(dataformat, "FORMAT", 2)
        dataformat.claim(tmp_path)
        dataformat.claim(tmp_path)
    assert json.loads((tmp_path / dataformat.FILE).read_text()) == {"format": 2}
    with pytest.raises(RagError, match="SETUP-011"):
        dataformat.claim(tmp_path)
