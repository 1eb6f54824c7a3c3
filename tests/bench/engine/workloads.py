"""What is asked. The same seed gives the same questions, whatever the machine."""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass
from pathlib import Path

from .ours import ROOT

Passages = dict[str, list[tuple[str, str]]]

TINY: Passages = {"": [("Note", "The meeting is on Tuesday at ten in the small room.")]}
WARM_UP = "When is the meeting?"
# Of the tokens of a prompt, those that are system text, template and the tiny passage; and tokens of one word.
FRAME_TOKENS = 77
TOKENS_PER_WORD = 1.05

GUIDE_QUESTIONS = (
    ("How do I add documents?", "Which formats can they have?"),
    ("Which models does it use?", "Where do I put another model?"),
    ("How do I change a setting?", "Which setting is for the longest answer?"),
    ("How does a client talk to the server?", "Which events does the server send?"),
    ("What should I do when the port is in use?", "And what when a model cannot be loaded?"),
    ("What is RAG Standard?", "Does it send anything to the internet?"),
    ("How long does a conversation live?", "Is it kept when the server restarts?"),
    ("How is a document deleted?", "What happens to its passages?"),
)


@dataclass(frozen=True, slots=True)
class Workload:
    """Chats at once, each with its questions one after the other; `passages` None: those of the indexed guides."""

    chats: list[list[str]]
    passages: Passages | None = None

    def write(self, path: Path) -> Path | None:
        """The passages as a file for the server."""
        if self.passages is None:
            return None
        path.write_text(json.dumps(self.passages, ensure_ascii=False), encoding="utf-8")
        return path


def _words() -> list[str]:
    """Plain words, from the guides that every copy of the project has."""
    text = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "web/guides/en").glob("*.md")))
    return sorted(set(re.findall(r"\b[a-z]{3,9}\b", text)))


def random_text(rng: random.Random, tokens: int) -> str:
    """Words without sense, a question of about so many tokens."""
    words = _words()
    return " ".join(rng.choice(words) for _ in range(max(1, round(tokens / TOKENS_PER_WORD))))


def random_chats(seed: str, chats: int, requests: int = 1, tokens: int = 500) -> Workload:
    """Prompts of about `tokens` tokens that share the system text and a tiny passage, and nothing else."""
    rng = random.Random(seed)
    texts = [[random_text(rng, tokens - FRAME_TOKENS) for _ in range(requests)] for _ in range(chats)]
    # Each request is a conversation of its own: a later one of the same chat would carry the history.
    return Workload(texts, TINY)


def product(seed: str, chats: int, data: Path | None, quoting: bool = False) -> Workload:
    """Real passages, a question and a follow-up for each chat.

    `data`: a SQuAD-format file; each question gets its own paragraph and the next ones of the article, both questions
    of a chat the same. With `quoting` the questions ask for the passage's own words.
    """
    rng = random.Random(seed)
    if data is None:
        pairs = [list(pair) for pair in rng.sample(GUIDE_QUESTIONS, len(GUIDE_QUESTIONS))]
        return Workload([pairs[index % len(pairs)] for index in range(chats)], None)
    articles = json.loads(data.read_text(encoding="utf-8"))["data"]
    passages: Passages = dict(TINY)
    asked: list[list[str]] = []
    places = [(article, number) for article in articles for number in range(len(article["paragraphs"]))]
    rng.shuffle(places)
    for article, number in places:
        questions = [qa["question"] for qa in article["paragraphs"][number]["qas"] if qa["question"] not in passages]
        if len(questions) < 2 or len(asked) == chats:
            continue
        count = len(article["paragraphs"])
        near = [article["paragraphs"][(number + step) % count] for step in range(min(count, 5))]
        rows = [(article["title"], paragraph["context"]) for paragraph in near]
        chat = [
            f"{question.strip()} Do not answer. Copy the passages word for word." if quoting else question
            for question in questions[:2]
        ]
        passages |= dict.fromkeys(chat, rows)
        asked.append(chat)
    return Workload(asked, passages)


def conversation(seed: str, turns: int = 20, tokens: int = 30) -> list[str]:
    """Short questions for one session, to be asked until it is long enough."""
    rng = random.Random(seed)
    return [random_text(rng, tokens) for _ in range(turns)]
