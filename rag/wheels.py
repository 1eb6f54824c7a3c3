"""Wheels of what is installed: packed again from the installed files, each file checked against its makers' record.

What a wheel is: https://packaging.python.org/en/latest/specifications/binary-distribution-format/. Nothing is fetched,
so what another machine gets is exactly what runs on this one. Programs of a package are made anew when its wheel is
installed; a script that is no entry point is left out.
"""

from __future__ import annotations

import base64
import ctypes
import hashlib
import os
import re
import sys
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from .errors import RagError

# What belongs to one installation alone, or is written anew.
OWN = frozenset(("RECORD", "INSTALLER", "REQUESTED", "direct_url.json"))
# Fast; the models and most libraries hardly get smaller.
LEVEL = 1
LLAMA = "llama-cpp-python"
LICENSE_FILE = re.compile(r"\.dist-info/.*(LICEN[CS]E|COPYING|NOTICE|AUTHORS|libgomp)", re.IGNORECASE)
OPENMP = "libgomp.so.1"
OPENMP_LICENSE = Path("/usr/share/doc/libgomp1/copyright")


@dataclass(frozen=True, slots=True)
class Member:
    """A file of a wheel: its name there, its bytes, and whether it is a program."""

    name: str
    data: bytes
    executable: bool = False


@dataclass(frozen=True, slots=True)
class Licence:
    """What a part is licensed under, as its makers say, and where in the bundle the texts lie."""

    part: str
    licence: str
    texts: tuple[str, ...] = ()


def requirements(file: Path) -> dict[str, list[str]]:
    """The requirements of a pip file, each with its options."""
    lines = (line.partition("#")[0].split(" --") for line in file.read_text(encoding="utf-8").splitlines())
    return {name.strip(): [f"--{option.strip()}" for option in options] for name, *options in lines if name.strip()}


def closure(roots: Iterable[str]) -> list[Distribution]:
    """The installed distributions that the requirements need, and all that those need, by their names.

    Raises `RagError` BUNDLE-001 for one that is not installed.
    """
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, str]] = set()
    left = [(Requirement(root), "") for root in roots]
    while left:
        wanted, extra = left.pop()
        if wanted.marker and not wanted.marker.evaluate({"extra": extra}):
            continue
        name = re.sub(r"[-_.]+", "-", wanted.name).lower()
        for each in wanted.extras or {""}:
            if (name, each) in seen:
                continue
            seen.add((name, each))
            try:
                found[name] = distribution(wanted.name)
            except PackageNotFoundError:
                raise RagError("BUNDLE-001", reason=f"{wanted.name}: not installed") from None
            left += [(Requirement(line), each) for line in found[name].requires or ()]
    return [found[name] for name in sorted(found)]


def files_of(package: Distribution) -> list[Member]:
    """The files of an installed package as its wheel held them.

    Raises `RagError` BUNDLE-001 if one is not what the makers' record says, or there is no record.
    """
    members = []
    for file in package.files or ():
        # Outside of the packages lie programs; those in `__pycache__` have no hash.
        if file.hash is None or ".." in file.parts or (_describes(file.parts[0]) and file.parts[-1] in OWN):
            continue
        path = Path(str(package.locate_file(file)))
        try:
            data = path.read_bytes()
        except OSError as error:
            raise RagError("BUNDLE-001", reason=f"{package.name}: {path}: {error.strerror}") from None
        if _digest(data, file.hash.mode) != file.hash.value:
            raise RagError("BUNDLE-001", reason=f"{package.name}: {path}: RECORD")
        members.append(Member(file.as_posix(), data, os.access(path, os.X_OK)))
    if not members:
        raise RagError("BUNDLE-001", reason=f"{package.name}: RECORD")
    return members


def files_in(wheel: Path) -> list[Member]:
    """The files of a wheel, without its record."""
    with zipfile.ZipFile(wheel) as archive:
        return [
            Member(each.filename, archive.read(each), bool(each.external_attr >> 16 & 0o111))
            for each in archive.infolist()
            if not each.is_dir() and not each.filename.endswith(".dist-info/RECORD")
        ]


def pack(members: list[Member], folder: Path) -> Path:
    """Write a wheel of these files; the same files give the same bytes."""
    members = sorted(members, key=lambda member: (_describes(member.name), member.name))
    about = next(member.name.partition("/")[0] for member in members if _describes(member.name))
    described = next(member for member in members if member.name == f"{about}/WHEEL").data.decode()
    target = folder / f"{about.removesuffix('.dist-info')}-{_tag(described)}.whl"
    record = "".join(f"{_quoted(each.name)},sha256={_digest(each.data)},{len(each.data)}\n" for each in members)
    record += f"{about}/RECORD,,\n"
    with zipfile.ZipFile(target, "w") as archive:
        for member in [*members, Member(f"{about}/RECORD", record.encode())]:
            # The first time that a ZIP file can hold.
            entry = zipfile.ZipInfo(member.name, (1980, 1, 1, 0, 0, 0))
            entry.external_attr = (0o100755 if member.executable else 0o100644) << 16
            archive.writestr(entry, member.data, zipfile.ZIP_DEFLATED, LEVEL)
    return target


def llama_files(members: list[Member]) -> list[Member]:
    """Of the model library what Python loads, with the OpenMP library that it needs, which few machines have without
    a compiler. The rest of its wheel is what C programs are built with."""
    kept = [each for each in members if each.name.startswith("llama_cpp/")]
    # One for each kind of processor, where it was built for several: the best is looked for beside the others.
    variants = [each for each in members if re.fullmatch(r"bin/libggml-cpu-\w+\.so", each.name)]
    kept += [Member(f"llama_cpp/lib/{each.name.removeprefix('bin/')}", each.data) for each in variants]
    about = [each for each in members if _describes(each.name)]
    if any(OPENMP.encode() in each.data for each in kept if ".so" in each.name):
        folder = about[0].name.partition("/")[0]
        kept.append(Member(f"llama_cpp/lib/{OPENMP}", openmp().read_bytes()))
        if OPENMP_LICENSE.is_file():
            about.append(Member(f"{folder}/licenses/libgomp.txt", OPENMP_LICENSE.read_bytes()))
    return [*kept, *about]


def openmp() -> Path:
    """The file of the OpenMP library. Raises `RagError` BUNDLE-001 if there is none."""
    try:
        ctypes.CDLL(OPENMP)
        maps = Path("/proc/self/maps").read_text().splitlines()
        return next(Path(line.split(maxsplit=5)[5]) for line in maps if "libgomp" in line)
    except (OSError, StopIteration):
        raise RagError("BUNDLE-001", reason=OPENMP) from None


def symbols(members: Iterable[Member], name: str) -> tuple[int, ...]:
    """The newest version of a system library's symbols, such as GLIBC_2.34, that shared libraries ask for; () for none.

    Versions stand in a library's text, one for each that it needs.
    """
    pattern = re.compile(rb"\0" + name.encode() + rb"_(\d+(?:\.\d+)+)(?=\0)")
    found = (_version(text.decode()) for each in members if ".so" in each.name for text in pattern.findall(each.data))
    return max(found, default=())


def python_of(packages: Iterable[Distribution]) -> tuple[int, int, int]:
    """The oldest Python, of the minor version of this one, that all the packages say they run on."""
    major, minor, micro = sys.version_info[:3]
    said = (each.metadata.json.get("requires_python") for each in packages)
    asked = SpecifierSet(",".join(str(each) for each in said if each))
    fit = (least for least in range(micro) if f"{major}.{minor}.{least}" in asked)
    return major, minor, next(fit, micro)


def glibc_of(wheel: Path) -> tuple[int, ...]:
    """The version of glibc that the name of a wheel asks for; () for none."""
    named: Iterator[tuple[int, ...]] = (
        _version(f"{a}.{b}") for a, b in re.findall(r"manylinux_(\d+)_(\d+)", wheel.name)
    )
    # A wheel that names several is content with the oldest.
    return min(named, default=(2, 17) if "manylinux2014" in wheel.name else ())


def licence_of(package: Distribution, wheel: Path) -> Licence:
    """What the makers say of a package's licence, and the texts in its wheel."""
    about = package.metadata.json
    named = [str(line).rpartition("::")[2].strip() for line in about.get("classifier", ()) if "License ::" in line]
    said = about.get("license_expression") or ", ".join(named) or str(about.get("license", "")).partition("\n")[0]
    with zipfile.ZipFile(wheel) as archive:
        texts = [name for name in archive.namelist() if LICENSE_FILE.search(name)]
    return Licence(
        f"{package.name} {package.version}", str(said), tuple(f"wheels/{wheel.name}: {text}" for text in texts)
    )


def _describes(name: str) -> bool:
    return name.partition("/")[0].endswith(".dist-info")


def _digest(data: bytes, mode: str = "sha256") -> str:
    """As a record holds it."""
    return base64.urlsafe_b64encode(hashlib.new(mode, data).digest()).rstrip(b"=").decode()


def _quoted(name: str) -> str:
    return f'"{name}"' if "," in name else name


def _tag(described: str) -> str:
    """The tags of a WHEEL file as a file name holds them: each part's values once."""
    tags = [line.partition(":")[2].strip().split("-") for line in described.splitlines() if line.startswith("Tag:")]
    return "-".join(".".join(dict.fromkeys(values)) for values in zip(*tags, strict=True))


def _version(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))
