"""The logic of the page's modules, tested by Node."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from .conftest import ROOT


def test_the_modules_of_the_page_pass_their_own_tests() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    files = sorted(str(path) for path in (ROOT / "tests/js").glob("*.test.mjs"))
    done = subprocess.run([node, "--test", *files], capture_output=True, text=True, timeout=120, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert "# pass 0" not in done.stdout
