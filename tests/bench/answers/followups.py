"""Follow-up questions: whether the right passage is found with what the conversation is about, and without.

usage: python -m tests.bench.answers.followups --data FILE.json [--data …] [--keep DIR] [--misses]

Each article is a document, indexed as tests/bench/answers/evidence.py does it (`--keep` takes the same folder). The
dialogues of dialogues.json go turn by turn through the real search; an answer is the best short answer and its
sentence, as an answer that quotes has them. Prints one JSON object a line for each split, language and kind of
question (the first of a dialogue, one that stands alone later on, a follow-up):

- `plain_1`, `plain_5`: share of questions whose right passage is the first, or one of the first five, when the
  question is searched as it is;
- `first_1`, `first_5`: the same with `rag.followup.contextual`;
- `changed`: share of questions that it did not leave as they are;
- `best_1`, `best_2`: share of questions for which the best sentence, or one of the best two, has an expected word;
- `refused`: share of questions that are refused, though the documents answer them;
- `answered`: share of questions that are answered in a conversation over documents that do not answer them: the
  articles of the whole dialogue are left out; `answered_after`: the same if they go just before the question.

`--misses` prints the questions that are not found with the conversation, too.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, Literal, get_args

from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from rag import llama, spans  # noqa: E402
from rag.basis import Basis, find  # noqa: E402
from rag.embedder import GgufEmbedder  # noqa: E402
from rag.evaluation import holds, plain  # noqa: E402
from rag.protocol import source_of  # noqa: E402
from rag.retrieval import Retriever  # noqa: E402
from rag.types import Document, Filter, Passage, Turn  # noqa: E402
from tests.bench.answers.data import index, read  # noqa: E402

DIALOGUES = Path(__file__).with_name("dialogues.json")
FOUND = 5

Kind = Literal["first", "alone", "follow-up"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Dialogue = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Result:
    """One question: what was searched, and the place of the right passage without the conversation and with it."""

    split: str
    language: str
    kind: Kind
    question: str
    searched: str
    plain: int | None
    place: int | None
    sentence: int | None
    refused: bool
    answered: bool
    answered_after: bool


def place_of(passages: Iterable[Passage], document: str, expected: Sequence[str]) -> int | None:
    """Where the first passage of the document stands, from 0, that has all of the expected words."""
    for place, passage in enumerate(passages):
        if passage.document_id == document and all(plain(words) in plain(passage.text) for words in expected):
            return place
    return None


def kept(question: str, found: Basis) -> Turn:
    """The turn after an answer that quotes the best sentence, or after a refusal."""
    if not found.told:
        return Turn("", question, "", [source_of(passage) for passage in found.passages])
    passages, best = found.passages, found.ranked[0]
    short = spans.answer_spans(question, [best], 1)
    answer = (f"**{short[0].text}**\n\n" if short else "") + f"“{best.text}” [{best.passage + 1}]"
    quoted = replace(passages[best.passage], text=best.text, start=best.start, end=best.end)
    sources = [
        source_of(quoted, True) if place == best.passage else source_of(passage)
        for place, passage in enumerate(passages)
    ]
    return Turn("", question, answer, sources)


async def talk(retriever: Retriever, dialogue: Dialogue, documents: Mapping[str, str]) -> list[Result]:
    """The dialogue over all documents, and beside it over those that it is not about."""
    results = []
    history: list[Turn] = []
    elsewhere: list[Turn] = []
    about = {documents[turn.get("title", dialogue["title"])] for turn in dialogue["turns"]}
    others = Filter(documents=tuple(document for document in documents.values() if document not in about))
    for turn in dialogue["turns"]:
        question, expected = turn["question"], turn["expected"]
        document = documents[turn.get("title", dialogue["title"])]
        found = await find(retriever, question, history, FOUND)
        lacking = await find(retriever, question, elsewhere, FOUND, others)
        alone = await retriever.search(question, FOUND)
        holding = (
            place
            for place, sentence in enumerate(found.ranked)
            if found.passages[sentence.passage].document_id == document and holds(sentence.text, expected)
        )
        results.append(
            Result(
                split=dialogue["split"],
                language=dialogue["language"],
                kind="first" if not history else "alone" if turn["alone"] else "follow-up",
                question=question,
                searched=found.searched,
                plain=place_of(alone, document, expected),
                place=place_of(found.passages, document, expected),
                sentence=next(holding, None),
                refused=not found.told,
                answered=lacking.told,
                answered_after=(await find(retriever, question, history, FOUND, others)).told,
            )
        )
        history.append(kept(question, found))
        elsewhere.append(kept(question, lacking))
    return results


def measure(results: Sequence[Result]) -> dict[str, object]:
    def share(places: Iterable[int | None], first: int) -> float:
        return round(sum(place is not None and place < first for place in places) / len(results), 3)

    ways = {"plain": [result.plain for result in results], "first": [result.place for result in results]}
    shares = {f"{name}_{first}": share(places, first) for name, places in ways.items() for first in (1, FOUND)}
    shares |= {f"best_{first}": share((result.sentence for result in results), first) for first in (1, 2)}
    rest = {
        "changed": sum(result.searched != result.question for result in results) / len(results),
        "refused": sum(result.refused for result in results) / len(results),
        "answered": sum(result.answered for result in results) / len(results),
        "answered_after": sum(result.answered_after for result in results) / len(results),
    }
    return {"questions": len(results)} | shares | {name: round(value, 3) for name, value in rest.items()}


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append", type=Path, required=True)
    parser.add_argument("--keep", type=Path, help="folder of an index to make or to use again")
    parser.add_argument("--misses", action="store_true")
    parser.add_argument("--embed-model", type=Path, default=ROOT / "models/all-MiniLM-L6-v2.Q8_0.gguf")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    embedder = GgufEmbedder(llama.Model(options.embed_model), threads=options.threads)
    everything: list[Document] = [document for path in options.data for document in read(path, 0)[0]]
    documents = {document.title: document.id for document in everything}
    results: list[Result] = []
    with tempfile.TemporaryDirectory() as directory:
        store = await index(embedder, everything, options.keep or Path(directory))
        retriever = Retriever(embedder, store)
        for dialogue in tqdm(json.loads(DIALOGUES.read_text(encoding="utf-8")), unit="dialogue", disable=None):
            if dialogue["title"] in documents:
                results += await talk(retriever, dialogue, documents)
        store.close()
    await embedder.close()
    for split, language, kind in product(("dev", "test"), ("en", "ko"), KINDS):
        some = [one for one in results if (one.split, one.language, one.kind) == (split, language, kind)]
        if some:
            about = {"split": split, "language": language, "kind": kind}
            print(json.dumps(about | measure(some)), flush=True)
    for kind in KINDS:
        some = [one for one in results if one.kind == kind]
        print(json.dumps({"split": "all", "language": "all", "kind": kind} | measure(some)), flush=True)
    if options.misses:
        for one in results:
            if one.place is None:
                print(json.dumps({"missed": one.question, "searched": one.searched}, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
