"""Kills of an ingestion from the command line before each single call that makes, moves, syncs or removes a file.

Needs Linux and a C compiler: a library that is loaded first counts the calls. `tests/bench/kills.py --points` is the
command.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from rag.incoming import document_id  # noqa: E402
from tests.bench.told import left_over, text_sha256  # noqa: E402

# Kills the process before the KILL_AT-th of its KILL_CALLS for a path that holds KILL_UNDER.
SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static atomic_int seen;
static void count(const char *call, const char *path) {
    const char *at = getenv("KILL_AT"), *under = getenv("KILL_UNDER"), *calls = getenv("KILL_CALLS");
    if (!at || !under || !calls || !path || !strstr(path, under)) return;
    char name[32];
    snprintf(name, sizeof name, ",%s,", call);
    if (strstr(calls, name) && ++seen == atoi(at)) kill(getpid(), SIGKILL);
}
static void count_open(const char *call, int descriptor) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length > 0) { path[length] = 0; count(call, path); }
}
static void count_at(const char *call, int folder, const char *path) {
    if (path[0] == '/' || folder == AT_FDCWD) count(call, path); else count_open(call, folder);
}
#define NEXT(name) ((typeof(&name))dlsym(RTLD_NEXT, #name))
int rename(const char *a, const char *b) { count("rename", b); return NEXT(rename)(a, b); }
int renameat(int d, const char *a, int e, const char *b) {
    count_at("rename", e, b);
    return NEXT(renameat)(d, a, e, b);
}
int renameat2(int d, const char *a, int e, const char *b, unsigned f) {
    count_at("rename", e, b);
    return NEXT(renameat2)(d, a, e, b, f);
}
int link(const char *a, const char *b) { count("link", b); return NEXT(link)(a, b); }
int linkat(int d, const char *a, int e, const char *b, int f) {
    count_at("link", e, b);
    return NEXT(linkat)(d, a, e, b, f);
}
int unlink(const char *a) { count("unlink", a); return NEXT(unlink)(a); }
int unlinkat(int d, const char *a, int f) { count_at("unlink", d, a); return NEXT(unlinkat)(d, a, f); }
int fsync(int d) { count_open("fsync", d); return NEXT(fsync)(d); }
int fdatasync(int d) { count_open("fsync", d); return NEXT(fdatasync)(d); }
"""
CALLS = ("rename", "link", "unlink", "fsync")


def kill_at_points(calls: str, first: int, every: int, models_dir: Path) -> dict[str, Any]:
    """Kill an ingestion before each `every`-th of its `calls` from number `first` on, until there are no more.

    One document is kept, one changed, two of the same content are new. What was lost or left behind.
    """
    wrong: list[str] = []
    number, kills = first, 0
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
        while True:
            shutil.rmtree(place / "data", ignore_errors=True)
            shutil.copytree(place / "template", place / "data")
            environ = {"LD_PRELOAD": str(library), "KILL_AT": str(number), "KILL_CALLS": f",{calls},"}
            died = ingest(place / "data", files, models_dir, environ | {"KILL_UNDER": str(place / "data")}) == -9
            if not died:
                return {"points": calls, "kills": kills, "wrong": wrong}
            found = asyncio.run(inspect(place / "data", files, models_dir, again=False))
            ingest(place / "data", files, models_dir, {})
            found += asyncio.run(inspect(place / "data", files, models_dir, again=True))
            wrong += [f"{calls} {number}: {what}" for what in found]
            print(json.dumps({"point": number, "wrong": len(found)}), flush=True)
            kills += 1
            number += every


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
