"""Run in a network namespace of its own: bring up loopback, start the server, ask one question, print the events.

usage: unshare -n python loopback_only.py DATA_DIR MODELS_DIR QUESTION
"""

from __future__ import annotations

import fcntl
import json
import socket
import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.conftest import start_server
from tests.socket_client import ask

SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1


def bring_up_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh", b"lo", 0)
        flags = struct.unpack("16sh", fcntl.ioctl(any_socket, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh", b"lo", flags | IFF_UP))


def main() -> None:
    data_dir, models_dir, question = sys.argv[1:]
    bring_up_loopback()
    interfaces = [name for _, name in socket.if_nameindex()]
    server = start_server(Path(data_dir), Path(models_dir)).wait()
    try:
        events = ask(server.ws_url, question)
    finally:
        server.stop()
    print(json.dumps({"interfaces": interfaces, "events": events}))


if __name__ == "__main__":
    main()
