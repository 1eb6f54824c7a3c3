"""Documents that Debian packages hold."""

from __future__ import annotations

import gzip
import platform
import shutil
import subprocess
from pathlib import Path

from .expected import Real

TIMEOUT = 300


def fetch(cache: Path, packages: set[str]) -> Path:
    """The folder with the contents of the packages, one folder each. Raises `OSError` if they cannot be had."""
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise FileNotFoundError("this is no Debian")
    if platform.freedesktop_os_release().get("VERSION_CODENAME") != "bookworm":
        raise OSError("what is expected is what the packages of Debian 12 hold")
    cache.mkdir(parents=True, exist_ok=True)
    missing = sorted(package for package in packages if not (cache / package).exists())
    if missing:
        work = cache / ".download"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        done = subprocess.run(
            ["apt-get", "download", "-qq", *missing], cwd=work, capture_output=True, text=True, timeout=TIMEOUT
        )
        if done.returncode:
            raise OSError(done.stderr.strip()[-300:])
        for archive in work.glob("*.deb"):
            subprocess.run(["dpkg", "-x", archive, work / "unpacked"], check=True, timeout=TIMEOUT)
            (work / "unpacked").rename(cache / archive.name.partition("_")[0])
        shutil.rmtree(work)
    return cache


def content(folder: Path, real: Real) -> bytes:
    data = (folder / real.package / real.path).read_bytes()
    return gzip.decompress(data) if real.path.endswith(".gz") else data
