"""Kills during ingestion: is all that was said to be stored there afterwards, whole and found, and nothing else?

usage: python tests/bench/kills.py [--kills N] [--renames] [--first N] [--last N] [--models-dir DIR] [--seed N]

With --kills a server is killed N times at random moments of uploads, replacements and deletions over HTTP. With
--renames an ingestion from the command line is killed before each single rename and link of a file, one after the
other; that needs Linux and a C compiler. Prints JSON; the exit code is 1 if anything was lost or left behind.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import http.client
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import quote

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from rag.incoming import document_id  # noqa: E402
from tests.bench.beside import upload  # noqa: E402
from tests.conftest import Server, start_server  # noqa: E402

# Kills the process before its KILL_AT-th rename or link of a path that holds KILL_UNDER.
SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static atomic_int seen;
static void count(const char *path) {
    const char *at = getenv("KILL_AT"), *under = getenv("KILL_UNDER");
    if (at && under && strstr(path, under) && ++seen == atoi(at)) kill(getpid(), SIGKILL);
}
#define NEXT(name) ((typeof(&name))dlsym(RTLD_NEXT, #name))
int rename(const char *a, const char *b) { count(b); return NEXT(rename)(a, b); }
int link(const char *a, const char *b) { count(b); return NEXT(link)(a, b); }
int linkat(int d, const char *a, int e, const char *b, int f) { count(b); return NEXT(linkat)(d, a, e, b, f); }
int renameat(int d, const char *a, int e, const char *b) { count(b); return NEXT(renameat)(d, a, e, b); }
int renameat2(int d, const char *a, int e, const char *b, unsigned f) {
    count(b);
    return NEXT(renameat2)(d, a, e, b, f);
}
"""


def call(server: Server, method: str, path: str, data: Any = None) -> Any:
    """The JSON of an answer; None for a status of 204 or 404."""
    body = None if data is None else json.dumps(data).encode()
    request = urllib.request.Request(server.url + path, body, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            content = response.read()
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        raise
    return json.loads(content) if content else None


class Model:
    """What a person was told, and what therefore has to be there."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.number = 0
        self.stored: dict[str, str] = {}
        self.pending: dict[str, set[str | None]] = {}
        """Of names that were in the air at the kill: the texts that they may have now; None: no document."""

    def text(self) -> str:
        """A text that no other is like, of one to thirty passages, with a word of its own in each paragraph."""
        self.number += 1
        word = f"zq{self.number}x{self.random.randrange(1 << 30):x}"
        paragraph = " ".join(["the pump", word, "has a warranty of", str(self.number), "months and needs oil"] * 6)
        return f"{word}\n\n" + "\n\n".join(f"{n} {paragraph}" for n in range(self.random.choice((1, 3, 10, 60))))

    def work(self, server: Server) -> None:
        """Upload, replace and delete until the server dies; note what it says."""
        jobs: dict[str, tuple[str, str]] = {}
        while True:
            chance = self.random.random()
            if chance < 0.15 and self.stored:
                name = self.random.choice(sorted(self.stored))
                self.pending[name] = {self.stored.pop(name), None}
                call(server, "DELETE", f"/documents/{document_id(name)}")
                del self.pending[name]
            else:
                again = chance < 0.4 and self.stored
                name = self.random.choice(sorted(self.stored)) if again else f"file{self.number}.txt"
                text = self.text()
                before = self.stored.pop(name, None)
                self.pending[name] = self.pending.get(name, {before}) | {text}
                job = upload(server, name, text)
                if name not in (given for given, _ in jobs.values()):
                    # It was accepted: from here on it may be late, but not lost.
                    self.pending[name] -= {None}
                jobs[job] = name, text
            if self.random.random() < 0.5:
                time.sleep(self.random.random() * 0.3)
            for state in call(server, "GET", "/documents/jobs")["jobs"]:
                if state["id"] in jobs and state["state"] == "stored":
                    name, text = jobs.pop(state["id"])
                    if name not in (given for given, _ in jobs.values()):
                        self.stored[name] = text
                        self.pending.pop(name, None)

    def settle(self, server: Server) -> None:
        """Until what was accepted before the kill has been dealt with."""
        while any(state["state"] not in ("stored", "failed", "cancelled") for state in self.jobs(server)):
            time.sleep(0.05)

    @staticmethod
    def jobs(server: Server) -> list[dict[str, Any]]:
        return list(call(server, "GET", "/documents/jobs")["jobs"])

    def check(self, server: Server, everything: bool = False) -> list[str]:
        """What is not as it was told."""
        wrong = [f"job failed: {state}" for state in self.jobs(server) if state["state"] == "failed"]
        for name, allowed in self.pending.items():
            found = call(server, "GET", f"/documents/{document_id(name)}/text")
            text = found["text"] if found else None
            if text not in allowed:
                wrong.append(f"{name}: in the air, and now {str(text)[:20]!r}")
            if text is not None:
                self.stored[name] = text
        self.pending.clear()
        names = sorted(self.stored)
        for name in names if everything else self.random.sample(names, min(10, len(names))):
            wrong += self.check_stored(server, name, self.stored[name])
        rows = call(server, "GET", "/documents?page_size=200")
        listed = {row["name"] for row in rows["documents"] if not row["name"].startswith("guides/")}
        if rows["total"] <= 200 and listed != set(names):
            wrong.append(f"listed but not told, or the other way: {sorted(listed ^ set(names))}")
        wrong += left_over(server.data_dir, {text_sha256(text) for text in self.stored.values()})
        return wrong

    @staticmethod
    def check_stored(server: Server, name: str, text: str) -> list[str]:
        id = document_id(name)
        facts = call(server, "GET", f"/documents/{quote(id)}")
        if facts is None:
            return [f"{name}: lost"]
        wrong = []
        if call(server, "GET", f"/documents/{id}/text")["text"] != text:
            wrong.append(f"{name}: another text")
        with urllib.request.urlopen(f"{server.url}/documents/{id}/original", timeout=60) as response:
            if hashlib.sha256(response.read()).hexdigest() != facts["sha256"] != text_sha256(text):
                wrong.append(f"{name}: another original")
        query = {"query": text.split()[0], "k": 100, "documents": [id]}
        found = call(server, "POST", "/search", query)["sources"]
        if not found or any(text[s["metadata"]["start"] : s["metadata"]["end"]] != s["content"] for s in found):
            wrong.append(f"{name}: not found, or passages that are not of its text")
        return wrong


def text_sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def left_over(data_dir: Path, expected: set[str]) -> list[str]:
    """Files that belong to nothing."""
    guides = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (ROOT / "web/guides").glob("*/*.md")}
    originals = {path.name for path in (data_dir / "originals").glob("*")}
    incoming = [path.name for path in (data_dir / "incoming").glob("*")]
    wrong = [f"in incoming: {name}" for name in incoming]
    wrong += [f"original of nothing: {name}" for name in originals - expected - guides]
    return wrong + [f"no original: {name}" for name in expected - originals]


def kill_at_random(kills: int, seed: int, models_dir: Path) -> dict[str, Any]:
    """Kill a server so many times. What was lost or left behind, and how much was stored."""
    model = Model(seed)
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder) / "data"
        for number in range(kills + 1):
            server = start_server(data_dir, models_dir).wait()
            try:
                model.settle(server)
                found = model.check(server, everything=number == kills)
                wrong += [f"kill {number}: {what}" for what in found]
                if number == kills:
                    break
                # Measured from now on, so that it meets uploads, parsing, embedding, storing and tidying alike.
                killer = subprocess.Popen(
                    ["sh", "-c", f"sleep {model.random.random() * 2.5:.3f}; kill -9 {server.process.pid}"]
                )
                with contextlib.suppress(OSError, http.client.HTTPException, json.JSONDecodeError):
                    model.work(server)
                killer.wait()
                server.process.wait()
                told = {"kill": number + 1, "stored": len(model.stored), "in the air": len(model.pending)}
                print(json.dumps(told | {"wrong until then": len(wrong)}), flush=True)
            finally:
                server.stop()
    return {"kills": kills, "documents": len(model.stored), "wrong": wrong}


# At each rename and link.


def kill_at_renames(first: int, last: int, models_dir: Path) -> dict[str, Any]:
    """Kill an ingestion before each of its renames and links from `first` to `last`, or to where there are no more."""
    wrong: list[str] = []
    number = first
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        library = place / "kill.so"
        (place / "kill.c").write_text(SHIM)
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, place / "kill.c", "-ldl"], check=True)
        files = place / "files"
        files.mkdir()
        for name in ("kept", "changed"):
            (files / f"{name}.txt").write_text(f"{name} zqold{name} text")
        ingest(place / "template", files, models_dir, {})
        (files / "changed.txt").write_text("changed zqnewchanged text")
        (files / "new.txt").write_text("new zqnewnew text")
        (files / "copy.txt").write_text("new zqnewnew text")
        while number <= last:
            shutil.rmtree(place / "data", ignore_errors=True)
            shutil.copytree(place / "template", place / "data")
            environ = {"LD_PRELOAD": str(library), "KILL_AT": str(number), "KILL_UNDER": str(place / "data")}
            died = ingest(place / "data", files, models_dir, environ) == -9
            found = asyncio.run(inspect(place / "data", files, models_dir, again=False))
            ingest(place / "data", files, models_dir, {})
            found += asyncio.run(inspect(place / "data", files, models_dir, again=True))
            wrong += [f"rename {number}: {what}" for what in found]
            print(json.dumps({"rename": number, "died": died, "wrong": len(found)}), flush=True)
            if not died:
                break
            number += 1
    return {"renames_and_links": number - first, "wrong": wrong}


def ingest(data_dir: Path, files: Path, models_dir: Path, environ: dict[str, str]) -> int:
    command = [sys.executable, str(ROOT / "server.py"), "ingest", "--offline", "--data-dir", str(data_dir)]
    command += ["--models-dir", str(models_dir), str(files)]
    done = subprocess.run(command, env=os.environ | environ, capture_output=True, text=True, timeout=300)
    if done.returncode not in (0, -9):
        raise RuntimeError(done.stderr)
    return done.returncode


async def inspect(data_dir: Path, files: Path, models_dir: Path, again: bool) -> list[str]:
    """What is wrong after a restart, or after the ingestion was done `again`."""
    from rag.service import choose_models, open_index
    from rag.settings import load

    settings = load({"data_dir": str(data_dir), "models_dir": str(models_dir)}, {})
    models = choose_models(settings, ())
    assert models.embed is not None
    wrong = []
    texts = {path.name: (path.read_text(), document_id(str(path))) for path in sorted(files.iterdir())}  # noqa: ASYNC240
    async with open_index(settings, models.embed, lambda done, total: None) as index:
        await index.ingester.join()
        documents, _ = await index.store.list_documents()
        by_id = {document.id: document for document in documents}
        allowed = {name: {text} for name, (text, _) in texts.items()}
        allowed["changed.txt"].add("changed zqoldchanged text")
        for name, (text, id) in texts.items():
            document = await index.store.document(id)
            twin = name in ("new.txt", "copy.txt")
            if document is None:
                if not twin or (again and not {texts["new.txt"][1], texts["copy.txt"][1]} & set(by_id)):
                    wrong.append(f"{name}: lost")
                continue
            if document.text not in ({text} if again else allowed[name]):
                wrong.append(f"{name}: {document.text!r}")
            found = await index.retriever.search(document.text.split()[1], 5)
            if id not in [passage.document_id for passage in found]:
                wrong.append(f"{name}: not found")
            kept = index.ingester.originals.path(document.sha256)
            if not kept.exists() or text_sha256(document.text) != document.sha256 != text_sha256(kept.read_text()):
                wrong.append(f"{name}: no original")
        if (await index.store.counts()) != (len(documents), len(documents)):
            wrong.append(f"passages of nothing: {await index.store.counts()}")
        if len({document.sha256 for document in documents}) != len(documents):
            wrong.append("a content is stored twice")
        wrong += left_over(data_dir, {document.sha256 for document in documents})
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--renames", action="store_true")
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--last", type=int, default=1 << 30)
    parser.add_argument("--models-dir", type=Path, default=ROOT / "models")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    wrong = 0
    if arguments.kills:
        found = kill_at_random(arguments.kills, arguments.seed, arguments.models_dir)
        print(json.dumps(found, ensure_ascii=False), flush=True)
        wrong += len(found["wrong"])
    if arguments.renames:
        if not sys.platform.startswith("linux") or not shutil.which("cc"):
            print(json.dumps({"renames_and_links": None, "reason": "needs Linux and a C compiler"}))
        else:
            found = kill_at_renames(arguments.first, arguments.last, arguments.models_dir)
            print(json.dumps(found, ensure_ascii=False), flush=True)
            wrong += len(found["wrong"])
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
