"""The report as a table, as JSON and as a page that shows everything as text and needs nothing else."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from rag.evaluation import Outcome, Reply, by_language, judge
from rag.questions import Case
from rag.report import Evaluation, as_json, histogram, page, round_up, save, text

EVIL = '<script>alert("1")</script><img src=x onerror=alert(2)>'


def outcome(question: str, expected: str = "37", answer: str = "**37** kg", **fields: object) -> Outcome:
    metadata = {"source": f"{EVIL}.md", "document_id": "d", "cited": True}
    source = {"title": EVIL, "content": "37 kg", "score": 0.9, "metadata": metadata}
    times = {"first_token_ms": 120, "ms": 345}
    return judge(Case(question, (expected,)), Reply(answer, [source], ["37 kg"], **times | fields))  # type: ignore[arg-type]


def evaluation(*outcomes: Outcome, whole: bool = True) -> Evaluation:
    return Evaluation(outcomes, {"questions": EVIL, "model": "scripted"}, whole)


class Page(HTMLParser):
    """Tags with their attributes, and the text."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("lang", ["ko", "en"])
def test_what_people_and_models_wrote_is_shown_as_text(lang: str) -> None:
    shown = Page(page(evaluation(outcome(EVIL, EVIL, EVIL), outcome("a?", error=EVIL)), lang))  # type: ignore[arg-type]
    assert {tag for tag, _ in shown.tags}.isdisjoint({"script", "img"})
    # The file, the question, the expected words, the answer, the source twice, the error.
    assert shown.text.count(EVIL) == 7


def test_the_page_fetches_nothing() -> None:
    content = page(evaluation(outcome("How heavy?")), "en")
    shown = Page(content)
    for tag, attributes in shown.tags:
        assert tag not in ("link", "script", "iframe", "img", "object", "use", "image")
        assert not {"src", "href", "xlink:href", "action", "srcset"} & set(attributes)
    assert not re.search(r"https?:|url\(|@import|//\w", content)


def test_the_failed_ones_come_first() -> None:
    shown = page(
        evaluation(outcome("right one?"), outcome("wrong one?", answer="38"), outcome("broken one?", error="GEN-999")),
        "en",
    )
    places = [shown.index(question) for question in ("broken one?", "wrong one?", "right one?")]
    assert places == sorted(places)


def test_both_languages_are_there_with_their_own_words() -> None:
    asked = evaluation(outcome("How heavy?"), outcome("무게는 얼마인가요?"))
    for lang, title, other in (("en", "Evaluation of the answers", "Korean"), ("ko", "답변 평가", "영어")):
        shown = page(asked, lang)  # type: ignore[arg-type]
        assert f'<html lang="{lang}">' in shown
        assert title in shown
        assert other in shown


def test_an_interrupted_evaluation_says_so() -> None:
    note = "was interrupted"
    assert note in page(evaluation(outcome("a?"), whole=False), "en")
    assert note not in page(evaluation(outcome("a?")), "en")


def test_an_evaluation_without_times_or_quotations_has_a_page() -> None:
    assert "a?" in page(evaluation(outcome("a?", error="GEN-999")), "en")


def test_bars_hold_every_answer_and_stay_inside() -> None:
    plot = histogram([100, 120, 900, None, 2300])
    assert sum(int(bar.label.rsplit(" ", 1)[1]) for bar in plot.bars) == 4
    for bar in plot.bars:
        assert 0 <= bar.x < bar.x + bar.width <= plot.width + 1e-6
        assert bar.y + bar.height == pytest.approx(plot.height)
    # Bins of 0.1 s.
    assert plot.bars[0].label == "0.1–0.2 s: 2"
    assert histogram([None]).bars == ()
    assert len(histogram([0, 0]).bars) == 1


@pytest.mark.parametrize(("value", "rounded"), [(0.013, 0.02), (0.02, 0.02), (0.3, 0.5), (7, 10), (1, 1), (60, 100)])
def test_bins_are_of_round_widths(value: float, rounded: float) -> None:
    assert round_up(value) == pytest.approx(rounded)


def test_the_table_stands_in_columns_and_leaves_out_what_does_not_apply() -> None:
    groups = by_language([outcome("How heavy?"), outcome("무게는?")])
    lines = text(groups, "en").splitlines()
    assert lines[0].split() == ["all", "English", "Korean"]
    assert len({len(line) for line in lines}) == 1
    assert not any("expected document" in line for line in lines)
    assert any(line.split()[-3:] == ["1.000"] * 3 and "answers with" in line for line in lines)
    assert "영어" in text(groups, "ko")


def test_both_files_are_written_and_json_holds_all(tmp_path: Path) -> None:
    asked = evaluation(outcome("무게는?"))
    files = save(asked, tmp_path, "ko")
    assert [file.name for file in files] == ["answers.json", "answers.html"]
    data = json.loads(files[0].read_text(encoding="utf-8"))
    assert data == json.loads(json.dumps(as_json(asked)))
    assert data["summary"]["all"]["held"] == 1
    assert data["questions"][0]["case"]["question"] == "무게는?"
    assert data["questions"][0]["verdict"] == "right"
