"""Questions over the normal pipeline with scripted parts."""

from __future__ import annotations

import pytest

from rag.errors import RagError
from rag.evaluation import Outcome
from rag.examiner import Here, examine
from rag.questions import Case
from rag.replies import NOTHING_FOUND

from .app_client import Parts

CASES = [Case("what is the answer?", ("42",)), Case("zzz?", told=False)]


async def examined(parts: Parts, cases: list[Case]) -> list[Outcome]:
    return [outcome async for outcome in examine(cases, Here(parts.chat(), parts.store, "en"))]


async def test_answers_come_from_the_pipeline_and_quotations_are_held_against_the_stored_text(parts: Parts) -> None:
    parts.generator.reply = "**42** “the answer to all questions is 42” [1] “all questions” [1] “all answers” [1]"
    answered, refused = await examined(parts, CASES)
    assert (answered.verdict, answered.words_at, answered.short) == ("right", 1, "42")
    assert (answered.quotes, answered.verbatim) == (3, 2)
    assert answered.reply.first_token_ms is not None
    assert refused.reply.text == NOTHING_FOUND["en"]
    assert refused.verdict == "refused"


async def test_each_question_is_asked_in_a_conversation_of_its_own(parts: Parts) -> None:
    await examined(parts, [CASES[0]] * 2)
    assert [len(prompt) for prompt in parts.generator.prompts] == [2, 2]


async def test_an_error_is_noted_and_the_next_question_asked(parts: Parts) -> None:
    parts.generator.error = RagError("GEN-999")
    first, second = await examined(parts, CASES)
    assert first.verdict == "error"
    assert first.reply.error.startswith("GEN-999: ")
    assert second.verdict == "refused"


@pytest.mark.parametrize(("start", "end", "part"), [(4, 10, "answer"), (0, 3, "the")])
async def test_a_part_is_read_from_the_stored_document(parts: Parts, start: int, end: int, part: str) -> None:
    door = Here(parts.chat(), parts.store, "en")
    assert await door.part("doc", start, end) == part
    assert await door.part("none", start, end) == ""
