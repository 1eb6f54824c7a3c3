"""RAG Standard: chat with your own documents, entirely offline, from one process.

Commands: serve (the default), ingest, documents, delete, ask, models, doctor. Every setting is a flag or a RAG_
variable.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from filelock import FileLock, Timeout
from tqdm import tqdm

from rag import jsonfile
from rag.errors import Lang, RagError
from rag.settings import TABLE, Settings, load, terminal_lang

VERSION = "0.1.0"
COMMANDS = {
    "serve": "start the server (the default)",
    "ingest": "add files or folders to the documents",
    "ask": "ask one question on the terminal",
    "models": "fetch the starter models if there are none",
    "documents": "list the documents, or those whose names hold a text",
    "delete": "delete documents by the ids that 'documents' shows",
    "doctor": "say what was found: processor, memory, models, library",
}
MESSAGES: dict[str, tuple[str, str]] = {
    "ready": ("{url} 에서 실행 중입니다. 끝내려면 Ctrl+C를 누르세요.", "Running at {url}. Press Ctrl+C to stop."),
    "fetching": ("시작용 모델을 받습니다: {files}", "Fetching the starter models: {files}"),
    "trying": ("이 컴퓨터에서 모델을 시험하는 중: {file}", "Trying the model on this machine: {file}"),
    "handed": ("실행 중인 서버({url})에 넘깁니다.", "Handing the work to the server at {url}."),
    "stored": ("문서 {done}개를 저장했고 {failed}개는 실패했습니다.", "{done} documents stored, {failed} failed."),
    "deleted": ("문서 {count}개를 삭제했습니다.", "{count} documents deleted."),
    "nothing": ("지원하는 형식의 파일이 없습니다.", "There are no files of a supported type."),
    "have": ("모델이 준비되었습니다: {chat}, {embed}", "The models are in place: {chat}, {embed}"),
    "sources": ("출처:", "Sources:"),
}


class Refused(Exception):
    """An error that the server told, in its words."""


def say(lang: Lang, key: str, **data: object) -> None:
    print(MESSAGES[key][0 if lang == "ko" else 1].format(**data), flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. The exit code: 0, or 1 after one clear message."""
    flags = vars(_parser().parse_args(_with_command(list(sys.argv[1:] if arguments is None else arguments))))
    lang = terminal_lang(flags)
    try:
        settings = load(flags)
        logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        for chatty in ("aiohttp.access", "gguf"):
            logging.getLogger(chatty).setLevel(logging.WARNING)
        return _run(flags["command"], flags, settings, lang)
    except RagError as error:
        return _complain(error.body(lang))
    except Refused as refusal:
        return _complain(refusal.args[0])
    except KeyboardInterrupt:
        return 130


def _complain(body: dict[str, Any]) -> int:
    """One clear message; the exit code."""
    lines = [f"{body['error_code']}: {body['message']}", *(f"  - {solution}" for solution in body["solutions"])]
    print("\n".join(lines), file=sys.stderr)
    return 1


def _with_command(arguments: list[str]) -> list[str]:
    """`serve` where the first word is no command, so that `server.py --port 80` works."""
    if arguments and (arguments[0] in COMMANDS or arguments[0] in ("-h", "--help", "--version")):
        return arguments
    return ["serve", *arguments]


def _parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    group = shared.add_argument_group("settings (flag or environment variable)")
    for setting in TABLE:
        text = f"{setting.help} ({setting.variable}"
        text += ")" if setting.default in ("", False) else f", default {setting.default})"
        kind: dict[str, Any] = {"action": "store_true"} if setting.default is False else {"metavar": "X"}
        group.add_argument(setting.flag, dest=setting.name, help=text.replace("%", "%%"), default=None, **kind)
    parser = argparse.ArgumentParser(prog="server.py", description=__doc__, parents=[shared])
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--version", action="version", version=VERSION)
    commands = parser.add_subparsers(dest="command", metavar="command")
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, help=text, parents=[shared])
        if name == "ingest":
            command.add_argument("paths", nargs="+", metavar="PATH", type=Path)
        if name == "documents":
            command.add_argument("query", nargs="?", default="", metavar="TEXT")
        if name == "delete":
            command.add_argument("ids", nargs="+", metavar="ID")
        if name == "ask":
            command.add_argument("question")
    return parser


def _run(command: str, flags: dict[str, Any], settings: Settings, lang: Lang) -> int:
    if command == "doctor":
        from rag import doctor

        print(doctor.report(settings, lang))
        return 0
    if command == "models":
        found = _models(settings, lang)
        say(lang, "have", chat=found.chat.path.name, embed=found.embed.path.name)
        return 0
    if command == "ingest":
        return asyncio.run(_ingest(settings, lang, flags["paths"]))
    if command == "documents":
        return asyncio.run(_documents(settings, lang, flags["query"]))
    if command == "delete":
        return asyncio.run(_delete(settings, lang, flags["ids"]))
    if command == "ask":
        return asyncio.run(_ask(settings, lang, flags["question"]))
    return _serve(settings, lang)


# Models.


def _models(settings: Settings, lang: Lang) -> Any:
    """The models to use, fetched if there are none. Raises `RagError` SETUP-001, SETUP-003, GEN-002 or SETUP-005."""
    from models import starter
    from rag.service import choose_models

    _writable(settings.data_dir)
    names = [model.file for model in starter.starters()]

    def announce(path: Path) -> None:
        say(lang, "trying", file=path.name)

    found = choose_models(settings, names, announce)
    missing = [kind for kind, model in (("chat", found.chat), ("embed", found.embed)) if model is None]
    if not missing:
        return found
    wanted = [model.file for model in starter.starters() if model.kind in missing]
    if settings.offline:
        raise RagError("SETUP-001", files=wanted, directory=str(settings.models_dir), reason="--offline")
    _writable(settings.models_dir)
    say(lang, "fetching", files=", ".join(wanted))
    with contextlib.closing(_Bars()) as bars:
        starter.fetch(settings.models_dir, bars.show, kinds=missing)
    return choose_models(settings, names, announce)


class _Bars:
    """One progress bar at a time, named after what it shows."""

    def __init__(self) -> None:
        self._bar: tqdm[Any] | None = None
        self._label = ""

    def show(self, label: str, done: int, total: int) -> None:
        if label != self._label:
            self.close()
            self._label = label
            self._bar = tqdm(total=total, desc=label, unit="B", unit_scale=True, mininterval=0.2)
        if self._bar is not None:
            self._bar.update(done - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


# The data directory.


def _writable(directory: Path) -> None:
    """Raises `RagError` SETUP-003."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        probe = directory / f".write-{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise RagError("SETUP-003", directory=str(directory), reason=error.strerror or str(error)) from error


@contextlib.contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Hold the data directory. Raises `RagError` SETUP-004 if another process does."""
    try:
        with FileLock(settings.data_dir / "lock", timeout=0):
            yield
    except Timeout:
        raise RagError("SETUP-004", directory=str(settings.data_dir)) from None


# serve


def _serve(settings: Settings, lang: Lang) -> int:
    from aiohttp import web

    _writable(settings.data_dir)
    listening = _bind(settings.host, settings.port)
    with _alone(settings):
        models = _models(settings, lang)
        from web.app import create_app

        port = listening.getsockname()[1]
        url = f"http://{f'[{settings.host}]' if ':' in settings.host else settings.host}:{port}"
        local = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host
        record = settings.data_dir / "server.json"
        jsonfile.save(record, {"url": url.replace(settings.host, local), "pid": os.getpid()})
        try:
            app = create_app(settings, VERSION, models=models)
            web.run_app(app, sock=listening, print=lambda *_: say(lang, "ready", url=url), shutdown_timeout=5)
        finally:
            record.unlink(missing_ok=True)
    return 0


def _bind(host: str, port: int) -> socket.socket:
    """A bound socket, so that a port in use is told before anything else. Raises `RagError` SETUP-002."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        listening = socket.socket(family, socket.SOCK_STREAM)
        if os.name == "posix":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        # Listening at once makes a second server fail here; early visitors wait instead of being refused.
        listening.listen(128)
    except OSError as error:
        raise RagError("SETUP-002", host=host, port=port, reason=error.strerror or str(error)) from error
    return listening


# ingest, documents, delete

# Files that are handed to a running server before the first of them is stored.
AHEAD = 16

T = TypeVar("T")
Here = Callable[[], Awaitable[T]]
There = Callable[[str], Awaitable[T]]


async def _here_or_there(settings: Settings, here: Here[T], there: There[T]) -> T:
    """Do it in this process, or let the server do it, given its URL, that holds the data directory."""
    _writable(settings.data_dir)
    try:
        with _alone(settings):
            return await here()
    except RagError as error:
        url = jsonfile.load(settings.data_dir / "server.json").get("url")
        if error.code != "SETUP-004" or not url:
            raise
    return await there(str(url))


async def _ingest(settings: Settings, lang: Lang, paths: Sequence[Path]) -> int:
    from rag.folders import find_files

    files = [(source, path) for given in paths for source, path in find_files(given)]
    if not files:
        say(lang, "nothing")
        return 1

    async def there(url: str) -> list[str]:
        say(lang, "handed", url=url)
        return await _hand_over(url, lang, files)

    results = await _here_or_there(settings, lambda: _ingest_here(settings, lang, files), there)
    failed = [text for text in results if text]
    say(lang, "stored", done=len(results) - len(failed), failed=len(failed))
    return 1 if failed else 0


Files = Sequence[tuple[str, Path]]


async def _ingest_here(settings: Settings, lang: Lang, files: Files) -> list[str]:
    """Ingest in this process. For each file "" or its error."""
    from rag.service import open_index

    models = await asyncio.to_thread(_models, settings, lang)
    results: list[str] = []
    async with open_index(settings, models.embed, lambda done, total: None) as index:
        with contextlib.closing(_Total(len(files))) as total:
            jobs = []
            # All are accepted first: the store is tidied once behind the queue, not behind each file.
            for source, path in files:
                try:
                    jobs.append(await index.ingester.add_file(path, source, origin=str(path)))
                except RagError as error:
                    results.append(total.end(source, error.body(lang)))
            for job in jobs:
                results.append(await total.follow(job.name, (state.body(lang) async for state in job.states())))
        await index.store.optimize()
    return results


async def _hand_over(url: str, lang: Lang, files: Files) -> list[str]:
    """Upload to the server that holds the data directory. For each file "" or its error."""
    import aiohttp

    from rag.incoming import ENDED

    async def states(job_id: str) -> AsyncIterator[dict[str, Any]]:
        state: dict[str, Any] = {}
        async with client.get(f"/documents/jobs/{job_id}/events") as events:
            async for line in events.content:
                if line.startswith(b"data: "):
                    state = json.loads(line[6:])
                    yield state
        if state.get("state") not in ENDED:
            raise aiohttp.ServerDisconnectedError

    async def send(source: str, path: Path) -> str:
        try:
            with await asyncio.to_thread(path.open, "rb") as content:
                form = aiohttp.FormData(quote_fields=False)
                form.add_field("origin", str(path))
                form.add_field("files", content, filename=source)
                async with client.post("/documents", data=form) as response:
                    body = await response.json()
            if response.status == 202:
                return await total.follow(source, states(body["jobs"][0]["id"]))
            return total.end(source, body)
        except aiohttp.ClientError:
            return total.end(source, RagError("SETUP-007", url=url, file=source).body(lang))
        except OSError:
            return total.end(source, RagError("DOC-008", file=str(path)).body(lang))

    async def send_all() -> list[str]:
        # So many at a time, in order.
        left = iter(files)

        async def some() -> list[str]:
            return [await send(source, path) for source, path in left]

        return [text for part in await asyncio.gather(*(some() for _ in range(AHEAD))) for text in part]

    timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
    async with aiohttp.ClientSession(url, timeout=timeout, headers={"Accept-Language": lang}) as client:
        with contextlib.closing(_Total(len(files))) as total:
            return await send_all()


class _Total:
    """One bar over the passages of all files, as far as they are known, with how many files are done."""

    def __init__(self, files: int) -> None:
        self._files = files
        self._ended = 0
        self._bar = tqdm(desc=f"0/{files}", unit="passage")
        self._done: dict[str, int] = {}
        self._known: dict[str, int] = {}

    async def follow(self, source: str, states: AsyncIterator[dict[str, Any]]) -> str:
        """Show the progress of one file to its end. "" or its error."""
        error = None
        async for state in states:
            self._done[source], self._known[source] = state["done"], state["total"]
            error = state["error"]
            self._show()
        return self.end(source, error)

    def end(self, source: str, error: dict[str, Any] | None) -> str:
        """One file more has ended. "" or its error, which is shown."""
        self._ended += 1
        self._bar.set_description_str(f"{self._ended}/{self._files}", refresh=False)
        self._show()
        if error is None:
            return ""
        text = f"{error['error_code']}: {error['message']}"
        tqdm.write(f"{source}: {text}", file=sys.stderr)
        return text

    def _show(self) -> None:
        self._bar.total = sum(self._known.values()) or None
        self._bar.update(sum(self._done.values()) - self._bar.n)

    def close(self) -> None:
        self._bar.refresh()
        self._bar.close()


async def _documents(settings: Settings, lang: Lang, query: str) -> int:
    """List the documents whose name holds the query, the newest first."""

    async def here() -> list[dict[str, Any]]:
        from rag.service import open_index

        models = await asyncio.to_thread(_models, settings, lang)
        async with open_index(settings, models.embed, lambda done, total: None) as index:
            documents, _ = await index.store.list_documents(query, 0, sys.maxsize)
        return [{"id": each.id, "passages": each.passages, "name": each.source} for each in documents]

    async def there(url: str) -> list[dict[str, Any]]:
        import aiohttp

        rows: list[dict[str, Any]] = []
        async with aiohttp.ClientSession(url, headers={"Accept-Language": lang}) as client:
            for page in itertools.count(1):
                asked = {"q": query, "page": str(page), "page_size": "200"}
                body = await _body(client.get("/documents", params=asked))
                rows += body["documents"]
                if not body["documents"]:
                    break
        return [row for row in rows if row["status"] == "stored"]

    for row in await _here_or_there(settings, here, there):
        print(f"{row['id']}  {row['passages']:6d}  {row['name']}")
    return 0


async def _delete(settings: Settings, lang: Lang, ids: Sequence[str]) -> int:
    """Delete documents by their ids. Raises `RagError` DOC-007 or `Refused` for one that is not there."""

    async def here() -> None:
        from rag.service import open_index

        models = await asyncio.to_thread(_models, settings, lang)
        async with open_index(settings, models.embed, lambda done, total: None) as index:
            for document_id in ids:
                if not await index.ingester.remove(document_id):
                    raise RagError("DOC-007", file=document_id)
            await index.store.optimize()

    async def there(url: str) -> None:
        import aiohttp

        async with aiohttp.ClientSession(url, headers={"Accept-Language": lang}) as client:
            for document_id in ids:
                await _body(client.delete(f"/documents/{quote(document_id, safe='')}"))

    await _here_or_there(settings, here, there)
    say(lang, "deleted", count=len(ids))
    return 0


async def _body(request: Any) -> Any:
    """The JSON that a server answers. Raises `Refused` with its error."""
    async with request as response:
        body = await response.json() if response.status != 204 else None
    if response.status >= 400:
        raise Refused(body)
    return body


# ask


async def _ask(settings: Settings, lang: Lang, question: str) -> int:
    """Answer one question on the terminal; the server that holds the data directory does it, if there is one."""
    await _here_or_there(
        settings,
        lambda: _show(_answer_here(settings, lang, question), lang),
        lambda url: _show(_answer_there(url, lang, question), lang),
    )
    return 0


async def _answer_here(settings: Settings, lang: Lang, question: str) -> AsyncIterator[dict[str, Any]]:
    """The events in the form of the wire."""
    from rag.chat import Question
    from rag.protocol import Stream, to_ws
    from rag.service import open_chat, open_index

    models = await asyncio.to_thread(_models, settings, lang)
    stream = Stream("ask", f"terminal-{os.getpid()}", time.monotonic)
    async with (
        open_index(settings, models.embed, lambda done, total: None) as index,
        open_chat(settings, models.chat, index, time.time) as chat,
    ):
        async for event in chat.answer(Question(question, stream, threading.Event())):
            yield json.loads(to_ws(event, lang))


async def _answer_there(url: str, lang: Lang, question: str) -> AsyncIterator[dict[str, Any]]:
    import aiohttp

    session_id = f"terminal-{os.getpid()}"
    message = {"type": "message", "message_id": "ask", "content": question, "session_id": session_id}
    async with (
        aiohttp.ClientSession(url) as client,
        client.ws_connect("/chat-ws", params={"session_id": session_id, "lang": lang}) as ws,
    ):
        await ws.send_json(message)
        async for frame in ws:
            event = json.loads(frame.data)
            yield event
            if event["type"] in ("stream_end", "stream_error"):
                return


async def _show(events: AsyncIterator[dict[str, Any]], lang: Lang) -> None:
    """Print an answer as it comes. Raises `Refused` for its error."""
    async for event in events:
        if event["type"] == "stream_token":
            print(event["token"], end="", flush=True)
        elif event["type"] == "stream_sources":
            print()
            if event["sources"]:
                say(lang, "sources")
            for number, source in enumerate(event["sources"], 1):
                print(f"[{number}] {source['title']} · {source['metadata']['source']} · {source['score']:.2f}")
        elif event["type"] == "stream_error":
            raise Refused(event)


if __name__ == "__main__":
    sys.exit(main())
