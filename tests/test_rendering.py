"""No chat template reaches the machine, hangs, or fills the memory; and none of it is felt outside its child."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rag import rendering
from rag.rendering import Renderer
from rag.types import Message

QUESTION = [Message("user", "What is a pump?")]
GOOD = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>"

# What each does to whom.
FORBIDDEN = {
    "classes": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "classes, by a filter": "{{ (''|attr('__class__')).__mro__ }}",
    "classes, by an index": "{{ ''['__class__']['__mro__'][1]['__subclasses__']() }}",
    "classes, by map": "{{ ['']|map(attribute='__class__')|map(attribute='__mro__')|list|first|first }}",
    "classes, by a format": "{{ '{0.__class__.__mro__}'.format(1).x() }}",
    "globals": "{{ cycler.__init__.__globals__.os.system('true') }}",
    "globals of a function": "{{ raise_exception.__globals__.sys.exit() }}",
    "globals of a macro": "{% macro a() %}{% endmacro %}{{ a.__call__.__globals__.os.abort() }}",
    "the template itself": "{{ self.__init__.__globals__.os.abort() }}",
    "its environment": "{{ self._TemplateReference__context.environment.from_string('x').render() }}",
    "a namespace": "{{ namespace.__init__.__globals__.os.abort() }}",
    "joiner": "{{ joiner.__init__.__builtins__.exec('1') }}",
    "a file": "{% include '/etc/passwd' %}",
    "a macro of a file": "{% import '/etc/passwd' as a %}",
    "a parent": "{% extends '/etc/passwd' %}",
    "a change of what it was given": "{{ messages.append(1) }}",
    "a word of its own": "{{ raise_exception('refused') }}",
    "no syntax": "{% for",
    "no value": "{{ undefined.attribute }}",
    "a range": "{{ range(10 ** 9) | list }}",
    "lorem ipsum": "{{ lipsum(n=10000000) }}",
    "depth": "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}",
    "deep text": "{{" + "(" * 5000 + "1" + ")" * 5000 + "}}",
}
# Each would take all of the time or of the memory.
ENDLESS = {
    "loops in loops": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "a macro that calls itself twice": "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}"
    "{{ f(60) }}",
    "a long text": "{{ 'a' * 10 ** 10 }}",
    "a text that doubles": "{% set ns = namespace(t='a') %}"
    "{% for a in range(40) %}{% set ns.t = ns.t ~ ns.t %}{% endfor %}{{ ns.t }}",
    "a list that doubles": "{% set ns = namespace(t=[1]) %}"
    "{% for a in range(40) %}{% set ns.t = [ns.t, ns.t] %}{% endfor %}{{ ns.t }}",
    "a large number": "{{ 10 ** (10 ** 8) }}",
    "a wide format": "{{ '%9999999999d' % 1 }}",
    "a replacement": "{{ ('a' * 1000000).replace('a', 'b' * 1000000) }}",
    "much output": "{% for a in range(99999) %}{{ 'a' * 10000 }}{% endfor %}",
    "a filter": "{% for a in range(99999) %}{{ range(99999)|map('string')|sort|join|length }}{% endfor %}",
}


@pytest.fixture
def renderer() -> Iterator[type[Renderer]]:
    made: list[Renderer] = []

    class Kept(Renderer):
        def __init__(self, source: str, seconds: float = rendering.SECONDS) -> None:
            super().__init__(source, seconds=seconds)
            made.append(self)

    yield Kept
    for each in made:
        each.close()


@pytest.mark.parametrize("name", FORBIDDEN)
def test_what_a_template_must_not_do_is_refused(name: str, renderer: type[Renderer]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        renderer(FORBIDDEN[name]).render(QUESTION)


@pytest.mark.parametrize("name", ENDLESS)
def test_what_has_no_end_is_ended(name: str, renderer: type[Renderer]) -> None:
    with pytest.raises(ValueError, match=r"no prompt in|too much memory|too long|Overflow|Exceeds|Error"):
        renderer(ENDLESS[name], 1.0).render(QUESTION)


def test_a_template_that_hangs_on_some_content_alone_renders_the_next(renderer: type[Renderer]) -> None:
    loops = "{% if 'x' in messages[0].content %}" + ENDLESS["loops in loops"] + "{% endif %}"
    one = renderer(loops + GOOD, 5.0)
    assert one.render(QUESTION) == "<user>What is a pump?<assistant>"
    with pytest.raises(ValueError, match="no prompt in 5 s"):
        one.render([Message("user", "x")])
    assert one.render(QUESTION) == "<user>What is a pump?<assistant>"


def test_a_child_that_somebody_ended_is_started_anew(renderer: type[Renderer]) -> None:
    one = renderer(GOOD)
    said = one.render(QUESTION)
    assert one._child is not None
    one._child.kill()
    one._child.wait()
    assert one.render(QUESTION) == said


def test_a_closed_one_leaves_no_child(renderer: type[Renderer]) -> None:
    one = renderer(GOOD)
    one.render(QUESTION)
    child = one._child
    assert child is not None
    one.close()
    assert child.returncode is not None


def test_the_time_is_that_of_the_server(renderer: type[Renderer], monkeypatch: pytest.MonkeyPatch) -> None:
    class Then(rendering.datetime):
        @classmethod
        def now(cls, tz: object = None) -> rendering.datetime:
            return cls(2031, 5, 6)

    monkeypatch.setattr(rendering, "datetime", Then)
    assert renderer("{{ strftime_now('%Y-%m-%d') }}").render(QUESTION) == "2031-05-06"
