"""The guide on asking over HTTP: what its blocks show is what is sent."""

from __future__ import annotations

import json

import pytest

from rag.errors import RagError
from rag.protocol import Stream, source_of, to_sse
from rag.types import Usage

from .fakes import Clock, make_passage
from .guides import LANGS, Lang, block
from .sse_client import events_in


@pytest.mark.guide("08-http", "The events of a streamed answer")
@pytest.mark.parametrize("lang", LANGS)
def test_the_events_in_the_guide_have_the_fields_of_real_ones(lang: Lang) -> None:
    made = Stream("m", "s", Clock())
    events = [made.start(), made.sources([source_of(make_passage("a"))], 1), made.token("a"), made.end("stop", Usage())]
    real = events_in("".join(to_sse(event, "s", "en") for event in events))
    text = block("08-http", "The events of a streamed answer", lang).text
    shown = events_in(text.replace("[…]", "[]").rstrip("\n") + "\n\n")
    assert [list(event) for event in shown] == [list(event) for event in real]


@pytest.mark.guide("08-http", "Errors over HTTP")
@pytest.mark.parametrize("lang", LANGS)
def test_the_error_in_the_guide_is_that_of_the_catalogue(lang: Lang) -> None:
    shown = json.loads(block("08-http", "Errors over HTTP", lang).text)
    assert shown.pop("request_id")
    assert shown == RagError("GEN-004", seconds=20).body(lang)
