"""Run in a network namespace of its own: install a bundle and start it by its one command, ask one question.

usage: unshare -n python offline_install.py BUNDLE TARGET HOME QUESTION
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

from tests.clients.loopback_only import bring_up_loopback


def main() -> None:
    bundle, target, home, question = sys.argv[1:]
    bring_up_loopback()
    environ = {"HOME": home, "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHON": sys.executable, "RAG_PORT": "0"}
    command = ["sh", f"{bundle}/install.sh", target]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environ)
    said = []
    try:
        assert server.stdout is not None
        for line in server.stdout:
            said.append(line)
            if found := re.search(r"http://\S+[^\s.]", line):
                break
        else:
            raise AssertionError("".join(said))
        while json.load(urllib.request.urlopen(f"{found[0].rstrip('/')}/health"))["status"] == "loading":
            time.sleep(0.1)
        body = json.dumps({"message": question}).encode()
        asked = urllib.request.Request(
            f"{found[0].rstrip('/')}/chat", data=body, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(asked, timeout=300) as response:
            answer = json.load(response)
    finally:
        server.terminate()
        server.wait(30)
    interfaces = [name for _, name in socket.if_nameindex()]
    print(json.dumps({"interfaces": interfaces, "answer": answer}))


if __name__ == "__main__":
    main()
