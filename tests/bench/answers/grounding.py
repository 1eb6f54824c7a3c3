"""Whether true sentences are told from false ones, by `rag.grounding`.

usage: python -m tests.bench.answers.grounding --data FILE.json [--data …]

True sentences: those of `paraphrases.json`, which say in other words what a paragraph says, and sentences of the
paragraphs as they are. False ones: the paraphrases with a number, a name, a negation or the parts changed; sentences
with a number or a name of elsewhere, or denied; sentences of other paragraphs and of other articles. Each is held
against its own paragraph. Prints one JSON object a line for each file and each half of its articles: the share that
counts as supported of each kind, the precision and recall of "unsupported" for changed against unchanged paraphrases,
and milliseconds for a sentence.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from rag import grounding, ranking  # noqa: E402
from rag.chunking import sentences  # noqa: E402
from tests.fakes import make_passage  # noqa: E402

PARAPHRASES = Path(__file__).with_name("paraphrases.json")
SENTENCES = 160
_NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z]{3,}")
_VERB = re.compile(r" (was|is|are|were) ")
_ENDINGS = {"했다.": "하지 않았다.", "되었다.": "되지 않았다.", "이다.": "이 아니다."}


@dataclass(frozen=True, slots=True)
class Case:
    article: int
    paragraph: int
    kind: str
    true: bool
    text: str


def paraphrased(stem: str) -> Iterator[Case]:
    for row in json.loads(PARAPHRASES.read_text(encoding="utf-8")):
        if row["data"] == stem:
            where = row["article"], row["paragraph"]
            yield Case(*where, "paraphrase", True, row["true"])
            yield Case(*where, f"paraphrase, changed {row['changed']}", False, row["false"])


def made(articles: list[dict[str, Any]]) -> Iterator[Case]:
    """Sentences of the paragraphs, as they are and changed by rules, with a fixed seed."""
    chance = random.Random(1)
    pool = [
        (number, place, sentence)
        for number, article in enumerate(articles)
        for place, paragraph in enumerate(article["paragraphs"])
        for sentence in sentences(paragraph["context"])
        if 30 < len(sentence) < 250
    ]
    known = [name for _, _, sentence in pool for name in _NAME.findall(sentence)]
    for number, place, sentence in chance.sample(pool, min(SENTENCES, len(pool))):
        context = articles[number]["paragraphs"][place]["context"]
        yield Case(number, place, "as it is", True, sentence)
        yield Case(number, place, "of another article", False, chance.choice([x for x in pool if x[0] != number])[2])
        if same := [x for x in pool if x[0] == number and x[1] != place]:
            yield Case(number, place, "of another paragraph", False, chance.choice(same)[2])
        if figures := list(re.finditer(r"\d+", sentence)):
            figure = chance.choice(figures)
            other = str(int(figure.group()) + chance.choice([1, 2, 3, 7, 10]))
            if other not in context:
                yield Case(number, place, "changed number", False, _put(sentence, figure, other))
            begin = context.index(sentence)
            far = [
                found.group()
                for found in re.finditer(r"\d+", context)
                if abs(found.start() - begin) > len(sentence) + 200
                and len(found.group()) == len(figure.group())
                and found.group() not in sentence
            ]
            if far:
                yield Case(number, place, "number of elsewhere", False, _put(sentence, figure, chance.choice(far)))
        if known and (named := list(_NAME.finditer(sentence))):
            name = chance.choice(known)
            if name not in context:
                yield Case(number, place, "changed name", False, _put(sentence, chance.choice(named), name))
        if (denied := _denied(sentence)) != sentence:
            yield Case(number, place, "denied", False, denied)


def _put(sentence: str, where: re.Match[str], text: str) -> str:
    return sentence[: where.start()] + text + sentence[where.end() :]


def _denied(sentence: str) -> str:
    if re.search(r"\bno[tr]?\b|n't|않|없|못|아니", sentence):
        return sentence
    if not ranking.has_unspaced(sentence):
        return _VERB.sub(r" \1 not ", sentence, count=1)
    for ending, denied in _ENDINGS.items():
        sentence = sentence.removesuffix(ending) + denied if sentence.endswith(ending) else sentence
    return sentence


def measure(cases: list[Case], articles: list[dict[str, Any]]) -> dict[str, object]:
    kept: dict[str, list[bool]] = defaultdict(list)
    begun = time.perf_counter()
    for case in cases:
        article = articles[case.article]
        source = make_passage(article["paragraphs"][case.paragraph]["context"], title=article["title"])
        likely = grounding.support(case.text, [source])
        kept[case.kind].append(likely is not None and likely >= grounding.SUPPORTED)
    took = time.perf_counter() - begun
    changed = [one for kind, many in kept.items() if kind.startswith("paraphrase,") for one in many]
    caught, missed = changed.count(False), kept["paraphrase"].count(False)
    return {
        "cases": len(cases),
        "unsupported": {
            "precision": round(caught / max(1, caught + missed), 3),
            "recall": round(caught / max(1, len(changed)), 3),
        },
        "supported": {kind: [len(many), round(sum(many) / len(many), 3)] for kind, many in kept.items()},
        "ms": round(1000 * took / max(1, len(cases)), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append", type=Path, required=True)
    for path in parser.parse_args().data:
        articles = json.loads(path.read_text(encoding="utf-8"))["data"]
        cases = [*paraphrased(path.stem), *made(articles)]
        for half in (None, 0, 1):
            some = [case for case in cases if half is None or case.article % 2 == half]
            about = {"data": path.stem, "articles": "all" if half is None else f"half {half}"}
            print(json.dumps(about | measure(some, articles), ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
