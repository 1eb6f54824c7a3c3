"""Whether a bundle is as it was made, and whether it fits this machine."""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .texts import Refused

MANIFEST = "MANIFEST.json"
SUMS = "SHA256SUMS"

Manifest = dict[str, Any]


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_below(folder: Path) -> Iterator[str]:
    """Every file and link below the folder, as the lists name them."""
    for directory, folders, names in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(directory, name))]
        yield from (Path(directory, name).relative_to(folder).as_posix() for name in names + links)


def listed(bundle: Path) -> dict[str, str]:
    """SHA-256 by the names of files, as the bundle lists them. Raises `Refused` if there is no list."""
    try:
        lines = (bundle / SUMS).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        raise Refused("damaged", problems=[("missing", SUMS)]) from None
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def verify(bundle: Path) -> Manifest:
    """Hold every file against the list; the manifest. Raises `Refused` with what is missing, changed or extra."""
    expected = listed(bundle)
    there = set(files_below(bundle)) - {SUMS}
    problems = [("missing", name) for name in sorted(expected.keys() - there)]
    problems += [("extra", name) for name in sorted(there - expected.keys())]
    for name in sorted(expected.keys() & there):
        path = bundle / name
        if path.is_symlink() or sha256_of(path) != expected[name]:
            problems.append(("changed", name))
    if MANIFEST not in expected:
        problems.append(("extra", MANIFEST))
    if problems:
        raise Refused("damaged", problems=problems)
    return read_manifest(bundle)


def read_manifest(folder: Path) -> Manifest:
    manifest: Manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    return manifest


def is_whole(release: Path) -> bool:
    """Whether a version was installed to its end."""
    return (release / MANIFEST).is_file()


# This machine.


def cpu_flags() -> set[str]:
    """What the processor can do, in the kernel's words; nothing where the kernel does not tell."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return set()
    found = re.search(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
    return set(found.group(1).split()) if found else set()


def symbols_here(library: str, name: str) -> tuple[int, ...]:
    """The newest version of a system library's symbols; () if the library is not there."""
    try:
        ctypes.CDLL(library)
        lines = Path("/proc/self/maps").read_text().splitlines()
        path = next(line.split(maxsplit=5)[5] for line in lines if library.partition(".so")[0] in line)
        found = re.findall(rb"\0" + name.encode() + rb"_(\d+(?:\.\d+)+)(?=\0)", Path(path).read_bytes())
    except (OSError, StopIteration):
        return ()
    return max((tuple(map(int, version.decode().split("."))) for version in found), default=())


def check_machine(needs: dict[str, Any]) -> None:
    """Raises `Refused` where this machine lacks what the bundle needs."""
    if (sys.platform, platform.machine()) != ("linux", needs["machine"]):
        raise Refused("machine", wanted=needs["machine"], found=f"{platform.system()} {platform.machine()}")
    library, version = platform.libc_ver()
    if library != "glibc" or _numbers(version) < _numbers(needs["glibc"]):
        raise Refused("glibc", wanted=needs["glibc"], found=version or "-")
    found = symbols_here("libstdc++.so.6", "GLIBCXX")
    if found < _numbers(needs["glibcxx"]):
        raise Refused("glibcxx", wanted=needs["glibcxx"], found=".".join(map(str, found)) or "-")
    lacking = sorted(set(needs["cpu"]) - cpu_flags())
    if lacking:
        raise Refused("old_cpu" if needs["portable"] else "cpu", wanted=", ".join(lacking))


def check_target(target: Path, manifest: Manifest) -> None:
    """Raises `Refused` if the folder is somebody else's, too small, or holds data of a newer version."""
    if target.exists() and not (target / "releases").is_dir() and (not target.is_dir() or any(target.iterdir())):
        raise Refused("foreign", target=target)
    check_data(target, manifest)
    if is_whole(target / "releases" / manifest["id"]):
        return
    there = next(folder for folder in (target, *target.parents) if folder.exists())
    free, wanted = shutil.disk_usage(there).free, manifest["installed_bytes"]
    if free < wanted:
        raise Refused("space", target=target, wanted=wanted / 1e6, found=free / 1e6)


def check_data(target: Path, manifest: Manifest) -> None:
    """Raises `Refused` if the version could not read the data."""
    try:
        found = json.loads((target / "data" / "format.json").read_text(encoding="utf-8"))["format"]
    except (OSError, ValueError, KeyError, TypeError):
        return
    if isinstance(found, int) and found > manifest["data_format"]:
        raise Refused("newer", target=target, id=manifest["id"])


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part)
