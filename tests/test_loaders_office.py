"""Office files to text: what a reader sees, in order, with headings, tables, notes, sheets and slides."""

from __future__ import annotations

import pytest

from rag.errors import RagError
from rag.loaders import Loaded, load

from .office_files import docx, epub, opendocument, paragraph, pptx, shape, xlsx


def page_texts(loaded: Loaded) -> dict[int, str]:
    return {page.number: loaded.text[page.start : page.end] for page in loaded.pages}


# Word.

STYLES = (
    '<w:style w:styleId="1"><w:name w:val="heading 1"/></w:style>'
    '<w:style w:styleId="Mine"><w:name w:val="My own"/><w:basedOn w:val="1"/></w:style>'
    '<w:style w:styleId="Deep"><w:name w:val="x"/><w:pPr><w:outlineLvl w:val="2"/></w:pPr></w:style>'
)


def word(body: str, **others: str) -> str:
    return load("a.docx", docx(body, **others)).text


def test_headings_of_word_are_known_by_style_name_by_base_and_by_outline_level() -> None:
    body = paragraph("하나", "1") + paragraph("둘", "Mine") + paragraph("셋", "Deep") + paragraph("text", "None")
    body += paragraph("넷", properties='<w:outlineLvl w:val="1"/>')
    assert word(body, styles=STYLES) == "# 하나\n\n# 둘\n\n### 셋\n\ntext\n\n## 넷"


def test_a_word_file_is_titled_by_its_properties_then_by_its_heading_then_by_its_name() -> None:
    assert load("a.docx", docx(paragraph("x"), title="제목")).title == "제목"
    assert load("a.docx", docx(paragraph("머리", "1"), styles=STYLES)).title == "머리"
    assert load("a.docx", docx(paragraph("x"))).title == "a"


def test_a_word_that_is_broken_into_runs_is_one_word() -> None:
    runs = "<w:r><w:t>데비</w:t></w:r><w:proofErr/><w:hyperlink><w:r><w:t>안</w:t></w:r></w:hyperlink>"
    assert word(f"<w:p>{runs}<w:r><w:tab/><w:t>끝</w:t><w:br/><w:t>줄</w:t></w:r></w:p>") == "데비안\t끝\n줄"


def test_what_was_deleted_or_hidden_in_word_is_not_read_and_what_was_inserted_is() -> None:
    body = (
        "<w:p><w:del><w:r><w:delText>gone1</w:delText></w:r></w:del><w:ins><w:r><w:t>new</w:t></w:r></w:ins>"
        "<w:r><w:rPr><w:vanish/></w:rPr><w:t>gone2</w:t></w:r><w:r><w:instrText>gone3</w:instrText></w:r></w:p>"
        '<w:sdt><w:sdtPr><w:docPartObj><w:docPartGallery w:val="Table of Contents"/></w:docPartObj></w:sdtPr>'
        f"<w:sdtContent>{paragraph('gone4')}</w:sdtContent></w:sdt>"
        f"<w:sdt><w:sdtContent>{paragraph('form')}</w:sdtContent></w:sdt>"
    )
    assert word(body) == "new\n\nform"


def test_a_text_box_is_read_once_and_notes_follow_their_paragraph() -> None:
    box = f"<w:txbxContent>{paragraph('box')}</w:txbxContent>"
    body = (
        f"<w:p><w:r><w:t>text</w:t><mc:AlternateContent><mc:Choice>{box}</mc:Choice><mc:Fallback>{box}</mc:Fallback>"
        '</mc:AlternateContent><w:footnoteReference w:id="2"/></w:r></w:p>' + paragraph("next")
    )
    notes = f'<w:footnote w:id="2">{paragraph("note")}</w:footnote>'
    assert word(body, footnotes=notes) == "text\n\nbox\n\nnote\n\nnext"


def numbered(text: str, level: int = 0, list_id: int = 1) -> str:
    return paragraph(text, properties=f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="{list_id}"/></w:numPr>')


def level(number: int, kind: str, text: str, start: int = 1) -> str:
    return (
        f'<w:lvl w:ilvl="{number}"><w:start w:val="{start}"/><w:numFmt w:val="{kind}"/>'
        f'<w:lvlText w:val="{text}"/></w:lvl>'
    )


def test_the_numbers_that_word_gives_by_itself_are_read() -> None:
    levels = level(0, "decimal", "제%1조") + level(1, "ganada", "%2.") + level(2, "decimal", "%1.%3", start=5)
    numbering = (
        f'<w:abstractNum w:abstractNumId="7">{levels}</w:abstractNum>'
        f'<w:abstractNum w:abstractNumId="8">{level(0, "bullet", "o")}</w:abstractNum>'
        '<w:num w:numId="1"><w:abstractNumId w:val="7"/></w:num><w:num w:numId="2"><w:abstractNumId w:val="8"/></w:num>'
    )
    body = numbered("목적") + numbered("첫째", 1) + numbered("둘째", 1) + numbered("더", 2) + numbered("정의")
    body += numbered("다시", 1) + numbered("점", list_id=2) + numbered("점점", list_id=2)
    said = ["제1조 목적", "가. 첫째", "나. 둘째", "1.5 더", "제2조 정의", "가. 다시", "- 점\n- 점점"]
    assert word(body, numbering=numbering) == "\n\n".join(said)


def test_a_table_of_word_is_lines_of_cells_and_merged_cells_are_said_once() -> None:
    def cell(text: str, merge: str = "") -> str:
        return f"<w:tc><w:tcPr>{merge}</w:tcPr>{paragraph(text)}{paragraph('')}</w:tc>"

    rows = [
        cell("품목") + cell("값"),
        cell("펌프", '<w:vMerge w:val="restart"/>') + cell("1 만 원"),
        cell("펌프", "<w:vMerge/>") + cell("둘"),
    ]
    table = "<w:tbl>" + "".join(f"<w:tr>{row}</w:tr>" for row in rows) + "</w:tbl>"
    assert word(paragraph("앞") + table) == "앞\n\n품목 | 값\n펌프 | 1 만 원\n | 둘"


# Excel.


def row(*cells: str) -> str:
    return f"<row>{''.join(cells)}</row>"


def inline(text: str, at: str = "") -> str:
    return f'<c r="{at}" t="inlineStr"><is><t>{text}</t></is></c>'


def test_each_sheet_is_a_page_under_its_name_and_empty_ones_are_left_out() -> None:
    loaded = load("a.xlsx", xlsx({"매출": row(inline("a"), inline("b")), "빈": "", "Third": row("<c><v>3</v></c>")}))
    assert page_texts(loaded) == {1: "# 매출\n\na | b", 3: "# Third\n\n3"}


def test_strings_of_excel_are_read_without_their_phonetic_guides() -> None:
    strings = '<si><t>漢字</t><rPh sb="0" eb="1"><t>한자</t></rPh></si><si><r><t>두 </t></r><r><t>조각</t></r></si>'
    rows = row('<c t="s"><v>0</v></c>', '<c t="s"><v>1</v></c>', '<c t="str"><v>formula</v></c>')
    assert load("a.xlsx", xlsx({"S": rows}, strings)).text == "# S\n\n漢字 | 두 조각 | formula\n\n"


@pytest.mark.parametrize(
    ("code", "value", "text"),
    [
        ("yyyy\\-mm\\-dd", "46082", "2026-03-01"),
        ('yyyy"년" m"월" d"일"', "46082", "2026-03-01"),
        ("[$-412]m/d/yy h:mm", "46082.5", "2026-03-01 12:00"),
        ("h:mm:ss", "0.75", "18:00:00"),
        ("[h]:mm:ss", "1.5", "36:00:00"),
        ("0.0%", "0.255", "25.5%"),
        ("#,##0", "12000", "12000"),
        ("General", "0.30000000000000004", "0.3"),
        ("[Red]0.00", "1.5", "1.5"),
        ("yyyy-mm-dd", "1e300", "#VALUE!"),
        ("0", "-7", "-7"),
    ],
)
def test_numbers_of_excel_are_written_as_a_person_reads_them(code: str, value: str, text: str) -> None:
    code = code.replace('"', "&quot;")
    styles = f'<numFmts><numFmt numFmtId="170" formatCode="{code}"/></numFmts><cellXfs><xf numFmtId="170"/></cellXfs>'
    assert load("a.xlsx", xlsx({"S": row(f'<c s="0"><v>{value}</v></c>')}, styles=styles)).text.split("\n")[2] == text


def test_dates_of_excel_count_from_1904_where_the_workbook_says_so() -> None:
    styles = '<cellXfs><xf numFmtId="14"/></cellXfs>'
    book = '<workbookPr date1904="1"/>'
    data = xlsx({"S": row('<c s="0"><v>1</v></c>', '<c t="b"><v>1</v></c>')}, styles=styles, book=book)
    assert "1904-01-02 | TRUE" in load("a.xlsx", data).text


def test_cells_keep_their_columns_and_a_cell_far_away_costs_nothing() -> None:
    rows = f'{row(inline("a", "A1"), inline("c", "C1"))}<row r="1048576">{inline("far", "XFD1048576")}</row>'
    assert load("a.xlsx", xlsx({"S": rows})).text == "# S\n\na |  | c\n |  |  |  |  |  |  |  | far\n\n"


def test_a_long_table_has_its_header_on_top_of_each_paragraph() -> None:
    rows = row(inline("번호"), inline("이름"))
    rows += "".join(row(f"<c><v>{number}</v></c>", inline(f"name {number}")) for number in range(500))
    blocks = load("a.xlsx", xlsx({"S": rows})).text.strip().split("\n\n")[1:]
    assert len(blocks) > 5
    assert all(block.startswith("번호 | 이름\n") for block in blocks)
    assert max(len(block.encode()) for block in blocks) < 1000
    assert [line for block in blocks for line in block.split("\n")[1:]] == [f"{n} | name {n}" for n in range(500)]


def test_what_only_begins_like_a_heading_is_none() -> None:
    assert load("a.xlsx", xlsx({"S": row(inline("#"), inline("이름"))})).text == "# S\n\n\\# | 이름\n\n"
    assert word(paragraph("# 3 of 5") + paragraph("#3")) == "\\# 3 of 5\n\n#3"


# PowerPoint.


def test_each_slide_is_a_page_in_the_order_of_the_show_with_its_title_and_notes() -> None:
    first = (
        shape("계획", kind="ctrTitle") + shape("하나", "둘") + shape("3", kind="sldNum") + shape("running", kind="ftr")
    )
    cells = "".join(f"<a:tc><a:txBody><a:p><a:r><a:t>{text}</a:t></a:r></a:p></a:txBody></a:tc>" for text in "xy")
    uri = "http://schemas.openxmlformats.org/drawingml/2006/table"
    table = f'<a:graphic><a:graphicData uri="{uri}"><a:tbl><a:tr>{cells}</a:tr></a:tbl></a:graphicData></a:graphic>'
    second = f"<p:grpSp>{shape('inside')}</p:grpSp><p:graphicFrame>{table}</p:graphicFrame>"
    second += f"<mc:AlternateContent><mc:Choice>{shape('new')}</mc:Choice><mc:Fallback>{shape('old')}</mc:Fallback>"
    second += "</mc:AlternateContent>"
    loaded = load("a.pptx", pptx(first, second, "", notes=shape("말할 것", kind="body") + shape("9", kind="sldNum")))
    assert page_texts(loaded) == {1: "# 계획\n\n하나\n둘\n\n말할 것", 2: "inside\n\nx | y\n\nnew", 3: ""}
    assert loaded.title == "계획"


# OpenDocument.


def test_an_opendocument_text_is_read_with_headings_lists_tables_and_notes() -> None:
    body = (
        "<text:tracked-changes><text:p>gone1</text:p></text:tracked-changes>"
        '<text:h text:outline-level="2">머리</text:h>'
        "<text:table-of-content><text:p>gone2</text:p></text:table-of-content>"
        '<text:p>두<text:s text:c="2"/>칸<text:span> 굵은</text:span><text:line-break/>줄<text:note>'
        "<text:note-citation>1</text:note-citation><text:note-body><text:p>각주</text:p></text:note-body></text:note>"
        "<office:annotation><text:p>gone3</text:p></office:annotation> 끝</text:p>"
        "<text:list><text:list-item><text:p>하나</text:p><text:list><text:list-item><text:p>안</text:p></text:list-item>"
        "</text:list></text:list-item><text:list-item><text:p>둘</text:p></text:list-item></text:list>"
        "<table:table><table:table-header-rows><table:table-row><table:table-cell><text:p>가</text:p></table:table-cell>"
        "<table:table-cell><text:p>나</text:p></table:table-cell></table:table-row></table:table-header-rows>"
        "</table:table>"
    )
    loaded = load("a.odt", opendocument("text", body, "제목"))
    assert loaded.text == "## 머리\n\n두  칸 굵은\n줄 끝\n\n각주\n\n- 하나\n- 안\n- 둘\n\n가 | 나"
    assert loaded.title == "제목"


def test_an_opendocument_spreadsheet_shows_its_cells_as_they_are_shown() -> None:
    def cell(text: str, repeated: int = 1) -> str:
        return (
            f'<table:table-cell office:value="0.25" table:number-columns-repeated="{repeated}">'
            f"{f'<text:p>{text}</text:p>' if text else ''}</table:table-cell>"
        )

    table = (
        f'<table:table table:name="표"><table:table-row>{cell("25%")}{cell("", 1000)}{cell("x", 2)}</table:table-row>'
        f'<table:table-row table:number-rows-repeated="1048000">{cell("", 1024)}</table:table-row>'
        f'<table:table-row table:number-rows-repeated="2">{cell("끝")}</table:table-row></table:table>'
    )
    loaded = load("a.ods", opendocument("spreadsheet", table))
    assert page_texts(loaded) == {1: "# 표\n\n25% |  |  |  |  |  |  |  |  | x | x\n끝\n끝"}


def test_each_slide_of_an_opendocument_presentation_is_a_page() -> None:
    def frame(kind: str, text: str) -> str:
        box = f"<draw:text-box><text:p>{text}</text:p></draw:text-box>"
        return f'<draw:frame presentation:class="{kind}">{box}</draw:frame>'

    slides = (
        f"<draw:page>{frame('title', '계획')}{frame('outline', '본문')}{frame('footer', 'running')}"
        f"<presentation:notes>{frame('notes', '말할 것')}</presentation:notes></draw:page>"
        f"<draw:page>{frame('outline', 'second')}</draw:page>"
    )
    loaded = load("a.odp", opendocument("presentation", slides))
    assert page_texts(loaded) == {1: "# 계획\n\n본문\n\n말할 것", 2: "second"}
    assert loaded.title == "계획"


# EPUB.


def test_a_book_is_read_in_its_order_without_its_navigation() -> None:
    chapters = {"nav.xhtml": "<p>gone", "z 1.xhtml": "<h1>하나</h1><p>본문&nbsp;1", "a.xhtml": "<h2>둘</h2>본문 2"}
    loaded = load("a.epub", epub(chapters, "책"))
    assert loaded.text == "# 하나\n\n본문 1\n\n## 둘\n\n본문 2"
    assert loaded.title == "책"


@pytest.mark.parametrize(("path", "code"), [("OEBPS/a.xhtml", "DOC-004"), ("OEBPS/font.otf", "")])
def test_a_book_is_encrypted_if_a_chapter_is_not_if_a_font_is(path: str, code: str) -> None:
    cipher = f'<CipherData><CipherReference URI="{path}"/></CipherData>'
    lock = f"<encryption><EncryptedData>{cipher}</EncryptedData></encryption>"
    data = epub({"a.xhtml": "<p>text"}, others={"META-INF/encryption.xml": lock})
    if not code:
        assert load("a.epub", data).text == "text"
        return
    with pytest.raises(RagError) as caught:
        load("a.epub", data)
    assert caught.value.code == code
