"""EPUB books: their chapters in the order in which they are read, each as the HTML that it is."""

from __future__ import annotations

import posixpath

from ..errors import RagError
from . import html
from .archive import Archive, resolve
from .text import Loaded


def load(name: str, data: bytes) -> Loaded:
    archive = Archive(name, data)
    package_path = next(archive.xml("META-INF/container.xml").iter("rootfile")).get("full-path", "")
    package = archive.xml(package_path)
    folder = posixpath.dirname(package_path)
    items = {item.get("id", ""): item for item in package.iterfind("manifest/item")}
    locked = _locked(archive)
    chapters = []
    for reference in package.iterfind("spine/itemref"):
        item = items.get(reference.get("idref", ""))
        if item is None or "nav" in item.get("properties", "").split():
            continue
        path = resolve(folder, item.get("href", ""))
        if path in locked:
            raise RagError("DOC-004", file=name)
        if item.get("media-type") in ("application/xhtml+xml", "text/html") and path in archive:
            chapters.append(html.load(name, archive.part(path)).text)
    return Loaded("\n\n".join(chapter for chapter in chapters if chapter), package.findtext("metadata/title") or "")


def _locked(archive: Archive) -> set[str]:
    """The parts that are encrypted. Fonts may be in books that anybody can read."""
    path = "META-INF/encryption.xml"
    if path not in archive:
        return set()
    return {resolve("", reference.get("URI", "")) for reference in archive.xml(path).iter("CipherReference")}
