"""HTML, Markdown, RTF, JSON and mail: depth, storms of signs, texts that backtrack, things that act."""

from __future__ import annotations

import base64

from .made import Files

MAIL = b"From: a@b.c\nSubject: s\n"


def letter(kind: bytes, content: bytes, more: bytes = b"") -> bytes:
    return MAIL + b"Content-Type: " + kind + b"\n" + more + b"\n" + content


def letters_in_letters(depth: int) -> bytes:
    return b"Content-Type: message/rfc822\nFrom: a@b.c\n\n" * depth + MAIL + b"\ntext"


def branches(depth: int) -> bytes:
    """Parts of parts: each with the next one in it."""
    heads = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(depth))
    return MAIL + heads + b"Content-Type: text/plain\n\ntext"


ACTING = b"""<!doctype html><title>t</title><body onload="alert(1)"><script>alert(1)</script>
<img src=x onerror="alert(1)"><svg onload="alert(1)"></svg><a href="javascript:alert(1)">link</a>
<iframe src="data:text/html,<script>alert(1)</script>"></iframe><object data="file:///etc/passwd"></object>
<form action="http://127.0.0.1:1/"><p>text &lt;script&gt;alert(1)&lt;/script&gt;"""

FILES: Files = {
    # HTML.
    "deep.html": (lambda: b"<div>" * 100_000 + b"text", " DOC-009"),
    "navs.html": (lambda: b"<nav>" * 20_000 + b"</nav>" * 20_000 + b"text", ""),
    "tables.html": (lambda: b"<table><tr><td>" * 20_000 + b"text", " DOC-009"),
    "cells.html": (lambda: b"<table><tr>" + b"<td>a" * 200_000, " DOC-009"),
    "brackets.html": (lambda: b"<" * 200_000 + b"text", ""),
    "comments.html": (lambda: b"<!--" * 100_000, "DOC-009"),
    "declarations.html": (lambda: b"<![" * 100_000 + b"text", "DOC-005"),
    "ampersands.html": (lambda: b"&" * 2_000_000 + b"text", " DOC-009"),
    "quotes.html": (lambda: b"<a b='" * 100_000 + b"text", " DOC-006 DOC-009"),
    "attributes.html": (lambda: b"<p " + b" ".join(b"a%d=1" % n for n in range(200_000)) + b">text", ""),
    "spaces.html": (lambda: b"<p>a" + b" \t" * 2_000_000 + b"b", ""),
    "data.html": (lambda: b'<img src="data:image/png;base64,' + b"A" * 10_000_000 + b'"><p>text', ""),
    "script.html": (lambda: b"<script>" + b"x" * 10_000_000 + b"</script><p>text", ""),
    "signs.html": (lambda: b"<p>text &#0; &#x110000; &#xD800; &#99999999999999999999; &nosuch;", ""),
    "encoding.html": (lambda: b'<meta charset="punycode"><p>text \xff' + b"a-" * 500_000, ""),
    "acting.html": (lambda: ACTING, ""),
    # Markdown.
    "brackets.md": (lambda: b"[" * 1_000_000 + b"](" * 100_000, ""),
    "headings.md": (lambda: b"# \n#" * 300_000 + b" a", ""),
    "fences.md": (lambda: b"```\n" * 300_000 + b"text", ""),
    "acting.md": (lambda: b"# t\n\n<script>alert(1)</script>\n\n![x](http://127.0.0.1:1/)\n", ""),
    # RTF.
    "deep.rtf": (lambda: b"{\\rtf1 " + b"{" * 200_000 + b"text" + b"}" * 200_001, ""),
    "closed.rtf": (lambda: b"{\\rtf1 text" + b"}" * 1_000_000, " DOC-005"),
    "binary.rtf": (lambda: b"{\\rtf1 text \\bin2147483647 a\\u-99999 b\\uc999999 \\u60000 c}", " DOC-005"),
    "words.rtf": (lambda: b"{\\rtf1 " + b"\\a" * 1_000_000 + b" text}", " DOC-006"),
    "object.rtf": (lambda: b"{\\rtf1 text {\\object\\objdata " + b"41" * 5_000_000 + b"}}", ""),
    # JSON.
    "deep.json": (lambda: b"[" * 1_000_000 + b"]" * 1_000_000, "DOC-005"),
    "objects.json": (lambda: b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "DOC-005"),
    "paths.json": (
        lambda: b'{"%s":' % (b"k" * 10_000) * 200 + b"[[%s]]" % b",".join([b"[1]"] * 20_000) + b"}" * 200,
        "DOC-010 DOC-011",
    ),
    "long number.json": (lambda: b'{"a": %s}' % (b"9" * 1_000_000), "DOC-005"),
    "numbers.json": (lambda: b'{"a": [NaN, -Infinity, 1e999, -0.0], "a": 2, "\\ud800": "\\udc00\\u0000 text"}', ""),
    "lines.jsonl": (lambda: b'{"a": "text"}\n' * 200_000, ""),
    # Mail.
    "boundary.eml": (lambda: letter(b"multipart/mixed; boundary=x", b"--x\n\n" * 50_000 + b"text"), " DOC-009"),
    "letters in letters.eml": (lambda: letters_in_letters(20_000), " DOC-005 DOC-009"),
    "parts in parts.eml": (lambda: branches(5_000), " DOC-005 DOC-006 DOC-009"),
    "long header.eml": (lambda: b"X-A: " + b"a " * 5_000_000 + b"\n" + MAIL + b"\ntext", ""),
    "people.eml": (lambda: b"To: " + b"a <a@b.c>, " * 20_000 + b"\n" + MAIL + b"\ntext", " DOC-009"),
    "brackets.eml": (lambda: b"To: " + b"(" * 20_000 + b"\n" + MAIL + b"\ntext", " DOC-005 DOC-009"),
    "words.eml": (lambda: b"Subject: " + b"=?utf-8?q?a?= " * 20_000 + b"\nFrom: a@b.c\n\ntext", " DOC-009 DOC-010"),
    "charset.eml": (lambda: letter(b"text/plain; charset=punycode", b"a-\xff" + b"b9" * 500_000), " DOC-005"),
    "no text charset.eml": (lambda: letter(b"text/plain; charset=zlib", b"text"), ""),
    "names.eml": (
        lambda: letter(
            b"application/octet-stream;" + b"".join(b"\n name*%d*=a" % n for n in range(5_000)),
            b"x",
            b'Content-Disposition: attachment; filename="../../../etc/passwd"\n',
        ),
        " DOC-009",
    ),
    "attached.eml": (
        lambda: letter(
            b"application/zip; name=a.zip",
            base64.encodebytes(bytes(10_000_000)),
            b"Content-Transfer-Encoding: base64\n",
        ),
        "",
    ),
}
