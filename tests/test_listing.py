"""The order of the list of documents, and its pages."""

from __future__ import annotations

import pytest

from rag.listing import natural, page, row_of
from rag.types import SortKey

from .fakes import make_document

ROWS = [
    row_of(make_document("x", id="a", source="teil 10.md", title="Z", bytes=5, passages=1, added="2026-01-02")),
    row_of(make_document("x", id="b", source="Teil 9.md", title="Q", bytes=300, passages=2, added="2026-01-03")),
    row_of(make_document("x", id="c", source="가이드.pdf", title="Guide", bytes=20, passages=2, added="2026-01-01")),
]


@pytest.mark.parametrize(
    ("sort", "ascending"), [("name", "bac"), ("added", "cab"), ("size", "acb"), ("passages", "abc")]
)
def test_each_order_goes_both_ways(sort: SortKey, ascending: str) -> None:
    assert "".join(page(ROWS, "", sort, False, 0, 9)[0]) == ascending
    # Of two with as many passages the name decides, either way.
    descending = "bca" if sort == "passages" else ascending[::-1]
    assert "".join(page(ROWS, "", sort, True, 0, 9)[0]) == descending


def test_a_page_is_cut_from_what_holds_the_query_in_source_or_title() -> None:
    assert page(ROWS, "TEIL", "name", False, 1, 1) == (["a"], 2)
    assert page(ROWS, "guide", "added", True, 0, 9) == (["c"], 1)
    assert page(ROWS, "", "size", True, 3, 9) == ([], 3)
    assert page([], "", "size", True, 0, 9) == ([], 0)


def test_numbers_in_names_are_compared_as_numbers() -> None:
    names = ["b", "Part 10", "part 9", "part", "7", "part 9a", "1" * 5000, "²", ""]
    assert sorted(names, key=natural) == ["", "7", "1" * 5000, "b", "part", "part 9", "part 9a", "Part 10", "²"]
