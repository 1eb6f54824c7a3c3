"""Pure: how well a passage answers to a query, from its words and its vector.

The score blends cosine similarity with the words: the share of the query's words, weighted by their rarity, that
the passage holds (coverage), and its BM25 against the best one's. Cosine and coverage are absolute, so the score
is too: near 1, the passage says nearly all that was asked; near 0, nothing of it.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence

_WORD = re.compile(r"[a-z0-9]+|[\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3]+|[\u3040-\u30ff\u3400-\u9fff]+|[^\W_]+")
_HANGUL = re.compile(r"[\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3]")
_UNSPACED = re.compile(r"[\u1100-\u11ff\u3040-\u318f\u3400-\u9fff\uac00-\ud7a3]")
_ENGLISH_STOP = frozenset(
    (
        *("a", "an", "the", "of", "to", "in", "on", "at", "for", "from", "by", "with", "and", "or", "as", "about"),
        *("is", "are", "wa", "was", "were", "be", "been", "do", "doe", "does", "did", "can", "could", "will", "would"),
        *("should", "i", "you", "he", "she", "it", "we", "they", "my", "your", "his", "her", "its", "our", "their"),
        *("this", "that", "these", "those", "what", "which", "who", "whom", "whose", "when", "where", "why", "how"),
        *("there", "have", "has", "had", "ha", "me", "tell"),
    )
)
# Question words, and the endings of a question's last word.
_KOREAN_ASKING = re.compile(
    r"무엇(?:인가요?|입니까|이며|을|이|은)?|무슨|뭐(?:예요|야|가|를)?|어떻게|어떤|어느|어디(?:서|에서|에)?|언제|누구(?:의|를|인가)?|누가|왜"
    r"|얼마나|얼마|몇|(?:인가|하나|는가|은가|던가|나|까|니까|습니까|인지|는지)요?\s*(?=[?？.]|$)"
)
# Share of the cosine in the score; the words have the rest.
VECTOR_WEIGHT = 0.3

_SUFFIXES = ("ing", "ed", "es", "s")


def has_unspaced(text: str) -> bool:
    """Whether the text holds Hangul, kana or Han: scripts whose words are found by character bigrams."""
    return bool(_UNSPACED.search(text))


def hangul_share(text: str) -> float:
    """Share of Hangul among the letters, 0 to 1."""
    letters = [character for character in text if character.isalpha()]
    return sum(1 for character in letters if _HANGUL.match(character)) / len(letters) if letters else 0.0


def terms(text: str) -> list[str]:
    """Lower-case words without their commonest English endings; character bigrams for Hangul, kana and Han."""
    found: list[str] = []
    for word in _WORD.findall(text.lower()):
        if not _UNSPACED.match(word):
            found.append(_stem(word))
        elif len(word) == 1:
            found.append(word)
        else:
            found += [word[index : index + 2] for index in range(len(word) - 1)]
    return found


def _stem(word: str) -> str:
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            return word[: -len(suffix)]
    return word


def asked_terms(question: str) -> list[str]:
    """The terms of a question that say what it is about: without the words and endings that make it a question.

    All of its terms, if nothing else is left.
    """
    about = _KOREAN_ASKING.sub(" ", question.lower())
    return [term for term in terms(about) if term not in _ENGLISH_STOP] or terms(question)


def coverage(query: str, texts: Sequence[str]) -> list[float]:
    """For each text, the share of the query's terms that it holds, weighted by rarity among the texts. 0 to 1."""
    wanted = Counter(asked_terms(query))
    held = [set(terms(text)) for text in texts]
    weights = {term: count * _rarity(term, held) for term, count in wanted.items()}
    total = sum(weights.values())
    if not total:
        return [0.0] * len(texts)
    return [sum(weight for term, weight in weights.items() if term in words) / total for words in held]


def _rarity(term: str, texts: Sequence[Iterable[str]]) -> float:
    """Inverse document frequency among the candidates, as in BM25 (Robertson and Zaragoza, 2009)."""
    holding = sum(1 for words in texts if term in words)
    return math.log(1 + (len(texts) - holding + 0.5) / (holding + 0.5))


def scores(*, cosines: Sequence[float], coverages: Sequence[float], matches: Sequence[float]) -> list[float]:
    """A score from 0 to 1 for each passage. `matches` are BM25 scores, 0 where the index did not find it.

    Measured on both languages (tests/bench/retrieval.py), this ranks better than reciprocal rank fusion, and
    much better where the embedding model does not know the language.
    """
    most, widest = max(matches, default=0.0), max(coverages, default=0.0)
    found = []
    for cosine, covered, match in zip(cosines, coverages, matches, strict=True):
        # BM25 has no scale of its own: the best match gets the best coverage.
        words = (covered + (widest * match / most if most > 0 else 0.0)) / 2
        found.append(VECTOR_WEIGHT * min(1.0, max(0.0, cosine)) + (1 - VECTOR_WEIGHT) * words)
    return found
