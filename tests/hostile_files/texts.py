"""Plain texts and tables: endless words and lines, storms of signs, hostile Unicode, encodings that lie."""

from __future__ import annotations

import codecs

from .made import Files


def utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


FILES: Files = {
    # Endless.
    "long line.txt": (lambda: b"a" * (20 << 20), ""),
    "long line.md": (lambda: "가".encode() * (5 << 20), ""),
    "much.txt": (lambda: b"a b " * (17 << 20), "DOC-011"),
    "spaces.txt": (lambda: b"a" + b" " * 10_000_000 + b"b", ""),
    "lines.txt": (lambda: b"\n" * 10_000_000 + b"text", ""),
    "lines with spaces.txt": (lambda: b"a\n" + b" \n" * 2_000_000 + b"text", ""),
    "stops.txt": (lambda: b"." * 5_000_000 + b" text", ""),
    "stops and brackets.txt": (lambda: b".)" * 2_000_000 + b" text", ""),
    "sentences.txt": (lambda: b"A. " * 200_000, ""),
    "endings.txt": (lambda: "다".encode() * 1_000_000 + b"\t" * 1_000_000, ""),
    "numbers.txt": (lambda: b"\n1" + b"1" * 5_000_000, ""),
    # Tables.
    "quotes.csv": (lambda: b'"' * 1_000_001 + b"text", ""),
    "open quote.csv": (lambda: b'a,b\n"' + b"text," * 4_000_000, ""),
    "commas.csv": (lambda: b"," * 10_000_000 + b"text", " DOC-009"),
    "columns.csv": (lambda: b",".join(b"%d" % n for n in range(1_000_000)), ""),
    "empty rows.csv": (lambda: b",,,\n" * 2_000_000 + b"a,b", ""),
    "formulas.csv": (lambda: b'a,b\n"=cmd|\' /C calc\'!A0","@SUM(1)"\n', ""),
    "bars.tsv": (lambda: b"a|b\t" * 1_000_000, ""),
    # Unicode.
    "marks.txt": (lambda: utf8("a" + "\u0301" * 100_000), ""),
    "marks out of order.txt": (lambda: utf8("a" + "\u0301\u0316" * 500_000), ""),
    "jamo.txt": (lambda: utf8("\u1100" * 500_000 + "\u1161" * 500_000 + "\u11a8" * 500_000), ""),
    "long sign.txt": (lambda: utf8("\ufdfa" * 1_000_000), ""),
    "directions.txt": (lambda: utf8("\u202e\u2066txet" * 200_000), ""),
    "invisible.txt": (lambda: utf8("te\u200b\u2060\u00ad\ufeffxt" * 200_000), ""),
    "nothing to see.txt": (lambda: utf8("\u200b\u2060" * 200_000), ""),
    "joined.txt": (lambda: utf8("\U0001f468\u200d" * 500_000), ""),
    "halves.txt": (lambda: utf8("text \ud800\udfff" * 100_000), ""),
    "unassigned.txt": (lambda: utf8("\U000e0fff\ufffe\uffff\U0010ffff text" * 100_000), ""),
    "zeros.txt": (lambda: b"text " * 1_000 + b"\0" * 1_000_000, ""),
    "zeros first.txt": (lambda: b"\0" * 1_000_000 + b"text", "DOC-005"),
    "controls.txt": (lambda: b"\x1b[2J\x1b]0;x\x07text\x08\x7f" * 100_000, " DOC-005"),
    # Encodings that lie.
    "utf-7.txt": (lambda: b"+ADw-script+AD4- text", ""),
    "utf-16 without mark.txt": (lambda: ("text 글자 " * 1000).encode("utf-16-le"), "DOC-005"),
    "utf-16 cut.txt": (lambda: codecs.BOM_UTF16_LE + ("글자 " * 1000).encode("utf-16-le")[:-1], ""),
    "utf-32.txt": (lambda: ("text " * 1000).encode("utf-32"), ""),
    "two marks.txt": (lambda: codecs.BOM_UTF8 * 1000 + codecs.BOM_UTF16_BE + b"text", ""),
    "broken euc-kr.txt": (lambda: ("글자 text. " * 10_000).encode("euc-kr")[1:].replace(b"t", b"\xb1"), ""),
    "long utf-8.txt": (lambda: b"\xc0\xaf\xe0\x80\xaf\xf8\x88\x80\x80\x80text" * 1000, " DOC-005"),
}
