"""A bundle holds all that an installation needs, is refused where it is not as it was made, and works offline."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from importlib.metadata import distribution
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rag import bundle, dataformat, wheels
from rag.errors import RagError
from rag.installer import checks, releases, steps
from rag.installer.texts import Refused, complaint

from .conftest import ROOT
from .guides import block

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


def test_of_the_model_library_what_computes_on_each_kind_of_processor_lies_beside_what_loads_it() -> None:
    names = (
        "llama_cpp/lib/libllama.so",
        "lib/libllama.so",
        "bin/libggml-cpu-haswell.so",
        "bin/tool",
        "a.dist-info/WHEEL",
    )
    found = wheels.llama_files([wheels.Member(name, name.encode()) for name in names])
    assert {each.name: each.data.decode() for each in found} == {
        "llama_cpp/lib/libllama.so": "llama_cpp/lib/libllama.so",
        "llama_cpp/lib/libggml-cpu-haswell.so": "bin/libggml-cpu-haswell.so",
        "a.dist-info/WHEEL": "a.dist-info/WHEEL",
    }


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


def test_the_oldest_python_that_will_do_is_the_one_that_every_package_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    def asking(*asked: str) -> list[Any]:
        said = [{"requires_python": each} if each else {} for each in asked]
        return [SimpleNamespace(metadata=SimpleNamespace(json=each)) for each in said]

    monkeypatch.setattr(sys, "version_info", (3, 11, 7, "final", 0))
    assert wheels.python_of(asking(">=3.8", ">=3.11", "")) == (3, 11, 0)
    assert wheels.python_of(asking(">=3.8", ">=3.11.5")) == (3, 11, 5)
    assert wheels.python_of(asking(">=3.11.9")) == (3, 11, 7)


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="Debian 12 has Python 3.11")
def test_a_bundle_of_the_packages_of_this_version_runs_on_the_python_of_debian_12() -> None:
    pins = wheels.requirements(ROOT / "requirements.txt")
    assert wheels.python_of(wheels.closure([*pins, "pip"])) <= (3, 11, 2)


def installer_alone(folder: Path, python: str) -> None:
    """What `install.sh` looks at before it hands over: a manifest that wants this Python, an installer that says so."""
    (folder / "installer").mkdir()
    (folder / "installer" / "main.py").write_text("main = lambda given: print('taken') or 0")
    (folder / "MANIFEST.json").write_text(json.dumps({"needs": {"python": python}}, indent=1))
    shutil.copy(ROOT / "rag" / "install.sh", folder)


@pytest.mark.parametrize(("wanted", "debian"), [("3.11.2", True), ("3.11.5", False), ("3.12.1", False)])
def test_the_python_of_debian_12_is_named_only_where_it_is_enough(tmp_path: Path, wanted: str, debian: bool) -> None:
    installer_alone(tmp_path, wanted)
    nothing = "PYTHON=/nowhere PATH=/nowhere"
    said = shell(f'sed=$(command -v sed); sed() {{ $sed "$@"; }}; {nothing}; . ./install.sh', tmp_path, tmp_path, 1)
    assert ("On Debian 12: apt install python3" in said) == debian
    assert ("make the bundle anew" in said) != debian


@pytest.mark.parametrize(("wanted", "taken"), [((0, 0), True), ((0, 1), False), ((1, 0), False), ((-1, 0), False)])
def test_a_python_that_is_too_old_or_of_another_minor_version_is_refused_with_what_there_is(
    tmp_path: Path, wanted: tuple[int, int], taken: bool
) -> None:
    here = sys.version_info
    installer_alone(tmp_path, f"{here.major}.{here.minor + wanted[0]}.{here.micro + wanted[1]}")
    said = shell("exec sh ./install.sh", tmp_path, tmp_path, check=0 if taken else 1)
    assert said == "taken\n" if taken else f"{sys.executable}={platform.python_version()}" in said


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


# Installing, for real, what is small.

GUIDE = "14-offline-install"
# Stands for the program: says its version, and writes into the data directory.
SERVER = """import os, pathlib, sys
data = pathlib.Path(os.environ["RAG_DATA_DIR"])
data.mkdir(exist_ok=True)
(data / "written").write_text("{version}")
print("serving", "{version}", *sys.argv[1:], flush=True)
"""


@pytest.fixture(scope="module")
def pip_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheels.pack(wheels.files_of(distribution("pip")), tmp_path_factory.mktemp("pip"))


def small_bundle(folder: Path, pip_wheel: Path, version: str, waits_for: Path = Path()) -> Path:
    """A bundle whose program is `SERVER`, with no package but pip. Its trial waits until a file is gone."""
    app = folder / "app"
    for name in ("server.py", "web/__init__.py", "web/app.py", "rag/__init__.py", "rag/llama.py", "rag/store.py"):
        (app / name).parent.mkdir(parents=True, exist_ok=True)
        (app / name).write_text("")
    (app / "server.py").write_text(
        f"VERSION = {version!r}\nif __name__ == '__main__':\n    exec({SERVER.format(version=version)!r})\n"
    )
    trial = f"import os, time\nwhile os.path.isfile({str(waits_for)!r}):\n    time.sleep(0.01)\n"
    (app / "web" / "app.py").write_text(trial)
    (folder / "wheels").mkdir()
    shutil.copy(pip_wheel, folder / "wheels")
    (folder / "models").mkdir()
    for name in ("a.gguf", f"{version}.gguf"):
        (folder / "models" / name).write_bytes(b"weights")
    shutil.copy(ROOT / "rag" / "install.sh", folder)
    shutil.copytree(ROOT / "rag" / "installer", folder / "installer", ignore=shutil.ignore_patterns("__pycache__"))
    needs = {"python": f"{sys.version_info.major}.{sys.version_info.minor}.0", "machine": os.uname().machine}
    needs |= {"glibc": "2.0", "glibcxx": "3.4", "cpu": [], "portable": False}
    bundle.describe(folder, bundle.Wanted(ROOT, version, []), needs)
    return folder


def environ(home: Path) -> dict[str, str]:
    """Of somebody who has nothing but the system's programs."""
    return {"HOME": str(home), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHON": sys.executable, "RAG_PORT": "0"}


def shell(text: str, home: Path, cwd: Path, check: int = 0) -> str:
    done = subprocess.run(
        ["sh", "-euc", text],
        cwd=cwd,
        env=environ(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == check, done.stdout
    return done.stdout


class Killed(BaseException):
    """Nothing cleans up behind it."""


def killed_at(moment: int, monkeypatch: pytest.MonkeyPatch, installer: steps.Installer) -> bool:
    """Install, until so many things were done to the disk. Whether that was before the end."""
    left = iter(range(moment))

    def counted(do: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any, **named: Any) -> Any:
            if next(left, None) is None:
                raise Killed
            return do(*arguments, **named)

        return step

    with monkeypatch.context() as patch:
        for owner, name in [(os, "replace"), (os, "sync"), (os, "utime"), (Path, "symlink_to"), (Path, "unlink")]:
            patch.setattr(owner, name, counted(getattr(owner, name)))
        for name in ("copyfile", "copy2", "rmtree"):
            patch.setattr(shutil, name, counted(getattr(shutil, name)))
        patch.setattr(steps, "_run", counted(lambda work, lock, *command, **options: None))
        try:
            installer.install()
        except Killed:
            return True
    return False


def test_a_kill_at_any_moment_leaves_a_whole_version_in_use_and_the_next_run_completes_it(
    tmp_path: Path, pip_wheel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = (small_bundle(tmp_path / version, pip_wheel, version) for version in ("1", "2"))
    before = tmp_path / "before"
    assert not killed_at(10**6, monkeypatch, steps.Installer(one, before, "en"))
    moments, used = 0, set()
    while True:
        target = Path(shutil.copytree(before, tmp_path / f"target {moments}", symlinks=True))
        killed = killed_at(moments, monkeypatch, steps.Installer(two, target, "en"))
        now = releases.in_use(target)
        assert now is not None
        assert checks.is_whole(now)
        used.add(now.name[0])
        if not killed:
            break
        assert not killed_at(10**6, monkeypatch, steps.Installer(two, target, "en"))
        assert str(releases.in_use(target)).startswith(str(target / "releases" / "2-"))
        assert (target / "models" / "2.gguf").read_bytes() == b"weights"
        assert releases.earlier(target).name.startswith("1-")
        moments += 1
    assert moments > 15
    assert used == {"1", "2"}


def killed_while_it_is_tried(bundle: Path, home: Path, flag: Path) -> None:
    """Run an installation whose program does not end its trial while `flag` is there, and kill it then."""
    flag.write_text("")
    command = ["sh", str(bundle / "install.sh")]
    with subprocess.Popen(command, env=environ(home), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert any("starts" in line for line in process.stdout), "it has ended before"
        process.kill()
    flag.unlink()


@pytest.mark.guide(GUIDE, "How to bring a newer version")
@pytest.mark.guide(GUIDE, "How to go back to the version before")
@pytest.mark.guide(GUIDE, "How to remove RAG Standard")
def test_a_newer_version_is_brought_through_a_kill_and_keeps_all_and_the_way_back_works(
    tmp_path: Path, pip_wheel: Path
) -> None:
    home = tmp_path / "집 folder"
    home.mkdir()
    target = home / "rag-standard"
    one = small_bundle(tmp_path / "rag-bundle", pip_wheel, "1")
    # As on a disk that is only read.
    for path in (one, *one.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    assert "serving 1" in shell("sh rag-bundle/install.sh", home, tmp_path)
    assert all(path.stat().st_mode & 0o200 for path in (target / "releases").rglob("*"))
    assert list(home.iterdir()) == [target]
    mine = {"data/mine": "documents", "models/mine.gguf": "own", "models/a.gguf": "mine", "settings.env": "RAG_PORT=9"}
    for name, text in mine.items():
        (target / name).write_text(text)

    flag = tmp_path / "flag"
    newer = small_bundle(tmp_path / "newer-bundle", pip_wheel, "2", waits_for=flag)
    killed_while_it_is_tried(newer, home, flag)
    assert "serving 1 ask" in shell('rag-standard/rag ask "x"', home, home)
    upgrade = block(GUIDE, "How to bring a newer version").text
    assert "serving 2" in shell(upgrade, home, tmp_path)
    assert {name: (target / name).read_text() for name in mine} == mine
    assert [each.name for each in (target / "models").iterdir() if each.name.startswith(".")] == []

    back = block(GUIDE, "How to go back to the version before").text
    assert "serving 1" in shell(back, home, tmp_path) + shell("rag-standard/rag", home, home)
    # The installation of what is there already takes a moment.
    assert "serving 2" in shell(upgrade, home, tmp_path)
    (target / "data" / dataformat.FILE).write_text(json.dumps({"format": dataformat.FORMAT + 1}))
    for command in (back, f"sh {one}/install.sh"):
        assert "newer version" in shell(command, home, tmp_path, check=1)
    assert releases.in_use(target) == max((target / "releases").glob("2-*"))
    shell(block(GUIDE, "How to remove RAG Standard").text, home, tmp_path)
    assert not target.exists()


def test_two_installations_at_once_take_turns_or_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(releases, "PATIENCE", 0.0)
    (tmp_path / "releases").mkdir()
    with releases.alone(tmp_path), pytest.raises(Refused) as refused, releases.alone(tmp_path):
        pass
    assert refused.value.key == "busy"
    with releases.alone(tmp_path):
        pass


@pytest.mark.parametrize("tar", [False, True])
def test_a_bundle_is_there_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tar: bool) -> None:
    wanted = bundle.Wanted(ROOT, "1", [])
    target = tmp_path / "묶음"

    def interrupted(part: Path, *_: object) -> None:
        (part / "half").write_text("")
        raise KeyboardInterrupt

    monkeypatch.setattr(bundle, "_fill", interrupted)
    with pytest.raises(KeyboardInterrupt):
        bundle.make(target, wanted, lambda *_: None, tar=tar)
    assert list(tmp_path.iterdir()) == []

    def whole(part: Path, *_: object) -> None:
        (part / "SHA256SUMS").write_text("list")

    monkeypatch.setattr(bundle, "_fill", whole)
    digest = bundle.make(target, wanted, lambda *_: None, tar=tar)
    assert digest == hashlib.sha256(b"list").hexdigest()
    (place,) = tmp_path.iterdir()
    if tar:
        with tarfile.open(place) as archive:
            assert archive.getnames() == ["묶음", "묶음/SHA256SUMS"]
    else:
        assert (target / "SHA256SUMS").read_text() == "list"
    with pytest.raises(RagError, match="BUNDLE-001"):
        bundle.make(target, wanted, lambda *_: None, tar=tar)


# Installing the whole.


@contextlib.contextmanager
def python_named(folder: Path) -> Iterator[str]:
    """A path for programs in which `python` is this one."""
    folder.mkdir()
    (folder / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (folder / "python").chmod(0o755)
    yield f"{folder}:/usr/bin:/bin"


@pytest.mark.model
@pytest.mark.guide(GUIDE, "How to make a bundle")
@pytest.mark.guide(GUIDE, "How to carry the bundle and see that it is whole")
@pytest.mark.guide(GUIDE, "How to install it where no network is")
def test_a_bundle_is_installed_without_a_network_and_answers_from_the_documents_that_are_there(
    starter_models: Path, first_start: Path, tmp_path: Path
) -> None:
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-rn", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine does not allow network namespaces")
    home = tmp_path / "집 home"
    # As an earlier version has left it.
    (home / "rag-standard" / "releases").mkdir(parents=True)
    shutil.copytree(first_start, home / "rag-standard" / "data")
    (tmp_path / "server.py").symlink_to(ROOT / "server.py")
    with python_named(tmp_path / "bin") as path:
        here = f'export PATH="{path}" RAG_MODELS_DIR="{starter_models}" RAG_DATA_DIR="{home}/rag-standard/data"\n'
        said = shell(here + block(GUIDE, "How to make a bundle").text, home, tmp_path)
    check = shell(block(GUIDE, "How to carry the bundle and see that it is whole").text, home, tmp_path)
    assert check.split()[0] in said
    install = block(GUIDE, "How to install it where no network is").text.split()
    script = str(ROOT / "tests" / "clients" / "offline_install.py")
    done = subprocess.run(
        [unshare, "-rn", sys.executable, script, "What is RAG Standard?", *install],
        cwd=tmp_path,
        env=environ(home),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["interfaces"] == ["lo"]
    assert result["answer"]["sources"]
    assert "guides/en/01-overview.md" in result["documents"]
    assert os.listdir(home) == ["rag-standard"]
    about = json.loads((home / "rag-standard" / "current" / "MANIFEST.json").read_text())
    text = (tmp_path / "rag-bundle" / "LICENSES").read_text()
    for name, version, *_ in (Path(file).name.split("-") for file in about["files"] if file.endswith(".whl")):
        assert re.search(rf"^{re.sub('[-_.]', '[-_.]', name)} {re.escape(version)}: .", text, re.I | re.M), name
