"""The decode thread, with scripted parts: what comes out, when it stops, and what it may remember."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import aclosing
from typing import Any

import pytest

from rag import engine as engine_module
from rag.engine import ABORTED, Engine
from rag.errors import RagError
from rag.types import Finish, Message, Sampling, Token, Usage
from tests.fakes import END, PATIENCE, ScriptedContext, ScriptedModel, ScriptedSamplers, until

FOREVER: Iterable[int] = itertools.repeat(ord("x"))


class Rig:
    """An engine on scripted parts."""

    def __init__(self, replies: Sequence[Iterable[int]], **context: Any) -> None:
        self.model = ScriptedModel()
        self.context = ScriptedContext(**context)
        self.samplers = ScriptedSamplers(self.context, iter(replies))
        self.engine = Engine(self.model, self.context, self.samplers)

    async def ask(
        self,
        prompt: str,
        max_tokens: int = 10**6,
        cancel: threading.Event | None = None,
        choices: Sequence[str] = (),
    ) -> tuple[list[str], Finish]:
        """The texts of the tokens, and how it ended."""
        tokens: list[Token] = []
        async with asyncio.timeout(PATIENCE):
            messages = [Message("user", prompt)]
            sampling = Sampling(max_tokens=max_tokens)
            async for token in self.engine.generate(messages, sampling, cancel or threading.Event(), choices):
                tokens.append(token)
        assert all(token.finish is None for token in tokens[:-1])
        assert tokens[-1].finish is not None
        return [token.text for token in tokens if token.text], tokens[-1].finish

    async def fail(self, prompt: str, cancel: threading.Event | None = None) -> str:
        with pytest.raises(RagError) as caught:
            await self.ask(prompt, cancel=cancel)
        return caught.value.code


MakeRig = Callable[..., Rig]


@pytest.fixture
def make_rig() -> Iterator[MakeRig]:
    made: list[Rig] = []

    def make(*replies: Iterable[int] | str, **context: Any) -> Rig:
        made.append(Rig([reply.encode() if isinstance(reply, str) else reply for reply in replies], **context))
        return made[-1]

    yield make
    for rig in made:
        rig.engine.close()
        assert rig.context.closed
        assert rig.samplers.open == 0


# What comes out.


async def test_tokens_come_in_order_until_the_end_of_generation(make_rig: MakeRig) -> None:
    texts, finish = await make_rig("Hello").ask("prompt")
    assert texts == list("Hello")
    assert finish == Finish("stop", Usage(prompt_tokens=6, cached_tokens=0, completion_tokens=5))


async def test_half_a_character_is_held_until_the_other_half_comes(make_rig: MakeRig) -> None:
    texts, finish = await make_rig("안녕 é🙂!").ask("질문")
    assert texts == list("안녕 é🙂!")
    assert finish.usage.completion_tokens == len("안녕 é🙂!".encode())


async def test_half_a_character_at_the_end_never_leaves(make_rig: MakeRig) -> None:
    rig = make_rig([*"a가".encode()[:-1], END], "a가")
    assert (await rig.ask("p"))[0] == ["a"]
    # The same where the limit cuts the character.
    texts, finish = await rig.ask("p", max_tokens=3)
    assert texts == ["a"]
    assert finish.reason == "length"


async def test_bytes_that_are_no_utf_8_are_replaced(make_rig: MakeRig) -> None:
    texts, _ = await make_rig([0xFF, ord("a")]).ask("p")
    assert "".join(texts) == "\ufffda"


async def test_an_answer_ends_at_its_limit_with_the_last_token_in_it(make_rig: MakeRig) -> None:
    rig = make_rig("abcdef")
    texts, finish = await rig.ask("p", max_tokens=3)
    assert texts == list("abc")
    assert (finish.reason, finish.usage.completion_tokens) == ("length", 3)
    # What nothing will follow is not computed.
    assert len(rig.context.pieces) == 3


async def test_an_answer_ends_where_the_context_is_full(make_rig: MakeRig) -> None:
    texts, finish = await make_rig(FOREVER, size=16).ask("p" * 10)
    assert texts == ["x"] * 6
    assert finish.reason == "length"


async def test_an_end_at_once_is_an_empty_answer(make_rig: MakeRig) -> None:
    texts, finish = await make_rig("").ask("p")
    assert texts == []
    assert finish.reason == "stop"


async def test_with_choices_the_answer_is_one_of_them_and_the_model_decides_which(make_rig: MakeRig) -> None:
    choices = ["말: 나비", "말: 나무", "말: 하늘"]
    rig = make_rig("?????나무!!!", "말: 하늘 and more", "zzzzzzzzzzzz", choices[0] + "도")
    for expected in ("말: 나무", "말: 하늘"):
        texts, finish = await rig.ask("p", choices=choices)
        assert "".join(texts) == expected
        assert (finish.reason, finish.usage.completion_tokens) == ("stop", len(expected.encode()))
    texts, _ = await rig.ask("p", choices=choices, max_tokens=2)
    assert "".join(texts) in choices, "a limit does not cut a quotation"
    texts, _ = await rig.ask("p", choices=[*choices, choices[0] + "도"])
    assert "".join(texts) == choices[0] + "도"


async def test_an_answer_from_choices_can_be_cancelled(make_rig: MakeRig) -> None:
    cancel = threading.Event()
    rig = make_rig("", script=lambda call: 0 if call < 4 else cancel.set() or 0)
    texts, finish = await rig.ask("p", cancel=cancel, choices=["a" * 100])
    assert finish.reason == "cancelled"
    assert len(texts) < 10


async def test_a_prompt_is_computed_in_pieces_that_fit_the_batch(make_rig: MakeRig) -> None:
    rig = make_rig("a", batch_size=4)
    await rig.ask("0123456789")
    assert [bytes(piece) for piece in rig.context.pieces[:3]] == [b"0123", b"4567", b"89"]
    assert rig.samplers.began == [list(b"0123456789")]


async def test_requests_that_come_at_once_are_each_answered_whole(make_rig: MakeRig) -> None:
    rig = make_rig("one", "two", "three")
    answers = await asyncio.gather(*(rig.ask("p") for _ in range(3)))
    assert sorted("".join(texts) for texts, _ in answers) == ["one", "three", "two"]


async def test_the_same_prompt_gives_the_model_and_its_sizes(make_rig: MakeRig) -> None:
    rig = make_rig(size=99)
    assert (rig.engine.name, rig.engine.context, rig.engine.parameters) == ("scripted", 99, 7_000_000_000)
    assert rig.engine.count([Message("user", "가나")]) == 6


# What is refused.


@pytest.mark.parametrize("length", [16, 17, 1000])
async def test_a_prompt_that_leaves_no_room_is_gen_003(make_rig: MakeRig, length: int) -> None:
    rig = make_rig("a", size=16)
    assert await rig.fail("p" * length) == "GEN-003"
    assert (await rig.ask("p" * 15))[0] == ["a"]


async def test_a_full_queue_is_gen_004_and_empties_again(make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "MAX_WAITING", 2)
    held = threading.Event()
    rig = make_rig("a", "b", "c", script=lambda call: 0 if held.wait(PATIENCE) else -1)
    waiting = [asyncio.create_task(rig.ask("p")) for _ in range(2)]
    await asyncio.sleep(0)
    assert await rig.fail("p") == "GEN-004"
    held.set()
    await asyncio.gather(*waiting)
    assert (await rig.ask("p"))[0] == ["c"]


# Cancelling.


@pytest.mark.parametrize("heeds_abort", [True, False])
async def test_a_cancel_while_decoding_ends_it_within_one_token(make_rig: MakeRig, heeds_abort: bool) -> None:
    cancel = threading.Event()

    def script(call: int) -> int:
        if call == 5:
            cancel.set()
        return 0

    rig = make_rig(FOREVER, script=script, heeds_abort=heeds_abort)
    texts, finish = await rig.ask("p", cancel=cancel)
    assert finish.reason == "cancelled"
    assert len(rig.context.pieces) == 5
    # Call 1 is the prompt. What was in the works when the cancel came may still leave.
    assert len(texts) == finish.usage.completion_tokens == (4 if heeds_abort else 5)


@pytest.mark.parametrize("heeds_abort", [True, False])
async def test_a_cancel_while_prefilling_ends_it_within_one_piece(make_rig: MakeRig, heeds_abort: bool) -> None:
    cancel = threading.Event()

    def script(call: int) -> int:
        if call == 3:
            cancel.set()
        return 0

    rig = make_rig(FOREVER, script=script, batch_size=4, heeds_abort=heeds_abort)
    texts, finish = await rig.ask("p" * 100, cancel=cancel)
    assert (texts, finish.reason, finish.usage.completion_tokens) == ([], "cancelled", 0)
    assert len(rig.context.pieces) == 3


async def test_a_waiting_request_that_is_cancelled_gets_no_token_and_does_not_wait_for_the_others(
    make_rig: MakeRig,
) -> None:
    stop = threading.Event()
    rig = make_rig(FOREVER, "never said", size=10**9)
    running = rig.engine.generate([Message("user", "p")], Sampling(max_tokens=10**9), stop)
    async with aclosing(running):
        await anext(running)
        cancel = threading.Event()
        second = asyncio.create_task(rig.ask("q", cancel=cancel))
        await asyncio.sleep(0)
        cancel.set()
        # The first one never ends by itself, so the second does not end behind it.
        texts, finish = await second
        assert (texts, finish) == ([], Finish("cancelled", Usage(1, 0, 0)))
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
    await anext(running)
    await running.aclose()
    assert cancel.is_set()
    assert (await rig.ask("q"))[0] == list("next")


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
    assert (await rig.ask("q"))[0] == list("next")


# What is remembered.


async def test_a_prompt_that_begins_like_the_last_one_computes_only_the_rest(make_rig: MakeRig) -> None:
    rig = make_rig("A", "B", "C")
    await rig.ask("system; question one")
    texts, finish = await rig.ask("system; question two")
    assert texts == ["B"]
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


async def test_the_last_token_of_a_prompt_is_always_computed(make_rig: MakeRig) -> None:
    # Sampling needs its row, even where the whole prompt is remembered.
    rig = make_rig("A", "B")
    await rig.ask("same")
    texts, finish = await rig.ask("same")
    assert texts == ["B"]
    assert finish.usage.cached_tokens == 3
    assert rig.samplers.began[1] == list(b"same")


async def test_memory_that_cannot_be_cut_is_computed_anew(make_rig: MakeRig) -> None:
    rig = make_rig("A", "B", cuttable=False)
    await rig.ask("question one")
    texts, finish = await rig.ask("question two")
    assert (texts, finish.usage.cached_tokens) == (["B"], 0)
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
    texts, finish = await rig.ask("0123456789abcdef")
    assert (texts, finish.usage.cached_tokens) == (["B"], 8 if cuttable else 0)
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


# Failing.


@pytest.mark.parametrize("code", [1, -1, -3])
@pytest.mark.parametrize("call", [1, 2, 4])
async def test_a_failed_decode_is_gen_999_and_the_next_request_starts_clean(
    make_rig: MakeRig, code: int, call: int
) -> None:
    rig = make_rig(FOREVER, "next", batch_size=4, script=lambda number: code if number == call else 0)
    assert await rig.fail("0123456") == "GEN-999"
    texts, finish = await rig.ask("0123456")
    assert (texts, finish.usage.cached_tokens) == (list("next"), 0)
    assert rig.samplers.began[-1] == list(b"0123456")


async def test_an_exception_on_the_thread_is_gen_999_and_the_thread_lives_on(make_rig: MakeRig) -> None:
    def reply() -> Iterator[int]:
        yield ord("a")
        raise OSError("scripted")

    rig = make_rig(reply(), "next")
    assert await rig.fail("p") == "GEN-999"
    assert (await rig.ask("p"))[0] == list("next")


async def test_a_prompt_that_cannot_be_rendered_takes_no_place_in_the_queue(
    make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "MAX_WAITING", 1)
    rig = make_rig("a")
    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(rig.model, "prompt_tokens", lambda messages: 1 // 0)
        await rig.ask("p")
    assert (await rig.ask("p"))[0] == ["a"]


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
    assert len(rig.context.pieces) == 1


async def test_a_closed_engine_refuses_instead_of_keeping_one_waiting(make_rig: MakeRig) -> None:
    rig = make_rig("a")
    await asyncio.to_thread(rig.engine.close)
    assert await rig.fail("p") == "GEN-999"


def test_close_after_the_event_loop_is_gone_does_not_hang() -> None:
    rig = Rig([FOREVER], size=10**9)

    async def begin() -> object:
        running = rig.engine.generate([Message("user", "p")], Sampling(max_tokens=10**9), threading.Event())
        await anext(running)
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

    texts, _ = await make_rig("ok", script=script).ask("p")
    assert texts == ["o", "k"]


async def test_prompts_are_tokenized_off_the_event_loop(make_rig: MakeRig) -> None:
    rig = make_rig("a")
    await rig.ask("p")
    assert threading.get_ident() not in rig.model.threads
