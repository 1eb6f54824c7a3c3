"""The fenced blocks of the guides and of the README, for the tests that run them.

A block is run by tests/test_guides.py (`sh`, `python`, `json`) or tests/browser/test_guides.py (`js`), unless a test
claims it and reads it itself:

    @pytest.mark.guide("11-operations", "Behind nginx")
    def test_nginx_passes_the_socket_on(...) -> None:
        text = block("11-operations", "Behind nginx", "en").text

The marker names the guide and the English heading above the block, and claims all blocks under that heading. Korean
blocks are found by the English heading, too: both languages have the same blocks in the same order.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parent.parent
GUIDES = ROOT / "web" / "guides"
README = "README"

Lang = Literal["en", "ko"]
LANGS: tuple[Lang, Lang] = ("en", "ko")


@dataclass(frozen=True)
class Heading:
    level: int
    text: str
    line: int


@dataclass(frozen=True)
class Block:
    """A fenced block. `heading` is the nearest one above it, in the block's own language; `line` is from 1."""

    guide: str
    lang: Lang
    heading: str
    kind: str
    text: str
    path: Path
    line: int

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}"


def names() -> list[str]:
    """The guides by their names without ending, in their order."""
    return sorted(path.stem for path in (GUIDES / "en").glob("*.md"))


def path_of(guide: str, lang: Lang) -> Path:
    """README.md holds both languages."""
    return ROOT / "README.md" if guide == README else GUIDES / lang / f"{guide}.md"


@functools.cache
def tokens(guide: str, lang: Lang) -> tuple[Token, ...]:
    """What the Markdown consists of, in one language. Raises `FileNotFoundError` for an unknown guide."""
    found = MarkdownIt("commonmark").enable("table").parse(path_of(guide, lang).read_text(encoding="utf-8"))
    if guide == README:
        # The Korean half begins with its own heading of the first level.
        border = [n for n, token in enumerate(found) if token.type == "heading_open" and token.tag == "h1"][1]
        found = found[:border] if lang == "en" else found[border:]
    return tuple(found)


def headings(guide: str, lang: Lang) -> list[Heading]:
    found = tokens(guide, lang)
    return [
        Heading(int(token.tag[1]), found[n + 1].content, (token.map or [0])[0] + 1)
        for n, token in enumerate(found)
        if token.type == "heading_open"
    ]


@functools.cache
def blocks(guide: str, lang: Lang) -> tuple[Block, ...]:
    made, heading = [], ""
    found = tokens(guide, lang)
    for n, token in enumerate(found):
        if token.type == "heading_open":
            heading = found[n + 1].content
        elif token.type in ("fence", "code_block"):
            kind, line = token.info.strip(), (token.map or [0])[0] + 1
            made.append(Block(guide, lang, heading, kind, token.content, path_of(guide, lang), line))
    return tuple(made)


def all_blocks() -> list[Block]:
    return [each for guide in (README, *names()) for lang in LANGS for each in blocks(guide, lang)]


def block(guide: str, heading: str | int, lang: Lang = "en", nth: int = 0) -> Block:
    """The block of a guide: by its number from 0, or the `nth` under an English heading.

    Raises `LookupError` where there is none.
    """
    if isinstance(heading, int):
        return blocks(guide, lang)[heading]
    numbers = [n for n, each in enumerate(blocks(guide, "en")) if each.heading == heading]
    if nth >= len(numbers):
        raise LookupError(f"{guide} has no block {nth} under {heading!r}")
    return blocks(guide, lang)[numbers[nth]]


def english_heading(of: Block) -> str:
    """The heading of the same block in the English guide."""
    return blocks(of.guide, "en")[blocks(of.guide, of.lang).index(of)].heading


@dataclass(frozen=True)
class Claim:
    """A test that runs the blocks under a heading."""

    guide: str
    heading: str
    test: str


@functools.cache
def claims() -> tuple[Claim, ...]:
    """Every `pytest.mark.guide` of the tests, read without importing them."""
    # Not what lies in hidden folders: others' packages, fetched for tests.
    paths = [*(ROOT / "tests").glob("test_*.py"), *(ROOT / "tests/browser").glob("test_*.py")]
    return tuple(claim for path in sorted(paths) for claim in _claims_of(path))


def _claims_of(path: Path) -> Iterator[Claim]:
    text = path.read_text(encoding="utf-8")
    if "mark.guide(" not in text:
        return
    tree = ast.parse(text)
    constants = {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.guide":
                    guide, heading = (
                        constants[argument.id] if isinstance(argument, ast.Name) else ast.literal_eval(argument)
                        for argument in mark.args
                    )
                    yield Claim(guide, heading, f"{path.relative_to(ROOT)}::{node.name}")


def claimed(of: Block) -> bool:
    return any((claim.guide, claim.heading) == (of.guide, english_heading(of)) for claim in claims())


def unclaimed(kind: str) -> list[Block]:
    """The blocks of a kind that the general runners run; one that is the same in both languages once."""
    found = {(each.guide, each.text): each for each in reversed(all_blocks()) if each.kind == kind}
    return [each for each in reversed(found.values()) if not claimed(each)]


_LITERAL = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|`(?:[^`\\]|\\.)*`')
_COMMENT = {
    "python": r"(?m)^\s*#.*\n?|\s+#\s.*$|\"\"\".*?\"\"\"",
    "js": r"(?m)^\s*//.*\n?|\s+//\s.*$",
}
_COMMENT |= {"jsx": _COMMENT["js"], "tsx": _COMMENT["js"], "html": r"(?s)<!--.*?-->"}
# Of these only the form is the same in both languages.
DATA = ("csv", "jsonl", "text")


def same_code(english: Block, korean: Block) -> bool:
    """Whether two blocks differ in their comments and in human texts alone: literals that hold Hangul."""
    if english.kind != korean.kind:
        return False
    if english.kind in DATA:
        return english.text.count("\n") == korean.text.count("\n")
    return _same(*(_bare(each) for each in (english, korean)))


def _bare(of: Block) -> str:
    text = re.sub(_COMMENT.get(of.kind, r"(?m)^\s*#.*\n?|\s+#\s.*$"), "", of.text)
    text = re.sub(r'(\blang["\']?\s*[=: ]\s*["\']?)ko\b', r"\1en", text)
    return "\n".join(line.rstrip() for line in text.splitlines() if line.strip())


def _same(english: str, korean: str) -> bool:
    if _LITERAL.split(english) != _LITERAL.split(korean):
        return False
    pairs = zip(_LITERAL.findall(english), _LITERAL.findall(korean), strict=True)
    return all(ours == theirs or _same_text(ours, theirs) for ours, theirs in pairs)


def _same_text(english: str, korean: str) -> bool:
    if not re.search("[가-힣]", korean):
        return False
    # A request in the literal of a command: its own literals are compared.
    inner = (english[1:-1], korean[1:-1])
    return not all(_LITERAL.search(each) for each in inner) or _same(*inner)
