"""Evidence: sentences at their exact places, the one that answers first, and a plain no where none does."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag import evidence
from rag.evidence import LONGEST, bears, defined, fits, gather, in_passage, kind_of, rank, refine, sentence_spans
from rag.types import Passage

# Shared machines are slow at times, and a failing example is printed anyway.
steady = settings(deadline=None, database=None)
TEXT = st.text(alphabet="ab 가나다.?!#|-1\n\t。", max_size=60)

WARRANTY = (
    "# Warranty\n\nThe pump is sold in two colours. Its warranty lasts 24 months from the day of purchase. "
    "How long is the warranty? Ask the maker.\n\n- Filters are not covered.\n- Hoses are."
)


def passage(text: str, start: int = 0, score: float = 0.5, document: str = "d") -> Passage:
    return Passage(f"{document}-{start}", document, document, "Manual", text, start, start + len(text), score=score)


def best(question: str, *passages: Passage) -> str:
    return rank(question, passages, gather(passages))[0].text


@given(TEXT, st.integers(0, 50))
@steady
def test_every_sentence_stands_at_its_place_in_the_document(text: str, start: int) -> None:
    document = " " * start + text
    for sentence in gather([passage(text, start)]):
        assert document[sentence.start : sentence.end] == sentence.text


def test_headings_questions_and_list_marks_are_not_quoted() -> None:
    assert [one.text for one in gather([passage(WARRANTY)])] == [
        "The pump is sold in two colours.",
        "Its warranty lasts 24 months from the day of purchase.",
        "Ask the maker.",
        "Filters are not covered.",
        "Hoses are.",
    ]


def test_a_row_of_a_table_is_a_sentence_and_its_rule_is_none() -> None:
    assert [one.text for one in gather([passage("| part | price |\n|---|---|\n| hose | 12 |")])] == [
        "| part | price |",
        "| hose | 12 |",
    ]


def test_a_sentence_without_end_is_cut_where_it_has_a_comma() -> None:
    text = "one two three, " * 100
    pieces = [text[start:end] for start, end in sentence_spans(text)]
    assert all(0 < len(piece) <= LONGEST for piece in pieces)
    assert all(piece.endswith("three") for piece in pieces[:-1])
    assert list(sentence_spans("x" * (LONGEST + 5))) == [(0, LONGEST), (LONGEST, LONGEST + 5)]


def test_what_two_passages_share_is_gathered_once_from_the_better() -> None:
    shared = "It lasts 24 months."
    found = gather([passage(f"First. {shared}"), passage(f"{shared} Last.", 7), passage(f"{shared}", 90, document="e")])
    assert [(one.passage, one.text) for one in found] == [(0, "First."), (0, shared), (1, "Last.")]


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("When was it built?", "time"),
        ("In what year did it end?", "time"),
        ("How many of them were there?", "number"),
        ("Who built it?", "person"),
        ("Where is it?", "place"),
        ("What is it?", "thing"),
        ("언제 지어졌나?", "time"),
        ("준공된 해는?", "time"),
        ("몇 명인가?", "number"),
        ("누가 지었나?", "person"),
        ("어디에 있나?", "place"),
        ("무엇인가?", "thing"),
    ],
)
def test_a_question_says_what_it_asks_for(question: str, kind: str) -> None:
    assert kind_of(question) == kind


def test_a_date_that_the_question_says_itself_does_not_answer_when() -> None:
    assert fits("time", "It was built in 1931.", "when was it built?")
    assert not fits("time", "It was built in 1931.", "when in 1931 was it built?")


def test_the_sentence_that_says_what_was_asked_comes_first() -> None:
    manual = passage(WARRANTY)
    assert best("How long does the warranty last?", manual) == "Its warranty lasts 24 months from the day of purchase."
    korean = passage("이 펌프는 두 가지 색이 있다. 보증기간은 구입일부터 24개월이다. 필터는 보증되지 않는다.")
    assert best("보증기간은 얼마인가?", korean) == "보증기간은 구입일부터 24개월이다."


def test_a_pronoun_is_read_with_the_sentence_before() -> None:
    text = "Marie Curie was a physicist. She won two prizes. Pierre was a physicist too. He won one prize."
    assert best("How many prizes did Marie Curie win?", passage(text)) == "She won two prizes."


def test_of_two_sentences_alike_the_one_in_the_better_passage_comes_first() -> None:
    assert best("price of hoses", passage("Hoses cost 12.", score=0.2), passage("Hoses cost 13.", 50, 0.9)) == (
        "Hoses cost 13."
    )


def test_cosines_reorder_only_the_sentences_they_are_given_for() -> None:
    ranked = rank("warranty", [passage(WARRANTY)], gather([passage(WARRANTY)]))
    refined = refine(ranked, [0.0, 1.0])
    assert refined[0].text == ranked[1].text
    assert refined[2:] == ranked[2:]
    assert refine(ranked, []) == ranked


def test_a_sentence_is_embedded_below_its_title() -> None:
    passages = [passage("It lasts 24 months.")]
    assert in_passage(gather(passages)[0], passages) == "Manual\nIt lasts 24 months."


@given(st.lists(TEXT, max_size=4), TEXT)
@steady
def test_scores_and_probabilities_lie_between_0_and_1(texts: list[str], question: str) -> None:
    passages = [passage(text, 100 * place, 1.0) for place, text in enumerate(texts)]
    ranked = rank(question, passages, gather(passages))
    assert all(0 <= one.score <= 1 and 0 <= one.cover <= 1 + 1e-9 for one in ranked)
    assert sorted(ranked, key=lambda one: -one.score) == ranked
    assert 0 <= bears(question, passages, ranked) <= 1


def test_what_the_documents_do_not_say_is_refused() -> None:
    def answered(question: str, text: str, score: float) -> bool:
        passages = [passage(text, score=score)]
        return bears(question, passages, rank(question, passages, gather(passages))) >= 0.5

    assert answered("How long does the warranty last?", WARRANTY, 0.8)
    assert not answered("Who composed the opera about the flood?", WARRANTY, 0.1)
    assert answered("보증 기간은 몇 개월인가요?", "X200의 보증 기간은 24개월이다.", 0.8)
    assert not answered("보증 기간은 몇 개월인가요?", "회의는 수요일에 열린다.", 0.1)
    assert bears("warranty", [], []) == 0.0


def test_a_korean_passage_that_says_more_of_the_question_anywhere_bears_more_on_it() -> None:
    def likely(text: str, more: float = 0.0) -> float:
        passages = [passage(text, score=0.4)]
        question = "정도전은 언제 죽었어?"
        return bears(question, passages, rank(question, passages, gather(passages)), more)

    name, both = "정도전은 학자였다. 벼슬을 했다.", "정도전은 학자였다. 그는 1398년에 죽었다."
    assert likely(name) < likely(both) < likely(both, 1.0)


def test_each_weight_is_a_share_of_something() -> None:
    assert all(
        0 < getattr(evidence, name) <= 1
        for name in ("COVER", "BEFORE", "HEADING", "PASSAGE", "FITS", "SCRIPT", "DEFINES", "ROW", "COSINE")
    )


@pytest.mark.parametrize(
    ("question", "thing"),
    [
        ("What is RAG Standard?", "rag standard"),
        ("what's a gnomon", "gnomon"),
        ("RAG Standard는 무엇인가요?", "rag standard"),
        ("해시계란?", "해시계"),
        ("What is the size limit of a document?", ""),
        ("What does a gnomon do?", ""),
        ("문서 크기 제한은 얼마인가요?", ""),
    ],
)
def test_a_question_may_ask_what_a_thing_is(question: str, thing: str) -> None:
    assert defined(question) == thing


@pytest.mark.parametrize(
    ("question", "definition", "text"),
    [
        (
            "What is Quill Box?",
            "Quill Box is a program that keeps letters.",
            "Quill Box runs in a box. {} Quill Box, the box for quills, does not print.",
        ),
        (
            "퀼 박스는 무엇인가요?",
            "퀼 박스는 편지를 모으는 프로그램입니다.",
            "퀼 박스는 인쇄하지 않으며, 편지를 모을 뿐입니다. {} 퀼 박스는 상자에서 돈다.",
        ),
    ],
)
def test_what_a_thing_is_is_told_by_its_definition(question: str, definition: str, text: str) -> None:
    assert best(question, passage(text.format(definition))) == definition


def test_the_section_whose_heading_was_asked_for_comes_first_and_the_title_decides_nothing() -> None:
    def below(text: str, start: int, *headings: str) -> Passage:
        return replace(passage(text, start, 1.0), headings=headings)

    wrong = below("The pump manual covers returns of goods.", 0, "Manual", "Returns")
    right = below("Send it back within a month.", 100, "Manual", "Repair of the pump")
    assert best("repair of the pump", wrong, right) == "Send it back within a month."
    titled = below("Send it back within a month.", 100, "Manual")
    assert best("manual", passage("This manual is short.", 0, 1.0), titled) == "This manual is short."


def test_of_two_languages_the_one_of_the_question_is_quoted() -> None:
    korean, english = passage("X200 펌프 24 개월."), passage("X200 pump 24 months.", 100)
    assert best("X200?", korean, english) == "X200 pump 24 months."
    assert best("X200의 보증은?", english, korean) == "X200 펌프 24 개월."


def test_a_row_of_a_table_gives_way_to_a_sentence() -> None:
    assert (
        best("add documents", passage("| add documents | here |\n\nYou add documents here."))
        == "You add documents here."
    )


def test_ends_of_code_blocks_are_not_quoted() -> None:
    text = "Write a file.\n\n```\nWhat does it cost?,10 dollars\n```\n\nThen run it."
    assert [text[start:end] for start, end in sentence_spans(text)] == ["Write a file.", "Then run it."]
