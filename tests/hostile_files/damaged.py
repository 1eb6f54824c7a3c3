"""Files that are cut off, locked, empty, or not what their names say."""

from __future__ import annotations

from ..office_files import docx, epub, opendocument, packed, pptx, xlsx
from .made import BOOK, OLE, PNG, SAYS, SHEET, SLIDES, TEXT, WORD, Files, one_page, plain_pdf, replaced, stream


def locked_zip(data: bytes) -> bytes:
    """The archive with the sign of encryption on each part."""
    whole = bytearray(data)
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = whole.find(mark)
        while at >= 0:
            whole[at + place] |= 1
            at = whole.find(mark, at + 4)
    return bytes(whole)


def polyglot() -> bytes:
    """A PDF with a ZIP archive behind it, as both kinds of program accept it."""
    return plain_pdf(1) + WORD


FILES: Files = {
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
    "locked.pdf": (
        lambda: one_page(
            stream(SAYS),
            b"<< /Filter /Standard /V 2 /R 3 /Length 128 /P -4 /O <%s> /U <%s> >>" % (b"ab" * 32, b"cd" * 32),
            trailer=b"/Encrypt 6 0 R /ID [<01><01>]",
        ),
        "DOC-004",
    ),
    "unknown lock.pdf": (
        lambda: one_page(stream(SAYS), b"<< /Filter /Nobody /V 99 /R 99 >>", trailer=b"/Encrypt 6 0 R"),
        "DOC-004 DOC-005",
    ),
    # Something else.
    "old word.docx": (lambda: OLE, "DOC-005"),
    "pdf.docx": (lambda: plain_pdf(1), "DOC-005"),
    "word.pdf": (lambda: WORD, "DOC-005"),
    "word.xlsx": (lambda: WORD, "DOC-005"),
    "sheet.odt": (lambda: SHEET, "DOC-005"),
    **{f"png.{kind}": (lambda: PNG, "DOC-005") for kind in "txt md csv html json eml rtf epub pdf".split()},
    "zip.txt": (lambda: WORD, "DOC-005"),
    "program.txt": (lambda: b"\x7fELF\x02\x01\x01" + bytes(9) + PNG, "DOC-005"),
    "pdf and zip.pdf": (polyglot, ""),
    "pdf and zip.docx": (polyglot, ""),
    "picture and zip.docx": (lambda: b"GIF89a" + PNG + WORD, ""),
    # Of a type that is not read.
    "letters.mbox": (lambda: b"From a@b.c Mon Nov 23 00:00:00 2026\nSubject: s\n\ntext", "DOC-001"),
    "letter.msg": (lambda: OLE, "DOC-001"),
    "program.exe": (lambda: b"MZ" + PNG, "DOC-001"),
    "nothing": (lambda: b"text", "DOC-001"),
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
}
