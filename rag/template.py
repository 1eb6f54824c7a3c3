"""Chat templates of GGUF files: jinja2, in a sandbox, with what their makers take for granted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NoReturn

from jinja2 import TemplateError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

# A message as templates know it: `role` and `content`.
Said = dict[str, str]


class ChatTemplate:
    """Messages to the text of a prompt. Raises what jinja2 raises where `source` is no template."""

    def __init__(self, source: str, bos: str = "", eos: str = "") -> None:
        self._now = datetime.now()
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, _Generation], autoescape=False
        )
        environment.filters["tojson"] = _to_json
        environment.globals["raise_exception"] = _raise
        environment.globals["strftime_now"] = lambda form: self._now.strftime(form)
        # Of no use for a prompt.
        environment.globals.pop("lipsum")
        self._template = environment.from_string(source)
        self._special = {"bos_token": bos, "eos_token": eos}

    def render(self, messages: Sequence[Said], now: datetime) -> str:
        """Ready for the assistant's answer; `now` is the time that it is told. Raises whatever the template does wrong.

        A template that refuses system messages gets the system text in front of the first question.
        """
        self._now = now
        try:
            return self._render(messages)
        except Exception:
            if len(messages) < 2 or messages[0]["role"] != "system":
                raise
            folded = {"role": "user", "content": messages[0]["content"] + "\n\n" + messages[1]["content"]}
            return self._render([folded, *messages[2:]])

    def _render(self, messages: Sequence[Said]) -> str:
        text = self._template.render(messages=messages, add_generation_prompt=True, **self._special)
        return str(text)


def _raise(message: str) -> NoReturn:
    raise TemplateError(message)


def _to_json(value: Any, indent: int | None = None, ensure_ascii: bool = False, **options: Any) -> str:
    """As chat templates mean it; jinja's own is for HTML."""
    return json.dumps(value, indent=indent, ensure_ascii=ensure_ascii, **options)


class _Generation(Extension):
    """`{% generation %}` marks an answer for training; what is inside is rendered as it stands."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)
