"""The wire protocol without a socket: what a frame may say, and which event may follow which."""

from __future__ import annotations

import contextlib
import gc
import json
import re
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rag.errors import Lang, RagError
from rag.protocol import (
    Cancel,
    ClientMessage,
    Options,
    OutOfOrder,
    Resume,
    Stream,
    chat_request,
    check_session_id,
    load_object,
    message_id_of,
    parse,
    preferred_lang,
    source_of,
    timestamp,
    to_sse,
    to_ws,
)
from rag.rules import RULES
from rag.types import Usage
from tests.fakes import Clock, make_passage
from tests.sse_client import events_in

steady = settings(deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
DEEP = "[" * 100_000 + "]" * 100_000


def frame(**changes: Any) -> str:
    """A good message with some fields changed; None takes one away."""
    data = {"type": "message", "message_id": "m", "content": "질문?", "session_id": "s"} | changes
    return json.dumps({name: value for name, value in data.items() if value is not None})


def refused(text: str, session_id: str = "s") -> RagError:
    with pytest.raises(RagError) as caught:
        parse(text, session_id)
    # Whatever was sent, the refusal can be told.
    for lang in ("ko", "en"):
        caught.value.body(lang)["message"].encode()  # type: ignore[arg-type]
    return caught.value


def refusal(text: str) -> tuple[str, str]:
    """(field, rule) of a frame that is refused by WS-002."""
    error = refused(text)
    assert error.code == "WS-002-VALIDATION_ERROR"
    assert error.data["rule"] in RULES
    return error.data["field"], error.data["rule"]


# What a client may send.


def test_a_message_is_taken_as_it_is() -> None:
    message = parse(frame(content="  두 칸  "), "s")
    assert isinstance(message, ClientMessage)
    assert (message.message_id, message.content, message.session_id) == ("m", "  두 칸  ", "s")


def test_a_message_may_name_the_one_that_it_replaces() -> None:
    for changes, replaces in (({}, ""), ({"replaces": "earlier"}, "earlier"), ({"replaces": "x" * 128}, "x" * 128)):
        message = parse(frame(**changes), "s")
        assert isinstance(message, ClientMessage)
        assert message.replaces == replaces


@pytest.mark.parametrize(
    ("value", "rule"),
    [("", "rule:id"), ("x" * 129, "rule:id"), ("\ud800", "rule:surrogate"), (5, "rule:string"), ([], "rule:string")],
)
def test_what_cannot_be_an_id_is_not_replaced(value: object, rule: str) -> None:
    assert refusal(frame(replaces=value)) == ("replaces", rule)


def test_cancel_and_resume_are_taken() -> None:
    assert parse('{"type": "cancel", "message_id": "m"}', "s") == Cancel(type="cancel", message_id="m")
    resume = parse('{"type": "resume", "message_id": "m", "next_index": 17}', "s")
    assert isinstance(resume, Resume)
    assert resume.next_index == 17


@pytest.mark.parametrize(
    "text",
    ["", "{", '{"type": "message",}', "hello", "[]", "[{}]", "5", '"text"', "null", "true", "{}{}", "NaN", DEEP],
    ids=lambda text: text[:12],
)
def test_what_is_not_a_json_object_is_ws_001(text: str) -> None:
    assert refused(text).code == "WS-001-INVALID_JSON"


@pytest.mark.parametrize("field", ["message_id", "content", "session_id"])
def test_a_missing_field_is_named(field: str) -> None:
    assert refusal(frame(**{field: None})) == (field, "rule:required")


@pytest.mark.parametrize("field", ["message_id", "content", "session_id"])
@pytest.mark.parametrize("value", [5, 1.5, True, [], {}, ["text"]], ids=repr)
def test_a_field_of_the_wrong_type_is_named_and_never_converted(field: str, value: object) -> None:
    assert refusal(frame(**{field: value})) == (field, "rule:string")


@pytest.mark.parametrize("field", ["message_id", "content", "session_id"])
def test_null_is_a_wrong_type(field: str) -> None:
    assert refusal(json.dumps(json.loads(frame()) | {field: None})) == (field, "rule:string")


@pytest.mark.parametrize("kind", ["question", "", "MESSAGE", 5, True, [], {}, ["message"], "\ud800"], ids=repr)
def test_an_unknown_type_is_told_which_types_there_are(kind: object) -> None:
    assert refusal(frame(type=kind)) == ("type", "rule:type")


def test_no_type_is_told_which_types_there_are() -> None:
    assert refusal(frame(type=None)) == ("type", "rule:type")
    assert refusal("{}") == ("type", "rule:type")


@pytest.mark.parametrize("character", ["a", "가", "🙂", "é"])
def test_content_is_counted_in_code_points_from_1_to_10000(character: str) -> None:
    for count in (1, 10_000):
        message = parse(frame(content=character * count), "s")
        assert isinstance(message, ClientMessage)
        assert message.content == character * count
    assert refusal(frame(content=character * 10_001)) == ("content", "rule:content")


def test_empty_content_is_refused() -> None:
    assert refusal(frame(content="")) == ("content", "rule:content")


@pytest.mark.parametrize("blank", [" ", "\n\t ", "\u3000", "\u00a0\u2003"], ids=ascii)
def test_content_of_white_space_alone_is_refused(blank: str) -> None:
    assert refusal(frame(content=blank)) == ("content", "rule:blank")


@pytest.mark.parametrize("field", ["content", "message_id"])
@pytest.mark.parametrize("text", ["\ud800", "a\udfff", "\udc00\ud800", "안녕\ud83d"], ids=ascii)
def test_a_lone_surrogate_is_refused(field: str, text: str) -> None:
    assert refusal(frame(**{field: text})) == (field, "rule:surrogate")


def test_a_pair_of_surrogates_is_one_character() -> None:
    message = parse(frame(content="\\u").replace("\\\\u", "\\ud83d\\ude42"), "s")
    assert isinstance(message, ClientMessage)
    assert message.content == "🙂"


@pytest.mark.parametrize(
    "change", [{"content": ""}, {"content": " "}, {"content": "\ud800"}, {"message_id": ""}, {"type": ""}]
)
def test_nothing_stays_of_what_was_refused(change: dict[str, Any]) -> None:
    class Connection:
        said: RagError | None = None

        def take(self) -> None:
            try:
                parse(frame(**change), "s")
            except RagError as error:
                self.said = error

    connection = Connection()
    connection.take()
    gone = weakref.ref(connection)
    assert connection.said
    del connection
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize(("length", "good"), [(0, False), (1, True), (128, True), (129, False)])
@pytest.mark.parametrize("kind", ["message", "cancel", "resume"])
def test_a_message_id_has_1_to_128_characters(kind: str, length: int, good: bool) -> None:
    text = frame(type=kind, message_id="가" * length, next_index=0)
    if good:
        assert parse(text, "s").message_id == "가" * length
    else:
        assert refusal(text) == ("message_id", "rule:id")


def test_the_session_must_be_that_of_the_connection() -> None:
    for other in ("S", "s ", "", "\ud800"):
        error = refused(frame(session_id=other))
        assert error.code == "WS-002-VALIDATION_ERROR"
        assert error.data["field"] == "session_id"
    assert refused(frame(), session_id="t").data["rule"] == "rule:session"


@pytest.mark.parametrize("index", [-1, 1.5, "1", True, [], 10**30 * -1], ids=repr)
def test_next_index_is_an_integer_of_0_or_more(index: object) -> None:
    assert refusal(frame(type="resume", next_index=index)) == ("next_index", "rule:index")


def test_a_whole_number_may_be_written_with_a_point() -> None:
    assert parse(frame(type="resume", next_index=3.0), "s") == parse(frame(type="resume", next_index=3), "s")


def test_a_resume_without_next_index_is_refused() -> None:
    assert refusal(frame(type="resume")) == ("next_index", "rule:required")


def test_extra_fields_are_ignored() -> None:
    assert parse(frame(extra=1, more={"a": []}, _x="\ud800"), "s") == parse(frame(), "s")


@pytest.mark.parametrize("field", ["extra", "content", "type", "message_id", "next_index"])
@pytest.mark.parametrize("depth", [50, 400, 900, 100_000])
def test_deep_nesting_is_refused_or_ignored_but_never_fatal(field: str, depth: int) -> None:
    text = frame(**{field: "@"}).replace('"@"', "[" * depth + "]" * depth)
    if field in ("extra", "next_index") and depth < 500:
        assert parse(text, "s") == parse(frame(), "s")
    elif depth < 500:
        assert refusal(text)[0] == field
    else:
        # The library's own limit lies somewhere between.
        with contextlib.suppress(RagError):
            parse(text, "s")


@pytest.mark.parametrize(
    ("text", "message_id"),
    [
        (frame(message_id="abc", content=""), "abc"),
        ('{"message_id": "x"}', "x"),
        (frame(message_id="가" * 128), "가" * 128),
        (frame(message_id="x" * 129), "unknown"),
        (frame(message_id=""), "unknown"),
        (frame(message_id=5), "unknown"),
        (frame(message_id=None), "unknown"),
        (frame(message_id="\ud800"), "unknown"),
        ("not json", "unknown"),
        ('["message_id"]', "unknown"),
        (DEEP, "unknown"),
    ],
    ids=range(11),
)
def test_an_error_answers_the_id_that_could_be_read(text: str, message_id: str) -> None:
    assert message_id_of(text) == message_id


@pytest.mark.parametrize(
    "good", ["a", "my-session-123", "A.b_c:d-9", "x" * 128, "3f0d1c9e-5a55-4c55-9c7e-1f6c2b7a9d10"]
)
def test_a_session_id_is_kept_as_it_is(good: str) -> None:
    assert check_session_id(good) == good


@pytest.mark.parametrize(
    "bad", [None, "", "x" * 129, "a b", "a/b", "세션", "a\n", "é", "１", "../x", "a'b", "a\0"], ids=repr
)
def test_a_session_id_of_another_form_is_refused(bad: str | None) -> None:
    with pytest.raises(RagError) as caught:
        check_session_id(bad)
    assert caught.value.code == "SESSION-001"


@pytest.mark.parametrize(
    ("header", "lang"),
    [
        (None, "ko"),
        ("", "ko"),
        ("*", "ko"),
        ("de-DE,de;q=0.9", "ko"),
        ("en", "en"),
        ("en-US,en;q=0.9,ko;q=0.8", "en"),
        ("en;q=0.5, ko;q=0.7", "ko"),
        ("de, en ;q=0.3", "en"),
        ("KO-kr;q=0.9, EN;q=1.0", "en"),
        ("en;q=0, ko;q=0.1", "ko"),
        ("en;q=0", "ko"),
        ("en;q=x", "ko"),
        ("en;q=nan", "ko"),
        ("ko,en", "ko"),
        ("en,ko", "en"),
        ("english", "ko"),
        (";;;,,,=", "ko"),
    ],
)
def test_the_better_of_the_two_languages_is_preferred(header: str | None, lang: str) -> None:
    assert preferred_lang(header, "ko") == lang


def test_the_default_language_is_the_servers() -> None:
    assert preferred_lang("de", "en") == "en"


# What the server sends.


def stream(clock: Clock | None = None) -> Stream:
    return Stream("m", "s", clock or Clock())


def sent(event: Any, lang: Lang = "ko") -> dict[str, Any]:
    text = to_ws(event, lang)
    assert "\n" not in text
    return json.loads(text)  # type: ignore[no-any-return]


def test_stream_start_has_the_shape_of_the_protocol() -> None:
    event = sent(stream().start())
    assert list(event) == ["type", "message_id", "session_id", "timestamp"]
    assert (event["type"], event["message_id"], event["session_id"]) == ("stream_start", "m", "s")
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["timestamp"])


def test_stream_token_counts_from_0_and_keeps_the_text_readable() -> None:
    made = stream()
    made.start()
    assert sent(made.token("안녕")) == {"type": "stream_token", "message_id": "m", "token": "안녕", "index": 0}
    assert sent(made.token(""))["index"] == 1
    # Not escaped: a Korean answer would be sent at three times its size.
    assert "안녕" in to_ws(made.token("안녕"), "ko")


def test_stream_sources_has_the_shape_of_the_protocol() -> None:
    made = stream()
    made.start()
    passage = make_passage("text", 3, page=7, score=0.95)
    event = sent(made.sources([source_of(passage, cited=True)]))
    assert event == {
        "type": "stream_sources",
        "message_id": "m",
        "sources": [
            {
                "title": "Title",
                "content": "text",
                "score": 0.95,
                "metadata": {
                    "source": "doc.md",
                    "chunk_id": "doc-00003",
                    "document_id": "doc",
                    "page": 7,
                    "start": 0,
                    "end": 4,
                    "cited": True,
                },
            }
        ],
    }


def test_a_page_is_told_only_where_there_are_pages() -> None:
    assert "page" not in source_of(make_passage("text"))["metadata"]
    assert source_of(make_passage("text"))["metadata"]["cited"] is False


@pytest.mark.parametrize(("score", "told"), [(-0.5, 0.0), (0.123456, 0.1235), (1.7, 1.0)])
def test_a_score_is_from_0_to_1(score: float, told: float) -> None:
    assert source_of(make_passage("text", score=score))["score"] == told


def test_stream_end_counts_tokens_and_milliseconds() -> None:
    clock = Clock()
    made = stream(clock)
    made.start()
    clock.advance(0.25)
    made.token("a")
    clock.advance(1)
    made.token("b")
    made.sources([])
    clock.advance(1.2501)
    assert sent(made.end("stop", Usage(10, 4, 2))) == {
        "type": "stream_end",
        "message_id": "m",
        "total_tokens": 2,
        "processing_time_ms": 2500,
        "finish_reason": "stop",
        "time_to_first_token_ms": 250,
        "usage": {"prompt_tokens": 10, "cached_tokens": 4, "completion_tokens": 2},
    }


def test_stream_end_says_what_is_grounded_where_it_is_known() -> None:
    grounded = {"supported": 1, "total": 2, "unsupported": [[3, 9]]}
    made = stream()
    made.start()
    made.sources([])
    assert sent(made.end("stop", Usage(), grounded))["grounded"] == grounded


def test_stream_error_has_the_shape_of_the_protocol_in_the_language() -> None:
    error = RagError("GEN-001", seconds=3)
    for lang in ("ko", "en"):
        event = sent(stream().error(error), lang)  # type: ignore[arg-type]
        assert list(event) == ["type", "message_id", "error_code", "message", "solutions"]
        assert event == {"type": "stream_error", "message_id": "m", **error.body(lang)}  # type: ignore[arg-type]


def test_stream_thinking_is_neither_numbered_nor_counted_nor_a_first_token() -> None:
    clock = Clock()
    made = stream(clock)
    made.start()
    assert sent(made.thinking("음…")) == {"type": "stream_thinking", "message_id": "m", "text": "음…"}
    clock.advance(1)
    assert made.token("a").index == 0
    made.thinking("more")
    assert made.token("b").index == 1
    made.sources([])
    end = sent(made.end("stop", Usage()))
    assert (end["total_tokens"], end["time_to_first_token_ms"]) == (2, 1000)


@pytest.mark.parametrize("text", ['"', "\\", "\n\r\t\0\x7f", "\u2028", "안녕 🙂", '{"type":"x"}'], ids=ascii)
def test_any_text_of_a_token_and_any_id_come_back_as_they_were(text: str) -> None:
    made = Stream(text, "s", Clock())
    made.start()
    assert sent(made.token(text)) == {"type": "stream_token", "message_id": text, "token": text, "index": 0}


Call = Callable[[Stream], object]
START: Call = lambda made: made.start()  # noqa: E731
TOKEN: Call = lambda made: made.token("x")  # noqa: E731
THINKING: Call = lambda made: made.thinking("x")  # noqa: E731
SOURCES: Call = lambda made: made.sources([])  # noqa: E731
STOP: Call = lambda made: made.end("stop", Usage())  # noqa: E731
ERROR: Call = lambda made: made.error(RagError("GEN-999"))  # noqa: E731
EVERY = {"start": START, "token": TOKEN, "thinking": THINKING, "sources": SOURCES, "end": STOP, "error": ERROR}


@pytest.mark.parametrize(
    ("before", "allowed"),
    [
        ([], {"start", "error"}),
        (["start"], {"token", "thinking", "sources", "error"}),
        (["start", "token"], {"token", "thinking", "sources", "error"}),
        (["start", "thinking"], {"token", "thinking", "sources", "error"}),
        (["start", "sources"], {"token", "thinking", "end", "error"}),
        (["start", "sources", "token"], {"token", "thinking", "end", "error"}),
        (["start", "token", "sources", "end"], set()),
        (["start", "sources", "error"], set()),
        (["start", "error"], set()),
        (["error"], set()),
    ],
    ids=lambda value: "-".join(value) or "none",
)
def test_an_event_is_made_only_where_the_protocol_allows_it(before: list[str], allowed: set[str]) -> None:
    for name, call in EVERY.items():
        made = stream()
        for step in before:
            EVERY[step](made)
        if name in allowed:
            call(made)
        else:
            with pytest.raises(OutOfOrder, match="of m"):
                call(made)


def test_a_refused_event_changes_nothing() -> None:
    made = stream()
    made.start()
    with pytest.raises(OutOfOrder):
        made.end("stop", Usage())
    assert made.token("x").index == 0
    made.sources([])
    with pytest.raises(OutOfOrder):
        made.sources([])
    assert made.end("stop", Usage()).total_tokens == 1


def test_started_tells_whether_anything_was_begun() -> None:
    made = stream()
    assert not made.started
    made.start()
    assert made.started


# How one question wants to be answered.


def test_options_are_taken_and_what_is_not_given_is_left_to_the_server() -> None:
    options = {"temperature": 1, "max_tokens": 1 << 20, "sources": 20, "answers": "auto", "documents": ["a", "b"]}
    options["unknown"] = {}
    message = parse(frame(options=options), "s")
    assert isinstance(message, ClientMessage)
    same = Options(temperature=1.0, max_tokens=1 << 20, sources=20, answers="auto", documents=("a", "b"))
    assert message.options == same
    for nothing in ({}, {"temperature": None, "documents": None}):
        usual = parse(frame(options=nothing), "s")
        assert isinstance(usual, ClientMessage)
        assert usual.options == Options()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("temperature", bad) for bad in (-0.1, 2.1, "1", True, [], float("nan"), float("inf"))),
        *(("max_tokens", bad) for bad in (0, -1, (1 << 20) + 1, 5.5, "5", True, [])),
        *(("sources", bad) for bad in (0, 21, 5.5, "5", True, [])),
        *(("answers", bad) for bad in ("", "quoted", 1, True, [])),
        *(("documents", bad) for bad in ([], "a", {"a": 1}, [1], [None], [""], ["a" * 129], ["a"] * 101, ["\ud800"])),
    ],
    ids=repr,
)
def test_an_option_of_another_kind_is_refused_by_name(name: str, value: object) -> None:
    field, rule = refusal(frame(options={name: value}))
    assert (field, rule) == (f"options.{name}", f"rule:{name.replace('_', '-')}")


@pytest.mark.parametrize("value", [[], "quote", 1, True], ids=repr)
def test_options_are_an_object(value: object) -> None:
    assert refusal(frame(options=value)) == ("options", "rule:options")


# A question over HTTP.


def request_error(data: dict[str, Any]) -> RagError:
    with pytest.raises(RagError) as caught:
        chat_request(data)
    return caught.value


def test_a_request_needs_a_message_alone() -> None:
    for more in ({}, {"session_id": None, "options": None}, {"stream": True, "message_id": 5}):
        request = chat_request({"message": " 질문? "} | more)
        assert (request.message, request.session_id, request.options) == (" 질문? ", None, None)
    whole = chat_request({"message": "a", "session_id": "a.b:c-d_e", "options": {"max_tokens": 9}})
    assert (whole.session_id, whole.options) == ("a.b:c-d_e", Options(max_tokens=9))


def test_a_session_of_another_form_is_session_001_and_of_another_type_ws_002() -> None:
    for bad in ("", "a b", "x" * 129, "세션", "\ud800"):
        assert request_error({"message": "a", "session_id": bad}).code == "SESSION-001"
    for wrong in (5, True, ["a"], {}):
        error = request_error({"message": "a", "session_id": wrong})
        assert (error.data["field"], error.data["rule"]) == ("session_id", "rule:string")


texts = st.text(st.characters(exclude_categories=()), max_size=20) | st.sampled_from(
    ["x" * 10_000, "가" * 10_001, " \n", "🙂"]
)
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
wishes = st.dictionaries(
    st.sampled_from(["temperature", "max_tokens", "sources", "answers", "documents"]) | texts, values
)


@steady
@given(
    st.dictionaries(st.sampled_from(["message", "session_id", "options"]) | texts, values | wishes)
    | st.fixed_dictionaries({"message": texts}, optional={"session_id": texts, "options": wishes})
)
def test_whatever_is_asked_is_either_kept_by_the_rules_or_refused_in_words(data: dict[str, Any]) -> None:
    data = load_object(json.dumps(data))
    refused = None
    try:
        request = chat_request(data)
    except RagError as error:
        refused = error
    if refused:
        assert refused.code in ("WS-002-VALIDATION_ERROR", "SESSION-001")
        assert refused.data.get("rule", "rule:id") in RULES
        for lang in ("ko", "en"):
            json.dumps(refused.body(lang), ensure_ascii=False).encode()  # type: ignore[arg-type]
    else:
        assert request.message == data["message"]
        assert 1 <= len(request.message) <= 10_000
        assert request.message.strip()
        request.message.encode()
        assert request.session_id == data.get("session_id")
        assert (request.options is None) == (data.get("options") is None)


# Server-sent events.


def told(*events: Any, lang: Lang = "ko") -> list[dict[str, Any]]:
    return events_in("".join(to_sse(event, "s", lang) for event in events))


def test_the_events_of_an_answer_have_the_shape_of_the_protocol() -> None:
    clock = Clock()
    made = stream(clock)
    begin = made.start()
    parts = [source_of(make_passage(text, number)) for number, text in ((0, "a"), (0, "b"), (1, "c"))]
    clock.advance(2.5)
    events = [begin, made.sources(parts, 1), made.thinking("hm"), made.token("답"), made.token("\n\nb")]
    events.append(made.end("stop", Usage(10, 4, 2), None, parts[:1]))
    ids = {"session_id": "s", "message_id": "m"}
    assert told(*events) == [
        # Two quotes are of one passage.
        {"event": "metadata", **ids, "search_results": 2, "ranked_results": 1, "sources": parts},
        {"event": "chunk", "data": "답", "chunk_index": 0},
        {"event": "chunk", "data": "\n\nb", "chunk_index": 1},
        {
            "event": "done",
            **ids,
            "total_chunks": 2,
            "tokens_used": 12,
            "processing_time": 2.5,
            "sources": parts[:1],
        },
    ]


@pytest.mark.parametrize("lang", ["ko", "en"])
def test_an_error_on_the_stream_has_a_suggestion(lang: Lang) -> None:
    error = RagError("GEN-001", seconds=3)
    body = error.body(lang)
    assert told(stream().error(error), lang=lang) == [{"event": "error", **body, "suggestion": body["solutions"][0]}]


@steady
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_one_line_of_data(text: str) -> None:
    made = stream()
    made.start()
    event = made.token(text)
    assert told(event) == [{"event": "chunk", "data": text, "chunk_index": 0}]
    # No sign that ends a line for a client may stand within one.
    assert to_sse(event, "s", "ko").count("\n") == 3
    assert "\r" not in to_sse(event, "s", "ko")


def test_the_socket_does_not_tell_what_is_for_http() -> None:
    made = stream()
    made.start()
    source = source_of(make_passage("a"))
    assert list(sent(made.sources([source], 1))) == ["type", "message_id", "sources"]
    assert "final_sources" not in sent(made.end("stop", Usage(), None, [source]))


def test_a_time_is_told_in_utc_with_milliseconds() -> None:
    assert timestamp(0) == "1970-01-01T00:00:00.000Z"
    assert timestamp(1_768_567_496.789) == "2026-01-16T12:44:56.789Z"
