"""Mail, RTF, JSON and tables with separators to text."""

from __future__ import annotations

import json
from email.message import EmailMessage

import pytest

from rag.errors import RagError
from rag.loaders import Loaded, load

KOREAN = "보증 기간은 2년입니다."


# Mail.


def letter(subject: str = "보증 문의", body: str = KOREAN) -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = subject
    message["From"] = "김철수 <kim@example.com>"
    message["To"] = "lee@example.com"
    message["Date"] = "Mon, 02 Mar 2026 09:00:00 +0900"
    message.set_content(body)
    return message


def mail(message: EmailMessage) -> Loaded:
    return load("a.eml", message.as_bytes())


def test_a_letter_is_read_with_its_people_its_date_and_its_text() -> None:
    loaded = mail(letter())
    assert loaded.title == "보증 문의"
    assert loaded.text == (
        "Subject: 보증 문의\nFrom: 김철수 <kim@example.com>\nTo: lee@example.com\n"
        f"Date: Mon, 02 Mar 2026 09:00:00 +0900\n\n{KOREAN}"
    )


def test_the_plain_text_of_a_letter_is_preferred_and_html_is_read_where_there_is_nothing_else() -> None:
    both = letter()
    both.add_alternative("<p>as HTML</p>", subtype="html")
    assert KOREAN in mail(both).text
    assert "HTML" not in mail(both).text
    alone = letter()
    alone.set_content("<h1>머리</h1><p>본문</p><style>gone</style>", subtype="html")
    assert mail(alone).text.endswith("# 머리\n\n본문")


def test_what_is_attached_is_named_and_a_forwarded_letter_is_read() -> None:
    message = letter()
    message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="견적서 1.pdf")
    inner = letter("먼저 것", "안쪽 본문")
    inner.add_attachment("x", filename="inner.txt")
    message.add_attachment(inner)
    text = mail(message).text
    assert "Attachments: 견적서 1.pdf\n" in text
    assert text.index(KOREAN) < text.index("Subject: 먼저 것") < text.index("Attachments: inner.txt")
    assert text.endswith("안쪽 본문")


@pytest.mark.parametrize("charset", ["ks_c_5601-1987", "euc-kr", "cp949", "utf-8", "x-unknown", ""])
def test_korean_mail_is_read_in_every_charset_it_declares(charset: str) -> None:
    said = f"; charset={charset}" if charset else ""
    body = "똠방각하 펲시콜라".encode("utf-8" if charset == "utf-8" else "cp949")
    head = f"From: a@example.com\nSubject: =?ks_c_5601-1987?B?urjB9Q==?=\nContent-Type: text/plain{said}\n"
    loaded = load("a.eml", head.encode() + b"Content-Transfer-Encoding: 8bit\n\n" + body)
    assert loaded.text.endswith("\n\n똠방각하 펲시콜라")
    assert loaded.title == "보증"


def test_headers_in_bare_cp949_are_read() -> None:
    data = b"From: " + "김철수".encode("cp949") + b" <a@b.c>\nSubject: " + "보증".encode("cp949") + b"\n\ntext"
    assert load("a.eml", data).text == "Subject: 보증\nFrom: 김철수 <a@b.c>\n\ntext"


def test_what_is_no_letter_is_doc_005_and_an_encrypted_one_doc_004() -> None:
    for data, code in (
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "DOC-005"),
        (b"just some text\nand more", "DOC-005"),
        (b"From: a@b.c\nContent-Type: multipart/encrypted; boundary=x\n\n--x\n\n--x--", "DOC-004"),
    ):
        with pytest.raises(RagError) as caught:
            load("a.eml", data)
        assert caught.value.code == code


# RTF.


def rtf(inside: str) -> Loaded:
    return load("a.rtf", f"{{\\rtf1\\ansi\\ansicpg949\\deff0 {inside}}}".encode("latin-1"))


def test_rtf_is_read_in_code_pages_of_its_fonts_and_in_unicode() -> None:
    fonts = r"{\fonttbl{\f0\fcharset129 Gulim;}{\f1\fcharset204 Arial;}}"
    text = r"\f0 \'b0\'a1\'b3\'aa {\f1 \'e4\'e0} \u44032?\u-10179\'3f\u-8703\'3f end"
    assert rtf(fonts + text).text == "가나 да 가😁 end"
    assert rtf(r"\uc0\u44032 a\uc2\u44032 ??b").text == "가a가b"


def test_rtf_has_paragraphs_tables_and_links() -> None:
    loaded = rtf(
        r"{\info{\title gone0}{\author gone1}}{\stylesheet{\s0 Normal;}{\s1 heading 1;}}{\header gone2\par}"
        r"{\*\generator gone3;}\pard\s1 One\par\pard\plain text\~more\line x\par\pard{\listtext\pard 1.\tab}Two\par"
        r"{\pict 89504e47}\pard\intbl a\cell b\cell\row c\cell\row\pard{\field{\*\fldinst gone4}{\fldrslt link}}\par"
    )
    assert loaded.text == "One\n\ntext more\n\nx\n\n1. Two\n\na | b\nc\n\nlink"


@pytest.mark.parametrize("data", [b"text", b"{\\rtf1 cut off", b"\x89PNG"])
def test_what_is_no_whole_rtf_is_doc_005(data: bytes) -> None:
    with pytest.raises(RagError) as caught:
        load("a.rtf", data)
    assert caught.value.code == "DOC-005"


# JSON.


def test_json_becomes_lines_with_their_paths_and_a_paragraph_for_each_record() -> None:
    value = {
        "title": "제품",
        "year": 2026,
        "tags": ["a", "b"],
        "none": None,
        "items": [
            {"name": "펌프", "price": {"krw": 10000, "eur": 7.5}},
            {"name": "모터", "parts": [{"id": 1}, {"id": 2}]},
        ],
    }
    loaded = load("a.json", json.dumps(value).encode())
    assert loaded.title == "제품"
    assert loaded.text == (
        "title: 제품\nyear: 2026\ntags: a, b\nnone: null\n\n# items\n\n"
        "name: 펌프\nprice.krw: 10000\nprice.eur: 7.5\n\nname: 모터\nparts.id: 1\nparts.id: 2"
    )


def test_json_lines_are_records() -> None:
    assert load("a.jsonl", '{"a": "가"}\n\n{"a": "나"}\n'.encode()).text == "a: 가\n\na: 나"


def test_half_a_surrogate_pair_in_json_is_replaced_and_a_whole_one_is_read() -> None:
    assert load("a.json", b'["\\ud83d", "\\ud83c\\udf89"]').text == "\ufffd, 🎉"


@pytest.mark.parametrize("data", [b"{", b"[1,]", b"text", b"[" * 100_000, b"1" * 100_000, b'{"a": 1}{"b": 2}'])
def test_what_is_no_json_is_doc_005(data: bytes) -> None:
    with pytest.raises(RagError) as caught:
        load("a.json", data)
    assert caught.value.code == "DOC-005"


# Tables with separators.


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp949", "utf-16"])
def test_a_table_is_read_with_every_separator_and_in_every_encoding(delimiter: str, encoding: str) -> None:
    text = f'이름{delimiter}값\r\n"펌프{delimiter} 큰 것"{delimiter}"1\n2"\r\n{delimiter}\r\n'
    loaded = load("a.csv", text.encode(encoding))
    assert loaded.text == f"이름 | 값\n펌프{delimiter.strip()} 큰 것 | 1 2"


def test_a_tsv_is_cut_at_tabs_alone() -> None:
    assert load("a.tsv", b"a,b\tc\n1,2,3\t4").text == "a,b | c\n1,2,3 | 4"
