"""A search shows each thing once, in one piece, and computes no vector twice or in vain."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.errors import RagError
from rag.retrieval import CACHED, LONGEST, Retriever, distinct, joined, trust
from rag.types import EVERYWHERE, Filter, Passage, Vectors
from tests.fakes import HashEmbedder, MemoryStore, make_passage

# Shared machines are slow at times, and a failing example is printed anyway.
steady = settings(deadline=None, database=None)
TEXT = "The first sentence. The second one is here. A third follows. And the fourth is the last of them."


@dataclass
class ListStore(MemoryStore):
    """Finds what it was given, and remembers what it was asked."""

    found: list[Passage] = field(default_factory=list)
    asked: list[tuple[str, Vectors, int, Filter]] = field(default_factory=list)

    async def search(self, query: str, vector: Vectors, k: int, where: Filter = EVERYWHERE) -> list[Passage]:
        self.asked.append((query, vector, k, where))
        return self.found[:k]


def cut(number: int, start: int, end: int, score: float, text: str = TEXT, **fields: object) -> Passage:
    return make_passage(text[start:end], number, start=start, end=end, score=score, **fields)


async def test_at_most_k_passages_come_best_first_and_the_filter_is_passed_on() -> None:
    found = [make_passage(f"text number {n} is {n * n}", n, start=100 * n, score=1 - n / 20) for n in range(20)]
    store = ListStore(found=found)
    where = Filter(folders=("manuals",))
    assert await Retriever(HashEmbedder(), store).search("text", 3, where) == found[:3]
    assert store.asked[0][3] == where


async def test_what_was_collapsed_and_joined_is_made_up_for() -> None:
    same = [make_passage("all the same text", n, f"doc{n}", score=0.9) for n in range(5)]
    store = ListStore(found=[*same, make_passage("another text altogether", 9, "other", score=0.5)])
    texts = [passage.text for passage in await Retriever(HashEmbedder(), store).search("text", 2)]
    assert texts == ["all the same text", "another text altogether"]


async def test_a_question_is_embedded_once_even_by_many_at_a_time() -> None:
    embedder = HashEmbedder()
    retriever = Retriever(embedder, ListStore())
    await asyncio.gather(*(retriever.search("battery", 5) for _ in range(10)))
    await retriever.search("battery", 5)
    assert embedder.texts == ["battery"]


async def test_the_question_asked_longest_ago_is_forgotten_first() -> None:
    embedder = HashEmbedder()
    retriever = Retriever(embedder, ListStore())
    for number in range(CACHED):
        await retriever.search(f"question {number}", 1)
    await retriever.search("question 0", 1)
    await retriever.search("one more", 1)
    embedder.texts.clear()
    await retriever.search("question 0", 1)
    await retriever.search("question 1", 1)
    assert embedder.texts == ["question 1"]


async def test_one_who_stops_waiting_stops_no_other() -> None:
    embedder = HashEmbedder(wait=asyncio.Event())
    retriever = Retriever(embedder, ListStore(found=[make_passage("battery")]))
    first, second = (asyncio.create_task(retriever.search("battery", 5)) for _ in range(2))
    await asyncio.sleep(0.01)
    first.cancel()
    assert embedder.wait
    embedder.wait.set()
    assert len(await second) == 1
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_failure_is_not_kept() -> None:
    embedder = HashEmbedder(error=RagError("SEARCH-001"))
    retriever = Retriever(embedder, ListStore())
    with pytest.raises(RagError):
        await retriever.search("battery", 5)
    embedder.error = None
    assert await retriever.search("battery", 5) == []


async def test_a_script_that_the_tokenizer_takes_to_pieces_is_searched_by_words_alone() -> None:
    @dataclass
    class English(HashEmbedder):
        def count(self, text: str) -> int:
            return sum(3 if character >= "가" else 0.25 for character in text).__ceil__()

    embedder, store = English(), ListStore()
    retriever = Retriever(embedder, store)
    await retriever.search("배터리 보증", 5)
    await retriever.search("battery warranty", 5)
    (_, korean, *_), (_, english, *_) = store.asked
    assert not korean.any()
    assert float(np.linalg.norm(english)) == pytest.approx(1)
    assert embedder.texts == ["battery warranty"]


@steady
@given(st.text(max_size=20), st.integers(0, 100))
def test_trust_is_from_0_to_1(query: str, tokens: int) -> None:
    assert 0 <= trust(query, tokens) <= 1


def test_trust_falls_as_characters_fall_to_pieces() -> None:
    assert [trust("가나다라 마", tokens) for tokens in (2, 4, 5, 6, 15)] == pytest.approx([1, 1, 0.5, 0, 0])


# Near-duplicates.


def test_of_texts_that_differ_in_white_space_and_case_the_best_is_kept() -> None:
    found = [make_passage(text, n, f"doc{n}") for n, text in enumerate((TEXT, TEXT.upper(), TEXT.replace(" ", "\n")))]
    assert distinct(found) == found[:1]


def test_a_word_of_many_may_differ_and_a_sentence_may_not() -> None:
    long = " ".join(f"word{n}" for n in range(200))
    nearly = make_passage(long.replace("word75", "other"), 1)
    assert distinct([make_passage(long), nearly]) == [make_passage(long)]
    different = make_passage(long + " and a sentence of its own at the end of it, with something new in it" * 2, 1)
    assert len(distinct([make_passage(long), different])) == 2


def test_short_and_empty_texts_are_told_apart() -> None:
    assert [passage.text for passage in distinct([make_passage(text) for text in ("a", "b", "", "A")])] == [
        "a",
        "b",
        "",
    ]


# Neighbours.


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (0, 2, 1)])
def test_neighbours_that_overlap_or_touch_are_one(order: tuple[int, ...]) -> None:
    pieces = [(0, 40), (20, 60), (60, len(TEXT))]
    found = [cut(number, *pieces[number], 0.9 - rank / 10) for rank, number in enumerate(order)]
    (whole,) = joined(found)
    assert (whole.start, whole.end, whole.text) == (0, len(TEXT), TEXT)
    assert (whole.score, whole.chunk_id) == (0.9, found[0].chunk_id)


def test_a_gap_a_page_a_heading_and_another_document_part_neighbours() -> None:
    first = cut(0, 0, 40, 0.9)
    for other in (
        cut(1, 41, 60, 0.8),
        cut(1, 40, 60, 0.8, page=2),
        cut(1, 40, 60, 0.8, headings=("A",)),
        cut(1, 40, 60, 0.8, document_id="other"),
        # Of another version of the document.
        cut(1, 20, 60, 0.8, text=TEXT[::-1]),
    ):
        assert joined([first, other]) == [first, other]


def test_joining_ends_at_a_length() -> None:
    text = "".join(f"sentence {n:06d}. " for n in range(LONGEST // 8))
    found = [cut(n, n * 500, n * 500 + 600, 1 - n / 100, text=text) for n in range(len(text) // 500 - 1)]
    whole = joined(found)
    assert 1 < len(whole) < len(found)
    assert all(passage.end - passage.start <= LONGEST for passage in whole)


@steady
@given(st.lists(st.tuples(st.integers(0, 90), st.integers(1, 40)), max_size=8))
def test_what_was_joined_says_what_the_document_says_in_order_of_score(spans: list[tuple[int, int]]) -> None:
    found = [cut(n, start, min(start + size, len(TEXT)), 1 - n / 10) for n, (start, size) in enumerate(spans)]
    whole = joined(found)
    assert all(TEXT[passage.start : passage.end] == passage.text for passage in whole)
    assert [passage.score for passage in whole] == sorted((passage.score for passage in whole), reverse=True)
    covered = {place for passage in found for place in range(passage.start, passage.end)}
    assert covered == {place for passage in whole for place in range(passage.start, passage.end)}


async def test_cosines_are_of_whole_vectors_and_compute_only_the_texts() -> None:
    embedder = HashEmbedder()
    retriever = Retriever(embedder, ListStore())
    await retriever.search("battery life", 5)
    same, other = await retriever.cosines("battery life", ["battery life", "nothing"])
    assert same == pytest.approx(1.0)
    assert other < 0.9
    assert embedder.texts == ["battery life", "battery life", "nothing"]
    assert await retriever.cosines("battery life", []) == []


async def test_a_distrusted_query_has_no_cosines() -> None:
    class Pieces(HashEmbedder):
        def count(self, text: str) -> int:
            return 3 * len(text)

    embedder = Pieces()
    assert await Retriever(embedder, ListStore()).cosines("보증", ["보증"]) == []
    assert embedder.texts == []
