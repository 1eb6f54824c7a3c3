"""The only importer of `llama_cpp`: model, context, sampler and chat template on its low-level bindings.

Nothing here knows of threads or requests; a `Context` and its `Sampler` belong to one thread at a time.
Functions of the C library are described at https://llama-cpp-python.readthedocs.io/en/latest/api-reference/.
"""

from __future__ import annotations

import ctypes
import functools
import logging
import re
from collections import deque
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NoReturn

import llama_cpp as lib
import numpy as np
from jinja2 import TemplateError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from .errors import RagError
from .types import Message, Sampling, Vectors

KOREAN_SAMPLE = "문서에 나온 내용을 바탕으로 질문에 정확하게 답하고 출처를 함께 알려 줍니다"
# Tokens for each character; vocabularies with Korean need 0.5 to 1, others 1.5 to 3.
KOREAN_TOKENS = 1.2

Kind = Literal["chat", "embed", "other"]
POOLING_RANK = lib.LLAMA_POOLING_TYPE_RANK

log = logging.getLogger(__name__)


def library_path() -> Path:
    """The shared library that computes, for telling one build from another."""
    folder = Path(lib.__file__).parent / "lib"
    return next((path for path in sorted(folder.glob("*ggml-cpu*")) if path.is_file()), folder)


def library_version() -> str:
    return str(lib.__version__)


def system_info() -> str:
    """What the library was built for and found in this CPU, in its own words."""
    return str(lib.llama_print_system_info(), "utf-8", "replace").strip()


class LogLines:
    """The library's latest warnings and errors. Keeps the callback alive: the library has a bare pointer to it."""

    def __init__(self) -> None:
        self.lines: deque[str] = deque(maxlen=20)
        self._callback = lib.llama_log_callback(self._receive)
        lib.llama_log_set(self._callback, ctypes.c_void_p(0))

    def _receive(self, level: int, text: bytes, _: Any) -> None:
        line = text.decode(errors="replace").strip()
        if line and level in (3, 4):  # GGML_LOG_LEVEL_WARN, GGML_LOG_LEVEL_ERROR
            self.lines.append(line)
            log.debug("llama.cpp: %s", line)


@functools.cache
def log_lines() -> LogLines:
    """The one log of the process: the library has one callback for all its models."""
    return LogLines()


class Model:
    """A loaded GGUF file. Raises `RagError` GEN-002 if the library cannot load it."""

    def __init__(self, path: Path, *, extra_bufts: bool = True, vocab_only: bool = False) -> None:
        words = log_lines().lines
        words.clear()
        params = lib.llama_model_default_params()
        params.use_extra_bufts = extra_bufts
        params.vocab_only = vocab_only
        pointer = lib.llama_model_load_from_file(str(path).encode(), params)
        if not pointer:
            reason = words[0] if words else "not a GGUF model"
            raise RagError("GEN-002", file=path.name, reason=reason, directory=str(path.parent))
        self.path = path
        self.pointer = pointer
        self._vocab = lib.llama_model_get_vocab(pointer)

    def close(self) -> None:
        if self.pointer:
            lib.llama_model_free(self.pointer)
            self.pointer = None

    @functools.cached_property
    def meta(self) -> dict[str, str]:
        """The file's metadata; arrays are left out by the library's own rule."""
        found = {}
        for index in range(lib.llama_model_meta_count(self.pointer)):
            key = self._meta_text(lib.llama_model_meta_key_by_index, index)
            found[key] = self._meta_text(lib.llama_model_meta_val_str_by_index, index)
        return found

    def _meta_text(self, read: Callable[..., int], index: int) -> str:
        size = 256
        while True:
            buffer = ctypes.create_string_buffer(size)
            length = read(self.pointer, index, buffer, size)
            if length < size:
                return buffer.value.decode(errors="replace")
            size = length + 1

    @property
    def name(self) -> str:
        return self.meta.get("general.name") or self.path.stem

    @property
    def kind(self) -> Kind:
        """Chat model or embedder, told by the metadata."""
        arch = self.meta.get("general.architecture", "")
        pooling = self.meta.get(f"{arch}.pooling_type")
        if pooling is not None and int(pooling) != lib.LLAMA_POOLING_TYPE_NONE:
            return "other" if int(pooling) == POOLING_RANK else "embed"
        if self.meta.get(f"{arch}.attention.causal") == "false":
            return "embed"
        return "chat" if "tokenizer.chat_template" in self.meta else "other"

    @property
    def train_context(self) -> int:
        return int(lib.llama_model_n_ctx_train(self.pointer))

    @property
    def dimension(self) -> int:
        return int(lib.llama_model_n_embd_out(self.pointer))

    @property
    def parameters(self) -> int:
        return int(lib.llama_model_n_params(self.pointer))

    def speaks(self, lang: str) -> bool:
        """Whether the vocabulary was made for the language, as far as it tells.

        A vocabulary that was trained on Korean has words and syllables of it; any other spells each syllable in
        two or three pieces, and its model knows nothing but their look.
        """
        return lang != "ko" or self._knows_korean

    @functools.cached_property
    def _knows_korean(self) -> bool:
        return len(self.text_tokens(KOREAN_SAMPLE)) <= KOREAN_TOKENS * len(KOREAN_SAMPLE)

    @property
    def is_wordpiece(self) -> bool:
        return bool(lib.llama_vocab_type(self._vocab) == lib.LLAMA_VOCAB_TYPE_WPM)

    @property
    def vocabulary(self) -> int:
        return int(lib.llama_vocab_n_tokens(self._vocab))

    def tokenize(self, text: str, *, add_special: bool, parse_special: bool) -> list[int]:
        data = text.encode(errors="replace")
        size = len(data) + 8
        while True:
            tokens = (lib.llama_token * size)()
            count = lib.llama_tokenize(self._vocab, data, len(data), tokens, size, add_special, parse_special)
            if count >= 0:
                return tokens[:count]
            size = -count

    def text_tokens(self, text: str) -> list[int]:
        """The tokens of a text as an answer has them: nothing added, no control tokens."""
        return self.tokenize(text, add_special=False, parse_special=False)

    def piece(self, token: int) -> bytes:
        """The bytes of a token; may be half a character. Control tokens have none."""
        size = 64
        while True:
            buffer = ctypes.create_string_buffer(size)
            length = lib.llama_token_to_piece(self._vocab, token, buffer, size, 0, False)
            if length >= 0:
                return buffer.raw[:length]
            size = -length

    def ends(self, token: int) -> bool:
        """Whether the vocabulary marks the token as an end of generation."""
        return bool(lib.llama_vocab_is_eog(self._vocab, token))

    @functools.cached_property
    def _control_text(self) -> re.Pattern[str]:
        """Matches the text of any control token of the vocabulary."""
        texts = [
            lib.llama_vocab_get_text(self._vocab, token).decode(errors="replace")
            for token in range(self.vocabulary)
            if lib.llama_vocab_is_control(self._vocab, token)
        ]
        longest_first = sorted((re.escape(text) for text in texts if text), key=len, reverse=True)
        return re.compile("|".join(longest_first) or r"(?!)")

    @functools.cached_property
    def _template(self) -> Any:
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols], autoescape=False
        )
        environment.globals["raise_exception"] = _raise_template_error
        environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
        return environment.from_string(self.meta["tokenizer.chat_template"])

    def render(self, messages: Sequence[Message]) -> str:
        """The prompt text, by the file's own chat template, ready for the assistant's answer.

        A template that refuses system messages gets the system text in front of the first question.
        Raises `RagError` GEN-002 if the template cannot be used.
        """
        attempts = [list(messages)]
        if len(messages) > 1 and messages[0].role == "system":
            folded = Message("user", messages[0].content + "\n\n" + messages[1].content)
            attempts.append([folded, *messages[2:]])
        reason = ""
        for attempt in attempts:
            try:
                return self._render(attempt)
            except TemplateError as error:
                reason = f"chat template: {error}"
        raise RagError("GEN-002", file=self.path.name, reason=reason, directory=str(self.path.parent))

    def _render(self, messages: Sequence[Message]) -> str:
        text = self._template.render(
            messages=[{"role": message.role, "content": message.content} for message in messages],
            add_generation_prompt=True,
            bos_token=self._special_text(lib.llama_vocab_bos(self._vocab)),
            eos_token=self._special_text(lib.llama_vocab_eos(self._vocab)),
        )
        return str(text)

    def _special_text(self, token: int) -> str:
        return "" if token < 0 else lib.llama_vocab_get_text(self._vocab, token).decode(errors="replace")

    def prompt_tokens(self, messages: Sequence[Message]) -> list[int]:
        """The rendered prompt as tokens. Text of a message never becomes a control token.

        A document that holds the text of one, such as an end-of-turn mark, would otherwise speak in the
        template's voice. Then the contents are tokenized apart from the template around them.
        """
        if not any(self._control_text.search(message.content) for message in messages):
            return self._with_bos(self.render(messages))
        # Private-use characters stand for the contents while the template is rendered.
        marked = [Message(message.role, f"\ue000{index}\ue001") for index, message in enumerate(messages)]
        tokens: list[int] = []
        for index, part in enumerate(re.split("\ue000(\\d+)\ue001", self.render(marked))):
            if index == 0:
                tokens += self._with_bos(part)
            elif index % 2:
                tokens += self.tokenize(messages[int(part)].content, add_special=False, parse_special=False)
            else:
                tokens += self.tokenize(part, add_special=False, parse_special=True)
        return tokens

    def _with_bos(self, text: str) -> list[int]:
        """Tokens of template text, with one beginning-of-text token if the vocabulary wants it."""
        bos = self._special_text(lib.llama_vocab_bos(self._vocab))
        written = bool(bos) and text.startswith(bos)
        return self.tokenize(text, add_special=not written, parse_special=True)


def _raise_template_error(message: str) -> NoReturn:
    raise TemplateError(message)


class Context:
    """The memory of a model in use. Raises `RagError` GEN-002 if it cannot be made (too large, mostly)."""

    def __init__(
        self,
        model: Model,
        *,
        tokens: int,
        batch: int,
        threads: int,
        flash_attention: bool = False,
        embeddings: bool = False,
    ) -> None:
        params = lib.llama_context_default_params()
        params.n_ctx = tokens
        params.n_batch = batch
        # Pooled embeddings need a whole text in one ubatch; the library aborts the process otherwise.
        params.n_ubatch = batch
        params.n_seq_max = 1
        params.n_threads = params.n_threads_batch = threads
        on, off = lib.LLAMA_FLASH_ATTN_TYPE_ENABLED, lib.LLAMA_FLASH_ATTN_TYPE_DISABLED
        params.flash_attn_type = on if flash_attention else off
        params.embeddings = embeddings
        params.no_perf = True
        self.abort: Callable[[], bool] = lambda: False
        self._abort_callback = lib.ggml_abort_callback(lambda _: self.abort())
        params.abort_callback = self._abort_callback
        pointer = lib.llama_init_from_model(model.pointer, params)
        if not pointer:
            reason = f"no memory for a context of {tokens} tokens"
            raise RagError("GEN-002", file=model.path.name, reason=reason, directory=str(model.path.parent))
        self.model = model
        self.pointer = pointer
        self.size = int(lib.llama_n_ctx(pointer))
        self.batch_size = batch
        self._memory = lib.llama_get_memory(pointer)
        self._batch = lib.llama_batch_init(batch, 0, 1)

    def close(self) -> None:
        if self.pointer:
            lib.llama_batch_free(self._batch)
            lib.llama_free(self.pointer)
            self.pointer = None

    def decode(self, tokens: Sequence[int], start: int, *, output: Literal["none", "last", "all"]) -> int:
        """Compute `tokens` at positions from `start`. At most `batch_size` of them.

        Returns `llama_decode`'s code: 0 done, 1 no room, 2 aborted, negative failed.
        """
        batch = self._batch
        batch.n_tokens = len(tokens)
        for row, token in enumerate(tokens):
            batch.token[row] = token
            batch.pos[row] = start + row
            batch.n_seq_id[row] = 1
            batch.seq_id[row][0] = 0
            batch.logits[row] = output == "all" or (output == "last" and row == len(tokens) - 1)
        return int(lib.llama_decode(self.pointer, batch))

    def cut(self, start: int) -> bool:
        """Forget everything from position `start` on. False if this kind of memory cannot be cut there."""
        if self._memory is None:
            return True
        if start == 0:
            lib.llama_memory_clear(self._memory, False)
            return True
        return bool(lib.llama_memory_seq_rm(self._memory, 0, start, -1))

    def embedding(self) -> Vectors:
        """The pooled embedding of the last decode, float32 of shape `(dimension,)`, not normalised."""
        pointer = lib.llama_get_embeddings_seq(self.pointer, 0)
        if not pointer:
            raise RagError("SEARCH-001")
        return np.ctypeslib.as_array(pointer, shape=(self.model.dimension,)).astype(np.float32)


class Sampler:
    """llama.cpp's sampler chain for one answer."""

    def __init__(self, context: Context, sampling: Sampling) -> None:
        chain = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
        if sampling.repeat_penalty != 1.0:
            penalties = lib.llama_sampler_init_penalties(
                context.model.vocabulary, 64, sampling.repeat_penalty, 0.0, 0.0
            )
            lib.llama_sampler_chain_add(chain, penalties)
        if sampling.temperature <= 0:
            lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_greedy())
        else:
            lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_top_k(sampling.top_k))
            lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_top_p(sampling.top_p, 1))
            lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_min_p(sampling.min_p, 1))
            lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_temp(sampling.temperature))
            lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_dist(sampling.seed & 0xFFFFFFFF))
        self._chain = chain
        self._context = context

    def sample(self) -> int:
        """The next token, from the last row that was computed."""
        return int(lib.llama_sampler_sample(self._chain, self._context.pointer, -1))

    def likeliest(self, tokens: Collection[int]) -> int:
        """Of these tokens, the likeliest after the last row that was computed."""
        logits = lib.llama_get_logits_ith(self._context.pointer, -1)
        return max(tokens, key=lambda token: float(logits[token]))

    def close(self) -> None:
        if self._chain:
            lib.llama_sampler_free(self._chain)
            self._chain = None
