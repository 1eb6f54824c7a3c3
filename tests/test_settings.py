"""Settings: who wins, what is refused, and that every one of them is documented."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path

import pytest

from rag import settings
from rag.errors import RagError
from rag.settings import TABLE, Setting, Settings

GUIDES = Path(__file__).resolve().parent.parent / "web" / "guides"


def test_table_and_dataclass_name_the_same_settings() -> None:
    assert [setting.name for setting in TABLE] == [field.name for field in fields(Settings)]


def test_a_flag_beats_the_environment_which_beats_the_default() -> None:
    default = settings.load({}, {}).port
    assert default == 8000
    assert settings.load({}, {"RAG_PORT": "9000"}).port == 9000
    assert settings.load({"port": "9001"}, {"RAG_PORT": "9000"}).port == 9001
    assert settings.load({"port": None}, {"RAG_PORT": "9000"}).port == 9000


def test_an_empty_variable_is_not_given() -> None:
    assert settings.load({}, {"RAG_PORT": "", "RAG_LANG": ""}) == settings.load({}, {})


def test_the_process_environment_is_read_where_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAG_CTX", "1234")
    assert settings.load({}).ctx == 1234


@pytest.mark.parametrize("setting", TABLE, ids=lambda setting: setting.name)
def test_every_default_is_itself_valid(setting: Setting) -> None:
    given = str(setting.default)
    if given:
        assert settings.load({}, {setting.variable: given}) == settings.load({}, {})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "eighty"),
        ("port", "-1"),
        ("port", "65536"),
        ("port", "80.5"),
        ("threads", "1e3"),
        ("session_minutes", "nan"),
        ("session_minutes", "0"),
        ("token_timeout", "inf"),
        ("temperature", "-0.1"),
        ("sources", "0"),
        ("max_tokens", "0"),
        ("lang", "de"),
        ("log_level", "loud"),
        ("offline", "maybe"),
        ("trusted_proxies", "127.0.0.1,proxy"),
        ("trusted_proxies", "10.0.0.0/33"),
        ("tls_cert", "cert.pem"),
        ("tls_key", "key.pem"),
        ("max_connections", "0"),
        ("rate_limit", "-1"),
    ],
)
def test_a_bad_value_is_refused_by_name(name: str, value: str) -> None:
    for flags, environ in (({name: value}, {}), ({}, {"RAG_" + name.upper(): value})):
        with pytest.raises(RagError) as caught:
            settings.load(flags, environ)
        assert caught.value.code == "SETUP-006"
        assert "--" + name.replace("_", "-") in caught.value.body("en")["message"]
        assert value in caught.value.body("ko")["message"]


@pytest.mark.parametrize("setting", [s for s in TABLE if s.least is not None], ids=lambda setting: setting.name)
def test_limits_are_inclusive(setting: Setting) -> None:
    for limit in (setting.least, setting.most):
        kind = type(setting.default)
        loaded = settings.load({setting.name: str(kind(limit))}, {})  # type: ignore[arg-type]
        assert getattr(loaded, setting.name) == limit


@pytest.mark.parametrize(
    ("given", "offline"), [("1", True), ("TRUE", True), ("yes", True), ("0", False), ("no", False)]
)
def test_a_switch_takes_the_usual_words(given: str, offline: bool) -> None:
    assert settings.load({}, {"RAG_OFFLINE": given}).offline is offline


def test_a_switch_on_the_command_line_is_on_and_its_absence_leaves_the_environment() -> None:
    assert settings.load({"offline": True}, {"RAG_OFFLINE": "0"}).offline is True
    assert settings.load({"offline": False}, {"RAG_OFFLINE": "1"}).offline is True


def test_folders_become_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    loaded = settings.load({"data_dir": "here", "models_dir": "~/models"}, {})
    assert loaded.data_dir == tmp_path / "here"
    assert loaded.models_dir == tmp_path / "home" / "models"


@pytest.mark.parametrize(
    ("flags", "environ", "lang"),
    [
        ({"lang": "en"}, {"RAG_LANG": "ko", "LANG": "ko_KR.UTF-8"}, "en"),
        ({}, {"RAG_LANG": "ko", "LANG": "en_US.UTF-8"}, "ko"),
        ({}, {"LANG": "ko_KR.UTF-8"}, "ko"),
        ({}, {"LC_ALL": "C", "LANG": "ko_KR.UTF-8"}, "en"),
        ({}, {"LC_ALL": "", "LC_MESSAGES": "ko_KR", "LANG": "en_US"}, "ko"),
        ({"lang": "xx"}, {"LANG": "ko_KR"}, "ko"),
        ({}, {}, "en"),
    ],
)
def test_the_terminal_speaks_the_language_of_flag_then_variable_then_locale(
    flags: dict[str, str], environ: dict[str, str], lang: str
) -> None:
    assert settings.terminal_lang(flags, environ) == lang


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_every_setting_is_in_the_guide(lang: str) -> None:
    guide = (GUIDES / lang / "04-settings.md").read_text(encoding="utf-8")
    missing = [setting.name for setting in TABLE if f"`{setting.flag}" not in guide or setting.variable not in guide]
    assert not missing


def test_watched_folders_are_separated_as_the_system_does(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert settings.load({}, {}).watched() == []
    given = os.pathsep.join(["~/docs", "", "/srv/한글 papers"])
    assert settings.load({"watch": given}, {}).watched() == [tmp_path / "docs", Path("/srv/한글 papers")]


def refusal(flags: dict[str, str]) -> str:
    with pytest.raises(RagError) as caught:
        settings.load(flags, {})
    assert caught.value.code == "SETUP-006"
    return caught.value.body("en")["message"]


def test_keys_come_from_flag_variable_and_file(tmp_path: Path) -> None:
    assert settings.load({}, {}).api_key == ()
    assert settings.load({}, {"RAG_API_KEY": "from-the-variable"}).api_key == ("from-the-variable",)
    file = tmp_path / "keys"
    file.write_bytes("\ufefffirst-key\r\n\n  second-key  \n".encode())
    assert settings.load({"api_key_file": str(file)}, {}).api_key == ("first-key", "second-key")
    both = settings.load({"api_key": "from-the-flag"}, {"RAG_API_KEY_FILE": str(file)})
    assert both.api_key == ("from-the-flag", "first-key", "second-key")


@pytest.mark.parametrize("key", ["short", "with blanks in it", "x" * 513, "열쇠열쇠열쇠열쇠", "new\nline-key"])
def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(tmp_path: Path, key: str) -> None:
    file = tmp_path / "keys"
    file.write_text(f"good-enough-key\n{key}\n", encoding="utf-8")
    for flags in ({"api_key": key}, {"api_key_file": str(file)}):
        told = refusal(flags)
        assert key not in told
        assert "good-enough-key" not in told


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xff\xfe\x00", None], ids=["empty", "blank", "binary", "missing"])
def test_a_file_without_keys_is_refused_by_name(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "keys"
    if content is not None:
        file.write_bytes(content)
    assert str(file) in refusal({"api_key_file": str(file)})
    assert str(tmp_path) in refusal({"api_key_file": str(tmp_path)})


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_a_file_that_others_can_read_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("good-enough-key\n")
    for mode, open_to_others in ((0o600, False), (0o640, True), (0o604, True)):
        file.chmod(mode)
        assert settings.others_can_read(str(file)) == open_to_others
    assert not settings.others_can_read(str(tmp_path / "none"))


@pytest.mark.parametrize("host", ["http://a.example", "a.example/x", "*", "a b", "a.example:port", "me@a.example"])
def test_what_is_no_host_is_refused(host: str) -> None:
    assert host in refusal({"allowed_hosts": f"good.example,{host}"})


@pytest.mark.parametrize("origin", ["a.example", "*", "null", "https://a.example/", "https://", "https://me@a.example"])
def test_what_is_no_origin_is_refused(origin: str) -> None:
    assert origin in refusal({"allowed_origins": f"https://good.example,{origin}"})


def test_allowed_addresses_are_listed_in_small_letters() -> None:
    loaded = settings.load({"allowed_hosts": " A.example ,,b:80", "allowed_origins": "HTTP://Localhost:5173"}, {})
    assert loaded.allowed_hosts == ("a.example", "b:80")
    assert loaded.allowed_origins == ("http://localhost:5173",)
