"""Run in a network namespace of its own: start RAG Standard by a command that may install it first, ask one question,
print what was found.

usage: unshare -rn python offline_install.py [--document FILE] [--session ID] QUESTION COMMAND...
"""

from __future__ import annotations

import argparse
import json
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench.beside import upload
from tests.bench.told import call, jobs
from tests.conftest import Server
from tests.recorder import bring_up

LAST = ("stored", "failed", "cancelled")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--document", type=Path)
    parser.add_argument("--session")
    parser.add_argument("question")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    bring_up("lo")
    begun = time.perf_counter()
    process = subprocess.Popen(given.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    server = Server(process, Path())
    try:
        assert process.stdout is not None
        while not server.url and (line := process.stdout.readline()):
            server.lines.append(line)
            server.url = (re.findall(r"http://[\w.:]+\d", line) or [""])[0]
        listening = time.perf_counter() - begun
        server.wait()
        if given.document:
            job = upload(server, given.document.name, given.document.read_text(encoding="utf-8"))
            # The guides may still be on their way in.
            while next(each for each in jobs(server) if each["id"] == job)["state"] not in LAST:
                time.sleep(0.05)
        body = {"message": given.question} | ({"session_id": given.session} if given.session else {})
        answer = call(server, "POST", "/chat", body)
        answered = time.perf_counter() - begun
        result = {
            "interfaces": [name for _, name in socket.if_nameindex()],
            "version": server.health()["version"],
            "listening_s": round(listening, 1),
            "answered_s": round(answered, 1),
            "answer": answer,
            "turns": len(call(server, "GET", f"/sessions/{answer['session_id']}")["turns"]),
            "documents": sorted(row["name"] for row in call(server, "GET", "/documents?page_size=100")["documents"]),
        }
    finally:
        server.stop()
    print(json.dumps(result, ensure_ascii=False))


if __name__ == "__main__":
    main()
