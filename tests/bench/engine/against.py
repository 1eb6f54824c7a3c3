"""Our server against llama-server on the same tokens, one after the other, alternating within each round."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from . import calibrate
from .bench import Bench
from .load import Prompt, Wanted, summary
from .peers import Flags
from .report import figure, say
from .workloads import WARM_UP, Workload, product, random_chats

Summary = dict[str, float]
Prompts = Sequence[Sequence[Prompt]]
MakeFlags = Callable[[Prompts, Prompt], Flags]


def _round(
    bench: Bench,
    workload: Workload,
    *,
    fresh: bool,
    never_end: bool,
    settings: dict[str, str],
    rivals: Sequence[MakeFlags],
    label: dict[str, Any],
) -> list[Summary]:
    """Ours, then each rival on the prompts that ours has rendered. Each is alone on the machine."""
    with bench.ours(workload, chats=len(workload.chats), never_end=never_end, settings=settings) as server:
        timings = bench.ask(server, workload.chats, fresh)
        [[warm_up], *prompts] = server.prompts_of([[WARM_UP], *workload.chats])
        about = {name: value for name, value in server.about.items() if name not in ("url", "native_threads", "model")}
    found = [summary(timings)]
    say(**label, server="ours", settings=settings, about=about, **found[0])
    short = sum(timing.reason != "length" for chat in timings for timing in chat)
    if never_end and short:
        say(**label, warning=f"{short} answers of ours ended before {bench.tokens} tokens")
    for make in rivals:
        how = make(prompts, warm_up)
        timings = bench.ask_peer(how, prompts, Wanted(bench.tokens, ignore_eos=never_end), warm_up)
        found.append(summary(timings))
        say(**label, server=f"llama-server, {how.name}", flags=str(how), **found[-1])
    return found


def random(bench: Bench) -> None:
    """Prompts that share nothing but the system text: batching alone. Drafting is off on both sides."""
    for level in bench.levels:

        def best(prompts: Prompts, warm_up: Prompt, key: str = f"random/{level}") -> Flags:
            return calibrate.best(bench, key, prompts, Wanted(bench.tokens), warm_up)

        def defaults(prompts: Prompts, warm_up: Prompt) -> Flags:
            return calibrate.defaults(prompts, bench.tokens)

        ratios: dict[str, list[float]] = defaultdict(list)
        # One chat alone is over soon: it asks more often.
        requests = bench.requests * (2 if level == 1 else 1)
        for number in range(bench.rounds):
            ours, tuned, plain = _round(
                bench,
                random_chats(f"random {level} {number}", level, requests),
                fresh=True,
                never_end=True,
                settings=bench.draft_off,
                rivals=[best, defaults],
                label={"workload": "random", "chats": level, "round": number},
            )
            ratios["random_ratio_best"].append(ours["tokens_per_s"] / tuned["tokens_per_s"])
            ratios["random_ratio_defaults"].append(ours["tokens_per_s"] / plain["tokens_per_s"])
            ratios["random_ttft_p95_ratio"].append(ours["ttft_ms_p95"] / tuned["ttft_ms_p95"])
        for name, values in ratios.items():
            figure("random", name, values, chats=level)


def product_chats(bench: Bench) -> None:
    """Questions over documents with a follow-up each; the peer has its prompt cache and drafts by n-grams.

    Answers end where the model ends them, at most at the limit of tokens, as with real users.
    """
    wanted = Wanted(bench.tokens, ignore_eos=False)

    def best(prompts: Prompts, warm_up: Prompt) -> Flags:
        return calibrate.best(bench, f"product/{bench.product_chats}", prompts, wanted, warm_up, drafting=True)

    ratios: dict[str, list[float]] = defaultdict(list)
    for number in range(bench.rounds):
        ours, tuned = _round(
            bench,
            product(f"product {number}", bench.product_chats, bench.data),
            fresh=False,
            never_end=False,
            settings={},
            rivals=[best],
            label={"workload": "product", "chats": bench.product_chats, "round": number},
        )
        ratios["product_ratio"].append(ours["tokens_per_s"] / tuned["tokens_per_s"])
        ratios["product_wall_ratio"].append(tuned["wall_s"] / ours["wall_s"])
        ratios["product_ttft_p95_ratio"].append(ours["ttft_ms_p95"] / tuned["ttft_ms_p95"])
    for name, values in ratios.items():
        figure("product", name, values)
