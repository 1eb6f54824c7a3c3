"""The real LanceDB: a document is there wholly or not at all, and its words are found in both languages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rag.chunking import chunk
from rag.errors import RagError
from rag.store import CANDIDATES, LanceStore
from rag.types import Document, Page, Passage
from tests.fakes import HashEmbedder, make_document, make_passage

EMBEDDER = HashEmbedder()


async def open_store(path: Path, embedder: str = "hashed words") -> LanceStore:
    return await LanceStore.open(path / "index", embedder=embedder, dimension=EMBEDDER.dimension)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[LanceStore]:
    opened = await open_store(tmp_path)
    yield opened
    opened.close()


async def put(store: LanceStore, document: Document, passages: Sequence[Passage] | None = None) -> list[Passage]:
    found = chunk(document) if passages is None else list(passages)
    vectors = np.zeros((0, EMBEDDER.dimension), dtype=np.float32)
    if found:
        vectors = await HashEmbedder().embed([passage.text for passage in found])
    await store.upsert(document, found, vectors)
    return found


async def ask(store: LanceStore, query: str, k: int = 5) -> list[Passage]:
    return await store.search(query, EMBEDDER.vector(query), k)


async def texts(store: LanceStore, query: str, k: int = 5) -> list[str]:
    return [passage.text for passage in await ask(store, query, k)]


# What is stored comes back.


async def test_a_document_comes_back_whole(store: LanceStore) -> None:
    document = make_document(
        "한국어 text with \"quotes\", '작은따옴표', \\ and 🙂.\n\n끝",
        pages=(Page(1, 0, 10), Page(2, 12, 20)),
        added="2026-01-16T12:34:56Z",
        title="제목 '1'",
    )
    passages = await put(store, document)
    assert await store.document("doc") == replace(document, passages=len(passages))
    assert await store.sha256("doc") == document.sha256
    assert await store.counts() == (1, len(passages))


async def test_a_passage_comes_back_whole(store: LanceStore) -> None:
    passage = make_passage("the battery", 7, page=3, headings=("가 'a'", 'b "c"'), start=100, end=111, title="T '1'")
    await put(store, make_document("text", title="T '1'"), [passage])
    (found,) = await ask(store, "battery")
    assert replace(found, score=0.0) == passage


async def test_what_was_stored_is_there_after_reopening(tmp_path: Path) -> None:
    store = await open_store(tmp_path)
    await put(store, make_document("the battery of the X200"))
    store.close()
    store = await open_store(tmp_path)
    assert await texts(store, "battery") == ["the battery of the X200"]
    store.close()


async def test_what_is_not_there_is_none(store: LanceStore) -> None:
    assert await store.document("no") is None
    assert await store.sha256("no") is None
    assert await store.counts() == (0, 0)
    passages = await put(store, make_document("text"))
    # A passage is no document.
    assert await store.document(passages[0].chunk_id) is None
    assert await store.sha256(passages[0].chunk_id) is None


async def test_a_document_without_passages_is_still_a_document(store: LanceStore) -> None:
    await put(store, make_document("text"), [])
    assert await store.counts() == (1, 0)
    assert await ask(store, "text") == []


async def test_each_embedding_model_has_a_table_of_its_own(tmp_path: Path) -> None:
    first, second = await open_store(tmp_path, "one"), await open_store(tmp_path, "two")
    await put(first, make_document("the battery"))
    assert await second.counts() == (0, 0)
    (left,) = await second.other_tables()
    assert await second.ids_in(left) == ["doc"]
    assert await second.document("doc", left) == await first.document("doc")
    await second.drop(left)
    assert await second.other_tables() == []
    first.close()
    second.close()


# Replacing and deleting.


async def test_a_document_is_replaced_with_all_its_passages(store: LanceStore) -> None:
    await put(store, make_document("old"), [make_passage(f"old battery {n}", n) for n in range(5)])
    await put(store, make_document("other", id="other"), [make_passage("other battery", 0, "other")])
    await put(store, make_document("new"), [make_passage(f"new battery {n}", n) for n in range(2)])
    assert sorted(await texts(store, "battery", 20)) == ["new battery 0", "new battery 1", "other battery"]
    document = await store.document("doc")
    assert document is not None
    assert (document.text, document.passages) == ("new", 2)
    assert await store.counts() == (2, 3)


async def test_no_version_of_the_table_holds_a_mix_of_old_and_new(store: LanceStore) -> None:
    # Whatever a reader sees, it sees one version; so it is enough to look at each of them.
    table = store._table
    begun = await table.version()
    for round_, count in enumerate([3, 5, 2, 4]):
        passages = [make_passage(f"round {round_} battery {n}", n) for n in range(count)]
        await put(store, make_document(f"round {round_}"), passages)
    versions = [entry["version"] for entry in await table.list_versions() if entry["version"] > begun]
    assert len(versions) == 4
    seen = []
    for version in sorted(versions):
        await table.checkout(version)
        rows = await table.query().to_list()
        rounds = {(row["text"] or row["body"]).split(" battery")[0] for row in rows}
        assert len(rounds) == 1
        seen.append(len(rows) - 1)
    await table.checkout_latest()
    assert seen == [3, 5, 2, 4]


async def test_delete_leaves_nothing(store: LanceStore) -> None:
    await put(store, make_document("the battery 배터리"))
    await put(store, make_document("the charger", id="other"))
    await store.optimize()
    assert await store.delete("doc") is True
    assert await store.counts() == (1, 1)
    assert await store.document("doc") is None
    assert await store.sha256("doc") is None
    for query in ("battery", "배터리"):
        assert "the battery 배터리" not in await texts(store, query)
    rows = await store._table.query().to_list()
    assert {row["document_id"] for row in rows} == {"other"}
    assert await store.delete("doc") is False
    await store.optimize()
    assert await store.counts() == (1, 1)


HOSTILE = ["x'y", "x' OR '1'='1", "'; DROP TABLE passages; --", 'x"y', "x\\'", "%", "_"]


@pytest.mark.parametrize("id", HOSTILE)
async def test_an_id_is_never_read_as_a_condition(store: LanceStore, id: str) -> None:
    await put(store, make_document("bystander", id="bystander"))
    assert await store.document(id) is None
    assert await store.delete(id) is False
    for text in ("first", "second"):
        await put(store, make_document(text, id=id))
        document = await store.document(id)
        assert document is not None
        assert document.text == text
        assert await store.counts() == (2, 2)
    assert await store.delete(id) is True
    assert await store.counts() == (1, 1)


# Searching.


async def fill(store: LanceStore, *lines: str) -> None:
    for number, line in enumerate(lines):
        await put(store, make_document(line, id=f"d{number}"))


@pytest.mark.parametrize("indexed", [True, False])
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("보증", "이 제품의 보증기간은 이년이다"),
        ("배터리가", "배터리를 교체한다"),
        ("warranties", "the warranty of it"),
        ("charge", "it is charging slowly"),
        ("X200", "model X200 is red"),
        ("電池", "電池交換"),
    ],
)
async def test_a_word_is_found_in_its_other_forms(store: LanceStore, query: str, expected: str, indexed: bool) -> None:
    lines = ["이 제품의 보증기간은 이년이다", "배터리를 교체한다", "the warranty of it", "it is charging slowly"]
    await fill(store, *lines, "model X200 is red", "電池交換")
    if indexed:
        await store.optimize()
    # A vector that says nothing, so that only the words can find it.
    found = await store.search(query, np.zeros(EMBEDDER.dimension, dtype=np.float32), 3)
    assert found[0].text == expected


async def test_rows_are_found_before_and_after_they_are_indexed(store: LanceStore) -> None:
    await fill(store, "the battery of it")
    await store.optimize()
    await put(store, make_document("another battery", id="new"))
    assert sorted(await texts(store, "battery")) == ["another battery", "the battery of it"]
    await store.optimize()
    assert sorted(await texts(store, "battery")) == ["another battery", "the battery of it"]


async def test_the_nearest_vector_is_found_without_a_common_word(store: LanceStore) -> None:
    await fill(store, "alpha", "beta", "gamma")
    found = await store.search("전혀 다른 말", EMBEDDER.vector("beta"), 1)
    assert [passage.text for passage in found] == ["beta"]


async def test_scores_are_from_0_to_1_and_sorted(store: LanceStore) -> None:
    await fill(store, "the battery of the X200", "battery", "the X200", "something else", "배터리 X200")
    found = await ask(store, "battery of the X200", k=10)
    scores = [passage.score for passage in found]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert found[0].text == "the battery of the X200"
    assert scores[0] > 0.9
    assert scores[-1] < 0.5


async def test_a_search_gives_each_passage_once_and_at_most_k(store: LanceStore) -> None:
    await put(store, make_document("all"), [make_passage(f"배터리 battery number{n}", n) for n in range(30)])
    for k in (1, 5, 20):
        found = await ask(store, "배터리 battery", k)
        assert len({passage.chunk_id for passage in found}) == len(found) == k


async def test_a_search_for_many_gives_many(store: LanceStore) -> None:
    most = CANDIDATES * 3
    await put(store, make_document("all"), [make_passage(f"battery number{n}", n) for n in range(most)])
    assert len(await ask(store, "battery", most)) == most


@pytest.mark.parametrize("query", ["anything", "한국어", "?!", "", "'\"\\ AND OR (", "word " * 2000])
async def test_an_empty_table_finds_nothing_and_no_query_breaks_it(store: LanceStore, query: str) -> None:
    assert await ask(store, query) == []
    await put(store, make_document("the battery"))
    await ask(store, query)
    await store.delete("doc")
    assert await ask(store, query) == []


async def test_a_passage_without_a_usable_vector_is_found_by_its_words(store: LanceStore) -> None:
    vectors = np.full((1, EMBEDDER.dimension), np.nan, dtype=np.float32)
    await store.upsert(make_document("the battery"), [make_passage("the battery")], vectors)
    (found,) = await ask(store, "battery")
    assert 0 < found.score <= 1


# Failing.


async def test_a_store_that_cannot_be_opened_is_search_003(tmp_path: Path) -> None:
    (tmp_path / "index").write_text("in the way")
    with pytest.raises(RagError) as caught:
        await open_store(tmp_path)
    assert caught.value.code == "SEARCH-003"
    assert caught.value.data["directory"] == str(tmp_path / "index")
    assert caught.value.data["reason"]


async def test_a_query_that_cannot_be_run_is_search_001(store: LanceStore) -> None:
    await put(store, make_document("the battery"))
    with pytest.raises(RagError) as caught:
        await store.search("battery", np.zeros(3, dtype=np.float32), 5)
    assert caught.value.code == "SEARCH-001"
