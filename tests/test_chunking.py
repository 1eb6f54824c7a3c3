"""Passages say exactly what the text says, where it says it, and nothing gets lost between them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.chunking import chunk, sentences, weigh
from rag.types import Document, Page, Passage
from tests.fakes import make_document

# Shared machines are slow at times, and a failing example is printed anyway.
steady = settings(deadline=None, database=None)
ENGLISH = "The X200 has a warranty of two years. It starts on the day of purchase! Does it cover wear? No. " * 40
KOREAN = "보증 기간은 구매일로부터 2년입니다. 소모품은 보증하지 않습니다! 배터리는 어떻습니까? 1년입니다. " * 40
# Fragments that meet every rule of the cutter: ends, headings, fences, lists, wide and joined characters.
FRAGMENTS = st.sampled_from(
    [
        *(
            "a",
            "word ",
            "가",
            "나다. ",
            "中",
            "。",
            ". ",
            "?! ",
            "…",
            ".",
            "\n",
            "\n\n",
            " ",
            "\t",
            "\r",
            "\x0b",
            "\u3000",
        ),
        *("# ", "\n# A\n", "\n## 나 ##\n", "```", "\n```\n", "- ", "1. ", "| ", "🙂", "e\u0301", "x" * 30, "가" * 30),
    ]
)
TEXTS = st.lists(FRAGMENTS, max_size=80).map("".join)


def hold(document: Document, passages: list[Passage], budget: float) -> None:
    """What is true of any passages of any document."""
    assert [passage.chunk_id for passage in passages] == [f"doc-{number:05d}" for number in range(len(passages))]
    position = 0
    for passage in passages:
        assert document.text[passage.start : passage.end] == passage.text
        assert passage.text == passage.text.strip() != ""
        assert weigh(passage.text) <= budget
        assert not document.text[position : passage.start].strip(), "lost"
        assert passage.start >= position, "said twice"
        position = passage.end
    assert not document.text[position:].strip(), "lost at the end"


@steady
@given(TEXTS, st.sampled_from([10.0, 40.0, 900.0]))
def test_offsets_are_exact_and_only_white_space_is_lost(text: str, budget: float) -> None:
    document = make_document(text)
    hold(document, chunk(document, budget), budget)


@steady
@given(st.text(max_size=300))
def test_any_text_at_all_can_be_cut(text: str) -> None:
    document = make_document(text)
    hold(document, chunk(document, 25.0), 25.0)


@steady
@given(st.lists(TEXTS, max_size=5))
def test_pages_are_never_crossed_and_are_told_from_1(texts: list[str]) -> None:
    pages, length = [], 0
    for number, text in enumerate(texts, 1):
        pages.append(Page(number, length, length + len(text)))
        length += len(text) + 2
    document = make_document("".join(text + "\n\n" for text in texts), pages=tuple(pages))
    passages = chunk(document, 40.0)
    hold(document, passages, 40.0)
    for passage in passages:
        assert passage.page is not None
        page = pages[passage.page - 1]
        assert page.start <= passage.start < passage.end <= page.end


@pytest.mark.parametrize("text", [ENGLISH, KOREAN, ENGLISH + KOREAN], ids=["english", "korean", "mixed"])
def test_prose_is_cut_between_sentences_into_full_passages(text: str) -> None:
    document = make_document(text)
    passages = chunk(document)
    hold(document, passages, 900.0)
    assert all(passage.text[-1] in ".!?" for passage in passages)
    # A short passage in between would mean that the packing gives up early.
    assert all(weigh(passage.text) > 800 for passage in passages[:-1])


@pytest.mark.parametrize("text", ["x" * 5000, "가" * 5000, "aGk9" * 1000 + "가나다라" * 1000])
def test_text_without_a_space_is_cut_to_the_budget(text: str) -> None:
    document = make_document(text)
    passages = chunk(document)
    hold(document, passages, 900.0)
    assert "".join(passage.text for passage in passages) == text


def test_hangul_and_han_weigh_more_than_latin() -> None:
    assert weigh("abcd") == 4
    assert weigh("가나") == weigh("漢字") == weigh("かな") == 5


def test_a_paragraph_that_fits_stays_whole() -> None:
    text = "First one. Second one.\n\nThird one. Fourth one."
    assert [passage.text for passage in chunk(make_document(text), 25.0)] == text.split("\n\n")


def test_headings_start_passages_and_give_their_path() -> None:
    text = "before\n# A\none\n## B ##\ntwo\n### C#\nthree\n## D\nfour\n# E\nfive"
    found = [(passage.text, passage.headings) for passage in chunk(make_document(text))]
    assert found == [
        ("before", ()),
        ("# A\none", ("A",)),
        ("## B ##\ntwo", ("A", "B")),
        ("### C#\nthree", ("A", "B", "C#")),
        ("## D\nfour", ("A", "D")),
        ("# E\nfive", ("E",)),
    ]


def test_headings_without_text_between_them_stay_together() -> None:
    text = "# A\n\n## B\n\ntext"
    assert [(passage.text, passage.headings) for passage in chunk(make_document(text))] == [(text, ("A", "B"))]


def test_what_only_looks_like_a_heading_is_text() -> None:
    text = "#hashtag\n####### seven\n#\nword # not\n    "
    assert [passage.headings for passage in chunk(make_document(text))] == [()]


@pytest.mark.parametrize("fence", ["```", "~~~", "  ```python"])
def test_a_comment_in_a_code_fence_is_no_heading(fence: str) -> None:
    text = f"# A\n{fence}\n# comment\nrun\n{fence.split('p')[0]}\n# B\nend"
    assert [passage.headings for passage in chunk(make_document(text))] == [("A",), ("B",)]


def test_a_page_has_no_headings() -> None:
    text = "# 1 first line\nof a page"
    passages = chunk(make_document(text, pages=(Page(1, 0, len(text)),)))
    assert [(passage.text, passage.headings, passage.page) for passage in passages] == [(text, (), 1)]


@pytest.mark.parametrize("text", ["", " \n\n\t ", "\u3000"])
def test_a_blank_text_has_no_passages(text: str) -> None:
    assert chunk(make_document(text)) == []


def test_a_passage_knows_its_document() -> None:
    (passage,) = chunk(make_document("text", id="d1", source="a/b.md", title="B"))
    assert (passage.document_id, passage.source, passage.title) == ("d1", "a/b.md", "B")


def test_sentences_end_in_english_and_korean() -> None:
    assert sentences('He said "Stop." Then 3.5 m! 끝났습니다. 정말요?  Yes…\n- item') == [
        'He said "Stop."',
        "Then 3.5 m!",
        "끝났습니다.",
        "정말요?",
        "Yes…",
        "- item",
    ]
    assert sentences("一。二！三") == ["一。", "二！", "三"]
    assert sentences(" \n ") == []


@steady
@given(TEXTS)
def test_sentences_lose_only_white_space(text: str) -> None:
    assert "".join("".join(sentences(text)).split()) == "".join(text.split())


@pytest.mark.parametrize(
    "text",
    [
        "# a" + " " * 20_000 + "b",
        "." * 50_000,
        ".)" * 20_000,
        "# " * 20_000,
        "\n" * 50_000,
        "a\n\n" * 5_000,
        "`" * 50_000,
    ],
    ids=["spaces in a heading", "dots", "closed dots", "marks", "lines", "paragraphs", "ticks"],
)
def test_no_text_makes_the_cutter_slow(text: str) -> None:
    # Matching holds the interpreter, so a pattern that backtracks would stop the whole server. Far from a close
    # call: well below a second, where backtracking takes minutes.
    begun = time.process_time()
    document = make_document(text)
    hold(document, chunk(document), 900.0)
    assert time.process_time() - begun < 10
