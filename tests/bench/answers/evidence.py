"""The evidence for an answer, without a model that writes: sentences, short answers, and whether there is an answer.

usage: python -m tests.bench.answers.evidence --data FILE.json [--data …] [--keep DIR] [--parts] [--chat-model FILE]

Each article is a document, cut and indexed as an ingestion does it; all files share one index (`--keep` keeps it).
Prints one JSON object a line for each file, for all articles and for each half of them:

- `best_1`, `best_2`, `best_3`: share of questions whose expected words stand in the best so many sentences;
- `f1`, `f1_words`, `exact`: the best short answer from the best sentence, in KorQuAD's characters for Korean;
  `f1_of_5`, `f1_of_10`: the best of so many; `offered`: whether the expected words are a candidate at all;
- `f1_chosen`: the short answer that the chat model chooses in the languages that it knows, with the milliseconds that
  it takes, first and median;
- `false_refusals`, `false_answers`: of questions, and of the same questions with their article left out; `roc`:
  the same at other thresholds.

`--parts` leaves out one signal after the other.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from rag import evidence, llama, ranking, shots, spans  # noqa: E402
from rag.embedder import GgufEmbedder  # noqa: E402
from rag.engine import Engine  # noqa: E402
from rag.evaluation import f1, holds  # noqa: E402
from rag.prompt import language_of  # noqa: E402
from rag.retrieval import Retriever, trust  # noqa: E402
from rag.types import Document, Passage, Sampling  # noqa: E402
from tests.bench.answers.data import Question, found, index, read  # noqa: E402

Floats = NDArray[np.float64]
THRESHOLDS = (0.1, 0.3, 0.5, 0.7, 0.9)
CHANGES = ("BEFORE", "PASSAGE", "FITS", "COSINE")


@dataclass(frozen=True, slots=True)
class Case:
    """A question with what is found for it, with its article and without; cosines of sentences where they count."""

    question: Question
    passages: list[Passage]
    others: list[Passage]
    cosines: dict[str, float]
    chosen: str | None = None
    seconds: float = 0.0

    @property
    def half(self) -> int:
        return int(self.question.document.rsplit("-", 1)[1]) % 2


def ranked(case: Case, passages: Sequence[Passage], embedded: int) -> list[evidence.Evidence]:
    best = evidence.rank(case.question.text, passages, evidence.gather(passages))
    return evidence.refine(best, [case.cosines[one.text] for one in best[:embedded] if one.text in case.cosines])


def measure(cases: Sequence[Case], embedded: int) -> dict[str, object]:
    rows, times, chosen = [], [], []
    bearing: tuple[list[float], list[float]] = ([], [])
    for case in cases:
        question, expected = case.question.text, case.question.expected
        begun = time.perf_counter()
        best = ranked(case, case.passages, embedded)
        short = spans.answer_spans(question, best[:1], 10**6)
        times.append(time.perf_counter() - begun)
        korean = ranking.is_korean(question)
        near = [f1(one.text, expected, korean) for one in short] or [0.0]
        rows.append(
            [
                *(any(holds(one.text, expected) for one in best[:count]) for count in (1, 2, 3)),
                near[0],
                f1(short[0].text, expected) if short else 0.0,
                near[0] == 1,
                max(near[:5]),
                max(near[:10]),
                max(near) == 1,
            ]
        )
        if case.chosen is not None:
            chosen.append(f1(case.chosen, expected, korean))
        bearing[0].append(evidence.bears(question, case.passages, best))
        bearing[1].append(evidence.bears(question, case.others, ranked(case, case.others, embedded)))
    names = ("best_1", "best_2", "best_3", "f1", "f1_words", "exact", "f1_of_5", "f1_of_10", "offered")
    means = (round(float(mean), 3) for mean in np.mean(np.array(rows, dtype=float), axis=0))
    known, unknown = np.array(bearing[0]), np.array(bearing[1])
    roc = [[limit, *(round(float(share), 3) for share in _errors(known, unknown, limit))] for limit in THRESHOLDS]
    return (
        {"questions": len(cases)}
        | dict(zip(names, means, strict=True))
        | dict(zip(("false_refusals", "false_answers"), roc[THRESHOLDS.index(0.5)][1:], strict=True))
        | ({"f1_chosen": round(float(np.mean(chosen)), 3), "ms_chosen": _milliseconds(cases)} if chosen else {})
        | {"roc": roc, "ms_median": round(1000 * float(np.median(times)), 1)}
    )


def _milliseconds(cases: Sequence[Case]) -> list[float]:
    """The first, whose prompt is computed as a whole, and the median."""
    times = [1000 * case.seconds for case in cases if case.chosen is not None]
    return [round(times[0], 1), round(float(np.median(times)), 1)]


def _errors(known: Floats, unknown: Floats, limit: float) -> tuple[float, float]:
    return float((known < limit).mean()), float((unknown >= limit).mean())


async def choose(engine: Engine, case: Case, embedded: int) -> Case:
    """The case with the short answer that the model chooses, if it knows the language."""
    question = case.question.text
    lang, best = language_of(question), ranked(case, case.passages, embedded)
    if not engine.speaks(lang) or not best:
        return case
    begun = time.perf_counter()
    offered = spans.short_answers(question, best)
    choices, priors = [shots.choice(one.text) for one in offered], [one.prior for one in offered]
    text = shots.prompt(lang, question, best[0].text)
    said = [token.text async for token in engine.generate(text, Sampling(), threading.Event(), choices, priors)]
    return replace(case, chosen="".join(said).strip(), seconds=time.perf_counter() - begun)


async def cases(
    retriever: Retriever, data: tuple[list[Document], list[Question]], passages: int, embedded: int
) -> list[Case]:
    """The questions with their passages. Sentences are embedded only where the embedder knows the language."""
    made = []
    embedder = retriever.embedder
    for question in tqdm(data[1], unit="question", disable=None):
        lists = [await found(retriever, question, data[0], passages, left_out) for left_out in (False, True)]
        cosines: dict[str, float] = {}
        if embedded and trust(question.text, embedder.count(question.text)) > 0.5:
            for one in lists:
                best = evidence.rank(question.text, one, evidence.gather(one))[:embedded]
                if best:
                    vectors = await embedder.embed(
                        [question.text, *(evidence.in_passage(sentence, one) for sentence in best)]
                    )
                    close = vectors[1:] @ vectors[0]
                    cosines |= {sentence.text: float(cosine) for sentence, cosine in zip(best, close, strict=True)}
        made.append(Case(question, lists[0], lists[1], cosines))
    return made


def opened(path: Path, threads: int) -> Engine:
    context = llama.Context(llama.Model(path), tokens=2048, batch=512, threads=threads)
    return Engine(context.model, context, lambda sampling: llama.Sampler(context, sampling))


def changes() -> Iterator[tuple[str, AbstractContextManager[object]]]:
    yield "all", nullcontext()
    for name in CHANGES:
        yield f"without {name}", patch.object(evidence, name, 0.0)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append", type=Path, required=True)
    parser.add_argument("--keep", type=Path, help="folder of an index to make or to use again")
    parser.add_argument("--parts", action="store_true")
    parser.add_argument("--embed-model", type=Path, default=ROOT / "models/all-MiniLM-L6-v2.Q8_0.gguf")
    parser.add_argument("--chat-model", type=Path)
    parser.add_argument("--questions", type=int, default=300, help="of each file, drawn with a fixed seed; 0: all")
    parser.add_argument("--passages", type=int, default=5)
    parser.add_argument(
        "--embedded", type=int, default=evidence.EMBEDDED, help="sentences of each question whose cosine is used"
    )
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    embedder = GgufEmbedder(llama.Model(options.embed_model), threads=options.threads)
    sets = {path.stem: read(path, options.questions) for path in options.data}
    engine = opened(options.chat_model, options.threads) if options.chat_model else None
    with tempfile.TemporaryDirectory() as directory:
        everything = [document for documents, _ in sets.values() for document in documents]
        store = await index(embedder, everything, options.keep or Path(directory))
        retriever = Retriever(embedder, store)
        for name, (_, questions) in sets.items():
            made = await cases(retriever, (everything, questions), options.passages, options.embedded)
            if engine:
                made = [await choose(engine, case, options.embedded) for case in made]
            for change, changed in changes():
                if change == "all" or options.parts:
                    with changed:
                        whole = {"data": name, "signals": change, "articles": "all"}
                        print(json.dumps(whole | measure(made, options.embedded)), flush=True)
            for half in (0, 1):
                one = [case for case in made if case.half == half]
                about = {"data": name, "signals": "all", "articles": f"half {half}"}
                print(json.dumps(about | measure(one, options.embedded)), flush=True)
        store.close()
    await embedder.close()
    if engine:
        await asyncio.to_thread(engine.close)


if __name__ == "__main__":
    asyncio.run(main())
