"""Pure: what is said without asking a model: that the documents do not tell, or an answer to a greeting."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .errors import Lang
from .types import Passage

NEAREST = 3
LONGEST_TITLE = 80

NOTHING_FOUND: dict[Lang, str] = {
    "en": "I found nothing about this in the documents. Add documents, or ask in other words.",
    "ko": "문서에서 관련 내용을 찾지 못했습니다. 문서를 추가하거나 다른 말로 질문해 보세요.",
}
NOT_TOLD: dict[Lang, str] = {
    "en": "The documents do not tell. Nearest documents: {titles}",
    "ko": "문서에는 이에 대한 내용이 없습니다. 가장 가까운 문서: {titles}",
}
HELLO: dict[Lang, str] = {
    "en": "Hello! Ask me something that your documents tell, and I answer with the place where it stands.",
    "ko": "안녕하세요! 문서에 있는 내용을 물어보시면 어디에 나와 있는지와 함께 답해 드립니다.",
}
WELCOME: dict[Lang, str] = {
    "en": "You are welcome. Ask me anything else that your documents tell.",
    "ko": "천만에요. 문서에 있는 다른 내용도 언제든지 물어보세요.",
}

_HELLO = re.compile(
    r"(?:hello|hi|hey|good (?:morning|afternoon|evening|day)|greetings|who are you|what can (?:you do|i ask)(?: here)?"
    r"|help|안녕(?:하세요|하십니까)?|반가워요?|반갑습니다|하이|여보세요|(?:너는?|넌|당신은) (?:누구|뭐)\S*"
    r"|(?:뭘|무엇을|뭐) ?(?:할|물어볼) 수 있\S*|도와 ?줘요?|도움말)(?: there| all| everyone| again|!|,|\.|\?|~)*",
    re.I,
)
_THANKS = re.compile(
    r"(?:thanks|thank you|thx|many thanks|great|perfect|ok(?:ay)?|bye|goodbye|(?:정말 |너무 )?(?:고마워요?|고맙습니다"
    r"|감사(?:합니다|해요|드립니다)|수고하(?:세요|셨습니다|셨어요)|잘 ?가|안녕히 \S+))"
    r"(?: so much| very much| a lot|!|,|\.|~)*",
    re.I,
)


def small_talk(text: str, lang: Lang) -> str | None:
    """What is said to a greeting or to thanks, or None: the text is about something."""
    plain = " ".join(text.split())
    if _HELLO.fullmatch(plain):
        return HELLO[lang]
    return WELCOME[lang] if _THANKS.fullmatch(plain) else None


def refusal(passages: Sequence[Passage], lang: Lang) -> str:
    """That the documents do not tell, with the titles of the nearest ones."""
    titles = dict.fromkeys(_short(passage.title or passage.source) for passage in passages)
    if not titles:
        return NOTHING_FOUND[lang]
    return NOT_TOLD[lang].format(titles=" · ".join(list(titles)[:NEAREST]))


def is_refusal(text: str) -> bool:
    """Whether an answer is one of the fixed texts that say that the documents do not tell."""
    beginnings = (template.partition("{")[0] for texts in (NOTHING_FOUND, NOT_TOLD) for template in texts.values())
    return text.startswith(tuple(beginnings))


def _short(title: str) -> str:
    plain = " ".join(title.split())
    return plain if len(plain) <= LONGEST_TITLE else plain[: LONGEST_TITLE - 1] + "…"
