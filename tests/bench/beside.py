"""Chats beside an ingestion: what each does alone, and both at once, in one run.

usage: python tests/bench/beside.py [--models-dir DIR] [--rounds N]

Prints one JSON object a line. The text that is indexed is made of the words of the guides, by a seed.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from rag import probe  # noqa: E402
from tests.conftest import Server, start_server  # noqa: E402
from tests.socket_client import ask  # noqa: E402

QUESTIONS = ["How do I add documents?", "Which models does it use?", "How do I change a setting?", "What is it?"]
WORDS = 60_000


def chat_speed(server: Server) -> float:
    """Tokens per second between the first and the last of a free answer, median over the questions."""
    speeds = []
    for question in QUESTIONS:
        end = ask(server.ws_url, question, query="&answers=free")[-1]
        seconds = (end["processing_time_ms"] - end["time_to_first_token_ms"]) / 1000
        if end["usage"]["completion_tokens"] > 5 and seconds > 0:
            speeds.append((end["usage"]["completion_tokens"] - 1) / seconds)
    return statistics.median(speeds)


def upload(server: Server, name: str, text: str) -> str:
    """The id of the job."""
    body = (
        f'--x\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'.encode()
        + text.encode()
        + b"\r\n--x--\r\n"
    )
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    request = urllib.request.Request(server.url + "/documents", body, headers)
    with urllib.request.urlopen(request, timeout=60) as response:
        return str(json.load(response)["jobs"][0]["id"])


def follow(server: Server, job: str, marks: list[tuple[float, int]], stop: threading.Event) -> None:
    """Keep when how many passages were embedded, until the job is done or `stop` is set."""
    with urllib.request.urlopen(f"{server.url}/documents/jobs/{job}/events", timeout=600) as events:
        for line in events:
            if line.startswith(b"data: "):
                state = json.loads(line[6:])
                if state["state"] == "embedding":
                    marks.append((time.perf_counter(), state["done"]))
            if stop.is_set():
                return


def rate(marks: list[tuple[float, int]], begin: float, end: float) -> float:
    """Passages per second in that time."""
    inside = [mark for mark in marks if begin <= mark[0] <= end]
    return (inside[-1][1] - inside[0][1]) / (inside[-1][0] - inside[0][0]) if len(inside) > 1 else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models-dir", type=Path, default=ROOT / "models")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    machine = probe.Machine.look()
    print(json.dumps({"machine": machine.cpu, "cores": machine.cores}), flush=True)
    words = "".join(path.read_text() for path in sorted((ROOT / "web/guides/en").glob("*.md"))).split()
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        # Without drafts: they would answer a question that was asked before faster, whatever runs beside.
        server = start_server(Path(folder), arguments.models_dir, ["--draft", "off"]).wait()
        try:
            chat_speed(server)
            for number in range(arguments.rounds):
                alone = chat_speed(server)
                text = " ".join(random.Random(number).choices(words, k=WORDS))
                marks: list[tuple[float, int]] = []
                stop = threading.Event()
                job = upload(server, f"text{number}.txt", text)
                reader = threading.Thread(target=follow, args=(server, job, marks, stop), daemon=True)
                reader.start()
                while not marks or marks[-1][1] < 40:
                    time.sleep(0.05)
                begun = time.perf_counter()
                beside = chat_speed(server)
                ended = time.perf_counter()
                time.sleep(5)
                found = {
                    "chat_alone_tokens_per_s": round(alone, 1),
                    "chat_beside_tokens_per_s": round(beside, 1),
                    "indexing_alone_passages_per_s": round(rate(marks, ended + 0.5, time.perf_counter()), 1),
                    "indexing_beside_passages_per_s": round(rate(marks, begun, ended), 1),
                }
                print(json.dumps(found), flush=True)
                ratios.append(beside / alone)
                reader.join()
        finally:
            server.stop()
    print(json.dumps({"chat_beside_ingestion_ratio_median": round(statistics.median(ratios), 3)}))


if __name__ == "__main__":
    main()
