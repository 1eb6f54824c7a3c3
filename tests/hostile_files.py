"""Files that are broken, locked, mislabelled or made to do harm: name → (content, the code it gets, "" if read)."""

from __future__ import annotations

import io
import random
import zipfile
import zlib
from collections.abc import Callable

from .office_files import docx, epub, inline_row, opendocument, packed, paragraph, pptx, shape, xlsx

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + random.Random(1).randbytes(4000)
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)
LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a0 "laugh">'
    + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
    + "]>"
)
XXE = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a11 SYSTEM "file:///etc/passwd">]>'


def plain_pdf(pages: int) -> bytes:
    """A PDF of so many pages, each with its number in words."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Count {pages} /Kids [{' '.join(f'{4 + 2 * n} 0 R' for n in range(pages))}] >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number in range(1, pages + 1):
        content = b"BT /F 12 Tf 50 700 Td (This is sheet %d of many.) Tj 0 -20 Td (And no more.) Tj ET" % number
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents %d 0 R"
            b" /Resources << /Font << /F 3 0 R >> >> >>" % (3 + 2 * number)
        )
        objects.append(b"<< /Length %d >> stream\n%s\nendstream" % (len(content), content))
    file, places = io.BytesIO(), []
    file.write(b"%PDF-1.4\n")
    for number, content in enumerate(objects, 1):
        places.append(file.tell())
        file.write(b"%d 0 obj\n%s\nendobj\n" % (number, content))
    start = file.tell()
    file.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    file.writelines(b"%010d 00000 n \n" % place for place in places)
    file.write(b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, start))
    return file.getvalue()


def bomb(path: str, mebibytes: int, data: bytes) -> bytes:
    """The archive with a part more that unpacks to so much."""
    buffer = io.BytesIO(data)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive, archive.open(path, "w") as part:
        for _ in range(mebibytes):
            part.write(b" " * (1 << 20))
    return buffer.getvalue()


def lying_bomb(path: str, mebibytes: int, data: bytes) -> bytes:
    """A bomb that declares to be small: the sizes in its directory are not true."""
    whole = bytearray(bomb(path, mebibytes, data))
    size = (mebibytes << 20).to_bytes(4, "little")
    return bytes(whole.replace(size, (100).to_bytes(4, "little")))


SHEET_NAMES = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def sparse_sheet(mebibytes: int) -> bytes:
    """A workbook of a few MiB whose one sheet unpacks to so many: hardly a value, and much between."""
    parts = parts_of(xlsx({"S": ""})) | {"noise.bin": random.Random(2).randbytes(6 << 20)}
    del parts["xl/worksheets/sheet1.xml"]
    buffer = io.BytesIO(packed(parts))
    sheet = "xl/worksheets/sheet1.xml"
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive, archive.open(sheet, "w") as part:
        part.write(f'<worksheet xmlns="{SHEET_NAMES}"><sheetData>'.encode() + inline_row("a").encode())
        for _ in range(mebibytes):
            part.write(b" " * (1 << 20))
        part.write(b"</sheetData></worksheet>")
    return buffer.getvalue()


def locked_zip(data: bytes) -> bytes:
    """The archive with the sign of encryption on each part."""
    whole = bytearray(data)
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = whole.find(mark)
        while at >= 0:
            whole[at + place] |= 1
            at = whole.find(mark, at + 4)
    return bytes(whole)


def flate_bomb_pdf() -> bytes:
    """A page whose content unpacks to 4 GiB."""
    packer = zlib.compressobj(9)
    content = b"".join(packer.compress(b"\n" * (16 << 20)) for _ in range(16)) + packer.flush()
    twice = zlib.compress(content, 9)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R >>",
        b"<< /Length %d /Filter [/FlateDecode /FlateDecode] >> stream\n%s\nendstream" % (len(twice), twice),
    ]
    body, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return body + b"xref\n0 5\n0000000000 65535 f \n%strailer << /Size 5 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (
        table,
        len(body),
    )


def flipped(data: bytes, seed: int) -> bytes:
    changed = bytearray(data)
    for place in random.Random(seed).sample(range(len(data)), max(8, len(data) // 100)):
        changed[place] ^= 1 << (place % 8)
    return bytes(changed)


def replaced(data: bytes, path: str, content: str) -> bytes:
    """The archive with one part changed."""
    return packed(parts_of(data) | {path: content})


def parts_of(data: bytes) -> dict[str, str | bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


WORD = docx(paragraph("text"))
SHEET = xlsx({"S": inline_row("text")})
SLIDES = pptx(shape("text"))
TEXT = opendocument("text", "<text:p>text</text:p>")
BOOK = epub({"a.xhtml": "<p>text"})
W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
LAUGHING = f"<w:document {W}><w:body>{paragraph('&a11;')}</w:body></w:document>"

HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    # Cut off.
    "cut.docx": (lambda: WORD[: len(WORD) // 2], "DOC-005"),
    "cut.xlsx": (lambda: SHEET[:-40], "DOC-005"),
    "cut.pptx": (lambda: SLIDES[:100], "DOC-005"),
    "cut.odt": (lambda: TEXT[: len(TEXT) - 30], "DOC-005"),
    "cut.epub": (lambda: BOOK[: len(BOOK) // 2], "DOC-005"),
    "cut.pdf": (lambda: plain_pdf(3)[:300], "DOC-005"),
    "cut.json": (lambda: b'{"a": [1, 2', "DOC-005"),
    "cut.rtf": (lambda: b"{\\rtf1 text", "DOC-005"),
    # Parts that are missing or that are no XML.
    "parts.docx": (lambda: packed({"word/document.xml": "<x/>"}), "DOC-005"),
    "parts.xlsx": (lambda: replaced(SHEET, "xl/workbook.xml", "<workbook"), "DOC-005"),
    "parts.odt": (lambda: packed({"mimetype": "application/vnd.oasis.opendocument.text"}), "DOC-005"),
    "parts.epub": (lambda: packed({"mimetype": "application/epub+zip"}), "DOC-005"),
    # Locked.
    "locked.docx": (lambda: OLE + "EncryptedPackage".encode("utf-16-le"), "DOC-004"),
    "locked.xlsx": (lambda: OLE + "EncryptedPackage".encode("utf-16-le"), "DOC-004"),
    "locked.pptx": (lambda: locked_zip(SLIDES), "DOC-004"),
    "locked.odt": (
        lambda: opendocument(
            "text", "x", manifest="<manifest:file-entry><manifest:encryption-data/></manifest:file-entry>"
        ),
        "DOC-004",
    ),
    "locked.epub": (lambda: locked_zip(BOOK), "DOC-004"),
    # Something else.
    "old word.docx": (lambda: OLE, "DOC-005"),
    "pdf.docx": (lambda: plain_pdf(1), "DOC-005"),
    "word.pdf": (lambda: WORD, "DOC-005"),
    "word.xlsx": (lambda: WORD, "DOC-005"),
    "sheet.odt": (lambda: SHEET, "DOC-005"),
    "png.txt": (lambda: PNG, "DOC-005"),
    "png.md": (lambda: PNG, "DOC-005"),
    "png.csv": (lambda: PNG, "DOC-005"),
    "png.html": (lambda: PNG, "DOC-005"),
    "png.json": (lambda: PNG, "DOC-005"),
    "png.eml": (lambda: PNG, "DOC-005"),
    "png.rtf": (lambda: PNG, "DOC-005"),
    "png.epub": (lambda: PNG, "DOC-005"),
    "zip.txt": (lambda: WORD, "DOC-005"),
    # Nothing in them.
    "empty.docx": (lambda: docx(""), "DOC-006"),
    "empty.xlsx": (lambda: xlsx({"S": ""}), "DOC-006"),
    "empty.pptx": (lambda: pptx(""), "DOC-006"),
    "empty.odt": (lambda: opendocument("text", "<text:p/>"), "DOC-006"),
    "empty.epub": (lambda: epub({"a.xhtml": ""}), "DOC-006"),
    "empty.json": (lambda: b"{}", "DOC-006"),
    "empty.rtf": (lambda: b"{\\rtf1 }", "DOC-006"),
    "none.pdf": (lambda: b"", "DOC-003"),
    "blank.docx": (lambda: b" \n", "DOC-003"),
    # Bombs.
    "bomb.docx": (lambda: bomb("word/media/1.png", 1100, WORD), "DOC-011"),
    "bomb.xlsx": (lambda: bomb("xl/worksheets/sheet2.xml", 200, SHEET), "DOC-011"),
    "bomb.odt": (lambda: bomb("Pictures/1.png", 200, TEXT), "DOC-011"),
    "bomb.epub": (lambda: bomb("OEBPS/b.xhtml", 200, BOOK), "DOC-011"),
    "lying.docx": (lambda: lying_bomb("word/media/1.png", 200, WORD), ""),
    "bomb.pdf": (flate_bomb_pdf, "DOC-006 DOC-009 DOC-010"),
    "again.epub": (
        lambda: replaced(
            bomb("OEBPS/b.xhtml", 60, BOOK),
            "OEBPS/book.opf",
            '<package><manifest><item id="b" href="b.xhtml" media-type="text/html"/></manifest>'
            '<spine><itemref idref="b"/><itemref idref="b"/>'
            "</spine></package>",
        ),
        "DOC-011",
    ),
    # Entities.
    "laughs.docx": (lambda: replaced(WORD, "word/document.xml", LAUGHS + LAUGHING), "DOC-005"),
    "xxe.docx": (lambda: replaced(WORD, "word/document.xml", XXE + LAUGHING), "DOC-005"),
    "laughs.xlsx": (
        lambda: replaced(SHEET, "xl/sharedStrings.xml", LAUGHS + "<sst><si><t>&a11;</t></si></sst>"),
        "DOC-005",
    ),
    "xxe.odt": (lambda: replaced(TEXT, "content.xml", XXE + "<x>&a11;</x>"), "DOC-005"),
    "laughs.epub": (lambda: replaced(BOOK, "META-INF/container.xml", LAUGHS + "<x>&a11;</x>"), "DOC-005"),
    "laughs.html": (lambda: (LAUGHS + "<p>&a11; text").encode(), ""),
    # Deep.
    "deep.json": (lambda: b"[" * 1_000_000 + b"]" * 1_000_000, "DOC-005"),
    "deep.html": (lambda: b"<div>" * 100_000 + b"text", ""),
    "deep.docx": (lambda: docx("<w:x>" * 50_000 + paragraph("text") + "</w:x>" * 50_000), "DOC-005"),
    "deep.rtf": (lambda: b"{\\rtf1 " + b"{" * 200_000 + b"text" + b"}" * 200_001, ""),
    # Large.
    "10000 pages.pdf": (lambda: plain_pdf(10_000), ""),
    "far cell.xlsx": (
        lambda: xlsx({"S": inline_row("a") + '<row r="1048576"><c r="XFD1048576"><v>7</v></c></row>'}),
        "",
    ),
    "sparse.xlsx": (lambda: sparse_sheet(400), ""),
    "repeated.ods": (
        lambda: opendocument(
            "spreadsheet",
            '<table:table table:name="S"><table:table-row table:number-rows-repeated="1048576"><table:table-cell'
            ' table:number-columns-repeated="16384"><text:p>x</text:p></table:table-cell></table:table-row>'
            "</table:table>",
        ),
        "",
    ),
    "long line.txt": (lambda: b"a" * (20 << 20), ""),
    "much.txt": (lambda: b"a b " * (17 << 20), "DOC-011"),
    "quotes.csv": (lambda: b'"' * 1_000_001 + b"text", ""),
    "brackets.html": (lambda: b"<" * 200_000 + b"text", ""),
    "boundary.eml": (
        lambda: b"From: a@b.c\nContent-Type: multipart/mixed; boundary=x\n\n" + b"--x\n\n" * 50_000 + b"text",
        "",
    ),
}
