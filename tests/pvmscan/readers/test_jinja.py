"""Jinja templates: escapes are seen however the names are spelt, and honest templates have none."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pvmscan.readers import jinja
from pvmscan.readers.jinja import escapes

CERTAIN = [
    "{{ self.__init__.__globals__.__builtins__.__import__('os').popen('echo inert').read() }}",
    "{{ ''['__class__'] }}",
    "{{ x['__cla' ~ 'ss__'] }}",
    "{{ x['__cla' + 'ss__'] }}",
    "{{ x['__cla' 'ss__'] }}",
    "{{ x[['__cla', 'ss__'] | join] }}",
    "{{ x['__ssalc__' | reverse] }}",
    "{{ x['__CLASS__' | lower] }}",
    "{{ x | attr('\\x5f\\x5fclass\\x5f\\x5f') }}",
    "{{ x | attr(('__cla' ~ 'ss__')) }}",
    "{{ x['\\N{LOW LINE}\\137class__'] }}",
    "{{ x['\\u005f\\u005finit\\u005f\\u005f'] }}",
    "{% set a = '__cla' %}{% set b = 'ss__' %}{{ x[a ~ b] }}",
    "{% set a = '__globals__' %}{{ lipsum[a] }}",
    "{{ xs | map(attribute='a.__class__') | list }}",
    "{{ xs | selectattr('__class__') | list }}",
    "{% if cycler.__init__.__globals__ %}{% endif %}",
    "{%- for x in ().__class__.__base__.__subclasses__() -%}{%- endfor -%}",
    "{{ '}}' ~ x.__class__ }}",
    "{# comment #}{{ x.__class__",
    "{{ x\n.\n__class__ }}",
    "{% macro m() %}{{ m.__globals__ }}{% endmacro %}",
    "{{ x['%s' | format('__class__')] }}",
    "{{ x['_' * 2 ~ 'class' ~ '_' * 2] }}",
    "{{ x | attr(2 * '_' ~ 'class' ~ 2 * '_') }}",
    "{{ x | attr('--class--' | replace('-', '_')) }}",
    "{{ x['--class--'.replace('-', '_')] }}",
    "{{ x['%c%cclass%c%c' | format(95, 95, 95, 95)] }}",
    "{{ x | attr('%sclass%s' | format('__', '__')) }}",
    "{{ x['__' ~ '__ssalc' | reverse] }}",
    "{{ x['__CLASS__'.lower()] }}",
]
POSSIBLE = [
    "{{ x['%c%cclass' % (95, 95)] }}",
    "{{ x['a' | urlencode] }}",
    "{{ x | attr('a' ~ y) }}",
    "{{ x | attr('_' * n) }}",
    "{{ x['ssalc'[::-1]] }}",
    "{{ x | attr(y) }}",
    "{{ cycler.next.im_func.func_globals }}",
    "{{ x['__%s__' % y] }}",
    "{{ x['__' ~ y ~ '__'] }}",
    "{% include 'other' %}",
    "{% from 'a' import b %}",
    "{{ joiner.gi_frame }}",
]
HONEST = [
    "{{ messages[0]['role'] }}{{ xs[1:] }}{{ roles[m.role] }}{{ roles['a' if m else 'b'] }}{{ x[-1] }}",
    "{{ '-' * 20 }}{{ 'Result: %s, %d' | format(name, 3) }}{{ text.replace('<s>', '') | trim }}",
    "{{ images['image_' ~ loop.index] }}{{ ['a', 'b'] | join(', ') }}{{ {'a': ['x', 'y']}['a'] }}",
    "{{ x | attr('content') }}{{ m['content'] | replace('_', ' ') | trim }}",
    "{% if m.role in ['a' ~ 'b', 'c'] %}{% endif %}{% if x not in ['a' | upper] %}{% endif %}",
    "{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] }}{% endfor %}",
    "{%- set ns = namespace(found=false) -%}{% if not loop.last and messages[0]['role'] == 'system' %}{% endif %}",
    "{{ raise_exception('Conversation roles must alternate user/assistant') }}",
    "{% for t in tools %}{{ t.function.name ~ ': ' ~ (t | tojson(indent=4)) }}{% endfor %}",
    "{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | join('\\n') }}",
    "{%- macro render(x) %}{{ x.items() | list | length }}{%- endmacro -%}{{ render(tool) }}",
    "{% set loop_messages = messages[1:] %}{{ bos_token }}{{ strftime_now('%d %b %Y') }}",
    "{{ 'Use __init__ and __class__ in Python, never os.system or eval' }}",
    "{{ '__media__' }}{{ \"<__image__>\" }}",
    "{# x.__class__ #}text.__class__ {} {% raw %}{{ x.__class__ }}{% endraw %}",
    "{{ message[key] }}{{ a[loop.index0 + 1] }}{{ m['content'].split('</think>')[-1].lstrip('\\n') }}",
    "{{ role_indicators['system'] }}{{ roles.system }}{{ parts['eval'] }}",
    "{% set system = 'x' %}{{ system }}{{ eval }}",
    "{%- generation -%}{{ m.content }}{%- endgeneration -%}",
]


@pytest.mark.parametrize("template", CERTAIN)
def test_an_escape_is_certain(template: str) -> None:
    assert [one.certain for one in escapes(template)][:1] == [True]


@pytest.mark.parametrize("template", POSSIBLE)
def test_what_may_be_one_is_said_to_be_possible(template: str) -> None:
    found = list(escapes(template))
    assert found
    assert not any(one.certain for one in found)


@pytest.mark.parametrize("template", HONEST)
def test_honest_templates_have_none(template: str) -> None:
    assert not list(escapes(template))


def test_the_place_is_that_of_the_expression() -> None:
    (one,) = escapes("text {{ a }} {{ x.__class__ }}")
    assert (one.text, one.offset) == ("x.__class__", 15)


def test_a_template_without_end_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jinja, "MAX_TOKENS", 10)
    (only,) = escapes("{{ a + b + c }}" * 10)
    assert "too long" in only.reason


@settings(deadline=None, max_examples=200)
@given(st.text(alphabet="{}%#'\"\\_ax.|~[]()-\n", max_size=60))
def test_any_text_is_read_to_its_end(template: str) -> None:
    assert all(0 <= one.offset <= len(template) for one in escapes(template))
