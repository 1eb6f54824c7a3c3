"""The best flags for llama-server: one change after another is tried, and kept where the throughput rises."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import aiohttp

from .bench import Bench
from .load import Prompt, Wanted, summary
from .peers import Flags
from .report import say

# Prompts and answers are this much shorter than the measured ones, so that their shares stay the same.
CALIBRATION_SHARE = 2
Change = dict[str, str]

SPLIT: Change = {"--no-kv-unified": "", "--kv-unified": "-"}
UNIFIED: Change = {"--no-kv-unified": "-", "--kv-unified": ""}
SMALL_CACHE: Change = {"-fa": "on", "-ctk": "q8_0", "-ctv": "q8_0"}
MIXED_CACHE: Change = {"-fa": "on", "-ctk": "q8_0", "-ctv": "f16"}
GREEDY: Change = {"--samplers": "temperature"}
NGRAMS: tuple[Change, ...] = (
    {"--spec-type": "ngram-simple"},
    {"--spec-type": "ngram-simple", "--spec-ngram-simple-size-n": "3", "--spec-ngram-simple-size-m": "8"},
    {"--spec-type": "ngram-map-k", "--spec-ngram-map-k-size-n": "4", "--spec-ngram-map-k-size-m": "16"},
    {"--spec-type": "ngram-map-k4v", "--spec-ngram-map-k4v-size-n": "8", "--spec-ngram-map-k4v-size-m": "24"},
    {"--spec-type": "ngram-cache"},
    {"--spec-type": "ngram-mod"},
    {"--spec-type": "ngram-mod", "--spec-ngram-mod-n-match": "8", "--spec-ngram-mod-n-min": "4"},
)


def context_for(chats: Sequence[Sequence[Prompt]], tokens: int) -> int:
    """Tokens of context with which each chat has room for its longest prompt and answer, in whole blocks."""
    longest = max(len(prompt) for chat in chats for prompt in chat) + tokens + 64
    return len(chats) * -(-longest // 256) * 256


def defaults(chats: Sequence[Sequence[Prompt]], tokens: int, train_context: int = 8192) -> Flags:
    """Model and port only; more context where four slots, its default, would not have room in the model's own."""
    four = context_for(list(chats)[:4], tokens)
    return Flags("defaults") | ({"-c": str(four)} if four > train_context else {})


def _better(found: Flags, other: Flags, top: float, speed: Callable[[Flags], float]) -> tuple[Flags, float]:
    value = speed(other)
    return (other, value) if value > top else (found, top)


def best(
    bench: Bench,
    key: str,
    chats: Sequence[Sequence[Prompt]],
    wanted: Wanted,
    warm_up: Prompt,
    drafting: bool = False,
) -> Flags:
    """The flags that answered `chats` fastest, found once for each `key`."""
    if key in bench.calibrated:
        return bench.calibrated[key]
    cores = str(bench.cores)
    base: Change = {"-np": str(len(chats)), "-c": str(context_for(chats, wanted.tokens)), "-t": cores, "-tb": cores}
    found = Flags("best") | base | {"-fa": "off", "-ub": "512"} | SPLIT
    short, trial = chats, wanted
    # Drafting needs the whole: it pays in the later part of an answer, out of what the prompt holds.
    if not drafting:
        short = [[chat[0][: len(chat[0]) // CALIBRATION_SHARE]] for chat in chats]
        trial = replace(wanted, tokens=max(8, wanted.tokens // CALIBRATION_SHARE))

    def speed(flags: Flags) -> float:
        try:
            value = summary(bench.ask_peer(flags, short, trial, warm_up))["tokens_per_s"]
        except (RuntimeError, TimeoutError, OSError, aiohttp.ClientError) as error:
            say(calibration=key, flags=str(flags), failed=str(error)[-300:])
            return 0.0
        say(calibration=key, flags=str(flags), tokens_per_s=value)
        return value

    top = speed(found)
    changes: list[Change] = [
        {"-fa": "on"},
        SMALL_CACHE,
        MIXED_CACHE,
        UNIFIED,
        GREEDY,
        {"-ub": "128"},
        {"-ub": "2048"},
        {"--cache-ram": "0"},
    ]
    if bench.cores > 1:
        changes += [{"-t": "1"}, {"-t": "1", "-tb": "1"}]
    for change in changes:
        found, top = _better(found, found | change, top, speed)
    found, top = _better(found, replace(found, spin="1000"), top, speed)
    if drafting:
        before = found
        for change in NGRAMS:
            found, top = _better(found, before | change, top, speed)
    bench.calibrated[key] = found
    say(calibration=key, best=str(found), tokens_per_s=top)
    return found
