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
