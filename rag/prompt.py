"""Pure: history, passages and question to messages within a token budget.

Laid out from what changes least to what changes most (system text, history, passages, question), and the history as
the model has read it, so that the engine finds nearly all of a follow-up question's prompt in its memory.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import permutations

from . import ranking
from .chunking import sentences
from .errors import Lang, RagError
from .types import Message, Passage, Turn

_LIST_MARK = re.compile(r"^(?:[-*•]|\d+[.)])\s+")

Count = Callable[[Sequence[Message]], int]

# A model of fewer parameters answers from single sentences; whole passages lead it astray.
NARROW_BELOW = 1_500_000_000
NARROW_SENTENCES = 4
QUOTED_SENTENCES = 2
LONGEST_QUOTE = 250
# A "sentence" beyond this many characters is a table or a listing, and would be most of the prompt.
LONGEST_SENTENCE = 500
# So many turns lose their passages first where a prompt gets too long.
FIRST_BARED = 2
# At least this share of the context is kept for the answer.
ANSWER_SHARE = 4

SYSTEM: dict[Lang, str] = {
    "en": "You answer questions from the numbered passages of the user's documents. Use only what they say and "
    "cite them as [1]. If they do not answer the question, say that the documents do not tell.",
    "ko": "당신은 사용자의 문서에서 뽑은 번호가 붙은 발췌문으로 질문에 한국어로 답합니다. 발췌문에 있는 내용만 "
    "사용하고 [1]처럼 번호로 출처를 밝히세요. 발췌문에 답이 없으면 문서에 없다고 말하세요.",
}
QUESTION: dict[Lang, str] = {"en": "Question", "ko": "질문"}
NOTHING_FOUND: dict[Lang, str] = {
    "en": "I found nothing about this in the documents. Add documents, or ask in other words.",
    "ko": "문서에서 관련 내용을 찾지 못했습니다. 문서를 추가하거나 다른 말로 질문해 보세요.",
}
QUOTING: dict[Lang, str] = {"en": "The documents say:", "ko": "문서에는 이렇게 나와 있습니다."}


def language_of(question: str) -> Lang:
    """The language to answer in: Korean if a fair part of the letters is Hangul."""
    return "ko" if ranking.hangul_share(question) >= 0.2 else "en"


def build(
    question: str,
    history: Sequence[Turn],
    passages: Sequence[Passage],
    *,
    context: int,
    max_tokens: int,
    parameters: int,
    count: Count,
    most: int = NARROW_SENTENCES,
) -> list[Message]:
    """The messages of a prompt that leaves room for an answer. A small model gets the `most` best sentences.

    Where it does not fit, the passages of the oldest turns go first, then those turns, then the last passages. Raises
    `RagError` GEN-003 if the question alone does not fit.
    """
    lang = language_of(question)
    room = context - min(max_tokens, context // ANSWER_SHARE)
    if parameters < NARROW_BELOW:
        evidence = [" ".join(part) for part in narrowed(question, passages, most)]
    else:
        evidence = [passage.text for passage in passages]
    turns = list(history)
    bare = 0
    while True:
        messages = _messages(lang, question, turns, bare, passages, evidence)
        tokens = count(messages)
        if tokens <= room:
            return messages
        if bare < len(turns):
            # More than is needed, or each further question would change the beginning of the prompt.
            bare = max(FIRST_BARED, 2 * bare)
        elif turns:
            # Long histories are cut by halves, so that the counting stays cheap.
            turns = turns[max(1, len(turns) // 2) :]
        elif evidence:
            evidence = evidence[:-1]
        else:
            raise RagError("GEN-003", tokens=tokens, limit=room, characters=len(question) * room // tokens)


def _messages(
    lang: Lang, question: str, turns: Sequence[Turn], bare: int, passages: Sequence[Passage], evidence: Sequence[str]
) -> list[Message]:
    """The first `bare` turns are without their passages."""
    messages = [Message("system", SYSTEM[lang])]
    for number, turn in enumerate(turns):
        asked = turn.question if number < bare else turn.asked or turn.question
        messages += [Message("user", asked), Message("assistant", turn.answer)]
    numbered = [
        f"[{number}] {passage.title}\n{text}"
        for number, (passage, text) in enumerate(zip(passages, evidence, strict=False), 1)
        if text
    ]
    messages.append(Message("user", "\n\n".join([*numbered, f"{QUESTION[lang]}: {question}"])))
    return messages


def narrowed(
    question: str, passages: Sequence[Passage], most: int = NARROW_SENTENCES, longest: int = LONGEST_SENTENCE
) -> list[list[str]]:
    """For each passage, those of its sentences that are among the best of all, in their order; may be empty.

    A sentence is as good as its coverage of the question's terms, a little better in a better passage.
    """
    found = [
        (place, _LIST_MARK.sub("", sentence))
        for place, passage in enumerate(passages)
        for sentence in sentences(passage.text)
        # Neither a heading nor another question is an answer.
        if len(sentence) <= longest and not sentence.startswith("#") and not sentence.endswith(("?", "？"))
    ]
    covered = ranking.coverage(question, [sentence for _, sentence in found])
    scores = [cover + 0.2 * passages[place].score for cover, (place, _) in zip(covered, found, strict=True)]
    best = sorted(sorted(range(len(found)), key=lambda index: -scores[index])[:most])
    chosen: list[list[str]] = [[] for _ in passages]
    for index in best:
        place, sentence = found[index]
        chosen[place].append(sentence)
    return chosen


def quotations(question: str, passages: Sequence[Passage]) -> list[str]:
    """Answers for a model to choose from: the best sentences, letter for letter with their numbers, in each order."""
    chosen = narrowed(question, passages, QUOTED_SENTENCES, LONGEST_QUOTE)
    quotes = [f"“{sentence}” [{number}]" for number, part in enumerate(chosen, 1) for sentence in part]
    frame = QUOTING[language_of(question)]
    return ["\n\n".join([frame, *order]) for order in permutations(quotes)] if quotes else []
