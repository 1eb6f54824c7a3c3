"""Pure: the text after which a model names the short answer: a few examples, then the sentence and the question.

Small models follow examples, not instructions: measured on the starter model (tests/bench/answers), its likelihoods
rank short answers better after these lines than after the same examples or a request through its chat template.
The examples come first and never change, so that they are computed once.
"""

from __future__ import annotations

from .errors import Lang

EXAMPLES: dict[Lang, tuple[tuple[str, str, str], ...]] = {
    "en": (
        (
            "The Marlow bridge over the Tay was opened by the king in 1931.",
            "When was the Marlow bridge opened?",
            "1931",
        ),
        ("The concert hall, designed by Ada Moore, has 412 seats.", "Who designed the concert hall?", "Ada Moore"),
        (
            "Because of the heavy rain, the festival was moved from the park to a covered market.",
            "Why was the festival moved?",
            "heavy rain",
        ),
        (
            "Unlike iron, copper does not rust, but it takes on a green layer called verdigris.",
            "What is the green layer on copper called?",
            "verdigris",
        ),
        (
            "Around 60 percent of the farms in the valley grow barley and oats.",
            "What do most of the farms grow?",
            "barley and oats",
        ),
        (
            "The Alder Fund gives 2.5 million pounds a year to schools in the north of the county.",
            "How much money does the Alder Fund give to schools each year?",
            "2.5 million pounds",
        ),
        (
            "Lake Orsa lies between the towns of Vik and Harn, in the west of the province.",
            "Between which two towns does Lake Orsa lie?",
            "Vik and Harn",
        ),
        (
            "The Red Foxes lost the final to the Harbour Kings, 3-2, in front of 40,000 people.",
            "Which team won the final?",
            "Harbour Kings",
        ),
    ),
    "ko": (
        ("말로 다리는 1931년에 국왕이 참석한 가운데 개통되었다.", "말로 다리가 개통된 해는?", "1931년"),
        ("음악당은 건축가 김한빛이 설계하였으며 412석을 갖추고 있다.", "음악당을 설계한 사람은 누구인가?", "김한빛"),
        ("폭우 때문에 축제는 공원에서 지붕이 있는 시장으로 옮겨졌다.", "축제가 시장으로 옮겨진 이유는?", "폭우"),
        ("구리는 철과 달리 녹슬지 않지만 녹청이라는 초록색 막이 생긴다.", "구리에 생기는 초록색 막의 이름은?", "녹청"),
        ("이 골짜기의 농가는 대부분 보리와 귀리를 기른다.", "농가에서 주로 기르는 것은?", "보리와 귀리"),
        (
            "오리나무 재단은 해마다 북부의 학교에 25억 원을 지원한다.",
            "재단이 해마다 지원하는 금액은 얼마인가?",
            "25억 원",
        ),
        (
            "오르사 호수는 도의 서쪽, 빅시와 하른시 사이에 있다.",
            "오르사 호수는 어느 도시들 사이에 있는가?",
            "빅시와 하른시",
        ),
        ("결승에서 붉은 여우는 관중 4만 명 앞에서 항구의 왕에게 3대 2로 졌다.", "결승에서 이긴 팀은?", "항구의 왕"),
    ),
}


def prompt(lang: Lang, question: str, sentence: str) -> str:
    """The text that ends where the short answer is to follow. No line of question or sentence becomes two."""
    shown = (*EXAMPLES[lang], (" ".join(sentence.split()), " ".join(question.split()), ""))
    return "\n\n".join(f"{said}\nQ: {asked}\nA: {answer}".rstrip() for said, asked, answer in shown)


def choice(short: str) -> str:
    """A short answer as the prompt goes on with it. The line break counts: a model ends there only if nothing lacks."""
    return f" {short}\n"
