from __future__ import annotations

import json
from pathlib import Path

import pytest

from rag import followup, ranking
from rag.followup import contextual, stands_alone, weighing
from rag.types import Turn

DIALOGUES = Path(__file__).parent / "bench/answers/dialogues.json"


def turn(question: str, answer: str = "", content: str = "", title: str = "notes", cited: bool = True) -> Turn:
    """A turn whose answer had one source."""
    metadata: dict[str, object] = {"source": title, "chunk_id": "1", "document_id": title, "cited": cited}
    return Turn("id", question, answer, [{"title": title, "content": content, "score": 0.9, "metadata": metadata}])


WARRANTY = [turn("How long is the warranty of the Aurora pump?", "**24 months**\n\n“It is 24 months.” [1]")]
LIBRARY = [turn("시립도서관은 몇 시에 문을 열어?", "**아홉 시**\n\n“아홉 시에 연다.” [1]", "아홉 시에 연다.")]


@pytest.mark.parametrize("question", ["How long is the warranty of the Aurora pump?", "그럼 언제 끝났어?", "그건?", ""])
def test_without_a_conversation_a_question_stays_as_it_is(question: str) -> None:
    assert contextual(question, []) == question


@pytest.mark.parametrize(
    ("question", "history"),
    [
        ("Who founded the city of Zaragoza?", WARRANTY),
        ("Which rivers meet near Koblenz before they reach the sea?", WARRANTY),
        ("What do honey badgers eat in winter?", WARRANTY),
        ("When did Marie Curie die, and where was she buried?", WARRANTY),
        ("A different question: is it cold there?", WARRANTY),
        ("세종대왕은 훈민정음을 언제 만들었나요?", LIBRARY),
        ("지리산 반달곰이 몇 마리야?", LIBRARY),
        ("저는 연차를 며칠 쓸 수 있나요?", LIBRARY),
        ("다른 질문인데, 그건 얼마야?", LIBRARY),
    ],
)
def test_a_question_that_stands_alone_stays_as_it_is(question: str, history: list[Turn]) -> None:
    assert contextual(question, history) == question


@pytest.mark.parametrize(
    ("question", "history", "expected"),
    [
        ("And for the Borealis pump?", WARRANTY, "warranty"),
        ("What about repairs?", WARRANTY, "Aurora"),
        ("Does it cover leaks?", WARRANTY, "Aurora"),
        ("From whom?", WARRANTY, "Aurora"),
        ("How much?", WARRANTY, "pump"),
        ("Are there limits to that?", WARRANTY, "warranty"),
        ("토요일은요?", LIBRARY, "시립도서관은"),
        ("그럼 닫는 건 언제야?", LIBRARY, "시립도서관은"),
        ("거기보다 가까운 데는 없어?", LIBRARY, "시립도서관은"),
        ("거기 주차장은 있어?", LIBRARY, "시립도서관은"),
        ("언제 지었는데?", LIBRARY, "시립도서관은"),
    ],
)
def test_a_question_that_leans_on_the_last_one_takes_its_words_along(
    question: str, history: list[Turn], expected: str
) -> None:
    assert expected in contextual(question, history).removeprefix(question).split()


@pytest.mark.parametrize("history", [WARRANTY, LIBRARY])
@pytest.mark.parametrize("question", ["And then?", "그럼 언제?", "Who is it?", "누구야?", "How big is the Moon?"])
def test_the_question_itself_leads(question: str, history: list[Turn]) -> None:
    assert contextual(question, history).startswith(question)


def test_small_talk_in_between_changes_nothing() -> None:
    thanks = Turn("id", "Thanks a lot, that is great!", "You are welcome.")
    question = "Does it cover leaks?"
    assert contextual(question, [*WARRANTY, thanks]) == contextual(question, WARRANTY)
    assert contextual(question, [thanks]) == question


def test_sentences_are_weighed_more_by_the_question_than_by_what_it_takes_along() -> None:
    question = "Does it cover leaks?"
    weights = ranking.asked(weighing(question, contextual(question, WARRANTY)))
    assert weights["leak"] == 2 * weights["aurora"]
    assert weighing(question, question) == question


def test_a_question_that_points_at_nothing_counts_twice() -> None:
    assert contextual("Which colours?", WARRANTY).count("Which colours?") == 2
    assert contextual("Which colours has it?", WARRANTY).count("Which colours has it?") == 1


def test_question_words_are_not_taken_along() -> None:
    carried = contextual("Does it cover leaks?", WARRANTY).removeprefix("Does it cover leaks?").lower().split()
    assert not {"how", "long", "is", "the", "of"} & set(carried)
    assert "몇" not in contextual("토요일은요?", LIBRARY).split()


def test_what_the_question_says_itself_is_not_said_twice() -> None:
    assert contextual("Is the warranty of it longer?", WARRANTY).split().count("warranty") == 1


def test_a_third_question_still_knows_the_subject_of_the_first() -> None:
    history = [*WARRANTY, turn("And for repairs?", "**Six months**")]
    assert "Aurora" in contextual("Who pays for them?", history)


def test_after_a_change_of_subject_the_old_one_is_left_behind() -> None:
    history = [*WARRANTY, turn("Who founded the city of Zaragoza?", "**Augustus**")]
    searched = contextual("When was it?", history)
    assert "Zaragoza" in searched
    assert "Aurora" not in searched


def test_a_name_in_the_short_answer_is_taken_along_by_what_points_at_it() -> None:
    history = [turn("Who directs the museum?", "**Ines Duarte**\n\n“The museum is directed by Ines Duarte.” [1]")]
    assert "Duarte" in contextual("Where was she born?", history)


def test_a_number_in_the_short_answer_is_not_taken_along() -> None:
    assert "24" not in contextual("Does it cover leaks?", WARRANTY)


def test_names_from_the_cited_document_are_no_new_subject() -> None:
    about = "The pump was designed in Turin by Rosa Bianchi."
    question = "Was Rosa Bianchi paid well for her work?"
    assert stands_alone(question, [turn("Tell me of the pump", "", about, cited=False)])
    assert not stands_alone(question, [turn("Tell me of the pump", "", about)])


def test_there_is_and_relative_that_point_at_nothing() -> None:
    assert stands_alone("How many lakes are there on the plateau of Kerala?", WARRANTY)
    assert not stands_alone("How many leaks were found there?", WARRANTY)


def test_a_date_alone_is_no_new_subject() -> None:
    assert not stands_alone("What happened in October 1904?", WARRANTY)


def test_what_is_added_is_bounded() -> None:
    names = " ".join(f"Name{number}" for number in range(300))
    history = [turn(f"Who are {names} and {'x' * 500}?", f"**{names}**")] * 5
    added = contextual("And them?", history).removeprefix("And them?").split()
    assert 0 < len(added) <= followup.MOST
    assert max(map(len, added)) <= followup.LONGEST


def test_sources_of_other_shapes_do_no_harm() -> None:
    history = [Turn("id", "Who made the Aurora pump?", "", [{}, {"metadata": None}, {"title": None, "content": 3}])]
    assert "Aurora" in contextual("And when?", history)


def test_the_dialogues_are_enough_in_both_languages() -> None:
    dialogues = json.loads(DIALOGUES.read_text(encoding="utf-8"))
    for language in ("en", "ko"):
        some = [dialogue for dialogue in dialogues if dialogue["language"] == language]
        later = [question for dialogue in some for question in dialogue["turns"][1:]]
        assert len(some) >= 40
        assert sum(question["alone"] for question in later) >= 40
        assert sum(not question["alone"] for question in later) >= 60
