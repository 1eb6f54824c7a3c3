"""Files that were accepted lie safe until they are stored; of the others nothing stays."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rag.errors import RagError
from rag.incoming import Incoming, document_id


@pytest.fixture
def incoming(tmp_path: Path) -> Incoming:
    return Incoming(tmp_path / "incoming", 10_000)


def on_disk(incoming: Incoming) -> list[str]:
    return sorted(path.name for path in incoming.folder.glob("*"))


def test_accepted_jobs_are_taken_up_in_their_order(incoming: Incoming) -> None:
    accepted = []
    for number in range(20):
        job = incoming.prepare(f"{number}.txt", f"origin {number}", "other")
        job.content.write_text("x" * number)
        incoming.submit(job)
        accepted.append((job.id, job.name, job.origin, job.instead_of, number))
    found = [(job.id, job.name, job.origin, job.instead_of, job.size) for job in incoming.left_behind()]
    assert found == accepted


def test_what_was_never_accepted_is_removed(incoming: Incoming) -> None:
    unfinished = incoming.prepare("a.txt")
    unfinished.content.write_text("half an upl")
    described = incoming.prepare("b.txt")
    incoming.describe(described)
    described.content.write_text("whole")
    damaged, empty = incoming.folder / "damaged", incoming.folder / "empty"
    damaged.mkdir()
    (damaged / "about.json").write_text("{")
    empty.mkdir()
    (empty / "about.json").write_text(json.dumps({"name": "a.txt", "origin": "a"}))
    assert len(on_disk(incoming)) == 4
    assert incoming.left_behind() == []
    assert on_disk(incoming) == []


def test_a_stray_file_in_the_folder_does_not_stop_the_start(incoming: Incoming) -> None:
    incoming.folder.mkdir()
    (incoming.folder / "Thumbs.db").write_text("x")
    assert incoming.left_behind() == []


def test_a_job_that_is_half_discarded_is_not_taken_up(incoming: Incoming, monkeypatch: pytest.MonkeyPatch) -> None:
    job = incoming.prepare("a.txt")
    job.content.write_text("text")
    incoming.submit(job)
    with monkeypatch.context() as killed:
        killed.setattr("shutil.rmtree", lambda *_, **__: None)
        incoming.discard(job)
    assert len(on_disk(incoming)) == 1
    assert incoming.left_behind() == []
    assert on_disk(incoming) == []


def test_an_unsupported_type_is_refused_before_anything_is_written(incoming: Incoming) -> None:
    with pytest.raises(RagError) as caught:
        incoming.prepare("a.exe")
    assert caught.value.code == "DOC-001"
    assert on_disk(incoming) == []


def test_a_local_file_that_cannot_be_taken_leaves_nothing_behind(incoming: Incoming, tmp_path: Path) -> None:
    large = tmp_path / "large.txt"
    large.write_bytes(b"x" * 10_001)
    folder = tmp_path / "folder.txt"
    folder.mkdir()
    for path, code in ((large, "DOC-002"), (tmp_path / "no.txt", "DOC-008"), (folder, "DOC-008")):
        with pytest.raises(RagError) as caught:
            incoming.copy(path, path.name, str(path))
        assert caught.value.code == code
    assert on_disk(incoming) == []


def test_a_file_of_just_the_largest_size_is_taken(incoming: Incoming, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"x" * 10_000)
    assert incoming.copy(path, "a.txt", "a").size == 10_000


def test_the_same_origin_is_the_same_document() -> None:
    assert document_id("/a") == document_id("/a") != document_id("/b")
    # A path of Linux need not be Unicode.
    assert len(document_id("/\udcb0\udca1.txt")) == 16
