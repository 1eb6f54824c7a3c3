"""A model file from anywhere is used or refused; none of them kills, stalls or fills what tries it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rag import doctor, probe
from rag.errors import RagError
from rag.service import choose_models
from rag.settings import load

from .hostile_models import HUGE, UNUSABLE, gguf

pytestmark = pytest.mark.model


def refusal(path: Path, memory: Path) -> RagError:
    with pytest.raises(RagError) as caught:
        probe.judge(path, memory, 1)
    return caught.value


def test_the_model_that_the_others_are_made_of_is_good(tmp_path: Path) -> None:
    (tmp_path / "tiny.gguf").write_bytes(gguf())
    verdict = probe.judge(tmp_path / "tiny.gguf", tmp_path / "verdicts.json", 1)
    assert (verdict.kind, verdict.name, verdict.death) == ("chat", "Tiny", "")


# One of each kind; tests/bench/hostile_models.py tries all.
SOME = (
    *("zeros", "chance behind the magic", "cut at 500 of 1000", f"{HUGE} tensors", "a key of 2^40 bytes"),
    *("tensors beyond the file", "a tensor whose size overflows", "alignment 0", "an unknown architecture"),
    *("an empty vocabulary", "a vocabulary without bytes", "a context of 0", "layers without end"),
    *("a template that fills the memory", "a template that wants tools", "a pooling of nonsense"),
)


@pytest.mark.parametrize("name", SOME)
def test_each_is_refused_with_a_reason(name: str, tmp_path: Path) -> None:
    (tmp_path / "bad.gguf").write_bytes(UNUSABLE[name]())
    error = refusal(tmp_path / "bad.gguf", tmp_path / "verdicts.json")
    assert error.code == "GEN-002"
    assert 3 < len(error.data["reason"]) <= probe.LONGEST_REASON
    assert error.data["reason"].isprintable()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Names that end in .gguf and are no models, and a good one that is older than them."""
    models = tmp_path / "models"
    models.mkdir()
    good = models / "good.gguf"
    good.write_bytes(gguf())
    os.utime(good, (1, 1))
    (models / "empty.gguf").write_bytes(b"")
    (models / "folder.gguf").mkdir()
    (models / "loop.gguf").symlink_to("loop.gguf")
    (models / "nowhere.gguf").symlink_to("nowhere")
    (models / "bytes.gguf").write_bytes(UNUSABLE["a vocabulary without bytes"]())
    if hasattr(os, "mkfifo"):
        os.mkfifo(models / "pipe.gguf")
    return models


def test_a_good_model_beside_them_is_used(folder: Path, tmp_path: Path) -> None:
    settings = load({"models_dir": str(folder), "data_dir": str(tmp_path / "data"), "threads": "1"}, {})
    models = choose_models(settings, ())
    assert models.chat is not None
    assert models.chat.path == folder / "good.gguf"
    assert models.embed is None


def test_one_that_was_asked_for_is_refused_with_its_reason(folder: Path, tmp_path: Path) -> None:
    for name in ("folder.gguf", "loop.gguf", "nowhere.gguf", "pipe.gguf"):
        if name in os.listdir(folder):
            assert refusal(folder / name, tmp_path / "verdicts.json").code == "GEN-002"
    settings = load({"embed_model": str(folder / "good.gguf"), "data_dir": str(tmp_path), "threads": "1"}, {})
    with pytest.raises(RagError) as caught:
        choose_models(settings, ())
    assert caught.value.data["reason"] == "not an embedding model"


def test_the_doctor_tells_of_each(folder: Path, tmp_path: Path) -> None:
    settings = load({"models_dir": str(folder), "data_dir": str(tmp_path / "data"), "threads": "1"}, {})
    lines = doctor.report(settings, "en").splitlines()
    for name in os.listdir(folder):
        line = next(line for line in lines if line.startswith(name))
        assert ("works" if name == "good.gguf" else "GEN-002") in line
