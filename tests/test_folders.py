"""Which files of a folder are taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from rag.errors import RagError
from rag.folders import find_files, scan

NAMES = ("b.md", "a.TXT", "sub/c.pdf", ".hidden.md", ".git/d.md", "e.exe", "sub/.f/g.md", "~$b.md", "data/h.md")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / ".hidden parent" / "docs"
    for name in NAMES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x")
    return root


def test_files_are_found_sorted_without_hidden_ones(root: Path) -> None:
    assert [source for source, _ in find_files(root)] == ["docs/a.TXT", "docs/b.md", "docs/data/h.md", "docs/sub/c.pdf"]
    assert list(find_files(root / "b.md")) == [("b.md", root / "b.md")]
    with pytest.raises(RagError) as caught:
        list(find_files(root / "no"))
    assert caught.value.code == "DOC-008"


def test_a_scan_tells_when_files_were_changed_and_leaves_out_what_is_named(root: Path) -> None:
    found = scan(root, [root / "data"])
    assert set(found.files) == {str(root / name) for name in ("b.md", "a.TXT", "sub/c.pdf")}
    status = (root / "b.md").stat()
    assert found.files[str(root / "b.md")] == (status.st_mtime_ns, status.st_size)
    assert found.unreadable == []


def test_links_that_go_in_circles_end(root: Path) -> None:
    (root / "sub" / "up").symlink_to(root)
    (root / "link.md").symlink_to(root / "b.md")
    assert len(scan(root).files) == 5


def test_links_to_files_elsewhere_show_nothing(root: Path, tmp_path: Path) -> None:
    secret = tmp_path / ".hidden parent" / "docs of others" / "key"
    secret.parent.mkdir()
    secret.write_text("secret")
    (root / "harmless.txt").symlink_to(secret)
    (root / "relative.txt").symlink_to("../docs of others/key")
    (root / "twice.txt").symlink_to(root / "harmless.txt")
    (root / "gone.txt").symlink_to(root / "never")
    (root / "inside.txt").symlink_to(root / "b.md")
    assert {Path(path).name for path in scan(root).files} == {"a.TXT", "b.md", "c.pdf", "h.md", "inside.txt"}
    # Also where the folder itself is reached by a link.
    (tmp_path / "way").symlink_to(root)
    assert len(scan(tmp_path / "way").files) == 5


def test_nothing_is_known_of_what_lies_in_an_unreadable_folder(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    look = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("sub"):
            raise PermissionError(path)
        return look(path)

    monkeypatch.setattr(os, "scandir", scandir)
    found = scan(root)
    assert found.unreadable == [str(root / "sub")]
    assert not found.knows(str(root / "sub" / "c.pdf"))
    assert found.knows(str(root / "subway.md"))
    assert scan(root / "none").unreadable == [str(root / "none")]
