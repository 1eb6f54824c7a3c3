"""Start-up, first answer and speed over `/chat-ws`, and what the bare model does beside it in the same run.

usage: python tests/bench/first_run.py [--models-dir DIR] [--rounds N]

Prints one JSON object a line. "First start" begins with models in place and an empty data directory: trial of the
models, indexing of the guides. "Second start" is the same directory again; both end when /health says ok.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.conftest import Server, start_server  # noqa: E402
from tests.socket_client import ask  # noqa: E402

# Each is asked once: a prompt that was asked before is remembered.
QUESTIONS = [
    "What is RAG Standard?",
    "How do I change the model?",
    "Where are the documents kept?",
    "Which formats can documents have?",
    "How long does a conversation live?",
    "What does SETUP-002 mean?",
    "How do I change the port?",
    "How do I reach it from other computers?",
    "Does it send anything to the internet?",
]


def start(data_dir: Path, models_dir: Path) -> tuple[Server, float]:
    begun = time.perf_counter()
    server = start_server(data_dir, models_dir).wait()
    return server, time.perf_counter() - begun


def resident_mib(server: Server) -> float:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def cpu_seconds(server: Server) -> float:
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def bare_model(models_dir: Path, threads: int) -> dict[str, float]:
    """The trial's figures: prefill of a short prompt, decode behind it, in a process of its own."""
    from rag import probe

    with tempfile.TemporaryDirectory() as folder:
        path = models_dir / "SmolLM2-135M-Instruct.Q4_1.gguf"
        verdict = probe.judge(path, Path(folder) / "verdicts.json", threads)
    return {"prefill_tokens_per_s": verdict.tuning.prefill, "decode_tokens_per_s": verdict.tuning.decode}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models-dir", type=Path, default=ROOT / "models")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    from rag import probe

    machine = probe.Machine.look()
    print(json.dumps({"machine": machine.cpu, "cores": machine.cores, "memory_gib": round(machine.memory / 2**30, 1)}))
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder)
        server, seconds = start(data_dir, arguments.models_dir)
        begun = time.perf_counter()
        ask(server.ws_url, QUESTIONS[0])
        first = {"first_start_s": round(seconds, 2), "first_answer_s": round(time.perf_counter() - begun, 2)}
        print(json.dumps(first), flush=True)
        server.settle()
        server.stop()
        seconds_again = []
        for _ in range(arguments.rounds):
            server, seconds = start(data_dir, arguments.models_dir)
            seconds_again.append(seconds)
            if len(seconds_again) < arguments.rounds:
                server.stop()
        print(json.dumps({"second_start_s_median": round(statistics.median(seconds_again), 2)}), flush=True)
        time.sleep(2)
        idle = cpu_seconds(server)
        time.sleep(10)
        print(
            json.dumps(
                {
                    "idle_cpu_percent": round((cpu_seconds(server) - idle) * 10, 2),
                    "idle_memory_mib": round(resident_mib(server)),
                }
            ),
            flush=True,
        )
        ttft, speed, prompts = [], [], []
        for question in QUESTIONS:
            # A session of its own each time: the prompt is new but for the system text.
            end = ask(server.ws_url, question, None, "&answers=free")[-1]
            ttft.append(end["time_to_first_token_ms"])
            prompts.append(end["usage"]["prompt_tokens"] - end["usage"]["cached_tokens"])
            decode_s = (end["processing_time_ms"] - end["time_to_first_token_ms"]) / 1000
            if decode_s > 0 and end["usage"]["completion_tokens"] > 5:
                speed.append((end["usage"]["completion_tokens"] - 1) / decode_s)
        print(
            json.dumps(
                {
                    "time_to_first_token_ms_median": round(statistics.median(ttft)),
                    "new_prompt_tokens_median": round(statistics.median(prompts)),
                    "tokens_per_s_median": round(statistics.median(speed), 1),
                    "answers": len(ttft),
                }
            ),
            flush=True,
        )
        server.stop()
    print(json.dumps({"bare_model": bare_model(arguments.models_dir, machine.cores)}))


if __name__ == "__main__":
    main()
