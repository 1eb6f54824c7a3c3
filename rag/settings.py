"""One table of settings: flag, environment variable, default, help. The only reader of the environment.

A flag wins over the environment variable, which wins over the default. Flag and variable are made from the
name: `data_dir` is `--data-dir` and `RAG_DATA_DIR`.
"""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast, get_args

from .errors import Lang, RagError

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["text", "json"]
Choice = Literal["auto", "on", "off"]
Answers = Literal["auto", "quote", "free"]
KvChoice = Literal["auto", "f16", "q8_0", "mixed"]
# Guesses are slowed down, so that eight random characters are out of reach; chosen words are not, at any length.
KEY = re.compile(r"[\x21-\x7e]{8,512}")
HOST = re.compile(r"(?:[\w.-]+|\[[\da-f:.]+\])(?::\d{1,5})?", re.ASCII | re.IGNORECASE)
# As browsers write it: http://name, https://name:8443, capacitor://localhost.
ORIGIN = re.compile(r"[a-z][a-z\d+.-]*://[^\s/?#@,]+", re.ASCII | re.IGNORECASE)
# On, then off.
SWITCH = ("1", "true", "yes", "on", "0", "false", "no", "off")


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of one process. `0` means: chosen by itself, where the help says so.

    `api_key` holds every key, that of the setting and those of the file; no text made of the settings shows them.
    """

    host: str
    port: int
    trusted_proxies: str
    tls_cert: str
    tls_key: str
    max_connections: int
    max_client_connections: int
    rate_limit: int
    data_dir: Path
    models_dir: Path
    model: str
    embed_model: str
    threads: int
    ctx: int
    sequences: int
    batch: int
    flash_attention: Choice
    kv_type: KvChoice
    draft: Choice
    gpu_layers: int
    reencode: Literal["auto", "off"]
    lang: Lang
    answers: Answers
    session_minutes: float
    max_tokens: int
    temperature: float
    sources: int
    token_timeout: float
    max_upload: int
    watch: str
    watch_seconds: float
    api_key: tuple[str, ...] = field(repr=False)
    api_key_file: str
    insecure_no_auth: bool
    allowed_hosts: tuple[str, ...]
    allowed_origins: tuple[str, ...]
    offline: bool
    log_level: LogLevel
    log_format: LogFormat

    def watched(self) -> list[Path]:
        """The watched folders."""
        return [Path(folder).expanduser().absolute() for folder in self.watch.split(os.pathsep) if folder]

    def tls(self) -> tuple[Path, Path] | None:
        """The files of certificate and key, if there are any."""
        return (Path(self.tls_cert).expanduser(), Path(self.tls_key).expanduser()) if self.tls_cert else None


@dataclass(frozen=True, slots=True)
class Setting:
    name: str
    default: str | int | float | bool
    help: str
    least: float | None = None
    most: float | None = None
    allowed: tuple[str, ...] = ()

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return "RAG_" + self.name.upper()


_HERE = Path(__file__).resolve().parent.parent

TABLE: tuple[Setting, ...] = (
    Setting("host", "127.0.0.1", "address to listen on"),
    Setting("port", 8000, "port to listen on; 0 takes a free one", 0, 65535),
    Setting(
        "trusted_proxies", "", "addresses or networks, separated by commas, whose X-Forwarded headers are believed"
    ),
    Setting("tls_cert", "", "certificate (PEM) for https and wss from this process; goes with --tls-key"),
    Setting("tls_key", "", "private key (PEM, without a password) of the certificate"),
    Setting("max_connections", 1000, "chat connections (sockets) at once", 1, 100_000),
    Setting("max_client_connections", 100, "of these, connections of a client on another machine", 1, 100_000),
    Setting("rate_limit", 0, "questions of a client in a minute; 0: any number", 0, 1_000_000),
    Setting("data_dir", str(_HERE / "data"), "where documents, index and conversations are kept"),
    Setting("models_dir", str(_HERE / "models"), "where GGUF files are looked for"),
    Setting("model", "", "chat model, a GGUF file; otherwise the one in the models directory"),
    Setting("embed_model", "", "embedding model, a GGUF file; otherwise the one in the models directory"),
    Setting("threads", 0, "threads for the models; 0: measured, at most one for each core", 0, 1024),
    Setting("ctx", 0, "context of a chat in tokens; 0: what the model was trained for, at most 6144", 0, 1 << 24),
    Setting("sequences", 0, "chats computed at once; 0: what an eighth of the memory holds, at most 8", 0, 256),
    Setting("batch", 0, "tokens of a prompt that are read at once; 0: measured", 0, 8192),
    Setting("flash_attention", "auto", "auto: measured; on or off", allowed=get_args(Choice)),
    Setting(
        "kv_type", "auto", "type of the model's memory; auto: measured; f16, q8_0, mixed", allowed=get_args(KvChoice)
    ),
    Setting("draft", "auto", "drafts from the passages; auto: where they pay; on or off", allowed=get_args(Choice)),
    Setting("gpu_layers", -1, "layers that a GPU computes, if the library was built for one; -1: all", -1, 10000),
    Setting(
        "reencode", "auto", "weights of a slow type anew in Q8_0; auto: where clearly faster", allowed=("auto", "off")
    ),
    Setting("lang", "ko", "language of texts where the client asks for none: ko or en", allowed=get_args(Lang)),
    Setting(
        "answers",
        "auto",
        "quote: sentences of the documents, letter for letter; free: the model's words; auto: small models quote",
        allowed=get_args(Answers),
    ),
    Setting("session_minutes", 30.0, "life of a conversation after its last use", 0.01, 1e6),
    Setting("max_tokens", 512, "longest answer, in tokens", 1, 1 << 20),
    Setting("temperature", 0.0, "0: always the likeliest token; higher: more varied", 0, 5),
    Setting("sources", 5, "passages that are looked up for an answer", 1, 50),
    Setting("token_timeout", 120.0, "seconds to wait for a token before GEN-001", 0.01, 1e6),
    Setting("max_upload", 100, "largest document, in MiB", 1, 1 << 20),
    Setting("watch", "", f"folders whose files are kept up with, separated by '{os.pathsep}'"),
    Setting("watch_seconds", 2.0, "pause between two looks into the watched folders", 0.05, 86400),
    Setting(
        "api_key", "", "key that all requests need; better by variable or file: a flag shows in the list of processes"
    ),
    Setting("api_key_file", "", "file with such keys, one on each line"),
    Setting("insecure_no_auth", False, "listen on other addresses than this machine's own without a key"),
    Setting("allowed_hosts", "", "names by which the server may be called, besides its own; separated by commas"),
    Setting("allowed_origins", "", "other sites whose pages may use the server, such as https://a.example"),
    Setting("offline", False, "never use the network, not even to fetch the starter models"),
    Setting("log_level", "info", "debug, info, warning or error", allowed=get_args(LogLevel)),
    Setting(
        "log_format", "text", "text, or json: an object a line, and one for each request", allowed=get_args(LogFormat)
    ),
)


def load(flags: Mapping[str, str | bool | None], environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from flags (None: not given) and the environment. Raises `RagError` SETUP-006."""
    environ = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    for setting in TABLE:
        given = flags.get(setting.name)
        if given is None or given is False:
            given = environ.get(setting.variable)
        values[setting.name] = setting.default if given in (None, "") else _convert(setting, cast("str | bool", given))
    for name in ("data_dir", "models_dir"):
        values[name] = Path(values[name]).expanduser().absolute()
    values["api_key"] = _keys(values["api_key"], values["api_key_file"])
    for name, form in (("allowed_hosts", HOST), ("allowed_origins", ORIGIN)):
        values[name] = _listed(name, values[name], form)
    networks(values["trusted_proxies"])
    for flag, given, other in (("--tls-cert", "tls_cert", "tls_key"), ("--tls-key", "tls_key", "tls_cert")):
        if values[given] and not values[other]:
            raise RagError("SETUP-006", name=flag, value=values[given], reason="rule:tls-both")
    return Settings(**values)


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@functools.cache
def networks(listed: str) -> tuple[Network, ...]:
    """The networks of a list with commas; a single address is one of its own. Raises `RagError` SETUP-006."""
    try:
        return tuple(ipaddress.ip_network(each.strip(), strict=False) for each in listed.split(",") if each.strip())
    except ValueError as error:
        raise RagError("SETUP-006", name="--trusted-proxies", value=listed, reason=str(error)) from None


def terminal_lang(flags: Mapping[str, str | bool | None], environ: Mapping[str, str] | None = None) -> Lang:
    """The language for messages on the terminal: `--lang`, `RAG_LANG`, then the locale, then English."""
    environ = os.environ if environ is None else environ
    given = flags.get("lang") or environ.get("RAG_LANG")
    if given not in ("ko", "en"):
        locale = next((environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environ.get(name)), "")
        return "ko" if locale.lower().startswith("ko") else "en"
    return "ko" if given == "ko" else "en"


def others_can_read(file: str) -> bool:
    """Whether the other users of this machine can read the file, as far as its mode tells (POSIX)."""
    with contextlib.suppress(OSError):
        return os.name == "posix" and bool(os.stat(Path(file).expanduser()).st_mode & (stat.S_IRGRP | stat.S_IROTH))
    return False


def _keys(key: str, file: str) -> tuple[str, ...]:
    """The key and those of the file, without a word of them in the errors. Raises `RagError` SETUP-006."""
    rule = "8 … 512 visible ASCII characters, no blanks"
    if key and not KEY.fullmatch(key):
        raise RagError("SETUP-006", name="--api-key", value="…", reason=rule)
    keys = (key,) if key else ()
    if not file:
        return keys
    try:
        lines = [line.strip() for line in Path(file).expanduser().read_text(encoding="utf-8-sig").splitlines()]
    except OSError as error:
        raise RagError("SETUP-006", name="--api-key-file", value=file, reason=error.strerror or "unreadable") from None
    except ValueError:
        raise RagError("SETUP-006", name="--api-key-file", value=file, reason="not a text") from None
    found = [line for line in lines if line]
    for number, line in enumerate(lines, 1):
        if line and not KEY.fullmatch(line):
            raise RagError("SETUP-006", name="--api-key-file", value=file, reason=f"{number}: {rule}")
    if not found:
        raise RagError("SETUP-006", name="--api-key-file", value=file, reason="empty")
    return (*keys, *found)


def _listed(name: str, value: str, form: re.Pattern[str]) -> tuple[str, ...]:
    """What the commas separate, in small letters. Raises `RagError` SETUP-006."""
    items = tuple(item.strip().lower() for item in value.split(",") if item.strip())
    for item in items:
        if not form.fullmatch(item):
            raise RagError("SETUP-006", name="--" + name.replace("_", "-"), value=item, reason=form.pattern)
    return items


def _convert(setting: Setting, given: str | bool) -> str | int | float | bool:
    kind = type(setting.default)
    if kind is bool:
        word = str(given).lower()
        _one_of(setting.name, word, SWITCH)
        return word in SWITCH[:4]
    if kind is str:
        if setting.allowed:
            _one_of(setting.name, str(given), setting.allowed)
        return str(given)
    try:
        number: int | float = int(given) if kind is int else float(given)
    except ValueError:
        raise RagError("SETUP-006", name=setting.flag, value=given, reason="not a number") from None
    # `not (a <= b)` also refuses NaN.
    if (setting.least is not None and not number >= setting.least) or (
        setting.most is not None and not number <= setting.most
    ):
        reason = f"{setting.least:g} … {setting.most:g}"
        raise RagError("SETUP-006", name=setting.flag, value=given, reason=reason)
    return number


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise RagError("SETUP-006", name="--" + name.replace("_", "-"), value=value, reason=" | ".join(allowed))
