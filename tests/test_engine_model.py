"""The engine on the real starter model: what is asked beside, drafted or remembered changes no letter."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from rag import llama, probe, shots
from rag.engine import Engine, Pace
from rag.types import Finish, Message, Rows, Sampling

pytestmark = pytest.mark.model

PASSAGE = (
    "The warranty of the X200 pump is 24 months from the date of purchase. It covers the motor, the seals and the "
    "housing. Wear parts such as filters are excluded. To claim, send the receipt with the serial number to the "
    "service address within 30 days. The pump moves 40 litres a minute and needs a fuse of 10 amperes."
)
SYSTEM = Message("system", "You answer questions from the numbered passages of the user's documents.")
# Drafts pay as soon as they are right at all.
CHEAP_ROWS = ((1, 1.0), (32, 1.5))


@pytest.fixture(scope="module")
def model(starter_models: Path) -> Iterator[llama.Model]:
    loaded = llama.Model(starter_models / "SmolLM2-135M-Instruct.Q4_1.gguf")
    yield loaded
    loaded.close()


@asynccontextmanager
async def opened(
    model: llama.Model, sequences: int = 16, cost: tuple[tuple[int, float], ...] = (), **options: object
) -> AsyncIterator[Engine]:
    settings = {"flash_attention": True, "kv_type": "mixed", **options}
    context = llama.Context(model, tokens=1024, batch=64, threads=2, sequences=sequences, **settings)  # type: ignore[arg-type]
    engine = Engine(model, context, lambda sampling: llama.Sampler(context, sampling), Pace(64, cost))
    try:
        yield engine
    finally:
        await asyncio.to_thread(engine.close)


def question(number: int) -> list[Message]:
    """Prompts of different lengths, some beyond 512 tokens, with a common beginning."""
    passages = "\n\n".join(f"[{each}] {PASSAGE}" for each in range(1, 2 + number % 8))
    return [SYSTEM, Message("user", f"{passages}\n\nQuestion: What does passage {number} say about the warranty?")]


async def ask(
    engine: Engine, messages: list[Message], tokens: int = 24, sampling: Sampling | None = None
) -> tuple[str, Finish]:
    text, finish = "", None
    flag = threading.Event()
    async for token in engine.generate(messages, sampling or Sampling(max_tokens=tokens), flag):
        text += token.text
        finish = token.finish
    assert finish is not None
    return text, finish


async def test_sixteen_at_once_say_what_they_say_one_after_another(model: llama.Model) -> None:
    async with opened(model) as engine:
        together = [text for text, _ in await asyncio.gather(*(ask(engine, question(number)) for number in range(16)))]
    async with opened(model, sequences=1) as engine:
        alone = [(await ask(engine, question(number)))[0] for number in range(16)]
    assert together == alone
    assert len(set(alone)) > 4


@pytest.mark.parametrize("penalty", [1.0, 1.1])
async def test_a_drafted_answer_is_the_same_to_the_letter_and_takes_fewer_decodes(
    model: llama.Model, penalty: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    decodes = 0
    real = llama.Context.decode

    def counted(self: llama.Context, parts: object) -> int:
        nonlocal decodes
        decodes += 1
        return real(self, parts)  # type: ignore[arg-type]

    monkeypatch.setattr(llama.Context, "decode", counted)
    # It has repeated the text once: then it does so again, however the processor rounds.
    order = "Repeat the text about the warranty word for word."
    asked = Message("user", f"{PASSAGE}\n\n{order}")
    messages = [SYSTEM, asked, Message("assistant", PASSAGE), Message("user", order)]
    sampling = Sampling(max_tokens=60, repeat_penalty=penalty)
    answers, counts = [], []
    for cost in ((), CHEAP_ROWS):
        async with opened(model, sequences=2, cost=cost) as engine:
            decodes = 0
            answers.append(await ask(engine, messages, sampling=sampling))
            counts.append(decodes)
    assert answers[0] == answers[1]
    assert counts[1] < 0.7 * counts[0]


async def test_many_drafted_at_once_say_what_they_say_undrafted_and_alone(model: llama.Model) -> None:
    async with opened(model, cost=CHEAP_ROWS) as engine:
        together = [text for text, _ in await asyncio.gather(*(ask(engine, question(number)) for number in range(8)))]
    async with opened(model, sequences=1) as engine:
        alone = [(await ask(engine, question(number)))[0] for number in range(8)]
    assert together == alone


async def test_a_neighbour_that_is_cancelled_changes_nothing(model: llama.Model) -> None:
    async with opened(model, sequences=4) as engine:
        alone = (await ask(engine, question(3)))[0]
    async with opened(model, sequences=4) as engine:
        cancel = threading.Event()
        neighbour = engine.generate(question(7), Sampling(max_tokens=500), cancel)
        await anext(neighbour)
        beside = asyncio.create_task(ask(engine, question(3)))
        await asyncio.sleep(0.5)
        await neighbour.aclose()
        assert (await beside)[0] == alone
        # And what it had computed is a prefix for others.
        assert (await ask(engine, question(7), tokens=2))[1].usage.cached_tokens > 100


async def test_a_follow_up_computes_only_what_is_new_and_says_the_same_as_anew(model: llama.Model) -> None:
    async with opened(model, sequences=2) as engine:
        first, finish = await ask(engine, question(4))
        follow_up = [*question(4), Message("assistant", first), Message("user", "And what is excluded from it?")]
        text, later = await ask(engine, follow_up)
    assert later.usage.cached_tokens >= finish.usage.prompt_tokens
    async with opened(model, sequences=2) as engine:
        anew, cold = await ask(engine, follow_up)
    assert cold.usage.cached_tokens == 0
    assert text == anew


async def test_a_prefix_in_another_sequence_is_copied_and_says_the_same(model: llama.Model) -> None:
    async with opened(model, sequences=2) as engine:
        await ask(engine, question(6), tokens=2)
        other = [*question(6)[:-1], Message("user", question(6)[-1].content + " Answer in one word.")]
        running = engine.generate(question(6), Sampling(max_tokens=200), threading.Event())
        await anext(running)
        text, finish = await ask(engine, other)
        await running.aclose()
    assert finish.usage.cached_tokens > 400
    async with opened(model, sequences=2) as engine:
        assert (await ask(engine, other))[0] == text


@pytest.mark.parametrize("kind", ["recurrent_model", "hybrid_model", "sliding_model"])
async def test_models_with_other_memories_answer_the_same_with_and_without_what_they_remember(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    path = request.getfixturevalue(kind)
    loaded = llama.Model(path, extra_bufts=probe.judge(path, tmp_path / "verdicts.json", 2).extra_bufts)
    greetings = [
        [Message("user", text)] for text in ("안녕하세요 🙂 반갑습니다", "안녕하세요 🙂 또 만나요", "hello there")
    ]
    plain: dict[str, object] = {"flash_attention": False, "kv_type": "f16"}
    async with opened(loaded, sequences=2, **plain) as engine:
        warm = [(await ask(engine, greeting, tokens=12))[0] for greeting in [*greetings, *greetings]]
        together = [text for text, _ in await asyncio.gather(*(ask(engine, each, tokens=12) for each in greetings))]
    cold = []
    for greeting in greetings:
        async with opened(loaded, sequences=2, **plain) as engine:
            cold.append((await ask(engine, greeting, tokens=12))[0])
    assert warm == [*cold, *cold]
    assert together == cold
    loaded.close()


async def test_the_chosen_answer_is_the_likeliest_as_a_whole(model: llama.Model) -> None:
    sentence = "The X200 pump, built by Moore and Hill in Leeds since 1931, has a warranty of 24 months."
    prompt = shots.prompt("en", "Who builds the X200 pump?", sentence)
    offered = ("24 months", "1931", "Leeds", "Moore", "Moore and Hill", "Moore and Hill in Leeds", "X200", "warranty")
    choices = [shots.choice(text) for text in offered]
    async with opened(model, sequences=2, flash_attention=False, kv_type="f16") as engine:
        answer = engine.generate(prompt, Sampling(), threading.Event(), choices)
        chosen = "".join([token.text async for token in answer])
    context = llama.Context(model, tokens=1024, batch=512, threads=2)
    sampler = llama.Sampler(context, Sampling())
    begun, worth = model.raw_tokens(prompt), []
    for choice in choices:
        tokens = model.text_tokens(choice)
        context.cut(0, 0)
        assert context.decode([Rows(0, 0, begun + tokens, len(tokens) + 1)]) == 0
        rows = range(len(begun) - 1, len(begun) + len(tokens) - 1)
        worth.append(sum(sampler.log_probabilities(row, [token])[0] for row, token in zip(rows, tokens, strict=True)))
    sampler.close()
    context.close()
    assert worth[choices.index(chosen)] > max(worth) - 0.1
    assert chosen == shots.choice("Moore and Hill")


async def test_a_seed_repeats_itself_beside_others(model: llama.Model) -> None:
    def sampling(seed: int) -> Sampling:
        return Sampling(temperature=1.0, seed=seed, max_tokens=16)

    async with opened(model, sequences=4) as engine:
        work = [ask(engine, question(1), sampling=sampling(seed)) for seed in (1, 2, 1)]
        together = [text for text, _ in await asyncio.gather(*work)]
    async with opened(model, sequences=1) as engine:
        alone = [(await ask(engine, question(1), sampling=sampling(seed)))[0] for seed in (1, 2, 1)]
    assert together == alone
    assert alone[0] == alone[2] != alone[1]
