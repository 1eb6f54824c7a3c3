"""Pure: text to passages with exact offsets. `text[passage.start:passage.end] == passage.text`, always.

Text is cut at headings, then paragraphs, then sentences (English and Korean), then words, and the pieces are put
together again up to a budget. A passage never crosses a heading or a page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .types import Document, Passage

# About 200 tokens of English. A Hangul syllable or Han character says as much as several Latin letters.
BUDGET = 900.0
WIDE_WEIGHT = 2.5

# Types whose text has headings after #; in others that is a comment or a number sign.
MARKED_TYPES = frozenset(("md", "markdown", "html", "htm"))

Span = tuple[int, int]

_WIDE = re.compile(r"[\u1100-\u11ff\u3040-\u318f\u3400-\u9fff\uac00-\ud7a3]")
_HEADING = re.compile(r"(#{1,6})[ \t]+(\S.*)")
_HEADING_CLOSE = re.compile(r"(?<=[ \t])#+$")
_HEADING_END = re.compile(r"(?m)^#{1,6}\s.*\n+")
_FENCE = re.compile(r"\s*(```|~~~)")
_PARAGRAPH_END = re.compile(r"\n[ \t]*\n\s*")
# The look-behind lets a long row of dots be tried once, not from each of its dots.
_SENTENCE_END = re.compile(r"(?:(?<![.!?…])[.!?…]+[\"'”’)\]]*\s+|[。！？]+\s*|\n(?=[ \t]*(?:[-*•|]|\d+[.)])\s))")
_WORD_END = re.compile(r"\s+")


def chunk(document: Document, budget: float = BUDGET) -> list[Passage]:
    """The passages of a document, in order."""
    passages: list[Passage] = []
    for page, headings, section in _sections(document):
        for start, end in _pack(document.text, section, budget):
            passages.append(
                Passage(
                    chunk_id=f"{document.id}-{len(passages):05d}",
                    document_id=document.id,
                    source=document.source,
                    title=document.title,
                    text=document.text[start:end],
                    start=start,
                    end=end,
                    page=page,
                    headings=headings,
                )
            )
    return passages


def in_context(passage: Passage) -> str:
    """A passage as it is embedded: below its title and headings, where the text itself does not say them."""
    path = [name for name in dict.fromkeys((passage.title, *passage.headings)) if name not in passage.text]
    return "\n".join([" > ".join(path), passage.text]) if path else passage.text


def weigh(text: str) -> float:
    """The size of a text against the budget: characters, wide ones counting more."""
    wide = len(_WIDE.findall(text))
    return len(text) - wide + WIDE_WEIGHT * wide


def sentences(text: str) -> list[str]:
    """The sentences of a passage, without the white space around them. A heading is one of its own."""
    cut = (
        text[start:end].strip()
        for paragraph in _split(text, (0, len(text)), _PARAGRAPH_END)
        for line in _split(text, paragraph, _HEADING_END)
        for start, end in _split(text, line, _SENTENCE_END)
    )
    return [sentence for sentence in cut if sentence]


def _sections(document: Document) -> Iterator[tuple[int | None, tuple[str, ...], Span]]:
    """(page, heading path, span) of each stretch between headings or page ends."""
    text = document.text
    marked = document.type in MARKED_TYPES and not document.pages
    whole: list[tuple[int | None, int, int]] = [(None, 0, len(text))]
    for number, start, end in [(page.number, page.start, page.end) for page in document.pages] or whole:
        path: list[tuple[int, str]] = []
        begun, fenced, only_headings = start, False, True
        position = start
        for line in text[start:end].splitlines(keepends=True):
            fenced ^= bool(_FENCE.match(line))
            heading = _HEADING.match(line) if marked and not fenced else None
            if heading:
                if not only_headings:
                    yield number, tuple(title for _, title in path), (begun, position)
                    begun, only_headings = position, True
                level = len(heading.group(1))
                title = _HEADING_CLOSE.sub("", heading.group(2).rstrip()).rstrip()
                path = [*(entry for entry in path if entry[0] < level), (level, title)]
            elif line.strip():
                only_headings = False
            position += len(line)
        yield number, tuple(title for _, title in path), (begun, end)


def _pack(text: str, section: Span, budget: float) -> Iterator[Span]:
    """Pieces of the section put together up to the budget, without the white space around them."""
    begun: int | None = None
    finished = section[0]
    for start, end in _pieces(text, section, budget):
        if begun is not None and weigh(text[begun:end].strip()) > budget:
            yield from _trimmed(text, (begun, finished))
            begun = None
        begun = start if begun is None else begun
        finished = end
    if begun is not None:
        yield from _trimmed(text, (begun, finished))


def _pieces(text: str, span: Span, budget: float) -> Iterator[Span]:
    """Paragraphs; sentences of those that are too long; words of sentences that are too long."""
    for paragraph in _split(text, span, _PARAGRAPH_END):
        if weigh(text[slice(*paragraph)]) <= budget:
            yield paragraph
            continue
        for sentence in _split(text, paragraph, _SENTENCE_END):
            if weigh(text[slice(*sentence)]) <= budget:
                yield sentence
                continue
            for word in _split(text, sentence, _WORD_END):
                yield from _hard_cut(text, word, budget)


def _split(text: str, span: Span, end: re.Pattern[str]) -> Iterator[Span]:
    start = span[0]
    for match in end.finditer(text, *span):
        if match.end() > start:
            yield start, match.end()
            start = match.end()
    if start < span[1]:
        yield start, span[1]


def _hard_cut(text: str, span: Span, budget: float) -> Iterator[Span]:
    """A word without end, such as a line of base64, in pieces that surely fit."""
    step = len(text) if weigh(text[slice(*span)]) <= budget else max(1, int(budget / WIDE_WEIGHT))
    for start in range(span[0], span[1], step):
        yield start, min(start + step, span[1])


def _trimmed(text: str, span: Span) -> Iterator[Span]:
    piece = text[slice(*span)]
    start = span[0] + len(piece) - len(piece.lstrip())
    end = span[1] - (len(piece) - len(piece.rstrip()))
    if start < end:
        yield start, end
