"""Pure: questions about a whole document ("what is it about?", "요약해 줘"), which one they mean, how it begins."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import PurePath

from . import ranking
from .chunking import chunk
from .types import Document, Passage

# So much of a document's beginning is read, in characters, and so many passages of it.
BEGINNING = 6000
PASSAGES = 5
# A document is named by a question that says this share of its title's or its file name's terms.
NAMED = 0.6

_KIND = (
    r"(?:documents?|files?|pdfs?|texts?|papers?|books?|reports?|articles?|manuals?|pages?|contracts?|slides?|guides?)"
)
_KIND_KOREAN = r"(?:문서|파일|글|논문|책|보고서|자료|기사|설명서|계약서|발표|안내서|pdf)"
_ASKS = re.compile(
    r"\bwhat(?:\s+is|'s|’s|\s+are)\b.*\babout\s*\??$"
    r"|^(?:please\s+|can you\s+|could you\s+)?(?:summari[sz]e\b|(?:give|write|make|show)\b.*\b(?:summary|overview)\b)"
    r"|^(?:an?\s+|the\s+)?(?:summary|overview)\s+of\b"
    r"|요약(?:\s?좀)?\s?(?:해|하|부탁|$)|요약은|(?:무슨|어떤)\s(?:내용|문서|글|책|자료)(?:\s?이|\s?인|야|입|예|\?|$)"
    r"|무엇에\s(?:대|관)한\s|전체\s?내용|줄거리|개요(?:를|는|\s?좀|$)",
    re.I,
)
_POINTS = re.compile(
    rf"\b(?:this|these|that|the|my|uploaded|attached)\s+(?:\w+\s+)?{_KIND}\b|\b(?:it|this)\s+(?:all\s+)?about\b"
    rf"|^\W*(?:please\s+)?summari[sz]e(?:\s+(?:it|this|that|please))?\W*$"
    rf"|(?:^|\s)(?:이|그|이번|해당|올린|첨부한?|내)\s?{_KIND_KOREAN}|^\W*(?:이거|이것|그거|전체)?\S?\s?요약\S*(?:\s[줘주]\S*)?\W*$",
    re.I,
)


def asks(question: str) -> bool:
    """Whether the question is about a document as a whole."""
    return bool(_ASKS.search(" ".join(question.split())))


def points(question: str) -> bool:
    """Whether it means a document without naming it: "this document"."""
    return bool(_POINTS.search(" ".join(question.split())))


def named(question: str, passages: Iterable[Passage]) -> str | None:
    """The id of the document whose title or file name the question says, if there is one among the passages'."""
    said = set(ranking.terms(question))
    best: tuple[float, str] | None = None
    for passage in passages:
        for name in (passage.title, PurePath(passage.source).stem):
            wanted = ranking.asked(name)
            share = sum(weight for term, weight in wanted.items() if term in said) / (sum(wanted.values()) or 1.0)
            if share >= NAMED and (best is None or share > best[0]):
                best = share, passage.document_id
    return best[1] if best else None


def beginning(document: Document) -> list[Passage]:
    """The first passages of the document, in order, each as good as any."""
    pages = tuple(replace(page, end=min(page.end, BEGINNING)) for page in document.pages if page.start < BEGINNING)
    first = replace(document, text=document.text[:BEGINNING], pages=pages)
    return [replace(passage, score=1.0) for passage in chunk(first)[:PASSAGES]]
