"""HTTP requests that nobody means well with. Each has to be answered, by anything but an internal error."""

from __future__ import annotations

import functools
import gzip
import json
import re
import zlib
from collections.abc import Iterator, Sequence

from web.operations import OPERATIONS

from .hostile_frames import Case

HEAD = "Host: 127.0.0.1\r\n"
JSON = "Content-Type: application/json\r\n"
# What may stand where an address has an id or a name.
NAMES = (
    *("%00", "%2e%2e", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "..", "%c0%ae%c0%ae", "%ff%fe", "%ed%a0%80", "%", "%zz"),
    *(
        "a" * 4000,
        "%F0%9F%92%A9",
        "%0d%0aSet-Cookie:a=b",
        ";a=b",
        "*",
        "~root",
        "con.txt",
        "%e2%80%ae",
        "a%2Fb",
        "{id}",
    ),
)
METHODS = (
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "PROPFIND",
    "get",
    "M-SEARCH",
)
DEEP = "[" * 100_000
BODIES: dict[str, bytes] = {
    "nothing": b"",
    "depth": DEEP.encode(),
    "depth that ends": (DEEP + "]" * 100_000).encode(),
    "depth of objects": b'{"message":' * 50_000,
    "no numbers": b'{"message": NaN, "query": Infinity, "k": -Infinity}',
    "large numbers": b'{"message": "a", "query": "a", "k": 1e999, "options": {"temperature": 1e999, "sources": 1e400}}',
    "a number of many digits": b'{"query": "a", "k": ' + b"9" * 100_000 + b"}",
    "half a surrogate": b'{"message": "\\ud800", "query": "\\udfff", "session_id": "\\ud800", "model": "\\ud800"}',
    "NUL": b'{"message": "\\u0000", "query": "\\u0000", "session_id": "\\u0000"}',
    "many keys": b"{" + b",".join(b'"%d":0' % n for n in range(90_000)) + b"}",
    "twice the same key": b'{"message": "a", "message": 7, "query": "a", "query": []}',
    "bad UTF-8": b'{"message": "\xff\xfe", "query": "\xc0\x80"}',
    "UTF-16": '{"message": "a", "query": "a"}'.encode("utf-16"),
    "another mark": b"\xef\xbb\xbf{}",
    "a list": b"[1, 2, 3]",
    "a text": b'"message"',
    "wrong types": b'{"message": {"a": []}, "query": [1], "k": "x", "messages": 7, "model": {}, "input": {"a": 1}}',
    "deep messages": json.dumps({"model": "m", "messages": [{"role": "user", "content": [[[]]]}] * 100}).encode(),
    "many inputs": json.dumps({"model": "m", "input": [""] * 10_000}).encode(),
    "a million": b'{"query": "' + b"a" * 1_000_000 + b'"}',
    "beyond the limit": b'{"query": "' + b"a" * 1_100_000 + b'"}',
}
FORM = "multipart/form-data; boundary=x"
PART = '--x\r\nContent-Disposition: form-data; name="files"; filename="{}"\r\n\r\n'
ORIGIN = b"--x\r\nContent-Disposition: form-data; name=origin\r\n\r\n"
FORMS: dict[str, tuple[str, bytes]] = {
    "no boundary": ("multipart/form-data", b"--x\r\n\r\n--x--"),
    "an empty boundary": ("multipart/form-data; boundary=", b"--\r\n\r\n----"),
    "a long boundary": ("multipart/form-data; boundary=" + "x" * 5000, b"--x--"),
    "a boundary of nonsense": ('multipart/form-data; boundary="\xff"', b"--x--"),
    "no part": (FORM, b"--x--\r\n"),
    "nothing": (FORM, b""),
    "nonsense": (FORM, bytes(5000)),
    "no end": (FORM, PART.format("a.txt").encode() + b"text"),
    "half a boundary": (FORM, PART.format("a.txt").encode() + b"text\r\n-"),
    "headers without end": (FORM, b"--x\r\n" + b"A: b\r\n" * 50_000),
    "a long header": (FORM, b"--x\r\nA: " + b"b" * 500_000),
    "a header that is none": (FORM, b"--x\r\nnonsense\r\n\r\na\r\n--x--\r\n"),
    "many parts": (
        FORM,
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n' * 5000 + b"--x--\r\n",
    ),
    "parts in parts": (
        FORM,
        b"".join(b"--x\r\nContent-Type: multipart/mixed; boundary=x%d\r\n\r\n--x%d\r\n" % (n, n) for n in range(500)),
    ),
    "a form in a form": (
        FORM,
        b"--x\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n--y\r\n\r\na\r\n--y--\r\n--x--\r\n",
    ),
    "a long name": (FORM, PART.format("a" * 7000 + ".txt").encode() + b"a\r\n--x--\r\n"),
    **{
        f"the name {name!r}": (FORM, PART.format(name).encode() + b"a\r\n--x--\r\n")
        for name in (
            "../../etc/passwd",
            "\0.txt",
            "a/b\\c.txt",
            "C:\\a.txt",
            "..",
            ".",
            "/",
            "CON.txt",
            "\u202etxt.exe",
            "%00.txt",
        )
    },
    "a name of broken UTF-8": (
        FORM,
        PART.encode().replace(b"{}", b"\xff\xfe.txt") + b"a\r\n--x--\r\n",
    ),
    "a name in another way": (
        FORM,
        b"--x\r\nContent-Disposition: form-data; name=files; filename*=utf-16''%ff%fe%00\r\n\r\na\r\n--x--\r\n",
    ),
    "a name in an unknown code": (
        FORM,
        b"--x\r\nContent-Disposition: form-data; name=files; filename*=elephant''%ff\r\n\r\na\r\n--x--\r\n",
    ),
    **{
        f"a part by {coding}": (
            FORM,
            b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n'
            + f"Content-Transfer-Encoding: {coding}\r\nContent-Encoding: {coding}\r\n\r\n".encode()
            + b"%%%nonsense=\r\n--x--\r\n",
        )
        for coding in ("base64", "quoted-printable", "gzip", "elephant")
    },
    "an origin of another code": (
        FORM,
        ORIGIN[:-2] + b"Content-Type: text/plain; charset=elephant\r\n\r\na\r\n--x--\r\n",
    ),
    "an origin without end": (
        FORM,
        ORIGIN + b"a" * 3_000_000 + b"\r\n--x--\r\n",
    ),
    "a length of its own": (
        FORM,
        PART.format("a.txt").encode()[:-2] + b"Content-Length: 99999999\r\n\r\na\r\n--x--\r\n",
    ),
    "a length below nothing": (
        FORM,
        PART.format("a.txt").encode()[:-2] + b"Content-Length: -5\r\n\r\na\r\n--x--\r\n",
    ),
    "a file too long": (
        FORM,
        PART.format("a.txt").encode() + bytes(2 << 20) + b"\r\n--x--\r\n",
    ),
}
HEADERS: dict[str, str] = {
    "many ranges": "Range: bytes=" + ",".join(f"{n}-{n}" for n in range(1000)),
    "a range of nonsense": "Range: bytes=9-1,-,a-b",
    "a range beyond": "Range: bytes=99999999999999999999-",
    "a range from the end": "Range: bytes=-99999999999999999999",
    "a range below nothing": "Range: bytes=--5",
    "many languages": "Accept-Language: " + "a;q=0.1," * 900,
    "a language of nonsense": "Accept-Language: ;;;q=q=q=,=,;q=1e999,ko;q=nan",
    "one long language": "Accept-Language: " + "ko-" * 2500,
    "many types": "Accept: " + "a/b;q=0.1," * 800,
    "many codings": "Accept-Encoding: " + "gzip;q=0.0001," * 500,
    "a date of nonsense": "If-Modified-Since: Elephant, 99 Foo 99999 99:99:99 GMT",
    "a date beyond": "If-Modified-Since: Fri, 31 Dec 99999 23:59:59 GMT",
    "a long date": "If-Modified-Since: " + "9" * 8000,
    "many tags": "If-None-Match: " + ", ".join('W/"a"' for _ in range(900)),
    "a tag of nonsense": 'If-None-Match: "',
    "many cookies": "Cookie: " + "; ".join(f"a{n}=b" for n in range(900)),
    "a cookie of nonsense": 'Cookie: =;;="\\"\x7f; a="\\377\\000"; $Version=1',
    "a cookie that is quoted": 'Cookie: a="' + "\\" * 7000,
    "a name to log in": "Authorization: Basic " + "/" * 7000,
    "no name to log in": "Authorization: Bearer \xff\xfe",
    "a key beyond ASCII": "X-API-Key: 열쇠",
    "many hosts before": "X-Forwarded-For: " + "1.2.3.4, " * 800,
    "an address before": 'Forwarded: for="[::";proto=elephant;host=""',
    "a type of nonsense": "Content-Type: ;;/;;charset=\xff",
    "a type of another code": "Content-Type: application/json; charset=elephant",
    "expectations": "Expect: elephant",
    "an upgrade": "Connection: Upgrade\r\nUpgrade: websocket",
    "an id of nonsense": "X-Request-ID: " + "\x7f" * 100,
    "a method in a header": "X-HTTP-Method-Override: DELETE",
    "a question of another site": "Access-Control-Request-Method: \xff\r\nOrigin: \xff",
}
QUERIES = (
    *(
        "?" + "a=b&" * 1900,
        "?lang=%00",
        "?lang=ko&lang=en",
        "?page=-1",
        "?page=99999999999999999999",
        "?page=1e5",
        "?q=%00",
    ),
    *(
        "?q=%ff",
        "?q=%ed%a0%80",
        "?start=-1&end=-1",
        "?start=99999999999999999999",
        "?%00=%00",
        "?&&&===",
        "?sort=__class__",
    ),
    *("?inline=1%00", "?session_id=%00", "?page_size=0", "?k=NaN", "?q=" + "%EA%B0%80" * 800, "?q=%25'%22--"),
)


def _request(method: str, target: str, more: str = "", body: bytes | None = None) -> bytes:
    length = "" if body is None else f"Content-Length: {len(body)}\r\n"
    head = f"{method} {target} HTTP/1.1\r\n{HEAD}{more}{length}Connection: close\r\n\r\n"
    return head.encode("latin-1" if head.isascii() else "utf-8") + (body or b"")


@functools.cache
def _squeezed() -> list[tuple[str, str, bytes]]:
    """Bodies that unpack to 32 MiB, or are not what they say."""
    large = b'{"query": "' + b"a" * (32 << 20)
    return [
        ("a bomb of gzip", "gzip", gzip.compress(large, 9)),
        ("a bomb of deflate", "deflate", zlib.compress(large, 9)),
        ("a bomb in a bomb", "gzip, gzip", gzip.compress(gzip.compress(large, 9), 9)),
        ("half a gzip", "gzip", gzip.compress(b'{"query": "a"}')[:-9]),
        ("no gzip", "gzip", b'{"query": "a"}'),
        ("no brotli", "br", b'{"query": "a"}'),
        ("no zstd", "zstd", b'{"query": "a"}'),
        ("many gzips", "gzip", gzip.compress(b"") * 20_000),
        ("an unknown coding", "elephant", b'{"query": "a"}'),
    ]


def routes() -> list[tuple[str, str]]:
    """Method and path of all that the server has, `{}` for an id."""
    return [(operation.method, re.sub(r"{[^/]*}", "{}", operation.path)) for operation in OPERATIONS]


def cases(routes: Sequence[tuple[str, str]]) -> Iterator[Case]:
    """Requests to the routes, by all that can be wrong with them."""
    paths = sorted({path for _, path in routes})

    def case(name: str, data: bytes) -> Case:
        return Case(name, (data,), ANSWERED, upgraded=False)

    for path in paths:
        for method in METHODS:
            yield case(f"{method} {path}", _request(method, path.replace("{}", "x")))
        if "{}" in path:
            for name in NAMES:
                yield case(f"GET {path} {name[:30]}", _request("GET", path.replace("{}", name)))
                yield case(f"DELETE {path} {name[:30]}", _request("DELETE", path.replace("{}", name)))
        for query in QUERIES:
            yield case(f"GET {path} {query[:30]}", _request("GET", path.replace("{}", "x") + query))
    for name, header in HEADERS.items():
        for path in ("/", "/health", "/static/main.js", "/documents", "/guides/start", "/chat-ws?session_id=a"):
            yield case(f"{path} {name}", _request("GET", path, header + "\r\n"))
        yield case(f"POST /search {name}", _request("POST", "/search", f"{JSON}{header}\r\n", b'{"query": "a"}'))
    posts = [path for method, path in routes if method == "POST"]
    for path in posts:
        for name, body in BODIES.items():
            yield case(f"POST {path} {name}", _request("POST", path, JSON, body))
        yield case(f"POST {path} no type", _request("POST", path, "", b"{}"))
        yield case(
            f"POST {path} a form",
            _request("POST", path, "Content-Type: application/x-www-form-urlencoded\r\n", b"a=%ff&" * 99),
        )
        for name, coding, body in _squeezed():
            yield case(f"POST {path} {name}", _request("POST", path, f"{JSON}Content-Encoding: {coding}\r\n", body))
    for name, (kind, body) in FORMS.items():
        yield case(f"a form: {name}", _request("POST", "/documents", f"Content-Type: {kind}\r\n", body))
        yield case(f"a login: {name}", _request("POST", "/login", f"Content-Type: {kind}\r\n", body))
    for name, coding, body in _squeezed():
        kind = "Content-Type: multipart/form-data; boundary=x\r\n"
        yield case(f"a form: {name}", _request("POST", "/documents", f"{kind}Content-Encoding: {coding}\r\n", body))
    short = _request("POST", "/search", JSON, b'{"query": "a"}')
    yield Case("a body that is too short", (short[:-3],), upgraded=False)
    yield case("a body that is too long", short + b"x" * 70_000)
    yield case("a long address", _request("GET", "/" + "a" * 65_536))
    yield case("many slashes", _request("GET", "/" * 4000))
    yield case("many steps up", _request("GET", "/static/" + "../" * 1000))
    yield case(
        "bytes in the address", b"GET /\xff\xfe\xc0\x80 HTTP/1.1\r\n" + HEAD.encode() + b"Connection: close\r\n\r\n"
    )
    pieces = b"".join(b"1;%s\r\na\r\n" % (b"x" * 100) for _ in range(5000))
    head = f"POST /search HTTP/1.1\r\n{HEAD}{JSON}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n".encode()
    yield case("pieces with extensions", head + pieces + b"0\r\n\r\n")
    yield Case("an extension without end", (head + b"1;" + b"x" * 200_000,), upgraded=False)
    yield case("a trailer without end", head + b"0\r\n" + b"A: b\r\n" * 20_000)
    yield case("a piece of 2^64", head + b"ffffffffffffffff1\r\n")


# An answer, whatever it says, as long as it knows what it does.
ANSWERED = frozenset(range(200, 500)) | {501, 503, 505} - {500}
