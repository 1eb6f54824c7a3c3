"""What our server does by itself, beside the bare library where there is something to compare."""

from __future__ import annotations

import asyncio
import statistics
import time
import uuid
from collections import defaultdict
from collections.abc import Sequence

import aiohttp

from . import load
from .bench import Bench
from .load import NO_LIMIT, Timing
from .ours import Ours
from .report import figure, say
from .workloads import Workload, conversation, product, random_chats

SAMPLES = 5
# An answer quotes where so much of it stands in its passages, in runs of so many words.
QUOTING, RUN = 0.5, 5


def _flat(timings: load.Timings) -> list[Timing]:
    return [timing for chat in timings for timing in chat]


def ttft(bench: Bench) -> None:
    """A prompt of about 1,000 new tokens against the bare prefill of as many behind as many cached ones."""
    excess, ratios, first = [], [], []
    for number in range(bench.rounds):
        with bench.ours(tokens=4, settings=bench.draft_off) as server:
            texts = random_chats(f"ttft {number}", 1, SAMPLES, 1000).chats
            timings = _flat(bench.ask(server, texts, fresh=True))
        new = round(statistics.median(timing.prompt - timing.cached for timing in timings))
        cached = round(statistics.median(timing.cached for timing in timings))
        ours = statistics.median(timing.ttft for timing in timings)
        bare = bench.bare(server, prompt=new, depth=cached)
        say(workload="ttft", round=number, new_tokens=new, cached_tokens=cached, ttft_s=ours, prefill_s=bare)
        excess.append(1000 * (ours - 1.05 * bare))
        ratios.append(ours / bare)
        first.append(1000 * ours)
    figure("ttft", "ttft_excess_ms", excess, meaning="time to first token - 1.05 x prefill")
    figure("ttft", "ttft_ratio", ratios)
    figure("ttft", "ttft_ms", first)


def one_stream(bench: Bench) -> None:
    """One stream against the bare library at the same depth: the speed, and what a token costs besides."""
    ratios, costs, loop_cpu = [], [], []
    for number in range(bench.rounds):
        with bench.ours(settings=bench.draft_off) as server:
            marks: list[float] = []

            def mark(server: Ours = server, marks: list[float] = marks) -> None:
                marks.append(server.thread_seconds("MainThread"))

            texts = random_chats(f"single {number}", 1, SAMPLES).chats
            timings = _flat(load.run(load.ask_ours(server.url, texts, fresh=True, mark=mark), bench.limit))
        depth = round(statistics.median(timing.prompt for timing in timings))
        bare = bench.bare(server, generate=bench.tokens, depth=depth) / bench.tokens
        speed = statistics.median(timing.speed for timing in timings)
        cpu = sum(marks[1::2]) - sum(marks[0::2])
        loop = 1000 * cpu / sum(timing.tokens - 1 for timing in timings)
        say(
            workload="single",
            round=number,
            depth=depth,
            tokens_per_s=round(speed, 2),
            bare_tokens_per_s=round(1 / bare, 2),
            loop_cpu_ms_per_token=round(loop, 4),
        )
        ratios.append(speed * bare)
        costs.append(1000 * (1 / speed - bare))
        loop_cpu.append(loop)
    figure("single", "single_ratio", ratios)
    figure("cost", "cost_ms", costs, meaning="wall time of a token - llama-bench's")
    figure("cost", "loop_cpu_ms", loop_cpu, meaning="CPU time of the event loop's thread for a token")


def followup(bench: Bench, goal: int = 1500) -> None:
    """The time to the first token of a late turn against that of a first question of the same length."""
    ratios = []
    for number in range(bench.rounds):
        with bench.ours(settings=bench.draft_off) as server:
            turns = load.run(_until(server, conversation(f"followup {number}"), goal), bench.limit)
            late = turns[-1]
            # Two cold ones: the first tells how far the length is off, the second is measured.
            length = late.prompt
            for attempt in range(2):
                text = random_chats(f"cold {number} {attempt}", 1, 1, length).chats
                (cold,) = _flat(bench.ask(server, text, fresh=True))
                length = round(length * late.prompt / cold.prompt)
        say(
            workload="followup",
            round=number,
            turns=len(turns),
            late={"ttft_s": late.ttft, "prompt": late.prompt, "cached": late.cached},
            cold={"ttft_s": cold.ttft, "prompt": cold.prompt, "cached": cold.cached},
        )
        ratios.append(late.ttft / cold.ttft)
    figure("followup", "followup_ratio", ratios)


async def _until(server: Ours, questions: list[str], goal: int) -> list[Timing]:
    """Ask one question after the other in one session until the prompt has `goal` tokens."""
    session_id = uuid.uuid4().hex
    timings: list[Timing] = []
    async with (
        aiohttp.ClientSession(server.url, timeout=NO_LIMIT) as client,
        client.ws_connect(f"/chat-ws?session_id={session_id}") as socket,
    ):
        for question in questions:
            timings.append(await load.ask(socket, session_id, question))
            if timings[-1].prompt >= goal:
                break
    return timings


def draft(bench: Bench) -> None:
    """One stream with drafting and without, in turns: of answers that quote their passages, and of all."""
    if bench.data is None:
        raise SystemExit("draft needs --data")
    ratios = defaultdict(list)
    for number in range(bench.rounds):
        workload = product(f"draft {number}", 4 * SAMPLES, bench.data, quoting=True)
        chats = [[text for chat in workload.chats for text in chat[:1]]]
        sources = [" ".join(text for _, text in (workload.passages or {})[question]) for question in chats[0]]
        speeds = []
        for settings in (bench.draft_on, bench.draft_off):
            with bench.ours(Workload(chats, workload.passages), never_end=False, settings=settings) as server:
                timings = _flat(bench.ask(server, chats, fresh=True))
            whole = [timing for timing in timings if timing.tokens > 1]
            quoting = [
                timing
                for timing, source in zip(timings, sources, strict=True)
                if timing.tokens > 1 and quoted(timing.text, source) >= QUOTING
            ]
            speeds.append([_written(each) for each in (quoting, whole)])
            say(
                workload="draft",
                round=number,
                settings=settings,
                unknown_settings=server.about["unknown_settings"],
                answers=len(whole),
                quoting=len(quoting),
                tokens_per_s=[round(speed, 2) for speed in speeds[-1]],
            )
        for name, on, off in zip(("draft_ratio", "draft_ratio_all"), *speeds, strict=True):
            ratios[name].append(on / off)
    for name, values in ratios.items():
        figure("draft", name, values)


def quoted(answer: str, source: str) -> float:
    """Share of the answer's words that stand in a run of `RUN` words of the source."""
    words, known = answer.split(), f" {' '.join(source.split())} "
    starts = [place for place in range(len(words) - RUN + 1) if " ".join(words[place : place + RUN]) in known]
    return len({place + step for place in starts for step in range(RUN)}) / max(1, len(words))


def _written(timings: Sequence[Timing]) -> float:
    """Tokens per second while the answers were written."""
    return sum(timing.tokens - 1 for timing in timings) / sum(timing.last - timing.first for timing in timings)


def lag(bench: Bench) -> None:
    """How late the event loop wakes while the most chats stream."""
    chats = max(bench.levels)
    found = []
    for number in range(bench.rounds):
        with bench.ours(settings=bench.draft_off) as server:
            server.bench("lag", "POST")
            bench.ask(server, random_chats(f"lag {number}", chats).chats)
            found.append(server.bench("lag"))
        say(workload="lag", round=number, chats=chats, lag_ms=found[-1])
    figure("lag", "lag_p99_ms", [each["p99"] for each in found], chats=chats)


def idle(bench: Bench) -> None:
    """CPU time over ten seconds of nothing, with the models loaded and one answer given."""
    with bench.ours(tokens=8) as server:
        time.sleep(2)
        begun = server.cpu_seconds()
        time.sleep(10)
        figure("idle", "idle_cpu_percent", (server.cpu_seconds() - begun) * 10)


def cancel(bench: Bench, chats: int = 4, samples: int = 20) -> None:
    """From sending `cancel` to `stream_end`, while other chats stream."""
    with bench.ours(tokens=2000, settings=bench.draft_off) as server:
        times = load.run(_cancels(server, chats, samples), bench.limit)
    figure("cancel", "cancel_ms", 1000 * statistics.median(times), chats=chats, ms_p95=round(1000 * load.p95(times), 1))


async def _cancels(server: Ours, chats: int, samples: int) -> list[float]:
    async def stream(number: int) -> None:
        """One answer after the other, each in a session of its own."""
        for turn in range(samples):
            await load.ask_ours(server.url, random_chats(f"beside {number} {turn}", 1, 1, 200).chats)

    others = [asyncio.create_task(stream(number)) for number in range(chats)]
    times = []
    try:
        await asyncio.sleep(1)
        async with aiohttp.ClientSession(server.url, timeout=NO_LIMIT) as client:
            for sample in range(samples):
                text = random_chats(f"cancel {sample}", 1, 1, 150).chats[0][0]
                seconds = await load.ask_and_cancel(client, text)
                if seconds is None:
                    raise RuntimeError("an answer was over before it was cancelled")
                times.append(seconds)
        if any(other.done() for other in others):
            raise RuntimeError("the chats beside it were over before the last cancel")
    finally:
        for other in others:
            other.cancel()
        await asyncio.gather(*others, return_exceptions=True)
    return times
