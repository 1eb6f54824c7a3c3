"""The command line as a person uses it: real processes, real models, one clear message where something is wrong."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

import server as program
from rag.ending import Ending, Stopped
from rag.settings import TABLE, load
from server import COMMANDS

from .conftest import ROOT, Server, start_server
from .socket_client import ask, is_korean, types


def run(*arguments: str, lang: str = "en", check: int | None = None) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("RAG_", "LC_", "LANG"))}
    done = subprocess.run(
        [sys.executable, str(ROOT / "server.py"), *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        env=environ | {"LANG": {"en": "C.UTF-8", "ko": "ko_KR.UTF-8"}[lang], "PYTHONUTF8": "1"},
        check=False,
    )
    assert "Traceback" not in done.stderr + done.stdout
    assert check is None or done.returncode == check, done.stdout + done.stderr
    return done


def directories(data_dir: Path, models_dir: Path) -> Sequence[str]:
    return ["--data-dir", str(data_dir), "--models-dir", str(models_dir), "--offline"]


def test_help_names_every_command_and_every_setting() -> None:
    text = run("--help", check=0).stdout
    for name in (*COMMANDS, *(setting.flag for setting in TABLE), *(setting.variable for setting in TABLE)):
        assert name in text
    assert len(text.splitlines()) < 130


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_without_models_and_network_the_files_and_the_place_are_named(tmp_path: Path, lang: str) -> None:
    done = run(*directories(tmp_path / "data", tmp_path / "models"), "--port", "0", lang=lang, check=1)
    assert done.stderr.startswith("SETUP-001")
    for named in ("SmolLM2-135M-Instruct.Q4_1.gguf", "all-MiniLM-L6-v2.Q8_0.gguf", str(tmp_path / "models")):
        assert named in done.stderr
    assert is_korean(done.stderr) == (lang == "ko")


def test_a_port_in_use_is_told_before_anything_is_fetched(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        done = run("--data-dir", str(tmp_path), "--models-dir", str(tmp_path / "none"), "--port", port, check=1)
    assert done.stderr.startswith("SETUP-002")
    assert f"127.0.0.1:{port}" in done.stderr
    assert not (tmp_path / "none").exists()


def test_a_thread_that_works_lets_the_event_loop_take_its_turn_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(_: Path) -> None:
        raise Stopped

    monkeypatch.setattr(program, "_writable", stop)
    before, usual = sys.getswitchinterval(), 0.005
    sys.setswitchinterval(usual)
    try:
        with Ending() as ending, pytest.raises(Stopped):
            program._serve_until(ending, load({"data_dir": str(tmp_path)}, {}), "en")
        assert sys.getswitchinterval() < usual
    finally:
        sys.setswitchinterval(before)


def test_an_unwritable_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("--data-dir", str(tmp_path / "file" / "data"), "--offline", check=1)
    assert done.stderr.startswith("SETUP-003")
    assert str(tmp_path / "file" / "data") in done.stderr


@pytest.mark.parametrize("arguments", [["--port", "many"], ["--ctx", "-1"], ["--lang", "fr"], ["--temperature", "nan"]])
def test_a_bad_setting_is_named_with_its_value(arguments: list[str]) -> None:
    done = run(*arguments, check=1)
    assert done.stderr.startswith("SETUP-006")
    assert f"{arguments[0]} = {arguments[1]}" in done.stderr


@pytest.mark.model
@pytest.mark.parametrize(
    "content", [b"", b"not a model", b"GGUF\x03\0\0\0", None], ids=["empty", "text", "header", "cut"]
)
def test_a_broken_model_is_one_clear_line(starter_models: Path, tmp_path: Path, content: bytes | None) -> None:
    broken = tmp_path / "broken.gguf"
    if content is None:
        with (starter_models / "SmolLM2-135M-Instruct.Q4_1.gguf").open("rb") as whole:
            content = whole.read(20_000_000)
    broken.write_bytes(content)
    done = run(*directories(tmp_path / "data", starter_models), "--port", "0", "--model", str(broken), check=1)
    assert done.stderr.startswith("GEN-002")
    assert "broken.gguf" in done.stderr


@pytest.mark.model
def test_an_embedder_is_not_taken_for_a_chat_model(starter_models: Path, tmp_path: Path) -> None:
    embedder = starter_models / "all-MiniLM-L6-v2.Q8_0.gguf"
    done = run(*directories(tmp_path, starter_models), "--port", "0", "--model", str(embedder), check=1)
    assert done.stderr.startswith("GEN-002")


@pytest.mark.model
@pytest.mark.parametrize("lang", ["en", "ko"])
def test_doctor_says_what_it_found(starter_models: Path, tmp_path: Path, lang: str) -> None:
    text = run("doctor", *directories(tmp_path, starter_models), lang=lang, check=0).stdout
    for found in ("llama-cpp-python 0.3.36", "SmolLM2-135M-Instruct", "all-MiniLM-L6-v2", "GiB", str(starter_models)):
        assert found in text
    assert {"en": "flash attention", "ko": "플래시 어텐션"}[lang] in text


@pytest.mark.model
def test_a_second_server_on_the_same_data_is_refused(server: Server, starter_models: Path) -> None:
    done = run(*directories(server.data_dir, starter_models), "--port", "0", check=1)
    assert done.stderr.startswith("SETUP-004")


@pytest.mark.model
def test_documents_are_ingested_without_a_server_and_found_by_one_that_has_a_copy_of_the_data(
    starter_models: Path, tmp_path: Path
) -> None:
    folder, data_dir = tmp_path / "papers", tmp_path / "data"
    (folder / "sub").mkdir(parents=True)
    (folder / "pump.md").write_text("# The Zorblax pump\n\nThe Zorblax pump weighs 37 kilograms.\n")
    (folder / "sub" / "휴가.txt").write_bytes("연차 휴가는 일 년에 십오 일입니다.\n".encode("cp949"))
    (folder / "picture.png").write_bytes(b"\x89PNG")
    (tmp_path / "empty.md").write_text("")
    where = directories(data_dir, starter_models)
    done = run("ingest", *where, str(folder), str(tmp_path / "empty.md"), check=1)
    assert "2 documents stored, 1 failed" in done.stdout
    assert "DOC-003" in done.stderr
    missing = run("ingest", *where, str(tmp_path / "none"), check=1)
    assert missing.stderr.startswith("DOC-008")
    copy = tmp_path / "another place" / "data"
    shutil.copytree(data_dir, copy)
    shutil.rmtree(data_dir)
    server = start_server(copy, starter_models, ["--max-tokens", "16"]).wait()
    try:
        for question, source in (
            ("How much does the Zorblax pump weigh?", "papers/pump.md"),
            ("연차 휴가는 며칠인가요?", "papers/sub/휴가.txt"),
        ):
            events = ask(server.ws_url, question)
            assert events[-2]["sources"][0]["metadata"]["source"] == source
    finally:
        server.stop()


@pytest.mark.model
def test_while_a_server_runs_it_is_handed_the_work(server: Server, starter_models: Path, tmp_path: Path) -> None:
    file = tmp_path / "새 문서.md"
    file.write_text("# Quibblewort\n\nQuibblewort tea is served at 61 degrees.\n")
    done = run("ingest", *directories(server.data_dir, starter_models), str(file), check=0)
    assert server.url in done.stdout
    assert "1 documents stored, 0 failed" in done.stdout
    events = ask(server.ws_url, "At how many degrees is Quibblewort tea served?")
    assert events[-2]["sources"][0]["metadata"]["source"] == "새 문서.md"
    refused = run("ingest", *directories(server.data_dir, starter_models), __file__, check=1)
    assert "DOC-001" in refused.stderr
    answered = run("ask", *directories(server.data_dir, starter_models), "What is Quibblewort tea?", check=0)
    assert "[1] Quibblewort" in answered.stdout


@pytest.mark.model
def test_a_server_that_dies_under_the_work_is_told_and_takes_it_up_again(
    starter_models: Path, data_dir: Path, tmp_path: Path
) -> None:
    file = tmp_path / "long.txt"
    file.write_text("\n\n".join(f"The zylophant number {n} eats {n} leaves. " * 20 for n in range(400)))
    server = start_server(data_dir, starter_models).wait()
    killer = threading.Thread(target=lambda: (wait_for(data_dir / "incoming"), server.stop(signal.SIGKILL)))
    killer.start()
    done = run("ingest", *directories(data_dir, starter_models), str(file), check=1)
    killer.join()
    assert "SETUP-007" in done.stderr
    assert "0 documents stored, 1 failed" in done.stdout
    (left,) = (path.name for path in (data_dir / "incoming").iterdir())
    assert not left.startswith("."), "it was accepted, so it is kept"


def wait_for(incoming: Path) -> None:
    """Until a job was accepted there."""
    while not any(not path.name.startswith(".") for path in incoming.iterdir()):
        time.sleep(0.01)


@pytest.mark.model
def test_a_question_is_answered_on_the_terminal_without_a_server(starter_models: Path, tmp_path: Path) -> None:
    where = directories(tmp_path / "data", starter_models)
    empty = run("ask", *where, "What is it?", check=0)
    assert "I found nothing about this" in empty.stdout
    (tmp_path / "a.md").write_text("# Gnomon\n\nA gnomon casts the shadow of a sundial.\n")
    run("ingest", *where, str(tmp_path / "a.md"), check=0)
    answered = run("ask", *where, "--max-tokens", "16", "What does a gnomon do?", check=0)
    assert "[1] Gnomon · a.md" in answered.stdout


@pytest.mark.model
def test_another_embedding_model_gets_the_documents_embedded_anew(starter_models: Path, tmp_path: Path) -> None:
    where = directories(tmp_path / "data", starter_models)
    (tmp_path / "a.md").write_text("# Gnomon\n\nA gnomon casts the shadow of a sundial.\n")
    run("ingest", *where, str(tmp_path / "a.md"), check=0)
    index = tmp_path / "data" / "index"
    (before,) = [path.name for path in index.iterdir()]
    # The same model under another name has another table, as another model would.
    other = rename_model(starter_models / "all-MiniLM-L6-v2.Q8_0.gguf", tmp_path / "other.gguf")
    answered = run("ask", *where, "--embed-model", str(other), "--max-tokens", "4", "What is a gnomon?", check=0)
    assert "[1] Gnomon · a.md" in answered.stdout
    assert before not in [path.name for path in index.iterdir()]


def rename_model(source: Path, target: Path) -> Path:
    data = source.read_bytes()
    name = b"all-MiniLM-L6-v2"
    assert name in data
    target.write_bytes(data.replace(name, b"another-name-v02", 1))
    return target


@pytest.mark.model
def test_a_server_that_is_interrupted_ends_cleanly(starter_models: Path, data_dir: Path) -> None:
    server = start_server(data_dir, starter_models).wait()
    assert types(ask(server.ws_url, "What is RAG Standard?"))[-1] == "stream_end"
    assert server.stop(signal.SIGINT) in (0, 130)
    assert "Traceback" not in "".join(server.lines)
    assert not (data_dir / "server.json").exists()


@pytest.mark.model
def test_documents_are_listed_and_deleted_with_and_without_a_server(starter_models: Path, tmp_path: Path) -> None:
    data_dir, where = tmp_path / "data", directories(tmp_path / "data", starter_models)
    for name in ("gnomon", "sextant", "copy of gnomon"):
        (tmp_path / f"{name}.md").write_text(f"# {name.split()[-1]}\n\nAn instrument.\n")
        run("ingest", *where, str(tmp_path / f"{name}.md"), check=0)
    listed = run("documents", *where, check=0).stdout.split("\n")
    assert [line.split()[-1] for line in listed if line] == ["sextant.md", "gnomon.md"], "the copy is no document more"
    (id, passages, _) = run("documents", *where, "GNOMON", check=0).stdout.split()
    assert passages == "1"
    assert "1 documents deleted" in run("delete", *where, id, check=0).stdout
    assert run("delete", *where, id, check=1).stderr.startswith("DOC-007")
    server = start_server(data_dir, starter_models).wait()
    try:
        (id, _, name) = run("documents", *where, "sextant", check=0).stdout.split()
        assert name == "sextant.md"
        run("delete", *where, id, check=0)
        assert run("documents", *where, "sextant", check=0).stdout == ""
        assert run("delete", *where, id, check=1).stderr.startswith("DOC-007")
    finally:
        server.stop()


@pytest.mark.model
def test_a_watched_folder_is_followed(starter_models: Path, data_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "papers"
    folder.mkdir()
    watch = ["--watch", str(folder), "--watch-seconds", "0.2", "--max-tokens", "4"]
    server = start_server(data_dir, starter_models, watch).wait()
    try:
        documents = server.health()["documents"]
        (folder / "pump.md").write_text("# The Zorblax pump\n\nThe Zorblax pump weighs 37 kilograms.\n")
        deadline = time.monotonic() + 60
        while server.health()["documents"] == documents and time.monotonic() < deadline:
            time.sleep(0.1)
        sources = ask(server.ws_url, "How much does the Zorblax pump weigh?")[-2]["sources"]
        assert sources[0]["metadata"]["source"] == "papers/pump.md"
        (folder / "pump.md").unlink()
        while server.health()["documents"] > documents and time.monotonic() < deadline:
            time.sleep(0.1)
        assert server.health()["documents"] == documents
    finally:
        server.stop()


@pytest.mark.model
def test_answers_over_own_documents_are_measured_with_and_without_a_server(
    starter_models: Path, tmp_path: Path
) -> None:
    data_dir, where = tmp_path / "data", directories(tmp_path / "data", starter_models)
    (tmp_path / "pump.md").write_text("# The Zorblax pump\n\nThe Zorblax pump weighs 37 kilograms.\n")
    (tmp_path / "휴가.txt").write_text("연차 휴가는 일 년에 십오 일입니다.\n")
    run("ingest", *where, str(tmp_path / "pump.md"), str(tmp_path / "휴가.txt"), check=0)
    questions = tmp_path / "questions.csv"
    questions.write_text(
        "question,expected,source\n"
        "How much does the Zorblax pump weigh?,37 kilograms|37 kg,pump.md\n"
        "연차 휴가는 며칠인가요?,십오 일,휴가.txt\n"
        "Who won the chess tournament of 1851?,not in the documents,\n"
    )
    report = tmp_path / "report"
    asked = ["bench", "answers", *where, "--questions", str(questions), "--report", str(report)]
    done = run(*asked, check=0)
    assert str(report / "answers.html") in done.stdout
    alone = json.loads((report / "answers.json").read_text(encoding="utf-8"))
    assert alone["whole"]
    assert alone["about"]["model"]
    assert [each["held"] for each in alone["questions"]] == [True, True, None]
    assert [each["source_at"] for each in alone["questions"]] == [1, 1, None]
    assert alone["summary"]["ko"]["verbatim"] == 1
    server = start_server(data_dir, starter_models).wait()
    try:
        served = run(*asked, "--limit", "2", lang="ko", check=0)
    finally:
        server.stop()
    assert "정답" in served.stdout
    found = json.loads((report / "answers.json").read_text(encoding="utf-8"))
    assert found["about"]["model"] == alone["about"]["model"]
    assert [each["held"] for each in found["questions"]] == [True, True]
    assert found["summary"]["ko"]["verbatim"] == 1


@pytest.mark.model
def test_an_interrupted_evaluation_prints_what_there_is(starter_models: Path, tmp_path: Path) -> None:
    (tmp_path / "questions.jsonl").write_text('{"question": "What is it?", "expected": "it"}\n' * 100_000)
    where = directories(tmp_path / "data", starter_models)
    command = [sys.executable, str(ROOT / "server.py"), "bench", "answers", *where]
    command += ["--questions", str(tmp_path / "questions.jsonl")]

    def heed() -> None:
        # Whatever runs in the background of a shell was told to ignore it, and hands that on.
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed)
    assert process.stderr is not None
    seen = ""
    while not re.search(r" [1-9]\d*/100000", seen):
        seen += process.stderr.read(80)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "answers.json" in out
    found = json.loads((tmp_path / "data" / "report" / "answers.json").read_text(encoding="utf-8"))
    assert not found["whole"]
    assert found["questions"]


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_a_bad_file_of_questions_is_told_with_its_line_before_anything_is_loaded(tmp_path: Path, lang: str) -> None:
    (tmp_path / "q.jsonl").write_text('{"question": "a?", "expected": "b"}\n{"question": "c?"}\n')
    where = directories(tmp_path / "data", tmp_path / "none")
    done = run("bench", "answers", *where, "--questions", str(tmp_path / "q.jsonl"), lang=lang, check=1)
    assert done.stderr.startswith("BENCH-001")
    assert "q.jsonl" in done.stderr
    assert {"en": "Line 2", "ko": "2번째 줄"}[lang] in done.stderr
