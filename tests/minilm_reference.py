"""all-MiniLM-L6-v2 once more, in numpy alone: what the converted embedder is measured against.

Written from the papers, sharing no code with `models/starter.py` or llama.cpp: BERT (Devlin et al. 2018,
arXiv:1810.04805) for the encoder and WordPiece, Sentence-BERT (Reimers and Gurevych 2019, arXiv:1908.10084)
for the mean over the tokens.
"""

from __future__ import annotations

import json
import math
import unicodedata
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


class MiniLM:
    """The model as its makers publish it, read from the wheel that carries it."""

    def __init__(self, wheel: Path) -> None:
        with zipfile.ZipFile(wheel) as archive:
            files = {Path(name).name: name for name in archive.namelist() if "/model/" in name}
            words = archive.read(files["vocab.txt"]).decode("utf-8").split("\n")
            blob = archive.read(files["model.safetensors"])
        self.ids = {word: index for index, word in enumerate(words) if word}
        self.tensors = _tensors(blob)

    def tokens(self, text: str) -> list[int]:
        """Ids of `text` with [CLS] and [SEP], as BERT's uncased WordPiece tokenizer gives them."""
        pieces = [piece for word in _words(text) for piece in self._pieces(word)]
        return [self.ids[piece] for piece in ["[CLS]", *pieces, "[SEP]"]]

    def embed(self, text: str) -> Array:
        """The sentence vector, shape (384,), of length 1."""
        ids = self.tokens(text)
        t = self.tensors
        x = t["embeddings.word_embeddings.weight"][ids]
        x = x + t["embeddings.position_embeddings.weight"][: len(ids)]
        x = x + t["embeddings.token_type_embeddings.weight"][0]
        x = self._norm(x, "embeddings.LayerNorm")
        for layer in range(6):
            x = self._layer(x, f"encoder.layer.{layer}")
        mean = x.mean(axis=0)
        return np.asarray(mean / np.linalg.norm(mean), np.float32)

    def _layer(self, x: Array, at: str) -> Array:
        """One encoder layer of post-norm BERT, shape (tokens, 384) to the same."""
        query, key, value = (
            self._linear(x, f"{at}.attention.self.{name}").reshape(len(x), 12, 32).transpose(1, 0, 2)
            for name in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 2, 1) / math.sqrt(32)
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        seen = (scores / scores.sum(axis=-1, keepdims=True)) @ value
        seen = seen.transpose(1, 0, 2).reshape(len(x), 384)
        x = self._norm(x + self._linear(seen, f"{at}.attention.output.dense"), f"{at}.attention.output.LayerNorm")
        inner = self._linear(x, f"{at}.intermediate.dense")
        inner = (inner * (1 + _erf(inner / math.sqrt(2))) / 2).astype(np.float32)  # GELU, exact form
        return self._norm(x + self._linear(inner, f"{at}.output.dense"), f"{at}.output.LayerNorm")

    def _linear(self, x: Array, at: str) -> Array:
        return x @ self.tensors[f"{at}.weight"].T + self.tensors[f"{at}.bias"]

    def _norm(self, x: Array, at: str) -> Array:
        centred = x - x.mean(axis=-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-12)
        return np.asarray(scaled * self.tensors[f"{at}.weight"] + self.tensors[f"{at}.bias"])

    def _pieces(self, word: str) -> list[str]:
        """The longest known beginning, then the longest known continuation, and so on; all of it or [UNK]."""
        if len(word) > 100:
            return ["[UNK]"]
        pieces: list[str] = []
        begin = 0
        while begin < len(word):
            prefix = "##" if begin else ""
            for end in range(len(word), begin, -1):
                if prefix + word[begin:end] in self.ids:
                    pieces.append(prefix + word[begin:end])
                    begin = end
                    break
            else:
                return ["[UNK]"]
        return pieces


def _words(text: str) -> list[str]:
    """Words and single punctuation marks: decomposed (NFD), without accents, in lower case."""
    letters: list[str] = []
    for char in unicodedata.normalize("NFD", text):
        category = unicodedata.category(char)
        if char in "\t\n\r" or category == "Zs":
            letters.append(" ")
        elif category == "Mn" or category.startswith("C") or char == "\ufffd":
            continue
        elif _stands_alone(char, category):
            letters.append(f" {char} ")
        else:
            letters.append(char.lower())
    return "".join(letters).split()


def _stands_alone(char: str, category: str) -> bool:
    """Punctuation, the ASCII symbols that BERT counts to it, and Chinese characters."""
    ascii_mark = char.isascii() and char.isprintable() and not char.isalnum()
    chinese = unicodedata.name(char, "").startswith(("CJK UNIFIED", "CJK COMPATIBILITY IDEOGRAPH"))
    return ascii_mark or category.startswith("P") or chinese


def _tensors(blob: bytes) -> dict[str, Array]:
    length = int.from_bytes(blob[:8], "little")
    header = json.loads(blob[8 : 8 + length])
    tensors: dict[str, Array] = {}
    for name, entry in header.items():
        if entry.get("dtype") == "F32":
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            tensors[name] = np.frombuffer(blob[begin:end], "<f4").reshape(entry["shape"])
    return tensors


def _erf(x: Array) -> NDArray[np.float64]:
    return np.asarray(np.vectorize(math.erf)(x), np.float64)
