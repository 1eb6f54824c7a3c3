"""Files that are broken, locked, mislabelled or made to do harm: name → (content, the codes it may get, "" if read)."""

from __future__ import annotations

from . import archives, damaged, markup, office, pdfs, texts
from .made import BOOK, SHEET, SLIDES, TEXT, WORD, Files, flipped, plain_pdf

__all__ = ["BOOK", "HEAVY", "HOSTILE", "SHEET", "SLIDES", "TEXT", "WORD", "flipped", "plain_pdf"]

# What takes long to make, or to be read or refused: tests/bench/hostile_files.py reads these, too.
HEAVY = frozenset(
    (
        *("bomb.docx", "bomb.pdf", "sparse.xlsx", "again.epub", "1000000 entries.odt", "three times packed.pdf"),
        *(
            "row 999999999999.xlsx",
            "wide rows.xlsx",
            "formats.xlsx",
            "far cell.xlsx",
            "shared.xlsx",
            "form in itself.pdf",
        ),
        *("one chapter 1000000 times.epub", "forms of forms.pdf", "1000000 letters.pdf", "deep.html", "tables.html"),
        *("cells.html", "comments.html", "ampersands.html", "quotes.html", "navs.html", "object.rtf", "lines.jsonl"),
        *("boundary.eml", "parts in parts.eml", "people.eml", "words.eml", "names.eml", "paths.json", "commas.csv"),
    )
)
HOSTILE: Files = damaged.FILES | archives.FILES | office.FILES | pdfs.FILES | markup.FILES | texts.FILES
