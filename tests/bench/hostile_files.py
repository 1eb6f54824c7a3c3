"""Hostile files given to a running server: how soon each is refused or read, and what it does to chats beside it.

usage: python tests/bench/hostile_files.py [--models-dir DIR] [--at-once N] [--rounds N] [--only PATTERN] [--light]

First all files one after another, then those that take longest, some at once, with a chat beside them and without, in
turns. Then all that was stored is deleted. Meanwhile the server is asked for its health every 20 ms; how late its event
loop is, it says itself. Prints one JSON object a line. A file whose text is being embedded has been read; after a while
its job is cancelled. --light leaves out the files that take longest.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from rag import probe  # noqa: E402
from tests.bench.beside import chat_speed  # noqa: E402
from tests.bench.load import lag, scrape  # noqa: E402
from tests.conftest import Server, start_server  # noqa: E402
from tests.hostile_files import HEAVY, HOSTILE  # noqa: E402

# Seconds.
LOOK = 0.02
EMBEDDING = 5.0
LONGEST = 300.0
TARGET = 30.0
# The store tidies up when nothing was written for a while, and gives memory back.
TIDY = 90.0


def send(url: str, method: str = "GET", body: bytes | None = None) -> Any:
    headers = {"Content-Type": "multipart/form-data; boundary=hostile-files"} if body else {}
    request = urllib.request.Request(url, body, headers, method=method)
    with urllib.request.urlopen(request, timeout=120) as response:
        return json.load(response) if response.status != 204 else None


def upload(server: Server, name: str, data: bytes) -> str:
    """The id of the job; "" if the server takes no such file."""
    head = f'--hostile-files\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
    body = head.encode() + data + b"\r\n--hostile-files--\r\n"
    try:
        return str(send(server.url + "/documents", "POST", body)["jobs"][0]["id"])
    except urllib.error.HTTPError as error:
        code = json.load(error)["error_code"]
    if code not in HOSTILE[name][1].split(" "):
        raise AssertionError(f"{name}: {code}")
    return ""


def jobs(server: Server) -> dict[str, dict[str, Any]]:
    return {job["id"]: job for job in send(server.url + "/documents/jobs")["jobs"]}


def follow(server: Server, running: dict[str, str]) -> dict[str, dict[str, Any]]:
    """name → its code and the seconds until it was refused or read, of jobs that were just begun (id → name)."""
    found: dict[str, dict[str, Any]] = {}
    begun: dict[str, float] = {}
    read: dict[str, float] = {}
    left = dict(running)
    deadline = time.monotonic() + LONGEST
    while left and time.monotonic() < deadline:
        now = time.monotonic()
        for job_id, job in jobs(server).items():
            if (name := left.get(job_id)) is None or job["state"] == "queued":
                continue
            begun.setdefault(name, now)
            if job["state"] != "parsing":
                read.setdefault(name, now)
            ended = job["state"] in ("stored", "failed", "cancelled")
            if not ended and name in read and now - read[name] > EMBEDDING:
                send(f"{server.url}/documents/jobs/{job_id}", "DELETE")
                ended = True
            if ended:
                code = job["error"]["error_code"] if job["error"] else ""
                found[name] = {"code": code, "seconds": round(read[name] - begun[name], 1)}
                del left[job_id]
        time.sleep(LOOK)
    return found | {name: {"code": "never", "seconds": LONGEST} for name in left.values()}


class Pulse:
    """Asks for the health of the server all the time; keeps how long each answer took, and how much of the processors
    other machines on the same hardware took meanwhile, in milliseconds."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._stop = threading.Event()
        self.took: list[tuple[float, float]] = []
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    def _ask(self) -> None:
        while not self._stop.is_set():
            begun, before = time.perf_counter(), stolen()
            self._server.health()
            self.took.append((1000 * (time.perf_counter() - begun), stolen() - before))
            time.sleep(LOOK)

    def stop(self) -> dict[str, float]:
        self._stop.set()
        self._thread.join()
        ordered = sorted(self.took)
        return {
            "asked": len(ordered),
            "median_ms": round(statistics.median_low(ordered)[0], 1),
            "p99_ms": round(ordered[int(0.99 * (len(ordered) - 1))][0], 1),
            "most_ms": round(ordered[-1][0], 1),
            "stolen_in_it_ms": ordered[-1][1],
        }


def stolen() -> float:
    """Milliseconds of all processors that the hypervisor gave to others since the start (proc(5), Linux)."""
    return 1000 * int(Path("/proc/stat").read_text().split(maxsplit=9)[8]) / os.sysconf("SC_CLK_TCK")


def memory_of(server: Server) -> dict[str, int]:
    """MiB that the server has in memory, without the processes that read files (Linux).

    `own` is without the largest piece: the model's memory of prompts, whose pages come as they are first used, whoever
    asks. `files`: pages of programs and models, which the system takes back when it needs the room. `most`: all that it
    had at once, ever.
    """
    maps = Path(f"/proc/{server.process.pid}/smaps").read_text()
    of_files, resident = [], []
    for head, kilobytes in re.findall(r"^[0-9a-f]+-[0-9a-f]+ (.*)\n(?:[A-Z].*\n)*?Rss: +(\d+) kB", maps, re.MULTILINE):
        (of_files if "/" in head else resident).append(int(kilobytes))
    most = int(re.findall(r"VmHWM:\s+(\d+)", Path(f"/proc/{server.process.pid}/status").read_text())[0])
    return {"own": (sum(resident) - max(resident)) >> 10, "files": sum(of_files) >> 10, "most": most >> 10}


def one_by_one(server: Server, names: list[str]) -> list[str]:
    """Print what became of each; those that went wrong."""
    wrong = []
    for name in names:
        make, expected = HOSTILE[name]
        job = upload(server, name, make())
        if not job:
            continue
        found = follow(server, {job: name})[name]
        if found["code"] not in expected.split(" ") or found["seconds"] > TARGET:
            wrong.append(name)
        if found["seconds"] > 1 or name in wrong:
            print(json.dumps({"file": name, "mib": memory_of(server)} | found, ensure_ascii=False), flush=True)
    return wrong


def delete_all(server: Server) -> None:
    for page in iter(lambda: send(server.url + "/documents?page_size=100")["documents"], []):
        for document in page:
            send(f"{server.url}/documents/{document['id']}", "DELETE")


def beside(server: Server, names: list[str]) -> tuple[float, float]:
    """Tokens per second of a chat alone, and beside so many files at once."""
    contents = [HOSTILE[name][0]() for name in names]
    alone = chat_speed(server)
    running = {upload(server, name, data): name for name, data in zip(names, contents, strict=True)}
    with_files = chat_speed(server)
    follow(server, running)
    return alone, with_files


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models-dir", type=Path, default=ROOT / "models")
    parser.add_argument("--at-once", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="files whose names have this regular expression in them")
    parser.add_argument("--light", action="store_true")
    arguments = parser.parse_args()
    machine = probe.Machine.look()
    print(json.dumps({"machine": machine.cpu, "cores": machine.cores}), flush=True)
    names = [name for name in HOSTILE if re.search(arguments.only, name) and not (arguments.light and name in HEAVY)]
    with tempfile.TemporaryDirectory() as folder:
        # Without drafts: they would answer a question that was asked before faster, whatever runs beside.
        server = start_server(Path(folder), arguments.models_dir, ["--draft", "off"]).wait()
        try:
            server.settle()
            chat_speed(server)
            before = memory_of(server)
            begun, pulse = scrape(server), Pulse(server)
            wrong = one_by_one(server, names)
            result: dict[str, Any] = {"files": len(names), "wrong": wrong, "health": pulse.stop()}
            result["lag"] = lag(begun, scrape(server))
            print(json.dumps(result | {"mib": [before, memory_of(server)]}), flush=True)
            slowest = [name for name in HOSTILE if name in HEAVY]
            speeds, begun, pulse = [], scrape(server), Pulse(server)
            for number in range(arguments.rounds):
                some = [slowest[(number * arguments.at_once + n) % len(slowest)] for n in range(arguments.at_once)]
                speeds.append(beside(server, some))
                alone, with_files = speeds[-1]
                print(json.dumps({"alone_tokens_per_s": round(alone, 1), "beside": round(with_files, 1)}), flush=True)
            server.settle()
            left = [str(path) for path in Path(folder, "incoming").iterdir()]
            ratio = statistics.median(with_files / alone for alone, with_files in speeds) if speeds else None
            result = {"chat_beside_ratio_median": ratio and round(ratio, 3), "health": pulse.stop(), "left": left}
            result["lag"] = lag(begun, scrape(server))
            print(json.dumps(result | {"mib": [before, memory_of(server)]}), flush=True)
            delete_all(server)
            time.sleep(TIDY)
            print(json.dumps({"all_deleted": True, "mib": [before, memory_of(server)]}), flush=True)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
