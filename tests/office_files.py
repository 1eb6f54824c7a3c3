"""Small files of the office formats, made by hand, so that a test says exactly what is in them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_CORE = "http://schemas.openxmlformats.org/package/2006/relationships/metadata/core-properties"
_MAIN = "application/vnd.openxmlformats-officedocument"
_MC = 'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
_W = f'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" xmlns:r="{_OFFICE}" {_MC}'
_S = f'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="{_OFFICE}"'
_P = (
    'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
    f' xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" xmlns:r="{_OFFICE}" {_MC}'
)


def packed(parts: Mapping[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in parts.items():
            archive.writestr(path, content)
    return buffer.getvalue()


def rels(*relations: tuple[str, str]) -> str:
    """(kind, target) of each; the ids are rId1 and so on."""
    items = "".join(
        f'<Relationship Id="rId{number}" Type="{kind if ":" in kind else f"{_OFFICE}/{kind}"}" Target="{target}"/>'
        for number, (kind, target) in enumerate(relations, 1)
    )
    return (
        f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{items}</Relationships>'
    )


def typed(parts: Mapping[str, str | bytes], **kinds: str) -> bytes:
    """The parts, packed, with their types by the beginnings of their file names."""
    items = "".join(
        f'<Override PartName="/{path}" ContentType="{_MAIN}.{kind}+xml"/>'
        for path in parts
        for begin, kind in kinds.items()
        if path.rpartition("/")[2].startswith(begin) and path.endswith(".xml")
    )
    said = (
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/><Override PartName="/docProps/core.xml"'
        f' ContentType="application/vnd.openxmlformats-package.core-properties+xml"/>{items}</Types>'
    )
    return packed({"[Content_Types].xml": said} | dict(parts))


def core(title: str) -> str:
    return (
        '<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties"'
        f' xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{title}</dc:title></cp:coreProperties>'
    )


def docx(body: str, title: str = "", **others: str) -> bytes:
    """`others`: styles, numbering, footnotes: what is inside the root element of that part."""
    parts = {
        "_rels/.rels": rels(("officeDocument", "word/document.xml"), (_CORE, "docProps/core.xml")),
        "docProps/core.xml": core(title),
        "word/document.xml": f"<w:document {_W}><w:body>{body}</w:body></w:document>",
        "word/_rels/document.xml.rels": rels(*((kind, f"{kind}.xml") for kind in others)),
    }
    parts |= {f"word/{kind}.xml": f"<w:{kind} {_W}>{inside}</w:{kind}>" for kind, inside in others.items()}
    word = "wordprocessingml"
    return typed(parts, document=f"{word}.document.main", styles=f"{word}.styles", numbering=f"{word}.numbering")


def paragraph(text: str, style: str = "", properties: str = "") -> str:
    said = (f'<w:pStyle w:val="{style}"/>' if style else "") + properties
    return f'<w:p><w:pPr>{said}</w:pPr><w:r><w:t xml:space="preserve">{text}</w:t></w:r></w:p>'


def xlsx(sheets: Mapping[str, str], strings: str = "", styles: str = "", book: str = "") -> bytes:
    """`sheets`: name → rows. `book`: what else the workbook says."""
    names = "".join(
        f'<sheet name="{name}" sheetId="{number}" r:id="rId{number}"/>' for number, name in enumerate(sheets, 1)
    )
    targets = [("worksheet", f"worksheets/sheet{number}.xml") for number in range(1, len(sheets) + 1)]
    parts = {
        "_rels/.rels": rels(("officeDocument", "xl/workbook.xml")),
        "xl/workbook.xml": f"<workbook {_S}>{book}<sheets>{names}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": rels(*targets, ("sharedStrings", "sharedStrings.xml"), ("styles", "styles.xml")),
        "xl/sharedStrings.xml": f"<sst {_S}>{strings}</sst>",
        "xl/styles.xml": f"<styleSheet {_S}>{styles}</styleSheet>",
    }
    excel = "spreadsheetml"
    return typed(
        parts
        | {
            f"xl/worksheets/sheet{number}.xml": f"<worksheet {_S}><sheetData>{rows}</sheetData></worksheet>"
            for number, rows in enumerate(sheets.values(), 1)
        },
        workbook=f"{excel}.sheet.main",
        sheet=f"{excel}.worksheet",
        sharedStrings=f"{excel}.sharedStrings",
        styles=f"{excel}.styles",
    )


def inline_row(text: str) -> str:
    return f'<row><c t="inlineStr"><is><t>{text}</t></is></c></row>'


def pptx(*slides: str, notes: str = "") -> bytes:
    """Slides of shapes, in an order that is not that of their file names; `notes` belong to the first."""
    last = len(slides)
    order = "".join(f'<p:sldId id="{256 + number}" r:id="rId{number}"/>' for number in range(1, last + 1))
    parts = {
        "_rels/.rels": rels(("officeDocument", "ppt/presentation.xml")),
        "ppt/presentation.xml": f"<p:presentation {_P}><p:sldIdLst>{order}</p:sldIdLst></p:presentation>",
        "ppt/_rels/presentation.xml.rels": rels(
            *(("slide", f"/ppt/slides/slide{last - number}.xml") for number in range(last))
        ),
        f"ppt/slides/_rels/slide{last}.xml.rels": rels(("notesSlide", "../notesSlides/notes.xml")),
        "ppt/notesSlides/notes.xml": f"<p:notes {_P}><p:cSld><p:spTree>{notes}</p:spTree></p:cSld></p:notes>",
    }
    return typed(
        parts
        | {
            f"ppt/slides/slide{last - number}.xml": (
                f"<p:sld {_P}><p:cSld><p:spTree>{shapes}</p:spTree></p:cSld></p:sld>"
            )
            for number, shapes in enumerate(slides)
        },
        presentation="presentationml.presentation.main",
        slide="presentationml.slide",
        notes="presentationml.notesSlide",
    )


def shape(*paragraphs: str, kind: str = "") -> str:
    role = f'<p:ph type="{kind}"/>' if kind else ""
    named = f'<p:nvSpPr><p:cNvPr id="1" name=""/><p:cNvSpPr/><p:nvPr>{role}</p:nvPr></p:nvSpPr><p:spPr/>'
    lines = "".join(f"<a:p><a:r><a:t>{text}</a:t></a:r></a:p>" for text in paragraphs)
    return f"<p:sp>{named}<p:txBody><a:bodyPr/>{lines}</p:txBody></p:sp>"


def opendocument(kind: str, body: str, title: str = "", manifest: str = "") -> bytes:
    """`kind`: text, spreadsheet or presentation."""
    spaces = " ".join(
        f'xmlns:{prefix}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for prefix, name in (
            ("office", "office"),
            ("text", "text"),
            ("table", "table"),
            ("draw", "drawing"),
            ("presentation", "presentation"),
            ("manifest", "manifest"),
        )
    )
    return packed(
        {
            "mimetype": f"application/vnd.oasis.opendocument.{kind}",
            "META-INF/manifest.xml": f"<manifest:manifest {spaces}>{manifest}</manifest:manifest>",
            "meta.xml": f'<office:document-meta {spaces} xmlns:dc="http://purl.org/dc/elements/1.1/"><office:meta>'
            f"<dc:title>{title}</dc:title></office:meta></office:document-meta>",
            "content.xml": f"<office:document-content {spaces}><office:body><office:{kind}>{body}</office:{kind}>"
            "</office:body></office:document-content>",
        }
    )


def epub(chapters: Mapping[str, str], title: str = "", others: Mapping[str, str] | None = None) -> bytes:
    """Chapters in their order: file name → XHTML body. A name with "nav" is the navigation."""
    items = "".join(
        f'<item id="i{number}" href="{name.replace(" ", "%20")}" media-type="application/xhtml+xml"'
        f"{' properties=' + chr(34) + 'nav' + chr(34) if 'nav' in name else ''}/>"
        for number, name in enumerate(chapters)
    )
    spine = "".join(f'<itemref idref="i{number}"/>' for number in range(len(chapters)))
    return packed(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
            '<rootfile full-path="OEBPS/book.opf"/></rootfiles></container>',
            "OEBPS/book.opf": '<package xmlns="http://www.idpf.org/2007/opf"><metadata'
            f' xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{title}</dc:title></metadata>'
            f"<manifest>{items}</manifest><spine>{spine}</spine></package>",
        }
        | {
            f"OEBPS/{name}": '<!DOCTYPE html><html xmlns="http://www.w3.org/1999/xhtml"><head><title>x</title></head>'
            f"<body>{body}</body></html>"
            for name, body in chapters.items()
        }
        | dict(others or {})
    )
