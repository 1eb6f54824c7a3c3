"""RAG Standard: chat with your own documents, entirely offline, from one process.

Commands: serve (the default), ingest, documents, delete, ask, bench, models, bundle, doctor. Every setting is a flag
or a RAG_ variable.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from filelock import FileLock, Timeout
from tqdm import tqdm

from rag import dataformat, disk, jsonfile, logs, memory
from rag.ending import Ending, Stopped
from rag.errors import Lang, RagError, Refused
from rag.settings import TABLE, Settings, load, others_can_read, terminal_lang
from rag.terminal import Bars, Total, say, show

if TYPE_CHECKING:
    # Commands import what they need, so that each starts fast.
    from rag.examiner import Door
    from web.client import Client

VERSION = "0.1.0"
# Seconds until a thread that works lets another take its turn; a request waits for several. With Python's own 5 ms the
# event loop was late by up to 100 ms beside a text that is being cut, with this by 20.
TURN = 0.001
COMMANDS = {
    "serve": "start the server (the default)",
    "ingest": "add files or folders to the documents",
    "ask": "ask one question on the terminal",
    "models": "fetch the starter models if there are none",
    "documents": "list the documents, or those whose names hold a text",
    "delete": "delete documents by the ids that 'documents' shows",
    "bench": "bench answers --questions FILE: how good the answers are",
    "bundle": "bundle DIR: all that an installation without a network needs",
    "doctor": "say what was found: processor, memory, models, library",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. The exit code: 0, or 1 after one clear message."""
    flags = vars(_parser().parse_args(_with_command(list(sys.argv[1:] if arguments is None else arguments))))
    lang = terminal_lang(flags)
    try:
        settings = load(flags)
        logs.set_up(settings.log_level, settings.log_format)
        # Documents and conversations are for nobody else on this machine; a bundle is to be handed on.
        with disk.told(settings.data_dir), _umask(0o022 if flags["command"] == "bundle" else 0o077):
            return _run(flags["command"], flags, settings, lang)
    except RagError as error:
        return _complain(error.body(lang))
    except Refused as refusal:
        return _complain(refusal.body)
    except KeyboardInterrupt:
        return 130


def _complain(body: Mapping[str, Any]) -> int:
    """One clear message; the exit code."""
    lines = [f"{body['error_code']}: {body['message']}", *(f"  - {solution}" for solution in body["solutions"])]
    print("\n".join(map(logs.printable, lines)), file=sys.stderr)
    return 1


@contextlib.contextmanager
def _umask(mask: int) -> Iterator[None]:
    former = os.umask(mask)
    try:
        yield
    finally:
        os.umask(former)


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
    parser = argparse.ArgumentParser(
        prog="server.py", usage="%(prog)s [command] [settings]", description=__doc__, parents=[shared]
    )
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
        if name == "bench":
            command.add_argument("what", choices=["answers"], help="what is measured")
            command.add_argument("--questions", required=True, type=Path, metavar="FILE", help="see the guides")
            command.add_argument("--report", type=Path, metavar="DIR", help="default: 'report' in the data directory")
            command.add_argument("--limit", default=0, type=int, metavar="N", help="only the first N questions")
        if name == "bundle":
            command.add_argument("folder", type=Path, metavar="DIR", help="made anew")
            command.add_argument("--portable", action="store_true", help="for other processors than this one's, too")
            command.add_argument(
                "--models", nargs="+", type=Path, default=[], metavar="FILE", help="instead of these here"
            )
            command.add_argument("--tar", action="store_true", help="one file DIR.tar instead of a folder")
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
    if command == "bench":
        return _bench(settings, lang, flags)
    if command == "bundle":
        return _bundle(settings, lang, flags)
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
    # Models hold nothing private, and another user may run the server.
    with contextlib.closing(Bars()) as bars, _umask(0o022):
        starter.fetch(settings.models_dir, bars.show, kinds=missing)
    return choose_models(settings, names, announce)


# bundle


def _bundle(settings: Settings, lang: Lang, flags: dict[str, Any]) -> int:
    """Make a bundle with the models given, and those in use here for the kinds that are not among them."""
    if sys.platform != "linux":
        raise RagError("BUNDLE-001", reason=sys.platform)
    from models import starter
    from rag import bundle, probe

    place = bundle.place_of(flags["folder"], flags["tar"])
    found = _models(settings, lang)
    files, verdicts = {}, {}
    for path in map(Path.absolute, flags["models"]):
        verdict = probe.trusted(settings, path, lambda file: say(lang, "trying", file=file.name))
        if verdict.kind == "other":
            raise RagError("GEN-002", file=path.name, reason="neither chats nor embeds", directory=str(path.parent))
        files[path], verdicts[verdict.kind] = "", verdict
    for model in (found.chat, found.embed):
        if model.verdict.kind not in verdicts:
            files[model.path], verdicts[model.verdict.kind] = "", model.verdict
    for each in starter.starters():
        # Of a starter that is no conversion the content is known.
        if each.member.endswith(".gguf") and settings.models_dir / each.file in files:
            files[settings.models_dir / each.file] = each.member_sha256
    wanted = bundle.Wanted(
        root=Path(__file__).resolve().parent,
        version=VERSION,
        models=list(files.items()),
        portable=flags["portable"],
        # A library that was built wrongly for this processor is told by the trial of the models.
        reuse=all(verdict.extra_bufts or verdict.note == probe.MIXED for verdict in verdicts.values()),
    )
    with contextlib.closing(Bars()) as bars:
        digest = bundle.make(flags["folder"], wanted, bars.show, tar=flags["tar"])
    say(lang, "bundled", place=place, digest=digest)
    return 0


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
    """Hold the data directory. Raises `RagError` SETUP-004 if another process does, SETUP-011 if it is too new."""
    try:
        with FileLock(settings.data_dir / "lock", timeout=0):
            dataformat.claim(settings.data_dir)
            yield
    except Timeout:
        raise RagError("SETUP-004", directory=str(settings.data_dir)) from None


# serve


def _serve(settings: Settings, lang: Lang) -> int:
    with Ending() as ending:
        with contextlib.suppress(Stopped):
            _serve_until(ending, settings, lang)
        ending.leave()
    return 0


def _serve_until(ending: Ending, settings: Settings, lang: Lang) -> None:
    from web import connections, listening, tls

    memory.bound()
    sys.setswitchinterval(TURN)
    files = settings.tls()
    context = tls.server_context(*files) if files else None
    _writable(settings.data_dir)
    if settings.api_key_file and others_can_read(settings.api_key_file):
        say(lang, "exposed", file=settings.api_key_file)
    listening.allow_files(connections.wanted_connections(settings.max_connections) + connections.OTHER_FILES)
    socket = listening.bind(settings.host, settings.port, to_all=bool(settings.api_key) or settings.insecure_no_auth)
    with _alone(settings):
        models = _models(settings, lang)
        from web import serving
        from web.app import create_app

        port = socket.getsockname()[1]
        scheme = "https" if context else "http"
        url = listening.url_of(scheme, settings.host, port)
        local = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
        record = settings.data_dir / "server.json"
        about = {"url": listening.url_of(scheme, local, port), "pid": os.getpid()}
        if files:
            about["certificate"] = tls.first_certificate(files[0])
        ending.last = lambda: record.unlink(missing_ok=True)
        try:
            jsonfile.save(record, about)
            app = create_app(settings, VERSION, models=models)
            serving.run(app, socket, lambda: say(lang, "ready", url=url), ending, ssl_context=context)
        finally:
            record.unlink(missing_ok=True)


# ingest, documents, delete

# Files that are handed to a running server before the first of them is stored.
AHEAD = 16

T = TypeVar("T")
Here = Callable[[], Awaitable[T]]
There = Callable[["Client"], Awaitable[T]]


async def _here_or_there(settings: Settings, lang: Lang, here: Here[T], there: There[T]) -> T:
    """Do it in this process, or let the server do it that holds the data directory, given a client of it."""
    _writable(settings.data_dir)
    try:
        with _alone(settings):
            return await here()
    except RagError as error:
        server = jsonfile.load(settings.data_dir / "server.json")
        if error.code != "SETUP-004" or not server.get("url"):
            raise
    from web.client import Client

    certificate, key = server.get("certificate", ""), next(iter(settings.api_key), "")
    async with Client(
        server["url"], lang=lang, answers=settings.answers, api_key=key, certificate=certificate
    ) as client:
        return await there(client)


async def _ingest(settings: Settings, lang: Lang, paths: Sequence[Path]) -> int:
    from rag.folders import find_files

    files = [(source, path) for given in paths for source, path in find_files(given)]
    if not files:
        say(lang, "nothing")
        return 1

    async def there(client: Client) -> list[str]:
        say(lang, "handed", url=client.url)
        return await _hand_over(client, lang, files)

    results = await _here_or_there(settings, lang, lambda: _ingest_here(settings, lang, files), there)
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
        with contextlib.closing(Total(len(files))) as total:
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


async def _hand_over(client: Client, lang: Lang, files: Files) -> list[str]:
    """Upload to the server that holds the data directory. For each file "" or its error."""

    async def send(source: str, path: Path) -> str:
        try:
            return await total.follow(source, client.upload(path, name=source))
        except Refused as refusal:
            return total.end(source, refusal.body)

    # So many at a time, in order.
    left = iter(files)

    async def some() -> list[str]:
        return [await send(source, path) for source, path in left]

    with contextlib.closing(Total(len(files))) as total:
        return [text for part in await asyncio.gather(*(some() for _ in range(AHEAD))) for text in part]


async def _documents(settings: Settings, lang: Lang, query: str) -> int:
    """List the documents whose name holds the query, the newest first."""

    async def here() -> Sequence[Mapping[str, Any]]:
        from rag.service import open_index

        models = await asyncio.to_thread(_models, settings, lang)
        async with open_index(settings, models.embed, lambda done, total: None) as index:
            documents, _ = await index.store.list_documents(query, 0, sys.maxsize)
        return [{"id": each.id, "passages": each.passages, "name": each.source} for each in documents]

    async def there(client: Client) -> Sequence[Mapping[str, Any]]:
        return await client.documents(query)

    for row in await _here_or_there(settings, lang, here, there):
        print(f"{row['id']}  {row['passages']:6d}  {logs.printable(row['name'])}")
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

    async def there(client: Client) -> None:
        for document_id in ids:
            await client.delete(document_id)

    await _here_or_there(settings, lang, here, there)
    say(lang, "deleted", count=len(ids))
    return 0


# ask, bench


async def _ask(settings: Settings, lang: Lang, question: str) -> int:
    """Answer one question on the terminal; the server that holds the data directory does it, if there is one."""

    async def show_answer(door: Door, about: dict[str, str]) -> None:
        await show(door.ask(question, f"terminal-{os.getpid()}"), lang)

    await _with_chat(settings, lang, show_answer)
    return 0


async def _with_chat(settings: Settings, lang: Lang, use: Callable[[Door, dict[str, str]], Awaitable[None]]) -> None:
    """Call `use` with the chat of this process, or of the server that holds the data directory, and its models."""

    async def here() -> None:
        from rag.examiner import Here
        from rag.service import open_chat, open_index

        models = await asyncio.to_thread(_models, settings, lang)
        about = {"model": models.chat.verdict.name, "embed_model": models.embed.verdict.name}
        async with (
            open_index(settings, models.embed, lambda done, total: None) as index,
            open_chat(settings, models.chat, index, time.time) as chat,
        ):
            await use(Here(chat, index.store, lang), about)

    async def there(client: Client) -> None:
        health = await client.loaded()
        await use(client, {name: health[name] for name in ("model", "embed_model")})

    await _here_or_there(settings, lang, here, there)


def _bench(settings: Settings, lang: Lang, flags: dict[str, Any]) -> int:
    """Ask the questions of a file and report how good the answers are. What there is when it is interrupted, too."""
    from rag import questions, report
    from rag.evaluation import Outcome, by_language
    from rag.examiner import examine

    cases = questions.read(flags["questions"])[: flags["limit"] or None]
    folder: Path = flags["report"] or settings.data_dir / "report"
    _writable(folder)
    outcomes: list[Outcome] = []
    about = {"questions": flags["questions"].name, "made": time.strftime("%Y-%m-%d %H:%M")}

    async def ask_all(door: Door, models: dict[str, str]) -> None:
        about.update(models)
        with tqdm(total=len(cases), unit="question") as bar:
            async for outcome in examine(cases, door):
                outcomes.append(outcome)
                bar.update()

    try:
        asyncio.run(_with_chat(settings, lang, ask_all))
    finally:
        if outcomes:
            print(report.text(by_language(outcomes), lang), flush=True)
            files = report.save(report.Evaluation(outcomes, about, len(outcomes) == len(cases)), folder, lang)
            say(lang, "reported", files=", ".join(map(str, files)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
