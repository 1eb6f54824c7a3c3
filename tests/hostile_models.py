"""GGUF files that are broken or made to do harm, around a tiny model that is good. Each is bytes to be written."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

# Types of GGUF's values.
UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY, UINT64 = 4, 5, 6, 7, 8, 9, 10
EMBEDDING, HEADS, FEED_FORWARD, CONTEXT, ALIGNMENT = 32, 2, 64, 512, 32
TEMPLATE = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>"
HUGE = 1 << 63

Value = tuple[int, Any]


def _string(text: str | bytes, length: int | None = None) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(data) if length is None else length) + data


def _packed(kind: int, value: Any) -> bytes:
    """The value; bytes stand for themselves."""
    if isinstance(value, bytes):
        return value
    if kind == STRING:
        return _string(value)
    if kind == ARRAY:
        element, items = value
        return struct.pack("<IQ", element, len(items)) + b"".join(_packed(element, item) for item in items)
    return struct.pack({UINT32: "<I", INT32: "<i", FLOAT32: "<f", BOOL: "<?", UINT64: "<Q"}[kind], value)


TOKENS = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *"abcdefghijklmnopqrstuvwxyz"]
KINDS = [2, 3, 3, *(6 for _ in range(256)), *(1 for _ in range(27))]


def fields() -> dict[str, Value]:
    """The metadata of the good model."""
    return {
        "general.architecture": (STRING, "llama"),
        "general.name": (STRING, "Tiny"),
        "general.alignment": (UINT32, ALIGNMENT),
        "llama.context_length": (UINT32, CONTEXT),
        "llama.embedding_length": (UINT32, EMBEDDING),
        "llama.block_count": (UINT32, 1),
        "llama.feed_forward_length": (UINT32, FEED_FORWARD),
        "llama.attention.head_count": (UINT32, HEADS),
        "llama.attention.layer_norm_rms_epsilon": (FLOAT32, 1e-5),
        "llama.rope.dimension_count": (UINT32, EMBEDDING // HEADS),
        "tokenizer.ggml.model": (STRING, "llama"),
        "tokenizer.ggml.tokens": (ARRAY, (STRING, TOKENS)),
        "tokenizer.ggml.scores": (ARRAY, (FLOAT32, [0.0] * len(TOKENS))),
        "tokenizer.ggml.token_type": (ARRAY, (INT32, KINDS)),
        "tokenizer.ggml.bos_token_id": (UINT32, 1),
        "tokenizer.ggml.eos_token_id": (UINT32, 2),
        "tokenizer.chat_template": (STRING, TEMPLATE),
    }


def shapes() -> dict[str, tuple[int, ...]]:
    """The tensors of the good model, dimensions as GGUF orders them."""
    square = (EMBEDDING, EMBEDDING)
    return {
        "token_embd.weight": (EMBEDDING, len(TOKENS)),
        "output_norm.weight": (EMBEDDING,),
        "blk.0.attn_norm.weight": (EMBEDDING,),
        **{f"blk.0.attn_{name}.weight": square for name in ("q", "k", "v", "output")},
        "blk.0.ffn_norm.weight": (EMBEDDING,),
        "blk.0.ffn_gate.weight": (EMBEDDING, FEED_FORWARD),
        "blk.0.ffn_up.weight": (EMBEDDING, FEED_FORWARD),
        "blk.0.ffn_down.weight": (FEED_FORWARD, EMBEDDING),
    }


def gguf(
    changes: Mapping[str, Value | None] | None = None,
    *,
    magic: bytes = b"GGUF",
    version: int = 3,
    tensors: Mapping[str, tuple[int, ...]] | None = None,
    tensor_count: int | None = None,
    field_count: int | None = None,
    offset: Callable[[int], int] = lambda offset: offset,
    kind: int = 0,
    dimensions: int | None = None,
    more: bytes = b"",
) -> bytes:
    """The good model, but for the changes. A field of None is left out; `more` stands behind the fields."""
    said = {key: value for key, value in (fields() | dict(changes or {})).items() if value is not None}
    made = shapes() if tensors is None else tensors
    count = len(made) if tensor_count is None else tensor_count
    head = magic + struct.pack("<IQQ", version, count, len(said) if field_count is None else field_count)
    for key, (type_, value) in said.items():
        head += _string(key) + struct.pack("<I", type_) + _packed(type_, value)
    head += more
    data, chance = b"", np.random.default_rng(0)
    for name, shape in made.items():
        values = chance.standard_normal(int(np.prod(shape[:2], dtype=np.float64)) % (1 << 16), np.float32)
        head += _string(name) + struct.pack("<I", len(shape) if dimensions is None else dimensions)
        head += struct.pack(f"<{len(shape)}Q", *shape) + struct.pack("<IQ", kind, offset(len(data)))
        data += values.tobytes()
        data += bytes(-len(data) % ALIGNMENT)
    return head + bytes(-len(head) % ALIGNMENT) + data


def _no_bytes() -> bytes:
    """A vocabulary that has no token for most of what people write."""
    tokens, kinds = TOKENS[:3] + TOKENS[259:], KINDS[:3] + KINDS[259:]
    return gguf(
        {
            "tokenizer.ggml.tokens": (ARRAY, (STRING, tokens)),
            "tokenizer.ggml.scores": (ARRAY, (FLOAT32, [0.0] * len(tokens))),
            "tokenizer.ggml.token_type": (ARRAY, (INT32, kinds)),
        },
        tensors=shapes() | {"token_embd.weight": (EMBEDDING, len(tokens))},
    )


def _shape(name: str, *shape: int) -> Callable[[], bytes]:
    return lambda: gguf(tensors=shapes() | {name: shape})


def _field(key: str, kind: int, value: Any) -> Callable[[], bytes]:
    return lambda: gguf({key: (kind, value)})


def _without(*keys: str) -> Callable[[], bytes]:
    return lambda: gguf(dict.fromkeys(keys))


def _template(source: str) -> Callable[[], bytes]:
    return _field("tokenizer.chat_template", STRING, source)


# Each is no model that can be used.
UNUSABLE: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "zeros": lambda: bytes(100_000),
    "chance": lambda: random.Random(1).randbytes(100_000),
    "chance behind the magic": lambda: b"GGUF" + struct.pack("<I", 3) + random.Random(2).randbytes(100_000),
    "the magic alone": lambda: b"GGUF",
    "another magic": lambda: gguf(magic=b"GGML"),
    "version 0": lambda: gguf(version=0),
    "version 1": lambda: gguf(version=1),
    "a version of the other end": lambda: gguf(version=3 << 24),
    **{
        f"cut at {share} of 1000": (lambda share=share: gguf()[: len(gguf()) * share // 1000])
        for share in (1, 3, 10, 50, 100, 150, 200, 300, 500, 700, 900, 999)
    },
    **{f"{count} tensors": (lambda count=count: gguf(tensor_count=count)) for count in (HUGE - 1, HUGE, 10**6)},
    **{f"{count} fields": (lambda count=count: gguf(field_count=count)) for count in (HUGE - 1, HUGE, 10**6)},
    "a key of 2^63 bytes": lambda: gguf(field_count=18, more=_string(b"x", HUGE)),
    "a key of 2^40 bytes": lambda: gguf(field_count=18, more=_string(b"x", 1 << 40)),
    "a text of 2^63 bytes": lambda: gguf(
        field_count=18, more=_string("x") + struct.pack("<I", STRING) + _string("", HUGE)
    ),
    "an array of 2^63 numbers": _field("x", ARRAY, struct.pack("<IQ", UINT64, HUGE)),
    "an array of 2^40 texts": _field("x", ARRAY, struct.pack("<IQ", STRING, 1 << 40)),
    "an array of arrays": _field("x", ARRAY, struct.pack("<IQIQ", ARRAY, 1, ARRAY, 1)),
    "an unknown type of field": _field("x", 99, b"1234"),
    "twice the same field": lambda: gguf(
        field_count=18, more=_string("general.name") + struct.pack("<I", STRING) + _string("Other")
    ),
    "tensors beyond the file": lambda: gguf(offset=lambda offset: offset + (1 << 30)),
    "tensors beyond all": lambda: gguf(offset=lambda offset: (1 << 64) - ALIGNMENT),
    "tensors between the places": lambda: gguf(offset=lambda offset: offset + 1),
    "an unknown type of tensor": lambda: gguf(kind=12345),
    "a type of tensor that was taken back": lambda: gguf(kind=4),
    "a tensor of 2^32 dimensions": lambda: gguf(dimensions=(1 << 32) - 1),
    "a tensor of no size": _shape("output_norm.weight", 0),
    "a tensor of 2^63": _shape("output_norm.weight", HUGE),
    "a tensor whose size overflows": _shape("output_norm.weight", 1 << 32, 1 << 32),
    "a tensor that is too small": _shape("output_norm.weight", EMBEDDING // 2),
    "a vocabulary that is larger than its tensor": _shape("token_embd.weight", EMBEDDING, 10),
    "no tensors": lambda: gguf(tensors={}),
    "one tensor missing": lambda: gguf(tensors={k: v for k, v in shapes().items() if "ffn_up" not in k}),
    "alignment 0": _field("general.alignment", UINT32, 0),
    "alignment 3": _field("general.alignment", UINT32, 3),
    "alignment 2^31": _field("general.alignment", UINT32, 1 << 31),
    "no architecture": _without("general.architecture"),
    "an unknown architecture": _field("general.architecture", STRING, "elephant"),
    "an architecture of another type": _field("general.architecture", UINT32, 7),
    "no tokenizer": _without("tokenizer.ggml.model"),
    "an unknown tokenizer": _field("tokenizer.ggml.model", STRING, "elephant"),
    "no vocabulary": _without("tokenizer.ggml.tokens"),
    "an empty vocabulary": _field("tokenizer.ggml.tokens", ARRAY, (STRING, [])),
    "a vocabulary of numbers": _field("tokenizer.ggml.tokens", ARRAY, (UINT32, [1] * len(TOKENS))),
    "a vocabulary of one word": _field("tokenizer.ggml.tokens", ARRAY, (STRING, ["a"] * len(TOKENS))),
    "a vocabulary without bytes": _no_bytes,
    "no context length": _without("llama.context_length"),
    "a context of 0": _field("llama.context_length", UINT32, 0),
    "a context of 2": _field("llama.context_length", UINT32, 2),
    "no width": _field("llama.embedding_length", UINT32, 0),
    "a width of 2^31": _field("llama.embedding_length", UINT32, 1 << 31),
    "layers without end": _field("llama.block_count", UINT32, (1 << 32) - 1),
    "heads without end": _field("llama.attention.head_count", UINT32, (1 << 32) - 1),
    "no heads": _field("llama.attention.head_count", UINT32, 0),
    "heads that divide nothing": _field("llama.attention.head_count", UINT32, 7),
    "keys without end": _field("llama.attention.key_length", UINT32, 1 << 30),
    "a template that reaches for the machine": _template("{{ cycler.__init__.__globals__.os.abort() }}"),
    "a template without an end": _template(
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    ),
    "a template that fills the memory": _template("{{ 'a' * 10 ** 11 }}"),
    "a template that is none": _template("{% for"),
    "a template that wants tools": _template("{{ raise_exception('functions are needed') }}"),
    "a pooling of nonsense": _field("llama.pooling_type", STRING, "elephant"),
}
