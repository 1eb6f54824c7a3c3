"""Files to text: Korean in every encoding it comes in, titles, pages, and a clear word about what cannot be read."""

from __future__ import annotations

import unicodedata
import zlib

import pytest

from rag.errors import RagError
from rag.loaders import SUPPORTED, Loaded, load

KOREAN = "보증 기간은 2년입니다. 똠방각하 펲시콜라"  # The last two words are in CP949, but not in EUC-KR.


def refusal(name: str, data: bytes) -> str:
    with pytest.raises(RagError) as caught:
        load(name, data)
    assert caught.value.data["file"] == name
    return caught.value.code


# Plain text and Markdown.


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949", "utf-16"])
@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.markdown", "A.TXT"])
def test_korean_is_read_in_every_encoding_it_comes_in(name: str, encoding: str) -> None:
    assert load(name, KOREAN.encode(encoding)).text == KOREAN


@pytest.mark.parametrize("order", ["le", "be"])
def test_utf_16_is_read_in_both_byte_orders(order: str) -> None:
    assert load("a.txt", ("\ufeff" + KOREAN).encode(f"utf-16-{order}")).text == KOREAN


def test_european_text_without_utf_8_is_read() -> None:
    assert load("a.txt", "Le café déjà fermé à midi.".encode("cp1252")).text == "Le café déjà fermé à midi."


@pytest.mark.parametrize("encoding", ["utf-8", "cp949", "utf-16"])
def test_a_few_bad_bytes_do_not_spoil_the_rest(encoding: str) -> None:
    assert load("a.txt", (KOREAN * 20).encode(encoding)[:-1]).text.startswith(KOREAN * 19)


def test_decomposed_hangul_becomes_whole_syllables() -> None:
    assert load("a.txt", unicodedata.normalize("NFD", KOREAN).encode()).text == KOREAN


def test_line_ends_become_one_newline_as_offsets_count_them() -> None:
    assert load("a.txt", b"one\r\ntwo\rthree\nfour").text == "one\ntwo\nthree\nfour"


def test_a_text_file_is_titled_by_its_name() -> None:
    assert load("folder/보고서 v1.2.txt", b"# no title").title == "보고서 v1.2"


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("intro\n\n# The  X200\t guide \n# Second", "The X200 guide"),
        ("# 제목 ##\n", "제목"),
        ("# C# for all\n", "C# for all"),
        ("# C#\n", "C#"),
        ("## only second level\n", "notes"),
        ("#\n\nno heading text", "notes"),
        ("#hashtag", "notes"),
        ("# " + "long " * 100, ("long " * 40)),
    ],
)
def test_markdown_is_titled_by_its_first_heading_or_else_by_its_name(text: str, title: str) -> None:
    loaded = load("dir/notes.md", text.encode())
    assert loaded.title == title
    assert loaded.text == text


@pytest.mark.parametrize("name", ["a.exe", "a", "a.md.zip", ".md", "md"])
def test_an_unsupported_type_is_doc_001_and_told_what_there_is(name: str) -> None:
    with pytest.raises(RagError) as caught:
        load(name, b"text")
    assert caught.value.code == "DOC-001"
    assert ".pdf" in caught.value.body("en")["solutions"][0]


@pytest.mark.parametrize("suffix", SUPPORTED)
@pytest.mark.parametrize("data", [b"", b" \r\n\t "])
def test_an_empty_file_is_doc_003(suffix: str, data: bytes) -> None:
    assert refusal("a" + suffix, data) == "DOC-003"


@pytest.mark.parametrize("name", ["a.txt", "a.md"])
def test_bytes_that_are_no_text_are_doc_005(name: str) -> None:
    assert refusal(name, b"\x7fELF\x02\x01\x01\0\0\0" + bytes(range(256))) == "DOC-005"


def test_a_file_with_nothing_but_a_byte_order_mark_has_no_text() -> None:
    assert refusal("a.txt", "\ufeff".encode()) == "DOC-006"


# HTML.


def html(body: str, head: str = "<title> The\n guide </title>") -> Loaded:
    return load("page.html", f"<!doctype html><html><head>{head}</head><body>{body}</body></html>".encode())


def test_html_is_titled_by_its_title_or_else_by_its_name() -> None:
    assert html("<p>text").title == "The guide"
    assert html("<p>text", head="").title == "page"


def test_what_a_reader_does_not_see_is_left_out() -> None:
    silent = (
        "<script>var hidden1 = '<p>';</script><style>.hidden2 {}</style><noscript>hidden3</noscript><!-- hidden4 -->"
        "<template><p>hidden5</template><svg><style>hidden6</style><text>hidden7</text></svg><nav>hidden8</nav>"
        "<div hidden><nav>hidden9</nav></div><nav hidden><script>hidden10</script></nav><iframe>hidden11</iframe>"
    )
    loaded = html(f"<p>before{silent}</p><p>after")
    assert "hidden" not in loaded.text
    assert loaded.text.split() == ["before", "after"]


def test_blocks_stand_apart_and_inline_markup_does_not() -> None:
    text = html(
        "start<h2> Head</h2>under <p>one <b>bo</b>ld&nbsp;&amp; two</p>\n<ul> <li>a</li> <li><p>b</ul> end <br> line"
    ).text
    assert text == "start\n\n## Head\n\nunder\n\none bold & two\n\na\n\nb\n\nend\nline"


def test_items_of_a_list_are_lines() -> None:
    assert html("<ul>\n <li>a</li>\n <li>b<li>c\n</ul>").text == "a\nb\nc"


def test_a_row_of_a_table_is_a_line_of_cells() -> None:
    table = "<table><tr><th>Model<th>Years</tr>\n<tr>\n<td> X<b>200</b></td>\n<td>2</td>\n</tr></table>after"
    assert html(table).text == "Model | Years\nX200 | 2\n\nafter"


def test_paragraphs_in_the_cells_of_a_table_stay_on_its_line() -> None:
    cells = "<tr><td><p>A</p></td><td></td><td>\n<p>b</p>\n<p>c</p>\n</td></tr>"
    assert html(f"<table>{cells}<tr><td><p>D</p></td></tr></table>").text == "A |  | b c\nD"


def test_a_page_that_is_laid_out_in_a_table_keeps_its_paragraphs() -> None:
    page = "<h1>Title</h1><p>one</p><p>two</p>"
    assert html(f"<table><tr><td>{page}</td></tr></table>").text == "# Title\n\none\n\ntwo"


def test_preformatted_text_is_kept_as_it_is_in_a_fence() -> None:
    # The fence keeps its comments from being taken for headings.
    text = html("<p>one\ntwo<pre><code>\n# comment\nif x:\n    <b>run</b>()\n</code></pre>three").text
    assert text == "one two\n\n```\n# comment\nif x:\n    run()\n\n```\n\nthree"
    assert html("a<pre> </pre>b").text == "a\n\nb"


@pytest.mark.parametrize("declared", ["euc-kr", "KS_C_5601-1987", "cp949", "utf-8", "utf-16", "no-such", "hex", ""])
@pytest.mark.parametrize("encoding", ["cp949", "utf-8", "utf-16"])
def test_korean_pages_are_read_whatever_they_declare(encoding: str, declared: str) -> None:
    page = f"<html><head><meta charset='{declared}'><title>보증</title></head><body><p>{KOREAN}</body></html>"
    loaded = load("a.html", page.encode(encoding))
    assert loaded.text == KOREAN
    assert loaded.title == "보증"


def test_a_page_in_another_language_is_read_as_it_declares() -> None:
    page = "<html><head><meta charset=windows-1251></head><body>Гарантия два года</body></html>"
    assert load("a.html", page.encode("cp1251")).text == "Гарантия два года"


@pytest.mark.parametrize("body", ["<p></p>", "<script>x</script>", "<img src=a.png>"])
def test_a_page_without_text_is_doc_006(body: str) -> None:
    with pytest.raises(RagError) as caught:
        html(body)
    assert caught.value.code == "DOC-006"


def test_broken_and_deeply_nested_html_is_read_all_the_same() -> None:
    assert load("a.htm", b"<p>one<b>two</i></p></div><td>three<").text.split()[0] == "onetwo"
    assert load("a.htm", b"<div>" * 5000 + b"deep").text == "deep"


# PDF, made by hand: a few objects and a table of where they are.


def pdf(pages: list[str], *, title: str = "", encrypted: bool = False, image: bool = False) -> bytes:
    """A PDF with a page for each text; characters outside of ASCII through a font with a Unicode map."""
    used = sorted({character for text in pages for character in text if character != "\n"})
    names = "".join(f"<{ord(c):04x}> <{ord(c):04x}>\n" for c in used)
    cmap = (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /U def /CMapType 2 def\n"
        "1 begincodespacerange <0000> <ffff> endcodespacerange\n"
        f"{len(used)} beginbfchar\n{names}endbfchar endcmap end end"
    ).encode()
    kids = " ".join(f"{7 + 2 * number} 0 R" for number in range(len(pages)))
    objects: list[bytes] = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Count {len(pages)} /Kids [{kids}] >>".encode(),
        b"<< /Type /Font /Subtype /Type0 /BaseFont /F /Encoding /Identity-H /ToUnicode 5 0 R"
        b" /DescendantFonts [4 0 R] >>",
        b"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /F /DW 1000 /CIDSystemInfo"
        b" << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> >>",
        stream(cmap),
        b"<< /Title <" + ("\ufeff" + title).encode("utf-16-be").hex().encode() + b"> >>" if title else b"<< >>",
    ]
    for number, text in enumerate(pages):
        lines = "".join(f"<{line.encode('utf-16-be').hex()}> Tj 0 -20 Td\n" for line in text.split("\n"))
        drawn = "q 100 0 0 100 50 50 cm BI /W 1 /H 1 /BPC 8 /CS /G ID \x7f EI Q" if image else ""
        content = f"BT /F 12 Tf 50 700 Td\n{lines}ET" if text else drawn
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents {8 + 2 * number} 0 R"
            " /Resources << /Font << /F 3 0 R >> >> >>".encode()
        )
        objects.append(stream(content.encode("latin-1")))
    trailer = f"/Size {len(objects) + 1} /Root 1 0 R /Info 6 0 R /ID [<00> <00>]"
    if encrypted:
        # No key opens it: the check value is none that a password could give.
        trailer += f" /Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <{'11' * 32}> /U <{'22' * 32}> >>"
    data, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    head = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n"
    return data + f"{head}{table}trailer << {trailer} >>\nstartxref\n{len(data)}\n%%EOF".encode()


def stream(content: bytes) -> bytes:
    packed = zlib.compress(content)
    return b"<< /Length %d /Filter /FlateDecode >> stream\n%s\nendstream" % (len(packed), packed)


def test_a_pdf_gives_the_text_of_its_pages_and_where_they_lie() -> None:
    texts = ["Warranty of the X200", "", "보증 기간은 2년입니다.\n둘째 줄"]
    loaded = load("guide.pdf", pdf(texts, title="사용 설명서"))
    assert loaded.title == "사용 설명서"
    assert [page.number for page in loaded.pages] == [1, 2, 3]
    assert [loaded.text[page.start : page.end] for page in loaded.pages] == texts


def test_a_sentence_over_two_lines_of_a_pdf_is_one_line() -> None:
    text = load("a.pdf", pdf(["The pump has a warranty\nof two years.\nThe next sentence\n데비안\n설치"])).text
    assert text.strip() == "The pump has a warranty of two years.\nThe next sentence\n데비안\n설치"


def test_a_pdf_without_a_title_is_titled_by_its_name() -> None:
    assert load("guide.pdf", pdf(["text"])).title == "guide"


def test_an_encrypted_pdf_is_doc_004() -> None:
    assert refusal("a.pdf", pdf(["text"], encrypted=True)) == "DOC-004"


def test_a_pdf_of_images_alone_is_doc_006() -> None:
    assert refusal("scan.pdf", pdf(["", ""], image=True)) == "DOC-006"


@pytest.mark.parametrize(
    "data", [b"not a pdf", b"%PDF-1.4\n", pdf(["text"])[:200], b"\0" * 1000], ids=["text", "head", "cut", "zeros"]
)
def test_a_damaged_pdf_is_doc_005(data: bytes) -> None:
    assert refusal("a.pdf", data) == "DOC-005"


def test_only_pdfs_have_pages() -> None:
    assert load("a.md", b"text").pages == ()
    assert html("text").pages == ()
