"""Pure: what to search for a question that only the conversation makes whole.

"And how long is it?" is searched with words of the questions before it. Nothing is rewritten: small models cannot do
it. Rules tell which questions stand alone, and those are left as they are; tests/bench/answers/followups.py measures
both in Korean and English.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from . import ranking
from .evidence import DATE
from .types import Turn

# So many turns back a question may lean; so many words are carried over at most, each of at most so many characters.
TURNS = 3
MOST = 12
LONGEST = 40
# A question that points at nothing stands alone if it has so many words that the conversation has not.
NEW = 2
# Words with "…는요?" are all of a question that leaves out the rest, up to so many.
ELLIPTIC = 3

_WORD = re.compile(r"[^\W_]+(?:[-'’&.]+[^\W_]+)*")
_NAME = re.compile(r"(?<!^)(?<![.?!:]\s)\b[A-Z]\w+")
_SHORT_ANSWER = re.compile(r"\*\*(.+?)\*\*")
# "Now to something else", said in words.
_SHIFT = re.compile(
    r"^\W*(?:(?:an?)?other (?:topic|question|subject)|(?:a )?different (?:topic|question|subject)|by the way"
    r"|changing the subject|(?:다른|딴)\s?(?:질문|얘기|이야기|주제)|그건 (?:됐|그렇)고|그나저나)",
    re.I,
)
_OPENING = re.compile(
    r"^\W*(?:and|but|or|so|also|then|(?:what|how) about|(?:what|who) else|i meant?|no|not)\b"
    r"|^\W*(?:그럼|그러면|그리고|그래서|그러니까|또|아니)(?=[\s,])",
    re.I,
)
_ELLIPSIS = re.compile(r"[은는면이가]요?\s*[?？]?\s*$")
_POINTING = re.compile(
    r"\b(?:it|its|they|them|their|theirs|he|him|his|she|her|hers|those|these|this|that|then|ones?|same"
    r"|there|the (?:other|former|latter))\b"
    # Not "저는", which is "I".
    r"|(?:^|(?<=\s))(?:[그이](?:것|게|건|거|때|들|녀|곳|쪽|중|런|렇게|다음|전|후)?|저(?:것|게|건|거|쪽|런)"
    r"|[거여저]기|걔|얘|쟤|같은|다음)"
    r"(?:에서|에게|까지|부터|보다|처럼|한테|[은는이가을를도의에와과로만랑])*(?=[\s,?？]|$)",
    re.I,
)
# "There" that points at nothing, and "that" which only joins.
_JOINING = re.compile(
    r"\b(?:is|are|was|were) there\b|(?<=\w )that (?=(?:is|are|was|were|has|have|had|can|could)\b)", re.I
)
# Words that tell little of what a question is about.
_PLAIN = frozenset(
    (
        "many much long big old far often first last second two more most other people name called get got make made "
        "take used mean year time one before after set up come go went see said say like some any all"
    ).split()
)
_KOREAN_ASKING = re.compile(r"누구|누가|언제|어디|무슨|무엇|뭐|뭘|뭔|어떤|어느|어떻게|왜|얼마|몇")
_KOREAN_PLAIN = re.compile(
    r"^(?:(?:누구|누가|언제|어디|무슨|무엇|뭐|뭘|뭔|어떤|어느|어떻게|왜|얼마|몇|사람|이름|처음|원래|다시|같이|함께|다른|지금|나중|어릴"
    r"|많이|가장|제일|동안|정도|때문|년|월|번|명|개)(?:이?라고|에서|에게|까지|부터|으로|[은는이가을를도의에와과로])?)$"
    r"|(?:고|면|며|서|게|던|야|는데|려고|지만)$"
)


def contextual(question: str, history: Sequence[Turn]) -> str:
    """The text to search for after the turns of a conversation, the oldest first.

    The question itself if it stands alone. Otherwise words of the last questions follow it, and the words of the last
    short answer (in bold) if the question points at something: at most `MOST` words. Where it points at nothing, and
    so may stand alone after all, the question is said twice, to weigh more than what follows.
    """
    # Small talk has no sources, and is about nothing.
    history = [turn for turn in history if turn.sources]
    if stands_alone(question, history):
        return question
    carried = _carried(question, history)
    unsure = bool(carried) and not leans(question) and bool(_topics(question))
    return " ".join([question] * (2 if unsure else 1) + carried)


def weighing(question: str, searched: str) -> str:
    """The text to weigh sentences with, where `searched` is what was searched for the question.

    What the question says itself counts twice: the words carried over are best held by the sentence that answered
    the question before.
    """
    return question if searched == question else f"{question} {searched}"


def stands_alone(question: str, history: Sequence[Turn]) -> bool:
    """Whether the question says by itself what it is about.

    It does if it names what the conversation has not had, before it points at anything ("it", "거기"). Korean has no
    capitals that tell names, so there, and where nothing is pointed at, `NEW` new words are asked for.
    """
    if not history or _SHIFT.search(question):
        return True
    if _goes_on(question):
        return False
    pointing = _pointing(question)
    before = DATE.sub(" ", question[: pointing.start()] if pointing else question)
    known = _said(history[-TURNS:])
    if any(not known.issuperset(ranking.terms(name)) for name in _NAME.findall(before.strip())):
        return True
    new = [word for word in _topics(before) if not known.issuperset(ranking.asked(word))]
    return len(new) >= NEW and (pointing is None or ranking.has_unspaced(question))


def leans(question: str) -> bool:
    """Whether the words of a question point at what was said before."""
    return _goes_on(question) or bool(_pointing(question))


def may_stand_alone(question: str) -> bool:
    """Whether the question may be about something else than the conversation: it points at nothing, and says enough."""
    return not leans(question) and len(_topics(question)) >= NEW


def cited(turn: Turn) -> set[object]:
    """The ids of the documents that the answer cites."""
    about = map(_metadata, turn.sources)
    return {metadata.get("document_id") for metadata in about if metadata.get("cited")}


def _goes_on(question: str) -> bool:
    """Whether the question goes on from what was said: "and …", "…는요?"."""
    return bool(_OPENING.search(question)) or _elliptic(question)


def _elliptic(question: str) -> bool:
    few = len(question.split()) <= ELLIPTIC
    return few and ranking.has_unspaced(question) and bool(_ELLIPSIS.search(question))


def _pointing(question: str) -> re.Match[str] | None:
    return _POINTING.search(_JOINING.sub(lambda joining: "-" * len(joining.group()), question))


def _said(history: Sequence[Turn]) -> set[str]:
    """The terms of what was asked and answered, and of the sources of the documents that were cited."""
    texts: list[object] = []
    for turn in history:
        about = cited(turn)
        texts += [turn.question, turn.answer]
        for source in turn.sources:
            if _metadata(source).get("document_id") in about:
                texts += [source.get("title"), source.get("content")]
    return {term for text in texts for term in ranking.terms(str(text))}


def _metadata(source: dict[str, object]) -> dict[str, object]:
    metadata = source.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _topics(question: str) -> list[str]:
    """The words of a question that tell what it is about: no question words, and in Korean not the verb at the end."""
    words = _WORD.findall(question)
    if ranking.has_unspaced(question):
        if len(words) > 1 and not _KOREAN_ASKING.match(words[-1]) and not _elliptic(question):
            words.pop()
        words = [word for word in words if len(word) > 1 and not _KOREAN_PLAIN.search(word)]
    # Alone, a stop word would be all that is asked; so it gets company.
    return [word for word in words if word.lower() not in _PLAIN and len(ranking.asked(f"{word} 0")) > 1]


def _carried(question: str, history: Sequence[Turn]) -> list[str]:
    """The words to add: of the questions back to the last one that stood alone, and of the last short answer."""
    first = len(history) - 1
    while first > max(0, len(history) - TURNS) and not stands_alone(history[first].question, history[:first]):
        first -= 1
    words = [word for turn in history[first:] for word in _topics(turn.question)]
    short = _SHORT_ANSWER.search(history[-1].answer)
    # A number is not what "it" is.
    if short and not re.search(r"\d", short.group(1)) and leans(question):
        words += _WORD.findall(short.group(1))
    said = set(ranking.terms(question))
    carried = []
    for word in words:
        if len(word) <= LONGEST and not said.issuperset(ranking.asked(word)):
            said.update(ranking.asked(word))
            carried.append(word)
    return carried[-MOST:]
