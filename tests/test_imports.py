"""The arrows between the modules, held by reading the imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# A package counts as one module.
RAG = {file.stem: [file] for file in (ROOT / "rag").glob("*.py") if file.stem != "__init__"} | {
    folder.parent.name: sorted(folder.parent.glob("*.py")) for folder in (ROOT / "rag").glob("*/__init__.py")
}
PROJECT = [ROOT / "server.py", *(file for folder in ("rag", "web") for file in (ROOT / folder).rglob("*.py"))]

# What each module of rag/ may import from rag/. `service` puts the parts together, and `doctor` looks at them all.
ARROWS: dict[str, set[str]] = {
    "catalogue": set(),
    "rules": set(),
    "errors": {"catalogue", "rules"},
    "types": set(),
    "ending": {"errors"},
    "orphan": set(),
    "jsonfile": {"durable"},
    "memory": set(),
    "figures": {"protocol", "errors", "types"},
    "rate": set(),
    "logs": {"errors"},
    "slots": set(),
    "turns": set(),
    "ranking": set(),
    "drafting": set(),
    "pieces": {"types"},
    "settings": {"errors"},
    "protocol": {"errors", "types"},
    "sessions": {"disk", "sqlite", "damage", "errors", "types"},
    "template": set(),
    "rendering": {"template", "types"},
    "llama": {"rendering", "durable", "errors", "types"},
    "tuning": {"llama", "settings", "errors", "types"},
    "probe": {"llama", "orphan", "tuning", "settings", "jsonfile", "errors", "types"},
    "engine": {"drafting", "slots", "turns", "pieces", "errors", "types"},
    "embedder": {"llama", "errors", "types"},
    "rows": {"ranking", "types"},
    "repair": set(),
    "resident": {"types"},
    "table": {"rows", "repair", "durable", "damage", "resident", "types"},
    "former": {"table", "rows", "types"},
    "listing": {"types"},
    "store": {
        *("table", "former", "rows", "listing", "memory", "ranking", "disk", "durable", "damage", "errors", "types"),
    },
    "loaders": {"errors", "types"},
    "parsing": {"loaders", "logs", "orphan", "errors", "types"},
    "chunking": {"types"},
    "neighbours": set(),
    "retrieval": {"neighbours", "errors", "types"},
    "durable": set(),
    "disk": {"errors"},
    "damage": set(),
    "sqlite": {"durable", "damage"},
    "originals": {"durable", "damage"},
    "origins": {"sqlite"},
    "incoming": {"durable", "disk", "loaders", "errors", "types"},
    "folders": {"loaders", "errors"},
    "library": {"incoming", "originals", "origins", "disk", "durable", "damage", "types"},
    "ingest": {"incoming", "library", "durable", "disk", "damage", "loaders", "chunking", "errors", "types"},
    "watch": {"ingest", "folders", "durable", "sqlite", "damage", "errors"},
    "evidence": {"ranking", "chunking", "types"},
    "candidates": {"ranking", "evidence"},
    "spans": {"candidates", "evidence"},
    "shots": {"errors"},
    "followup": {"ranking", "evidence", "types"},
    "facts": set(),
    "finding": set(),
    "grounding": {"facts", "ranking", "chunking", "types"},
    "quoting": {"neighbours", "ranking", "evidence", "spans", "errors", "types"},
    "replies": {"errors", "types"},
    "overview": {"ranking", "chunking", "types"},
    "prompt": {"ranking", "chunking", "evidence", "errors", "types"},
    "basis": {"retrieval", "ranking", "evidence", "followup", "types"},
    "plan": {"grounding", "quoting", "protocol", "spans", "types"},
    "pacing": {"errors", "types"},
    "chat": {
        *("protocol", "sessions", "retrieval", "evidence", "basis", "overview", "quoting", "replies", "prompt"),
        *("plan", "pacing", "followup", "shots", "figures", "turns", "errors", "types"),
    },
    "answers": {"chat", "ending", "protocol", "turns", "logs", "errors"},
    "questions": {"loaders", "errors"},
    "evaluation": {"questions", "prompt", "errors"},
    "examiner": {"evaluation", "questions", "replies", "chat", "protocol", "errors", "types"},
    "report": {"evaluation", "errors"},
    "terminal": {"damage", "errors", "logs"},
    "dataformat": {"disk", "jsonfile", "errors"},
    "wheels": {"errors"},
    # Copied into the bundle, where it stands alone.
    "installer": set(),
    "bundle": {"wheels", "installer", "dataformat", "durable", "errors"},
    "service": set(RAG)
    - {"service", "doctor", "ending", "questions", "evaluation", "examiner", "report", "terminal"}
    - {"bundle", "dataformat", "installer", "wheels"},
    "doctor": set(RAG) - {"doctor"},
}


def imports(file: Path) -> Iterator[str]:
    """Dotted names that the file imports, wherever in it; relative ones made absolute."""
    package = list(file.relative_to(ROOT).parts[:-1])
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = [*base, *(node.module or "").split(".")] if node.module else base
            yield from (".".join([*module, alias.name]) for alias in node.names)


def inside_rag(module: str) -> set[str]:
    """The other modules of rag/ that the module imports."""
    names = {name.split(".")[1] for file in RAG[module] for name in imports(file) if name.startswith("rag.")}
    return (names & set(RAG)) - {module}


def importers(package: str, files: list[Path]) -> set[str]:
    return {
        str(file.relative_to(ROOT)) for file in files if any(name.split(".")[0] == package for name in imports(file))
    }


def test_the_reading_of_imports_sees_what_is_there() -> None:
    assert {"ranking", "chunking", "errors", "types"} <= inside_rag("prompt")
    assert "rag/llama.py" in importers("llama_cpp", PROJECT)


@pytest.mark.parametrize("module", sorted(RAG))
def test_arrows_point_only_where_the_layout_says(module: str) -> None:
    assert module in ARROWS, "a new module: say here what it may import"
    assert inside_rag(module) <= ARROWS[module]


def test_the_layout_has_no_circle() -> None:
    left = {module: arrows & set(ARROWS) for module, arrows in ARROWS.items()}
    while left:
        free = {module for module, arrows in left.items() if not arrows & set(left)}
        assert free, f"in a circle: {sorted(left)}"
        left = {module: arrows for module, arrows in left.items() if module not in free}


@pytest.mark.parametrize("package", ["web", "aiohttp", "aiohttp_jinja2", "server", "tests"])
def test_rag_knows_nothing_of_http(package: str) -> None:
    assert importers(package, [file for files in RAG.values() for file in files]) == set()


@pytest.mark.parametrize(
    ("package", "module"),
    [
        ("llama_cpp", "rag/llama.py"),
        ("lancedb", "rag/table.py"),
        ("pypdfium2", "rag/loaders/pdf.py"),
        ("openpyxl", "rag/loaders/xlsx.py"),
        ("pptx", "rag/loaders/pptx.py"),
        ("striprtf", "rag/loaders/rtf.py"),
    ],
)
def test_each_library_has_one_importer(package: str, module: str) -> None:
    assert importers(package, PROJECT) == {module}


def environment_names(tree: ast.AST) -> Iterator[str]:
    """Names of the environment that the code uses, except where it sets a default for a library."""
    if isinstance(tree, ast.Attribute) and tree.attr == "setdefault":
        return
    name = tree.attr if isinstance(tree, ast.Attribute) else tree.name if isinstance(tree, ast.alias) else ""
    if name in ("environ", "environb", "getenv", "getenvb"):
        yield name
    for child in ast.iter_child_nodes(tree):
        yield from environment_names(child)


def test_only_settings_read_the_environment() -> None:
    readers = {
        str(file.relative_to(ROOT))
        for file in PROJECT
        if any(environment_names(ast.parse(file.read_text(encoding="utf-8"))))
    }
    assert readers == {"rag/settings.py"}
