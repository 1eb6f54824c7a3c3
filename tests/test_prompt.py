"""The prompt keeps its budget, gives up the oldest first, and numbers what the sources number."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import pytest

from rag import prompt
from rag.chunking import estimate
from rag.errors import RagError
from rag.evidence import gather, rank
from rag.types import Message, Passage, Turn
from tests.fakes import make_passage, make_turn

SMALL = 135_000_000
PASSAGES = [make_passage(f"alpha{number} beta. gamma delta. " * 3, number, title=f"T{number}") for number in range(4)]


def words(messages: Sequence[Message]) -> int:
    return sum(len(message.content.split()) for message in messages)


def build(
    question: str = "what is beta?",
    history: Sequence[Turn] = (),
    passages: Sequence[Passage] = tuple(PASSAGES),
    context: int = 4000,
    max_tokens: int = 500,
) -> list[Message]:
    return prompt.build(question, history, prompt.wide(passages), context=context, max_tokens=max_tokens, count=words)


def test_it_is_laid_out_from_what_changes_least_to_what_changes_most() -> None:
    messages = build(history=[make_turn(1), make_turn(2)])
    assert [message.role for message in messages] == ["system", *["user", "assistant"] * 2, "user"]
    assert [message.content.strip() for message in messages[1:5]] == ["question1", "answer1", "question2", "answer2"]
    assert messages[-1].content.endswith("\n\nQuestion: what is beta?")


def test_the_next_prompt_begins_as_this_one_did() -> None:
    first = build(history=[make_turn(1)])
    second = build(history=[make_turn(1), make_turn(2)])
    assert second[: len(first) - 1] == first[:-1]


@pytest.mark.parametrize(
    ("question", "lang"),
    [
        ("What is it?", "en"),
        ("보증 기간은?", "ko"),
        ("What does 보증 mean in English?", "en"),
        ("X200의 보증은 몇 년?", "ko"),
        ("?", "en"),
    ],
)
def test_system_text_and_question_are_in_the_language_of_the_question(question: str, lang: str) -> None:
    assert prompt.language_of(question) == lang
    messages = build(question)
    assert messages[0].content == prompt.SYSTEM[lang]  # type: ignore[index]
    assert messages[-1].content.endswith(f"{prompt.QUESTION[lang]}: {question}")  # type: ignore[index]


def numbered(messages: Sequence[Message]) -> dict[int, str]:
    """Number of each passage in the prompt, and its title."""
    return {int(number): title for number, title in re.findall(r"^\[(\d+)\] (.*)$", messages[-1].content, re.M)}


def test_citations_number_the_passages_from_1_in_order() -> None:
    assert numbered(build()) == {1: "T0", 2: "T1", 3: "T2", 4: "T3"}


def narrow(question: str, passages: Sequence[Passage], parameters: int = SMALL) -> list[tuple[int, str]]:
    ranked = rank(question, passages, gather(passages))
    return [(excerpt.number, excerpt.text) for excerpt in prompt.narrow(passages, ranked, parameters)]


def test_a_small_model_reads_the_best_sentences_under_the_numbers_of_their_passages() -> None:
    passages = [
        make_passage(" ".join(f"Bread number {number} is baked in an oven." for number in range(20)), 0),
        make_passage("The warranty of the X200 lasts two years.", 1, start=2000),
    ]
    excerpts = narrow("How long is the X200 warranty?", passages)
    assert (2, "The warranty of the X200 lasts two years.") in excerpts
    assert sum(estimate(text) for _, text in excerpts) <= prompt.LEAST_EVIDENCE


def test_a_larger_model_reads_more() -> None:
    passages = [make_passage(" ".join(f"Beta {number} is a letter of the alphabet." for number in range(200)))]
    sizes = [sum(len(text) for _, text in narrow("beta?", passages, size)) for size in (SMALL, 500_000_000)]
    assert sizes[0] * 2 < sizes[1] < len(passages[0].text)


def test_the_best_sentence_is_read_however_long() -> None:
    text = "Beta " + "and so on " * 38 + "ends."
    assert narrow("beta?", [make_passage(text)], 1) == [(1, text)]


def test_a_passage_without_a_chosen_sentence_leaves_its_number_to_no_other() -> None:
    noise = " ".join(f"Bread number {number} is baked in an oven of stone." for number in range(20))
    passages = [make_passage(noise, 0), make_passage("Beta is two. " * 30, 1, start=2000, score=1.0)]
    passages[1] = make_passage(" ".join(f"Beta {number} is two." for number in range(60)), 1, start=2000, score=1.0)
    assert [number for number, _ in narrow("What is beta two?", passages)] == [2]


def test_chosen_sentences_keep_their_order_in_the_passage() -> None:
    assert narrow("beta gamma", [make_passage("Beta first. Beta gamma second.")]) == [
        (1, "Beta first. Beta gamma second.")
    ]


@pytest.mark.parametrize("context", [60, 80, 100, 150, 200, 300, 500, 1000])
def test_the_budget_is_kept_with_room_for_an_answer(context: int) -> None:
    history = [make_turn(number, words=10) for number in range(20)]
    messages = build(history=history, context=context, max_tokens=40)
    assert words(messages) <= context - min(40, context // 4)
    assert messages[-1].content.endswith("Question: what is beta?")


def test_a_long_answer_may_take_a_quarter_of_the_context_and_no_more() -> None:
    history = [make_turn(number, words=10) for number in range(50)]
    kept = words(build(history=history, context=400, max_tokens=100_000))
    assert kept <= 300
    assert kept > 150


def test_the_oldest_turns_go_first_and_before_any_passage() -> None:
    history = [make_turn(number, words=10) for number in range(16)]
    seen = []
    for context in range(700, 80, -20):
        messages = build(history=history, context=context)
        kept = [message.content.split()[0] for message in messages[1:-1:2]]
        assert kept == [f"question{number}" for number in range(16 - len(kept), 16)]
        assert not kept or len(numbered(messages)) == 4
        seen.append((len(kept), len(numbered(messages))))
    assert seen == sorted(seen, reverse=True)
    assert seen[0] == (16, 4)
    assert seen[-1] < (0, 4)


def test_the_last_passages_go_next_and_the_rest_keep_their_numbers() -> None:
    system = len(prompt.SYSTEM["en"].split())
    messages = build(context=(system + 40) * 4 // 3, max_tokens=10_000)
    assert list(numbered(messages).items()) == [(1, "T0"), (2, "T1")]


def test_a_question_that_does_not_fit_alone_is_gen_003_with_a_length_that_would() -> None:
    question = "word " * 1000
    with pytest.raises(RagError) as caught:
        build(question, history=[make_turn(1)], context=400, max_tokens=100)
    error = caught.value
    assert error.code == "GEN-003"
    assert error.data["limit"] == 300
    assert error.data["tokens"] > 1000
    assert words([Message("user", question[: error.data["characters"]])]) < 300
    assert error.data["characters"] > 100


def test_no_passage_and_no_history_still_make_a_prompt() -> None:
    messages = build(passages=[])
    assert [message.role for message in messages] == ["system", "user"]
    assert messages[1].content == "Question: what is beta?"


def test_the_history_is_as_the_model_read_it_until_it_gets_too_long() -> None:
    history = [replace(make_turn(number), asked=f"passages {number} " * 10) for number in range(5)]

    def asked(context: int) -> list[str]:
        messages = build("beta?", history, context=context, max_tokens=10)
        return [message.content for message in messages if message.role == "user"][:-1]

    assert asked(10_000) == [turn.asked for turn in history]
    # The oldest lose their passages, some at a time: the rest of the prompt stays as it was.
    seen = [asked(size) for size in range(80, 300)]
    complete = [texts for texts in seen if len(texts) == len(history)]
    states = [[text == turn.asked for text, turn in zip(texts, history, strict=True)] for texts in complete]
    assert {state.count(False) for state in states} == {0, 2, 4, 5}
    assert all(state == sorted(state) for state in states)


def test_a_long_history_is_cut_with_few_counts() -> None:
    calls = 0

    def counting(messages: Sequence[Message]) -> int:
        nonlocal calls
        calls += 1
        return words(messages)

    history = [make_turn(number, words=10) for number in range(1000)]
    prompt.build("beta?", history, prompt.wide(PASSAGES), context=300, max_tokens=50, count=counting)
    assert calls < 20
