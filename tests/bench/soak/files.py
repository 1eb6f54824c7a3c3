"""The documents that come and go: places of a fixed format and size, so that their number and size stay level."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass

from tests.hostile_files import HOSTILE
from tests.office_files import docx, epub, inline_row, opendocument, paragraph, pptx, shape, xlsx
from tests.test_loaders import pdf

THINGS = ("pump", "valve", "boiler", "filter", "sensor", "compressor", "turbine", "gasket")
KOREAN_THINGS = ("펌프", "밸브", "보일러", "필터", "센서", "압축기", "터빈", "개스킷")
# Paragraphs of a document; the places take them in turns.
SIZES = (3, 12, 40)
# Those that the server refuses or reads in a moment: a soak is no test of bombs.
NASTY = tuple(name for name in HOSTILE if name.startswith(("cut", "parts", "locked", "png", "empty", "laughs", "xxe")))


@dataclass(frozen=True)
class Fact:
    """What one document says, and what may be asked about it."""

    word: str
    thing: int
    months: int

    @property
    def questions(self) -> tuple[str, str]:
        """English and Korean."""
        return (
            f"What is the warranty of the {self.word} {THINGS[self.thing]}?",
            f"{self.word} {KOREAN_THINGS[self.thing]}의 보증 기간은 얼마입니까?",
        )

    def paragraphs(self, count: int) -> list[str]:
        english, korean = THINGS[self.thing], KOREAN_THINGS[self.thing]
        found = [
            f"The {self.word} {english} has a warranty of {self.months} months. It weighs {self.months + 7} kilograms.",
            f"{self.word} {korean}의 보증 기간은 {self.months}개월입니다. 무게는 {self.months + 7}킬로그램입니다.",
        ]
        for number in range(2, count):
            found.append(
                f"Step {number} of the {self.word} manual: open the cover, turn the {english} to mark {number * 3},"
                f" wait for {number + 2} minutes and write the pressure down. 이 단계에서는 {korean}을 "
                f"{number * 3}번 눈금까지 돌리고 {number + 2}분 동안 기다린 다음 압력을 적습니다."
            )
        return found


def _html(lines: list[str]) -> bytes:
    return ("<title>Manual</title>" + "".join(f"<p>{line}</p>" for line in lines)).encode()


def _eml(lines: list[str]) -> bytes:
    head = "From: a@example.com\nTo: b@example.com\nSubject: Manual\nContent-Type: text/plain; charset=utf-8\n\n"
    return (head + "\n\n".join(lines)).encode()


def _rtf(lines: list[str]) -> bytes:
    def escaped(text: str) -> str:
        # Signed 16 bits, as the format has it.
        return "".join(c if c.isascii() else f"\\u{(ord(c) + 0x8000) % 0x10000 - 0x8000}?" for c in text)

    return ("{\\rtf1\\ansi " + "\\par ".join(map(escaped, lines)) + "}").encode()


FORMATS: dict[str, Callable[[list[str]], bytes]] = {
    "txt": lambda lines: "\n\n".join(lines).encode(),
    "md": lambda lines: ("# Manual\n\n" + "\n\n".join(lines)).encode(),
    "pdf": lambda lines: pdf(["\n".join(lines[n : n + 10]) for n in range(0, len(lines), 10)]),
    "docx": lambda lines: docx("".join(map(paragraph, lines))),
    "xlsx": lambda lines: xlsx({"S": "".join(map(inline_row, lines))}),
    "pptx": lambda lines: pptx(*(shape(line) for line in lines)),
    "odt": lambda lines: opendocument("text", "".join(f"<text:p>{line}</text:p>" for line in lines)),
    "epub": lambda lines: epub({"a.xhtml": "".join(f"<p>{line}</p>" for line in lines)}),
    "html": _html,
    "csv": lambda lines: "\n".join(["text", *(f'"{line}"' for line in lines)]).encode(),
    "json": lambda lines: json.dumps([{"text": line} for line in lines]).encode(),
    "eml": _eml,
    "rtf": _rtf,
}


def make(place: int, chance: random.Random) -> tuple[Fact, str, bytes]:
    """(what it says, suffix, content) of the next document of a place."""
    suffix = list(FORMATS)[place % len(FORMATS)]
    fact = Fact(f"zq{chance.randrange(1 << 30):08x}", chance.randrange(len(THINGS)), chance.randrange(10, 90))
    return fact, suffix, FORMATS[suffix](fact.paragraphs(SIZES[place % len(SIZES)]))
