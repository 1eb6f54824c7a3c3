"""PDFs: bombs, loops, claims of absurd sizes, and things that act."""

from __future__ import annotations

import hashlib
import zlib

from .made import SAYS, Files, flate, one_page, pdf, plain_pdf, stream

_PAGES = b"<< /Type /Catalog /Pages 2 0 R >>"
_PAGE = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] >>"
_PADDING = bytes.fromhex("28BF4E5E4E758A4164004E56FFFA01082E2E00B6D0683E802F0CA9FE6453697A")


def flate_bomb() -> bytes:
    """A page whose content unpacks to 256 MiB in two steps."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(b"\n" * (16 << 20)) for _ in range(16)) + packer.flush()
    return one_page(stream(zlib.compress(packed, 9), b"/Filter [/FlateDecode /FlateDecode]"))


def lzw_bomb(rounds: int) -> bytes:
    """A page whose content is packed by LZW: each code says one letter more than the one before."""
    bits, count = 0, 0
    data = bytearray()
    for _ in range(rounds):
        for index, code in enumerate([256, 10, *range(258, 4094)]):
            width = 9 + sum(index + 257 > limit for limit in (511, 1023, 2047))
            bits, count = bits << width | code, count + width
            while count >= 8:
                count -= 8
                data.append(bits >> count & 255)
                bits &= (1 << count) - 1
    return one_page(stream(bytes(data), b"/Filter /LZWDecode"))


def page_chain(depth: int) -> bytes:
    """A page tree of one branch, so deep."""
    nodes = [b"<< /Type /Pages /Count 1 /Parent %d 0 R /Kids [%d 0 R] >>" % (n - 1, n + 1) for n in range(2, depth + 2)]
    return pdf(_PAGES, *nodes, b"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 9 9] >>" % (depth + 1))


def forms(levels: int, times: int) -> bytes:
    """Form XObjects, each of which draws the next so many times; the last one draws text."""
    drawn = [
        stream(
            b"/X Do " * times if level < levels - 1 else SAYS,
            b"/Type /XObject /Subtype /Form /BBox [0 0 600 800] /Resources << /Font << /F 4 0 R >>"
            b" /XObject << /X %d 0 R >> >>" % (7 + level),
        )
        for level in range(levels)
    ]
    return one_page(stream(b"/X Do"), *drawn, resources=b"/XObject << /X 6 0 R >>")


def _rc4(key: bytes, data: bytes) -> bytes:
    box = list(range(256))
    j = 0
    for i in range(256):
        j = (j + box[i] + key[i % len(key)]) % 256
        box[i], box[j] = box[j], box[i]
    i = j = 0
    said = bytearray()
    for byte in data:
        i = (i + 1) % 256
        j = (j + box[i]) % 256
        box[i], box[j] = box[j], box[i]
        said.append(byte ^ box[(box[i] + box[j]) % 256])
    return bytes(said)


def open_lock() -> bytes:
    """Encrypted by an empty password, as anybody may open it. (ISO 32000-1, 7.6.3.)"""
    owner, rights, name = bytes(32), (-4).to_bytes(4, "little", signed=True), b"\1"
    key = hashlib.md5(_PADDING + owner + rights + name).digest()[:5]
    content = _rc4(hashlib.md5(key + b"\5\0\0\0\0").digest()[:10], SAYS)
    lock = b"<< /Filter /Standard /V 1 /R 2 /P -4 /O <%s> /U <%s> >>"
    return one_page(
        stream(content),
        lock % (owner.hex().encode(), _rc4(key, _PADDING).hex().encode()),
        trailer=b"/Encrypt 6 0 R /ID [<01><01>]",
    )


def bare(content: bytes) -> bytes:
    """A PDF without a table of its objects, which are looked for."""
    return b"%PDF-1.7\n" + content


def previous_loop() -> bytes:
    """A table of objects that names itself as the one before it."""
    data = one_page(stream(SAYS))
    return data.replace(b"trailer << ", b"trailer << /Prev %d " % data.rindex(b"xref\n0 "))


def holds_itself() -> bytes:
    """A stream of objects that lies in itself, found through a table that is a stream."""
    body = bare(b"1 0 obj\n" + stream(b"1 0 2 40 " + _PAGES, b"/Type /ObjStm /N 2 /First 9") + b"\nendobj\n")
    table = bytes((2, 0, 1, 0, 2, 0, 1, 0, 2, 0, 1, 1))
    more = b"/Type /XRef /Size 3 /W [1 2 1] /Index [0 3] /Root 1 0 R"
    return body + b"9 0 obj\n" + stream(table, more) + b"\nendobj\nstartxref\n%d\n%%%%EOF" % len(body)


def font(more: bytes, *objects: bytes, says: bytes = SAYS) -> bytes:
    """A page in a font that is made for harm."""
    return one_page(
        stream(says.replace(b"/F ", b"/G ")),
        b"<< /Type /Font %s >>" % more,
        *objects,
        resources=b"/Font << /G 6 0 R >>",
    )


def letters(count: int) -> bytes:
    """A map from codes to letters with so many lines, each for all codes."""
    return (
        b"/CIDInit /ProcSet findresource begin begincmap 1 begincodespacerange <0000> <FFFF> endcodespacerange\n"
        + b"%d beginbfrange\n" % count
        + b"<0000> <FFFF> <0041>\n" * count
        + b"endbfrange endcmap end"
    )


def image(filters: bytes, data: bytes = b"\0" * 64) -> bytes:
    """A page with a picture of absurd size, and a content that is packed the same way."""
    large = b"/Type /XObject /Subtype /Image /Width 2147483647 /Height 2147483647 /BitsPerComponent 8"
    return one_page(
        stream(SAYS + b"/I Do"),
        stream(data, large + b" /ColorSpace /DeviceRGB " + filters),
        resources=b"/XObject << /I 6 0 R >>",
    )


def acting() -> bytes:
    """Scripts, programs and files that a viewer might start."""
    return one_page(
        stream(SAYS),
        b"<< /S /JavaScript /JS (app.launchURL\\('http://127.0.0.1:1/'\\)) >>",
        b"<< /S /Launch /F (/bin/sh) /Win << /F (cmd.exe) >> >>",
        b"<< /Type /Annot /Subtype /Link /Rect [0 0 600 800] /A 7 0 R /AA << /O 6 0 R >> >>",
        page=b"/Annots [8 0 R] /AA << /O 6 0 R /C 7 0 R >>",
        trailer=b"/OpenAction 6 0 R",
    )


FILES: Files = {
    # Much out of little.
    "bomb.pdf": (flate_bomb, "DOC-006 DOC-009 DOC-010"),
    "three times packed.pdf": (lambda: one_page(flate(b"\n" * (100 << 20), 3)), "DOC-006 DOC-009 DOC-010"),
    "lzw.pdf": (lambda: lzw_bomb(20), "DOC-006"),
    "10000000 operators.pdf": (lambda: one_page(flate(b"q Q\n" * 5_000_000)), "DOC-006 DOC-009 DOC-010"),
    "1000000 letters.pdf": (lambda: one_page(flate(b"BT /F 1 Tf" + b" (a) Tj" * 1_000_000 + b" ET")), ""),
    "long string.pdf": (lambda: one_page(flate(b"BT /F 1 Tf (" + b"a" * 20_000_000 + b") Tj ET")), ""),
    "forms of forms.pdf": (lambda: forms(9, 20), "DOC-009 DOC-010"),
    "letters of letters.pdf": (
        lambda: font(b"/Subtype /TrueType /BaseFont /X /ToUnicode 7 0 R", flate(letters(1_000_000))),
        "",
    ),
    # Loops.
    "page tree in itself.pdf": (
        lambda: pdf(_PAGES, b"<< /Type /Pages /Count 9 /Parent 2 0 R /Kids [2 0 R 2 0 R] >>"),
        "DOC-005 DOC-006",
    ),
    "form in itself.pdf": (
        lambda: one_page(
            stream(b"/X Do " + SAYS),
            stream(
                b"/X Do /X Do",
                b"/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X 6 0 R >> >>",
            ),
            resources=b"/XObject << /X 6 0 R >>",
        ),
        # PDFium draws it until its stack is full, and dies.
        "DOC-009 DOC-010",
    ),
    "outline.pdf": (
        lambda: pdf(
            b"<< /Type /Catalog /Pages 2 0 R /Outlines 4 0 R >>",
            b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>",
            _PAGE,
            b"<< /First 5 0 R /Last 5 0 R >>",
            b"<< /Title (a) /Parent 4 0 R /Next 5 0 R /First 5 0 R >>",
        ),
        "DOC-006",
    ),
    "table before itself.pdf": (previous_loop, ""),
    "stream in itself.pdf": (holds_itself, "DOC-005"),
    "length of itself.pdf": (
        lambda: one_page(b"<< /Length 5 0 R >> stream\n" + SAYS + b"\nendstream"),
        " DOC-005 DOC-006",
    ),
    "letter in itself.pdf": (
        lambda: font(
            b"/Subtype /Type3 /FontBBox [0 0 1 1] /FontMatrix [1 0 0 1 0 0] /FirstChar 97 /LastChar 122 /Widths 8 0 R"
            b" /Encoding << /Differences [97 /a] >> /CharProcs << /a 7 0 R >> /Resources << /Font << /G 6 0 R >> >>",
            stream(b"1 0 d0 BT /G 1 Tf (aaaa) Tj ET"),
            b"[" + b"1 " * 26 + b"]",
            says=b"BT /F 1 Tf (aaaa) Tj ET",
        ),
        "",
    ),
    "resources in themselves.pdf": (
        lambda: one_page(stream(SAYS), page=b"/Resources 3 0 R /Parent 3 0 R"),
        " DOC-005 DOC-006",
    ),
    # Depth.
    "deep page tree.pdf": (lambda: page_chain(100_000), "DOC-005 DOC-006"),
    "deep lists.pdf": (lambda: pdf(_PAGES, b"[" * 1_000_000), "DOC-005"),
    "deep dictionaries.pdf": (lambda: pdf(_PAGES, b"<< /Kids " * 500_000), "DOC-005"),
    # Claims.
    "10000 pages.pdf": (lambda: plain_pdf(10_000), ""),
    "1000000 times one page.pdf": (
        lambda: pdf(_PAGES, b"<< /Type /Pages /Count 1000000 /Kids [%s] >>" % (b"3 0 R " * 1_000_000), _PAGE),
        "DOC-011",
    ),
    "2147483647 pages.pdf": (
        lambda: pdf(_PAGES, b"<< /Type /Pages /Count 2147483647 /Kids [3 0 R] >>", _PAGE),
        "DOC-005 DOC-006 DOC-009",
    ),
    "page of 10000000 units.pdf": (
        lambda: one_page(stream(SAYS), page=b"/MediaBox [-1e7 -1e7 1e7 1e7] /UserUnit 1e9 /Rotate 2147483647"),
        "",
    ),
    "letters far away.pdf": (
        lambda: one_page(
            stream(b"BT /F 1e9 Tf 1e30 Tc 1e30 TL 1e38 -1e38 Td (te) Tj T* (xt) Tj 1 0 0 1e-30 0 0 Tm ET")
        ),
        " DOC-006",
    ),
    "table of 2147483647 objects.pdf": (
        lambda: plain_pdf(1).replace(b"/Size 5", b"/Size 2147483647").replace(b"xref\n0 6", b"xref\n0 2147483647"),
        " DOC-005",
    ),
    "widths.pdf": (
        lambda: font(
            b"/Subtype /TrueType /BaseFont /X /FirstChar -2147483648 /LastChar 2147483647 /Widths [%s]"
            % (b"1e9 " * 500_000)
        ),
        "",
    ),
    "columns.pdf": (
        lambda: one_page(
            stream(
                zlib.compress(SAYS),
                b"/Filter /FlateDecode /DecodeParms << /Predictor 15 /Columns 2147483647 /Colors 9999 >>",
            )
        ),
        " DOC-006",
    ),
    "fax.pdf": (
        lambda: image(b"/Filter /CCITTFaxDecode /DecodeParms << /K -1 /Columns 2147483647 /Rows 2147483647 >>"),
        "",
    ),
    "fax for a content.pdf": (
        lambda: one_page(
            stream(b"\0" * 64, b"/Filter /CCITTFaxDecode /DecodeParms << /K -1 /Columns 60000 /Rows 60000 >>")
        ),
        "DOC-006",
    ),
    "jbig2.pdf": (lambda: image(b"/Filter /JBIG2Decode", bytes.fromhex("000000003000010000001" + "3f" * 20 + "0")), ""),
    "jpeg 2000.pdf": (
        lambda: image(b"/Filter /JPXDecode", bytes.fromhex("ff4fff5100290000" + "7fffffff" * 4 + "00" * 16)),
        "",
    ),
    # Nothing to hold on to.
    "1000000 heads.pdf": (lambda: bare(b"1 0 obj\n" * 1_000_000), "DOC-005"),
    "noise of names.pdf": (lambda: bare(b"trailer << /Root 1 0 R /" + b"N" * 20_000_000), "DOC-005"),
    "string without end.pdf": (lambda: bare(b"1 0 obj\n(" + b"(" * 20_000_000), "DOC-005"),
    "endless.pdf": (lambda: bare(b"endobj stream endstream obj xref " * 500_000), "DOC-005"),
    # Things that act, and a lock that is open.
    "acting.pdf": (acting, ""),
    "open lock.pdf": (open_lock, ""),
}
