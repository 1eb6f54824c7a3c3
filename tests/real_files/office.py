"""Documents that LibreOffice writes, from flat OpenDocument sources in Korean and English."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

TIMEOUT = 120

_NAMESPACES = " ".join(
    f'xmlns:{prefix}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for prefix, name in (
        ("office", "office"),
        ("style", "style"),
        ("text", "text"),
        ("table", "table"),
        ("meta", "meta"),
        ("fo", "xsl-fo-compatible"),
        ("draw", "drawing"),
        ("svg", "svg-compatible"),
        ("presentation", "presentation"),
        ("number", "datastyle"),
    )
)

# What the paragraphs say is repeated, so that there are lines and pages to break.
ENGLISH = {
    "title": "Pump X200 Manual",
    "running": "Acme Pumps, confidential",
    "chapters": (
        (
            "Warranty",
            "The warranty of the X200 pump is two years from the day of purchase, parts and labour included. ",
        ),
        ("Maintenance", "Clean the filter every three months and Replace it once a year, or the motor will overheat. "),
    ),
    "items": ("Turn the pump off", "Open the lid"),
    "table": (("Part", "Price"), ("Filter", "12 EUR"), ("Motor", "340 EUR")),
    "note": "Not valid for rented pumps.",
}
KOREAN = {
    "title": "펌프 X200 설명서",
    "running": "에이스펌프 대외비",
    "chapters": (
        ("보증", "이 펌프의 보증 기간은 구입한 날부터 이 년이며, 부품과 수리 비용이 모두 보증 범위에 포함됩니다. "),
        ("관리", "석 달마다 필터를 청소하고 일 년에 한 번 새것으로 바꾸지 않으면 전동기가 지나치게 뜨거워집니다. "),
    ),
    "items": ("펌프를 끕니다", "뚜껑을 엽니다"),
    "table": (("부품", "가격"), ("필터", "1만 원"), ("전동기", "40만 원")),
    "note": "빌린 펌프에는 적용되지 않습니다.",
}


def manual(said: dict) -> str:  # type: ignore[type-arg]
    """A text document: a title, two chapters, a list, a table, a note, running lines.

    Each chapter takes more than a page and less than two, with whichever of the usual fonts is there.
    """
    rows = "".join(
        "<table:table-row>"
        + "".join(f"<table:table-cell><text:p>{cell}</text:p></table:table-cell>" for cell in row)
        + "</table:table-row>"
        for row in said["table"]
    )
    items = "".join(f"<text:list-item><text:p>{item}</text:p></text:list-item>" for item in said["items"])
    chapters = "".join(
        f'<text:h text:style-name="{"Break" if number else "Heading_20_1"}" text:outline-level="1">{heading}</text:h>'
        + f"<text:p>{sentence * 6}</text:p>" * 10
        for number, (heading, sentence) in enumerate(said["chapters"])
    )
    note = (
        '<text:note text:note-class="footnote"><text:note-citation>1</text:note-citation><text:note-body>'
        f"<text:p>{said['note']}</text:p></text:note-body></text:note>"
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<office:document {_NAMESPACES} xmlns:dc="http://purl.org/dc/elements/1.1/" office:version="1.3"
 office:mimetype="application/vnd.oasis.opendocument.text">
<office:meta><dc:title>{said["title"]}</dc:title></office:meta>
<office:styles><style:style style:name="Heading_20_1" style:display-name="Heading 1" style:family="paragraph"
 style:default-outline-level="1"/><style:style style:name="Heading_20_2" style:display-name="Heading 2"
 style:family="paragraph" style:default-outline-level="2"/></office:styles>
<office:automatic-styles><style:style style:name="Break" style:family="paragraph"
 style:parent-style-name="Heading_20_1"><style:paragraph-properties fo:break-before="page"/></style:style>
<style:page-layout style:name="A4"><style:page-layout-properties fo:page-width="21cm" fo:page-height="29.7cm"
 fo:margin="2cm"/><style:header-style/><style:footer-style/></style:page-layout></office:automatic-styles>
<office:master-styles><style:master-page style:name="Standard" style:page-layout-name="A4">
<style:header><text:p>{said["running"]}</text:p></style:header>
<style:footer><text:p>- <text:page-number>1</text:page-number> -</text:p></style:footer>
</style:master-page></office:master-styles>
<office:body><office:text>{chapters}
<text:h text:style-name="Heading_20_2" text:outline-level="2">{said["items"][0]}{note}</text:h>
<text:list>{items}</text:list>
<table:table><table:table-column table:number-columns-repeated="2"/>{rows}</table:table>
</office:text></office:body></office:document>"""


def sheets() -> str:
    """A spreadsheet: two sheets with dates, numbers, percentages, an empty stretch and a formula."""

    def cell(value: object) -> str:
        if isinstance(value, float):
            return f'<table:table-cell office:value-type="float" office:value="{value}"/>'
        if isinstance(value, tuple):
            kind, content = value
            attribute = {"date": "date-value", "percentage": "value", "boolean": "boolean-value"}[kind]
            style = {"date": "Date", "percentage": "Percent", "boolean": "Truth"}[kind]
            return (
                f'<table:table-cell table:style-name="{style}" office:value-type="{kind}"'
                f' office:{attribute}="{content}"/>'
            )
        return f'<table:table-cell office:value-type="string"><text:p>{value}</text:p></table:table-cell>'

    def table(name: str, rows: list[list[object]]) -> str:
        body = "".join(f"<table:table-row>{''.join(map(cell, row))}</table:table-row>" for row in rows)
        return f'<table:table table:name="{name}"><table:table-column/>{body}</table:table>'

    sales: list[list[object]] = [
        ["지역", "날짜", "매출", "비율", "완료"],
        ["서울", ("date", "2026-03-01"), 1200.5, ("percentage", "0.25"), ("boolean", "true")],
        ["부산", ("date", "2026-04-15"), 800.0, ("percentage", "0.5"), ("boolean", "false")],
    ]
    stock: list[list[object]] = [["Part", "Stock"], ["Filter", 40.0], ["Motor | pump", 7.0]]
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<office:document {_NAMESPACES} office:version="1.3" office:mimetype="application/vnd.oasis.opendocument.spreadsheet">
<office:automatic-styles><number:date-style style:name="Day">
<number:year number:style="long"/><number:text>-</number:text>
<number:month number:style="long"/><number:text>-</number:text><number:day number:style="long"/></number:date-style>
<number:percentage-style style:name="Share"><number:number number:decimal-places="0"/><number:text>%</number:text>
</number:percentage-style><number:boolean-style style:name="Bool"><number:boolean/></number:boolean-style>
<style:style style:name="Date" style:family="table-cell" style:data-style-name="Day"/>
<style:style style:name="Percent" style:family="table-cell" style:data-style-name="Share"/>
<style:style style:name="Truth" style:family="table-cell" style:data-style-name="Bool"/></office:automatic-styles>
<office:body><office:spreadsheet>{table("매출", sales)}{table("Stock", stock)}</office:spreadsheet></office:body>
</office:document>"""


def slides() -> str:
    """A presentation: three slides with titles, one with speaker's notes."""

    def slide(number: int, title: str, body: str, notes: str = "") -> str:
        def frame(kind: str, top: int, text: str) -> str:
            return (
                f'<draw:frame presentation:class="{kind}" svg:width="24cm" svg:height="5cm" svg:x="2cm"'
                f' svg:y="{top}cm">'
                f"<draw:text-box><text:p>{text}</text:p></draw:text-box></draw:frame>"
            )

        noted = f"<presentation:notes>{frame('notes', 14, notes)}</presentation:notes>" if notes else ""
        return (
            f'<draw:page draw:name="page{number}" draw:master-page-name="Plain">'
            f"{frame('title', 1, title)}{frame('outline', 7, body)}{noted}</draw:page>"
        )

    pages = (
        slide(1, "사업 계획", "올해의 목표는 매출 두 배입니다.")
        + slide(2, "Market", "Three competitors share the market.", "Mention the new law.")
        + slide(3, "일정", "6월에 시제품을 냅니다.")
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<office:document {_NAMESPACES} office:version="1.3" office:mimetype="application/vnd.oasis.opendocument.presentation">
<office:automatic-styles><style:page-layout style:name="Wide"><style:page-layout-properties fo:page-width="28cm"
 fo:page-height="21cm"/></style:page-layout></office:automatic-styles>
<office:master-styles><style:master-page style:name="Plain" style:page-layout-name="Wide"/></office:master-styles>
<office:body><office:presentation>{pages}</office:presentation></office:body></office:document>"""


SOURCES = {
    "ko.fodt": manual(KOREAN),
    "en.fodt": manual(ENGLISH),
    "sales.fods": sheets(),
    "plan.fodp": slides(),
}
UTF_8_CSV = "csv:Text - txt - csv (StarCalc):44,34,76"
TARGETS = {
    "fodt": ("docx", "odt", "rtf", "epub", "pdf"),
    "fods": ("xlsx", "ods", UTF_8_CSV),
    "fodp": ("pptx", "odp", "pdf"),
}


def make(cache: Path) -> Path:
    """The folder with the converted files, made unless it is in the cache. Raises `OSError` without LibreOffice."""
    soffice = shutil.which("soffice")
    if soffice is None:
        raise FileNotFoundError("LibreOffice is not installed")
    digest = hashlib.sha256(repr((SOURCES, TARGETS)).encode()).hexdigest()[:12]
    folder = cache / f"office-{digest}"
    if folder.exists():
        return folder
    work = cache / f".{folder.name}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    for name, source in SOURCES.items():
        (work / name).write_text(source, encoding="utf-8")
    profile = f"-env:UserInstallation={(work / 'profile').as_uri()}"
    for suffix, targets in TARGETS.items():
        files = [str(work / name) for name in SOURCES if name.endswith(suffix)]
        for target in targets:
            subprocess.run(
                [soffice, profile, "--headless", "--norestore", "--convert-to", target, "--outdir", str(work), *files],
                check=True,
                capture_output=True,
                timeout=TIMEOUT,
            )
    shutil.rmtree(work / "profile", ignore_errors=True)
    return work.rename(folder)
