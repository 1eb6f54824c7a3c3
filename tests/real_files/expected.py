"""Real files, with what a reader finds in them: from Debian packages, and from what LibreOffice writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Real:
    """A file of a package, or of LibreOffice where none is named: phrases of it in their order, or on their pages."""

    package: str
    path: str
    phrases: tuple[str | tuple[int, str], ...]
    title: str = ""
    pages: int = 0
    absent: tuple[str, ...] = ()
    name: str = ""

    @property
    def called(self) -> str:
        """The name that it is read by, and known by in the tests."""
        return self.name or Path(self.path).name.removesuffix(".gz")


_R = "usr/lib/R/site-library"
_DOC = "usr/share/doc"
_GUIDE = f"{_DOC}/installation-guide-amd64"
_HISTORY = f"{_DOC}/debian-history/docs"
_MAIL = "usr/lib/python3.11/test/test_email/data"
_PYTHON = "libpython3.11-testsuite"

PACKAGED = (
    # PDF.
    Real(
        "installation-guide-amd64",
        f"{_GUIDE}/ko/install.ko.pdf.gz",
        (
            (1, "데비안 GNU/리눅스 설치 안내서"),
            # Broken between a noun and its particle, and inside a sentence.
            (21, "USB 장치와 같은 다양한 하드웨어에 폭넓게 대응하고 있습니다."),
            (21, "카드와 노트북용"),
            (21, "설치할 때는 지원하지 않습니다."),
        ),
        "데비안 GNU/리눅스 설치 안내서",
        151,
        (". . . .",),
    ),
    Real(
        "installation-guide-amd64",
        f"{_GUIDE}/en/install.en.pdf.gz",
        ("Debian does not impose hardware requirements beyond the requirements of the Linux",),
        "Debian GNU/Linux Installation Guide",
    ),
    Real(
        "debian-history",
        f"{_HISTORY}/project-history.ko.pdf",
        (
            (7, "운영체제배포판을만들려고노력하는세계적인자원봉사단체이다."),
            (9, "이시점에서개발자여러명이참여하는프로젝트로자랐다."),
            (21, "• LibreOffice 7.0"),
        ),
        "간단한 데비안 역사",
        26,
        ("3 / 20", "15 / 20"),
    ),
    Real(
        "debian-history",
        f"{_HISTORY}/project-history.en.pdf",
        ("The Debian Project was officially founded by Ian Murdock on August 16th, 1993.",),
        "A Brief History of Debian",
    ),
    Real(
        "debian-policy",
        f"{_DOC}/debian-policy/policy.pdf.gz",
        ((1, "Debian Policy Manual"), (21, "Most Debian packages will have a priority of optional. Priority levels")),
        "Debian Policy Manual",
        193,
        ("Debian Policy Manual, Release 4.6.2.0",),
    ),
    Real(
        "debian-policy",
        f"{_DOC}/debian-policy/fhs/fhs-3.0.pdf.gz",
        ((20, "This directory must not be used by installation programs: a suitable temporary directory"),),
        pages=50,
    ),
    Real(
        "debian-faq",
        f"{_DOC}/debian/FAQ/debian-faq.en.pdf.gz",
        (
            # Hyphenated at the end of a line.
            (9, "pointers to other documentation will be given"),
            (21, "on all systems which are supported by the Linux kernel"),
        ),
        "The Debian GNU/Linux FAQ",
        73,
    ),
    Real(
        "maint-guide",
        f"{_DOC}/maint-guide/maint-guide.en.pdf",
        ((9, "some additional packages needed for development. Note that"), (21, "# Where to put executable commands")),
        "Debian New Maintainers' Guide",
        63,
        ("Debian New Maintainers’ Guide 3 / 57",),
    ),
    Real(
        "quilt",
        f"{_DOC}/quilt/quilt.pdf",
        ((3, "commands can be invoked from anywhere within the source tree"),),
        pages=12,
    ),
    # HTML.
    Real(
        "installation-guide-amd64",
        f"{_GUIDE}/ko/ch02s01.html",
        ("2.1. 지원하는 하드웨어", "64-bit PC 아키텍처"),
        "2.1. 지원하는 하드웨어",
        absent=("<p>", "&nbsp;"),
    ),
    Real("debian-history", f"{_HISTORY}/leaders.ko.html", ("# 2장. 리더", "이안 머독이 1993년 8월에"), "2장. 리더"),
    Real("debian-history", f"{_HISTORY}/detailed.ko.html", ("## 4.1. 0.x 릴리스",), "4장. 세부 역사"),
    Real(
        "maint-guide",
        f"{_DOC}/maint-guide/html/start.en.html",
        ("# Chapter 1. Getting started The Right Way", "## 1.2. Programs needed for development"),
        "Chapter 1. Getting started The Right Way",
    ),
    # Text.
    Real("debian-faq-ko", f"{_DOC}/debian/FAQ/debian-faq.ko.txt.gz", ("Debian GNU/Linux FAQ", "데비안 control 파일은")),
    Real("debian-history", f"{_HISTORY}/project-history.ko.txt.gz", ("간단한 데비안 역사", "제2회 회의 Debconf1는")),
    Real("doc-debian", f"{_DOC}/debian/social-contract.txt.gz", ("Debian will remain 100% free",)),
    Real("doc-debian", f"{_DOC}/debian/constitution.txt.gz", ("Constitution for the Debian Project (v1.9)",)),
    # Markdown.
    Real(
        "pandoc-data", f"{_DOC}/pandoc-data/README.md.gz", ("# Pandoc", "## The universal markup converter"), "Pandoc"
    ),
    Real("r-cran-readxl", f"{_R}/readxl/NEWS.md", ("# readxl 1.4.2",), "readxl 1.4.2"),
    # EPUB.
    Real(
        "debian-history",
        f"{_HISTORY}/project-history.ko.epub",
        ("# 간단한 데비안 역사", "이안 머독이 1993년 8월에 프로젝트를 만들었고"),
        "간단한 데비안 역사",
    ),
    Real(
        "debian-policy",
        f"{_DOC}/debian-policy/policy.epub",
        ("# Debian Policy Manual", "Each package must have a priority value"),
        "Debian Policy Manual",
    ),
    Real(
        "ubuntu-packaging-guide-epub",
        f"{_DOC}/ubuntu-packaging-guide-epub/ubuntu-packaging-guide.epub",
        ("Welcome to the Ubuntu Packaging and Development Guide!",),
        "Ubuntu Packaging Guide",
        absent=("### Navigation",),
    ),
    # Word and PowerPoint.
    Real(
        "r-cran-officer",
        f"{_R}/officer/doc_examples/example.docx",
        (
            "# Title 1\n",
            "1. Quisque tristique\n\n2. Augue nisi, et convallis",
            "## Sub title 1\n",
            "- Quisque tristique\n- Augue nisi, et convallis\n",
            "Petals | Internode | Sepal | Bract\n",
        ),
        "document title",
    ),
    Real(
        "r-cran-officer",
        f"{_DOC}/r-cran-officer/tests/testthat/docs_dir/table-complex.docx.gz",
        ("A table that doesn’t quite work", "Column head | column head"),
    ),
    Real(
        "r-cran-officer",
        f"{_R}/officer/doc_examples/example.pptx",
        ((1, "# Title\n"), (1, "B | 1.23 | blah blah blah"), (1, "and some list (2)"), (2, "# Hi")),
        "document title",
        3,
    ),
    Real(
        "r-cran-officer",
        f"{_DOC}/r-cran-officer/tests/testthat/docs_dir/table-complex.pptx.gz",
        ((1, "Header 1 A | Header 2 | Header 3"), (2, "# coco")),
        "document title",
        pages=2,
    ),
    # Spreadsheets.
    Real(
        "r-cran-readxl",
        f"{_R}/readxl/extdata/deaths.xlsx",
        (
            (1, "# arts\n"),
            (1, "Name | Profession | Age | Has kids | Date of birth | Date of death\nDavid Bowie | musician"),
            (1, "1947-01-08 | 2016-01-10"),
            (2, "John Glenn | astronaut | 95 | TRUE | 1921-07-28 | 2016-12-08"),
        ),
        pages=2,
    ),
    Real(
        "r-cran-readxl",
        f"{_R}/readxl/extdata/datasets.xlsx",
        ((1, "# iris\n"), (4, "# quakes\n"), (4, "-21.59 | 170.56 | 165 | 6 | 119")),
        pages=4,
    ),
    Real(
        "r-cran-readxl",
        f"{_R}/readxl/extdata/type-me.xlsx",
        ((1, "2016-01-01 | datetime"), (1, "TRUE | boolean true")),
        pages=4,
    ),
    Real("r-cran-readxl", f"{_R}/readxl/extdata/geometry.xlsx", ((1, " | B3 | C3 | D3\n"),), pages=1),
    Real(
        "r-cran-openxlsx",
        f"{_R}/openxlsx/extdata/loadExample.xlsx",
        ((1, "# IrisSample"), (4, "Grand Total | 20.21034482")),
        pages=4,
    ),
    Real(
        "r-cran-openxlsx",
        f"{_R}/openxlsx/extdata/inlineStr.xlsx",
        ((1, "this | it\nis an xlsx file | cannot be read"),),
        pages=1,
    ),
    Real("r-cran-openxlsx", f"{_R}/openxlsx/extdata/ColorTabs3.xlsx", ((3, "# hidden\n\nbooo | hooo!"),), pages=3),
    Real(
        "r-cran-rio",
        f"{_R}/rio/examples/mtcars.ods",
        ((1, "# Sheet1\n\nmpg | cyl | disp | hp"), (1, "21.4 | 4 | 121 | 109")),
        pages=1,
    ),
    # Tables with separators.
    Real(
        "distro-info-data",
        "usr/share/distro-info/debian.csv",
        ("1.1 | Buzz | buzz | 1993-08-16 | 1996-06-17 | 1997-06-05",),
    ),
    Real(
        "r-cran-readr",
        f"{_R}/readr/extdata/chickens.csv",
        ("Foghorn Leghorn | rooster | 0 | That's a joke, ah say, that's",),
    ),
    Real("r-cran-readr", f"{_R}/readr/extdata/mtcars.csv", ("21 | 6 | 160 | 110 | 3.9 | 2.62",)),
    # JSON.
    Real(
        "iso-codes",
        "usr/share/iso-codes/json/iso_3166-1.json",
        ("# 3166-1\n", "name: Aruba\nnumeric: 533", "flag: 🇿🇼\nname: Zimbabwe"),
    ),
    Real(
        "iso-codes", "usr/share/iso-codes/json/schema-4217.json", ("description: ISO 4217 language family",), "ISO 4217"
    ),
    # Mail.
    Real(
        _PYTHON,
        f"{_MAIL}/msg_01.txt",
        ("From: bbb@ddd.com", "Do you like this message?"),
        "This is a test message",
        name="1.eml",
    ),
    Real(
        _PYTHON,
        f"{_MAIL}/msg_02.txt",
        ("Subject: [Ppp] testing #1", "hello"),
        "Ppp digest, Vol 1 #2 - 5 msgs",
        name="2.eml",
    ),
    Real(
        _PYTHON,
        f"{_MAIL}/msg_07.txt",
        ("Attachments: dingusfish.gif", "This is the dingus fish."),
        "Here is your dingus fish",
        name="7.eml",
    ),
    Real(
        _PYTHON,
        f"{_MAIL}/msg_46.txt",
        ("Testing email forwarding with Groupwise 1.2.2010",),
        "GroupwiseForwardingTest",
        name="46.eml",
    ),
)


def _manual(said: str, title: str, sentence: str, heading: str, item: str, row: str, running: str) -> tuple[Real, ...]:
    """One manual in the formats of texts. RTF and EPUB have no headings there, PDF no cells."""
    own, note = f"## {item}", {"ko": "빌린 펌프에는 적용되지", "en": "Not valid for rented pumps."}[said]
    marked = (f"# {heading}\n\n{sentence}", own, note, f"- {item}\n", row)
    return (
        *(Real("", f"{said}.{kind}", marked, title, absent=(running,)) for kind in ("docx", "odt")),
        Real("", f"{said}.rtf", (f"{heading}\n\n{sentence}", f"- {item}\n", row), absent=(running,)),
        Real("", f"{said}.epub", (f"{heading}\n\n{sentence}", row, note), title),
        Real("", f"{said}.pdf", ((1, sentence),), title, 4, (running, "- 2 -")),
    )


_SALES = "지역 | 날짜 | 매출 | 비율 | 완료\n서울 | 2026-03-01 | 1200.5 | 25% | TRUE"

WRITTEN = (
    *_manual(
        "ko",
        "펌프 X200 설명서",
        "이 펌프의 보증 기간은 구입한 날부터 이 년이며, 부품과 수리 비용이 모두 보증 범위에 포함됩니다. 이 펌프의 보증",
        "보증",
        "펌프를 끕니다",
        "부품 | 가격\n필터 | 1만 원",
        "대외비",
    ),
    *_manual(
        "en",
        "Pump X200 Manual",
        "The warranty of the X200 pump is two years from the day of purchase",
        "Warranty",
        "Turn the pump off",
        "Part | Price\nFilter | 12 EUR",
        "confidential",
    ),
    Real("", "sales.xlsx", ((1, f"# 매출\n\n{_SALES}"), (2, "# Stock\n\nPart | Stock\nFilter | 40")), pages=2),
    Real("", "sales.ods", ((1, f"# 매출\n\n{_SALES}"), (2, "# Stock\n\nPart | Stock\nFilter | 40")), pages=2),
    Real("", "sales.csv", (_SALES,)),
    Real(
        "", "plan.pptx", ((1, "올해의 목표는 매출 두 배입니다."), (2, "Market"), (2, "Mention the new law.")), pages=3
    ),
    Real("", "plan.odp", ((1, "올해의 목표는 매출 두 배입니다."), (2, "Market"), (2, "Mention the new law.")), pages=3),
    Real("", "plan.pdf", ((1, "올해의 목표는 매출 두 배입니다."), (2, "Three competitors share")), pages=3),
)
