"""Files that are broken, locked, mislabelled or made to do harm: name → (content, the codes it may get, "" if read)."""

from __future__ import annotations

from . import archives, damaged, markup, office, pdfs, texts
from .made import BOOK, SHEET, SLIDES, TEXT, WORD, Files, flipped, plain_pdf

__all__ = ["BOOK", "HOSTILE", "SHEET", "SLIDES", "TEXT", "WORD", "flipped", "plain_pdf"]

HOSTILE: Files = damaged.FILES | archives.FILES | office.FILES | pdfs.FILES | markup.FILES | texts.FILES
