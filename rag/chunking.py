"""Pure: text to passages with exact offsets. `text[passage.start:passage.end] == passage.text`, always.

Text is cut at headings, then paragraphs and code blocks, then table rows and sentences (English and Korean), then
anywhere, and the pieces are put together again up to a budget of the embedder's tokens. A passage never crosses a
heading or a page. Where a paragraph had to be cut, the next passage begins with the last sentence of the one before.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from .types import Document, Passage

Count = Callable[[str], int]
Span = tuple[int, int]
Cut = Callable[[str, Span], Iterable[Span]]

# A window may be larger than what serves a search: the vector of a long text says little of each of its sentences.
LARGEST = 254
# A title and headings may take half of the window from their passage, not more.
LEAST_SHARE = 0.5
# What a tokenizer made for Korean, Chinese or Japanese needs for a character. One that needs more than a whole token
# does not know the script: its vectors say little, the words must do, and those want paragraphs whole (measured: the
# first passage holds the answer for 95 of 100 Korean questions, and for 93 with passages of two thirds of the size).
WIDE_TOKENS = 0.4
# Share of the budget that a repeated sentence may take.
OVERLAP = 0.2
# No text has more characters in a token; a longer one is cut without being counted.
LONGEST_TOKEN = 40
# A word that a tokenizer gives up is one token, however long. A passage of such words counts by its length instead: all
# that looks at passages relies on their being short.
WIDEST_TOKEN = 10
LONGEST_HEADING = 200
LONGEST_ABBREVIATION = 12
# Characters that are seen as one, such as an emoji of a family; a longer row of accents may be cut.
LONGEST_CLUSTER = 16

# A pattern is looked for in so many characters at a time, so that no single look takes long: other threads wait for it.
# What it finds is no longer than MARGIN, but for white space, which may then count as two.
STEP = 1 << 14
MARGIN = 1 << 10

# Types whose text has headings after #; in others that is a comment or a number sign.
MARKED_TYPES = frozenset("md markdown html htm xhtml docx pptx xlsx odt ods odp epub rtf json jsonl".split())

_WIDE = re.compile(r"[\u1100-\u11ff\u3040-\u318f\u3400-\u9fff\uac00-\ud7a3]")
_HEADING = re.compile(r"(#{1,6})[ \t]+(\S.*)")
_HEADING_CLOSE = re.compile(r"(?<=[ \t])#+$")
_HEADING_END = re.compile(r"(?m)^#{1,6}\s.*\n+")
_FENCE = re.compile(r"[ \t]*(```|~~~)")
_PARAGRAPH_END = re.compile(r"\n[ \t]*\n\s*")
_LINE_END = re.compile(r"\n+")
# The look-behind lets a long row of dots be tried once, not from each of its dots. Korean sentences may end with the
# line alone, or run on without a space.
_SENTENCE_END = re.compile(
    r"(?:(?<![.!?…])[.!?…]+[\"'”’)\]]*\s+|[。！？]+\s*|\n(?=[ \t]*(?:[-*•|]|\d+[.)])\s)"
    r"|(?<=[다요죠음함까])[ \t]*\n|(?<=[다요죠])[.!?](?=[가-힣]))"
)
_JOINER = "\u200d"
_JOINING = frozenset((_JOINER, "\ufe0e", "\ufe0f", "\u20e3"))
_LAST_WORD = re.compile(r"(?:^|[\s(\[\"'“‘])((?:[A-Za-z]\.)*[A-Za-z]+)$")
# Before a name, before a number, and those that end a sentence too unless it goes on in lower case.
_BEFORE_NAME = frozenset("mr mrs ms dr prof st rev hon gen col capt lt sgt sen rep gov mt messrs vs e.g i.e cf".split())
_BEFORE_NUMBER = frozenset(
    "no nos fig figs vol p pp sec ch art eq approx ca jan feb mar apr jun jul aug sep oct".split()
)
_BEFORE_LOWER = frozenset("etc inc ltd co corp jr sr al est dept a.m p.m u.s u.k ph.d".split())


def estimate(text: str) -> int:
    """Tokens of a text, roughly, where no embedder is at hand to count them."""
    wide = len(_WIDE.findall(text))
    return round(WIDE_TOKENS * wide + (len(text) - wide) / 4.5)


def chunk(document: Document, count: Count = estimate, window: int = LARGEST) -> list[Passage]:
    """The passages of a document, in order.

    `count` gives the embedder's tokens of a text, `window` is how many of them it reads. Below its title and headings
    (`in_context`) a passage fits, except where the embedder's tokenizer does not know the script (`WIDE_TOKENS`).
    """
    passages: list[Passage] = []
    cutter = _Cutter(document.text, count, document.type in MARKED_TYPES)
    room: dict[tuple[str, ...], int] = {}
    for page, headings, section in _sections(document):
        if headings not in room:
            above = cutter.size(" > ".join((document.title[:LONGEST_HEADING], *headings)))
            budget = min(window, LARGEST)
            # Only the last path is remembered: a document may have any number of them.
            room = {headings: max(1, round(LEAST_SHARE * budget), budget - above)}
        for start, end in cutter.passages(section, room[headings]):
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


def sentences(text: str) -> list[str]:
    """The sentences of a passage, without the white space around them. A heading or a table row is one of its own."""
    cut = (
        text[start:end].strip()
        for paragraph in _split(text, (0, len(text)), _PARAGRAPH_END)
        for line in _split(text, paragraph, _HEADING_END)
        for start, end in _sentences(text, line)
    )
    return [sentence for sentence in cut if sentence]


def _sections(document: Document) -> Iterator[tuple[int | None, tuple[str, ...], Span]]:
    """(page, heading path, span) of each stretch between headings or page ends."""
    text = document.text
    marked = document.type in MARKED_TYPES
    whole: list[tuple[int | None, int, int]] = [(None, 0, len(text))]
    for number, start, end in [(page.number, page.start, page.end) for page in document.pages] or whole:
        path: list[tuple[int, str]] = []
        begun, fenced, only_headings = start, False, True
        for position, stop in _lines(text, (start, end)) if marked else ():
            line = text[position : min(stop, position + STEP)]
            fenced ^= bool(_FENCE.match(line))
            heading = _HEADING.match(line) if not fenced else None
            if heading:
                if not only_headings:
                    yield number, tuple(title for _, title in path), (begun, position)
                    begun, only_headings = position, True
                level = len(heading.group(1))
                title = _HEADING_CLOSE.sub("", heading.group(2).rstrip()).rstrip()[:LONGEST_HEADING]
                path = [*(entry for entry in path if entry[0] < level), (level, title)]
            elif line.strip():
                only_headings = False
        yield number, tuple(title for _, title in path), (begun, end)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch of text that fits the budget. `follows`: it goes on with a paragraph that the piece before is of."""

    start: int
    end: int
    size: int
    follows: bool


@dataclass(frozen=True, slots=True)
class _Cutter:
    """Cuts one document. Each character is counted a few times at most, however the text is made."""

    text: str
    count: Count
    fences: bool

    def size(self, text: str) -> int:
        """The tokens of a text; of a script that the tokenizer does not know, those of one that does."""
        tokens = max(self.count(text), len(text) // WIDEST_TOKEN)
        wide = len(_WIDE.findall(text))
        if not wide or tokens <= wide:
            return tokens
        rest = self.count(_WIDE.sub(" ", text))
        return rest + round(WIDE_TOKENS * wide) if tokens - rest > wide else tokens

    def passages(self, section: Span, budget: int) -> Iterator[Span]:
        """Pieces of the section put together up to the budget, without the white space around them. What lies between
        them is no token, but makes a passage as long."""

        def fits(used: int, first: _Piece, piece: _Piece) -> bool:
            return used + piece.size <= budget and piece.end - first.start <= WIDEST_TOKEN * budget

        group: list[_Piece] = []
        used = 0
        for piece in self._pieces(section, budget):
            if group and not fits(used, group[0], piece):
                yield group[0].start, group[-1].end
                last = group[-1]
                # Said twice only if there is a piece before it: otherwise it is the passage.
                again = piece.follows and len(group) > 1 and last.size <= OVERLAP * budget
                group = [last] if again and fits(last.size, last, piece) else []
                used = sum(one.size for one in group)
            group.append(piece)
            used += piece.size
        if group:
            yield group[0].start, group[-1].end

    def _pieces(self, section: Span, budget: int) -> Iterator[_Piece]:
        for block, is_code in self._blocks(section):
            follows = False
            for start, end, size in self._fit(block, budget, [_lines if is_code else _sentences, _stretches(budget)]):
                yield _Piece(start, end, size, follows and not is_code)
                follows = True

    def _blocks(self, section: Span) -> Iterator[tuple[Span, bool]]:
        """Paragraphs, and blocks of code with their fences (True), which may have blank lines inside."""
        begun, fenced = section[0], False
        for start, end in _lines(self.text, section) if self.fences else ():
            if not _FENCE.match(self.text, start, min(end, start + STEP)):
                continue
            if fenced:
                yield (begun, end), True
                begun = end
            else:
                yield from ((span, False) for span in _split(self.text, (begun, start), _PARAGRAPH_END))
                begun = start
            fenced = not fenced
        rest = (begun, section[1])
        if fenced:
            yield rest, True
        else:
            yield from ((span, False) for span in _split(self.text, rest, _PARAGRAPH_END))

    def _fit(self, span: Span, budget: int, cuts: Sequence[Cut]) -> Iterator[tuple[int, int, int]]:
        """(start, end, size) of pieces that fit: cut by the first of the `cuts` that is fine enough, or by halving."""
        start, end = _trimmed(self.text, span)
        if start == end:
            return
        if end - start <= LONGEST_TOKEN * budget:
            size = self.size(self.text[start:end])
            if size <= budget:
                yield start, end, size
                return
        if cuts:
            for part in cuts[0](self.text, (start, end)):
                yield from self._fit(part, budget, cuts[1:])
        elif (middle := _whole(self.text, start, (start + end) // 2)) > start:
            yield from self._fit((start, middle), budget, ())
            yield from self._fit((middle, end), budget, ())
        else:
            yield start, end, budget


def _lines(text: str, span: Span) -> Iterator[Span]:
    return _split(text, span, _LINE_END)


def _sentences(text: str, span: Span) -> Iterator[Span]:
    """Sentences; a row of a table is one, whatever its cells say."""
    begun = span[0]
    for start, end in _lines(text, span):
        tabbed = text.find("\t", start, end) >= 0 and text.find("\t", *_trimmed(text, (start, end))) >= 0
        if tabbed or text.find("|", start, end) >= 0:
            yield from _sentences_of_prose(text, (begun, start))
            yield start, end
            begun = end
    yield from _sentences_of_prose(text, (begun, span[1]))


def _sentences_of_prose(text: str, span: Span) -> Iterator[Span]:
    start = span[0]
    for match in _found(_SENTENCE_END, text, span):
        if match.end() > start and not _is_abbreviation(text, start, match):
            yield start, match.end()
            start = match.end()
    if start < span[1]:
        yield start, span[1]


def _is_abbreviation(text: str, start: int, end: re.Match[str]) -> bool:
    """Whether the full stop is that of an abbreviation or of an initial, with more of the sentence to come."""
    stop = end.start()
    if end.group().rstrip() != ".":
        return False
    before = _LAST_WORD.search(text[max(start, stop - LONGEST_ABBREVIATION) : stop])
    if not before:
        return False
    word, following = before.group(1), text[end.end() : end.end() + 1]
    name = word.lower()
    return (
        name in _BEFORE_NAME
        or (name in _BEFORE_NUMBER and following.isdigit())
        or (name in _BEFORE_LOWER and following.islower())
        or (len(word) == 1 and word.isupper() and word != "I" and following.isupper())
        # "Y. pestis", "c. 1455".
        or (len(word) == 1 and (following.islower() or (word.islower() and following.isdigit())))
    )


def _stretches(budget: int) -> Cut:
    """Cuts a sentence without end, or a line of base64, at spaces where it has any."""
    step = max(1, budget // 2)

    def cut(text: str, span: Span) -> Iterator[Span]:
        start, end = span
        while start < end:
            stop = min(start + step, end)
            if stop < end:
                space = max(text.rfind(character, start, stop) for character in " \n\t")
                stop = space + 1 if space > start else _whole(text, start, stop) if stop > start + 1 else stop
                stop = stop if stop > start else start + step
            yield start, stop
            start = stop

    return cut


def _whole(text: str, start: int, cut: int) -> int:
    """`cut`, or a place before it where no accent, jamo or joined emoji is cut off; `start` if there is none."""
    for place in range(cut, max(start, cut - LONGEST_CLUSTER), -1):
        if not _joins(text[place]) and text[place - 1] != _JOINER:
            return place
    return cut if cut - start > LONGEST_CLUSTER else start


def _joins(character: str) -> bool:
    return (
        unicodedata.combining(character) > 0
        or character in _JOINING
        or "\u1160" <= character <= "\u11ff"
        or "\U0001f3fb" <= character <= "\U0001f3ff"
    )


def _split(text: str, span: Span, end: re.Pattern[str]) -> Iterator[Span]:
    start = span[0]
    for match in _found(end, text, span):
        if match.end() > start:
            yield start, match.end()
            start = match.end()
    if start < span[1]:
        yield start, span[1]


def _found(pattern: re.Pattern[str], text: str, span: Span) -> Iterator[re.Match[str]]:
    """The matches, looked for in steps."""
    start, end = span
    while start < end:
        stop = min(start + STEP, end)
        sure = stop if stop == end else stop - MARGIN
        place = start
        for match in pattern.finditer(text, start, stop):
            if match.end() > sure and match.start() > start:
                # It may go on: it is looked at again from where it begins.
                place = match.start()
                break
            place = match.end()
            yield match
        else:
            place = max(place, sure)
        start = place


def _trimmed(text: str, span: Span) -> Span:
    """The span without the white space around it; an empty one if it has nothing else."""
    start, end = span
    while start < end and not (piece := text[start : min(start + STEP, end)].lstrip()):
        start = min(start + STEP, end)
    if start < end:
        start = min(start + STEP, end) - len(piece)
    while start < end and not (piece := text[max(start, end - STEP) : end].rstrip()):
        end = max(start, end - STEP)
    if start < end:
        end = max(start, end - STEP) + len(piece)
    return start, end
