"""Run in a network namespace of its own: install a bundle and start it by one command, ask one question, print what
was found.

usage: unshare -rn python offline_install.py QUESTION sh BUNDLE/install.sh [TARGET]
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.recorder import bring_up


def main() -> None:
    question, *command = sys.argv[1:]
    bring_up("lo")
    begun = time.perf_counter()
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said, found = "", None
    try:
        assert server.stdout is not None
        while found is None and (line := server.stdout.readline()):
            said += line
            found = re.search(r"http://[\w.:]+\d", line)
        assert found, said
        installed = time.perf_counter() - begun
        while _get(f"{found[0]}/health")["status"] == "loading":
            time.sleep(0.1)
        answer = _get(f"{found[0]}/chat", {"message": question})
        answered = time.perf_counter() - begun
        documents = _get(f"{found[0]}/documents?page_size=100")["documents"]
    finally:
        server.terminate()
        server.wait(60)
    result = {
        "interfaces": [name for _, name in socket.if_nameindex()],
        "listening_s": round(installed, 1),
        "first_answer_s": round(answered, 1),
        "answer": answer,
        "documents": sorted(row["name"] for row in documents),
        "said": said,
    }
    print(json.dumps(result, ensure_ascii=False))


def _get(url: str, body: dict[str, str] | None = None) -> dict[str, object]:
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=300) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        return json.load(error)


if __name__ == "__main__":
    main()
