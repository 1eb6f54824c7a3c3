"""Pure: documents and passages as rows of one table, and back.

A document is one row with its text and no vector, and one row for each passage. What a search needs of a passage lies
in two columns, its text and `about`: each further column would be one more read from the disk for each row. Columns
beside them are there to be filtered by.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pyarrow as pa

from . import ranking
from .types import Document, Embedded, Filter, Page, Passage, Vectors

DOCUMENTS = "sha256 IS NOT NULL"
# The text of rows that are no document. Without any, a file that holds one long text would be read as one that holds
# it in each of its rows: the library fills what is missing with the only value there is (measured: a text of 3 MB was
# replaced in 13 s with 9 GB).
NO_TEXT = ""
# Rows of passages that a newer version of their document does not have; see `of_all`.
GONE = "document_id IS NULL"


def schema(dimension: int) -> pa.Schema:
    return pa.schema(
        [
            pa.field("chunk_id", pa.string()),
            pa.field("document_id", pa.string()),
            pa.field("source", pa.string()),
            pa.field("type", pa.string()),
            # JSON: a passage but for its id and text, or a document but for its text.
            pa.field("about", pa.string()),
            # Of passages:
            pa.field("text", pa.string()),
            pa.field("grams", pa.string()),
            pa.field("vector", pa.list_(pa.float32(), dimension)),
            # Of documents:
            pa.field("sha256", pa.string()),
            pa.field("title", pa.string()),
            pa.field("added", pa.string()),
            # And NO_TEXT of other rows.
            pa.field("body", pa.large_string()),
        ]
    )


def of_all(new: Sequence[Embedded], before: Collection[str] = ()) -> list[dict[str, Any]]:
    """The rows of documents. Ids of rows `before` that are not among them become empty rows: what is updated cannot
    also be deleted."""
    made = [row for each in new for row in to_rows(each.document, each.passages, each.vectors)]
    kept = {row["chunk_id"] for row in made} if before else ()
    return [*made, *({"chunk_id": chunk_id, "body": NO_TEXT} for chunk_id in before if chunk_id not in kept)]


def to_rows(document: Document, passages: Sequence[Passage], vectors: Vectors) -> list[dict[str, Any]]:
    """The rows of a document, its own first."""
    shared = {"document_id": document.id, "source": document.source, "type": document.type}
    about = asdict(replace(document, text="", passages=len(passages)))
    head = {"chunk_id": document.id, "about": _json(about), "sha256": document.sha256}
    rows: list[dict[str, Any]] = [
        shared | head | {"title": document.title, "added": document.added, "body": document.text}
    ]
    for passage, vector in zip(passages, vectors, strict=True):
        about = {name: value for name, value in asdict(passage).items() if name not in ("chunk_id", "text", "score")}
        rows.append(
            shared
            | {
                "chunk_id": passage.chunk_id,
                "about": _json(about),
                "text": passage.text,
                "grams": grams(passage.text),
                "vector": vector if np.isfinite(vector).all() else None,
                "body": NO_TEXT,
            }
        )
    return rows


def to_document(about: str, text: str = "") -> Document:
    values = json.loads(about)
    values["pages"] = tuple(Page(**page) for page in values["pages"])
    return Document(**values | {"text": text})


def to_passage(row: Mapping[str, Any]) -> Passage:
    values = json.loads(row["about"])
    values["headings"] = tuple(values["headings"])
    return Passage(chunk_id=row["chunk_id"], text=row["text"], **values)


def grams(text: str) -> str | None:
    """The character bigrams of the words in Hangul, kana and Han, which have no spaces to be cut at."""
    if not ranking.has_unspaced(text):
        return None
    return " ".join(term for term in ranking.terms(text) if ranking.has_unspaced(term))


def asked_grams(query: str) -> str:
    """Those of a query that say what it is about. Bigrams that are in every text would cost most and tell nothing."""
    return " ".join(term for term in ranking.asked(query) if ranking.has_unspaced(term))


def asked_words(query: str) -> str:
    return " ".join(dict.fromkeys(query.split())) if ranking.terms(query) else ""


def condition(where: Filter) -> str:
    """The filter as SQL; empty for everywhere. A folder is a range of sources, which an index answers: '0' is the
    character after '/'."""
    folders = [folder.strip("/") for folder in where.folders]
    ranges = [f"(source >= {quoted(f'{folder}/')} AND source < {quoted(f'{folder}0')})" for folder in folders if folder]
    parts = [
        one_of("document_id", where.documents) if where.documents else "",
        f"({' OR '.join(ranges)})" if ranges and all(folders) else "",
        one_of("type", where.types) if where.types else "",
    ]
    return " AND ".join(part for part in parts if part)


def one_of(column: str, values: Iterable[str]) -> str:
    return f"{column} IN ({', '.join(map(quoted, values))})"


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
