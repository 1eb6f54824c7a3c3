"""ZIP containers of XML parts, looked over before anything in them is unpacked or given to a library.

What declares to unpack to too much is refused; Python's zipfile unpacks no part beyond what it declares. So is XML with
entities of its own, and none is fetched, so that neither a "billion laughs" nor a reference to another file does
anything.
"""

from __future__ import annotations

import io
import posixpath
import zipfile
from urllib.parse import unquote
from xml.etree import ElementTree
from xml.parsers import expat

from ..errors import RagError

# Bytes that all parts together may unpack to. Above FREE, only RATIO times the size of the file.
LIMIT = 1 << 30
FREE = 64 << 20
RATIO = 200
# The largest documents have some thousand parts. Reading the list of more takes long by itself.
MOST_PARTS = 100_000
_COMPOUND_FILE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

Element = ElementTree.Element


class Archive(zipfile.ZipFile):
    """An open container. Raises `RagError` DOC-004 (encrypted), DOC-005 (none, or damaged), DOC-011 (unpacks to too
    much); reading a part that is not there raises `KeyError`."""

    def __init__(self, name: str, data: bytes) -> None:
        if data.startswith(_COMPOUND_FILE):
            # The form in which office programs encrypt, and that of their files of the last century.
            raise RagError("DOC-004" if "EncryptedPackage".encode("utf-16-le") in data else "DOC-005", file=name)
        self._too_much = RagError("DOC-011", file=name, limit=LIMIT >> 20)
        if data.count(b"PK\x01\x02") > MOST_PARTS:
            raise self._too_much
        super().__init__(io.BytesIO(data))
        self._left = min(LIMIT, max(FREE, RATIO * len(data)))
        parts = self.infolist()
        if any(part.flag_bits & 1 for part in parts):
            raise RagError("DOC-004", file=name)
        if any(part.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for part in parts):
            raise RagError("DOC-005", file=name)
        if sum(part.file_size for part in parts) > self._left:
            raise self._too_much
        for part in parts:
            if part.filename.endswith((".xml", ".rels", ".opf")):
                self._refuse_entities(part)

    def __contains__(self, path: str) -> bool:
        return path in self.NameToInfo

    def part(self, path: str) -> bytes:
        """The content. Parts count each time they are read. Raises `RagError` DOC-011 when they are too many."""
        self._left -= self.getinfo(path).file_size
        if self._left < 0:
            raise self._too_much
        return self.read(path)

    def xml(self, path: str) -> Element:
        """The root element, all names without namespaces. Raises `ParseError` for what is no XML."""
        root = ElementTree.fromstring(self.part(path))
        for element in root.iter():
            element.tag = element.tag.rpartition("}")[2]
            for name in [name for name in element.attrib if name[0] == "{"]:
                element.set(name.rpartition("}")[2], element.attrib.pop(name))
        return root

    def _refuse_entities(self, part: zipfile.ZipInfo) -> None:
        """Raises `ValueError`. They can be declared only before the first element."""
        begun = False

        def begin(*_: object) -> None:
            nonlocal begun
            begun = True

        def declared(*_: object) -> None:
            raise ValueError("entities of its own")

        parser = expat.ParserCreate()
        parser.StartElementHandler = begin
        parser.EntityDeclHandler = declared
        with self.open(part) as file:
            while not begun and (piece := file.read(1 << 12)):
                parser.Parse(piece)


def resolve(folder: str, target: str) -> str:
    """The path in the container of a reference made in a folder of it."""
    target = unquote(target.partition("#")[0])
    return posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/")
