"""axe-core, which finds what keeps people out of a page. For tests only (MPL-2.0), kept in a git-ignored folder."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from models import starter
from tests.vocabularies import CACHE

# The package is a wheel of axe-core's own file, and is not installed.
AXE = starter.Starter(
    kind="chat",
    name="axe-core",
    file="axe-4.12.1.min.js",
    file_bytes=0,
    license="mpl-2.0",
    languages=[],
    package="axe-playwright-python",
    version="0.1.8",
    wheel_sha256="fdd263c998388f1a8e67cad02677e612d946248bd44d163be5e8650ea31f95f8",
    wheel_bytes=160681,
    member="axe_playwright_python/axe.min.js",
    member_sha256="84494fec757e4710dc751c8d7a636e457f4532f08f85c86dc9070133fbff53bc",
    member_bytes=572600,
)


def fetch() -> str:
    """The script, from the cache or the package index. Raises `starter.Refused` where it cannot be had."""
    kept = CACHE / AXE.file
    if not kept.exists():
        CACHE.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=CACHE) as folder:
            wheel = starter.download(AXE, Path(folder))
            starter.extract(wheel, AXE, Path(folder) / AXE.file).replace(kept)
    return kept.read_text("utf-8")


def violations(driver: Any, script: str) -> list[str]:
    """What axe finds against WCAG 2.2 AA and good practice on the page as it is: rule, and the first places."""
    driver.execute_script(script)
    found = driver.execute_async_script(
        "const done = arguments[0];"
        "axe.run(document, {resultTypes: ['violations']}).then(({violations}) => done(violations))"
    )
    return [
        f"{each['id']}: {each['help']}: " + " | ".join(node["html"][:120] for node in each["nodes"][:3])
        for each in found
    ]
