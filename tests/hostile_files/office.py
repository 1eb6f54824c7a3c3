"""XML and the office formats made of it: entities, depth, tables of absurd size, references to elsewhere."""

from __future__ import annotations

from ..office_files import docx, epub, inline_row, opendocument, paragraph, pptx, rels, shape, xlsx
from .made import BOOK, SHEET, TEXT, WORD, Files, parts_of, replaced

HEAD = '<?xml version="1.0"?><!DOCTYPE x '
LAUGHS = f'{HEAD}[<!ENTITY a0 "laugh">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12)) + "]>"
QUADRATIC = f'{HEAD}[<!ENTITY a11 "{"a" * 100_000}">]>'
XXE = f'{HEAD}[<!ENTITY a11 SYSTEM "file:///etc/passwd">]>'
FETCHED = f'{HEAD}[<!ENTITY % p SYSTEM "http://127.0.0.1:1/x.dtd"> %p;]>'
DTD = f'{HEAD}SYSTEM "http://127.0.0.1:1/x.dtd">'
INCLUDE = '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/passwd" parse="text"/>'
W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
LAUGHING = f"<w:document {W}><w:body>{paragraph('&a11;' * 1000)}</w:body></w:document>"
PLAIN = f"<w:document {W}><w:body>{paragraph('text')}</w:body></w:document>"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_GROUP = "<p:grpSp><p:nvGrpSpPr><p:cNvPr id='1' name=''/><p:cNvGrpSpPr/><p:nvPr/></p:nvGrpSpPr><p:grpSpPr/>"


def pointing(target: str, mode: str = "External") -> bytes:
    """A Word file whose template, picture and part of text lie elsewhere."""
    kinds = ("attachedTemplate", "image", "aFChunk", "footnotes", "hyperlink")
    relations = rels(*((kind, target) for kind in kinds)).replace("/>", f' TargetMode="{mode}"/>')
    return replaced(WORD, "word/_rels/document.xml.rels", relations)


def table_sheet(*rows: str) -> bytes:
    table = f'<table:table table:name="S">{"".join(rows)}</table:table>'
    return opendocument("spreadsheet", table)


def row(count: int, cells: int, text: str) -> str:
    return (
        f'<table:table-row table:number-rows-repeated="{count}"><table:table-cell'
        f' table:number-columns-repeated="{cells}"><text:p>{text}</text:p></table:table-cell></table:table-row>'
    )


def shared(times: int, text: str) -> bytes:
    """A workbook whose cells all show one long shared string."""
    rows = ("<row>" + '<c t="s"><v>0</v></c>' * 100 + "</row>") * (times // 100)
    return xlsx({"S": rows}, strings=f"<si><t>{text}</t></si>")


def listed(depth: int) -> str:
    return "<text:list><text:list-item>" * depth + "<text:p>text</text:p>" + "</text:list-item></text:list>" * depth


FILES: Files = {
    # Entities and references.
    "laughs.docx": (lambda: replaced(WORD, "word/document.xml", LAUGHS + LAUGHING), "DOC-005"),
    "laughs.xlsx": (
        lambda: replaced(SHEET, "xl/sharedStrings.xml", LAUGHS + "<sst><si><t>&a11;</t></si></sst>"),
        "DOC-005",
    ),
    "laughs.epub": (lambda: replaced(BOOK, "META-INF/container.xml", LAUGHS + "<x>&a11;</x>"), "DOC-005"),
    "laughs.html": (lambda: (LAUGHS + "<p>&a11; text").encode(), ""),
    "laughs in UTF-16.docx": (
        lambda: replaced(WORD, "word/document.xml", (LAUGHS + LAUGHING).encode("utf-16")),
        "DOC-005",
    ),
    "laughs in UTF-7.docx": (
        lambda: replaced(
            WORD, "word/document.xml", (LAUGHS + LAUGHING).replace("?>", ' encoding="utf-7"?>', 1).encode("utf-7")
        ),
        "DOC-005",
    ),
    "quadratic.docx": (lambda: replaced(WORD, "word/document.xml", QUADRATIC + LAUGHING), "DOC-005"),
    "quadratic.odt": (lambda: replaced(TEXT, "content.xml", QUADRATIC + f"<x>{'&a11;' * 10_000}</x>"), "DOC-005"),
    "xxe.docx": (lambda: replaced(WORD, "word/document.xml", XXE + LAUGHING), "DOC-005"),
    "xxe.odt": (lambda: replaced(TEXT, "content.xml", XXE + "<x>&a11;</x>"), "DOC-005"),
    "parameter entity.docx": (lambda: replaced(WORD, "word/document.xml", FETCHED + PLAIN), "DOC-005"),
    "dtd elsewhere.docx": (lambda: replaced(WORD, "word/document.xml", DTD + PLAIN), ""),
    "include.docx": (lambda: docx(paragraph("text") + INCLUDE), ""),
    "include.odt": (lambda: opendocument("text", "<text:p>text</text:p>" + INCLUDE), ""),
    "http.docx": (lambda: pointing("http://127.0.0.1:1/x"), ""),
    "file.docx": (lambda: pointing("file:///etc/passwd"), ""),
    "outside.docx": (lambda: pointing("../../../../../../etc/passwd", "Internal"), "DOC-005"),
    "outside.epub": (
        lambda: replaced(
            BOOK,
            "OEBPS/book.opf",
            '<package><manifest><item id="b" href="../../../../etc/passwd" media-type="text/html"/>'
            '<item id="c" href="file:///etc/passwd" media-type="text/html"/></manifest>'
            '<spine><itemref idref="b"/><itemref idref="c"/></spine></package>',
        ),
        "DOC-006",
    ),
    # Depth and width.
    "deep.docx": (lambda: docx("<w:x>" * 50_000 + paragraph("text") + "</w:x>" * 50_000), "DOC-005"),
    "deep.odt": (lambda: opendocument("text", listed(50_000)), "DOC-005"),
    "deep.pptx": (lambda: pptx(_GROUP * 5_000 + shape("text") + "</p:grpSp>" * 5_000), "DOC-005"),
    "attributes.docx": (
        lambda: docx(paragraph("text") + "<w:p " + " ".join(f'a{n}="1"' for n in range(200_000)) + "/>"),
        " DOC-005",
    ),
    "namespaces.odt": (
        lambda: opendocument(
            "text", "<text:p>text</text:p><x " + " ".join(f'xmlns:a{n}="urn:{n}"' for n in range(200_000)) + "/>"
        ),
        "",
    ),
    "long tag.odt": (lambda: opendocument("text", f"<{'a' * 5_000_000}/><text:p>text</text:p>"), ""),
    "styles in a ring.docx": (
        lambda: docx(
            paragraph("text", "a") * 1000,
            styles="".join(
                f'<w:style w:styleId="{a}"><w:name w:val="{a}"/><w:basedOn w:val="{b}"/></w:style>'
                for a, b in ("ab", "ba")
            ),
        ),
        "",
    ),
    # Tables of absurd size.
    "far cell.xlsx": (
        lambda: xlsx({"S": inline_row("a") + '<row r="1048576"><c r="XFD1048576"><v>7</v></c></row>'}),
        "",
    ),
    "row 999999999999.xlsx": (lambda: xlsx({"S": '<row r="999999999999"><c><v>7</v></c></row>'}), "DOC-009"),
    "column ZZZZZZZ.xlsx": (lambda: xlsx({"S": '<row r="1"><c r="ZZZZZZZ1"><v>7</v></c></row>'}), "DOC-005"),
    "wide rows.xlsx": (
        lambda: xlsx({"S": "".join(f'<row r="{n}"><c r="XFD{n}"><v>7</v></c></row>' for n in range(1, 20_000))}),
        " DOC-009",
    ),
    "dimensions.xlsx": (
        lambda: replaced(
            SHEET,
            "xl/worksheets/sheet1.xml",
            '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
            '<dimension ref="A1:XFD1048576"/><sheetData><row r="1"><c r="A1"><v>7</v></c></row></sheetData>'
            '<mergeCells><mergeCell ref="A1:XFD1048576"/></mergeCells></worksheet>',
        ),
        "",
    ),
    "shared.xlsx": (lambda: shared(1_000_000, "long " * 2_000), "DOC-011"),
    "long number.xlsx": (lambda: xlsx({"S": f"<row><c><v>{'9' * 1_000_000}</v></c></row>"}), "DOC-005"),
    "formats.xlsx": (
        lambda: xlsx(
            {"S": '<row><c s="0"><v>7</v></c></row>'},
            styles=f'<numFmts count="1"><numFmt numFmtId="200" formatCode="{"[" * 400_000}"/></numFmts>'
            '<cellXfs count="1"><xf numFmtId="200"/></cellXfs>',
        ),
        "DOC-005 DOC-009",
    ),
    "formulas.xlsx": (
        lambda: xlsx(
            {
                "S": '<row><c t="str"><f>WEBSERVICE("http://127.0.0.1:1/")</f><v>shown</v></c>'
                '<c t="str"><f>cmd|"/c calc"!A0</f><v>=1+1</v></c></row>'
            }
        ),
        "",
    ),
    "links.xlsx": (
        lambda: replaced(
            SHEET,
            "xl/_rels/workbook.xml.rels",
            str(parts_of(SHEET)["xl/_rels/workbook.xml.rels"], "utf-8").replace(  # type: ignore[arg-type]
                "</Relationships>",
                f'<Relationship Id="rId99" Type="{_OFFICE}/externalLink" Target="http://127.0.0.1:1/"'
                ' TargetMode="External"/></Relationships>',
            ),
        ),
        "",
    ),
    "20000 sheets.ods": (
        lambda: opendocument("spreadsheet", f'<table:table table:name="S">{row(1, 1, "x")}</table:table>' * 20_000),
        "",
    ),
    "repeated.ods": (lambda: table_sheet(row(1_048_576, 16_384, "x")), ""),
    "repeated 2147483648 times.ods": (lambda: table_sheet(row(2**31, 2**31, "x" * 1000)), ""),
    "repeated in each row.ods": (lambda: table_sheet(row(2**31, 2**31, "x" * 1000) * 1000), "DOC-011"),
    "repeated spaces.odt": (
        lambda: opendocument("text", "<text:p>a" + '<text:s text:c="2147483648"/>' * 1000 + "b</text:p>"),
        "",
    ),
    "2000 chapters.epub": (
        lambda: epub({f"{n}.xhtml": "<p>text" for n in range(2_000)}),
        "",
    ),
    "one chapter 1000000 times.epub": (
        lambda: replaced(
            BOOK,
            "OEBPS/book.opf",
            '<package><manifest><item id="b" href="a.xhtml" media-type="text/html"/></manifest>'
            "<spine>" + '<itemref idref="b"/>' * 1_000_000 + "</spine></package>",
        ),
        "DOC-009 DOC-011",
    ),
}
