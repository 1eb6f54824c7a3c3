"""The steps of an installation."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

from .checks import (
    MANIFEST,
    Manifest,
    check_data,
    check_machine,
    check_target,
    files_below,
    is_whole,
    listed,
    read_manifest,
    sha256_of,
    verify,
)
from .releases import alone, earlier, is_running, remove_others, switch, sync
from .texts import Refused, text_of

# Of Linux: the signal that a process gets when its parent ends.
PR_SET_PDEATHSIG = 1
# Found by where it lies, whatever link leads to it.
PROGRAM = """#!/bin/sh
# Starts RAG Standard, or runs one of its commands: rag ask "QUESTION", rag ingest FOLDER, rag --help
set -eu
here=$(dirname -- "$(readlink -f -- "$0")")
release=$(readlink -f -- "$here/current")
export RAG_DATA_DIR="${RAG_DATA_DIR:-$here/data}" RAG_MODELS_DIR="${RAG_MODELS_DIR:-$here/models}" RAG_OFFLINE=1
if [ -r "$here/settings.env" ]; then
    set -a
    . "$here/settings.env"
    set +a
fi
exec "$release/venv/bin/python" -E -s "$release/app/server.py" "$@"
"""
SETTINGS = """# RAG Standard의 설정입니다. 시작할 때마다 읽고, 버전을 올려도 그대로 둡니다. 설정 목록: ./rag --help
# Settings of RAG Standard, read at each start and kept by upgrades. All of them: ./rag --help
# RAG_PORT=8000
"""


class Installer:
    def __init__(self, bundle: Path, target: Path, lang: str) -> None:
        self.bundle, self.target, self.lang = bundle, target, lang

    def say(self, key: str, **data: Any) -> None:
        print(text_of(self.lang, key, **data), flush=True)

    def check(self) -> Manifest:
        """Verify bundle, machine and target, before anything is changed. Raises `Refused`."""
        names = listed(self.bundle)
        size = sum((self.bundle / name).stat().st_size for name in names if (self.bundle / name).is_file())
        self.say("checking", files=len(names), mb=size / 1e6)
        manifest = verify(self.bundle)
        check_machine(manifest["needs"])
        check_target(self.target, manifest)
        self.say("fit", id=manifest["id"])
        return manifest

    def install(self) -> None:
        """Install the bundle's version and make it the one in use. Raises `Refused` or `OSError`."""
        manifest = self.check()
        (self.target / "releases").mkdir(parents=True, exist_ok=True)
        with alone(self.target) as lock:
            for left in (self.target / "releases").iterdir():
                if left.is_dir() and not is_whole(left):
                    shutil.rmtree(left)
            self._models()
            release = self.target / "releases" / manifest["id"]
            if not is_whole(release):
                self.say("packages", id=manifest["id"])
                self._fill(release, lock)
                # All of it is on the disk before anything says that it is there.
                os.sync()
                _write(release / MANIFEST, (self.bundle / MANIFEST).read_text(encoding="utf-8"))
            if not (self.target / "settings.env").exists():
                _write(self.target / "settings.env", SETTINGS, 0o600)
            _write(self.target / "rag", PROGRAM, 0o755)
            switch(self.target, release)
            # A server that still runs may be of any version.
            if not is_running(self.target):
                remove_others(self.target)
        self.say("installed", target=self.target, id=manifest["id"])

    def rollback(self) -> None:
        """Make the version in use that was before. Raises `Refused`."""
        if not (self.target / "releases").is_dir():
            raise Refused("nothing", target=self.target)
        with alone(self.target):
            release = earlier(self.target)
            check_data(self.target, read_manifest(release))
            switch(self.target, release)
        self.say("back", id=release.name)

    def _models(self) -> None:
        """Copy the models that are not there. A file of the same name stays, whoever put it there."""
        self.say("models")
        folder = self.target / "models"
        folder.mkdir(exist_ok=True)
        for left in folder.glob(".*.part"):
            left.unlink()
        for source in sorted((self.bundle / "models").glob("*.gguf")):
            target, part = folder / source.name, folder / f".{source.name}.part"
            if not target.exists():
                # With its time: of two models the newer one is used.
                shutil.copy2(source, part)
                part.chmod(0o644)
                sync(part)
                os.replace(part, target)
                sync(folder)
            elif source.stat().st_size != target.stat().st_size or sha256_of(source) != sha256_of(target):
                self.say("kept", file=source.name)

    def _fill(self, release: Path, lock: int) -> None:
        """Put a version together; it is not whole yet. Raises `Refused`."""
        run = partial(_run, release / "work", lock)
        python, work = release / "venv" / "bin" / "python", release / "work"
        work.mkdir(parents=True)
        for name in files_below(self.bundle):
            if name.startswith(("app/", "installer/")):
                (release / name).parent.mkdir(parents=True, exist_ok=True)
                # Without its mode: a bundle may lie on a disk that is only read.
                shutil.copyfile(self.bundle / name, release / name)
        shutil.copyfile(self.bundle / "install.sh", release / "install.sh")
        run(sys.executable, "-I", "-m", "venv", "--without-pip", str(release / "venv"))
        wheels = sorted(map(str, (self.bundle / "wheels").glob("*.whl")))
        pip = next(wheel for wheel in wheels if Path(wheel).name.startswith("pip-"))
        options = ["--isolated", "--no-index", "--no-deps", "--no-cache-dir", "--no-compile", "--no-input", "--quiet"]
        options += ["--disable-pip-version-check", "--no-warn-script-location", "--root-user-action=ignore"]
        run(str(python), "-I", f"{pip}/pip", "install", *options, *wheels)
        # A package may hold files for other versions of Python, which do not compile.
        compiled = [str(release / "app"), str(release / "venv")]
        run(str(python), "-I", "-m", "compileall", "-q", *compiled, strict=False)
        self.say("trying")
        run(str(python), "-E", "-s", "-c", "import web.app, rag.llama, rag.store, server", cwd=release / "app")
        shutil.rmtree(work)


def _run(work: Path, lock: int, *command: str, cwd: Path | None = None, strict: bool = True) -> None:
    """Run a command that leaves nothing outside of the folder. Raises `Refused` with its last words.

    If this process is killed, so is the command; until it has gone, it holds the lock.
    """
    # Without a file for pip: it would read that of the machine, too.
    inside = [f"HOME={work}", f"TMPDIR={work}", f"XDG_CACHE_HOME={work}", f"PIP_CONFIG_FILE={os.devnull}"]
    done = subprocess.run(
        ["env", *inside, *command],
        cwd=cwd or work,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        pass_fds=[lock],
        preexec_fn=partial(ctypes.CDLL(None).prctl, PR_SET_PDEATHSIG, signal.SIGKILL),
    )
    if done.returncode and strict:
        lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        died = signal.Signals(-done.returncode).name if done.returncode < 0 else f"exit {done.returncode}"
        raise Refused("failed", reason=lines[-1] if lines else died)


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file whole or not at all, on the disk before it is in place."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.chmod(mode)
    sync(part)
    os.replace(part, path)
    sync(path.parent)
