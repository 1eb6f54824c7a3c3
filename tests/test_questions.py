"""Files of questions as people write them, and what they are told of a bad one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rag.errors import RagError
from rag.questions import Case, read


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_json_lines(tmp_path: Path) -> None:
    lines = (
        '{"question": "How heavy is it?", "expected": "37 kg", "source": "pump.md"}\n'
        "\n"
        '{"question": "누가 만들었나요?", "expected": ["김철수", "철수 | 김"]}\n'
        '{"question": "What does it cost?", "not_in_documents": true}\n'
        '{"question": "Who sells it?", "expected": "Not in the documents."}\n'
    )
    assert read(written(tmp_path, "a.jsonl", lines)) == [
        Case("How heavy is it?", ("37 kg",), True, "pump.md"),
        Case("누가 만들었나요?", ("김철수", "철수 | 김")),
        Case("What does it cost?", (), False),
        Case("Who sells it?", (), False),
    ]


def test_a_table_with_columns_in_any_order_and_several_expected_words(tmp_path: Path) -> None:
    table = (
        "expected,question,not_in_documents\n"
        '37 kg|37 kilograms,"How heavy, in ""kg""?",\n'
        ",,\n"
        "not in the documents,What does it cost?,\n"
        ",Who sells it?,yes\n"
    )
    assert read(written(tmp_path, "a.csv", table)) == [
        Case('How heavy, in "kg"?', ("37 kg", "37 kilograms")),
        Case("What does it cost?", (), False),
        Case("Who sells it?", (), False),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949", "utf-16"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_table_as_korean_spreadsheets_save_it(tmp_path: Path, encoding: str, separator: str) -> None:
    rows = [("질문", "정답", "문서"), ("무게는?", "37kg", "펌프.hwp"), ("값은?", "문서에 없음", "")]
    content = "\r\n".join(separator.join(row) for row in rows).encode(encoding)
    assert read(written(tmp_path, "a.csv", content)) == [
        Case("무게는?", ("37kg",), True, "펌프.hwp"),
        Case("값은?", (), False),
    ]


def test_squad_of_both_versions(tmp_path: Path) -> None:
    asked = [
        {"question": "How heavy?", "answers": [{"text": "37 kg"}, {"text": "37 kg"}, {"text": "37"}]},
        {"question": "Who sells it?", "answers": [], "is_impossible": True},
    ]
    content = json.dumps({"data": [{"title": "Pump", "paragraphs": [{"context": "…", "qas": asked}]}]})
    assert read(written(tmp_path, "a.json", content)) == [
        Case("How heavy?", ("37 kg", "37")),
        Case("Who sells it?", (), False),
    ]


def test_a_list_in_json(tmp_path: Path) -> None:
    assert read(written(tmp_path, "a.json", '[{"question": "a?", "expected": "b"}]')) == [Case("a?", ("b",))]


@pytest.mark.parametrize(
    ("name", "content", "line", "rule"),
    [
        ("a.jsonl", '{"question": "a?", "expected": "b"}\n{"question": ', 2, "json-line"),
        ("a.jsonl", '\n["a?"]', 2, "json-line"),
        ("a.jsonl", '{"question": "  ", "expected": "b"}', 1, "question"),
        ("a.jsonl", '{"question": "a?", "expected": 7}', 1, "expected"),
        ("a.jsonl", '{"question": "a?", "expected": [7]}', 1, "expected"),
        ("a.jsonl", '{"question": "a?", "source": 7}', 1, "source"),
        ("a.jsonl", '{"question": "a?", "not_in_documents": "perhaps"}', 1, "flag"),
        ("a.jsonl", '\n\n{"question": "a?"}', 3, "nothing-expected"),
        ("a.jsonl", '{"question": "a?", "expected": "b", "not_in_documents": true}', 1, "expected-and-not"),
        ("a.jsonl", "", 1, "no-questions"),
        ("a.csv", "frage,expected\na?,b", 1, "header"),
        ("a.csv", 'question,expected\n"a\n?",b\nc?,', 4, "nothing-expected"),
        ("a.csv", "question,expected\na?,b\nc?,d,e", 3, "columns"),
        ("a.csv", 'question,expected\na?,b\n"c?,d', 3, "csv"),
        ("a.json", '{"data": [\n}', 2, "json"),
        ("a.json", '{"data": 7}', 1, "squad"),
        ("a.json", '{"rows": []}', 1, "squad"),
        ("a.json", "7", 1, "squad"),
        ("a.json", '{"data": []}', 1, "no-questions"),
    ],
)
def test_a_bad_file_is_told_with_its_line(tmp_path: Path, name: str, content: str, line: int, rule: str) -> None:
    with pytest.raises(RagError) as raised:
        read(written(tmp_path, name, content))
    assert raised.value.code == "BENCH-001"
    assert raised.value.data == {"file": name, "line": line, "rule": f"rule:{rule}"}


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RagError) as raised:
        read(tmp_path / "none.csv")
    assert raised.value.code == "DOC-008"


def test_a_picture_is_no_file_of_questions(tmp_path: Path) -> None:
    with pytest.raises(RagError) as raised:
        read(written(tmp_path, "a.csv", b"\x89PNG\r\n\0\0"))
    assert raised.value.code == "DOC-005"
