"""Every error a person can meet. The texts stand in `catalogue`, the rules that they quote in `rules`.

A code names what the person can do about it, not the line that raised it. Nothing else in the project
writes an error text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from .catalogue import CATALOGUE as CATALOGUE
from .catalogue import Text
from .rules import RULES

Lang = Literal["ko", "en"]


class RagError(Exception):
    """An error of the catalogue. `data` fills the placeholders of its texts.

    Raises `KeyError` for a code that the catalogue does not have.
    """

    def __init__(self, code: str, **data: Any) -> None:
        self.row = CATALOGUE[code]
        self.code = code
        self.data = data
        super().__init__(f"{code} {data}" if data else code)

    @property
    def status(self) -> int:
        return self.row.status

    def text(self, lang: Lang) -> Text:
        """The message and the solutions in `lang`, with the data filled in."""
        text = self.row.ko if lang == "ko" else self.row.en
        data = {name: _spoken(value, lang) for name, value in self.data.items()}
        return Text(text.message.format_map(data), tuple(s.format_map(data) for s in text.solutions))

    def body(self, lang: Lang) -> dict[str, Any]:
        """The JSON body that every door sends: `error_code`, `message`, `solutions`."""
        text = self.text(lang)
        return {"error_code": self.code, "message": text.message, "solutions": list(text.solutions)}


class Refused(Exception):
    """An error that a server told, in its words. `body` is the JSON with `error_code`, `message` and `solutions`."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        self.body = body
        self.code = str(body["error_code"])
        self.message = str(body["message"])
        self.solutions = tuple(map(str, body["solutions"]))
        super().__init__(f"{self.code}: {self.message}")


def _spoken(value: Any, lang: Lang) -> Any:
    """Data for a text: a named rule in the language, a list with commas, anything else as it is."""
    if isinstance(value, str) and value in RULES:
        return RULES[value][0 if lang == "ko" else 1]
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)
    return value
