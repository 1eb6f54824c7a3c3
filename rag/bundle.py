"""One folder from which RAG Standard is installed on a machine without a network: wheels, models, source, installer.

The folder is put together beside its place and moved in when it is whole. Linux only, as its installer is.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

from . import dataformat, durable, wheels
from .errors import RagError
from .installer.checks import MANIFEST, SUMS, cpu_flags, files_below

Progress = Callable[[str, int, int], None]  # label, bytes done, bytes in total

# What runs, by the ending; nothing else that may lie in these folders.
FOLDERS = ("rag", "web", "models")
ENDINGS = frozenset(".py .typed .sh .html .css .js .json .svg .png .md .toml".split())
TOP = tuple("server.py requirements.txt setup.cfg pyproject.toml README.md CHANGELOG.md LICENSE".split())
# Of this machine's processor a native build may use any of these.
NATIVE = re.compile(r"avx|amx|fma$|f16c|bmi[12]$|abm$|movbe|sse4|ssse3|popcnt|gfni|vaes|vpclmulqdq|adx$")
# lancedb's wheels are built for Haswell (https://github.com/lancedb/lancedb/issues/3324).
LEAST = tuple("abm avx avx2 bmi1 bmi2 f16c fma movbe popcnt sse4_1 sse4_2 ssse3".split())
# Otherwise the library is built for the processor that it is built on. With these, what computes is built for each kind
# of processor, in files of their own, and the best one is loaded (rag.llama).
PORTABLE = (
    "--config-settings=cmake.define.GGML_NATIVE=OFF",
    "--config-settings=cmake.define.GGML_BACKEND_DL=ON",
    "--config-settings=cmake.define.GGML_CPU_ALL_VARIANTS=ON",
    "--config-settings=cmake.define.CMAKE_INSTALL_RPATH=$ORIGIN",
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What goes into a bundle. `models`: files with the SHA-256 that they must have, "" for any. `reuse`: the model
    library that is installed is known to work on this machine."""

    root: Path
    version: str
    models: Sequence[tuple[Path, str]]
    portable: bool = False
    reuse: bool = True


def place_of(target: Path, tar: bool) -> Path:
    """Where a bundle will lie. Raises `RagError` BUNDLE-001 if something is there already."""
    place = target.absolute()
    if tar:
        place = place.with_name(f"{place.name}.tar")
    if place.exists() and (tar or not place.is_dir() or any(place.iterdir())):
        raise RagError("BUNDLE-001", reason=f"{place} exists")
    return place


def make(target: Path, wanted: Wanted, progress: Progress, *, tar: bool = False) -> str:
    """Make a bundle at `target`, which is empty or not there, or the one file `target`.tar. Blocks.

    Returns the SHA-256 of its list of files. Raises `RagError` BUNDLE-001; then, and where it is interrupted, nothing
    is left.
    """
    target, place = target.absolute(), place_of(target, tar)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _beside(target) as part:
            _fill(part, wanted, progress)
            digest = durable.sha256_of(part / SUMS)
            if tar:
                part = _as_one_file(part)
                durable.sync(part)
            for folder, _, names in os.walk(part):
                for path in (*(Path(folder, name) for name in names), Path(folder)):
                    durable.sync(path)
            os.replace(part, place)
            durable.sync(place.parent)
    except OSError as error:
        raise RagError("BUNDLE-001", reason=str(error)) from error
    return digest


def source_files(root: Path) -> list[str]:
    """The files of the program, relative to its folder: also where it was not cloned, and nothing private."""
    found = [name for name in TOP if (root / name).is_file()]
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            name = path.relative_to(root)
            hidden = any(part.startswith((".", "__pycache__")) for part in name.parts)
            if path.suffix in ENDINGS and path.is_file() and not path.is_symlink() and not hidden:
                found.append(name.as_posix())
    return found


@contextlib.contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """A folder beside `target` that is gone in the end, unless it was moved. One that a kill has left is removed."""
    part = target.with_name(f".{target.name}.part")
    part.mkdir(exist_ok=True)
    descriptor = os.open(part, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for left in part.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        # It cannot be moved out of a folder that is to be removed, so the lock is on the one around it.
        inner = part / target.name
        inner.mkdir()
        yield inner
    finally:
        os.close(descriptor)
        shutil.rmtree(part, ignore_errors=True)


def _as_one_file(part: Path) -> Path:
    """The bundle as a tar file, owned by nobody in particular. What it holds is compressed already."""

    def of_nobody(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid, entry.gid, entry.uname, entry.gname = 0, 0, "root", "root"
        return entry

    file = part.with_name(f"{part.name}.tar")
    with tarfile.open(file, "w") as archive:
        archive.add(part, arcname=part.name, filter=of_nobody)
    return file


def _fill(part: Path, wanted: Wanted, progress: Progress) -> None:
    for folder in ("wheels", "models", "app"):
        (part / folder).mkdir()
    licences = [wheels.Licence(f"RAG Standard {wanted.version}", "Apache-2.0", ("app/LICENSE",))]
    for path, digest in wanted.models:
        _copy(path, part / "models" / path.name, digest, progress)
        licences.append(
            wheels.Licence(f"models/{path.name}", "of its makers; of the starters: app/models/starter.toml")
        )
    needs = _wheels(part / "wheels", wanted, progress, licences)
    for name in source_files(wanted.root):
        (part / "app" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(wanted.root / name, part / "app" / name)
    shutil.copyfile(wanted.root / "rag" / "install.sh", part / "install.sh")
    shutil.copytree(part / "app" / "rag" / "installer", part / "installer")
    lines = (
        line for each in licences for line in (f"{each.part}: {each.licence}", *(f"    {text}" for text in each.texts))
    )
    _write(part / "LICENSES", "\n".join(lines) + "\n")
    describe(part, wanted, needs)


def _copy(source: Path, target: Path, digest: str, progress: Progress) -> None:
    """Copy a model with its time. Raises `RagError` BUNDLE-001 if it does not have the SHA-256 that it must have."""
    size, done, found = source.stat().st_size, 0, hashlib.sha256()
    with source.open("rb") as file, target.open("wb") as to:
        while block := file.read(1 << 20):
            found.update(block)
            to.write(block)
            done += len(block)
            progress(source.name, done, size)
    shutil.copystat(source, target)
    target.chmod(0o644)
    if digest and found.hexdigest() != digest:
        raise RagError("BUNDLE-001", reason=f"{source}: SHA-256 {found.hexdigest()}, not {digest}")


def _wheels(folder: Path, wanted: Wanted, progress: Progress, licences: list[wheels.Licence]) -> dict[str, Any]:
    """Write the wheels and note their licences; what they need of a machine."""
    needed = wheels.requirements(wanted.root / "requirements.txt")
    packages = wheels.closure([*needed, "pip"])
    sizes = {each.name: sum(file.size or 0 for file in each.files or ()) for each in packages}
    libraries: list[wheels.Member] = []

    def pack(package: Distribution) -> Path:
        if _is_llama(package):
            pin = next(pin for pin in needed if pin.startswith(wheels.LLAMA))
            libraries.extend(wheels.llama_files(_llama(package, pin, needed[pin], folder, wanted)))
            return wheels.pack(libraries, folder)
        try:
            return wheels.pack(wheels.files_of(package), folder)
        except RagError:
            # Changed since: many a company adds its own certificates to certifi.
            with _fetched(f"{package.name}=={package.version}", [], folder) as wheel:
                return wheel.replace(folder / wheel.name)

    label, done, total = "wheels", 0, sum(sizes.values())
    glibc: list[tuple[int, ...]] = []
    progress(label, 0, total)
    # Compressing lets other threads run.
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for package, wheel in zip(packages, pool.map(pack, packages), strict=True):
            glibc.append(wheels.glibc_of(wheel))
            licences.append(wheels.licence_of(package, wheel))
            done += sizes[package.name]
            progress(label, done, total)
    return {
        "python": _dotted(wheels.python_of(packages)),
        "machine": platform.machine(),
        "glibc": _dotted(max(*glibc, wheels.symbols(libraries, "GLIBC"))),
        "glibcxx": _dotted(wheels.symbols(libraries, "GLIBCXX")),
        "cpu": _cpu(wanted.portable),
        "portable": wanted.portable,
    }


def _is_llama(package: Distribution) -> bool:
    return re.sub(r"[-_.]+", "-", package.name).lower() == wheels.LLAMA


def _llama(package: Distribution, pin: str, options: list[str], folder: Path, wanted: Wanted) -> list[wheels.Member]:
    """The files of the model library: those installed if they are right, else built anew, in some minutes."""
    if wanted.reuse and not wanted.portable:
        return wheels.files_of(package)
    # pip's cache takes no notice of how a wheel was built.
    with _fetched(pin, ["--no-cache-dir", *options, *(PORTABLE if wanted.portable else ())], folder) as wheel:
        return wheels.files_in(wheel)


@contextlib.contextmanager
def _fetched(pin: str, options: list[str], folder: Path) -> Iterator[Path]:
    """The wheel that pip fetches or builds, as long as it is looked at. Raises `RagError` BUNDLE-001."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-input", "--quiet"]
        command += ["--disable-pip-version-check", "--wheel-dir", work, *options, pin]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        if done.returncode:
            said = done.stdout.decode("utf-8", "replace").strip().splitlines()
            raise RagError("BUNDLE-001", reason=f"{pin}: {said[-1] if said else done.returncode}")
        yield next(Path(work).glob("*.whl"))


def _cpu(portable: bool) -> list[str]:
    """What a processor must have, in the kernel's words; nothing is said of others than x86-64."""
    if platform.machine() != "x86_64":
        return []
    return sorted(LEAST if portable else {flag for flag in cpu_flags() if NATIVE.match(flag)} | set(LEAST))


def describe(part: Path, wanted: Wanted, needs: dict[str, Any]) -> None:
    """Write the manifest and the list of all files. The id tells one content from another."""
    files = {name: durable.sha256_of(part / name) for name in sorted(files_below(part))}
    sizes = {name: (part / name).stat().st_size for name in files}
    digest = hashlib.sha256("".join(f"{value}  {name}\n" for name, value in files.items()).encode()).hexdigest()
    manifest = {
        "product": "RAG Standard",
        "version": wanted.version,
        "id": f"{wanted.version}-{digest[:12]}",
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "data_format": dataformat.FORMAT,
        "installed_bytes": _unpacked(part)
        + sum(size for name, size in sizes.items() if not name.startswith("wheels/")),
        "needs": needs,
        "files": {name: {"bytes": sizes[name], "sha256": files[name]} for name in files},
    }
    _write(part / MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
    files[MANIFEST] = durable.sha256_of(part / MANIFEST)
    _write(part / SUMS, "".join(f"{files[name]}  {name}\n" for name in sorted(files)))


def _unpacked(part: Path) -> int:
    """Bytes of the installed packages, a fifth of it for what Python compiles them to."""
    total = 0
    for wheel in (part / "wheels").glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            total += sum(entry.file_size for entry in archive.infolist())
    return total * 6 // 5


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
