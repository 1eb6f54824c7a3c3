"""What an answer rests on: passages searched with the conversation, their weighed sentences, and whether they tell."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from . import followup
from .evidence import EMBEDDED, Evidence, bears, gather, in_passage, rank, refine
from .ranking import has_unspaced
from .retrieval import Retriever
from .types import EVERYWHERE, Filter, Passage, Turn

# Below this likelihood the documents do not tell.
BEARS = 0.5
# Log-odds for a question that is searched with words of the conversation, all of which but its own are easily found:
# that the best sentence is in a document which the last answer cites, or is not. In Korean, spoken questions share few
# bigrams with what is written, and the document tells more.
HERE, ELSEWHERE = 1.0, -2.0
HERE_UNSPACED, ELSEWHERE_UNSPACED = 3.0, -3.0


@dataclass(frozen=True, slots=True)
class Basis:
    """`searched`: the question, or that with words of the conversation. `ranked`: sentences, the best first.

    `told`: whether the documents are likely to answer the question.
    """

    searched: str
    passages: Sequence[Passage]
    ranked: Sequence[Evidence]
    told: bool


async def find(
    retriever: Retriever, asked: str, history: Sequence[Turn], most: int, where: Filter = EVERYWHERE
) -> Basis:
    """At most `most` passages for the question after the turns of a conversation. Raises what the search raises."""
    searched = await asyncio.to_thread(followup.contextual, asked, history)
    found = await _look(retriever, asked, searched, history, most, where)
    if found.told or searched == asked or not followup.may_stand_alone(asked):
        return found
    # It may have been about something else.
    return await _look(retriever, asked, asked, history, most, where)


async def _look(
    retriever: Retriever, asked: str, searched: str, history: Sequence[Turn], most: int, where: Filter
) -> Basis:
    passages = await retriever.search(searched, most, where)
    weighed = followup.weighing(asked, searched)
    ranked = await asyncio.to_thread(lambda: rank(weighed, passages, gather(passages)))
    texts = [in_passage(sentence, passages) for sentence in ranked[:EMBEDDED]]
    ranked = refine(ranked, await retriever.cosines(searched, texts))
    more = _on_topic(asked, passages, ranked, history) if searched != asked else 0.0
    told = await asyncio.to_thread(bears, searched, passages, ranked, more)
    return Basis(searched, passages, ranked, told >= BEARS)


def _on_topic(asked: str, passages: Sequence[Passage], ranked: Sequence[Evidence], history: Sequence[Turn]) -> float:
    """The log-odds that tell a question which goes on with the conversation from one whose words only happen to be
    found."""
    last = next((turn for turn in reversed(history) if turn.sources), None)
    cited = followup.cited(last) if last else set()
    here, elsewhere = (HERE_UNSPACED, ELSEWHERE_UNSPACED) if has_unspaced(asked) else (HERE, ELSEWHERE)
    return here if ranked and passages[ranked[0].passage].document_id in cited else elsewhere
