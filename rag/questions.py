"""Questions with what is known of their answers, from files that people write: JSON Lines, CSV, or SQuAD's JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import RagError
from .loaders.text import decode

# As `expected`, they say that the documents do not tell.
NOT_TOLD = ("not in the documents", "문서에 없음")
COLUMNS = {
    "질문": "question",
    "정답": "expected",
    "문서에 없음": "not_in_documents",
    "문서": "source",
}
YES = ("1", "true", "yes", "x", "예", "네", "o")
NO = ("", "0", "false", "no", "아니요")


@dataclass(frozen=True, slots=True)
class Case:
    """A question. `expected`: an answer with any of these words is right; `told`: whether the documents tell.

    `source`: the name of a document that should be found, or its end.
    """

    question: str
    expected: tuple[str, ...] = ()
    told: bool = True
    source: str = ""


def read(path: Path) -> list[Case]:
    """The cases of a file. Raises `RagError` DOC-008 if it cannot be read, BENCH-001 with the line that is wrong."""
    try:
        text = decode(path.name, path.read_bytes())
    except OSError:
        raise RagError("DOC-008", file=str(path)) from None
    ending = path.suffix.lower()
    if ending in (".csv", ".tsv"):
        rows = _table(path, text)
    elif ending == ".json":
        rows = _json(path, text)
    else:
        rows = _lines(path, text)
    cases = [_case(path, line, row) for line, row in rows]
    if not cases:
        raise _wrong(path, 1, "rule:no-questions")
    return cases


def _wrong(path: Path, line: int, rule: str) -> RagError:
    return RagError("BENCH-001", file=path.name, line=line, rule=rule)


Row = tuple[int, Mapping[str, Any]]


def _lines(path: Path, text: str) -> Iterator[Row]:
    """One JSON object a line."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield number, _object(path, number, line)


def _object(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        raise _wrong(path, number, "rule:json-line") from None
    if not isinstance(row, dict):
        raise _wrong(path, number, "rule:json-line")
    return row


def _table(path: Path, text: str) -> Iterator[Row]:
    """Rows below a header. The separator is the one that the header has most of."""
    header = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=header.count), strict=True)
    names: list[str] = []
    line = 1
    try:
        for cells in reader:
            if not names:
                names = [COLUMNS.get(cell.strip(), cell.strip().lower()) for cell in cells]
                if "question" not in names:
                    raise _wrong(path, 1, "rule:header")
            elif any(cell.strip() for cell in cells):
                if len(cells) > len(names):
                    raise _wrong(path, line, "rule:columns")
                row: dict[str, Any] = dict(zip(names, (cell.strip() for cell in cells), strict=False))
                row["expected"] = [words.strip() for words in row.get("expected", "").split("|")]
                yield line, row
            line = reader.line_num + 1
    except csv.Error:
        raise _wrong(path, line, "rule:csv") from None


def _json(path: Path, text: str) -> Iterator[Row]:
    """A file in SQuAD's format (1.1 or 2.0), or a list of objects as they stand in JSON Lines."""
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise _wrong(path, error.lineno, "rule:json") from None
    except RecursionError:
        raise _wrong(path, 1, "rule:json") from None
    if isinstance(data, list) and all(isinstance(row, dict) for row in data):
        # Without lines, the number of the question has to do.
        yield from enumerate(data, 1)
        return
    try:
        asked = [each for article in data["data"] for paragraph in article["paragraphs"] for each in paragraph["qas"]]
        rows = [
            {
                "question": each["question"],
                "expected": list(dict.fromkeys(answer["text"] for answer in each.get("answers", ()))),
                "not_in_documents": each.get("is_impossible", False),
            }
            for each in asked
        ]
    except (KeyError, TypeError, AttributeError):
        raise _wrong(path, 1, "rule:squad") from None
    yield from enumerate(rows, 1)


def _case(path: Path, line: int, row: Mapping[str, Any]) -> Case:
    question, expected, source = row.get("question"), row.get("expected") or [], row.get("source") or ""
    if not isinstance(question, str) or not question.strip():
        raise _wrong(path, line, "rule:question")
    expected = [expected] if isinstance(expected, str) else expected
    if not isinstance(expected, list) or not all(isinstance(words, str) for words in expected):
        raise _wrong(path, line, "rule:expected")
    if not isinstance(source, str):
        raise _wrong(path, line, "rule:source")
    words = tuple(each for each in expected if each.strip())
    told = not _flag(path, line, row.get("not_in_documents", False))
    if any(each.strip().casefold().rstrip(".") in NOT_TOLD for each in words):
        words, told = (), False
    if told and not words and not source:
        raise _wrong(path, line, "rule:nothing-expected")
    if not told and (words or source):
        raise _wrong(path, line, "rule:expected-and-not")
    return Case(question.strip(), words, told, source.strip())


def _flag(path: Path, line: int, value: object) -> bool:
    word = ("true" if value else "") if value is None or isinstance(value, bool) else str(value).strip().lower()
    if word not in YES and word not in NO:
        raise _wrong(path, line, "rule:flag")
    return word in YES
