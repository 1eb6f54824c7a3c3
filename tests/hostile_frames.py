"""Handshakes and frames as no honest client sends them, and what RFC 6455 wants the server to say to each.

`FRAMES` and `HANDSHAKES` are tables for tests; `random_case` makes any number of others, by a seed.
"""

from __future__ import annotations

import base64
import json
import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

MAX_FRAME = 256 * 1024
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
MASK = b"\x11\x22\x33\x44"
# An answer to this tells that the connection lives.
ALIVE = b"are you there"
# How a case ends if the server does not end it.
Ending = Literal["fin", "rst"]


@dataclass(frozen=True, slots=True)
class Case:
    """Bytes in the pieces in which they are sent: after a good handshake if `upgraded`, else from the beginning.

    `wanted`: the close codes, or for a handshake the statuses, one of which has to come; empty for whatever comes, as
    long as it is no internal error. `lives`: the connection still answers a ping afterwards.
    """

    name: str
    pieces: tuple[bytes, ...]
    wanted: frozenset[int] = frozenset()
    upgraded: bool = True
    lives: bool = False
    ending: Ending = "fin"


def masked(payload: bytes, mask: bytes = MASK) -> bytes:
    length = len(payload)
    key = int.from_bytes((mask * (length // 4 + 1))[:length], "big")
    return (int.from_bytes(payload, "big") ^ key).to_bytes(length, "big")


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    reserved: int = 0,
    mask: bytes | None = MASK,
    form: int = 0,
    declared: int | None = None,
) -> bytes:
    """One frame. `form`: bytes of its length, 1, 2 or 8, whatever would do; `declared`: the length it claims."""
    length = len(payload) if declared is None else declared
    form = form or (1 if length < 126 else 2 if length < 1 << 16 else 8)
    bit = 0x80 if mask else 0
    head = bytes([fin << 7 | reserved << 4 | opcode])
    head += {
        1: lambda: bytes([bit | length]),
        2: lambda: bytes([bit | 126]) + struct.pack(">H", length),
        8: lambda: bytes([bit | 127]) + struct.pack(">Q", length),
    }[form]()
    return head + ((mask + masked(payload, mask)) if mask else payload)


def _wants(code: int, *frames: bytes) -> tuple[tuple[bytes, ...], frozenset[int]]:
    return frames, frozenset((code,))


def _deflated(size: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(bytes(size)) + packer.flush(zlib.Z_SYNC_FLUSH)[:-4]


BAD_UTF8 = (
    b"\xff",
    b"\xc3\x28",
    b"\xc0\x80",
    b"\xe0\x80\x80",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xf8\x88\x80\x80\x80",
    b"\xed\x95",
)

# After each of these, the connection ends with the code.
FRAMES: dict[str, tuple[tuple[bytes, ...], frozenset[int]]] = {
    **{f"reserved bits {bits:03b}": _wants(1002, frame(TEXT, b"{}", reserved=bits)) for bits in range(1, 8)},
    **{f"reserved bits {bits:03b} of a ping": _wants(1002, frame(PING, reserved=bits)) for bits in (1, 4)},
    **{f"opcode {code}": _wants(1002, frame(code, b"x")) for code in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    **{f"fragmented control {code}": _wants(1002, frame(code, b"", fin=False)) for code in (CLOSE, PING, PONG)},
    **{f"control of 126 bytes {code}": _wants(1002, frame(code, bytes(126))) for code in (CLOSE, PING, PONG)},
    "a long length in a ping": _wants(1002, frame(PING, b"", form=8)),
    "a continuation without a beginning": _wants(1002, frame(CONTINUATION, b"x")),
    "an open continuation without a beginning": _wants(1002, frame(CONTINUATION, b"x", fin=False)),
    "a continuation after the end": _wants(
        1002, frame(TEXT, b"a", fin=False), frame(CONTINUATION, b"b"), frame(CONTINUATION, b"c")
    ),
    "a message in a message": _wants(1002, frame(TEXT, b"a", fin=False), frame(TEXT, b"b")),
    "an open message in a message": _wants(1002, frame(TEXT, b"a", fin=False), frame(BINARY, b"b", fin=False)),
    "a bit of compression": _wants(1002, frame(TEXT, _deflated(1 << 24), reserved=4)),
    "a bit of compression, later": _wants(
        1002, frame(TEXT, b"a", fin=False), frame(CONTINUATION, _deflated(100), reserved=4)
    ),
    **{f"text {bad!r}": _wants(1007, frame(TEXT, b"ab" + bad)) for bad in BAD_UTF8},
    **{f"text {bad!r} in two": _wants(1007, frame(TEXT, bad[:1], fin=False), frame(0, bad[1:])) for bad in BAD_UTF8},
    "text that ends in a character": _wants(1007, frame(TEXT, "한".encode()[:2])),
    "a close of one byte": _wants(1002, frame(CLOSE, b"\x03")),
    **{
        f"close code {code}": _wants(1002, frame(CLOSE, struct.pack(">H", code)))
        for code in (0, 1, 999, 1004, 1005, 1015, 1016, 1100, 2000, 2999)
    },
    **{f"a close that says {bad!r}": _wants(1007, frame(CLOSE, b"\x03\xe8" + bad)) for bad in BAD_UTF8},
    "one byte too many": _wants(1009, frame(TEXT, bytes(MAX_FRAME + 1))),
    **{
        f"a length of 2^{power}": _wants(1009, frame(TEXT, declared=1 << power, form=8))
        for power in (19, 31, 32, 62, 63)
    },
    "the longest length": _wants(1009, frame(BINARY, declared=(1 << 64) - 1, form=8)),
    "too much in two": _wants(1009, frame(TEXT, bytes(MAX_FRAME - 10), fin=False), frame(CONTINUATION, bytes(11))),
    "too much in many": _wants(
        1009, frame(TEXT, b"", fin=False) + frame(CONTINUATION, bytes(1000), fin=False) * (MAX_FRAME // 1000 + 1)
    ),
    "a close": _wants(1000, frame(CLOSE, b"\x03\xe8")),
    "a close without a code": _wants(1000, frame(CLOSE)),
    "a close with a code of one's own": _wants(1000, frame(CLOSE, struct.pack(">H", 4999) + "안녕".encode())),
}

# After each of these, the connection lives. The first four break the RFC, and aiohttp lets them pass; none of them
# costs anything.
HARMLESS: dict[str, tuple[bytes, ...]] = {
    "no mask": (frame(PING, b"x", mask=None),),
    "a length in more bytes than it needs": (frame(BINARY, b"x", form=2), frame(BINARY, b"x", form=8)),
    "a message in a message that has not said anything": (frame(TEXT, fin=False), frame(BINARY, b"x")),
    "a pong that nobody asked for": (frame(PONG, b"x"),),
    "a ping in a message": (frame(TEXT, b"{", fin=False), frame(PING, b"x"), frame(CONTINUATION, b"}")),
    "a mask of zeros": (frame(TEXT, b"{}", mask=bytes(4)),),
    "nothing": (frame(TEXT), frame(BINARY)),
    "NUL": (frame(TEXT, bytes(1000)),),
    "many empty fragments": (frame(TEXT, fin=False) + frame(CONTINUATION, fin=False) * 5000 + frame(CONTINUATION),),
    "many pings": (frame(PING, b"x" * 125) * 2000,),
    "the longest message": (frame(TEXT, b" " * MAX_FRAME),),
    "a character in two": (frame(TEXT, "한".encode()[:1], fin=False), frame(CONTINUATION, "한".encode()[1:])),
    "one byte at a time": tuple(bytes([byte]) for byte in frame(TEXT, b'{"type": "message"}', form=8)),
    "deep nesting": (frame(TEXT, b"[" * 100_000), frame(TEXT, b'{"a":' * 40_000)),
    "deep nesting that ends": (frame(TEXT, b"[" * 100_000 + b"]" * 100_000),),
    "huge numbers": (frame(TEXT, b"1" * 200_000), frame(TEXT, b'{"type": 1e999999, "message_id": -1e-999999}')),
    "a number of many digits in a field": (frame(TEXT, b'{"type": "resume", "next_index": ' + b"9" * 5000 + b"}"),),
    "no numbers": (frame(TEXT, b'{"type": NaN, "message_id": Infinity, "content": -Infinity}'),),
    "twice the same key": (frame(TEXT, b'{"type": "message", "type": "cancel", "type": "resume"}'),),
    "many keys": (frame(TEXT, b"{" + b",".join(b'"%d":0' % n for n in range(20_000)) + b"}"),),
    "half a surrogate": (frame(TEXT, b'{"type": "message", "message_id": "\\ud800", "content": "\\udfff"}'),),
    "NUL in a field": (frame(TEXT, b'{"type": "cancel", "message_id": "\\u0000", "session_id": "\\u0000"}'),),
    "values of other types": (frame(TEXT, b'{"type": ["message"], "message_id": {}, "content": [], "options": 7}'),),
}


def handshake(
    target: str = "/chat-ws?session_id=frames&lang=en", version: str = "HTTP/1.1", method: str = "GET", **changes: str
) -> bytes:
    """A good one, but for the changes: headers by their names with `_` for `-`; "" leaves one out."""
    headers = {
        "Host": "127.0.0.1",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode(),
        "Sec-WebSocket-Version": "13",
    } | {name.replace("_", "-"): value for name, value in changes.items()}
    lines = [f"{method} {target} {version}", *(f"{name}: {value}" for name, value in headers.items() if value)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape")


def _with(lines: str) -> bytes:
    """A good handshake with more lines in its head."""
    return handshake()[:-2] + lines.encode("utf-8", "surrogateescape") + b"\r\n\r\n"


REFUSED, OPENED = frozenset((400, 403, 404, 405, 411, 413, 414, 417, 426, 431)), frozenset((101,))
TLS_HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(range(190))

HANDSHAKES: dict[str, tuple[bytes, frozenset[int]]] = {
    "none but what is needed": (handshake(), OPENED),
    "no key": (handshake(Sec_WebSocket_Key=""), REFUSED),
    "a short key": (handshake(Sec_WebSocket_Key="AAAA"), REFUSED),
    "a key that is no base64": (handshake(Sec_WebSocket_Key="!" * 24), REFUSED),
    "a key beyond ASCII": (handshake(Sec_WebSocket_Key="키" * 8), REFUSED),
    "a key of broken UTF-8": (handshake(Sec_WebSocket_Key="\udcff" * 24), REFUSED),
    "a long key": (handshake(Sec_WebSocket_Key="A" * 8000), REFUSED),
    "two keys": (_with("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="), REFUSED | OPENED),
    "no version": (handshake(Sec_WebSocket_Version=""), REFUSED),
    **{
        f"version {version}": (handshake(Sec_WebSocket_Version=version), REFUSED)
        for version in ("0", "12", "14", "13, 8", "한", "9" * 4000)
    },
    "no upgrade": (handshake(Upgrade=""), REFUSED),
    "an upgrade to nonsense": (handshake(Upgrade="tea/1.0"), REFUSED),
    "an upgrade to HTTP/2": (handshake(Upgrade="h2c", HTTP2_Settings="AAMAAABkAARAAAAAAAIAAAAA"), REFUSED),
    "no connection": (handshake(Connection=""), REFUSED),
    "a connection to close": (handshake(Connection="close"), REFUSED),
    "no host": (handshake(Host=""), REFUSED),
    "two hosts": (_with("Host: evil.example"), REFUSED),
    "a foreign host": (handshake(Host="evil.example"), REFUSED),
    "a host of nonsense": (handshake(Host="127.0.0.1:99999999"), REFUSED),
    "a foreign origin": (handshake(Origin="https://evil.example"), REFUSED),
    "an origin of null": (handshake(Origin="null"), REFUSED),
    "an origin of nonsense": (handshake(Origin="http://[::"), REFUSED),
    "no session": (handshake("/chat-ws"), REFUSED),
    "a session of nonsense": (handshake("/chat-ws?session_id=%00%ff%0d%0aX:1"), REFUSED),
    "many sessions": (handshake("/chat-ws?" + "session_id=a&" * 300), REFUSED | OPENED),
    "another method": (handshake(method="POST"), REFUSED),
    "a method of nonsense": (handshake(method="GE T"), REFUSED),
    "no method": (b" / HTTP/1.1\r\n\r\n", REFUSED),
    "a long method": (b"G" * 20_000 + b" / HTTP/1.1\r\n\r\n", REFUSED),
    "a whole address": (handshake("http://127.0.0.1/chat-ws?session_id=a"), REFUSED | OPENED),
    "a foreign address": (handshake("http://evil.example/chat-ws?session_id=a"), REFUSED),
    "an address to connect to": (handshake("evil.example:443", method="CONNECT"), REFUSED),
    "a star": (handshake("*", method="OPTIONS"), REFUSED),
    "an address of nonsense": (handshake("//[::1"), REFUSED),
    "HTTP/0.9": (b"GET /chat-ws\r\n\r\n", REFUSED),
    "HTTP/1.0": (handshake(version="HTTP/1.0"), REFUSED | OPENED),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000"), REFUSED),
    "HTTP/9.9": (handshake(version="HTTP/9.9"), REFUSED),
    "TLS": (TLS_HELLO, REFUSED),
    "bytes": (bytes(range(256)) * 4 + b"\r\n\r\n", REFUSED),
    "a line that goes on": (_with("X-Folded: a\r\n b"), REFUSED | OPENED),
    "a header without a name": (_with(": nobody"), REFUSED),
    "a blank before the colon": (_with("Host : evil.example"), REFUSED),
    "a bare CR": (_with("X: a\rSet-Cookie: b"), REFUSED),
    "NUL in a header": (_with("X: a\0b"), REFUSED),
    "a huge header": (_with("X: " + "x" * 100_000), REFUSED),
    "many headers": (_with("\r\n".join(f"X-{number}: y" for number in range(2000))), REFUSED),
    "a huge cookie": (_with("Cookie: " + "a=b; " * 1600), REFUSED | OPENED),
    "extensions out of range": (
        _with("Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=99; client_max_window_bits=-1"),
        OPENED,
    ),
    "extensions of nonsense": (_with("Sec-WebSocket-Extensions: " + 'a;b="' * 500), OPENED),
    "many subprotocols": (_with("Sec-WebSocket-Protocol: " + ",".join("ab" for _ in range(2000))), OPENED),
    "subprotocols of nonsense": (_with("Sec-WebSocket-Protocol: ,,한,\x7f"), REFUSED | OPENED),
    "a length and pieces": (
        b"POST /chat HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        REFUSED,
    ),
    "two lengths": (
        b"POST /chat HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
        REFUSED,
    ),
    **{
        f"a length of {length!r}": (
            f"POST /chat HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n\r\n".encode(),
            REFUSED,
        )
        for length in ("-1", "+1", "1_0", "0x10", "1,1", "9" * 30)
    },
    **{
        f"pieces by {coding!r}": (
            f"POST /chat HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: {coding}\r\n\r\n0\r\n\r\n".encode(),
            REFUSED | {415, 501},
        )
        for coding in ("gzip", "chunked, gzip", "xchunked", "chunked, chunked", "chunked\x0b")
    },
    "a piece of nonsense": (
        b"POST /search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        REFUSED,
    ),
    "a body with the handshake": (handshake(Content_Length="5") + b"hello", REFUSED | OPENED),
    "frames before the answer": (handshake() + frame(PING, ALIVE) * 3, OPENED),
    "requests behind a handshake that is refused": (
        handshake("/chat-ws") + b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 3,
        REFUSED,
    ),
    "nonsense behind a request": (
        b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n\x00\xff nonsense\r\n\r\n",
        REFUSED | {200},
    ),
    "many requests at once": (
        b"GET /static/main.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 30,
        frozenset((200,)),
    ),
}


def table() -> list[Case]:
    """All that stands in the tables."""
    return [
        *(Case(name, pieces, wanted) for name, (pieces, wanted) in FRAMES.items()),
        *(Case(name, pieces, lives=True) for name, pieces in HARMLESS.items()),
        *(Case(name, (head,), wanted, upgraded=False) for name, (head, wanted) in HANDSHAKES.items()),
    ]


# By chance.

Make = Callable[[random.Random], Case]


def random_case(chance: random.Random) -> Case:
    """One more, the same for the same state of `chance`."""
    return chance.choice(_MAKERS)(chance)


def _payload(chance: random.Random) -> bytes:
    return chance.choice(
        (
            lambda: chance.randbytes(chance.choice((0, 1, 7, 125, 126, 127, 1000, 5000))),
            lambda: bytes(chance.choice((1, 65_535, 65_536, 100_000))),
            lambda: json.dumps(_message(chance)).encode(),
            lambda: chance.choice(BAD_UTF8) * chance.randrange(1, 5),
        )
    )()


def _message(chance: random.Random) -> dict[str, object]:
    """Nearly a message; none that is answered by the model."""
    values: list[object] = [None, True, -1, 1e308, "", "\0", "x" * 200, [], {}, "frames", 10**400, "\ud800"]
    fields = ("type", "message_id", "content", "session_id", "next_index", "replaces", "options")
    kind = chance.choice(["message", "cancel", "resume", "stop", 7])
    return {"type": kind} | {field: chance.choice(values) for field in chance.sample(fields, chance.randrange(7))}


def _cut(chance: random.Random, data: bytes) -> tuple[bytes, ...]:
    """In pieces of any size."""
    if len(data) < 64 and chance.random() < 0.2:
        return tuple(bytes([byte]) for byte in data)
    places = sorted({chance.randrange(len(data) + 1) for _ in range(chance.randrange(4))})
    return tuple(data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True) if a < b)


def _any_frame(chance: random.Random) -> bytes:
    opcode = chance.choice((0, 1, 1, 1, 2, 8, 9, 10, chance.randrange(16)))
    payload = _payload(chance)
    return frame(
        opcode,
        payload[:125] if opcode >= CLOSE and chance.random() < 0.8 else payload,
        fin=chance.random() < 0.7,
        reserved=chance.choice((0, 0, 0, 0, chance.randrange(8))),
        mask=chance.choice((MASK, MASK, chance.randbytes(4), None)),
    )


def _frames(chance: random.Random) -> Case:
    """Frames of any kind, one after the other."""
    data = b"".join(_any_frame(chance) for _ in range(chance.randrange(1, 8)))
    return Case("any frames", _cut(chance, data), ending=_ending(chance))


def _half(chance: random.Random) -> Case:
    data = b"".join(_any_frame(chance) for _ in range(chance.randrange(1, 3)))
    return Case("half a frame", _cut(chance, data[: chance.randrange(1, len(data) + 1)]), ending=_ending(chance))


def _broken(chance: random.Random) -> Case:
    """Good frames, some bytes of which are others."""
    return Case("broken frames", _cut(chance, _mutated(chance, _any_frame(chance))), ending=_ending(chance))


def _length(chance: random.Random) -> Case:
    length = chance.choice((MAX_FRAME + 1, 1 << 31, (1 << 63) - 1, 1 << 63, chance.randrange(MAX_FRAME + 1, 1 << 64)))
    data = frame(chance.choice((TEXT, BINARY)), chance.randbytes(50), declared=length, form=8)
    return Case("a length beyond all", _cut(chance, data), frozenset((1009,)))


def _text(chance: random.Random) -> Case:
    """Bad UTF-8 anywhere in a message, which may come in fragments with pings between them."""
    text = "한글 and letters ".encode() * chance.randrange(1, 30)
    place = chance.randrange(len(text) + 1)
    text = text[:place] + b"\xff" + text[place:]
    cuts = sorted({chance.randrange(len(text) + 1) for _ in range(chance.randrange(5))})
    parts = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    data = b""
    for number, part in enumerate(parts):
        data += frame(TEXT if number == 0 else CONTINUATION, part, fin=number == len(parts) - 1)
        if chance.random() < 0.3:
            data += frame(PING, b"between")
    return Case("bad UTF-8 somewhere", _cut(chance, data), frozenset((1007,)))


def _messages(chance: random.Random) -> Case:
    data = b"".join(frame(TEXT, json.dumps(_message(chance)).encode()) for _ in range(chance.randrange(1, 6)))
    return Case("nearly messages", _cut(chance, data), lives=True)


def _empty(chance: random.Random) -> Case:
    data = frame(TEXT, fin=False) + frame(CONTINUATION, fin=False) * chance.randrange(20_000) + frame(CONTINUATION)
    return Case("empty fragments", (data,), lives=True)


def _pings(chance: random.Random) -> Case:
    data = frame(PING, chance.randbytes(chance.randrange(126))) * chance.randrange(1, 500)
    return Case("a flood of pings", (data,), lives=chance.random() < 0.5, ending=_ending(chance))


def _bomb(chance: random.Random) -> Case:
    part = _BOMB[: chance.randrange(100, len(_BOMB))]
    return Case("a deflate bomb", (frame(TEXT, part, reserved=4),), frozenset((1002,)))


def _head(chance: random.Random) -> Case:
    """A handshake of the table, some bytes of which are others; or cut short."""
    head, wanted = chance.choice(_HEADS)
    how = chance.random()
    if how < 0.25:
        return Case("a handshake of the table", _cut(chance, head), wanted, upgraded=False)
    data = _mutated(chance, head) if how < 0.8 else head[: chance.randrange(1, len(head) + 1)]
    return Case("a broken handshake", _cut(chance, data), upgraded=False, ending=_ending(chance))


def _of_table(chance: random.Random) -> Case:
    case = chance.choice(_TABLE)
    pieces = _cut(chance, b"".join(case.pieces)) if len(case.pieces) < 10 else case.pieces
    return Case(case.name, pieces, case.wanted, lives=case.lives)


def _mutated(chance: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.randrange(1, 6)):
        place = chance.randrange(len(changed) + 1)
        how = chance.randrange(3)
        if how == 0 and place < len(changed):
            changed[place] = chance.randrange(256)
        elif how == 1:
            changed[place:place] = chance.randbytes(chance.randrange(1, 4))
        else:
            del changed[place : place + chance.randrange(1, 4)]
    return bytes(changed) or b"\0"


def _ending(chance: random.Random) -> Ending:
    return "rst" if chance.random() < 0.3 else "fin"


_BOMB = _deflated(1 << 26)
_TABLE = [case for case in table() if case.upgraded]
_HEADS = list(HANDSHAKES.values())
_MAKERS: tuple[Make, ...] = (_frames, _half, _broken, _length, _text, _messages, _empty, _pings, _bomb)
_MAKERS += (_head, _head, _head, _head, _of_table, _of_table)
