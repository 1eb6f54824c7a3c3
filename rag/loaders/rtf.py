r"""Rich Text Format 1.9: text with headings by outline level, tables, list labels and notes.

A stream of groups `{...}`, control words `\word12`, escaped bytes `\'b0` and text. What a group may hold is said by the
first word in it, its destination; those that are not named here are text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from .text import Loaded, clean, first_heading, heading, join, line, plain, table

_TOKEN = re.compile(
    r"\\([a-zA-Z]{1,32})(-?\d{1,9})?[ ]?|\\'([0-9a-fA-F]{2})|\\([^a-zA-Z])|([{}])|[\r\n]+|([^\\{}\r\n]+)"
)
_SILENT = frozenset(
    "colortbl pict objdata object header headerf headerl headerr footer footerf footerl footerr ftnsep ftnsepc aftnsep "
    "aftnsepc fldinst listtable listoverridetable revtbl rsidtbl themedata colorschememapping datastore latentstyles "
    "xmlnstbl generator filetbl bkmkstart bkmkend nonshppict shprslt sp pgptbl annotation atnid atnauthor atndate "
    "private xe tc panose falt author operator keywords comment doccomm subject company manager category userprops "
    "creatim revtim printim buptim hlinkbase pnseclvl picprop docvar nonesttables nesttableprops do upr".split()
)
_SPECIAL = {
    "tab": "\t", "line": "\n", "emdash": "—", "endash": "–", "emspace": " ", "enspace": " ", "qmspace": " ",
    "bullet": "•", "lquote": "‘", "rquote": "’", "ldblquote": "“", "rdblquote": "”", "nestcell": " ", "nestrow": "\n",
}  # fmt: skip
_SYMBOLS = {"~": " ", "_": "-", "{": "{", "}": "}", "\\": "\\"}
_CHARSETS = {
    128: "cp932", 129: "cp949", 130: "johab", 134: "gbk", 136: "big5", 161: "cp1253", 162: "cp1254", 163: "cp1258",
    177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874", 238: "cp1250",
}  # fmt: skip
_PAGES = {number: f"cp{number}" for number in (437, 850, 874, 932, 936, 949, 950, *range(1250, 1259))} | {
    1361: "johab",
    65001: "utf-8",
}


def load(name: str, data: bytes) -> Loaded:
    text = data.lstrip(b"\xef\xbb\xbf \r\n\t").decode("latin-1")
    if not text.startswith("{\\rtf"):
        raise ValueError("no RTF")
    reader = _Reader()
    reader.read(text)
    whole = _paired(join(reader.blocks()))
    return Loaded(whole, clean(_paired(reader.title)) or first_heading(whole))


def _paired(text: str) -> str:
    """Characters beyond the first 65,536 come as two halves."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


@dataclass(slots=True)
class _Group:
    """What holds inside a group, and ends with it."""

    destination: str = ""
    silent: bool = False
    hidden: bool = False
    font: int = -1
    skip: int = 1
    level: int = 0
    in_table: bool = False


@dataclass(slots=True)
class _Reader:
    title: str = ""
    _encoding: str = "cp1252"
    _fonts: dict[int, str] = field(default_factory=dict)
    _levels: dict[int, int] = field(default_factory=dict)
    _group: _Group = field(default_factory=_Group)
    _bytes: bytearray = field(default_factory=bytearray)
    _text: list[str] = field(default_factory=list)
    _notes: list[str] = field(default_factory=list)
    _above: list[list[str]] = field(default_factory=list)
    _cells: list[str] = field(default_factory=list)
    _rows: list[list[str]] = field(default_factory=list)
    _blocks: list[str] = field(default_factory=list)
    _style: int = -1
    _unicode: int = 0

    def blocks(self) -> list[str]:
        self._end_paragraph()
        self._end_table()
        return self._blocks

    def read(self, text: str) -> None:
        """Raises `ValueError` if the outermost group does not end."""
        groups: list[_Group] = []
        position = 0
        while found := _TOKEN.match(text, position):
            position = found.end()
            word, number, byte, symbol, brace, run = found.groups()
            if brace == "{":
                self._flush()
                self._unicode = 0
                groups.append(self._group)
                self._group = replace(self._group)
            elif brace:
                self._flush()
                self._unicode = 0
                outer = groups.pop()
                if self._group.destination == "footnote" != outer.destination:
                    note, self._text = "".join(self._text), self._above.pop()
                    self._notes.append(note)
                self._group = outer
                if not groups:
                    return
            elif word == "bin":
                position += max(int(number or 0), 0)
            elif word:
                self._word(word, int(number) if number else None)
            elif byte:
                self._characters(bytes((int(byte, 16),)))
            elif symbol == "*":
                self._group.silent = True
            elif symbol:
                self._say(_SYMBOLS.get(symbol, ""))
            elif run:
                self._characters(run.encode("latin-1"))
        raise ValueError("a group does not end")

    def _characters(self, data: bytes) -> None:
        """Bytes of the encoding. The first ones after a Unicode character stand for it in old programs."""
        skipped = min(self._unicode, len(data))
        self._unicode -= skipped
        self._bytes += data[skipped:]

    def _flush(self) -> None:
        if self._bytes:
            data = bytes(self._bytes)
            self._bytes.clear()
            self._say(data.decode(self._fonts.get(self._group.font) or self._encoding, "replace"))

    def _say(self, text: str) -> None:
        self._flush()
        group = self._group
        if group.destination == "title":
            self.title += "" if group.silent else text
        elif group.destination == "stylesheet":
            named = re.match(r"\s*heading (\d)", text, re.IGNORECASE)
            if named:
                self._levels.setdefault(self._style, int(named.group(1)))
        elif not group.silent and not group.hidden and group.destination != "fonttbl":
            self._text.append(text)

    def _word(self, word: str, number: int | None) -> None:
        self._flush()
        group = self._group
        if word == "u" and number is not None:
            self._say(chr(number % 0x10000))
            self._unicode = group.skip
            return
        self._unicode = 0
        if word in _SILENT:
            group.silent = True
        elif word in ("fonttbl", "stylesheet", "title"):
            group.destination = word
        elif word == "footnote":
            group.silent = False
            if group.destination != word:
                self._above.append(self._text)
                self._text = []
            group.destination = word
        elif word in ("shptxt", "ud"):
            group.silent = False
        elif word == "uc":
            group.skip = number or 0
        elif word == "ansicpg" and number in _PAGES:
            self._encoding = _PAGES[number]
        elif word == "f":
            group.font = number or 0
        elif word == "fcharset":
            self._fonts[group.font] = _CHARSETS.get(number or 0, "")
        elif word in ("v", "deleted"):
            group.hidden = number != 0
        elif word == "plain":
            group.hidden = False
        elif word == "s":
            self._style = number or 0
            group.level = self._levels.get(self._style, group.level)
        elif word == "outlinelevel" and number is not None:
            if group.destination == "stylesheet":
                self._levels[self._style] = number + 1 if number < 9 else 0
            else:
                group.level = number + 1 if number < 9 else 0
        elif not group.silent and group.destination != "stylesheet":
            self._layout(word)

    def _layout(self, word: str) -> None:
        if word in _SPECIAL:
            self._say(_SPECIAL[word])
        elif word == "pard":
            self._group.level, self._group.in_table = 0, False
        elif word == "intbl":
            self._group.in_table = True
        elif word in ("par", "sect", "page") and (self._group.in_table or self._above):
            self._say(" ")
        elif word in ("par", "sect", "page"):
            self._end_paragraph()
        elif word == "cell":
            self._cells.append("".join(self._text))
            self._text = []
        elif word == "row":
            self._rows.append(self._cells)
            self._cells = []

    def _end_paragraph(self) -> None:
        text = re.sub("^[•\uf000-\uf0ff]\\s*", "- ", clean("".join(self._text)).strip())
        self._text = []
        if text:
            self._end_table()
            self._blocks.append(heading(self._group.level, text) if self._group.level else plain(text))
        self._blocks += [line(note) for note in self._notes]
        self._notes = []

    def _end_table(self) -> None:
        self._blocks += table(self._rows)
        self._rows = []
