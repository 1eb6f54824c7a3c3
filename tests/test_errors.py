"""The catalogue speaks both languages alike, and whoever raises an error gives what its texts need."""

from __future__ import annotations

import ast
import json
import re
import string
from pathlib import Path

import pytest

from rag.catalogue import Row, Text
from rag.errors import CATALOGUE, RagError
from rag.rules import RULES

ROOT = Path(__file__).resolve().parent.parent
SOURCES = [ROOT / "server.py", *(file for folder in ("rag", "web", "models") for file in (ROOT / folder).rglob("*.py"))]

# Section 4 of the protocol. Keys and the rate limit come with the features that raise them.
PROMISED = """
    WS-001-INVALID_JSON WS-002-VALIDATION_ERROR WS-003-SERVICE_NOT_INITIALIZED WS-999-INTERNAL_ERROR
    GEN-001 GEN-002 GEN-003 GEN-004 GEN-999 SEARCH-001 SEARCH-003 SEARCH-004
    SESSION-001 SESSION-002 SESSION-003 DOC-001 DOC-002 DOC-003 DOC-004 DOC-005 DOC-006 DOC-007
""".split()


def placeholders(text: Text) -> set[str]:
    parsed = (part for line in (text.message, *text.solutions) for part in string.Formatter().parse(line))
    return {name for _, name, _, _ in parsed if name is not None}


def needed(code: str) -> set[str]:
    return placeholders(CATALOGUE[code].en)


@pytest.mark.parametrize("code", PROMISED)
def test_every_code_of_the_protocol_is_there(code: str) -> None:
    assert code in CATALOGUE


@pytest.mark.parametrize(("code", "row"), CATALOGUE.items())
def test_both_languages_say_the_same(code: str, row: Row) -> None:
    assert row.doors
    for text in (row.ko, row.en):
        assert text.when.strip()
        assert text.message.strip()
        assert text.solutions
        assert all(line.strip() for line in text.solutions)
    assert placeholders(row.ko) == placeholders(row.en)
    assert len(row.ko.solutions) == len(row.en.solutions)
    # Placeholders and commands aside, one is in Hangul and the other is not.
    assert re.search("[가-힣]", row.ko.message)
    assert not re.search("[가-힣]", " ".join((row.en.message, *row.en.solutions)))
    assert all(re.search("[가-힣]", line) for line in row.ko.solutions)


@pytest.mark.parametrize(("code", "row"), CATALOGUE.items())
def test_every_status_is_an_error_of_http(code: str, row: Row) -> None:
    assert 400 <= row.status < 600


@pytest.mark.parametrize("code", CATALOGUE)
@pytest.mark.parametrize("lang", ["ko", "en"])
def test_a_body_has_the_shape_of_the_protocol_with_all_placeholders_filled(code: str, lang: str) -> None:
    error = RagError(code, **{name: f"<{name}>" for name in needed(code)})
    body = json.loads(json.dumps(error.body(lang)))  # type: ignore[arg-type]
    assert list(body) == ["error_code", "message", "solutions"]
    assert body["error_code"] == code
    assert isinstance(body["message"], str)
    assert isinstance(body["solutions"], list)
    said = " ".join((body["message"], *body["solutions"]))
    assert all(f"<{name}>" in said for name in needed(code))
    assert "{" not in said


def test_an_unknown_code_is_a_bug_that_shows_at_once() -> None:
    with pytest.raises(KeyError):
        RagError("GEN-123")


def test_rules_are_told_in_the_language_and_lists_with_commas() -> None:
    error = RagError("WS-002-VALIDATION_ERROR", field="content", rule="rule:blank")
    assert RULES["rule:blank"][0] in error.body("ko")["message"]
    assert RULES["rule:blank"][1] in error.body("en")["message"]
    assert ".md, .pdf" in RagError("DOC-001", file="x.exe", supported=[".md", ".pdf"]).body("en")["solutions"][0]


def test_braces_in_data_are_not_placeholders() -> None:
    assert "{directory}.pdf" in RagError("DOC-005", file="{directory}.pdf").body("en")["message"]


def test_every_rule_is_in_both_languages() -> None:
    for ko, en in RULES.values():
        assert re.search("[가-힣]", ko)
        assert not re.search("[가-힣]", en)


def raised() -> list[tuple[str, str, set[str]]]:
    """(where, code, names of the data) of each `RagError("CODE", name=...)` in the project."""
    found = []
    for file in SOURCES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if file.exists() else ():
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "RagError":
                names = {keyword.arg for keyword in node.keywords}
                # A code that is computed, or data that is passed through, cannot be read here.
                if node.args and isinstance(node.args[0], ast.Constant) and None not in names:
                    found.append((f"{file.name}:{node.lineno}", str(node.args[0].value), {str(name) for name in names}))
    return found


def test_whoever_raises_an_error_gives_all_the_data_that_its_texts_need() -> None:
    calls = raised()
    assert len(calls) > 20
    wrong = [f"{where}: {code} needs {needed(code) - names}" for where, code, names in calls if needed(code) - names]
    assert not wrong
