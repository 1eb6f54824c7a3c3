"""Pages of a PDF without the lines that run over all of them, and with broken lines joined, Korean ones above all."""

from __future__ import annotations

import pytest

from rag.loaders import load
from rag.loaders.pdf import Joiner, without_running_lines

from .test_loaders import pdf


def joined(*lines: str, others: tuple[str, ...] = ()) -> str:
    """The text of a page in a document whose other pages have these lines."""
    return Joiner([list(lines), list(others)]).text(list(lines))


FULL = "이 펌프의 보증 기간은 구입한 날부터 두 해이며 부품과"


def test_titles_and_page_numbers_that_run_over_the_pages_are_left_out() -> None:
    pages = [[f"Manual {n}", f"{word} is what this page says", f"- {n} -"] for n, word in enumerate("abcde")]
    assert without_running_lines(pages) == [[f"{word} is what this page says"] for word in "abcde"]


def test_what_stands_in_the_middle_of_all_pages_stays() -> None:
    pages = [["Manual", word, "mark", "mark", word * 2, f"- {n} -"] for n, word in enumerate("abcde")]
    assert without_running_lines(pages) == [[word, "mark", "mark", word * 2] for word in "abcde"]


def test_left_and_right_pages_may_have_running_lines_of_their_own() -> None:
    pages = [[["Book", "Chapter"][n % 2], f"text {word}", str(n + 1)] for n, word in enumerate("abcdefgh")]
    assert without_running_lines(pages) == [[f"text {word}"] for word in "abcdefgh"]


def test_roman_numbers_are_page_numbers_too() -> None:
    pages = [
        [f"text {word}", number] for word, number in zip("abcdef", ("i", "ii", "iii", "iv", "1", "2"), strict=True)
    ]
    assert without_running_lines(pages) == [[f"text {word}"] for word in "abcdef"]


@pytest.mark.parametrize("pages", [[["7"]] * 5, [["same"], ["same"]], [["a", "b"], ["c", "d"]], [[], [], []]])
def test_a_page_keeps_what_is_all_it_says(pages: list[list[str]]) -> None:
    assert without_running_lines(pages) == pages


def test_lines_that_few_pages_share_stay() -> None:
    pages = [["Note", f"text {word}"] for word in "ab"] + [[f"other {word}", "text"] for word in "cdefgh"]
    assert without_running_lines(pages)[0] == ["Note", "text a"]


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        # A particle stands after its noun, by the final consonant of which it is chosen.
        ("부품과 하드웨어", "에 폭넓게", "부품과 하드웨어에 폭넓게"),
        ("컴퓨터와 전화", "는 다르다", "컴퓨터와 전화는 다르다"),
        ("컴퓨터와 책", "은 다르다", "컴퓨터와 책은 다르다"),
        ("설치할 때는 지원", "하지 않습니다", "설치할 때는 지원하지 않습니다"),
        # These are words of their own.
        ("지원하는 장치를", "나 혼자 씁니다", "지원하는 장치를 나 혼자 씁니다"),
        ("자세한 내용은 그 책", "가 봅시다", "자세한 내용은 그 책 가 봅시다"),
        ("자세한 내용은", "참고하세요", "자세한 내용은 참고하세요"),
    ],
)
def test_korean_lines_are_joined_with_a_space_unless_the_next_word_clings(before: str, after: str, text: str) -> None:
    lines = (f"{FULL} {before}", after)
    assert joined(*lines, others=(FULL, FULL)) == f"{FULL} {text}"


def test_where_lines_keep_their_spaces_a_line_without_one_breaks_inside_a_word() -> None:
    lines = (FULL + " ", FULL[:-1] + "부", "품입니다. ", "새 문단 ")
    assert joined(*lines) == f"{FULL} {FULL[:-1]}부품입니다.\n새 문단"


def test_korean_that_is_written_without_spaces_is_joined_without_them() -> None:
    line = "데비안프로젝트는전적으로자유소프트웨어로구성된운영체제이"
    assert joined(line, "다.", others=(line, line)) == line + "다."


def test_short_lines_ends_of_sentences_and_items_of_lists_are_lines() -> None:
    lines = (FULL, "짧은 줄", f"{FULL} 끝났다.", "다음 문장", FULL, "1. 첫째", f"• {FULL}", "• 둘째", FULL, "제2장 끝")
    assert joined(*lines).count("\n") == len(lines) - 2
    assert f"{FULL} 짧은 줄\n" in joined(*lines)


def test_an_english_word_that_was_hyphenated_is_whole() -> None:
    assert "other documentation will" in load("a.pdf", pdf(["pointers to other docu\ufffementation will be"])).text


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Microsoft Word - 보고서", "보고서"),
        ("untitled", "a"),
        ("제목 없음", "a"),
        ("final.hwp", "a"),
        ("보고서", "보고서"),
    ],
)
def test_a_title_that_says_nothing_is_not_taken(title: str, expected: str) -> None:
    assert load("a.pdf", pdf(["text"], title=title)).title == expected
