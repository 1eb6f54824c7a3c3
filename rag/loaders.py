"""Files to text with titles and pages. One function for each format; the text is what offsets refer to."""

from __future__ import annotations

import codecs
import contextlib
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePath

import pypdfium2
from bs4 import BeautifulSoup
from bs4.dammit import EncodingDetector
from bs4.element import NavigableString, Tag

from .errors import RagError
from .types import Page


@dataclass(frozen=True, slots=True)
class Loaded:
    """The text of a file, its title (may be empty) and where its pages lie."""

    text: str
    title: str = ""
    pages: tuple[Page, ...] = ()


def load(name: str, data: bytes) -> Loaded:
    """The text of the file `name` with content `data`. Blocks, and may take seconds for a large PDF.

    Raises `RagError` DOC-001 (type), DOC-003 (empty), DOC-004 (encrypted), DOC-005 (damaged), DOC-006 (no text).
    """
    loader = LOADERS.get(suffix(name))
    if loader is None:
        raise RagError("DOC-001", file=name, supported=sorted(LOADERS))
    if not data.strip():
        raise RagError("DOC-003", file=name)
    loaded = loader(name, data)
    if not loaded.text.strip():
        raise RagError("DOC-006", file=name)
    title = " ".join(loaded.title.split())[:200] or PurePath(name).stem
    return Loaded(loaded.text, title, loaded.pages)


def suffix(name: str) -> str:
    return PurePath(name).suffix.lower()


# What pages declare, and what they then hold: CP949 is EUC-KR with all syllables.
_DECLARED = {
    **dict.fromkeys(
        ("euc-kr", "euc_kr", "ks_c_5601-1987", "ks_c_5601-1989", "ksc5601", "korean", "windows-949"), "cp949"
    ),
    **dict.fromkeys(("iso-8859-1", "latin1", "us-ascii", "ascii"), "cp1252"),
    # Would have been known by its byte order mark.
    **dict.fromkeys(("utf-16", "utf-16le", "utf-16be"), "utf-8"),
}


def _decode(name: str, data: bytes, declared: str = "") -> str:
    """Text in UTF-8, in UTF-16 with its mark, as declared, or in Korean CP949; the first that reads all of it.

    Guessing by statistics is left out: it takes short Korean texts for other languages.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _clean(data.decode("utf-16", "replace"))
    if b"\0" in data[:4096]:
        raise RagError("DOC-005", file=name)
    encodings = ["utf-8", _DECLARED.get(declared.lower(), declared) or "cp949", "cp949"]
    for encoding in encodings:
        # An unknown encoding is a LookupError.
        with contextlib.suppress(ValueError, LookupError):
            return _clean(data.decode(encoding))
    for encoding in ("utf-8", "cp949"):
        # A few bad bytes are let be where the rest makes sense, as in a file that was cut off.
        text = data.decode(encoding, "replace")
        if sum(character > "\x7f" for character in text) > 10 * text.count("\ufffd"):
            return _clean(text)
    return _clean(data.decode("cp1252", "replace"))


def _clean(text: str) -> str:
    """Line ends become one newline, and decomposed Hangul, as some systems write it, whole syllables."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "").removeprefix("\ufeff")
    return unicodedata.normalize("NFC", text)


def _load_text(name: str, data: bytes) -> Loaded:
    return Loaded(_decode(name, data))


def _load_markdown(name: str, data: bytes) -> Loaded:
    text = _decode(name, data)
    heading = re.search(r"^#[ \t]+(\S.*)", text, re.MULTILINE)
    return Loaded(text, re.sub(r"(?<=[ \t])#+$", "", heading.group(1).rstrip()) if heading else "")


# How many line ends stand before and after a tag; those not named run on in the line.
_GAPS = dict.fromkeys(
    "address article aside blockquote body dd details div dl dt figcaption figure footer form h1 h2 h3 h4 h5 h6 header "
    "hr main ol p pre section summary table tbody tfoot thead ul".split(),
    2,
) | {"li": 1, "tr": 1}
_SILENT = ["script", "style", "noscript", "template", "svg", "head", "iframe", "object"]


def _load_html(name: str, data: bytes) -> Loaded:
    declared = EncodingDetector.find_declared_encoding(data, is_html=True) or ""
    soup = BeautifulSoup(_decode(name, data, declared), "html.parser")
    title = soup.title.get_text() if soup.title else ""
    for silent in [*soup(_SILENT), *soup.select("nav, [hidden]")]:
        silent.decompose()
    text = _clean("".join(_html_parts(soup)))
    return Loaded(re.sub(r"(?<![ \t])[ \t]+\n", "\n", text).strip(), title)


def _html_parts(soup: Tag) -> Iterator[str]:
    """Pieces of text. Headings and code are marked as in Markdown, so that passages know where they stand."""
    gap, mark, verbatim = 2, "", False
    for node, opens in _walk(soup):
        if isinstance(node, Tag):
            if node.name in ("td", "th") and opens and not gap:
                yield " | "
            elif node.name == "br" and opens:
                gap += 1
            elif node.name == "pre":
                if not opens and not mark:
                    yield "\n```"
                mark, verbatim = "```\n" if opens else "", opens
            elif re.fullmatch("h[1-6]", node.name):
                mark = "#" * int(node.name[1]) + " " if opens else ""
            gap = max(gap, _GAPS.get(node.name, 0))
        else:
            text = str(node).strip("\n") if verbatim and mark else str(node)
            if not verbatim:
                text = re.sub(r"\s+", " ", text)
            if text.strip():
                yield "\n" * min(gap, 2) + mark + (text.lstrip(" ") if gap and not verbatim else text)
                gap, mark = 0, ""
            elif not gap and node.parent and node.parent.name != "tr":
                yield text


def _walk(root: Tag) -> Iterator[tuple[Tag | NavigableString, bool]]:
    """The strings that are seen, and each tag twice: as it opens (True) and as it closes."""
    open_tags = [(root, iter(root.children))]
    while open_tags:
        tag, children = open_tags[-1]
        child = next(children, None)
        if child is None:
            open_tags.pop()
            yield tag, False
        elif isinstance(child, Tag):
            open_tags.append((child, iter(child.children)))
            yield child, True
        elif type(child) is NavigableString:
            # Comments and their like are of derived types.
            yield child, True


def _load_pdf(name: str, data: bytes) -> Loaded:
    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        code = "DOC-004" if "password" in str(error).lower() else "DOC-005"
        raise RagError(code, file=name) from error
    try:
        title = str(document.get_metadata_value("Title") or "")
        parts: list[str] = []
        pages: list[Page] = []
        length = 0
        for number in range(len(document)):
            page = document[number]
            text_page = page.get_textpage()
            text = _pdf_text(text_page.get_text_bounded())
            text_page.close()
            page.close()
            pages.append(Page(number + 1, length, length + len(text)))
            parts.append(text + "\n\n")
            length += len(text) + 2
    except pypdfium2.PdfiumError as error:
        raise RagError("DOC-005", file=name) from error
    finally:
        document.close()
    return Loaded("".join(parts).rstrip() and "".join(parts), title, tuple(pages))


def _pdf_text(text: str) -> str:
    # PDFium writes U+FFFE or U+0002 where a word was hyphenated at the end of a line.
    text = re.sub("[\ufffe\x02]\\s*|\u00ad\n", "", _clean(text))
    # A line that ends and goes on in the middle of a sentence is one line. (Korean may break inside a word: left.)
    text = re.sub(r"(?<=[a-z,;)])[ \t]*\n(?=[a-z(])", " ", text)
    # The dots that lead the eye in a table of contents say nothing, and there are many.
    return re.sub(r"(?:[ \t]*\.){4,}", " …", text).strip()


LOADERS: dict[str, Callable[[str, bytes], Loaded]] = {
    ".md": _load_markdown,
    ".markdown": _load_markdown,
    ".txt": _load_text,
    ".html": _load_html,
    ".htm": _load_html,
    ".pdf": _load_pdf,
}
