"""Start and stop the benchmark's server, and ask the kernel what it costs."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .load import Prompt
from .peers import end, environment

ROOT = Path(__file__).resolve().parents[3]
START_TIMEOUT = 300.0


@dataclass(frozen=True, slots=True)
class Ours:
    process: subprocess.Popen[str]
    about: dict[str, Any]

    @property
    def url(self) -> str:
        return str(self.about["url"])

    def cpu_seconds(self) -> float:
        """CPU time of the whole process so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / 100

    def thread_seconds(self, name: str) -> float:
        """CPU time of a thread, by its name in Python."""
        native = self.about["native_threads"][name]
        fields = Path(f"/proc/{self.process.pid}/task/{native}/schedstat").read_text().split()
        return int(fields[0]) / 1e9

    def bench(self, path: str, method: str = "GET") -> Any:
        request = urllib.request.Request(f"{self.url}/bench/{path}", method=method)
        with urllib.request.urlopen(request, timeout=120) as response:
            return json.load(response)

    def prompts_of(self, chats: list[list[str]]) -> list[list[Prompt]]:
        """The tokens that the questions became, in the same order. Raises `LookupError` if one never did."""
        asked = self.bench("prompts")

        def find(text: str) -> Prompt:
            for place, (content, tokens) in enumerate(asked):
                if text in content:
                    del asked[place]
                    return list(tokens)
            raise LookupError(f"the model was never asked {text[:80]!r}")

        return [[find(text) for text in chat] for chat in chats]


@contextlib.contextmanager
def start(
    models_dir: Path,
    data_dir: Path,
    log: Path,
    *,
    max_tokens: int,
    never_end: bool = True,
    passages: Path | None = None,
    settings: Mapping[str, str] | None = None,
) -> Iterator[Ours]:
    """A running server. Raises `RuntimeError` with the end of its log if it does not start."""
    command = [sys.executable, "-u", "-m", "tests.bench.engine.app", "--models-dir", str(models_dir)]
    command += ["--data-dir", str(data_dir), "--max-tokens", str(max_tokens)]
    command += ["--never-end"] * never_end + (["--passages", str(passages)] if passages else [])
    for name, value in (settings or {}).items():
        command += ["--set", f"{name}={value}"]
    with log.open("wb") as lines:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=lines, text=True, env=environment("")
        )
    try:
        # A start that hangs ends here: the line below is then empty.
        watch = threading.Timer(START_TIMEOUT, process.kill)
        watch.start()
        assert process.stdout is not None
        line = process.stdout.readline()
        watch.cancel()
        if not line.startswith("{"):
            raise RuntimeError(f"the server did not start:\n{log.read_text(errors='replace')[-3000:]}")
        yield Ours(process, json.loads(line))
    finally:
        end(process)
        if process.stdout:
            process.stdout.close()
