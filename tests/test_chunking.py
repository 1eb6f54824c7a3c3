"""Passages say exactly what the text says, where it says it, and nothing gets lost between them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag import chunking
from rag.chunking import chunk, in_context, sentences
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


def words(text: str) -> int:
    """Tokens of a tokenizer that knows all scripts: words, signs, and each two characters of Hangul."""
    return len(re.findall(r"[가-힣]{1,2}|[^\W가-힣]+|[^\w\s]", text))


def pieces(text: str) -> int:
    """Tokens of one that was made for English: three for each Hangul syllable."""
    return len(re.findall(r"[^\W가-힣]+|[^\w\s]", text)) + 3 * len(re.findall("[가-힣]", text))


def hold(document: Document, passages: list[Passage], count: Callable[[str], int], window: int) -> None:
    """What is true of any passages of any document."""
    assert [passage.chunk_id for passage in passages] == [f"doc-{number:05d}" for number in range(len(passages))]
    end = start = 0
    for passage in passages:
        assert document.text[passage.start : passage.end] == passage.text
        assert passage.text == passage.text.strip() != ""
        assert count(passage.text) <= window or len(passage.text) == 1
        assert not document.text[end : passage.start].strip(), "lost"
        assert passage.start >= start, "out of order"
        assert passage.end > end, "out of order"
        # What is said twice is not all that the passage says.
        assert passage.start >= end or document.text[end : passage.end].strip()
        start, end = passage.start, passage.end
    assert not document.text[end:].strip(), "lost at the end"


@steady
@given(TEXTS, st.sampled_from([3, 10, 40, 254]), st.sampled_from(["txt", "md"]), st.sampled_from([words, len]))
def test_offsets_are_exact_only_white_space_is_lost_and_the_budget_is_kept(
    text: str, window: int, type_: str, count: Callable[[str], int]
) -> None:
    document = make_document(text, type=type_)
    # `len` counts the white space between pieces too, which no tokenizer does.
    hold(document, chunk(document, count, window), words if count is len else count, window)


@steady
@given(st.text(max_size=300), st.sampled_from(["txt", "md"]))
def test_any_text_at_all_can_be_cut(text: str, type_: str) -> None:
    document = make_document(text, type=type_)
    hold(document, chunk(document, words, 10), words, 10)


@steady
@given(st.lists(TEXTS, max_size=5))
def test_pages_are_never_crossed_and_are_told_from_1(texts: list[str]) -> None:
    pages, length = [], 0
    for number, text in enumerate(texts, 1):
        pages.append(Page(number, length, length + len(text)))
        length += len(text) + 2
    document = make_document("".join(text + "\n\n" for text in texts), pages=tuple(pages))
    passages = chunk(document, words, 20)
    hold(document, passages, words, 20)
    for passage in passages:
        assert passage.page is not None
        page = pages[passage.page - 1]
        assert page.start <= passage.start < passage.end <= page.end


@pytest.mark.parametrize("text", [ENGLISH, KOREAN, ENGLISH + KOREAN], ids=["english", "korean", "mixed"])
def test_prose_is_cut_between_sentences_into_full_passages(text: str) -> None:
    document = make_document(text)
    passages = chunk(document, words, 254)
    hold(document, passages, words, 254)
    assert all(passage.text[-1] in ".!?" for passage in passages)
    # A short passage in between would mean that the packing gives up early.
    assert all(words(passage.text) > 220 for passage in passages[:-1])


def test_a_cut_paragraph_goes_on_with_its_last_sentence() -> None:
    passages = chunk(make_document(KOREAN), words, 254)
    for before, after in pairwise(passages):
        assert 0 < before.end - after.start < 0.2 * len(before.text)
        assert after.text.startswith(sentences(before.text)[-1])


def test_whole_paragraphs_and_long_sentences_are_not_said_twice() -> None:
    for text in ("One two three.\n\n" * 200, ("word " * 100 + "end. ") * 10):
        passages = chunk(make_document(text), words, 254)
        assert len(passages) > 2
        assert all(before.end <= after.start for before, after in pairwise(passages))


@pytest.mark.parametrize("text", ["x" * 5000, "가" * 5000, "aGk9" * 1000 + "가나다라" * 1000])
def test_text_without_a_space_is_cut_to_the_budget(text: str) -> None:
    document = make_document(text)
    passages = chunk(document, len, 254)
    hold(document, passages, len, 254)
    assert "".join(passage.text for passage in passages) == text


@pytest.mark.parametrize("space", [" ", "\n", " \n", "\t", "\u3000"])
@pytest.mark.parametrize("ends", ["", "."])
def test_white_space_makes_no_passage_long(space: str, ends: str) -> None:
    gap = space * 20_000
    document = make_document(gap.join(f"Part {number} of it{ends}" for number in range(3)))
    passages = chunk(document, words, 254)
    hold(document, passages, words, 254)
    assert [passage.text for passage in passages] == [f"Part {number} of it{ends}" for number in range(3)]


def test_a_script_that_the_tokenizer_takes_to_pieces_is_cut_as_by_one_that_knows_it() -> None:
    passages = chunk(make_document(KOREAN), pieces, 254)
    # Three tokens a syllable would leave 84 syllables.
    assert all(400 < len(passage.text) < 800 for passage in passages[:-1])
    known = chunk(make_document(KOREAN), words, 254)
    assert all(words(passage.text) <= 254 for passage in known)
    english = chunk(make_document(ENGLISH), pieces, 254)
    assert all(pieces(passage.text) <= 254 for passage in english)


def test_a_large_window_does_not_make_large_passages() -> None:
    assert chunk(make_document(ENGLISH), words, 8192) == chunk(make_document(ENGLISH), words, 254)


def test_a_passage_fits_below_its_title_and_headings() -> None:
    document = make_document("# " + "heading " * 20 + "\n" + ENGLISH, type="md", title="title " * 20)
    for passage in chunk(document, words, 254):
        assert words(in_context(passage)) <= 254


@pytest.mark.parametrize("cluster", ["e\u0301", "👩\u200d👩\u200d👧", "👍🏽", "❤\ufe0f", "\u1112\u1161\u11ab"])
def test_what_is_seen_as_one_character_stays_whole(cluster: str) -> None:
    passages = chunk(make_document(cluster * 300), len, 50)
    assert len(passages) > 2
    assert all(passage.text == cluster * (len(passage.text) // len(cluster)) for passage in passages)


@pytest.mark.parametrize("row", ["| ab. cd | ef! gh |", "ab. cd | ef! gh", "ab. cd\tef! gh"])
def test_a_table_is_cut_between_rows_only(row: str) -> None:
    text = "Before it. And so.\n" + "\n".join([row] * 50) + "\nAfter it."
    passages = chunk(make_document(text), words, 40)
    assert len(passages) > 5
    lines = text.split("\n")
    assert all(
        line in lines for passage in passages for line in passage.text.split("\n") if "|" in line or "\t" in line
    )


def test_code_is_cut_between_lines_only_and_stays_whole_where_it_fits() -> None:
    code = "```\nrun it. now\n\n# twice! or\n```"
    text = f"Prose before.\n\n{code}\n\n" + "Prose after it. " * 10
    (fits,) = [passage for passage in chunk(make_document(text, type="md"), words, 30) if "run it" in passage.text]
    assert code in fits.text
    long = "```\n" + "a. b! c\n" * 100 + "```"
    for passage in chunk(make_document(long, type="md"), words, 30):
        assert set(passage.text.split("\n")) <= {"```", "a. b! c"}


def test_a_paragraph_that_fits_stays_whole() -> None:
    text = "First one. Second one.\n\nThird one. Fourth one."
    assert [passage.text for passage in chunk(make_document(text), words, 10)] == text.split("\n\n")


def test_line_ends_of_windows_are_line_ends() -> None:
    text = "# A\r\none\r\n\r\ntwo\r\n# B\r\nthree"
    found = [(passage.text, passage.headings) for passage in chunk(make_document(text, type="md"))]
    assert found == [("# A\r\none\r\n\r\ntwo", ("A",)), ("# B\r\nthree", ("B",))]


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


@pytest.mark.parametrize(("type", "headings"), [("pdf", ()), ("xlsx", ("1 first line",))])
def test_only_a_page_of_a_marked_type_has_headings(type: str, headings: tuple[str, ...]) -> None:
    text = "# 1 first line\nof a page"
    passages = chunk(make_document(text, type=type, pages=(Page(1, 0, len(text)),)))
    assert [(passage.text, passage.headings, passage.page) for passage in passages] == [(text, headings, 1)]


@pytest.mark.parametrize("text", ["", " \n\n\t ", "\u3000"])
def test_a_blank_text_has_no_passages(text: str) -> None:
    assert chunk(make_document(text)) == []


def test_a_passage_knows_its_document() -> None:
    (passage,) = chunk(make_document("text", id="d1", source="a/b.md", title="B"))
    assert (passage.document_id, passage.source, passage.title) == ("d1", "a/b.md", "B")


def test_abbreviations_and_initials_end_no_sentence() -> None:
    for text in (
        "Dr. Kim met J. R. Smith vs. Prof. Lee.",
        "See Fig. 3 and No. 5 of it.",
        "It opens at 9 a.m. every day, e.g. on Monday.",
        "Acme Inc. was sold by St. John.",
        "The strains of Y. pestis were old (c. 1455).",
    ):
        assert sentences(text) == [text]
    assert sentences("The answer is no. Then it ended.") == ["The answer is no.", "Then it ended."]
    assert sentences("It was Acme Inc. They sold it.") == ["It was Acme Inc.", "They sold it."]
    assert sentences("So did I. You too.") == ["So did I.", "You too."]


def test_korean_sentences_end_with_the_line_or_without_a_space() -> None:
    assert sentences("전원을 켠다\n버튼을 누른다\n끝.") == ["전원을 켠다", "버튼을 누른다", "끝."]
    assert sentences("좋습니다.그러나 아닙니다.") == ["좋습니다.", "그러나 아닙니다."]
    assert sentences("좋았죠. 그럴까? 네.") == ["좋았죠.", "그럴까?", "네."]


def test_a_row_of_a_table_is_a_sentence() -> None:
    assert sentences("Rows. All:\na. b | c\nd | e\nEnd.") == ["Rows.", "All:", "a. b | c", "d | e", "End."]


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
        "e" + "\u0301" * 50_000,
        "Mr. " * 20_000,
        "|" * 50_000,
        "```\n" * 20_000,
    ],
    ids=[
        "spaces in a heading",
        "dots",
        "closed dots",
        "marks",
        "lines",
        "paragraphs",
        "ticks",
        "accents",
        "titles",
        "bars",
        "fences",
    ],
)
def test_no_text_makes_the_cutter_slow(text: str) -> None:
    # Matching holds the interpreter, so a pattern that backtracks would stop the whole server. Far from a close
    # call: well below a second, where backtracking takes minutes.
    begun = time.process_time()
    document = make_document(text)
    hold(document, chunk(document, words, 254), words, 254)
    assert time.process_time() - begun < 10


def spans(text: str, kind: str = "md") -> list[tuple[int, int]]:
    return [(each.start, each.end) for each in chunk(replace(make_document(text), type=kind), window=60)]


def test_a_text_is_cut_in_the_same_places_however_it_is_looked_through(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "\n\n".join(f"# Part {n}\n\n{ENGLISH}\n\n- one\n- two\n\n```\na  b\n\nc\n```\n{KOREAN}" for n in range(5))
    expected = spans(text)
    for step in (200, 257, 1000):
        monkeypatch.setattr(chunking, "STEP", step)
        monkeypatch.setattr(chunking, "MARGIN", 100)
        assert spans(text) == expected


@pytest.mark.parametrize(
    "text", ["a" * 5000, "\n" * 5000, "a\n" + " \n" * 3000 + "b", ". " * 3000, ".)" * 3000, "# " * 3000]
)
def test_nothing_of_a_text_of_one_sign_is_lost_or_looked_at_for_ever(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(chunking, "STEP", 64)
    monkeypatch.setattr(chunking, "MARGIN", 16)
    found = spans(text)
    covered = {place for start, end in found for place in range(start, end)}
    assert all(place in covered for place, sign in enumerate(text) if not sign.isspace())
