"""Pure: how well a passage answers to a query, from its words and its vector.

The score blends cosine similarity with the words, and both are absolute, so the score is too: near 1, one place of
the passage says nearly all that was asked; near 0, nothing of it. The words are weighed in two ways: BM25 over the
whole passage, as a share of what a passage that says each word once would get, and the share of the query that the
best single sentence holds.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

_WORD = re.compile(r"[a-z0-9]+|[\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3]+|[\u3040-\u30ff\u3400-\u9fff]+|[^\W_]+")
_HANGUL = re.compile(r"[\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3]")
_UNSPACED = re.compile(r"[\u1100-\u11ff\u3040-\u318f\u3400-\u9fff\uac00-\ud7a3]")
# It begins with what a sentence can end with: the library then looks at no other character twice.
_SENTENCE_END = re.compile(r"[.!?…。！？\n](?:(?<=[.!?…])[\s\"'”’)\]]+|(?<=[。！？\n]))")
_ENGLISH_STOP = frozenset(
    (
        *("a", "an", "the", "of", "to", "in", "on", "at", "for", "from", "by", "with", "and", "or", "as", "about"),
        *("is", "are", "wa", "was", "were", "be", "been", "do", "doe", "does", "did", "can", "could", "will", "would"),
        *("should", "i", "you", "he", "she", "it", "we", "they", "my", "your", "his", "her", "its", "our", "their"),
        *("this", "that", "these", "those", "what", "which", "who", "whom", "whose", "when", "where", "why", "how"),
        *("there", "have", "has", "had", "ha", "me", "tell"),
    )
)
# Syllables that end in ㅆ: of verbs in the past, and of "있".
_PAST = f"[{''.join(map(chr, range(0xAC00 + 20, 0xD7A4, 28)))}]"
# Question words with what clings to them, and the endings of a question's last word, written and spoken.
_KOREAN_ASKING = re.compile(
    r"(?<![가-힣])(?:무엇|누구|누가|언제|어디|얼마|어떻게|어떠|어때|어땠|뭐|뭘|뭔|며칠)[가-힣]*"
    r"|무엇|무슨|뭐|어떻게|어떤|어느|어디|언제|누구|왜|얼마나|얼마|몇"
    rf"|(?:(?<![가-힣])(?:했|하였|됐|되었|있었?|없었?|[하되]))?"
    rf"(?:(?:인가|하나|는가|은가|던가|나|까|니까|습니까|인지|는지|(?<={_PAST})(?:어|니|냐|지|대|는데|던데|을까)|이에|예)요?"
    r"|[은는도에서면지어아]요|죠|이야|(?<![가-힣])(?:거|건|것)(?:야|예요|가요?|인가요?))\s*(?=[?？.]|$)"
)
# What makes a verb of a noun, and the particles behind a noun. Two syllables at least stay before them.
_KOREAN_ENDINGS = (
    re.compile(
        r"(?<=..)(?:(?:하|되|시키|당하)[였여고는며면기던지게려자]?\S{0,3}|(?:했|됐|되었|하였|시켰|당했)\S{0,3}"
        r"|[한된할될함됨해돼인]|이며|이었던|이던|였던)$"
    ),
    re.compile(
        r"(?<=..)(?:에서[는의도]?|으로(?:는|서|써|부터)?|이?라[는고]|이란|에게서?|까지|부터|에[는도만]?|만을?|이?나|처럼|보다"
        r"|들[이은을의]?|하고|[은는이가을를의와과도로란])$"
    ),
)
_SUFFIXES = ("ing", "ed", "es", "s")

# A text with so many of its letters in Hangul is Korean.
KOREAN = 0.2
# The cosine's part of the score where the embedding model knows the query's language; the words have the rest.
VECTOR_WEIGHT = 0.4
# The best sentence's part of the words; BM25 has the rest.
SENTENCE_WEIGHT = 0.5
# Of BM25: how soon more of the same word stops to count, and how much longer passages are held back.
K1 = 0.6
B = 0.4


def has_unspaced(text: str) -> bool:
    """Whether the text holds Hangul, kana or Han: scripts whose words are found by character bigrams."""
    return bool(_UNSPACED.search(text))


def hangul_share(text: str) -> float:
    """Share of Hangul among the letters, 0 to 1."""
    letters = [character for character in text if character.isalpha()]
    return sum(1 for character in letters if _HANGUL.match(character)) / len(letters) if letters else 0.0


def is_korean(text: str) -> bool:
    """Whether a fair part of the letters is Hangul: Korean texts hold Latin names, and English ones seldom Hangul."""
    return hangul_share(text) >= KOREAN


def terms(text: str) -> list[str]:
    """Lower-case words without their commonest English endings; character bigrams for Hangul, kana and Han."""
    return [term for word in _WORD.findall(text.lower()) for term in _word_terms(word)]


def _word_terms(word: str) -> list[str]:
    if not _UNSPACED.match(word):
        return [_stem(word)]
    return [word[index : index + 2] for index in range(len(word) - 1)] or [word]


def _stem(word: str) -> str:
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            return word[: -len(suffix)]
    return word


def _korean_stem(word: str) -> str:
    for endings in _KOREAN_ENDINGS:
        if ending := endings.search(word):
            return word[: ending.start()]
    return word


def asked(question: str) -> dict[str, float]:
    """The terms of a question that say what it is about, each with its weight, rarity left out.

    Without the words and endings that make it a question, and without Korean particles, whose bigrams are in every
    text. The bigrams of one word count together as its square root of their number: a long word says more than a
    short one, but it is one word. All of the question's terms, if nothing else is left.
    """
    weights: dict[str, float] = {}
    for word in _WORD.findall(_KOREAN_ASKING.sub(" ", question.lower())):
        found = _word_terms(_korean_stem(word))
        for term in found:
            if term not in _ENGLISH_STOP:
                weights[term] = weights.get(term, 0.0) + len(found) ** -0.5
    return weights or {term: float(count) for term, count in Counter(terms(question)).items()}


@dataclass(frozen=True, slots=True)
class _Finder:
    """Counts a query's terms in texts, without cutting whole texts into terms (measured: four times as fast)."""

    pairs: list[str]
    stems: list[str]
    forms: dict[str, str]

    @classmethod
    def of(cls, wanted: Iterable[str]) -> _Finder:
        wanted = list(wanted)
        pairs = [term for term in wanted if len(term) == 2 and _UNSPACED.match(term)]
        stems = [term for term in wanted if term not in pairs]
        forms = {stem + suffix: stem for stem in stems for suffix in ("", *_SUFFIXES)}
        return cls(pairs, stems, {form: stem for form, stem in forms.items() if _word_terms(form) == [stem]})

    def count(self, text: str) -> dict[str, int]:
        """How often each term that the lower-case text holds is in it."""
        found = {pair: text.count(pair) for pair in self.pairs if pair in text}
        for stem in self.stems:
            if stem in text and (times := self._times(stem, text)):
                found[stem] = times
        return found

    def _times(self, stem: str, text: str) -> int:
        times, start = 0, text.find(stem)
        while start >= 0:
            word = _WORD.match(text, start)
            end = word.end() if word else start + 1
            if self.forms.get(text[start:end]) == stem and _begins_word(text, start):
                times += 1
            start = text.find(stem, end)
        return times


def _begins_word(text: str, start: int) -> bool:
    before = _WORD.match(text, start - 1) if start else None
    return before is None or before.end() == start


def held(query: str, texts: Sequence[str]) -> list[float]:
    """The share of the query's terms that each text holds anywhere, whether rare or common. 0 to 1."""
    wanted = asked(query)
    finder = _Finder.of(wanted)
    total = sum(wanted.values()) or 1.0
    return [sum(wanted[term] for term in finder.count(text.lower())) / total for text in texts]


def relevance(query: str, texts: Sequence[str], contexts: Sequence[str]) -> list[float]:
    """How much of the query each text says, by its words alone, 0 to 1.

    `contexts` are the title and headings above each text; they belong to each of its sentences.
    """
    wanted = asked(query)
    finder = _Finder.of(wanted)
    above = [finder.count(context.lower()) for context in contexts]
    inside = [[finder.count(sentence) for sentence in _SENTENCE_END.split(text.lower())] for text in texts]
    counts = [_sum([context, *sentences]) for context, sentences in zip(above, inside, strict=True)]
    weights = weigh(wanted, counts)
    mean = sum(map(len, texts)) / max(1, len(texts)) or 1.0
    matches = [_bm25(weights, count, len(text) / mean) for count, text in zip(counts, texts, strict=True)]
    # Beyond 1 a text says more than each word once: the best match is the measure then.
    most = max([1.0, *matches])
    best = [
        max(_share(weights, sentence.keys() | context.keys()) for sentence in sentences)
        for context, sentences in zip(above, inside, strict=True)
    ]
    return [
        (1 - SENTENCE_WEIGHT) * match / most + SENTENCE_WEIGHT * share
        for match, share in zip(matches, best, strict=True)
    ]


def _sum(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for count in counts:
        for term, times in count.items():
            total[term] = total.get(term, 0) + times
    return total


def weigh(wanted: Mapping[str, float], held: Sequence[Container[str]]) -> dict[str, float]:
    """The weight of each term times its rarity among the texts, the sum being 1.

    Rarity is the inverse document frequency of BM25 (Robertson and Zaragoza, 2009).
    """
    weights = {}
    for term, weight in wanted.items():
        holding = sum(1 for terms in held if term in terms)
        weights[term] = weight * math.log(1 + (len(held) - holding + 0.5) / (holding + 0.5))
    total = sum(weights.values())
    return {term: weight / total for term, weight in weights.items()} if total else {}


def _share(weights: Mapping[str, float], terms: Iterable[str]) -> float:
    return sum(weights.get(term, 0.0) for term in terms)


def _bm25(weights: Mapping[str, float], counts: Mapping[str, int], length: float) -> float:
    """BM25 with weights that sum up to 1: 1 for each term once in a text of mean length. `length`: in means."""
    held_back = K1 * (1 - B + B * length)
    return sum(weights.get(term, 0.0) * times * (K1 + 1) / (times + held_back) for term, times in counts.items())


def scores(cosines: Sequence[float], words: Sequence[float], trust: float = 1.0) -> list[float]:
    """A score from 0 to 1 for each passage. `words`: its `relevance`. `trust`: how far to believe cosines, 0 to 1.

    Measured on both languages (tests/bench/retrieval.py), this ranks better than reciprocal rank fusion, and
    much better where the embedding model does not know the language.
    """
    share = VECTOR_WEIGHT * trust
    return [
        share * min(1.0, max(0.0, cosine)) + (1 - share) * word for cosine, word in zip(cosines, words, strict=True)
    ]
