"""Pure: the rows of words in a sentence that may be the short answer to a question, with what speaks for each.

Each signal is a number, mostly from 0 to 1; `spans` says what they are and weighs them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from . import ranking
from .evidence import DATE, NUMBER, Kind, kind_of

# Words of a candidate; Korean needs fewer.
MOST_WORDS = 8
MOST_WORDS_KOREAN = 4
# Words from the question's words, at which a candidate counts 1/e.
NEAR, FAR, KEY = 3.0, 10.0, 2.0

_TOKEN = re.compile(r"[$£€¥]?\w+(?:[.,'’/:·°–-]+\w+)*[%°]?|[^\w\s]")
_WORDY = re.compile(r"[$£€¥\w]")
_DIVIDING = frozenset(",.;:()\"“”‘’《》〈〉!?[]{}'·「」『』|")
_OPENING, _CLOSING = frozenset('"“‘《〈「『'), frozenset('"”’》〉」』')
_FUNCTION = frozenset(
    (
        "a an the of to in on at for from by with and or as about into over under between among during after before "
        "since until than that which who whom whose where when while is are was were be been being do does did has "
        "have had can could will would should may might must not no it its he she his her they them their this these "
        "those there also such both but if so because through against within without upon per via then however "
        "although though only even just more most other some any each every all very often usually "
        "그러나 하지만 그리고 그래서 따라서 또한 또 즉 및 그 이 저 한 이로 이와 그는 그의 그가 그를 이는 이를 이것 "
        "그것 당시 지난 뒤 때 후 것 수 등 중 이후 그후 이때 인해 위해 대해 통해 따라 관련해 우리 자신 때문에 게다가 "
        "것은 것이 것을 것이다 것으로 이미 모두 결국 정작 한편 지금 일제히 바로 매우 직접 특히 다시 함께 있는 "
        "없는 있다 없다 있으며 있었다 했다 한다 된다 되었다 하였다 하는 되는 같은 가장 더 약 또는 혹은 반면 "
        "이러한 이런 그런 아니라 의해 인한 위한 대한 따른 따르면 의하면 가운데 사이 동안 이상 이하 이내 여러 각 "
        "다른 모든 어떤 바 데 채 즉시"
    ).split()
)
_JOINING = frozenset("of and the in for a an on to de".split())
_PARTICLE = re.compile(
    r"(?<=.)(?:['’]s|이라고|라고|이라는|라는|이었으며|이었다|이었고|이며|이고|이자|이었|이다|였다|입니다|으로부터|로부터"
    r"|으로서|로서|으로써|로써|에서[는도의]?|에게서?|에[는도]?|으로는?|까지|부터|처럼|보다|이나"
    r"|엔|[은는이가을를의로와과도만나인란])$"
)
# Stands by itself behind a bracket or a quotation mark.
_LONE = re.compile(
    r"(?:이?라고|이?라는|이었으며|이었다|이었고|이며|이고|이자|이다|였다|입니다|으?로부터|으?로서|으?로써|에서[는도의]?"
    r"|에게서?|에[는도]?|으?로는?|까지|부터|처럼|보다|이나|[은는이가을를의와과도만인란])$"
)
_VERBAL = re.compile(
    r"(?:[다고며여어아워면게지려던했한된할될]|면서|되어|하여|지만|는데|하는|되는|있는|없는|않[은는]|도록|위해|대한|통해"
    r"|따라|하던|같은|많은|이후|때문|경우|것|등|수|중|\w(?:ed|ly))$"
)
# A verb's stem, as it is left where an ending was taken for a particle.
_STEM = re.compile(r"(?:[하되있없었였았했않다며서게]|[하이되리]기)$")
_VAGUE = re.compile(
    r"(?:사람|인물|내용|경우|이유|문제|사실|결과|상황|과정|방법|부분|이름|시기|시대|당시|이상|정도|자신|입장|생각|주장|발표"
    r"|필요|사용|시작|이것|그것|기록|활동|영향|노력|책임|관계|의미|위치|대상|중심|시간|현재|최초|최고|처음|때문|다음|가지|하나"
    r"|일부|모습|상태|말|일|점|수|것|곳|등|안|밖|앞|위|전|후|간|내|외)$"
)
# Where one clause ends and the next begins.
_TURN = frozenset(",; but while although which who whereas".split())
_KOREAN_TURN = re.compile(r".(?:고|며|면서|지만|는데|으나|자|아|어|여|해|하여|되어|면|니|므로|아서|어서|때|후|뒤)$")
_YEAR_ASKED = re.compile(r"\b(?:what|which) years?\b|해는|[년연]도|몇\s?년", re.I)
_YEAR = re.compile(r"(?:1\d|20)\d\ds?|\d+년")
# What questions for a thing ask for after all, by their last noun.
_LAST_NOUN: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("time", re.compile(r"(?:때|시대|시점|연대)[은는](?!\s*\S+[은는])|때인가")),
    (
        "person",
        re.compile(
            r"(?:[저학]자|(?:기술|과학|작성|설립|창시|창립|설계|후계|지도|당선|수상|우승|개발|발명|건축|연구)[자가]|가수|왕|장관"
            r"|총리|교수|의원|비서관|배우|작가|화가|감독|선수|회장|대표|아들|딸|아버지|어머니|동생)[은는]\s*(?:누구\S*)?\s*[?？]?\s*$"
        ),
    ),
)
_UNIT_ASKED = re.compile(r"몇\s?([가-힣])")
_KOREAN_FOCUS = (
    re.compile(r"(?:무슨|어떤|어느)\s+(\S+)"),
    # The look-behind, here and below, lets a long word be tried once, not from each of its letters.
    re.compile(r"(?<!\S)(\S+?)(?:의 이름)?[은는이](?:\s*(?:무엇|누구|어디|언제)\S*)?\s*[?？.]?\s*$"),
)
_FOCUS = re.compile(
    r"\b(?:what|which|whose|how many|how much)\s+(?:\w+\s+){0,2}?(\w+)\s+"
    r"(?:is|are|was|were|did|does|do|has|have|had|can|could|will|would|of|in|for|that|to|\w+ed)\b"
)
_KOREAN_KEY = re.compile(
    r"(?<!\S)(\S+[은는던한된할린인친킨])\s+\S+[은는]\s*(?:(?:무엇|누구|어디|언제)\S*)?\s*[?？]?\s*$"
)
_KOREAN_ASKING = re.compile(r"무[엇슨]|누[구가]|어[디떤느]|언제|뭐|몇|얼마|[?？]")
_ASKING = re.compile(r"\b(?:what|which|who)\b", re.I)
_AUXILIARY = frozenset("did does do is are was were can could has have had would will".split())
# Of the answer's particle, by how it is asked for.
_ROLES = (
    (re.compile(r"누가|무엇이|뭐가|어디가"), "이 가 은 는"),
    (re.compile(r"누구를|무엇을|뭘|무얼|어디를|[은는던한된] 것은"), "을 를"),
    (re.compile(r"누구와|무엇과|누구랑"), "와 과"),
    (re.compile(r"누구의|무엇의|어디의"), "의"),
    (re.compile(r"어디에서|어디서|[은는던한된] (?:곳|장소)"), "에서 에"),
    (re.compile(r"어디에|언제|[은는던한된] (?:해|날|때|시기|년도|연도)[은는]"), "에"),
    (re.compile(r"누구에게|무엇에|어디로|무엇으로"), "에게 에 로 으로"),
    (re.compile(r"누구인가|[은는던한된] (?:사람|인물|이|선수|가수|배우|감독)은"), "이 가 은 는"),
    (re.compile(r"뭐라|무엇이라|라고|이름은|명칭은|별명은"), "라고 이라고 이라는 라는 란 이란"),
)


@dataclass(frozen=True, slots=True)
class _Token:
    start: int
    end: int
    text: str
    lower: str
    wordy: bool
    bare: bool  # a function word
    asked: float  # share of it that the question says
    weight: float  # of what the question says of it
    deep: bool  # in brackets
    clause: int
    key: bool  # the question's verb


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a question tells of its answer. `side`: 1 after its verb, -1 before it, 0 unknown."""

    kind: Kind
    focus: str
    key: str
    side: int
    year: bool
    unit: str
    roles: frozenset[str]

    @classmethod
    def of(cls, question: str) -> _Asked:
        kind = kind_of(question)
        if kind == "thing":
            kind = next((other for other, words in _LAST_NOUN if words.search(question)), kind)
        focus = _focus(question)
        key, side = _key(question, focus)
        unit = _UNIT_ASKED.search(question)
        roles = next((roles for words, roles in _ROLES if words.search(question)), "")
        year = bool(_YEAR_ASKED.search(question))
        return cls(kind, focus, key, side, year, unit.group(1) if unit else "", frozenset(roles.split()))


def candidates(question: str, text: str) -> Iterator[tuple[int, int, dict[str, float]]]:
    """(start, end, signals) of every row of words that could be a short answer."""
    asked = _Asked.of(question)
    tokens = _tokens(question, asked.key, text)
    korean = ranking.hangul_share(text) > 0
    longest = MOST_WORDS_KOREAN if korean else MOST_WORDS
    for first, head in enumerate(tokens):
        if not head.wordy or head.bare:
            continue
        for last in range(first, min(len(tokens), first + longest)):
            tail = tokens[last]
            if tail.text in _DIVIDING:
                break
            if not tail.wordy or tail.bare:
                continue
            around = _around(tokens, first, last, asked)
            for end, particle in _endings(tail):
                body = text[head.start : end]
                yield head.start, end, around | _inside(body, asked, particle, korean, first == last)


def _tokens(question: str, key: str, text: str) -> list[_Token]:
    wanted, said = ranking.asked(question), set(ranking.terms(question))
    tokens: list[_Token] = []
    depth = clause = 0
    for match in _TOKEN.finditer(text):
        word, lower = match.group(), match.group().lower()
        terms = ranking.terms(word)
        common = [term for term in terms if term in said]
        share = len(common) / len(terms) if terms else 0.0
        unspaced = ranking.has_unspaced(word)
        if not unspaced:
            share = float(share == 1)
        weight = max((wanted.get(term, 0.0) for term in common), default=0.0) if share > 0.3 else 0.0
        lone = unspaced and bool(tokens) and tokens[-1].end == match.start() and bool(_LONE.match(word))
        bare = lone or lower in _FUNCTION or word.startswith("않")
        depth += (word in "([（") - (word in ")]）")
        keyed = bool(key) and (word.startswith(key) if unspaced else key in terms)
        wordy = bool(_WORDY.match(word))
        tokens.append(_Token(*match.span(), word, lower, wordy, bare, share, weight, depth > 0, clause, keyed))
        clause += lower in _TURN or (unspaced and bool(_KOREAN_TURN.search(word)))
    return tokens


def _focus(question: str) -> str:
    """The noun that says what is asked for, or an empty text."""
    if not ranking.has_unspaced(question):
        found = _FOCUS.search(question.lower())
        return _stem(found.group(1)) if found and found.group(1) not in _AUXILIARY else ""
    match = next((match for pattern in _KOREAN_FOCUS if (match := pattern.search(question))), None)
    return _PARTICLE.sub("", match.group(1)) if match else ""


def _key(question: str, focus: str) -> tuple[str, int]:
    """How the verb of the question begins, or the word that is nearest to one, and on which side the answer stands."""
    if asking := _ASKING.search(question):
        words = [word.lower().strip("?,.") for word in question[asking.end() :].split()]
        place = next((place for place, word in enumerate(words[:4]) if word in _AUXILIARY), -1)
        side = -1 if place < 0 else int(words[place] in ("did", "does", "do"))
        rest = (_stem(word) for word in words[place + 1 :] if word not in _FUNCTION)
        return next((stem for stem in rest if stem != focus), ""), side
    if not ranking.has_unspaced(question):
        return "", 0
    match = _KOREAN_KEY.search(question)
    words = [word for word in question.split() if not _KOREAN_ASKING.match(word)]
    return (match.group(1) if match else words[-1] if words else "")[:2], 0


def _stem(word: str) -> str:
    return next(iter(ranking.terms(word)), word.lower())


def _endings(tail: _Token) -> Iterator[tuple[int, str]]:
    """Where a candidate with this last word may end, and the particle or 's that is cut off; "?" if one is left."""
    particle = _PARTICLE.search(tail.text)
    if particle is None:
        yield tail.end, ""
        return
    yield tail.start + particle.start(), particle.group()
    if len(particle.group()) == 1:
        # It may be the end of the word itself.
        yield tail.end, "?"


def _inside(body: str, asked: _Asked, particle: str, korean: bool, one: bool) -> dict[str, float]:
    words = body.split()
    kind, focus = asked.kind, asked.focus
    digit, date = any(map(str.isdigit, body)), bool(DATE.search(body))
    number = bool(NUMBER.search(body))
    last = words[-1]
    called = bool(focus) and (focus in last if ranking.has_unspaced(focus) else _stem(last) == focus)
    counted = kind in ("time", "number")
    named = words[0][:1].isupper() and all(
        word[:1].isupper() or word[:1].isdigit() or word in _JOINING for word in words
    )
    cut = particle not in ("", "?")
    return {
        "fits": float((kind == "time" and date) or (kind == "number" and number and not date)),
        "misfit": float(
            (kind == "time" and not date and not digit)
            or (kind == "number" and not number)
            or (kind in ("person", "place") and digit)
        ),
        "extra": float(max(0, sum(not _counts(word) for word in words) - (kind == "number")) if counted else 0),
        "year": float(asked.year and bool(_YEAR.fullmatch(body))),
        "unit": float(bool(asked.unit) and bool(re.search(rf"\d\s?{asked.unit}", body))),
        "name": float(not korean and not counted and named),
        "plain": float(not korean and kind == "thing" and words[0][:1].islower()),
        "called": float(called),
        "verbal": float(bool((_STEM if cut else _VERBAL).search(last))),
        "whole": float(particle == "?"),
        "case": float(cut),
        "role": float(particle in asked.roles),
        "object": float(particle in ("을", "를")),
        "topic": float(particle in ("은", "는")),
        "one": float(one),
        "long": float(korean and one and len(body) >= 4),
        "syllable": float(korean and len(body) == 1 and not digit),
        "vague": float(korean and bool(_VAGUE.fullmatch(last))),
    }


def _counts(word: str) -> bool:
    """Whether the word is part of a date or a number."""
    return bool(DATE.search(word) or NUMBER.search(word))


def _clause(word: str) -> bool:
    """Whether a Korean word has an ending that leads on to a verb, or is one."""
    return (
        ranking.has_unspaced(word[-1])
        and word[-1] not in "의와과"
        and bool(_PARTICLE.search(word) or _VERBAL.search(word))
        and len(word) > 1
    )


def _around(tokens: Sequence[_Token], first: int, last: int, asked: _Asked) -> dict[str, float]:
    kind, focus = asked.kind, asked.focus
    row = tokens[first : last + 1]
    left = tokens[first - 1] if first else None
    right = tokens[last + 1] if last + 1 < len(tokens) else None
    whole = sum(token.weight for token in tokens) or 1.0
    others = [
        (token, max(first - place, place - last)) for place, token in enumerate(tokens) if not first <= place <= last
    ]
    far = [(token.weight / whole, distance) for token, distance in others if token.weight]
    keys = [(token, distance) for token, distance in others if token.key]
    sides = [token for token in (left, right) if token]
    content = [token for token in sides if token.wordy and not token.bare]
    capital = row[0].text[:1].isupper()
    beside = [token for token in content if focus and (focus in token.text or _stem(token.text) == focus)]
    behind = [distance for token, distance in keys if token.start >= row[-1].end]
    korean = any(ranking.has_unspaced(token.text) for token in row)
    turned = sum(token.weight if token.start < row[0].start else -token.weight for token, _ in others) / whole
    return {
        "asked": sum(token.asked for token in row) / len(row),
        "echo": float(all(token.asked > 0.5 for token in row)),
        "near": sum(weight * math.exp(-distance / NEAR) for weight, distance in far),
        "far": sum(weight * math.exp(-distance / FAR) for weight, distance in far),
        "clause": sum(token.weight for token, _ in others if token.clause == row[-1].clause) / whole,
        "key": max((math.exp(-distance / KEY) for _, distance in keys), default=0.0),
        "before": math.exp(-min(behind) / NEAR) if korean and behind else 0.0,
        "side": asked.side * turned,
        "inner": float(sum(token.bare or _clause(token.text) for token in row[:-1])),
        "torn": float(kind in ("time", "number") and any(_counts(token.text) for token in content)),
        "open": sum(1.0 for token in content if token.asked <= 0.5)
        + float(capital and any(token.text[:1].isupper() for token in content)),
        "closed": float(right is None or not right.wordy),
        "article": float(kind == "thing" and bool(left and left.lower in ("the", "a", "an"))),
        "beside": float(bool(beside)),
        "quoted": float(bool(left and right and left.text in _OPENING and right.text in _CLOSING)),
        "deep": float(row[0].deep),
    }
