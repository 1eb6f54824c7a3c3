"""What never becomes a request of the application gets the catalogue's body, too."""

from __future__ import annotations

import asyncio
import json

import pytest

from rag.catalogue import CATALOGUE

HOST = "Host: 127.0.0.1"
UPLOAD = ("POST /search HTTP/1.1", HOST, "Content-Type: application/json")


@pytest.mark.parametrize(
    "request_",
    [
        ("NONSENSE",),
        ("GET / HTTP/9.9", HOST),
        ("GET /\x00 HTTP/1.1", HOST),
        ("GET / HTTP/1.1", HOST, "X: " + "x" * 20_000),
        ("GET /" + "x" * 20_000 + " HTTP/1.1", HOST),
        ("GET / HTTP/1.1", HOST, "no header"),
        (*UPLOAD, "Content-Length: x"),
        (*UPLOAD, "Transfer-Encoding: chunked", "", "zz", "x"),
        (*UPLOAD, "Content-Encoding: deflate", "Content-Length: 5", "Connection: close", "", "hello"),
    ],
    ids=lambda lines: " ".join(lines)[:60],
)
async def test_what_is_no_http_is_answered_in_the_words_of_the_catalogue(port: int, request_: tuple[str, ...]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write("\r\n".join((*request_, "", "")).encode())
    async with asyncio.timeout(30):
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    assert head.split()[1] == b"400"
    assert b"application/json" in head
    assert b"nosniff" in head
    said = json.loads(body)
    assert said["error_code"] == "HTTP-400"
    assert said["message"] == CATALOGUE["HTTP-400"].en.message
