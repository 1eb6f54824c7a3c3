"""llama-server and llama-bench out of the same llama.cpp that llama-cpp-python carries: build, start, stop, ask.

Only the source package is fetched, by pip; see `build`.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PACKAGE = "llama-cpp-python"
VERSION = "0.3.36"
PROGRAMS = ("llama-server", "llama-bench", "llama-batched-bench")
# Those that change the code of the computation are the ones of requirements.txt.
CMAKE = (
    "-DCMAKE_BUILD_TYPE=Release",
    "-DCMAKE_CXX_FLAGS=-fno-dse",
    "-DLLAMA_USE_PREBUILT_UI=OFF",
    "-DLLAMA_BUILD_UI=OFF",
    "-DLLAMA_OPENSSL=OFF",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
    "-DLLAMA_BUILD_APP=OFF",
)
START_TIMEOUT = 120.0


def build(directory: Path) -> None:
    """Fetch the source package and build the programs into `directory/bin`. Takes some minutes."""
    source = directory / "source"
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir(parents=True)
    fetch = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", PACKAGE, "-d", str(source)]
    subprocess.run([*fetch, f"{PACKAGE}=={VERSION}"], check=True)
    with tarfile.open(next(source.glob("*.tar.gz"))) as package:
        # Python 3.11.2 does not know filters yet.
        package.extractall(source, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    llama = next(source.glob("*/vendor/llama.cpp"))
    # A pointer of a submodule to a repository that is not there: with it, ninja configures again and again.
    (llama / ".git").unlink(missing_ok=True)
    subprocess.run(["cmake", "-S", str(llama), "-B", str(directory), *CMAKE], check=True)
    jobs = str(len(os.sched_getaffinity(0)))
    subprocess.run(["cmake", "--build", str(directory), "-j", jobs, "--target", *PROGRAMS], check=True)


@dataclass(frozen=True, slots=True)
class Flags:
    """A named way to start llama-server. `spin`: OpenMP's GOMP_SPINCOUNT, empty for the library's default."""

    name: str
    flags: dict[str, str] = field(default_factory=dict)
    spin: str = ""

    def __or__(self, changes: dict[str, str]) -> Flags:
        """The same with other flags; a switch has the value "", and one that is "-" is left out."""
        merged = {flag: value for flag, value in (self.flags | changes).items() if value != "-"}
        return Flags(self.name, merged, self.spin)

    def words(self) -> list[str]:
        return [word for pair in self.flags.items() for word in pair if word]

    def __str__(self) -> str:
        return " ".join(([f"GOMP_SPINCOUNT={self.spin}"] if self.spin else []) + self.words())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(spin: str) -> dict[str, str]:
    """This process's environment without what would configure llama.cpp, and with OpenMP's spinning as told."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LLAMA_", "GOMP_", "OMP_"))}
    return kept | ({"GOMP_SPINCOUNT": spin} if spin else {})


def end(process: subprocess.Popen[str] | subprocess.Popen[bytes], seconds: float = 10) -> None:
    """Ask a process to end, then make it."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


@contextlib.contextmanager
def llama_server(peers: Path, model: Path, how: Flags, log: Path) -> Iterator[str]:
    """A running llama-server; its URL. Raises `RuntimeError` with the end of its log if it does not start, or dies."""
    port = _free_port()
    command = [str(peers / "bin/llama-server"), "-m", str(model), "--host", "127.0.0.1", "--port", str(port)]
    with log.open("wb") as lines:
        process = subprocess.Popen(
            [*command, *how.words()], stdout=lines, stderr=subprocess.STDOUT, env=environment(how.spin)
        )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + START_TIMEOUT
        while not _healthy(url):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"llama-server {how} did not start:\n{_tail(log)}")
            time.sleep(0.05)
        try:
            yield url
        except Exception as error:
            if process.poll() is None:
                raise
            raise RuntimeError(f"llama-server {how} died:\n{_tail(log)}") from error
    finally:
        end(process)


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]


def _healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(url + "/health", timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def llama_bench(
    peers: Path,
    model: Path,
    *,
    prompt: int = 0,
    generate: int = 0,
    depth: int = 0,
    flags: Sequence[str] = (),
    spin: str = "",
    repetitions: int = 3,
) -> float:
    """Seconds for `prompt` tokens of prefill or `generate` tokens of decode behind `depth` tokens, the median."""
    command = [str(peers / "bin/llama-bench"), "-m", str(model), "-o", "json", "-r", str(repetitions)]
    command += ["-p", str(prompt), "-n", str(generate), "-d", str(depth), *flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True, env=environment(spin))
    (row,) = json.loads(done.stdout)
    return float(statistics.median(row["samples_ns"])) / 1e9
