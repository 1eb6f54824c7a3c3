"""The engine's speed: our server over its socket against llama-server and llama-bench of the same llama.cpp.

usage: python -m tests.bench.engine [WORKLOAD …] --peers DIR [--data FILE.json] [--rounds N] …
       python -m tests.bench.engine build --peers DIR

Prints one JSON object a line: the machine, every run, and the figures with their targets. Each server is alone on
the machine while it is measured; run nothing else beside it. `build` makes the peers out of the source package of
llama-cpp-python; it needs CMake, a C++ compiler and some minutes.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from rag import llama, probe  # noqa: E402
from tests.bench.engine import against, alone, peers, report  # noqa: E402
from tests.bench.engine.bench import Bench  # noqa: E402

WORKLOADS: dict[str, Callable[[Bench], None]] = {
    "random": against.random,
    "product": against.product_chats,
    "followup": alone.followup,
    "draft": alone.draft,
    "ttft": alone.ttft,
    "single": alone.one_stream,
    "cost": alone.one_stream,
    "lag": alone.lag,
    "idle": alone.idle,
    "cancel": alone.cancel,
}
STARTER = "SmolLM2-135M-Instruct.Q4_1.gguf"


def _pairs(given: Sequence[str]) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ["build", *WORKLOADS]
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=f"{', '.join(names)}; none: all but build")
    parser.add_argument("--peers", type=Path, required=True, help="holds bin/llama-server and bin/llama-bench")
    parser.add_argument("--models-dir", type=Path, default=ROOT / "models")
    parser.add_argument("--model", type=Path, help=f"the chat model; otherwise {STARTER} of the models directory")
    parser.add_argument("--data", type=Path, help="SQuAD-format passages for product and draft; otherwise the guides")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=128, help="tokens of an answer")
    parser.add_argument("--levels", type=int, nargs="+", default=[1, 8, 16], help="chats at once, for random and lag")
    parser.add_argument("--requests", type=int, default=2, help="questions of each chat, for random")
    parser.add_argument("--product-chats", type=int, default=8)
    parser.add_argument("--limit", type=float, default=600.0, help="seconds that one run may take")
    for flag, text in (
        ("--set", "a setting of our server, for all workloads"),
        ("--draft-on", "a setting that switches drafting on (default: draft=auto)"),
        ("--draft-off", "a setting that switches drafting off (default: draft=off)"),
    ):
        parser.add_argument(flag, action="append", metavar="NAME=VALUE", help=text)
    parser.add_argument("--bare-flags", default="", help="llama-bench's flags; otherwise threads and flash attention")
    parser.add_argument("--calibration", type=Path, help="keep llama-server's best flags here, and use them again")
    return parser


def main() -> int:
    parser = _parser()
    arguments = parser.parse_args()
    unknown = set(arguments.workloads) - {"build", *WORKLOADS}
    if unknown:
        parser.error(f"no such workload: {', '.join(sorted(unknown))}")
    # Ended from outside, it still stops the servers that it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if "build" in arguments.workloads:
        peers.build(arguments.peers.absolute())
        return 0
    machine = probe.Machine.look()
    report.say(
        machine=machine.cpu,
        cores=machine.cores,
        memory_gib=round(machine.memory / 2**30, 1),
        llama_cpp_python=llama.library_version(),
        system_info=llama.system_info(),
    )
    calibrated = {}
    if arguments.calibration and arguments.calibration.exists():
        kept = json.loads(arguments.calibration.read_text())
        calibrated = {key: peers.Flags(**fields) for key, fields in kept.items()}
    model = (arguments.model or arguments.models_dir / STARTER).absolute()
    given = list(dict.fromkeys(WORKLOADS[name] for name in arguments.workloads or WORKLOADS))
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(
            peers=arguments.peers.absolute(),
            models_dir=arguments.models_dir.absolute(),
            model=model,
            work=Path(folder),
            cores=machine.cores,
            rounds=arguments.rounds,
            tokens=arguments.tokens,
            limit=arguments.limit,
            levels=tuple(arguments.levels),
            requests=arguments.requests,
            product_chats=arguments.product_chats,
            data=arguments.data and arguments.data.absolute(),
            settings={"model": str(model), **_pairs(arguments.set or [])},
            draft_on=_pairs(arguments.draft_on or ["draft=auto"]),
            draft_off=_pairs(arguments.draft_off or ["draft=off"]),
            bare_flags=tuple(arguments.bare_flags.split()),
            calibrated=calibrated,
        )
        for measure in given:
            try:
                measure(bench)
            except Exception as error:
                # The others can still be measured; the exit code tells.
                report.say(failed=measure.__name__, error=f"{type(error).__name__}: {error}"[-400:])
                failed += 1
            if arguments.calibration:
                kept = {key: asdict(flags) for key, flags in bench.calibrated.items()}
                arguments.calibration.write_text(json.dumps(kept, indent=1))
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
