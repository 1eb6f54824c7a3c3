"""The real LanceDB: a document is there wholly or not at all, and its words are found in both languages."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rag import table
from rag.chunking import chunk
from rag.errors import RagError
from rag.store import CANDIDATES, LanceStore
from rag.types import Document, Embedded, Filter, Page, Passage, Vectors
from tests.fakes import PATIENCE, HashEmbedder, make_document, make_passage, until

EMBEDDER = HashEmbedder()
ROOT = Path(__file__).resolve().parent.parent


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
    assert await store.counts() == (0, 0)
    passages = await put(store, make_document("text"))
    # A passage is no document.
    assert await store.document(passages[0].chunk_id) is None


async def test_a_document_without_passages_is_still_a_document(store: LanceStore) -> None:
    await put(store, make_document("text"), [])
    assert await store.counts() == (1, 0)
    assert await ask(store, "text") == []


# Listing.


async def test_documents_are_listed_newest_first_in_pages(store: LanceStore) -> None:
    for number in range(5):
        await put(store, make_document(f"text {number}", id=f"d{number}", added=f"2026-01-0{number + 1}T00:00:00Z"))
    found, total = await store.list_documents(first=1, most=2)
    assert ([document.id for document in found], total) == (["d3", "d2"], 5)
    assert all(document.text == "" and document.passages == 1 for document in found)
    assert await store.list_documents(first=5) == ([], 5)


async def test_a_listing_looks_into_sources_and_titles_whatever_the_case(store: LanceStore) -> None:
    await put(store, make_document("a", id="a", source="Folder/보고서.md", title="x'%_\\"))
    await put(store, make_document("b", id="b", source="other.md", title="Annual REPORT"))
    for query, expected in (("folder", ["a"]), ("보고", ["a"]), ("report", ["b"]), ("'%_\\", ["a"]), ("none", [])):
        found, total = await store.list_documents(query)
        assert ([document.id for document in found], total) == (expected, len(expected))


async def test_a_listing_is_sorted_as_asked(store: LanceStore) -> None:
    for id, size, passages in (("a", 10, 1), ("b", 9, 3), ("c", 11, 2)):
        text = "word " * passages
        document = make_document(text, id=id, source=f"{id}.md", bytes=size)
        await put(store, document, [make_passage("word", number, id) for number in range(passages)])
    for sort, expected in (("size", "cab"), ("passages", "bca"), ("name", "cba")):
        found, _ = await store.list_documents(sort=sort, descending=True)  # type: ignore[arg-type]
        assert "".join(document.id for document in found) == expected


@pytest.mark.parametrize("later", ["new", "replaced by a shorter one", "replaced by one without passages", "tidied up"])
async def test_the_text_of_a_document_is_read_once_and_not_with_each_of_its_passages(
    store: LanceStore, later: str
) -> None:
    """LanceDB fills rows without a value with the only value that their file holds: gigabytes for a long text."""
    text, passages = "lines of a long text\n" * 5000, [make_passage(f"passage {n}", n) for n in range(500)]
    await put(store, make_document(text), passages)
    if later.startswith("replaced"):
        await put(store, make_document(text + text), passages[:1] if "shorter" in later else [])
    elif later == "tidied up":
        await store.optimize()
    read = (await store._table._table.query().select(["body"]).to_arrow())["body"]
    assert read.nbytes < 2 * sum(len(text or "") for text in read.to_pylist()) + 40 * len(read)


async def test_content_is_known_by_its_hash(store: LanceStore) -> None:
    document = make_document("the battery")
    await put(store, document)
    found = await store.with_content(document.sha256)
    assert found == replace(document, text="", passages=1)
    assert await store.contents() == {document.id: document.sha256}
    await store.delete("doc")
    assert await store.with_content(document.sha256) is None
    assert await store.contents() == {}


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
    table = store._table._table
    begun = await table.version()
    for round_, count in enumerate([3, 5, 2, 4]):
        passages = [make_passage(f"round {round_} battery {n}", n) for n in range(count)]
        await put(store, make_document(f"round {round_}"), passages)
    versions = [entry["version"] for entry in await table.list_versions() if entry["version"] > begun]
    assert len(versions) == 4
    seen = []
    for version in sorted(versions):
        await table.checkout(version)
        rows = await table.query().where("document_id IS NOT NULL").to_list()
        rounds = {(row["text"] or row["body"]).split(" battery")[0] for row in rows}
        assert len(rounds) == 1
        seen.append(len(rows) - 1)
    await table.checkout_latest()
    assert seen == [3, 5, 2, 4]


async def embedded(*documents: Document) -> list[Embedded]:
    found = [chunk(document) for document in documents]
    return [
        Embedded(document, passages, await HashEmbedder().embed([passage.text for passage in passages]))
        for document, passages in zip(documents, found, strict=True)
    ]


async def test_several_documents_are_stored_by_one_commit_old_ones_replaced(store: LanceStore) -> None:
    await put(store, make_document("old", id="a"), [make_passage(f"old battery {n}", n, "a") for n in range(3)])
    table = store._table._table
    begun = await table.version()
    await store.upsert_all(await embedded(*(make_document(f"the battery {id}", id=id) for id in "abc")))
    assert await table.version() == begun + 1
    assert sorted(await texts(store, "battery", 20)) == ["the battery a", "the battery b", "the battery c"]
    assert await store.counts() == (3, 3)


async def test_of_several_documents_none_is_stored_if_one_cannot_be(store: LanceStore) -> None:
    new = await embedded(make_document("the battery", id="a"), make_document("bad", id="b", title="\udc80"))
    with pytest.raises(RagError):
        await store.upsert_all(new)
    assert await store.counts() == (0, 0)
    await store.upsert_all(new[:1])
    assert await store.counts() == (1, 1)


async def test_what_was_stored_before_a_restart_is_replaced_not_doubled(tmp_path: Path) -> None:
    store = await open_store(tmp_path)
    old = make_document("old")
    await put(store, old, [make_passage(f"old {n}", n) for n in range(3)])
    store.close()
    store = await open_store(tmp_path)
    assert await store.head("doc") == await store.with_content(old.sha256) == replace(old, text="", passages=3)
    await put(store, make_document("new"))
    assert await store.counts() == (1, 1)
    store.close()


async def test_delete_leaves_nothing(store: LanceStore) -> None:
    await put(store, make_document("the battery 배터리"))
    await put(store, make_document("the charger", id="other"))
    await store.optimize()
    assert await store.delete("doc") is True
    assert await store.counts() == (1, 1)
    assert await store.document("doc") is None
    for query in ("battery", "배터리"):
        assert "the battery 배터리" not in await texts(store, query)
    rows = await store._table._table.query().to_list()
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
    found = await store.search(query, np.zeros(EMBEDDER.dimension, dtype=np.float32), 3)
    assert found[0].text == expected


async def test_rows_are_found_before_and_after_they_are_indexed(store: LanceStore) -> None:
    await fill(store, "the battery of it")
    await store.optimize()
    await put(store, make_document("another battery", id="new"))
    assert sorted(await texts(store, "battery")) == ["another battery", "the battery of it"]
    await store.optimize()
    assert sorted(await texts(store, "battery")) == ["another battery", "the battery of it"]


async def filled_with_types(store: LanceStore) -> None:
    for number in range(40):
        kind = "pdf" if number == 39 else "md"
        source = f"a/b/{number}.md" if number >= 37 else f"a/bc/{number}.md"
        document = make_document("the battery", id=f"d{number}", source=source, type=kind)
        passage = make_passage(f"the battery {number}", 0, f"d{number}", source=source)
        await put(store, document, [passage])


@pytest.mark.parametrize("indexed", [True, False])
@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (Filter(documents=("d3", "d39")), ["3", "39"]),
        (Filter(folders=("a/b",)), ["37", "38", "39"]),
        (Filter(folders=("a/b/",), types=("pdf",)), ["39"]),
        (Filter(types=("pdf", "none")), ["39"]),
        (Filter(folders=("a/b/37.md", "a'", "a%")), []),
        (Filter(documents=("d1",), folders=("a/b",)), []),
    ],
)
async def test_a_filter_finds_all_that_pass_it_and_nothing_else(
    store: LanceStore, where: Filter, expected: list[str], indexed: bool
) -> None:
    await filled_with_types(store)
    if indexed:
        await store.optimize()
    for vector in (EMBEDDER.vector("the battery"), EMBEDDER.vector("")):
        found = await store.search("battery", vector, 5, where)
        assert sorted(passage.text.split()[-1] for passage in found) == expected


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


async def in_memory(store: LanceStore) -> bool:
    """Whether a search finds passages in memory, after one that may have found the table changed."""
    await ask(store, "battery")
    return await store._table._in_memory() is not None


async def test_a_search_finds_in_memory_what_it_finds_on_disk(store: LanceStore) -> None:
    for number in range(30):
        await put(store, make_document(f"the battery {number} of a car 배터리 {number}번", id=f"d{number}"))
    vectors = np.full((1, EMBEDDER.dimension), np.nan, dtype=np.float32)
    await store.upsert(make_document("a strange car", id="s"), [make_passage("a strange car", 0, "s")], vectors)
    queries = ("battery 7", "car", "strange car", "배터리", "nowhere", "")
    assert await in_memory(store)
    here = [await ask(store, query, 9) for query in queries]
    store._table._resident = None
    on_disk = [await ask(store, query, 9) for query in queries]
    assert store._table._resident is None
    for found, expected in zip(here, on_disk, strict=True):
        assert [passage.chunk_id for passage in found] == [passage.chunk_id for passage in expected]
        assert [passage.score for passage in found] == pytest.approx([passage.score for passage in expected], abs=1e-6)


async def test_what_is_written_is_found_at_once_and_what_is_deleted_never_again(store: LanceStore) -> None:
    await put(store, make_document("the battery", id="a"))
    assert await in_memory(store)
    await put(store, make_document("the battery of a car", id="b"))
    assert len(await texts(store, "battery")) == 2
    assert await in_memory(store)
    await put(store, make_document("the battery of a boat", id="b"))
    assert sorted(await texts(store, "battery")) == ["the battery", "the battery of a boat"]
    assert await in_memory(store)
    await store.delete("a")
    assert await texts(store, "battery") == ["the battery of a boat"]
    assert await in_memory(store)
    await store.optimize()
    assert await texts(store, "battery") == ["the battery of a boat"]
    assert await in_memory(store)


async def test_what_was_deleted_or_replaced_does_not_stay_in_memory(store: LanceStore) -> None:
    for id in "ab":
        await put(store, make_document("the battery", id=id))
    assert await in_memory(store)
    await store.delete("a")
    assert store._table._resident is None
    assert await in_memory(store)
    await put(store, make_document("the battery of a boat", id="b"))
    assert store._table._resident is None
    await store.optimize()
    assert await in_memory(store)
    await store._table.sync()
    assert store._table._resident is not None


async def test_memory_is_not_filled_anew_at_each_write_nor_with_a_large_table(
    store: LanceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        await put(store, make_document(f"the battery {number}", id=f"d{number}"))
        await ask(store, "battery")
        assert store._table._resident is None
    monkeypatch.setattr("rag.table.APPROXIMATE_FROM", 6)
    assert not await in_memory(store)


# Growing.


def clustered(count: int) -> Vectors:
    draw = np.random.default_rng(0)
    centers = draw.normal(size=(30, EMBEDDER.dimension))
    vectors = centers[draw.integers(30, size=count)] + draw.normal(0, 0.5, size=(count, EMBEDDER.dimension))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


async def test_a_large_table_gets_an_approximate_index_that_misses_little(
    store: LanceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.table.APPROXIMATE_FROM", 1000)
    monkeypatch.setattr("rag.table.PARTITION", 100)
    vectors = clustered(3000)
    for part in range(3):
        passages = [make_passage(f"number{n}", n, f"d{part}", source=f"f{part}/x") for n in range(1000)]
        document = make_document("text", id=f"d{part}", source=f"f{part}/x")
        await store.upsert(document, passages, vectors[part * 1000 : part * 1000 + 1000])
    assert await store._table._partitions() == 0
    await store.optimize()
    assert await store._table._partitions() == 30
    # What comes later is found before it is indexed.
    new = clustered(3001)[-1:]
    await store.upsert(make_document("new", id="new", source="f9/x"), [make_passage("new", 0, "new")], new)
    assert (await store.search("?", new[0], 1))[0].text == "new"
    for where in ("", "source >= 'f1/' AND source < 'f10'"):
        missed = 0
        for vector in clustered(40):
            exact = await store._table.nearest(vector, 10, where, exact=True)
            found = await store._table.nearest(vector, 10, where)
            assert len(found) == 10
            missed += len(set(exact["chunk_id"].to_pylist()) - set(found["chunk_id"].to_pylist()))
        assert missed <= 0.05 * 400


async def test_housekeeping_begins_by_itself_and_ends_when_cancelled(
    store: LanceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.store.QUIET", 0.05)
    keeping = asyncio.create_task(store.keep_house())
    await put(store, make_document("the battery"))
    async with asyncio.timeout(PATIENCE):
        while store._changed.is_set() or store._tidying.locked():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert len(await store._table._table.list_versions()) == 1
    keeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await keeping
    assert await texts(store, "battery") == ["the battery"]


async def test_giving_memory_back_is_no_work_to_rest_from(store: LanceStore, monkeypatch: pytest.MonkeyPatch) -> None:
    given_back: list[float] = []

    def give_back() -> None:
        time.sleep(1)
        given_back.append(time.monotonic())

    monkeypatch.setattr("rag.store.QUIET", 0.05)
    monkeypatch.setattr("rag.store.memory.give_back", give_back)
    keeping = asyncio.create_task(store.keep_house())
    await put(store, make_document("the battery"))
    await until(lambda: given_back)
    await put(store, make_document("the motor"))
    await until(lambda: len(given_back) == 2)
    keeping.cancel()


async def test_housekeeping_waits_while_there_is_more_to_come_but_not_for_ever(
    store: LanceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.store.QUIET", 0.01)
    monkeypatch.setattr("rag.store.LATEST", 0.5)
    begun = time.monotonic()
    keeping = asyncio.create_task(store.keep_house(lambda: True))
    await put(store, make_document("the battery"))
    async with asyncio.timeout(PATIENCE):
        while store._changed.is_set() or store._tidying.locked():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert time.monotonic() - begun >= 0.5
    keeping.cancel()


async def test_caches_of_versions_that_are_gone_are_dropped_and_what_is_read_meanwhile_is_read_to_its_end(
    store: LanceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "STALE_CACHE", -(1 << 40))
    await put(store, make_document("the battery of the X200"))
    await ask(store, "battery")
    filled = store._database._session.approx_num_items
    assert filled > 0
    searches = [asyncio.create_task(texts(store, "battery")) for _ in range(20)]
    await store.optimize()
    assert store._database._session.approx_num_items < filled
    assert [await search for search in searches] == [["the battery of the X200"]] * 20
    # What comes next goes to the tables as they were opened anew.
    await put(store, make_document("the charger of the X200", id="other"))
    assert await texts(store, "charger", 1) == ["the charger of the X200"]
    assert await store.delete("doc")
    assert await store.counts() == (1, 1)


def test_memory_of_arrow_comes_from_the_system() -> None:
    """Its own allocator keeps what it has, and more with each document that is stored."""
    told = "import server, pyarrow; print(pyarrow.default_memory_pool().backend_name)"
    environ = {name: value for name, value in os.environ.items() if name != "ARROW_DEFAULT_MEMORY_POOL"}
    done = subprocess.run(
        [sys.executable, "-c", told], cwd=ROOT, env=environ, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "system"


@pytest.mark.parametrize("how", ["deleted", "replaced"])
async def test_nothing_of_what_was_removed_is_left_on_disk(store: LanceStore, tmp_path: Path, how: str) -> None:
    for number in range(30):
        await put(store, make_document(f"bystander {number} 구경꾼", id=f"d{number}"))
    secret = make_document("zyxquonk 뷁쩔", id="secret", source="zyxquonk/뷁쩔.md", title="zyxquonk 뷁쩔")
    await put(store, secret, [make_passage(f"zyxquonk 뷁쩔 {n}", n, "secret", source=secret.source) for n in range(3)])
    await store.optimize()
    phrases = [word.encode() for word in ("zyxquonk", "뷁쩔")]
    assert files_with(tmp_path, phrases)
    if how == "deleted":
        assert await store.delete("secret")
    else:
        await put(store, make_document("harmless", id="secret"))
    await store.optimize()
    assert files_with(tmp_path, phrases) == []
    assert (await store.counts())[0] == (30 if how == "deleted" else 31)
    found = await store.search("구경꾼", EMBEDDER.vector(""), 50)
    assert len(found) == 30


def files_with(folder: Path, phrases: Sequence[bytes]) -> list[Path]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in files if any(phrase in path.read_bytes() for phrase in phrases)]


# Another embedding model.


async def embed(document: Document) -> tuple[list[Passage], Vectors]:
    passages = chunk(document)
    return passages, await HashEmbedder().embed([passage.text for passage in passages])


async def left_behind(tmp_path: Path, count: int = 4) -> LanceStore:
    """A store that another embedding model has filled, opened for a new one."""
    store = await open_store(tmp_path, "old")
    for number in range(count):
        await put(store, make_document(f"the battery {number} 배터리", id=f"d{number}"))
    store.close()
    return await open_store(tmp_path, "new")


async def test_what_another_model_has_left_is_there_at_once_and_found_by_words(tmp_path: Path) -> None:
    store = await left_behind(tmp_path)
    assert store.rebuilding() == (0, 4)
    assert await store.counts() == (4, 4)
    assert len(await ask(store, "battery")) == len(await ask(store, "배터리")) == 4
    assert len(await store.search("battery", EMBEDDER.vector("battery"), 5, Filter(documents=("d1",)))) == 1
    document = await store.document("d2")
    assert document is not None
    assert document.text == "the battery 2 배터리"
    assert (await store.list_documents())[1] == len(await store.contents()) == 4
    assert await store.with_content(document.sha256) == await store.head("d2") == replace(document, text="")
    with pytest.raises(RagError) as caught:
        await ask(store, "nowhere")
    assert (caught.value.code, caught.value.data["percent"]) == ("SEARCH-004", 0)
    store.close()


async def test_a_rebuild_moves_everything_and_drops_the_old_table(tmp_path: Path) -> None:
    store = await left_behind(tmp_path)
    told: list[tuple[int, int]] = []
    await store.rebuild(embed, lambda done, total: told.append((done, total)))
    assert told == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]
    assert store.rebuilding() is None
    assert await store.counts() == (4, 4)
    assert len(await ask(store, "battery")) == 4
    assert len(list((tmp_path / "index").iterdir())) == 1
    store.close()


async def test_what_changes_during_a_rebuild_is_right_afterwards(tmp_path: Path) -> None:
    store = await left_behind(tmp_path)
    step = 0

    async def embed_slowly(document: Document) -> tuple[list[Passage], Vectors]:
        nonlocal step
        step += 1
        if step == 1:
            # The very document that is being moved, one that waits, and a new one.
            await store.delete("d0")
            await put(store, make_document("replaced 1", id="d1"))
            await put(store, make_document("replaced 2", id="d2"))
            await store.delete("d2")
            await put(store, make_document("new", id="new"))
            assert await store.counts() == (3, 3)
        return await embed(document)

    await store.rebuild(embed_slowly)
    found = {document.id: await store.document(document.id) for document in (await store.list_documents())[0]}
    assert {id: document and document.text for id, document in found.items()} == {
        "d1": "replaced 1",
        "d3": "the battery 3 배터리",
        "new": "new",
    }
    assert store.rebuilding() is None
    store.close()


async def test_an_old_table_is_tidied_up_only_for_what_was_deleted(tmp_path: Path) -> None:
    store = await left_behind(tmp_path, 30)
    old = store._formers[0].table._table
    begun = await old.version()
    await put(store, make_document("new", id="new"))
    await store.optimize()
    assert await old.version() == begun
    assert files_with(tmp_path, [b"battery 7"])
    await store.delete("d7")
    await store.optimize()
    assert files_with(tmp_path, [b"battery 7"]) == []
    assert len({passage.document_id for passage in await ask(store, "battery", 50)} - {"new"}) == 29
    store.close()


async def test_searches_go_on_while_the_old_table_is_dropped(tmp_path: Path) -> None:
    store = await left_behind(tmp_path, 30)

    async def search() -> list[int]:
        found = []
        while store.rebuilding():
            found.append(len(await store.search("battery 배터리", EMBEDDER.vector("battery"), 50)))
        return found

    searching = [asyncio.create_task(search()) for _ in range(4)]
    await store.rebuild(embed)
    assert {count for counts in await asyncio.gather(*searching) for count in counts} == {30}
    store.close()


async def test_an_old_table_that_was_half_dropped_when_the_server_was_killed_goes_and_disturbs_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await left_behind(tmp_path)

    def die(folder: Path, **_: object) -> None:
        next(folder.glob("data/*")).unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("shutil.rmtree", die)
        await store.rebuild(embed)
    store.close()
    store = await open_store(tmp_path, "new")
    assert store.rebuilding() is None
    assert len(await ask(store, "battery")) == 4
    assert len(list((tmp_path / "index").iterdir())) == 1
    store.close()


async def test_a_rebuild_that_was_cut_off_goes_on(tmp_path: Path) -> None:
    store = await left_behind(tmp_path)

    async def fail(document: Document) -> tuple[list[Passage], Vectors]:
        if document.id == "d2":
            raise asyncio.CancelledError
        return await embed(document)

    with pytest.raises(asyncio.CancelledError):
        await store.rebuild(fail)
    await store.delete("d3")
    store.close()
    store = await open_store(tmp_path, "new")
    assert store.rebuilding() == (0, 1)
    assert await store.counts() == (3, 3)
    assert len(await ask(store, "battery")) == 3
    store.close()
    # A third model meets what both have left.
    store = await open_store(tmp_path, "third")
    assert store.rebuilding() == (0, 3)
    await store.rebuild(embed)
    assert await store.counts() == (3, 3)
    store.close()


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
        await store.search("battery", np.ones(3, dtype=np.float32), 5)
    assert caught.value.code == "SEARCH-001"
