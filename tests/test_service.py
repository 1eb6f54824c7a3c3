"""Which models are taken, with real files."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from rag.errors import RagError
from rag.service import choose_models
from rag.settings import Settings, load

pytestmark = pytest.mark.model

CHAT, EMBED = "SmolLM2-135M-Instruct.Q4_1.gguf", "all-MiniLM-L6-v2.Q8_0.gguf"


def settings_for(folder: Path, **flags: str) -> Settings:
    return load({"data_dir": str(folder / "data"), "models_dir": str(folder / "models"), **flags}, {})


@pytest.fixture
def folder(tmp_path: Path, starter_models: Path) -> Path:
    """A place with both starters in its models directory."""
    (tmp_path / "models").mkdir()
    for name in (CHAT, EMBED):
        (tmp_path / "models" / name).symlink_to(starter_models / name)
    return tmp_path


def names(folder: Path, **flags: str) -> tuple[str | None, str | None]:
    found = choose_models(settings_for(folder, **flags), (CHAT, EMBED))
    return found.chat and found.chat.path.name, found.embed and found.embed.path.name


def test_the_starters_are_told_apart_and_taken(folder: Path) -> None:
    assert names(folder) == (CHAT, EMBED)


def test_a_model_that_somebody_put_there_comes_before_the_starter_and_a_broken_one_is_passed_over(
    folder: Path, starter_models: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "models" / "mine.gguf").symlink_to(starter_models / CHAT)
    (folder / "models" / "broken.gguf").write_bytes(b"GGUF but not really")
    os.utime(folder / "models" / "broken.gguf", (4e9, 4e9))
    with caplog.at_level(logging.WARNING):
        assert names(folder) == ("mine.gguf", EMBED)
    assert "broken.gguf" in caplog.text


def test_a_model_that_is_named_is_taken_wherever_it_lies(folder: Path, starter_models: Path) -> None:
    elsewhere = folder / "elsewhere.gguf"
    elsewhere.symlink_to(starter_models / EMBED)
    assert names(folder, embed_model=str(elsewhere)) == (CHAT, "elsewhere.gguf")
    with pytest.raises(RagError) as caught:
        names(folder, model=str(folder / "missing.gguf"))
    assert caught.value.code == "GEN-002"


def test_an_empty_directory_has_none(tmp_path: Path) -> None:
    assert names(tmp_path) == (None, None)
