"""A model is trusted only after a child process has lived through it, and the verdict is remembered."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pytest

from rag import llama, probe
from rag.errors import RagError
from rag.probe import Verdict, judge
from rag.tuning import Tuning, alike_together

TUNING = Tuning(flash_attention=True, kv_type="q8_0", prefill=100.0, decode=10.0, cost=((1, 0.1), (2, 0.15)))
FOUND = {"kind": "chat", "name": "Tiny", "tuning": asdict(TUNING)}
LIVES = f"print('some noise'); print({json.dumps(FOUND)!r})"
DIES = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
DIES_READING = f"""print('{{"read": false}}', flush=True); {DIES}"""
MIXES = """print('{"read": true}'); print('{"mixed": true}')"""
DIES_LATER = f"""print('{{"read": false}}'); print('{{"read": true}}', flush=True); {DIES}"""


@dataclass
class Children:
    """Runs real children: what the program for each is, given its arguments."""

    with_extra: str = LIVES
    without_extra: str = LIVES
    calls: list[list[str]] = field(default_factory=list)

    def __call__(self, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        self.calls.append(list(arguments))
        program = self.with_extra if arguments[1] == "1" else self.without_extra
        return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.gguf"
    path.write_bytes(b"GGUF")
    return path


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    return tmp_path / "data" / "verdicts.json"


def test_a_child_that_lives_is_believed(model: Path, memory: Path) -> None:
    children = Children()
    assert judge(model, memory, 2, children) == Verdict("chat", "Tiny", True, TUNING)
    assert children.calls == [[str(model), "1", "2", ""]]


def test_a_verdict_is_remembered(model: Path, memory: Path) -> None:
    verdict = judge(model, memory, 2, Children())
    again = Children()
    assert judge(model, memory, 2, again) == verdict
    assert again.calls == []


def test_another_model_does_not_push_a_verdict_out(model: Path, memory: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.gguf"
    other.write_bytes(b"GGUF other")
    children = Children()
    for path in (model, other, model, other):
        judge(path, memory, 2, children)
    assert len(children.calls) == 2


@pytest.mark.parametrize("change", ["size", "time", "threads", "library", "build", "cpu"])
def test_a_verdict_holds_only_for_what_was_tried(
    change: str, model: Path, memory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = tmp_path / "libggml-cpu.so"
    library.write_bytes(b"one")
    monkeypatch.setattr(llama, "library_path", lambda: library)
    judge(model, memory, 2, Children())
    threads = 2
    if change == "size":
        model.write_bytes(b"GGUF more")
    elif change == "time":
        os.utime(model, ns=(1, 1))
    elif change == "threads":
        threads = 3
    elif change == "library":
        monkeypatch.setattr(llama, "library_version", lambda: "9.9")
    elif change == "build":
        library.write_bytes(b"another build of the same version")
    else:
        monkeypatch.setattr(probe, "_cpu_name", lambda: "another CPU")
    again = Children()
    judge(model, memory, threads, again)
    assert len(again.calls) == 1


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "5"])
def test_a_damaged_memory_is_forgotten(content: str, model: Path, memory: Path) -> None:
    memory.parent.mkdir()
    memory.write_text(content)
    assert judge(model, memory, 2, Children()).name == "Tiny"
    assert judge(model, memory, 2, Children()).name == "Tiny"


@pytest.mark.parametrize(
    "remembered",
    [
        {"kind": "chat", "name": "old", "speed": 1},
        {"kind": "chat", "name": "old", "tuning": {}},
        {"name": "old"},
        [],
        5,
    ],
)
def test_a_verdict_of_another_version_is_forgotten(remembered: object, model: Path, memory: Path) -> None:
    judge(model, memory, 2, Children())
    (key,) = json.loads(memory.read_text())
    memory.write_text(json.dumps({key: remembered}))
    assert judge(model, memory, 2, Children()).name == "Tiny"


def test_a_child_that_dies_by_a_signal_is_tried_again_without_extra_buffers(model: Path, memory: Path) -> None:
    children = Children(with_extra=DIES)
    verdict = judge(model, memory, 2, children)
    assert [arguments[1] for arguments in children.calls] == ["1", "0"]
    assert verdict.extra_bufts is False
    assert verdict.tuning == TUNING
    assert "SIGSEGV" in verdict.note
    # Remembered too: a start must not die once more each time.
    again = Children(with_extra=DIES)
    assert judge(model, memory, 2, again) == verdict
    assert again.calls == []


def test_a_model_that_mixes_chats_up_is_used_without_extra_buffers(model: Path, memory: Path) -> None:
    children = Children(with_extra=MIXES)
    verdict = judge(model, memory, 2, children)
    assert [arguments[1] for arguments in children.calls] == ["1", "0"]
    assert verdict == Verdict("chat", "Tiny", False, TUNING, note=probe.MIXED)
    again = Children(with_extra=MIXES)
    assert judge(model, memory, 2, again) == verdict
    assert again.calls == []


def test_a_model_that_kills_both_children_is_setup_005_and_remembered_as_such(model: Path, memory: Path) -> None:
    for children, calls in ((Children(DIES, DIES), 2), (Children(), 0)):
        with pytest.raises(RagError) as caught:
            judge(model, memory, 2, children)
        assert caught.value.code == "SETUP-005"
        assert caught.value.data == {"file": "tiny.gguf", "reason": "SIGSEGV"}
        assert len(children.calls) == calls
    # The doctor looks again, and what it finds counts from then on.
    assert judge(model, memory, 2, Children(), anew=True).name == "Tiny"
    assert judge(model, memory, 2, Children(DIES, DIES)).name == "Tiny"


def test_an_end_that_was_no_fault_of_the_library_is_tried_again_next_time(model: Path, memory: Path) -> None:
    children = Children(with_extra=DIES, without_extra="import sys; sys.exit(3)")
    with pytest.raises(RagError) as caught:
        judge(model, memory, 2, children)
    assert caught.value.code == "SETUP-005"
    assert caught.value.data == {"file": "tiny.gguf", "reason": "exit 3"}
    assert judge(model, memory, 2, Children()).extra_bufts is True


def test_a_file_that_cannot_be_loaded_is_gen_002_with_the_reason_and_is_not_tried_twice(
    model: Path, memory: Path
) -> None:
    children = Children(with_extra='print(\'{"error": "bad magic"}\')')
    with pytest.raises(RagError) as caught:
        judge(model, memory, 2, children)
    assert caught.value.code == "GEN-002"
    assert caught.value.data == {"file": "tiny.gguf", "reason": "bad magic", "directory": str(model.parent)}
    assert len(children.calls) == 1
    assert not memory.exists()


def test_a_file_that_is_deadly_to_read_is_gen_002_and_that_is_remembered(model: Path, memory: Path) -> None:
    children = Children(DIES_READING, DIES_READING)
    for _ in range(2):
        with pytest.raises(RagError) as caught:
            judge(model, memory, 2, children)
        assert caught.value.code == "GEN-002"
        assert caught.value.data["reason"] == "reading it ends with SIGSEGV"
    assert len(children.calls) == 2


def test_a_death_after_the_file_was_read_is_the_librarys(model: Path, memory: Path) -> None:
    with pytest.raises(RagError) as caught:
        judge(model, memory, 2, Children(DIES_LATER, DIES_LATER))
    assert caught.value.code == "SETUP-005"


def test_a_missing_file_is_gen_002_without_a_child(memory: Path, tmp_path: Path) -> None:
    children = Children()
    with pytest.raises(RagError) as caught:
        judge(tmp_path / "no.gguf", memory, 2, children)
    assert caught.value.code == "GEN-002"
    assert children.calls == []


def test_the_real_child_reports_a_broken_file(model: Path, memory: Path) -> None:
    model.write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(RagError) as caught:
        judge(model, memory, 1)
    assert caught.value.code == "GEN-002"
    assert caught.value.data["reason"]


def test_a_child_that_hangs_is_ended_and_named(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(command: Sequence[str], **_: object) -> None:
        raise subprocess.TimeoutExpired(command, 1)

    monkeypatch.setattr(subprocess, "run", hang)
    done = probe._child([str(model), "1", "1"])
    assert done.returncode == -signal.SIGALRM
    assert probe._cause(done.returncode) == "SIGALRM"


def test_the_machine_is_looked_at_without_surprises() -> None:
    machine = probe.Machine.look()
    assert machine.cpu
    assert 1 <= machine.cores <= (os.cpu_count() or 1)
    assert machine.memory >= 0


def test_a_trial_is_announced_and_a_remembered_verdict_is_not(model: Path, memory: Path) -> None:
    announced: list[Path] = []
    for _ in range(2):
        judge(model, memory, 2, Children(), announced.append)
    assert announced == [model]


# Weights in another type.


WRITES = f"""
import json, pathlib, sys
target = pathlib.Path(sys.argv[1])
target.parent.mkdir(parents=True, exist_ok=True)
target.write_bytes(b"GGUF")
print(json.dumps({{**json.loads({json.dumps(FOUND)!r}), "weights": target.name}}))
"""


def writing(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WRITES, arguments[3]]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_weights_that_the_trial_wrote_are_loaded_and_made_again_if_they_are_gone(model: Path, memory: Path) -> None:
    verdict = judge(model, memory, 2, writing, reencode=True)
    weights = probe.weights_of(model, verdict, memory)
    assert weights.is_file()
    assert weights != model
    assert judge(model, memory, 2, Children(), reencode=True) == verdict
    weights.unlink()
    assert judge(model, memory, 2, writing, reencode=True) == verdict
    assert weights.is_file()


def test_without_leave_the_weights_stay_the_models_own(model: Path, memory: Path) -> None:
    judge(model, memory, 2, writing, reencode=True)
    verdict = judge(model, memory, 2, Children())
    assert probe.weights_of(model, verdict, memory) == model


@pytest.mark.model
def test_the_real_trial_leaves_weights_only_if_it_uses_them(starter_models: Path, memory: Path) -> None:
    starter = starter_models / "SmolLM2-135M-Instruct.Q4_1.gguf"
    verdict = judge(starter, memory, 2, reencode=True)
    assert verdict.tuning.decode > 1
    written = [path.name for path in (memory.parent / "models").glob("*")]
    assert written == ([verdict.weights] if verdict.weights else [])
    # Nothing of the kind for weights that are fast as they are.
    embedder = starter_models / "all-MiniLM-L6-v2.Q8_0.gguf"
    assert judge(embedder, memory, 2, reencode=True).weights == ""


@pytest.mark.model
def test_weights_that_cannot_be_measured_are_left_as_they_are(
    starter_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> bool:
        raise RagError("GEN-002", file="", reason="scripted", directory="")

    monkeypatch.setattr(probe, "clearly_faster", refuse)
    model = llama.Model(starter_models / "SmolLM2-135M-Instruct.Q4_1.gguf")
    assert probe._reencoded(model, True, 2, tmp_path / "models" / "other.gguf") is None
    assert list((tmp_path / "models").iterdir()) == []
    model.close()


@pytest.mark.model
@pytest.mark.parametrize("kind", ["recurrent_model", "hybrid_model", "sliding_model"])
def test_what_the_real_trial_chooses_keeps_chats_apart(kind: str, memory: Path, request: pytest.FixtureRequest) -> None:
    path = request.getfixturevalue(kind)
    verdict = judge(path, memory, 2)
    model = llama.Model(path, extra_bufts=verdict.extra_bufts)
    assert alike_together(model, 2)
    assert bool(verdict.note) == (not verdict.extra_bufts)
    model.close()
