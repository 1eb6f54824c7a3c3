"""Containers that unpack to too much, or whose directories lie."""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib

from ..office_files import inline_row, packed, xlsx
from .made import BOOK, SHEET, SLIDES, TEXT, WORD, Files, bomb, parts_of, replaced

MANIFEST = "META-INF/manifest.xml"
_SHEETS = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def lying_bomb(path: str, mebibytes: int, data: bytes) -> bytes:
    """A bomb that declares to be small: the sizes in its directory are not true."""
    whole = bytearray(bomb(path, mebibytes, data))
    return bytes(whole.replace((mebibytes << 20).to_bytes(4, "little"), (100).to_bytes(4, "little")))


def sparse_sheet(mebibytes: int) -> bytes:
    """A workbook of a few MiB whose one sheet unpacks to so many: hardly a value, and much between."""
    parts = parts_of(xlsx({"S": ""})) | {"noise.bin": random.Random(2).randbytes(6 << 20)}
    del parts["xl/worksheets/sheet1.xml"]
    buffer = io.BytesIO(packed(parts))
    sheet = "xl/worksheets/sheet1.xml"
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive, archive.open(sheet, "w") as part:
        part.write(f'<worksheet xmlns="{_SHEETS}"><sheetData>'.encode() + inline_row("a").encode())
        for _ in range(mebibytes):
            part.write(b" " * (1 << 20))
        part.write(b"</sheetData></worksheet>")
    return buffer.getvalue()


def directory(entries: int, size: int, lies: bool = False) -> bytes:
    """An archive of one packed part that all of its many entries point at. (After D. Fifield, "A better zip bomb".)"""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    kernel = packer.compress(b" " * size) + packer.flush()
    said = 1 if lies else size
    head = struct.pack("<IHHHHHIIIHH", 0x04034B50, 20, 0, 8, 0, 33, 0, len(kernel), said, 8, 0) + b"00000000" + kernel
    listed = b"".join(
        struct.pack("<IHHHHHHIIIHHHHHII", 0x02014B50, 20, 20, 0, 8, 0, 33, 0, len(kernel), said, 8, 0, 0, 0, 0, 0, 0)
        + b"%08x" % number
        for number in range(entries)
    )
    count = min(entries, 0xFFFF)
    wide = b""
    if entries > 0xFFFF:
        at = len(head) + len(listed)
        wide = struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, entries, entries, len(listed), len(head))
        wide += struct.pack("<IIQI", 0x07064B50, 0, at, 1)
    return head + listed + wide + struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, count, count, len(listed), len(head), 0)


def nested(levels: int) -> bytes:
    """An archive in an archive in an archive, ten in each, with a bomb in the innermost."""
    data = packed({"0": bytes(10 << 20)})
    for _ in range(levels):
        data = packed({str(number): data for number in range(10)})
    return data


def named(*paths: str) -> bytes:
    """A Word file with parts whose names lead out of any folder."""
    return packed(parts_of(WORD) | dict.fromkeys(paths, "x"))


def twice(data: bytes, path: str, content: str) -> bytes:
    """The archive with a second part of the same name."""
    buffer = io.BytesIO(data)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.NameToInfo.clear()
        archive.writestr(path, content)
    return buffer.getvalue()


def without(data: bytes, path: str) -> bytes:
    return packed({name: content for name, content in parts_of(data).items() if name != path})


def method(data: bytes, number: int) -> bytes:
    """The archive with another way of packing named for each part."""
    whole = bytearray(data)
    for mark, place in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        at = whole.find(mark)
        while at >= 0:
            whole[at + place] = number
            at = whole.find(mark, at + 4)
    return bytes(whole)


FILES: Files = {
    "bomb.docx": (lambda: bomb("word/media/1.png", 1100, WORD), "DOC-011"),
    "bomb.xlsx": (lambda: bomb("xl/worksheets/sheet2.xml", 200, SHEET), "DOC-011"),
    "bomb.pptx": (lambda: bomb("ppt/media/1.png", 200, SLIDES), "DOC-011"),
    "bomb.odt": (lambda: bomb("Pictures/1.png", 200, TEXT), "DOC-011"),
    "bomb.epub": (lambda: bomb("OEBPS/b.xhtml", 200, BOOK), "DOC-011"),
    "lying.docx": (lambda: lying_bomb("word/media/1.png", 200, WORD), ""),
    "lying.odt": (lambda: lying_bomb(MANIFEST, 200, without(TEXT, MANIFEST)), "DOC-005"),
    "overlapping.docx": (lambda: directory(30_000, 4 << 20), "DOC-011"),
    "overlapping and lying.xlsx": (lambda: directory(30_000, 4 << 20, lies=True), "DOC-005"),
    "1000000 entries.odt": (lambda: directory(1_000_000, 0), "DOC-011"),
    "nested.docx": (lambda: replaced(WORD, "word/embeddings/1.zip", nested(3)), ""),
    "nested.epub": (lambda: nested(3), "DOC-005"),
    "sparse.xlsx": (lambda: sparse_sheet(400), ""),
    "again.epub": (
        lambda: replaced(
            bomb("OEBPS/b.xhtml", 60, BOOK),
            "OEBPS/book.opf",
            '<package><manifest><item id="b" href="b.xhtml" media-type="text/html"/></manifest>'
            '<spine><itemref idref="b"/><itemref idref="b"/></spine></package>',
        ),
        "DOC-011",
    ),
    "ways out.docx": (
        lambda: named("../../../../tmp/hostile", "/tmp/hostile", "C:\\hostile", "..\\hostile", "a\0b", "n" * 60_000),
        "",
    ),
    "twice.docx": (lambda: twice(WORD, "word/document.xml", "<x/>"), "DOC-005"),
    "bzip2.docx": (lambda: method(WORD, 12), "DOC-005"),
    "unknown method.xlsx": (lambda: method(SHEET, 97), "DOC-005"),
}
