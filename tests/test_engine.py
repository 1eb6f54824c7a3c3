"""The decode thread, with scripted parts: what comes out, when it stops, and what it may remember."""

from __future__ import annotations

import asyncio
import itertools
import random
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import aclosing
from types import SimpleNamespace
from typing import Any

import pytest

from rag import engine as engine_module
from rag.engine import ABORTED, NO_ROOM, Engine, Pace
from rag.errors import RagError
from rag.pieces import Pieces
from rag.slots import LEFT
from rag.types import Finish, Message, Sampling, Token, Usage
from tests.fakes import (
    END,
    PATIENCE,
    Clock,
    ScriptedContext,
    ScriptedLanguage,
    ScriptedModel,
    ScriptedSampler,
    ScriptedSamplers,
    spoken,
    until,
)


class _Forever:
    """Never ends, and is slow enough for the event loop to come round meanwhile."""

    def __iter__(self) -> Iterator[int]:
        while True:
            time.sleep(0.0002)
            yield ord("x")


FOREVER: Iterable[int] = _Forever()
# A decode costs the same however many rows it has, so that every draft is worth trying.
DRAFTS = Pace(piece=16, cost=((1, 1.0), (64, 1.0)))
NO_DRAFTS = Pace(piece=16)

Answer = tuple[str, Finish]


class Rig:
    """An engine on scripted parts. Without replies it speaks the scripted language."""

    def __init__(
        self, replies: Sequence[Iterable[int]] | None, pace: Pace = NO_DRAFTS, patience: float = 1e9, **context: Any
    ) -> None:
        self.model = ScriptedModel()
        self.context = ScriptedContext(**context)
        self.samplers = ScriptedSamplers(self.context, iter(replies or ()))
        self.language = ScriptedLanguage(self.context)
        maker = self.samplers if replies is not None else self.language
        self.engine = Engine(self.model, self.context, maker, pace, patience)

    async def tokens(
        self,
        prompt: str,
        max_tokens: int = 10**6,
        cancel: threading.Event | None = None,
        choices: Sequence[str] = (),
        priors: Sequence[float] = (),
        stop: tuple[str, ...] = (),
        asker: str = "",
    ) -> list[Token]:
        async with asyncio.timeout(PATIENCE):
            sampling = Sampling(max_tokens=max_tokens, stop=stop)
            cancel = cancel or threading.Event()
            answer = self.engine.generate([Message("user", prompt)], sampling, cancel, choices, priors, asker)
            tokens = [token async for token in answer]
        assert all(token.finish is None for token in tokens[:-1])
        return tokens

    async def ask(self, prompt: str, *args: Any, **kwargs: Any) -> Answer:
        """The text of the answer, and how it ended."""
        tokens = await self.tokens(prompt, *args, **kwargs)
        assert tokens[-1].finish is not None
        return "".join(token.text for token in tokens if not token.thinking), tokens[-1].finish

    async def refuse(self, prompt: str, cancel: threading.Event | None = None) -> RagError:
        with pytest.raises(RagError) as caught:
            await self.ask(prompt, cancel=cancel)
        return caught.value

    async def fail(self, prompt: str, cancel: threading.Event | None = None) -> str:
        return (await self.refuse(prompt, cancel)).code

    def run(self, prompt: str = "p") -> Any:
        """An answer to read token by token, which ends by itself only if the model ends it."""
        return self.engine.generate([Message("user", prompt)], Sampling(max_tokens=10**9), threading.Event())

    def sequence(self, prompt: str) -> int:
        """The sequence of the request whose prompt begins so. For scripts, while it is being computed."""
        begun = [rows for rows, held in self.context.held.items() if bytes(held[: len(prompt)]) == prompt.encode()]
        begun += [rows.sequence for rows in self.context.decodes[-1] if bytes(rows.tokens).startswith(prompt.encode())]
        return begun[-1] if begun else -1

    def touches(self, prompt: str) -> bool:
        """Whether the latest decode has rows of the request whose prompt begins so."""
        return self.sequence(prompt) in {rows.sequence for rows in self.context.decodes[-1]}


MakeRig = Callable[..., Rig]


@pytest.fixture
def make_rig() -> Iterator[MakeRig]:
    made: list[Rig] = []

    def make(*replies: Iterable[int] | str, language: bool = False, **rest: Any) -> Rig:
        said = [reply.encode() if isinstance(reply, str) else reply for reply in replies]
        made.append(Rig(None if language else said, **rest))
        return made[-1]

    yield make
    for rig in made:
        rig.engine.close()
        assert rig.context.closed
        assert rig.context.complaints == []
        assert rig.samplers.open == rig.language.open == 0
        for slot in rig.engine._slots:
            assert not slot.busy
            assert slot.tokens == rig.context.rows(slot.number), "what is remembered is what is there"


async def until_text(answer: Any) -> Token:
    """The first token that is no mere sign of life."""
    async with asyncio.timeout(PATIENCE):
        while True:
            token: Token = await anext(answer)
            if token.text:
                return token


def wait_for(condition: Callable[[], object]) -> None:
    """Block until the condition holds, with the event loop held up if it is called there."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def alone(prompt: str, max_tokens: int, stop: tuple[str, ...] = (), size: int = 4096) -> tuple[str, str, int]:
    """What the scripted language answers, token by token: the text, the reason of the end, the tokens."""
    history, pieces, text, said = list(prompt.encode()), Pieces(stop), "", 0
    while (token := spoken(history, said + 1)) != END:
        history.append(token)
        said += 1
        text += "".join(piece.text for piece in pieces.feed(bytes([token])))
        if pieces.stopped:
            return text, "stop", said
        if said == max_tokens or len(history) == size:
            break
    text += "".join(piece.text for piece in pieces.close())
    return text, "stop" if token == END else "length", said


def told(answer: Answer) -> tuple[str, str, int]:
    text, finish = answer
    return text, finish.reason, finish.usage.completion_tokens


SYSTEM = "abc de abcd ea. " * 4
PROMPTS = [
    f"{SYSTEM if number % 4 else ''}passage {'bcd ' * (number % 3 * 9)}question {number} " for number in range(16)
]


# What comes out.


async def test_tokens_come_in_order_until_the_end_of_generation(make_rig: MakeRig) -> None:
    text, finish = await make_rig("Hello").ask("prompt")
    assert text == "Hello"
    assert finish == Finish("stop", Usage(prompt_tokens=6, cached_tokens=0, completion_tokens=5))


async def test_half_a_character_is_held_until_the_other_half_comes(make_rig: MakeRig) -> None:
    said = await make_rig("안녕 é🙂!").tokens("질문")
    assert "".join(token.text for token in said) == "안녕 é🙂!"
    finish = said[-1].finish
    assert finish is not None
    assert finish.usage.completion_tokens == len("안녕 é🙂!".encode())


async def test_half_a_character_at_the_end_never_leaves(make_rig: MakeRig) -> None:
    rig = make_rig([*"a가".encode()[:-1], END], "a가")
    assert (await rig.ask("p"))[0] == "a"
    # The same where the limit cuts the character.
    text, finish = await rig.ask("p", max_tokens=3)
    assert text == "a"
    assert finish.reason == "length"


async def test_bytes_that_are_no_utf_8_are_replaced(make_rig: MakeRig) -> None:
    assert (await make_rig([0xFF, ord("a")]).ask("p"))[0] == "\ufffda"


async def test_an_answer_ends_at_its_limit_with_the_last_token_in_it(make_rig: MakeRig) -> None:
    rig = make_rig("abcdef")
    text, finish = await rig.ask("p", max_tokens=3)
    assert text == "abc"
    assert (finish.reason, finish.usage.completion_tokens) == ("length", 3)
    # What nothing will follow is not computed.
    assert len(rig.context.pieces) == 3


async def test_an_answer_ends_where_the_context_is_full(make_rig: MakeRig) -> None:
    text, finish = await make_rig(FOREVER, size=16).ask("p" * 10)
    assert text == "x" * 6
    assert finish.reason == "length"


async def test_an_end_at_once_is_an_empty_answer(make_rig: MakeRig) -> None:
    text, finish = await make_rig("").ask("p")
    assert text == ""
    assert finish.reason == "stop"


async def test_a_stop_string_ends_the_answer_wherever_its_tokens_part(make_rig: MakeRig) -> None:
    rig = make_rig("Hello world", "Hello w", "나비와 나무")
    text, finish = await rig.ask("p", stop=("lo w", "none"))
    assert (text, finish.reason, finish.usage.completion_tokens) == ("Hel", "stop", 7)
    text, finish = await rig.ask("p", stop=("lo wor",))
    assert (text, finish.reason) == ("Hello w", "stop"), "what did not become a stop string is said at the end"
    assert (await rig.ask("p", stop=("나무",)))[0] == "나비와 "


async def test_a_reader_that_is_behind_gets_the_rest_in_one_go(make_rig: MakeRig) -> None:
    rig = make_rig("<think>so it is</think>\n42")
    answer = rig.run()
    async with aclosing(answer):
        await anext(answer)
        wait_for(lambda: rig.context.decodes and not rig.engine._running)
        rest = [token async for token in answer]
    assert [token.text for token in rest if token.text] == ["so it is", "42"]
    assert [token.thinking for token in rest if token.text] == [True, False]
    assert rest[-1].finish is not None


async def test_thinking_that_the_prompt_has_opened_is_told_from_the_answer(make_rig: MakeRig) -> None:
    tokens = await make_rig("so it is</think>\n42").tokens("question<think>\n")
    assert "".join(token.text for token in tokens if token.thinking) == "so it is"
    assert "".join(token.text for token in tokens if not token.thinking) == "42"


async def test_a_prompt_is_computed_in_pieces_that_fit_the_batch(make_rig: MakeRig) -> None:
    rig = make_rig("a", batch_size=4)
    await rig.ask("0123456789")
    assert [bytes(piece) for piece in rig.context.pieces[:3]] == [b"0123", b"4567", b"89"]
    assert rig.samplers.began == [list(b"0123456789")]


async def test_requests_that_come_at_once_are_each_answered_whole(make_rig: MakeRig) -> None:
    rig = make_rig("one", "two", "three")
    answers = await asyncio.gather(*(rig.ask("p") for _ in range(3)))
    assert sorted(text for text, _ in answers) == ["one", "three", "two"]


async def test_the_engine_gives_the_model_and_its_sizes(make_rig: MakeRig) -> None:
    rig = make_rig(size=99)
    assert (rig.engine.name, rig.engine.context, rig.engine.parameters) == ("scripted", 99, 7_000_000_000)
    assert rig.engine.count([Message("user", "가나")]) == 6


# Choices.


async def test_with_choices_the_answer_is_one_of_them_and_the_model_decides_which(make_rig: MakeRig) -> None:
    choices = ["go north", "go nowhere", "go south"]
    # Weighed in this order: the first choice as far as it goes, then another that may be better.
    rig = make_rig("north", "south", "south", "north!")
    for expected in ("go north", "go south"):
        text, finish = await rig.ask("p", choices=choices)
        assert text == expected
        assert (finish.reason, finish.usage.completion_tokens) == ("stop", len(expected))
    text, _ = await rig.ask("p", choices=choices, max_tokens=2)
    assert text == "go south", "a limit does not cut a quotation"
    text, _ = await rig.ask("p", choices=[*choices, choices[0] + "!"])
    assert text == choices[0] + "!", "one that another begins with is left out"


async def test_the_best_choice_is_the_likeliest_as_a_whole_with_its_prior(make_rig: MakeRig) -> None:
    choices = ["가나\n", "가다라\n", "마\n", "나비나\n", "나\n", "나비\n"]
    draw = random.Random(4)
    rig = make_rig(language=True, sequences=2)
    for prompt in PROMPTS:
        priors = [draw.uniform(-6, 6) for _ in choices]

        def worth(choice: str, prior: float, prompt: str = prompt) -> float:
            data = choice.encode()
            return prior + sum(zlib.crc32(prompt.encode() + data[:end]) / 2**32 - 1 for end in range(1, len(data) + 1))

        best = max(zip(choices, priors, strict=True), key=lambda pair: worth(*pair))[0]
        assert (await rig.ask(prompt, choices=choices, priors=priors))[0] == best
    assert rig.context.complaints == []


async def test_a_choice_that_can_be_no_better_is_not_tried(make_rig: MakeRig) -> None:
    rig = make_rig("none")
    assert (await rig.ask("p", choices=["none", "other", "many"], priors=[0, 5, 5]))[0] == "none"
    assert [bytes(tokens) for tokens in rig.context.pieces] == [b"p", b"non"]


async def test_priors_outweigh_the_model_where_they_are_stronger(make_rig: MakeRig) -> None:
    rig = make_rig("none", "n")
    choices = ["none", "only"]
    assert (await rig.ask("p", choices=choices, priors=[0, 5]))[0] == "none"
    assert (await rig.ask("p", choices=choices, priors=[0, 99]))[0] == "only"


async def test_memory_that_only_goes_forward_weighs_choices_token_by_token(make_rig: MakeRig) -> None:
    rig = make_rig("no", cuttable=False)
    assert (await rig.ask("p", choices=["none", "now", "only"], priors=[1, 0, 5]))[0] == "none"
    assert all(len(tokens) == 1 for tokens in rig.context.pieces)


async def test_a_text_is_gone_on_from_as_it_is(make_rig: MakeRig) -> None:
    rig = make_rig("yes")
    answer = rig.engine.generate("so:", Sampling(), threading.Event())
    async with aclosing(answer):
        assert "".join([token.text async for token in answer]) == "yes"
    assert rig.context.pieces[0] == list(b"so:")
    assert rig.engine.count("so:") == 3


@pytest.mark.parametrize(("prompt", "tokenizer"), [("so:", "raw_tokens"), ([Message("user", "so:")], "prompt_tokens")])
async def test_what_was_just_counted_is_not_tokenized_again(
    make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch, prompt: str | list[Message], tokenizer: str
) -> None:
    asked: list[object] = []

    def tokens(_: ScriptedModel, prompt: object) -> list[int]:
        asked.append(prompt)
        return list(b"so:")

    monkeypatch.setattr(ScriptedModel, tokenizer, tokens)
    rig = make_rig("yes")
    assert rig.engine.count(prompt) == 3
    async with aclosing(rig.engine.generate(prompt, Sampling(), threading.Event())) as answer:
        assert "".join([token.text async for token in answer]) == "yes"
    assert len(asked) == 1


async def test_a_single_choice_needs_no_decode(make_rig: MakeRig) -> None:
    rig = make_rig()
    for choices in (["all of it"], ["all of it", "all of it"], ["all", "all of it"], [""]):
        text, finish = await rig.ask("p", choices=choices)
        assert (text, finish.reason) == (choices[-1], "stop")
    assert rig.context.decodes == []


@pytest.mark.parametrize("choices", [["yes", "no"], ["answer: yes", "answer: no"]])
async def test_two_choices_need_two_decodes(make_rig: MakeRig, choices: list[str]) -> None:
    rig = make_rig("no")
    assert (await rig.ask("p", choices=choices))[0] == choices[1]
    assert len(rig.context.decodes) == 2
    assert bytes(rig.context.pieces[0]) == b"p" + choices[0].removesuffix("yes").encode()


async def test_what_all_choices_begin_with_is_said_before_it_is_computed(make_rig: MakeRig) -> None:
    held = threading.Event()
    rig = make_rig("yes", script=lambda call: 0 if held.wait(PATIENCE) else -1)
    answer = rig.engine.generate([Message("user", "p")], Sampling(), threading.Event(), ["so: yes", "so: no"])
    async with aclosing(answer):
        assert (await until_text(answer)).text == "so: "
        held.set()
        assert "".join([token.text async for token in answer]) == "yes"


async def test_an_answer_from_choices_can_be_cancelled(make_rig: MakeRig) -> None:
    cancel = threading.Event()
    rig = make_rig("", script=lambda call: 0 if call < 4 else cancel.set() or 0, batch_size=8)
    text, finish = await rig.ask("p", cancel=cancel, choices=["a" * 100 + "b", "a" * 100 + "c"])
    assert (text, finish.reason) == ("a" * 100, "cancelled")
    assert len(rig.context.decodes) == 4


async def test_choices_end_where_the_context_is_full(make_rig: MakeRig) -> None:
    rig = make_rig("bcabca", size=16)
    text, finish = await rig.ask("p" * 10, choices=["abc" * 5, "bca" * 5])
    assert (text, finish.reason) == ("bcabca", "length")


# Many at once.


@pytest.mark.parametrize("pace", [NO_DRAFTS, DRAFTS], ids=["no drafts", "drafts"])
@pytest.mark.parametrize("batch_size", [16, 40])
@pytest.mark.parametrize("sequences", [1, 3, 16])
@pytest.mark.parametrize("cuttable", [True, False])
async def test_each_of_many_gets_what_it_gets_alone(
    make_rig: MakeRig, sequences: int, batch_size: int, pace: Pace, cuttable: bool
) -> None:
    rig = make_rig(language=True, pace=pace, sequences=sequences, batch_size=batch_size, cuttable=cuttable)
    for max_tokens, stop in ((50, ()), (1, ()), (80, ("ab", "e가"))):
        answers = await asyncio.gather(*(rig.ask(prompt, max_tokens, stop=stop) for prompt in PROMPTS))
        assert [told(answer) for answer in answers] == [alone(prompt, max_tokens, stop) for prompt in PROMPTS]
    assert max(map(len, rig.context.decodes)) >= min(sequences, 3), "they are computed together"
    drafted = any(rows.outputs > 1 for parts in rig.context.decodes for rows in parts)
    assert drafted == (cuttable and pace is DRAFTS)
    assert not cuttable or sum(answer[1].usage.cached_tokens for answer in answers) > 0


async def test_answers_with_and_without_choices_keep_apart(make_rig: MakeRig) -> None:
    rig = make_rig(language=True, sequences=4, batch_size=16, pace=DRAFTS)
    choices = ["one a", "one b", "two"]
    chosen = {prompt: await rig.ask(prompt, choices=choices) for prompt in PROMPTS[::2]}
    calls = [rig.ask(prompt, 40, choices=choices if prompt in chosen else ()) for prompt in PROMPTS]
    for prompt, answer in zip(PROMPTS, await asyncio.gather(*calls), strict=True):
        assert told(answer) == (told(chosen[prompt]) if prompt in chosen else alone(prompt, 40))


async def test_a_long_prompt_delays_running_answers_by_no_more_than_one_piece(make_rig: MakeRig) -> None:
    rig = make_rig(FOREVER, "b" * 20, "c" * 20, sequences=3, batch_size=64, pace=Pace(piece=8))
    running = rig.run()
    async with aclosing(running):
        await until_text(running)
        await asyncio.gather(rig.ask("q" * 300), rig.ask("r" * 200))
    first = rig.sequence("p")
    gaps = [0]
    for parts in rig.context.decodes[1:]:
        rows = {part.sequence: len(part.tokens) for part in parts}
        gaps = [*gaps, 0] if first in rows else [*gaps[:-1], gaps[-1] + sum(rows.values())]
    assert max(gaps) == 8, "and all of the piece is used"
    # Once they are read, all three are written together.
    assert max(map(len, rig.context.decodes)) == 3


async def test_a_prompt_is_read_in_whole_batches_where_nobody_is_delayed(make_rig: MakeRig) -> None:
    rig = make_rig("a", "b", sequences=2, batch_size=64, pace=Pace(piece=8))
    await rig.ask("q" * 256)
    assert [len(piece) for piece in rig.context.pieces[:4]] == [64] * 4


async def test_the_oldest_prompt_is_read_however_many_short_ones_come(make_rig: MakeRig) -> None:
    # Slow enough for the short ones to come and go meanwhile.
    rig = make_rig(
        language=True, sequences=3, batch_size=16, pace=Pace(piece=8), script=lambda call: time.sleep(0.002) or 0
    )
    long = asyncio.create_task(rig.ask("long" * 100, 5))
    await until(lambda: rig.context.decodes)
    short = 0
    while not long.done():
        await rig.ask(f"{short}short", 5)
        short += 1
    assert told(await long) == alone("long" * 100, 5)
    assert short > 2
    reading = [parts for parts in rig.context.decodes if any(len(part.tokens) > 1 for part in parts)]
    of_long = [parts for parts in reading if b"ngl" in bytes(parts[0].tokens)]
    assert len(of_long) <= 400 / 4 + 1


async def test_a_request_that_waits_for_a_sequence_is_served_before_those_that_come_later(make_rig: MakeRig) -> None:
    rig = make_rig("1", "2", "3", "4")
    answers = [asyncio.create_task(rig.ask("p"))]
    for _ in range(3):
        await until(lambda: len(rig.engine._asked) == len(answers))
        answers.append(asyncio.create_task(rig.ask("p")))
    assert sorted([(await answer)[0] for answer in answers]) == list("1234")


async def test_one_question_is_not_kept_waiting_by_all_those_of_another_asker(make_rig: MakeRig) -> None:
    held = threading.Event()
    # Each says what its turn was.
    rig = make_rig(*map(str, range(10, 20)), script=lambda call: 0 if held.wait(PATIENCE) else -1)
    flood = [asyncio.create_task(rig.ask("p", asker="flood"))]
    await until(lambda: rig.context.decodes)
    flood += [asyncio.create_task(rig.ask("p", asker="flood")) for _ in range(7)]
    await until(lambda: rig.engine._commands.qsize() == 7)
    one = asyncio.create_task(rig.ask("p", asker="other"))
    await until(lambda: rig.engine._commands.qsize() == 8)
    held.set()
    # The first of the flood is being answered; then it is the other's turn.
    assert (await one)[0] == "11"
    await asyncio.gather(*flood)


async def test_who_asks_too_much_is_gen_004_and_others_are_not(
    make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "MAX_WAITING", 7)
    held = threading.Event()
    rig = make_rig(*"abcdefgh", script=lambda call: 0 if held.wait(PATIENCE) else -1)
    flood = [asyncio.create_task(rig.ask("p", asker="flood")) for _ in range(8)]
    await until(lambda: sum(task.done() for task in flood) == 4)
    refused = [task.exception() for task in flood if task.done()]
    assert [error.code for error in refused if isinstance(error, RagError)] == ["GEN-004"] * 4
    others = [asyncio.create_task(rig.ask("p", asker=name)) for name in ("one", "two")]
    await until(lambda: len(rig.engine._asked) == 6)
    held.set()
    await asyncio.gather(*others, *(task for task in flood if not task.done()))


async def test_tokens_leave_in_one_go_per_step_whatever_the_number_of_sequences(
    make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    hand_over, calls = loop.call_soon_threadsafe, []

    def counted(*args: Any, **kwargs: Any) -> Any:
        if threading.current_thread().name == "decode":
            calls.append(args)
        return hand_over(*args, **kwargs)

    monkeypatch.setattr(loop, "call_soon_threadsafe", counted)
    monkeypatch.setattr(engine_module, "time", SimpleNamespace(monotonic=Clock()))
    rig = make_rig(*["x" * 50] * 16, sequences=16)
    answers = await asyncio.gather(*(rig.ask("p") for _ in range(16)))
    assert [text for text, _ in answers] == ["x" * 50] * 16
    # One for each decode, and one sign of life at the beginning.
    assert len(calls) <= len(rig.context.decodes) + 1


async def test_those_that_wait_hear_signs_of_life(make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(engine_module, "time", SimpleNamespace(monotonic=clock))

    def script(call: int) -> int:
        clock.advance(0.25)
        # No faster than the readers, whose tokens are joined otherwise.
        time.sleep(0.005)
        return 0

    rig = make_rig("a" * 40, "b", script=script, batch_size=4)
    running = asyncio.create_task(rig.tokens("p"))
    await until(lambda: rig.context.decodes)
    tokens = await rig.tokens("q" * 40)
    signs = [token for token in tokens if not token.text and token.finish is None]
    assert len(signs) >= 8, "while it waits, and while its prompt is read"
    assert "".join(token.text for token in await running) == "a" * 40


# Drafts.


@pytest.mark.parametrize("sequences", [1, 3])
async def test_drafts_change_nothing_but_the_number_of_decodes(make_rig: MakeRig, sequences: int) -> None:
    decodes = []
    for pace in (NO_DRAFTS, DRAFTS):
        rig = make_rig(language=True, pace=pace, sequences=sequences, size=300)
        for max_tokens in (1, 2, 7, 1000):
            for stop in ((), ("bc",), ("e d", "가")):
                answers = await asyncio.gather(*(rig.ask(prompt, max_tokens, stop=stop) for prompt in PROMPTS))
                assert [told(answer) for answer in answers] == [
                    alone(prompt, max_tokens, stop, 300) for prompt in PROMPTS
                ]
        decodes.append(len(rig.context.decodes))
    assert decodes[1] < decodes[0]


async def test_an_answer_that_quotes_its_prompt_needs_few_decodes(make_rig: MakeRig) -> None:
    quoted = "a long sentence that has no two words in common with itself, 0123456789 and no more"
    rig = make_rig(quoted, pace=DRAFTS)
    text, finish = await rig.ask(f"{quoted}\n\nQuote it: ")
    assert (text, finish.usage.completion_tokens) == (quoted, len(quoted))
    assert len(rig.context.decodes) < 12
    assert rig.context.rows(0) == list(f"{quoted}\n\nQuote it: {quoted}".encode()), (
        "a wrong draft leaves nothing behind"
    )
    drafted = sum(part.outputs - 1 for parts in rig.context.decodes for part in parts if part.outputs)
    assert rig.engine.drafted == drafted
    # Each decode that says anything says one token more than was right of its draft.
    assert rig.engine.accepted == len(quoted) + 1 - sum(part.outputs > 0 for (part,) in rig.context.decodes)


async def test_an_end_or_a_stop_or_the_limit_inside_a_draft_ends_the_answer_there(make_rig: MakeRig) -> None:
    # The model goes on as the drafts say, then ends where they do not.
    rig = make_rig("abcdefgh", "abcdefghijkl", "abcdefghijkl", pace=DRAFTS)
    assert told(await rig.ask("abcdefghijklmnop ")) == ("abcdefgh", "stop", 8)
    assert told(await rig.ask("abcdefghijklmnop ", stop=("ghi",))) == ("abcdef", "stop", 9)
    assert told(await rig.ask("abcdefghijklmnop ", 6)) == ("abcdef", "length", 6)


async def test_an_end_that_is_itself_drafted_ends_the_answer(make_rig: MakeRig) -> None:
    def reply() -> Iterator[int]:
        yield from b"abcdefgh\0"
        raise AssertionError("asked for more behind the end")

    rig = make_rig(reply(), pace=DRAFTS)
    assert told(await rig.ask("abcdefgh\0 ")) == ("abcdefgh", "stop", 8)
    assert any(0 in part.tokens and part.outputs > 1 for (part,) in rig.context.decodes)


async def test_nothing_is_drafted_that_would_lie_behind_the_limit(make_rig: MakeRig) -> None:
    rig = make_rig("abcdefghij", pace=DRAFTS)
    prompt = "abcdefghijklmnop "
    assert told(await rig.ask(prompt, 6)) == ("abcdef", "length", 6)
    assert max(part.start + len(part.tokens) for (part,) in rig.context.decodes) == len(prompt) + 5


async def test_drafts_that_are_always_wrong_stop(make_rig: MakeRig) -> None:
    # What follows "ab" is new every time.
    rig = make_rig(b"".join(b"ab" + bytes([new]) for new in range(128, 256)), pace=DRAFTS)
    await rig.ask("ab. ")
    drafted = [parts[0].outputs > 1 for parts in rig.context.decodes]
    assert sum(drafted) > 10
    assert not any(drafted[-100:])


async def test_memory_that_cannot_be_cut_is_never_drafted(make_rig: MakeRig) -> None:
    rig = make_rig("ababababab", cuttable=False, pace=DRAFTS)
    assert (await rig.ask("abababababab"))[0] == "ababababab"
    assert {part.outputs for parts in rig.context.decodes for part in parts} == {1}


# What is refused.


@pytest.mark.parametrize("length", [16, 17, 1000])
async def test_a_prompt_that_leaves_no_room_is_gen_003(make_rig: MakeRig, length: int) -> None:
    rig = make_rig("a", size=16)
    assert await rig.fail("p" * length) == "GEN-003"
    assert (await rig.ask("p" * 15))[0] == "a"


async def test_a_full_queue_is_gen_004_and_empties_again(make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "MAX_WAITING", 2)
    held = threading.Event()
    rig = make_rig(*"abcde", sequences=2, script=lambda call: 0 if held.wait(PATIENCE) else -1)
    # Two have a sequence, two wait.
    waiting = [asyncio.create_task(rig.ask("p")) for _ in range(4)]
    await asyncio.sleep(0)
    assert await rig.fail("p") == "GEN-004"
    held.set()
    await asyncio.gather(*waiting)
    assert (await rig.ask("p"))[0] == "e"


async def test_who_would_wait_too_long_is_gen_004_with_the_time_that_answers_really_take(
    make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, go = Clock(), threading.Semaphore(0)
    monkeypatch.setattr(engine_module, "time", SimpleNamespace(monotonic=clock))

    def script(call: int) -> int:
        clock.advance(3)
        return 0 if go.acquire(timeout=PATIENCE) else -1

    rig = make_rig(*"abcdefgh", script=script, patience=15)
    # Each answer takes two decodes, the prompt and its one token: 6 seconds. Until one is measured, 10 are guessed.
    running = [asyncio.create_task(rig.ask("p")) for _ in range(2)]
    await asyncio.sleep(0)
    assert (await rig.refuse("p")).data == {"seconds": 20}
    go.release(4)
    await asyncio.gather(*running)
    running = [asyncio.create_task(rig.ask("p")) for _ in range(3)]
    await asyncio.sleep(0)
    error = await rig.refuse("p")
    # What they waited themselves is no part of what they take.
    assert (error.code, error.data) == ("GEN-004", {"seconds": 18})
    go.release(6)
    await asyncio.gather(*running)
    assert rig.engine._answer_seconds == pytest.approx(6)


async def test_nobody_is_refused_while_a_sequence_is_free(make_rig: MakeRig) -> None:
    rig = make_rig(*"abc", sequences=3, patience=0.0)
    assert sorted([text for text, _ in await asyncio.gather(*(rig.ask("p") for _ in range(3)))]) == list("abc")


# Cancelling.


@pytest.mark.parametrize("heeds_abort", [True, False])
async def test_a_cancel_while_decoding_ends_it_within_one_token(make_rig: MakeRig, heeds_abort: bool) -> None:
    cancel = threading.Event()

    def script(call: int) -> int:
        if call == 5:
            cancel.set()
        return 0

    rig = make_rig(FOREVER, script=script, heeds_abort=heeds_abort)
    text, finish = await rig.ask("p", cancel=cancel)
    assert finish.reason == "cancelled"
    assert len(rig.context.pieces) == 5
    # Call 1 is the prompt. What was in the works when the cancel came may still leave.
    assert len(text) == finish.usage.completion_tokens == (4 if heeds_abort else 5)


@pytest.mark.parametrize("heeds_abort", [True, False])
async def test_a_cancel_while_prefilling_ends_it_within_one_piece(make_rig: MakeRig, heeds_abort: bool) -> None:
    cancel = threading.Event()

    def script(call: int) -> int:
        if call == 3:
            cancel.set()
        return 0

    rig = make_rig(FOREVER, script=script, batch_size=4, heeds_abort=heeds_abort)
    text, finish = await rig.ask("p" * 100, cancel=cancel)
    assert (text, finish.reason, finish.usage.completion_tokens) == ("", "cancelled", 0)
    assert len(rig.context.pieces) == 3


async def test_a_waiting_request_that_is_cancelled_gets_no_token_and_does_not_wait_for_the_others(
    make_rig: MakeRig,
) -> None:
    stop = threading.Event()
    rig = make_rig(FOREVER, "never said", size=10**9)
    running = rig.engine.generate([Message("user", "p")], Sampling(max_tokens=10**9), stop)
    async with aclosing(running):
        await until_text(running)
        cancel = threading.Event()
        second = asyncio.create_task(rig.ask("q", cancel=cancel))
        await asyncio.sleep(0)
        cancel.set()
        # The first one never ends by itself, so the second does not end behind it.
        text, finish = await second
        assert (text, finish) == ("", Finish("cancelled", Usage(1, 0, 0)))
        assert not stop.is_set()


async def test_a_request_that_is_cancelled_before_it_begins_computes_nothing(make_rig: MakeRig) -> None:
    rig = make_rig(FOREVER)
    cancel = threading.Event()
    cancel.set()
    assert (await rig.ask("p", cancel=cancel))[1].reason == "cancelled"
    assert rig.context.pieces == []


async def test_closing_the_iterator_cancels_the_answer_and_the_next_one_is_served(make_rig: MakeRig) -> None:
    rig = make_rig(FOREVER, "next", size=10**9)
    cancel = threading.Event()
    running = rig.engine.generate([Message("user", "p")], Sampling(max_tokens=10**9), cancel)
    await until_text(running)
    await running.aclose()
    assert cancel.is_set()
    assert (await rig.ask("q"))[0] == "next"


async def test_a_reader_that_is_cancelled_while_it_waits_cancels_the_answer(make_rig: MakeRig) -> None:
    entered, held = threading.Event(), threading.Event()

    def script(call: int) -> int:
        entered.set()
        return 0 if held.wait(PATIENCE) else -1

    rig = make_rig(FOREVER, "next", script=script)
    cancel = threading.Event()
    reader = asyncio.create_task(rig.ask("p", cancel=cancel))
    assert await asyncio.to_thread(entered.wait, PATIENCE)
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert cancel.is_set()
    held.set()
    assert (await rig.ask("q"))[0] == "next"


async def test_a_closed_iterator_lets_one_that_waits_have_its_sequence(make_rig: MakeRig) -> None:
    rig = make_rig(FOREVER, FOREVER, "third", sequences=2, size=10**9)
    first, second = rig.run(), rig.run()
    async with aclosing(second):
        await until_text(first)
        await until_text(second)
        third = asyncio.create_task(rig.ask("q"))
        await until(lambda: rig.engine._waiting)
        await first.aclose()
        assert (await third)[0] == "third"


@pytest.mark.parametrize("pace", [NO_DRAFTS, DRAFTS], ids=["no drafts", "drafts"])
@pytest.mark.parametrize("heeds_abort", [True, False])
async def test_cancelled_neighbours_change_nothing(make_rig: MakeRig, pace: Pace, heeds_abort: bool) -> None:
    cancels = {number: threading.Event() for number in range(0, 16, 2)}

    def script(call: int) -> int:
        if call % 3 == 0 and call // 3 * 2 in cancels:
            cancels[call // 3 * 2].set()
        return 0

    rig = make_rig(language=True, pace=pace, sequences=6, batch_size=20, script=script, heeds_abort=heeds_abort)
    calls = [rig.ask(prompt, 60, cancels.get(number)) for number, prompt in enumerate(PROMPTS)]
    answers = await asyncio.gather(*calls)
    for number, (prompt, answer) in enumerate(zip(PROMPTS, answers, strict=True)):
        if number not in cancels:
            assert told(answer) == alone(prompt, 60)
        elif answer[1].reason == "cancelled":
            assert alone(prompt, 60)[0].startswith(answer[0])
    assert any(finish.reason == "cancelled" for _, finish in answers)
    # And nothing that was left behind is taken for a prefix.
    answers = await asyncio.gather(*(rig.ask(prompt, 60) for prompt in PROMPTS))
    assert [told(answer) for answer in answers] == [alone(prompt, 60) for prompt in PROMPTS]


async def test_a_decode_for_several_is_not_aborted_for_one(make_rig: MakeRig) -> None:
    cancel = threading.Event()
    rig = make_rig(FOREVER, FOREVER, sequences=2, script=lambda call: 0 if call != 9 else cancel.set() or 0)
    cancelled, whole = await asyncio.gather(rig.ask("p", 100, cancel), rig.ask("q", 100))
    assert cancelled[1].reason == "cancelled"
    assert whole[0] == "x" * 100
    assert set(rig.context.codes) == {0}


# What is remembered.


async def test_a_prompt_that_begins_like_the_last_one_computes_only_the_rest(make_rig: MakeRig) -> None:
    rig = make_rig("A", "B", "C")
    await rig.ask("system; question one")
    text, finish = await rig.ask("system; question two")
    assert text == "B"
    assert finish.usage == Usage(prompt_tokens=20, cached_tokens=17, completion_tokens=1)
    assert bytes(rig.context.pieces[-2]) == b"two"
    assert rig.samplers.began[1] == list(b"system; question two")
    # Another beginning shares nothing.
    assert (await rig.ask("other"))[1].usage.cached_tokens == 0
    assert rig.samplers.began[2] == list(b"other")


async def test_the_answer_is_part_of_what_is_remembered(make_rig: MakeRig) -> None:
    rig = make_rig("answer", "B")
    await rig.ask("question ")
    _, finish = await rig.ask("question answer more")
    assert finish.usage.cached_tokens == len("question answer")


async def test_the_last_tokens_of_a_prompt_are_always_computed(make_rig: MakeRig) -> None:
    # Sampling needs a row, even where the whole prompt is remembered.
    rig = make_rig("A", "B")
    await rig.ask("same")
    text, finish = await rig.ask("same")
    assert text == "B"
    assert finish.usage.cached_tokens == len("same") - LEFT
    assert rig.samplers.began[1] == list(b"same")


@pytest.mark.parametrize("length", [16, 17, 18, 25, 33, 50])
async def test_the_last_row_of_a_prompt_is_not_computed_alone(make_rig: MakeRig, length: int) -> None:
    # It may round otherwise, and the answer would hang on what was in memory or who else was there.
    rig = make_rig(FOREVER, *"1234567", sequences=2, size=10**9, batch_size=16, pace=Pace(piece=8))
    running = rig.run("p")
    async with aclosing(running):
        await until_text(running)
        for cached in (0, 5, length - 9, length - 2, length):
            await rig.ask(("q" * cached).ljust(length, "r"), 1)
    pieces = [part.tokens for parts in rig.context.decodes for part in parts if part.sequence != rig.sequence("p")]
    assert min(map(len, pieces)) > 1


async def test_memory_that_cannot_be_cut_is_computed_anew(make_rig: MakeRig) -> None:
    rig = make_rig("A", "B", cuttable=False)
    await rig.ask("question one")
    text, finish = await rig.ask("question two")
    assert (text, finish.usage.cached_tokens) == ("B", 0)
    assert rig.samplers.began[1] == list(b"question two")


@pytest.mark.parametrize("cuttable", [True, False])
async def test_rows_of_an_aborted_prefill_are_not_reused(make_rig: MakeRig, cuttable: bool) -> None:
    cancel = threading.Event()

    def script(call: int) -> int:
        if call != 3:
            return 0
        cancel.set()
        return ABORTED

    rig = make_rig("A", "B", script=script, batch_size=4, cuttable=cuttable)
    await rig.ask("0123456789abcdef", cancel=cancel)
    text, finish = await rig.ask("0123456789abcdef")
    assert (text, finish.usage.cached_tokens) == ("B", 8 if cuttable else 0)
    assert rig.samplers.began[-1] == list(b"0123456789abcdef")


async def test_rows_of_an_aborted_token_are_not_reused(make_rig: MakeRig) -> None:
    cancel = threading.Event()

    def script(call: int) -> int:
        if call != 3:
            return 0
        cancel.set()
        return ABORTED

    rig = make_rig(FOREVER, "B", script=script)
    await rig.ask("p", cancel=cancel)
    _, finish = await rig.ask("pxxx")
    # The prompt and the one token that was computed.
    assert finish.usage.cached_tokens == 2
    assert rig.samplers.began[-1] == list(b"pxxx")


async def test_a_prefix_in_use_is_copied_for_another_sequence(make_rig: MakeRig) -> None:
    rig = make_rig(FOREVER, "B", "C", sequences=2, size=10**9)
    system = "the same beginning " * 5
    running = rig.run(system + "one")
    async with aclosing(running):
        await until_text(running)
        text, finish = await rig.ask(system + "two")
        assert (text, finish.usage.cached_tokens) == ("B", len(system))
        assert rig.context.copies == [(0, 1)]
        assert rig.samplers.began[1] == list(f"{system}two".encode())
        # Now the other sequence holds it too.
        assert (await rig.ask(system + "two, three"))[1].usage.cached_tokens == len(system) + 3
        assert len(rig.context.copies) == 1


async def test_a_copy_that_fails_is_computed_instead(make_rig: MakeRig) -> None:
    rig = make_rig(FOREVER, "B", sequences=2, size=10**9, copyable=False)
    system = "the same beginning " * 5
    running = rig.run(system + "one")
    async with aclosing(running):
        await until_text(running)
        text, finish = await rig.ask(system + "two")
    assert (text, finish.usage.cached_tokens) == ("B", 0)
    assert rig.context.copies == [(0, 1)]
    assert rig.samplers.began[1] == list(f"{system}two".encode())


async def test_memory_that_does_not_let_itself_be_cut_is_computed_anew(make_rig: MakeRig) -> None:
    rig = make_rig("A", "B", stubborn=True)
    await rig.ask("question one")
    text, finish = await rig.ask("question two")
    assert (text, finish.usage.cached_tokens) == ("B", 0)
    assert rig.samplers.began[1] == list(b"question two")


async def test_what_was_used_last_is_remembered_longest(make_rig: MakeRig) -> None:
    rig = make_rig(*"1234567", sequences=2)
    cached = [(await rig.ask(letter * 10))[1].usage.cached_tokens for letter in "abacabc"]
    # c takes the place of b, then b that of a, and c is found again only if it is asked for sooner.
    assert cached == [0, 0, 10 - LEFT, 0, 10 - LEFT, 0, 0]


async def test_memory_that_cannot_be_cut_is_reused_as_a_whole(make_rig: MakeRig) -> None:
    rig = make_rig("answer", "B", "C", cuttable=False)
    await rig.ask("question ")
    text, finish = await rig.ask("question answer more")
    assert (text, finish.usage.cached_tokens) == ("B", len("question answer"))
    assert rig.samplers.began[1] == list(b"question answer more")
    # One token of it is to be computed anew, so nothing of it can be kept.
    assert (await rig.ask("question answer moreB"))[1].usage.cached_tokens == 0


# Failing.


@pytest.mark.parametrize("code", [1, -1, -3])
@pytest.mark.parametrize("call", [1, 2, 4])
async def test_a_failed_decode_is_gen_999_and_the_next_request_starts_clean(
    make_rig: MakeRig, code: int, call: int
) -> None:
    rig = make_rig(FOREVER, "next", batch_size=4, script=lambda number: code if number == call else 0)
    assert await rig.fail("0123456") == "GEN-999"
    text, finish = await rig.ask("0123456")
    assert (text, finish.usage.cached_tokens) == ("next", 0)
    assert rig.samplers.began[-1] == list(b"0123456")


async def test_an_exception_on_the_thread_is_gen_999_and_the_thread_lives_on(make_rig: MakeRig) -> None:
    def reply() -> Iterator[int]:
        yield ord("a")
        raise OSError("scripted")

    rig = make_rig(reply(), "next")
    assert await rig.fail("p") == "GEN-999"
    assert (await rig.ask("p"))[0] == "next"


@pytest.mark.parametrize("cuttable", [True, False])
@pytest.mark.parametrize("pace", [NO_DRAFTS, DRAFTS], ids=["no drafts", "drafts"])
@pytest.mark.parametrize("call", [1, 2, 7, 20])
async def test_a_decode_without_room_is_tried_again_without_what_nobody_uses(
    make_rig: MakeRig, call: int, pace: Pace, cuttable: bool
) -> None:
    calls = itertools.count(1)
    failing = False
    rig = make_rig(
        language=True,
        pace=pace,
        cuttable=cuttable,
        sequences=4,
        batch_size=24,
        script=lambda number: NO_ROOM if failing and next(calls) == call else 0,
    )
    await rig.ask("remembered " * 3, 4)
    failing = True
    answers = await asyncio.gather(*(rig.ask(prompt, 40) for prompt in PROMPTS[:3]))
    assert [told(answer) for answer in answers] == [alone(prompt, 40) for prompt in PROMPTS[:3]]
    assert next(calls) > call
    assert all(not rig.context.rows(number) for number in range(4) if rig.context.rows(number)[:3] == list(b"rem"))


@pytest.mark.parametrize("pace", [NO_DRAFTS, DRAFTS], ids=["no drafts", "drafts"])
@pytest.mark.parametrize("cuttable", [True, False])
@pytest.mark.parametrize("code", [NO_ROOM, -1, -3])
async def test_only_the_one_at_fault_fails(make_rig: MakeRig, code: int, cuttable: bool, pace: Pace) -> None:
    """One request cannot be computed any more once it is written; others are written beside it all the time."""
    broken = "broken " * 8
    at_fault = 0

    def script(call: int) -> int:
        nonlocal at_fault
        if not rig.touches(broken) or len(rig.context.rows(rig.sequence(broken))) < len(broken) + 3:
            return 0
        at_fault += 1
        return code

    rig = make_rig(language=True, pace=pace, sequences=5, batch_size=24, cuttable=cuttable, script=script)
    prompts = PROMPTS[:4]
    failed, *answers = await asyncio.gather(rig.fail(broken), *(rig.ask(prompt, 60) for prompt in prompts))
    assert failed == "GEN-999"
    # Together, then alone; without a cut all of it is computed once more before it fails again.
    assert at_fault <= (2 if cuttable else 8)
    assert [told(answer) for answer in answers] == [alone(prompt, 60) for prompt in prompts]
    assert told(await rig.ask(PROMPTS[5], 60)) == alone(PROMPTS[5], 60)


@pytest.mark.parametrize("cuttable", [True, False])
async def test_an_abort_that_nobody_asked_for_is_tried_again(make_rig: MakeRig, cuttable: bool) -> None:
    rig = make_rig(
        language=True, sequences=3, cuttable=cuttable, pace=DRAFTS, script=lambda call: ABORTED if call % 5 == 0 else 0
    )
    answers = await asyncio.gather(*(rig.ask(prompt, 20) for prompt in PROMPTS))
    assert [told(answer) for answer in answers] == [alone(prompt, 20) for prompt in PROMPTS]


async def test_an_exception_of_the_library_is_a_failed_decode(make_rig: MakeRig) -> None:
    rig = make_rig(FOREVER, "next", script=lambda call: 1 // 0 if call == 3 else 0)
    assert await rig.fail("p") == "GEN-999"
    assert (await rig.ask("p"))[0] == "next"


async def test_an_exception_in_a_sampler_fails_only_its_request(make_rig: MakeRig) -> None:
    def reply() -> Iterator[int]:
        yield from b"ab"
        raise OSError("scripted")

    rig = make_rig("a" * 9, reply(), "c" * 9, "next", sequences=3, pace=DRAFTS)
    calls = [rig.tokens("p") for _ in range(3)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    failed = [answer for answer in answers if isinstance(answer, RagError)]
    assert [error.code for error in failed] == ["GEN-999"]
    said = ["".join(token.text for token in answer) for answer in answers if isinstance(answer, list)]
    assert sorted(said) == ["a" * 9, "c" * 9]
    assert (await rig.ask("p"))[0] == "next"


async def test_a_sampler_that_cannot_be_made_fails_only_its_request(
    make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(sampling: Sampling) -> ScriptedSampler:
        if sampling.max_tokens == 13:
            raise OSError("scripted")
        return rig.samplers(sampling)

    rig = make_rig("x" * 9, "next", sequences=2)
    monkeypatch.setattr(rig.engine, "_make_sampler", make)
    whole, failed = await asyncio.gather(rig.ask("p"), rig.ask("q", 13), return_exceptions=True)
    assert isinstance(failed, RagError)
    assert failed.code == "GEN-999"
    assert isinstance(whole, tuple)
    assert whole[0] == "x" * 9
    assert (await rig.ask("q"))[0] == "next"


async def test_a_prompt_that_cannot_be_rendered_takes_no_place_in_the_queue(
    make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "MAX_WAITING", 0)
    rig = make_rig("a")
    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(rig.model, "prompt_tokens", lambda messages: 1 // 0)
        await rig.ask("p")
    assert (await rig.ask("p"))[0] == "a"


# Closing.


async def test_close_ends_the_running_and_the_waiting_answers(make_rig: MakeRig) -> None:
    rig = make_rig(FOREVER, "never said", size=10**9)
    running = asyncio.create_task(rig.fail("p"))
    waiting = asyncio.create_task(rig.fail("q"))
    await until(lambda: rig.context.pieces)
    async with asyncio.timeout(PATIENCE):
        await asyncio.to_thread(rig.engine.close)
        assert await running == "GEN-999"
        assert await waiting == "GEN-999"
    assert rig.context.closed


@pytest.mark.parametrize("pace", [NO_DRAFTS, DRAFTS], ids=["no drafts", "drafts"])
async def test_close_ends_many_at_once(make_rig: MakeRig, pace: Pace) -> None:
    rig = make_rig(*[FOREVER] * 8, sequences=8, size=10**9, pace=pace)
    asked = [asyncio.create_task(rig.fail(f"{number} p")) for number in range(20)]
    await until(lambda: len(rig.engine._waiting) == 12)
    async with asyncio.timeout(PATIENCE):
        await asyncio.to_thread(rig.engine.close)
        assert await asyncio.gather(*asked) == ["GEN-999"] * 20


async def test_close_while_prefilling_ends_it_within_one_piece(make_rig: MakeRig) -> None:
    entered, closing = threading.Event(), threading.Event()

    def script(call: int) -> int:
        entered.set()
        return 0 if closing.wait(PATIENCE) else -1

    rig = make_rig(FOREVER, batch_size=4, script=script)
    running = asyncio.create_task(rig.fail("p" * 1000))
    assert await asyncio.to_thread(entered.wait, PATIENCE)
    closed = asyncio.create_task(asyncio.to_thread(rig.engine.close))
    await until(rig.engine._closing.is_set)
    closing.set()
    await closed
    assert await running == "GEN-999"
    assert rig.context.codes == [ABORTED]


async def test_close_begins_nothing_more(make_rig: MakeRig) -> None:
    closing = threading.Event()

    def script(call: int) -> int:
        if call == 1:
            wait_for(lambda: rig.engine._commands.qsize() == 2)
        return 0 if call == 1 or closing.wait(PATIENCE) else -1

    rig = make_rig(FOREVER, FOREVER, FOREVER, sequences=3, script=script)
    asked = [asyncio.create_task(rig.fail("p"))]
    await until(lambda: rig.context.decodes)
    asked += [asyncio.create_task(rig.fail("q")) for _ in range(2)]
    await until(lambda: len(rig.context.decodes) == 2)
    closed = asyncio.create_task(asyncio.to_thread(rig.engine.close))
    await until(rig.engine._closing.is_set)
    closing.set()
    await closed
    assert await asyncio.gather(*asked) == ["GEN-999"] * 3
    assert rig.context.codes == [0, ABORTED]


async def test_a_closed_engine_refuses_instead_of_keeping_one_waiting(make_rig: MakeRig) -> None:
    rig = make_rig("a")
    await asyncio.to_thread(rig.engine.close)
    assert await rig.fail("p") == "GEN-999"


def test_close_after_the_event_loop_is_gone_does_not_hang() -> None:
    rig = Rig([FOREVER], size=10**9)

    async def begin() -> object:
        running = rig.engine.generate([Message("user", "p")], Sampling(max_tokens=10**9), threading.Event())
        await until_text(running)
        return running

    loop = asyncio.new_event_loop()
    running = loop.run_until_complete(begin())
    loop.close()
    rig.engine.close()
    assert rig.context.closed
    del running


# The event loop.


async def test_the_event_loop_is_free_while_the_model_computes(make_rig: MakeRig) -> None:
    came_round = threading.Event()
    loop = asyncio.get_running_loop()

    def script(call: int) -> int:
        # Computes until the loop has come round; a loop that waited for it would never do so.
        loop.call_soon_threadsafe(came_round.set)
        return 0 if came_round.wait(PATIENCE) else -1

    assert (await make_rig("ok", script=script).ask("p"))[0] == "ok"


async def test_prompts_are_tokenized_off_the_event_loop(make_rig: MakeRig) -> None:
    rig = make_rig("a")
    await rig.ask("p")
    assert threading.get_ident() not in rig.model.threads
