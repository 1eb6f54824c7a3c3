"""What a person was told by a server that may be killed at any time, and what therefore has to be there afterwards.

Three kinds of state, each changed by a thread of its own until the server is gone: documents over HTTP, conversations
over `/chat-ws`, files of a watched folder. What was in the air at the kill may be there or not, but never half.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import random
import threading
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import quote

from websockets.exceptions import WebSocketException

from rag.incoming import document_id
from tests.bench.beside import upload
from tests.conftest import Server
from tests.socket_client import LAST, open_socket, receive

# What a client meets when the server is gone.
GONE = (OSError, http.client.HTTPException, json.JSONDecodeError, WebSocketException, EOFError)
PATIENCE = 120.0
SESSIONS = 4
# Enough for all to meet, and few enough for a start to take little.
DOCUMENTS, AHEAD, FILES = 12, 3, 6
OPTIONS = {"max_tokens": 12}


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


def text_sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def a_text(draw: random.Random, mark: str) -> str:
    """A text that no other is like, of one to some passages, with a word of its own in each paragraph."""
    word = f"zq{mark}x{draw.randrange(1 << 40):x}"
    paragraph = " ".join(["the pump", word, "has a warranty of", str(draw.randrange(99)), "months and needs oil"] * 6)
    return f"{word}\n\n" + "\n\n".join(f"{n} {paragraph}" for n in range(draw.choice((1, 1, 2, 6))))


def jobs(server: Server) -> list[dict[str, Any]]:
    return list(call(server, "GET", "/documents/jobs")["jobs"])


def settle(server: Server) -> None:
    """Until what was accepted before the kill has been dealt with."""
    while any(state["state"] not in ("stored", "failed", "cancelled") for state in jobs(server)):
        time.sleep(0.05)


class Documents:
    """Uploads, replacements and deletions."""

    def __init__(self) -> None:
        self.number = 0
        self.stored: dict[str, str] = {}
        self.pending: dict[str, set[str | None]] = {}
        """Of names that were in the air at the kill: the texts that they may have now; None: no document."""

    def work(self, server: Server, draw: random.Random, stop: threading.Event) -> None:
        """Until it is told to stop, or the server dies."""
        given: dict[str, tuple[str, str]] = {}
        while not stop.is_set():
            chance = draw.random()
            if self.stored and (chance < 0.2 or len(self.stored) > DOCUMENTS):
                name = draw.choice(sorted(self.stored))
                self.pending[name] = {self.stored.pop(name), None}
                call(server, "DELETE", f"/documents/{document_id(name)}")
                del self.pending[name]
            elif len(given) < AHEAD:
                again = chance < 0.45 and self.stored
                self.number += 1
                name = draw.choice(sorted(self.stored)) if again else f"file{self.number}.txt"
                text = a_text(draw, str(self.number))
                before = self.stored.pop(name, None)
                self.pending[name] = self.pending.get(name, {before}) | {text}
                job = upload(server, name, text)
                # It was accepted: from here on it may be late, but not lost.
                self.pending[name] = {text}
                given[job] = name, text
            if draw.random() < 0.5:
                stop.wait(draw.random() * 0.3)
            for state in jobs(server):
                if state["id"] in given and state["state"] == "stored":
                    name, text = given.pop(state["id"])
                    if name not in (other for other, _ in given.values()):
                        self.stored[name] = text
                        self.pending.pop(name, None)

    def air(self) -> list[str]:
        return sorted(self.pending)

    def check(self, server: Server, draw: random.Random, everything: bool = False) -> list[str]:
        """What is not as it was told."""
        wrong = [f"job failed: {state}" for state in jobs(server) if state["state"] == "failed"]
        for name, allowed in self.pending.items():
            found = call(server, "GET", f"/documents/{document_id(name)}/text")
            text = found["text"] if found else None
            if text not in allowed:
                wrong.append(f"{name}: in the air, and now {str(text)[:20]!r}")
            if text is not None:
                self.stored[name] = text
        self.pending.clear()
        names = sorted(self.stored)
        for name in names if everything else draw.sample(names, min(8, len(names))):
            wrong += check_stored(server, document_id(name), name, self.stored[name])
        return wrong


def check_stored(server: Server, id: str, name: str, text: str) -> list[str]:
    """What is wrong with a document that has to be there."""
    facts = call(server, "GET", f"/documents/{quote(id)}")
    if facts is None:
        return [f"{name}: lost"]
    wrong = []
    if call(server, "GET", f"/documents/{id}/text")["text"] != text:
        wrong.append(f"{name}: another text")
    with urllib.request.urlopen(f"{server.url}/documents/{id}/original", timeout=60) as response:
        if not hashlib.sha256(response.read()).hexdigest() == facts["sha256"] == text_sha256(text):
            wrong.append(f"{name}: another original")
    query = {"query": text.split()[0], "k": 100, "documents": [id]}
    found = call(server, "POST", "/search", query)["sources"]
    if not found or any(text[s["metadata"]["start"] : s["metadata"]["end"]] != s["content"] for s in found):
        wrong.append(f"{name}: not found, or passages that are not of its text")
    return wrong


Turn = dict[str, Any]


class Conversations:
    """Questions, questions asked anew in place of earlier ones, and conversations deleted, one at a time."""

    def __init__(self, name: str) -> None:
        self.ids = [f"{name}-{number}" for number in range(SESSIONS)]
        self.told: dict[str, list[Turn]] = {id: [] for id in self.ids}
        """The turns whose end was told."""
        self.pending: tuple[str, list[Turn], Turn | None] | None = None
        """The id, what is left of its turns, and the one that was on its way; None: the conversation was to go."""
        self.turns = 0
        self.errors: list[str] = []

    def work(self, server: Server, draw: random.Random, stop: threading.Event) -> None:
        """Until it is told to stop, or the server dies."""
        while not stop.is_set():
            id = draw.choice(self.ids)
            if self.told[id] and draw.random() < 0.15:
                self.pending = id, [], None
                call(server, "DELETE", f"/sessions/{id}")
                self.told[id], self.pending = [], None
            else:
                self.ask(server, draw, id)

    def ask(self, server: Server, draw: random.Random, id: str) -> None:
        self.turns += 1
        before = self.told[id]
        content = f"Question {self.turns}: {draw.choice(('how long is the warranty', 'what does the pump need'))}?"
        message: Turn = {"type": "message", "message_id": str(uuid.UUID(int=draw.getrandbits(128)))}
        message |= {"content": content, "session_id": id, "options": OPTIONS}
        if draw.random() < 0.5:
            message["options"] = OPTIONS | {"answers": "quote"}
        if before and draw.random() < 0.2:
            place = draw.randrange(len(before))
            message["replaces"], before = before[place]["message_id"], before[:place]
        turn: Turn = {"message_id": message["message_id"], "question": content, "answer": "", "sources": None}
        self.pending = id, before, turn
        with open_socket(server.ws_url, id) as socket:
            socket.send(json.dumps(message))
            while True:
                event = receive(socket)
                if event["type"] == "stream_token":
                    turn["answer"] += event["token"]
                elif event["type"] == "stream_sources":
                    turn["sources"] = event["sources"]
                elif event["type"] in LAST:
                    break
        self.pending = None
        if event["type"] == "stream_end":
            self.told[id] = [*before, turn]
        elif event["error_code"] != "SEARCH-004":
            self.errors.append(f"{id}: {event['error_code']} {event['message']}")

    def air(self) -> list[str]:
        if self.pending is None:
            return []
        id, _, turn = self.pending
        return [f"{id}: {len(turn['answer'])} characters" if turn else f"{id}: deletion"]

    def check(self, server: Server) -> list[str]:
        """What is not as it was told."""
        wrong, self.errors = self.errors, []
        for id in self.ids:
            found = call(server, "GET", f"/sessions/{id}")
            turns = found["turns"] if found else []
            if turns == self.told[id]:
                continue
            if self.pending and self.pending[0] == id and is_whole(turns, *self.pending[1:]):
                self.told[id] = turns
                continue
            wrong.append(f"{id}: told {len(self.told[id])} turns, and now {len(turns)}, or others: {turns!r:.400}")
            self.told[id] = turns
        self.pending = None
        return wrong


def is_whole(turns: list[Turn], before: list[Turn], turn: Turn | None) -> bool:
    """Whether these are the turns before and the whole of the one that was on its way."""
    if turn is None:
        return turns == []
    if turns[:-1] != before or not turns:
        return False
    kept = turns[-1]
    named = all(kept[name] == turn[name] for name in ("message_id", "question"))
    # Its end was not told, but what was told of it is its beginning.
    return named and kept["answer"] != "" and kept["answer"].startswith(turn["answer"])


class Folder:
    """Files that come, change and go in a watched folder. The folder itself is what has to be there in the end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.gone: set[Path] = set()
        path.mkdir()

    def work(self, _server: Server, draw: random.Random, stop: threading.Event) -> None:
        """Until it is told to stop."""
        while not stop.wait(draw.random() * 0.4):
            files = sorted(self.path.iterdir())
            if files and (draw.random() < 0.3 or len(files) > FILES):
                file = draw.choice(files)
                file.unlink()
                self.gone.add(file)
            else:
                again = files and draw.random() < 0.4
                file = draw.choice(files) if again else self.path / f"note{draw.randrange(1 << 30):x}.txt"
                file.write_text(a_text(draw, "w"))
                self.gone.discard(file)

    def texts(self) -> dict[Path, str]:
        return {file: file.read_text() for file in sorted(self.path.iterdir())}

    def follow(self, server: Server) -> list[str]:
        """Wait until the documents are as the folder is. What they are not even after a long time."""
        deadline = time.monotonic() + PATIENCE
        while (wrong := self.differences(server)) and time.monotonic() < deadline:
            time.sleep(0.1)
        self.gone.clear()
        return wrong

    def differences(self, server: Server) -> list[str]:
        wrong = []
        for file, text in self.texts().items():
            found = call(server, "GET", f"/documents/{document_id(str(file))}/text")
            if not found or found["text"] != text:
                wrong.append(f"{file.name}: {'another text' if found else 'not taken'}")
        for file in self.gone:
            if call(server, "GET", f"/documents/{document_id(str(file))}"):
                wrong.append(f"{file.name}: still there")
        return wrong

    def check(self, server: Server, draw: random.Random) -> list[str]:
        texts = self.texts()
        some = draw.sample(sorted(texts), min(3, len(texts)))
        return [each for file in some for each in check_stored(server, document_id(str(file)), file.name, texts[file])]


class Told:
    """All three. `seed` decides what is done, though not when the server gets to it."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.draw = random.Random(seed)
        self.documents = Documents()
        self.conversations = [Conversations("first"), Conversations("second")]
        self.folder = Folder(folder)

    def begin(self, server: Server) -> list[tuple[threading.Thread, threading.Event]]:
        """Let all work. Each thread with what stops it: documents and files come first, conversations last."""
        begun = []
        for worker in (self.documents, self.folder, *self.conversations):
            draw, stop = random.Random(self.draw.random()), threading.Event()

            def work(worker: Any = worker, draw: random.Random = draw, stop: threading.Event = stop) -> None:
                with contextlib.suppress(*GONE):
                    worker.work(server, draw, stop)

            thread = threading.Thread(target=work, daemon=True)
            thread.start()
            begun.append((thread, stop))
        return begun

    def air(self) -> dict[str, list[str]]:
        """What was in the air at the kill."""
        turns = [each for conversations in self.conversations for each in conversations.air()]
        return {"documents": self.documents.air(), "turns": turns}

    def check(self, server: Server, everything: bool = False) -> list[str]:
        """What is not as it was told, or belongs to nothing."""
        wrong = self.folder.follow(server)
        settle(server)
        wrong += self.documents.check(server, self.draw, everything)
        wrong += self.folder.check(server, self.draw)
        for conversations in self.conversations:
            wrong += conversations.check(server)
        wrong += self.check_list(server)
        texts = [*self.documents.stored.values(), *self.folder.texts().values()]
        return wrong + left_over(server.data_dir, {text_sha256(text) for text in texts})

    def check_list(self, server: Server) -> list[str]:
        """What is listed but was not told, or the other way. Guides are left out."""
        rows = call(server, "GET", "/documents?page_size=200")
        if rows["total"] > 200:
            return []
        listed = {row["id"] for row in rows["documents"] if not row["name"].startswith("guides/")}
        told = {document_id(name) for name in self.documents.stored}
        told |= {document_id(str(file)) for file in self.folder.texts()}
        return [f"listed but not told, or the other way: {sorted(listed ^ told)}"] if listed != told else []


ROOT = Path(__file__).resolve().parents[2]


def left_over(data_dir: Path, expected: set[str]) -> list[str]:
    """Files that belong to nothing."""
    guides = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (ROOT / "web/guides").glob("*/*.md")}
    originals = {path.name for path in (data_dir / "originals").glob("*")}
    incoming = [path.name for path in (data_dir / "incoming").glob("*")]
    wrong = [f"in incoming: {name}" for name in incoming]
    wrong += [f"original of nothing: {name}" for name in originals - expected - guides]
    return wrong + [f"no original: {name}" for name in expected - originals]
