"""How a model runs best on this machine, by measuring it for some seconds: in the trial's child process.

Flash attention doubles the speed on some processors and halves it on others; two threads on two cores may be slower
than one; so nothing of this is guessed.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np

from .errors import RagError
from .llama import Context, KvType, Model, Sampler
from .settings import Settings
from .types import Rows, Sampling, Vectors

T = TypeVar("T")

# What an answer over documents is made of, for weighing prefill against decode: tokens in, tokens out.
TYPICAL_PROMPT, TYPICAL_ANSWER = 300, 100
PROMPT, DECODES = 128, 12
# One measurement of a slow model takes about this long, and shorter prompts are enough for it.
SECONDS = 1.0
LEAST_PROMPT = 32
BATCHES = (64, 128)
DRAFT_ROWS = (1, 2, 4, 8, 16, 32)
# Flash attention and the type of the model's memory, the best first where speeds are alike. With flash attention over
# keys in q8_0 a CPU computes each row in the same way, however many there are: an answer does not hang on who else
# asks, and drafts never change it. Over f16 one row rounds otherwise than several from 512 tokens on, without flash
# attention always. With values in f16 it was as fast as f16, or faster, and as near to f32 (KL divergence 0.0033).
CHOICES: tuple[tuple[bool, KvType], ...] = ((True, "mixed"), (False, "f16"), (True, "f16"))
# Another choice than the first one must be this much faster: a noisy machine must not decide.
CLEARLY = 1.15
ROUNDS = 2
WORTH_A_FILE = 1.3
MOST_CONTEXT = 6144
# Numbers of two decodes differ by less than this share of their spread where they mean the same. Rounding makes 0.01
# at most; those of another text differ by 1.1 (random weights) or more.
ALIKE = 0.3
# More of them are a setting: their memory is taken at the start (measured with 4096 tokens: 16 took 2 s and 1.1 GiB).
MOST_SEQUENCES = 8
# The memory of all sequences together is at most this share of the machine's.
MEMORY_SHARE = 8
# Prompts that are read delay a running answer by about this many seconds at a time. Shorter, and those who wait for a
# first word wait longer: each piece pays for a decode of those who are served already.
PIECE_SECONDS = 0.5
LEAST_PIECE = 16
# For drafts that are wished for where nothing was measured: what rows cost on most machines, beside the first.
USUAL_COST = ((1, 1.0), (2, 1.3), (8, 2.5), (32, 7.0))
TEXT = "The trial reads a few plain words, again and again. "


@dataclass(frozen=True, slots=True)
class Tuning:
    """What was found best. Speeds are in tokens per second.

    `cost` holds (rows of one decode, its seconds), each row with an output; it is empty where drafts would change
    answers. `bytes_per_token` is the memory that a token takes in a sequence.
    """

    flash_attention: bool = False
    kv_type: KvType = "f16"
    threads: int = 1
    batch_threads: int = 1
    batch: int = 128
    prefill: float = 0.0
    decode: float = 0.0
    bytes_per_token: int = 0
    cost: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """How the engine runs: what was measured, unless a setting says otherwise. `context` and `piece` are tokens."""

    context: int
    sequences: int
    batch: int
    piece: int
    threads: int
    batch_threads: int
    flash_attention: bool
    kv_type: KvType
    cost: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class _Speed:
    prefill: float
    decode: float

    @property
    def score(self) -> float:
        return 1 / (TYPICAL_PROMPT / self.prefill + TYPICAL_ANSWER / self.decode)


def plan_engine(settings: Settings, tuning: Tuning, train_context: int, memory: int) -> Plan:
    """Settings first, then what was measured. `memory` of the machine is in bytes, 0 if not known."""
    flash_attention = tuning.flash_attention if settings.flash_attention == "auto" else settings.flash_attention == "on"
    kv_type = tuning.kv_type if settings.kv_type == "auto" else settings.kv_type
    if kv_type != "f16":
        # Quantised values need it.
        flash_attention = True
    context = settings.ctx or min(train_context, MOST_CONTEXT)
    room = memory // MEMORY_SHARE // max(1, tuning.bytes_per_token * context)
    sequences = settings.sequences or max(1, min(MOST_SEQUENCES, room))
    # A decode has a row for each sequence at least.
    batch = max(min(settings.batch or tuning.batch, context), sequences)
    cost = tuning.cost
    if settings.draft == "off":
        cost = ()
    elif settings.draft == "on":
        cost = cost or USUAL_COST
    return Plan(
        context,
        sequences,
        batch,
        max(LEAST_PIECE, int(tuning.prefill * PIECE_SECONDS)),
        settings.threads or tuning.threads,
        settings.threads or tuning.batch_threads,
        flash_attention,
        kv_type,
        cost,
    )


def clearly_faster(model: Model, other: Model, cores: int) -> bool:
    """Whether the other model answers so much faster that it is worth its place on the disk. Raises `RagError` GEN-002
    if they do not take the first of `CHOICES`."""
    prompt = _prompt(model, cores)
    speeds = _in_turns({each: _context(each, cores, *CHOICES[0]) for each in (model, other)}, prompt)
    return speeds[other].score > WORTH_A_FILE * speeds[model].score


def alike_together(model: Model, cores: int) -> bool:
    """Whether two chats that are computed at once get the numbers that each gets alone, but for rounding.

    The library's AMX code (0.3.36) leaves out all but the first sequence in recurrent layers, as its repacked weights
    once did (https://github.com/ggml-org/llama.cpp/pull/17030). Raises `RagError` GEN-002 if the model cannot decode.
    """
    words = model.tokenize(TEXT, add_special=True, parse_special=False)
    half = len(words) // 2
    chats = (words[:half], words[half : 2 * half])
    prompts = [Rows(chat, 0, tokens[:-1]) for chat, tokens in enumerate(chats)]
    news = [Rows(chat, half - 1, tokens[-1:]) for chat, tokens in enumerate(chats)]
    context = _context(model, cores, False, "f16", sequences=2)

    def numbers(prompt_decodes: Sequence[Sequence[Rows]], new_decodes: Sequence[Sequence[Rows]]) -> list[Vectors]:
        """After each of the new tokens, nothing being remembered."""
        for chat in range(len(chats)):
            context.cut(chat, 0)
        for parts in prompt_decodes:
            compute(context, parts)
        found = []
        for parts in new_decodes:
            compute(context, parts)
            found += [context.logits(row) for row in range(len(parts))]
        return found

    try:
        apart = [[prompt] for prompt in prompts]
        alone = numbers(apart, [[new] for new in news])
        # Prompts that are read at once kill a library that is at fault; the tokens after them only come out wrong.
        return all(
            float(np.abs(one - other).mean()) < ALIKE * float(one.std())
            for prompt_decodes in (apart, [prompts])
            for one, other in zip(alone, numbers(prompt_decodes, [news]), strict=True)
        )
    finally:
        context.close()


def tune(model: Model, cores: int) -> Tuning:
    """Measure a chat model. Raises `RagError` GEN-002 if it cannot decode."""
    prompt = _prompt(model, cores)
    (flash_attention, kv_type), found = _choice(model, prompt, cores)
    context = _context(model, cores, flash_attention, kv_type)
    try:
        threads, batch_threads = _threads(context, prompt, cores, found)
        context.set_threads(threads, batch_threads)
        batch = _batch(context, prompt)
        bytes_per_token = context.state_bytes(0) // len(prompt)
        drafts = context.cuttable and kv_type != "f16" and _exact(context, prompt)
        cost = _cost(context, prompt) if drafts else ()
    finally:
        context.close()
    return Tuning(
        flash_attention,
        kv_type,
        threads,
        batch_threads,
        batch,
        round(found.prefill, 1),
        round(found.decode, 1),
        bytes_per_token,
        cost,
    )


def _prompt(model: Model, cores: int) -> list[int]:
    """A prompt that takes about `SECONDS` to read, `PROMPT` tokens at most."""
    words = model.tokenize(TEXT, add_special=True, parse_special=False)
    context = _context(model, cores, False, "f16")
    try:
        seconds = min(_seconds(lambda: _decode(context, words, 0)) for _ in range(2))
    finally:
        context.close()
    count = max(LEAST_PROMPT, min(PROMPT, int(SECONDS * len(words) / seconds)))
    return (words * (count // len(words) + 1))[:count]


def _context(model: Model, threads: int, flash_attention: bool, kv_type: KvType, sequences: int = 1) -> Context:
    return Context(
        model,
        tokens=PROMPT + 2 * max(DRAFT_ROWS),
        batch=PROMPT,
        threads=threads,
        sequences=sequences,
        flash_attention=flash_attention,
        kv_type=kv_type,
    )


def _choice(model: Model, prompt: Sequence[int], threads: int) -> tuple[tuple[bool, KvType], _Speed]:
    """The best of `CHOICES` that the model takes, and its speed."""
    contexts: dict[tuple[bool, KvType], Context] = {}
    for choice in CHOICES:
        with contextlib.suppress(RagError):
            contexts[choice] = _context(model, threads, *choice)
    speeds = _in_turns(contexts, prompt)
    if not speeds:
        raise RagError("GEN-002", file="", reason="it cannot decode", directory="")
    best = next(iter(speeds))
    for choice, speed in speeds.items():
        if speed.score > CLEARLY * speeds[best].score:
            best = choice
    return best, speeds[best]


def _in_turns(contexts: Mapping[T, Context], prompt: Sequence[int]) -> dict[T, _Speed]:
    """The speed of each. They take turns, for a busy machine slows them all; then the contexts are closed."""
    speeds: dict[T, _Speed] = {}
    for _ in range(ROUNDS):
        for key, context in contexts.items():
            speeds[key] = _speed(context, prompt, speeds.get(key))
    for context in contexts.values():
        context.close()
    return speeds


def _speed(context: Context, prompt: Sequence[int], known: _Speed | None = None) -> _Speed:
    """One round; the better of it and what is known."""
    prefill = len(prompt) / _seconds(lambda: _decode(context, prompt, 0))
    decode = DECODES / _seconds(lambda: _greedy(context, len(prompt), DECODES))
    return _Speed(max(prefill, known.prefill), max(decode, known.decode)) if known else _Speed(prefill, decode)


def _greedy(context: Context, start: int, count: int) -> None:
    sampler = Sampler(context, Sampling())
    for place in range(count):
        _decode(context, [sampler.sample(-1)], start + place)
    sampler.close()


def _threads(context: Context, prompt: Sequence[int], cores: int, found: _Speed) -> tuple[int, int]:
    """For writing and for reading. Fewer than all cores only where that is clearly faster."""
    decode, prefill = (found.decode, cores), (found.prefill, cores)
    for threads in {cores - 1, cores // 2} - {0, cores}:
        context.set_threads(threads, threads)
        speed = _speed(context, prompt, _speed(context, prompt))
        if speed.decode > CLEARLY * decode[0]:
            decode = (speed.decode, threads)
        if speed.prefill > CLEARLY * prefill[0]:
            prefill = (speed.prefill, threads)
    return decode[1], prefill[1]


def _batch(context: Context, prompt: Sequence[int]) -> int:
    """The smallest batch that reads nearly as fast as larger ones: a cancel and a newcomer wait for one at most."""

    def read(batch: int) -> None:
        for start in range(0, len(prompt), batch):
            _decode(context, prompt[start : start + batch], start)

    seconds = {batch: _seconds(partial(read, batch)) for batch in BATCHES if batch <= len(prompt)}
    return next((batch for batch, taken in seconds.items() if taken < 1.05 * min(seconds.values())), BATCHES[0])


def _exact(context: Context, prompt: Sequence[int]) -> bool:
    """Whether a row gives the same numbers alone and with others, so that a draft never changes an answer.

    Without flash attention CPUs compute one row in another way than several.
    """
    _decode(context, prompt, 0)
    rows = prompt[: DRAFT_ROWS[2]]
    alone = []
    for place, token in enumerate(rows):
        _decode(context, [token], len(prompt) + place)
        alone.append(context.logits(-1))
    _decode(context, rows, len(prompt), len(rows))
    return all(np.array_equal(one, context.logits(row)) for row, one in enumerate(alone))


def _cost(context: Context, prompt: Sequence[int]) -> tuple[tuple[int, float], ...]:
    """What a decode of so many rows takes, from one token to a long draft; rising, or noise would be believed."""
    cost: list[tuple[int, float]] = []
    _decode(context, prompt, 0)
    for rows in DRAFT_ROWS:
        if rows > len(prompt):
            break
        work = partial(_decode, context, prompt[:rows], len(prompt), rows)
        seconds = min(_seconds(work) for _ in range(3))
        cost.append((rows, round(max([seconds, *(known for _, known in cost)]), 6)))
    context.cut(0, len(prompt))
    return tuple(cost)


def _decode(context: Context, tokens: Sequence[int], start: int, outputs: int = 1) -> None:
    if not context.cut(0, start):
        # A memory that cannot be cut: only the time counts here, not what was said.
        context.cut(0, 0)
        start = 0
    compute(context, [Rows(0, start, tokens, outputs)])


def compute(context: Context, parts: Sequence[Rows]) -> None:
    """`Context.decode`. Raises `RagError` GEN-002 if it fails."""
    code = context.decode(parts)
    if code != 0:
        raise RagError("GEN-002", file="", reason=f"llama_decode returned {code}", directory="")


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
