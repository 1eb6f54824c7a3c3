"""Files to text with titles and pages. One module for each family of formats; the text is what offsets refer to."""

from __future__ import annotations

import importlib
import re
from pathlib import PurePath

from ..errors import RagError
from .text import MAX_TEXT, Loaded, TooMuch

__all__ = ["MAX_TEXT", "SUPPORTED", "Loaded", "load", "suffix"]

# More are no pages that anybody looks up; the text is then one whole.
MAX_PAGES = 50_000

_MODULES = {
    ".csv": "plain",
    ".docx": "docx",
    ".eml": "mail",
    ".epub": "epub",
    ".htm": "html",
    ".html": "html",
    ".json": "json",
    ".jsonl": "json",
    ".markdown": "plain",
    ".md": "plain",
    ".odp": "opendocument",
    ".ods": "opendocument",
    ".odt": "opendocument",
    ".pdf": "pdf",
    ".pptx": "pptx",
    ".rtf": "rtf",
    ".tsv": "plain",
    ".txt": "plain",
    ".xhtml": "html",
    ".xlsx": "xlsx",
}
SUPPORTED = tuple(sorted(_MODULES))


def load(name: str, data: bytes) -> Loaded:
    """The text of the file `name` with content `data`. Blocks; rag.parsing bounds the time and the memory it takes.

    Raises `RagError` DOC-001 (type), DOC-003 (empty), DOC-004 (encrypted), DOC-005 (damaged, or not what its ending
    says), DOC-006 (no text) or DOC-011 (holds too much).
    """
    module = _MODULES.get(suffix(name))
    if module is None:
        raise RagError("DOC-001", file=name, supported=SUPPORTED)
    if not data.strip():
        raise RagError("DOC-003", file=name)
    try:
        # Imported when needed: the process that reads files starts fast, and most formats are never met.
        loaded: Loaded = importlib.import_module(f".{module}", __name__).load(name, data)
    except (RagError, MemoryError):
        raise
    except TooMuch as error:
        raise RagError("DOC-011", file=name, limit=MAX_TEXT >> 20) from error
    except Exception as error:
        # Whatever a damaged file makes a loader stumble over.
        raise RagError("DOC-005", file=name) from error
    if not loaded.text.strip():
        raise RagError("DOC-006", file=name)
    if len(loaded.text) > MAX_TEXT:
        raise RagError("DOC-011", file=name, limit=MAX_TEXT >> 20)
    title = " ".join(_whole(loaded.title).split())[:200] or PurePath(name).stem
    return Loaded(_whole(loaded.text), title, loaded.pages if len(loaded.pages) <= MAX_PAGES else ())


def suffix(name: str) -> str:
    return PurePath(name).suffix.lower()


def _whole(text: str) -> str:
    """Halves of surrogate pairs cannot be stored; each is replaced, so that offsets stay."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text)
