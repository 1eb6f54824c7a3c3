"""How the engine is set up: what was measured, what memory allows, and settings over both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from rag.llama import Context, Model
from rag.settings import load
from rag.tuning import Tuning, alike_together, plan_engine, tune
from rag.types import Rows

GIB = 2**30
COST = ((1, 0.01), (8, 0.02))
MEASURED = Tuning(True, "q8_0", 2, 3, 64, prefill=300.0, decode=100.0, bytes_per_token=12_240, cost=COST)


def test_what_was_measured_is_used() -> None:
    made = plan_engine(load({}, {}), MEASURED, 8192, 24 * GIB)
    assert (made.flash_attention, made.kv_type, made.cost) == (True, "q8_0", COST)
    assert (made.threads, made.batch_threads, made.batch) == (2, 3, 64)


def test_settings_come_before_what_was_measured() -> None:
    flags = {"threads": "7", "batch": "32", "ctx": "1000", "sequences": "5", "kv_type": "f16", "flash_attention": "off"}
    made = plan_engine(load(flags, {}), MEASURED, 8192, 24 * GIB)
    assert (made.threads, made.batch_threads, made.batch, made.context, made.sequences) == (7, 7, 32, 1000, 5)
    assert (made.kv_type, made.flash_attention) == ("f16", False)
    assert plan_engine(load({"draft": "off"}, {}), MEASURED, 8192, 0).cost == ()
    assert plan_engine(load({"draft": "on"}, {}), replace(MEASURED, cost=()), 8192, 0).cost


def test_a_quantised_memory_has_flash_attention() -> None:
    made = plan_engine(load({"kv_type": "q8_0", "flash_attention": "off"}, {}), MEASURED, 8192, 0)
    assert made.flash_attention


@pytest.mark.parametrize(
    ("bytes_per_token", "memory", "sequences"),
    [
        (12_240, 24 * GIB, 8),
        (12_240, 2 * GIB, 3),
        (131_072, 24 * GIB, 4),
        (131_072, 4 * GIB, 1),
        (131_072, 0, 1),
        (0, 24 * GIB, 8),
    ],
)
def test_as_many_sequences_as_an_eighth_of_the_memory_holds(bytes_per_token: int, memory: int, sequences: int) -> None:
    tuning = replace(MEASURED, bytes_per_token=bytes_per_token)
    assert plan_engine(load({}, {}), tuning, 8192, memory).sequences == sequences


@pytest.mark.parametrize(("train", "context"), [(2048, 2048), (6144, 6144), (131_072, 6144)])
def test_the_context_is_the_models_own_up_to_a_limit(train: int, context: int) -> None:
    assert plan_engine(load({}, {}), MEASURED, train, 0).context == context


def test_a_batch_has_a_row_for_each_sequence_and_fits_the_context() -> None:
    assert plan_engine(load({"sequences": "100"}, {}), MEASURED, 8192, 0).batch == 100
    assert plan_engine(load({"ctx": "40", "batch": "512"}, {}), MEASURED, 8192, 0).batch == 40


@pytest.mark.parametrize(("prefill", "piece"), [(300.0, 150), (5.0, 16), (100_000.0, 50_000)])
def test_a_piece_of_a_prompt_delays_a_running_answer_by_half_a_second(prefill: float, piece: int) -> None:
    assert plan_engine(load({}, {}), replace(MEASURED, prefill=prefill), 8192, 0).piece == piece


# Measured with the real model.


@pytest.fixture(scope="module")
def model(starter_models: Path) -> Iterator[Model]:
    loaded = Model(starter_models / "SmolLM2-135M-Instruct.Q4_1.gguf")
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def tuning(model: Model) -> Tuning:
    return tune(model, 2)


@pytest.mark.model
def test_everything_is_measured(tuning: Tuning, model: Model) -> None:
    assert tuning.prefill > 1
    assert tuning.decode > 1
    assert tuning.threads in (1, 2)
    assert tuning.batch_threads in (1, 2)
    # 30 layers, 3 heads of 64 numbers, values in 2 bytes, keys in 2 or 34/32.
    exact = 30 * 3 * 64 * (2 + (34 / 32 if tuning.kv_type == "mixed" else 2))
    assert tuning.bytes_per_token == pytest.approx(exact, rel=0.05)


@pytest.mark.model
def test_the_cost_of_rows_rises_and_begins_with_one(tuning: Tuning) -> None:
    if not tuning.cost:
        pytest.skip("another choice was faster here, with which drafts would change answers")
    rows, seconds = zip(*tuning.cost, strict=True)
    assert rows == (1, 2, 4, 8, 16, 32)
    assert list(seconds) == sorted(seconds)


@pytest.mark.model
@pytest.mark.parametrize("path", ["recurrent_model", "hybrid_model", "sliding_model"])
def test_models_with_other_memories_are_measured_too(path: str, request: pytest.FixtureRequest) -> None:
    other = Model(request.getfixturevalue(path))
    found = tune(other, 1)
    assert found.decode > 1
    context = Context(other, tokens=64, batch=64, threads=1)
    assert not found.cost or context.cuttable
    context.close()
    other.close()


@pytest.mark.model
@pytest.mark.parametrize("path", ["recurrent_model", "hybrid_model", "sliding_model"])
def test_without_extra_buffer_types_chats_that_are_computed_at_once_get_their_own_numbers(
    path: str, request: pytest.FixtureRequest
) -> None:
    other = Model(request.getfixturevalue(path), extra_bufts=False)
    assert alike_together(other, 2)
    other.close()


@pytest.mark.model
@pytest.mark.parametrize("wrong", [0, 1])
def test_a_chat_that_gets_the_numbers_of_another_text_is_noticed(
    model: Model, wrong: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert alike_together(model, 2)
    real = Context.decode

    def mixed(self: Context, parts: Sequence[Rows]) -> int:
        if len(parts) > 1:
            parts = [replace(part, tokens=part.tokens[::-1]) if at == wrong else part for at, part in enumerate(parts)]
        return real(self, parts)

    monkeypatch.setattr(Context, "decode", mixed)
    assert not alike_together(model, 2)
