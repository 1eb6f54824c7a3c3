"""Vocabularies and chat templates of the usual model families, and tiny models with random weights made of them.

Both come out of llama-cpp-python's source archive, which pip downloads from its own index and checks. They are
kept in a git-ignored folder.
"""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray

from models import starter

CACHE = Path(__file__).resolve().parent / ".cache"
ARCHIVE = starter.Starter(
    kind="chat",
    name="the source archive of llama-cpp-python",
    file="llama_cpp_python-0.3.36",
    file_bytes=0,
    license="mit",
    languages=[],
    package="llama-cpp-python",
    version="0.3.36",
    wheel_sha256="832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e",
    wheel_bytes=76589250,
    member="vendor/llama.cpp/models",
    member_sha256="",
    member_bytes=0,
)


@dataclass(frozen=True, slots=True)
class Family:
    """A vocabulary, a template that goes with it, its marks of a turn, whether it wants a beginning of text."""

    vocabulary: str
    template: str
    begin: str
    end: str
    bos: bool


FAMILIES = {
    family.vocabulary: family
    for family in (
        Family("qwen2", "Qwen-Qwen2.5-7B-Instruct", "<|im_start|>", "<|im_end|>", bos=False),
        Family("qwen35", "Qwen3.5-4B", "<|im_start|>", "<|im_end|>", bos=False),
        Family("llama-bpe", "meta-llama-Llama-3.1-8B-Instruct", "<|start_header_id|>", "<|eot_id|>", bos=True),
        Family("llama-spm", "mistralai-Mistral-Nemo-Instruct-2407", "<s>", "</s>", bos=True),
        Family("gemma-4", "google-gemma-4-31B-it", "<|turn>", "<turn|>", bos=True),
        Family(
            "deepseek-llm", "deepseek-ai-DeepSeek-V3.1", "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", bos=True
        ),
        Family("phi-3", "microsoft-Phi-3.5-mini-instruct", "<|user|>", "<|end|>", bos=True),
        Family("gpt-2", "Qwen-Qwen2.5-7B-Instruct", "<|endoftext|>", "<|endoftext|>", bos=False),
        Family(
            "command-r",
            "CohereForAI-c4ai-command-r7b-12-2024-tool_use",
            "<|START_OF_TURN_TOKEN|>",
            "<|END_OF_TURN_TOKEN|>",
            bos=True,
        ),
    )
}


@dataclass(frozen=True, slots=True)
class LlamaFiles:
    """The folder with what was kept of the archive."""

    folder: Path

    def vocabulary(self, name: str) -> Path:
        return self.folder / f"ggml-vocab-{name}.gguf"

    def template(self, name: str) -> str:
        return (self.folder / "templates" / f"{name}.jinja").read_text("utf-8")


def fetch() -> LlamaFiles:
    """The vocabularies of `FAMILIES` and all templates, from the cache or the package index.

    Raises `starter.Refused` with one line for people where they cannot be had, `RuntimeError` where they are others.
    """
    files = LlamaFiles(CACHE / ARCHIVE.file)
    if all(files.vocabulary(name).exists() for name in FAMILIES) and (files.folder / "templates").is_dir():
        return files
    files.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=CACHE, ignore_cleanup_errors=True) as folder:
        unpacked = _unpack(Path(folder))
        for name in FAMILIES:
            os.replace(unpacked / files.vocabulary(name).name, files.vocabulary(name))
        if not (files.folder / "templates").is_dir():
            os.replace(unpacked / "templates", files.folder / "templates")
    return files


def _unpack(work: Path) -> Path:
    """Have pip download, check and unpack the archive under `work`; return the folder of vocabularies in it.

    pip also asks a source archive for its metadata. That needs a build backend, which without build isolation
    is missing in most environments: pip then fails, but after the archive has been checked and unpacked.
    """
    options = ["--no-binary=:all:", "--no-build-isolation", "--no-clean"]
    _, _, said = starter._run_pip(ARCHIVE, work, options, lambda *_: None)
    unpacked = next(work.glob(f"pip-*/*/{ARCHIVE.member}"), None)
    if starter._mismatch(said):
        raise RuntimeError(f"{ARCHIVE.name} does not have the expected SHA-256")
    if unpacked is None:
        raise starter.Refused(starter._last_line(said) or "pip failed without a word")
    return unpacked


# Models with random weights ---------------------------------------------------------------------------------

EMBEDDING, FEED_FORWARD, HEADS, BLOCKS, WINDOW = 64, 128, 2, 2, 32
STATE, CONVOLUTION, TIME_RANK = 16, 4, 4

Tensors = dict[str, NDArray[Any]]


def make_model(vocabulary: Path, target: Path, arch: str = "llama", template: str | None = None) -> Path:
    """Write a GGUF of two layers with seeded random weights and the tokenizer of a vocabulary-only file.

    `arch` is "llama", "gemma3" (first layer sees the last `WINDOW` tokens only), "mamba" (recurrent) or "jamba"
    (first layer recurrent, second attention). `template` takes the place of the file's own. Returns `target`.
    """
    kept = {key: raw for key, raw in _fields(vocabulary) if key.startswith("tokenizer.") or key == "general.name"}
    if template is not None:
        kept.pop("tokenizer.chat_template", None)
    writer = _Writer(target, arch, list(kept.values()))
    if template is not None:
        writer.add_chat_template(template)
    recurrent = {"mamba": [True, True], "jamba": [True, False]}.get(arch, [False, False])
    writer.add_context_length(8192)
    writer.add_embedding_length(EMBEDDING)
    writer.add_block_count(BLOCKS)
    writer.add_feed_forward_length(0 if arch == "mamba" else FEED_FORWARD)
    writer.add_head_count(0 if arch == "mamba" else HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    if any(recurrent):
        writer.add_head_count_kv([0 if layer else HEADS for layer in recurrent])
        writer.add_ssm_conv_kernel(CONVOLUTION)
        writer.add_ssm_inner_size(2 * EMBEDDING)
        writer.add_ssm_state_size(STATE)
        writer.add_ssm_time_step_rank(TIME_RANK)
    else:
        writer.add_head_count_kv(HEADS)
    if arch == "gemma3":
        writer.add_key_length(EMBEDDING // HEADS)
        writer.add_value_length(EMBEDDING // HEADS)
        writer.add_sliding_window(WINDOW)
        writer.add_sliding_window_pattern([True, False])
    random = np.random.default_rng(0)
    # The output matrix is left out: llama.cpp uses the embeddings then.
    tokens = _array_length(kept["tokenizer.ggml.tokens"])
    writer.add_tensor("token_embd.weight", _matrix(random, tokens, EMBEDDING).astype(np.float16))
    writer.add_tensor("output_norm.weight", np.ones(EMBEDDING, np.float32))
    for layer in range(BLOCKS):
        for name, values in _layer(random, arch, recurrent[layer]).items():
            writer.add_tensor(f"blk.{layer}.{name}", values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target


def _layer(random: np.random.Generator, arch: str, recurrent: bool) -> Tensors:
    tensors = _norms("attn_norm") | (_mamba(random) if recurrent else _attention(random))
    if recurrent and arch == "jamba":
        tensors |= _norms("ssm_dt_norm", size=TIME_RANK) | _norms("ssm_b_norm", "ssm_c_norm", size=STATE)
    if arch == "gemma3":
        tensors |= _norms("attn_q_norm", "attn_k_norm", size=EMBEDDING // HEADS)
        tensors |= _norms("post_attention_norm", "post_ffw_norm", value=64)
    if arch != "mamba":
        tensors |= _norms("ffn_norm") | _weights(
            random,
            ffn_gate=(FEED_FORWARD, EMBEDDING),
            ffn_up=(FEED_FORWARD, EMBEDDING),
            ffn_down=(EMBEDDING, FEED_FORWARD),
        )
    return tensors


def _attention(random: np.random.Generator) -> Tensors:
    square = (EMBEDDING, EMBEDDING)
    return _weights(random, attn_q=square, attn_k=square, attn_v=square, attn_output=square)


def _mamba(random: np.random.Generator) -> Tensors:
    inner = 2 * EMBEDDING
    return _weights(random, ssm_out=(EMBEDDING, inner)) | {
        "ssm_in.weight": _matrix(random, 2 * inner, EMBEDDING),
        "ssm_conv1d.weight": _matrix(random, inner, CONVOLUTION),
        "ssm_conv1d.bias": np.zeros(inner, np.float32),
        "ssm_x.weight": _matrix(random, TIME_RANK + 2 * STATE, inner),
        "ssm_dt.weight": _matrix(random, inner, TIME_RANK),
        "ssm_dt.bias": np.zeros(inner, np.float32),
        "ssm_a": -np.tile(np.arange(1, STATE + 1, dtype=np.float32), (inner, 1)),
        "ssm_d": np.full(inner, 4, np.float32),
    }


def _norms(*names: str, size: int = EMBEDDING, value: float = 1) -> Tensors:
    return {f"{name}.weight": np.full(size, value, np.float32) for name in names}


def _weights(random: np.random.Generator, **shapes: tuple[int, int]) -> Tensors:
    """Matrices large enough that what the layers add outweighs the embedding of the last token.

    Otherwise the output, which uses the same embeddings, would say that token again and again.
    """
    return {f"{name}.weight": (4 * _matrix(random, *shape)).astype(np.float16) for name, shape in shapes.items()}


def _matrix(random: np.random.Generator, rows: int, columns: int) -> NDArray[np.float32]:
    return random.standard_normal((rows, columns), np.float32) / np.float32(columns**0.5)


# The metadata of a GGUF file, without reading its hundred thousands of strings one by one ---------------------

STRING, ARRAY = gguf.GGUFValueType.STRING, gguf.GGUFValueType.ARRAY
SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}


class _Writer(gguf.GGUFWriter):
    """Writes `copied` fields, as they stand in another file, behind its own."""

    def __init__(self, path: Path, arch: str, copied: list[bytes]) -> None:
        super().__init__(path, arch)
        self.copied = copied

    def write_header_to_file(self, path: Path | None = None) -> None:
        super().write_header_to_file(path)
        assert self.fout is not None
        (file,) = self.fout
        file.seek(-8, os.SEEK_CUR)
        file.write(struct.pack("<Q", len(self.kv_data[0]) + len(self.copied)))

    def write_kv_data_to_file(self) -> None:
        super().write_kv_data_to_file()
        assert self.fout is not None
        self.fout[0].write(b"".join(self.copied))


def _fields(path: Path) -> Iterator[tuple[str, bytes]]:
    """The key and the bytes (key, type and value) of each metadata field of a GGUF file."""
    data = path.read_bytes()
    (count,) = struct.unpack_from("<Q", data, 16)
    at = 24
    for _ in range(count):
        begin = at
        (length,) = struct.unpack_from("<Q", data, at)
        key = data[at + 8 : at + 8 + length].decode()
        (kind,) = struct.unpack_from("<I", data, at + 8 + length)
        at = _behind(data, at + 12 + length, kind)
        yield key, data[begin:at]


def _behind(data: bytes, at: int, kind: int) -> int:
    """The offset behind the value of type `kind` at `at`."""
    if kind == STRING:
        return at + 8 + int(struct.unpack_from("<Q", data, at)[0])
    if kind != ARRAY:
        return at + SIZES[kind]
    element, count = struct.unpack_from("<IQ", data, at)
    at += 12
    if element != STRING:
        return at + SIZES[element] * int(count)
    length = struct.Struct("<Q").unpack_from
    for _ in range(count):
        at += 8 + length(data, at)[0]
    return at


def _array_length(raw: bytes) -> int:
    """The number of elements of an array field, as `_fields` gives it."""
    (key,) = struct.unpack_from("<Q", raw)
    return int(struct.unpack_from("<Q", raw, 8 + key + 8)[0])
