"""PDF by PDFium: the text of each page, without the lines that run over all pages, broken lines joined again."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import chain, pairwise

import pypdfium2

from ..errors import RagError
from .text import Loaded, TooMuch, clean, paginate

# A small file may say of any number that they are its pages, all of them the same.
_MOST_PAGES = 100_000

_UNTITLED = re.compile(r"untitled.*|제목 ?없음.*|.*\.(docx?|hwpx?|pptx?|xlsx?|indd|tex|dvi)", re.IGNORECASE)


def load(name: str, data: bytes) -> Loaded:
    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        code = "DOC-004" if "password" in str(error).lower() else "DOC-005"
        raise RagError(code, file=name) from error
    try:
        if len(document) > _MOST_PAGES:
            raise TooMuch
        title = re.sub("^Microsoft \\w+ - ", "", str(document.get_metadata_value("Title") or "").strip())
        pages = [_lines(_text(document, number)) for number in range(len(document))]
    finally:
        document.close()
    pages = without_running_lines(pages)
    joined = Joiner(pages)
    texts = ((number, joined.text(lines)) for number, lines in enumerate(pages, 1))
    return paginate(texts, "" if _UNTITLED.fullmatch(title) else title)


def _text(document: pypdfium2.PdfDocument, number: int) -> str:
    page = document[number]
    text_page = page.get_textpage()
    text = str(text_page.get_text_range())
    text_page.close()
    page.close()
    return text


def _lines(text: str) -> list[str]:
    """The lines of a page; a space at the end of one is kept, it tells that a word ends there."""
    # PDFium writes U+FFFE or U+0002 where a word was hyphenated at the end of a line.
    text = re.sub("[\ufffe\x02]\\s*|\u00ad\n", "", clean(text))
    # The dots that lead the eye in a table of contents say nothing, and there are many.
    text = re.sub(r"(?:[ \t]*\.){4,}", " …", text)
    # Signs of a list from a font of symbols, and a gap that only the change of fonts has made.
    text = re.sub("(?m)^[\uf000-\uf0ff][ \t]*", "• ", text)
    text = re.sub("(?<=[가-힣]) (?=[.,](?:\\s|$))", "", text)
    return [line for line in text.split("\n") if line.strip()]


# Running lines.

_EDGE = 3
_FEWEST_PAGES = 3
_ROMAN = re.compile(r"[ivxlc]+", re.IGNORECASE)


def without_running_lines(pages: Sequence[list[str]]) -> list[list[str]]:
    """The pages without the first and last lines that most pages, or most left or right ones, have: titles, numbers.

    A page keeps what it would lose if that is all it says.
    """
    tops, bottoms = _running(pages, range(_EDGE)), _running(pages, range(-1, -1 - _EDGE, -1))
    kept = []
    for number, lines in enumerate(pages):
        start, end = 0, len(lines)
        while start < min(_EDGE, end) and _shape(lines[start]) in tops[number % 2]:
            start += 1
        while end > max(start, len(lines) - _EDGE) and _shape(lines[end - 1]) in bottoms[number % 2]:
            end -= 1
        kept.append(lines[start:end] or lines)
    return kept


def _running(pages: Sequence[list[str]], places: range) -> tuple[set[str], set[str]]:
    """The shapes of the lines that run over the left and over the right pages."""
    shapes = [{_shape(lines[at]) for at in places if -len(lines) <= at < len(lines)} for lines in pages]
    everywhere = _frequent(shapes)
    return everywhere | _frequent(shapes[::2]), everywhere | _frequent(shapes[1::2])


def _frequent(shapes: Sequence[set[str]]) -> set[str]:
    if len(shapes) < _FEWEST_PAGES:
        return set()
    return {shape for shape, count in Counter(chain.from_iterable(shapes)).items() if count > len(shapes) / 2}


def _shape(text: str) -> str:
    """A line with its numbers made equal."""
    text = re.sub(r"\d+", "#", text.strip())
    return "#" if _ROMAN.fullmatch(text) else text


# Broken lines.

# In columns. Shorter lines end where they were meant to.
_NARROWEST = 30

# Particles and endings that stand after a noun without a space: after a final consonant, after a vowel, after both.
_AFTER_CONSONANT = frozenset("은 을 과 으로 이나 이며 이고 이라는 이란 이다 입니다".split())
_AFTER_VOWEL = frozenset("는 를 와 가 로 나 며 고 라는 란".split())
_AFTER_BOTH = frozenset(
    "의 에 에서 에게 에는 에도 에서는 에서도 도 만 까지 부터 보다 처럼 마다 조차 밖에 들은 들이 들을 들의 "
    "적인 적으로 다 니다 습니다 "
    "하는 하고 하며 하여 해서 하지 하게 하면 한다 합니다 했다 했습니다 하십시오 하세요 "
    "된다 됩니다 되는 되어 되지 되고 되면 되었다 되었습니다".split()
)
# "다." is the end of a sentence more often than the third item.
_LIST_ITEM = re.compile(
    r"\s*(?:[-*•◦▪■□○●※·|]|\d+(?:\.\d+)*[.)]?\s|\(?[\d가나라마바사아자차카타파하a-zA-Z][.)]\s|제\s?\d+\s?[장절조항편])"
)
_SENTENCE_END = re.compile(r"[.!?…:;。][\"'”’)\]]*$")


class Joiner:
    """Joins the lines that a page has broken. How a document marks its breaks is read from the whole of it."""

    def __init__(self, pages: Sequence[list[str]]) -> None:
        ends = Counter(line[-1] == " " for lines in pages for line in lines)
        hangul = [line for lines in pages for line in lines if re.search("[가-힣]{2}", line)]
        # Some programs leave the space at the end of a broken line; some write Korean without any space.
        self._spaced = ends[True] > 0.2 * ends.total()
        self._dense = (
            bool(hangul) and sum(bool(re.search("[가-힣] [가-힣]", line)) for line in hangul) < len(hangul) / 3
        )

    def text(self, lines: Sequence[str]) -> str:
        """The text of a page."""
        if not lines:
            return ""
        full = max(_NARROWEST, 0.8 * sorted(map(_width, lines))[int(0.9 * (len(lines) - 1))])
        parts = [lines[0].strip()]
        for before, line in pairwise(lines):
            parts.append(self._glue(before, line, _width(before) >= full))
            parts.append(line.strip())
        return "".join(parts)

    def _glue(self, before: str, after: str, full: bool) -> str:
        """What stands between two lines: a line end, a space, or nothing inside a word."""
        if _LIST_ITEM.match(after):
            return "\n"
        if re.search(r"[a-z,;)]\s*$", before) and re.match("[a-z(]", after):
            return " "
        if not full or _SENTENCE_END.search(before.rstrip()):
            return "\n"
        if self._spaced and before.endswith(" "):
            return " "
        if not re.search("[가-힣,]$", before.rstrip()) or not re.match("[가-힣]", after):
            return "\n"
        if before.rstrip().endswith(","):
            return " "
        if self._spaced or self._dense or _clings(before.rstrip(), after):
            return ""
        return " "


def _clings(before: str, after: str) -> bool:
    """Whether the first word of a line is one that stands only after another, as a particle does."""
    found = re.match("[가-힣]+", after)
    word = found.group() if found else ""
    closed = (ord(before[-1]) - 0xAC00) % 28 > 0 if "가" <= before[-1] <= "힣" else False
    return word in _AFTER_BOTH or word in (_AFTER_CONSONANT if closed else _AFTER_VOWEL)


def _width(text: str) -> int:
    """In columns, of which Hangul and Han characters take two."""
    return len(text) + len(re.findall("[\u1100-\u11ff\u2e80-\ud7a3\uff00-\uff60]", text))
