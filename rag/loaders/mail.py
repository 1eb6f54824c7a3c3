"""Mail as mail programs save it (RFC 5322): subject, people, date, text, and the names of what is attached."""

from __future__ import annotations

from collections.abc import Iterator
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser

from ..errors import RagError
from . import html
from .text import Loaded, clean, decode, line

_SHOWN = ("Subject", "From", "To", "Cc", "Date")
_KNOWN = frozenset(("subject", "from", "to", "date", "received", "message-id", "return-path"))
_ENCRYPTED = frozenset(("multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime"))
_DEEPEST = 20


def load(name: str, data: bytes) -> Loaded:
    message = BytesParser(EmailMessage, policy=policy.default).parsebytes(data)
    headers = {header.lower(): str(value) for header, value in reversed(list(message.raw_items()))}
    if not _KNOWN & set(headers):
        raise RagError("DOC-005", file=name)
    return Loaded("\n\n".join(_paragraphs(name, message, 0)), _header(name, message, "Subject"))


def _paragraphs(name: str, message: EmailMessage, depth: int) -> Iterator[str]:
    contents = list(_contents(message, depth))
    shown = [f"{header}: {value}" for header in _SHOWN if (value := _header(name, message, header))]
    attached = [line(part.get_filename("")) for part in contents if part.get_filename()]
    yield "\n".join([*shown, f"Attachments: {', '.join(attached)}"] if attached else shown)
    for part in contents:
        if part.get_content_maintype() == "message":
            for letter in _inside(part):
                yield from _paragraphs(name, letter, depth + 1)
        elif part.get_content_type() in _ENCRYPTED:
            raise RagError("DOC-004", file=name)
        elif _is_text(part):
            text = _text(name, part)
            if text:
                yield text


def _contents(part: EmailMessage, depth: int) -> Iterator[EmailMessage]:
    """What a letter consists of, in its order: texts, attachments, other letters. Of alternatives, one."""
    kind, inside = part.get_content_type(), _inside(part)
    if depth > _DEEPEST:
        return
    if kind == "multipart/alternative":
        # Text as it is, else as HTML, else what the sender likes best.
        kinds = [choice.get_content_type() for choice in inside]
        best = next((kinds.index(text) for text in ("text/plain", "text/html") if text in kinds), -1)
        inside = inside[best:][:1]
    elif kind == "multipart/related":
        # What comes after the first is shown in it.
        inside = inside[:1]
    if part.get_content_maintype() == "multipart" and kind not in _ENCRYPTED:
        for child in inside:
            yield from _contents(child, depth + 1)
    else:
        yield part


def _inside(part: EmailMessage) -> list[EmailMessage]:
    payload = part.get_payload()
    return [child for child in payload if isinstance(child, EmailMessage)] if isinstance(payload, list) else []


def _is_text(part: EmailMessage) -> bool:
    return part.get_content_type() in ("text/plain", "text/html") and part.get_content_disposition() != "attachment"


def _text(name: str, part: EmailMessage) -> str:
    payload = part.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    charset = part.get_content_charset("")
    if part.get_content_type() == "text/html":
        return html.load(name, data, charset).text
    return decode(name, data, charset).strip()


def _header(name: str, message: EmailMessage, header: str) -> str:
    """A header in words. Old Korean programs write it in CP949 without saying so."""
    raw = next((str(value) for key, value in message.raw_items() if key.lower() == header.lower()), "")
    if raw.isascii():
        return line(str(message[header] or ""))
    return line(clean(decode(name, raw.encode("utf-8", "surrogateescape"))))
