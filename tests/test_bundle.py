"""A bundle holds all that an installation needs, is refused where it is not as it was made, and works offline."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest

from rag import bundle, wheels
from rag.errors import RagError
from rag.installer import checks, releases
from rag.installer.texts import Refused, complaint

from .conftest import ROOT

if sys.platform != "linux":
    pytest.skip("bundles are made and installed on Linux only", allow_module_level=True)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A small bundle, with a Korean name and a space."""
    folder = tmp_path / "묶음 하나"
    (folder / "models").mkdir(parents=True)
    (folder / "models" / "a.gguf").write_bytes(b"weights")
    (folder / "MANIFEST.json").write_text('{"id": "1"}')
    names = ("MANIFEST.json", "models/a.gguf")
    sums = (f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names)
    (folder / "SHA256SUMS").write_text("".join(sums))
    return folder


def problems(folder: Path) -> list[tuple[str, str]]:
    with pytest.raises(Refused) as refused:
        checks.verify(folder)
    for lang in ("ko", "en"):
        assert all(name in complaint(lang, refused.value) for _, name in refused.value.data["problems"])
    found: list[tuple[str, str]] = refused.value.data["problems"]
    return found


def test_a_bundle_as_it_was_made_is_taken(made: Path) -> None:
    assert checks.verify(made) == {"id": "1"}


def test_what_is_changed_missing_or_extra_is_refused_by_its_name(made: Path) -> None:
    (made / "models" / "a.gguf").write_bytes(b"Weights")
    assert problems(made) == [("changed", "models/a.gguf")]
    (made / "models" / "a.gguf").unlink()
    assert problems(made) == [("missing", "models/a.gguf")]
    (made / "models" / "a.gguf").symlink_to("/etc/hostname")
    assert problems(made) == [("changed", "models/a.gguf")]
    (made / "models" / "a.gguf").unlink()
    (made / "models" / "a.gguf").write_bytes(b"weights")
    (made / "more").mkdir()
    (made / "more" / "x.py").write_text("")
    assert problems(made) == [("extra", "more/x.py")]
    (made / "SHA256SUMS").unlink()
    assert problems(made) == [("missing", "SHA256SUMS")]


def test_every_file_of_the_program_that_is_under_version_control_is_in_the_bundle() -> None:
    git = shutil.which("git")
    command = [str(git), "-C", str(ROOT), "ls-files", "-z", "--", "rag", "web", "models", "server.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=False) if git else None
    if done is None or done.returncode:
        pytest.skip("this is no clone")
    tracked = {name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()}
    assert tracked <= set(bundle.source_files(ROOT))
    assert not [name for name in bundle.source_files(ROOT) if name.endswith(".gguf") or "/." in name]


def test_a_wheel_packed_again_holds_the_installed_files_and_a_changed_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = wheels.files_of(distribution("filelock"))
    wheel = wheels.pack(members, tmp_path)
    assert sorted(wheels.files_in(wheel), key=lambda each: each.name) == sorted(members, key=lambda each: each.name)
    first = wheel.read_bytes()
    assert wheels.pack(members[::-1], tmp_path).read_bytes() == first
    monkeypatch.setattr(Path, "read_bytes", lambda path: b"another")
    with pytest.raises(RagError, match="BUNDLE-001"):
        wheels.files_of(distribution("filelock"))


def test_all_that_the_requirements_need_is_found() -> None:
    names = {each.name.lower() for each in wheels.closure(wheels.requirements(ROOT / "requirements.txt"))}
    assert {"aiohttp", "multidict", "lancedb", "pyarrow", "numpy"} <= names
    with pytest.raises(RagError, match="BUNDLE-001"):
        wheels.closure(["no-such-package-is-installed"])


@pytest.mark.parametrize(
    ("key", "needs"),
    [
        ("machine", {"machine": "pdp11"}),
        ("glibc", {"glibc": "99.0"}),
        ("glibcxx", {"glibcxx": "99.0"}),
        ("cpu", {"cpu": ["quantum"]}),
        ("old_cpu", {"cpu": ["quantum"], "portable": True}),
    ],
)
def test_a_machine_that_lacks_something_is_refused(key: str, needs: dict[str, Any]) -> None:
    here = {"machine": os.uname().machine, "glibc": "2.0", "glibcxx": "3.4", "cpu": [], "portable": False}
    checks.check_machine(here)
    with pytest.raises(Refused) as refused:
        checks.check_machine(here | needs)
    assert refused.value.key == key


def version(target: Path, name: str, whole: bool = True) -> Path:
    folder = target / "releases" / name
    folder.mkdir(parents=True)
    if whole:
        (folder / "MANIFEST.json").write_text("{}")
    return folder


def test_the_way_back_leads_to_the_version_that_was_used_before(tmp_path: Path) -> None:
    one, two = version(tmp_path, "1"), version(tmp_path, "2")
    releases.switch(tmp_path, one)
    begun = version(tmp_path, "3", whole=False)
    releases.remove_others(tmp_path)
    assert releases.in_use(tmp_path) == one
    assert two.exists()
    assert not begun.exists()
    releases.switch(tmp_path, two)
    assert releases.earlier(tmp_path) == one
    releases.switch(tmp_path, one)
    assert releases.earlier(tmp_path) == two
    shutil.rmtree(two)
    with pytest.raises(Refused):
        releases.earlier(tmp_path)


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(Refused) as refused:
        checks.check_target(tmp_path, {"id": "1", "installed_bytes": 0})
    assert refused.value.key == "foreign"
