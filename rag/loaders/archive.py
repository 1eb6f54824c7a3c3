"""ZIP containers of XML parts, as office programs write them, read so that they cannot harm.

A part is unpacked in pieces and counted; what declares or gives too much is refused. XML with entities of its own is
refused, and none is fetched, so that neither a "billion laughs" nor a reference to another file does anything.
"""

from __future__ import annotations

import io
import posixpath
import zipfile
from collections.abc import Iterator
from typing import IO, Self, cast
from urllib.parse import unquote
from xml.etree import ElementTree
from xml.parsers import expat

from ..errors import RagError

# Bytes that all parts together may unpack to. Above FREE, only RATIO times the size of the file.
LIMIT = 1 << 30
FREE = 64 << 20
RATIO = 200
_PIECE = 1 << 20
_COMPOUND_FILE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

Element = ElementTree.Element


class Archive:
    """An open container. Raises `RagError` DOC-004 (encrypted), DOC-005 (none, or damaged), DOC-011 (unpacks to too
    much); reading a part that is not there raises `KeyError`."""

    def __init__(self, name: str, data: bytes) -> None:
        self.name = name
        if data.startswith(_COMPOUND_FILE):
            # The form in which office programs encrypt, and that of their files of the last century.
            raise RagError("DOC-004" if "EncryptedPackage".encode("utf-16-le") in data else "DOC-005", file=name)
        self._zip = zipfile.ZipFile(io.BytesIO(data))
        self._left = min(LIMIT, max(FREE, RATIO * len(data)))
        parts = self._zip.infolist()
        if any(part.flag_bits & 1 for part in parts):
            raise RagError("DOC-004", file=name)
        if sum(part.file_size for part in parts) > self._left:
            raise self._too_much()
        self._names = {part.filename.lower(): part for part in parts}

    def _too_much(self) -> RagError:
        return RagError("DOC-011", file=self.name, limit=LIMIT >> 20)

    def __contains__(self, path: str) -> bool:
        return path.lower() in self._names

    def open(self, path: str) -> IO[bytes]:
        part = self._names[path.lower()]
        if part.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise RagError("DOC-005", file=self.name)
        return cast(IO[bytes], _Counted(self, self._zip.open(part)))

    def read(self, path: str) -> bytes:
        with self.open(path) as part:
            return b"".join(iter(lambda: part.read(_PIECE), b""))

    def count(self, size: int) -> None:
        """Bytes that a part has given. Raises `RagError` DOC-011 when they are too many."""
        self._left -= size
        if self._left < 0:
            raise self._too_much()

    def xml(self, path: str) -> Element:
        return parse(self.read(path))

    def relations(self, path: str) -> dict[str, tuple[str, str]]:
        """(kind, path) of what the part refers to, by id. A part without references has none."""
        folder, base = posixpath.split(path)
        rels = posixpath.join(folder, "_rels", base + ".rels")
        if rels not in self:
            return {}
        return {
            relation.get("Id", ""): (
                relation.get("Type", "").rpartition("/")[2],
                resolve(folder, relation.get("Target", "")),
            )
            for relation in self.xml(rels)
            if relation.get("TargetMode") != "External"
        }

    def start(self) -> str:
        """The path of the main part. Raises `KeyError` if the container names none."""
        for path in related(self.relations(""), "officeDocument"):
            return path
        raise KeyError("officeDocument")

    def title(self) -> str:
        """The title in the properties that all office programs keep in the same way, or ""."""
        for path in related(self.relations(""), "core-properties"):
            if path in self:
                return self.xml(path).findtext("title") or ""
        return ""


class _Counted:
    """A part that is read, counted by its archive."""

    def __init__(self, archive: Archive, file: IO[bytes]) -> None:
        self._archive = archive
        self._file = file

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self._archive.count(len(data))
        return data


def related(relations: dict[str, tuple[str, str]], kind: str) -> list[str]:
    return [path for found, path in relations.values() if found == kind]


def resolve(folder: str, target: str) -> str:
    """The path in the container of a reference made in a folder of it."""
    target = unquote(target.partition("#")[0])
    return posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/")


def parse(data: bytes) -> Element:
    """The root element. Names are without namespaces, except for the references `r:id` and their like.

    Raises `ValueError` for entities of its own, `ParseError` for what is no XML.
    """
    _refuse_entities(io.BytesIO(data))
    root = ElementTree.fromstring(data)
    for element in root.iter():
        strip(element)
    return root


def stream(archive: Archive, path: str, tag: str) -> Iterator[Element]:
    """The elements of that name in a part, each when it is complete, without keeping the rest. Else as `parse`."""
    with archive.open(path) as part:
        _refuse_entities(part)
    above: list[Element] = []
    with archive.open(path) as part:
        for event, element in ElementTree.iterparse(part, events=("start", "end")):
            if event == "start":
                above.append(element)
                continue
            above.pop()
            if above and element.tag.rpartition("}")[2] == tag:
                for inner in element.iter():
                    strip(inner)
                yield element
                del above[-1][:]


def strip(element: Element) -> None:
    element.tag = element.tag.rpartition("}")[2]
    if any(name[0] == "{" for name in element.attrib):
        items = [(*name.rpartition("}")[::2], value) for name, value in element.attrib.items()]
        element.attrib.clear()
        for space, name, value in items:
            element.set(f"r:{name}" if space.endswith("/relationships") else name, value)


class _Begun(Exception):
    """The first element is there; no entity can be declared any more."""


def _refuse_entities(file: IO[bytes]) -> None:
    def begun(*_: object) -> None:
        raise _Begun

    def declared(*_: object) -> None:
        raise ValueError("entities of its own")

    parser = expat.ParserCreate()
    parser.StartElementHandler = begun
    parser.EntityDeclHandler = declared
    try:
        while piece := file.read(_PIECE // 16):
            parser.Parse(piece)
    except _Begun:
        return
