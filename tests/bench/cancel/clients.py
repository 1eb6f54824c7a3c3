"""Clients that ask one question, and the ways in which they go. By hand: a library's thread would keep them open."""

from __future__ import annotations

import json
import socket
import struct
import time
import urllib.parse
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.conftest import Server
from tests.socket_client import message

# Kinds of frames.
TEXT, CLOSE = 1, 8

# Ways to go. Each takes a client and returns the moment, in ns, at which it went.

Leave = Callable[["Client"], int]


class Client:
    """One question on a connection of its own."""

    def __init__(self, server: Server, door: str, content: str, max_tokens: int = 400) -> None:
        self.server = server
        self.session_id, self.message_id = str(uuid.uuid4()), str(uuid.uuid4())
        address = urllib.parse.urlsplit(server.url)
        self.socket = socket.create_connection((address.hostname, address.port), 30)
        if door == "socket":
            path = f"/chat-ws?session_id={self.session_id}&answers=free"
            head = f"GET {path} HTTP/1.1\r\nHost: {address.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            head += "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
            self.socket.sendall(head.encode())
            told = message(self.session_id, content, self.message_id).encode()
            self.socket.sendall(frame(TEXT, told))
            return
        asked: dict[str, Any] = {"message": content, "session_id": self.session_id}
        if door.startswith("/v1"):
            asked = {"messages": [{"role": "user", "content": content}], "retrieval": False, "stream": door == "/v1"}
            asked |= {"ignore_eos": True, "max_tokens": max_tokens}
        path = "/v1/chat/completions" if door.startswith("/v1") else door
        body = json.dumps(asked).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Type: application/json\r\n"
        self.socket.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    def close(self) -> None:
        self.socket.close()


def frame(kind: int, payload: bytes) -> bytes:
    """Of a WebSocket, masked with zeros."""
    size = len(payload)
    length = struct.pack(">B", 0x80 | size) if size < 126 else struct.pack(">BH", 0x80 | 126, size)
    return struct.pack(">B", 0x80 | kind) + length + bytes(4) + payload


def cancel(client: Client) -> int:
    told = frame(TEXT, json.dumps({"type": "cancel", "message_id": client.message_id}).encode())
    at = time.monotonic_ns()
    client.socket.sendall(told)
    return at


def goodbye(code: int) -> Leave:
    def leave(client: Client) -> int:
        told = frame(CLOSE, struct.pack(">H", code))
        at = time.monotonic_ns()
        client.socket.sendall(told)
        return at

    return leave


def fin(client: Client) -> int:
    at = time.monotonic_ns()
    client.socket.shutdown(socket.SHUT_RDWR)
    return at


def half_close(client: Client) -> int:
    at = time.monotonic_ns()
    client.socket.shutdown(socket.SHUT_WR)
    return at


def reset(client: Client) -> int:
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    at = time.monotonic_ns()
    client.socket.close()
    return at


@dataclass(frozen=True)
class Kind:
    door: str
    leave: Leave
    resumable: bool = False


KINDS = {
    "cancel frame": Kind("socket", cancel),
    "SSE closed": Kind("/chat/stream", fin),
    "SSE reset": Kind("/chat/stream", reset),
    "SSE half closed": Kind("/chat/stream", half_close),
    "/v1 stream closed": Kind("/v1", fin),
    "/v1 without stream closed": Kind("/v1 whole", fin),
    "/chat closed": Kind("/chat", fin),
    # By design these go on, for the client to come back.
    "socket goodbye 1000": Kind("socket", goodbye(1000), True),
    "socket goodbye 1001 (page closed)": Kind("socket", goodbye(1001), True),
    "socket FIN": Kind("socket", fin, True),
    "socket reset": Kind("socket", reset, True),
    "socket half closed": Kind("socket", half_close, True),
}
