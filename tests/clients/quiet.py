"""Run in namespaces of its own: everything that a user does with RAG Standard, while two recorders listen.

usage: unshare -rnm python quiet.py FOLDER DATA_DIR MODELS_DIR

Prints one object of JSON: `control` is what the recorders heard of a program that does go out, so that their silence
means something; `calls` and `packets` are what they heard of RAG Standard and of the browser.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from rag.loaders import SUPPORTED
from tests import office_files as office
from tests import recorder
from tests.conftest import PROGRAM, ROOT, Server, start_server
from tests.socket_client import Event, ask
from tests.test_loaders import pdf
from tests.test_loaders_letters import letter

QUESTIONS = {"en": "How long does the warranty last?", "ko": "보증 기간은 몇 년입니까?"}
# Named by every document, beside the names that the page and the guides hold.
HOST = "harm.example"
PORT, NAME = "192.0.2.1:9", f"{recorder.NAME_SERVER}:53 .name.example"
GOES_OUT = """
import socket
try:
    socket.create_connection(("192.0.2.1", 9), timeout=0.5)
except OSError:
    pass
try:
    socket.getaddrinfo("name.example", 80)
except OSError:
    pass
"""
PATIENCE = 120.0


def one_of_each() -> dict[str, bytes]:
    """A small file of each supported format."""
    text = f"보증 기간은 2년입니다. The warranty lasts two years. See https://{HOST}/a"
    page = f"<!doctype html><title>t</title><img src='http://{HOST}/a.png'><p>{text}</p>".encode()
    words = f"<text:p>{text}</text:p>"
    frame = f"<draw:page><draw:frame><draw:text-box>{words}</draw:text-box></draw:frame></draw:page>"
    row = f"<table:table-row><table:table-cell>{words}</table:table-cell></table:table-row>"
    made = {
        "csv": f"a,b\n{text},1\n".encode(),
        "tsv": f"a\tb\n{text}\t1\n".encode(),
        "docx": office.docx(office.paragraph(text)),
        "xlsx": office.xlsx({"one": office.inline_row(text)}),
        "pptx": office.pptx(office.shape(text)),
        "odt": office.opendocument("text", words),
        "ods": office.opendocument("spreadsheet", f"<table:table>{row}</table:table>"),
        "odp": office.opendocument("presentation", frame),
        "epub": office.epub({"one.xhtml": f"<p>{text}</p>"}),
        "pdf": pdf([text]),
        "eml": letter().as_bytes(),
        "rtf": rb"{\rtf1\ansi The warranty lasts two years.}",
        "json": json.dumps({"text": text}).encode(),
        "jsonl": json.dumps({"text": text, "line": 1}).encode(),
    }
    made |= dict.fromkeys(("html", "htm", "xhtml"), page) | dict.fromkeys(("md", "markdown", "txt"), text.encode())
    assert {f".{kind}" for kind in made} == set(SUPPORTED)
    # Each is of its own, as the same content is stored once.
    suffixes = {"html": b"<p>1", "htm": b"<p>2", "xhtml": b"<p>3", "md": b" 1", "markdown": b" 2", "txt": b" 3"}
    return {f"one.{kind}": data + suffixes.get(kind, b"") for kind, data in made.items()}


class Run:
    def __init__(self, folder: Path, data: Path, models: Path) -> None:
        self.folder, self.models, self.data = folder, models, data
        self.logs: list[Path] = []
        self.took: dict[str, float] = {}

    def traced(self, name: str) -> list[str]:
        self.logs.append(self.folder / f"{name}.calls")
        return [*recorder.STRACE, str(self.logs[-1])]

    def command(self, name: str, *arguments: str) -> str:
        """A command of its own; what it printed."""
        place = ("--data-dir", str(self.data), "--models-dir", str(self.models))
        done = subprocess.run(
            [*self.traced(name), *PROGRAM, *arguments, *place], capture_output=True, text=True, timeout=400, check=False
        )
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        return done.stdout

    def heard(self) -> dict[str, list[str]]:
        """What the calls were, as soon as every tracer has written all of it."""
        found = {}
        for log in self.logs:
            wait_for(lambda log=log: "+++ exited" in last_line(log) or "+++ killed" in last_line(log), log.name)
            found[log.stem] = list(recorder.foreign(log.read_text().splitlines()))
        return found

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        begun = time.monotonic()
        yield
        self.took[name] = round(time.monotonic() - begun, 1)


def last_line(file: Path) -> str:
    lines = file.read_text().splitlines() if file.exists() else []
    return lines[-1] if lines else ""


def wait_for(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def control(folder: Path, wire: recorder.Wire | None) -> dict[str, Any]:
    """What the recorders hear of a program that goes out."""
    log = folder / "control.calls"
    subprocess.run([*recorder.STRACE, str(log), sys.executable, "-c", GOES_OUT], timeout=60, check=True)
    wait_for(lambda: "+++ exited" in last_line(log), "the control")
    calls = list(recorder.foreign(log.read_text().splitlines()))
    packets: list[str] = []
    if wire:
        wait_for(lambda: {NAME, PORT} <= set(wire.packets), "packets of the control")
        packets = sorted(set(wire.packets))
        wire.packets.clear()
    return {"calls": calls, "packets": packets}


def free_answer(server: Server, question: str) -> list[Event]:
    """The model's own words, not a quotation."""
    return ask(server.ws_url, question, query="&answers=free")


def look_at_the_page(run: Run, server: Server) -> list[str]:
    """Ask on the page with a browser; the addresses that the page asked for."""
    from tests.browser.conftest import headless
    from tests.browser.page import Page

    # Names that stand in no text of ours are the browser's own affair, such as the search engine of its new tabs.
    ours = sorted({HOST, "127.0.0.1", *hosts_named()})
    rules = ", ".join(["MAP * ~NOTFOUND", *(f"EXCLUDE {host}" for host in ours)])
    driver = headless(run.folder / "profile", "ko", f"--host-resolver-rules={rules}")
    try:
        page = Page(driver, server.url)
        page.ask(QUESTIONS["ko"])
        page.until(lambda: page.phases() == ["done"] and page.idle())
        driver.get(f"{server.url}/guides/13-security?lang=en")
        page.until(lambda: driver.execute_script("return document.readyState") == "complete")
        return [*requests_of(driver)]
    finally:
        driver.quit()


def requests_of(driver: Any) -> Iterator[str]:
    """The addresses that pages have asked for, sockets among them. What the browser asks itself for is left out."""
    for entry in driver.get_log("performance"):
        told = json.loads(entry["message"])["message"]
        if told["method"] == "Network.requestWillBeSent":
            url = told["params"]["request"]["url"]
            if not url.startswith(("chrome:", "data:")):
                yield url
        elif told["method"] == "Network.webSocketCreated":
            yield told["params"]["url"]


def hosts_named() -> set[str]:
    """Every host that the page and the guides name."""
    files = [path for path in (ROOT / "web").rglob("*") if path.suffix in (".js", ".html", ".css", ".md", ".svg")]
    return {host for path in files for host in re.findall(r"https?://([\w.-]+)", path.read_text(encoding="utf-8"))}


def main() -> None:
    folder, data, models = (Path(argument) for argument in sys.argv[1:4])
    recorder.bring_up("lo")
    recorder.ask_names_outside(folder)
    wire = recorder.Wire() if os.path.exists("/dev/net/tun") else None
    run = Run(folder, data, models)
    try:
        result: dict[str, Any] = {"control": control(folder, wire)}
        documents = folder / "documents"
        documents.mkdir()
        for name, data in one_of_each().items():
            (documents / name).write_bytes(data)
        with run.timed("start"):
            server = start_server(
                run.data, models, ["--max-tokens", "24"], wrap=run.traced("serve"), offline=False
            ).wait()
        try:
            result["status"] = server.health()["status"]
            with run.timed("ingest"):
                run.command("ingest", "ingest", str(documents))
            with run.timed("chat"):
                result["events"] = {lang: free_answer(server, asked) for lang, asked in QUESTIONS.items()}
            with run.timed("handed"):
                result["told"] = run.command("asked", "ask", QUESTIONS["en"])
                result["documents"] = run.command("listed", "documents").splitlines()
            if shutil.which("chromium") and shutil.which("chromedriver"):
                with run.timed("page"):
                    result["page"] = look_at_the_page(run, server)
                    result["url"] = server.url
        finally:
            with run.timed("stop"):
                result["exit"] = server.stop()
        with run.timed("doctor"):
            run.command("doctor", "doctor")
        with run.timed("ask"):
            run.command("ask", "ask", QUESTIONS["ko"])
        result |= {"calls": run.heard(), "took": run.took}
    finally:
        if wire:
            wire.close()
    print(json.dumps(result | {"packets": wire.packets if wire else None}))


if __name__ == "__main__":
    main()
