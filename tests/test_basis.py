"""What an answer rests on: found with the conversation, and told to be enough or not."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from rag import basis
from rag.basis import ELSEWHERE, ELSEWHERE_UNSPACED, HERE, HERE_UNSPACED, find
from rag.retrieval import Retriever
from rag.types import Filter, Turn

from .fakes import HashEmbedder, make_passage
from .test_retrieval import ListStore

PUMP = make_passage("The Aurora pump is sold in blue colours.", document_id="pump", score=0.5)


def after(document_id: str, cited: bool = True) -> list[Turn]:
    """A conversation whose last answer has one source."""
    metadata: dict[str, object] = {"document_id": document_id, "cited": cited}
    source = {"title": "Aurora", "content": "The pump lasts.", "score": 1.0, "metadata": metadata}
    return [Turn("1", "How long does the Aurora pump last?", "“The pump lasts.” [1]", [source])]


async def odds(asked: str, history: Sequence[Turn], monkeypatch: pytest.MonkeyPatch) -> list[float]:
    seen: list[float] = []

    def bears(question: str, passages: object, ranked: object, more: float) -> float:
        seen.append(more)
        return 1.0

    monkeypatch.setattr(basis, "bears", bears)
    await find(Retriever(HashEmbedder(), ListStore(found=[PUMP])), asked, history, 5)
    return seen


async def test_a_question_alone_is_judged_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await odds("Which colours has it?", [], monkeypatch) == [0.0]
    assert await odds("Who founded the city of Zaragoza?", after("pump"), monkeypatch) == [0.0]


@pytest.mark.parametrize(
    ("history", "more"), [(after("pump"), HERE), (after("bread"), ELSEWHERE), (after("pump", cited=False), ELSEWHERE)]
)
async def test_a_follow_up_is_told_more_easily_by_the_document_that_was_cited_last(
    history: list[Turn], more: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await odds("Which colours has it?", history, monkeypatch) == [more]
    assert await odds("그건 무슨 색이야?", history, monkeypatch) == [
        HERE_UNSPACED if more == HERE else ELSEWHERE_UNSPACED
    ]
    thanks = Turn("2", "Thanks!", "You are welcome.")
    assert await odds("Which colours has it?", [*history, thanks], monkeypatch) == [more]


@pytest.mark.parametrize(
    ("asked", "again"),
    [
        ("Which pump colours?", True),
        ("Which colours has it?", False),
        ("And which colours?", False),
        ("Who?", False),
    ],
)
async def test_what_the_conversation_does_not_help_is_searched_alone_if_it_says_enough(asked: str, again: bool) -> None:
    store = ListStore()
    where = Filter(documents=("pump",))
    found = await find(Retriever(HashEmbedder(), store), asked, after("pump"), 5, where)
    searched = [query for query, *_ in store.asked]
    assert not found.told
    assert (len(searched), searched[-1] == asked) == (1 + again, again)
    assert searched[0] != asked
    assert all(filter_ == where for *_, filter_ in store.asked)
