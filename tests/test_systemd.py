"""The unit of the guide on operations: systemd understands all of it, and the server the command in it."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rag.settings import load
from server import _parser, _with_command

from .conftest import ROOT
from .guides import block


@pytest.mark.guide("11-operations", "As a service of the system (systemd)")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    systemd = shutil.which("systemd-analyze")
    if systemd is None:
        pytest.skip("systemd-analyze is not installed")
    text = block("11-operations", "As a service of the system (systemd)").text
    here = text.replace("/opt/rag-standard/.venv/bin/python", sys.executable).replace("/opt/rag-standard", str(ROOT))
    unit = tmp_path / "rag.service"
    unit.write_text(here)
    done = subprocess.run([systemd, "verify", str(unit)], capture_output=True, text=True, timeout=60, check=False)
    # It also tells of units of this machine that are none of ours.
    assert "rag.service" not in done.stderr, done.stderr
    unit.write_text(here.replace("Restart=always", "Restart=now and then"))
    done = subprocess.run([systemd, "verify", str(unit)], capture_output=True, text=True, timeout=60, check=False)
    assert "rag.service" in done.stderr


def test_the_server_takes_the_command_of_the_unit() -> None:
    text = block("11-operations", "As a service of the system (systemd)").text
    _, _, *arguments = shlex.split(re.findall("^ExecStart=(.*)$", text, re.MULTILINE)[0])
    settings = load(vars(_parser().parse_args(_with_command(arguments))), {})
    (state,) = re.findall("^StateDirectory=(.*)$", text, re.MULTILINE)
    assert settings.data_dir == Path("/var/lib") / state
