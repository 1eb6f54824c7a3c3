"""What the hostile files are made of: archives, PDFs and small whole files, put together by hand."""

from __future__ import annotations

import io
import random
import zipfile
import zlib
from collections.abc import Callable

from ..office_files import docx, epub, inline_row, opendocument, packed, paragraph, pptx, shape, xlsx

# name → (content, the codes that it may get, "" if it is read).
Files = dict[str, tuple[Callable[[], bytes], str]]

WORD = docx(paragraph("text"))
SHEET = xlsx({"S": inline_row("text")})
SLIDES = pptx(shape("text"))
TEXT = opendocument("text", "<text:p>text</text:p>")
BOOK = epub({"a.xhtml": "<p>text"})
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + random.Random(1).randbytes(4000)
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)


def pdf(*objects: bytes, trailer: bytes = b"") -> bytes:
    """A PDF of objects, numbered from 1, which is the catalogue."""
    file, places = io.BytesIO(), []
    file.write(b"%PDF-1.7\n")
    for number, content in enumerate(objects, 1):
        places.append(file.tell())
        file.write(b"%d 0 obj\n%s\nendobj\n" % (number, content))
    start = file.tell()
    file.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    file.writelines(b"%010d 00000 n \n" % place for place in places)
    file.write(b"trailer << /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, trailer, start))
    return file.getvalue()


def stream(data: bytes, more: bytes = b"") -> bytes:
    return b"<< /Length %d %s >> stream\n%s\nendstream" % (len(data), more, data)


def one_page(content: bytes, *objects: bytes, page: bytes = b"", resources: bytes = b"", trailer: bytes = b"") -> bytes:
    """A PDF of one page: objects are the catalogue, the pages, the page, its font, its content, then those given."""
    return pdf(
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 5 0 R"
        b" /Resources << /Font << /F 4 0 R >> %s >> %s >>" % (resources, page),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        content,
        *objects,
        trailer=trailer,
    )


SAYS = b"BT /F 12 Tf 50 700 Td (text) Tj ET\n"


def flate(data: bytes, times: int = 1) -> bytes:
    for _ in range(times):
        data = zlib.compress(data, 9)
    return stream(data, b"/Filter [%s]" % (b"/FlateDecode " * times))


def plain_pdf(pages: int) -> bytes:
    """A PDF of so many pages, each with its number in words."""
    kids = b" ".join(b"%d 0 R" % (4 + 2 * number) for number in range(pages))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Count %d /Kids [%s] >>" % (pages, kids),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number in range(1, pages + 1):
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents %d 0 R"
            b" /Resources << /Font << /F 3 0 R >> >> >>" % (3 + 2 * number)
        )
        objects.append(
            stream(b"BT /F 12 Tf 50 700 Td (This is sheet %d of many.) Tj 0 -20 Td (And no more.) Tj ET" % number)
        )
    return pdf(*objects)


def bomb(path: str, mebibytes: int, data: bytes) -> bytes:
    """The archive with a part more that unpacks to so much."""
    buffer = io.BytesIO(data)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive, archive.open(path, "w") as part:
        for _ in range(mebibytes):
            part.write(b" " * (1 << 20))
    return buffer.getvalue()


def flipped(data: bytes, seed: int) -> bytes:
    changed = bytearray(data)
    for place in random.Random(seed).sample(range(len(data)), max(8, len(data) // 100)):
        changed[place] ^= 1 << (place % 8)
    return bytes(changed)


def replaced(data: bytes, path: str, content: str | bytes) -> bytes:
    """The archive with one part changed."""
    return packed(parts_of(data) | {path: content})


def parts_of(data: bytes) -> dict[str, str | bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
