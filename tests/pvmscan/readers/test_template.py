"""Template files: found by the name under which runtimes look for them."""

from __future__ import annotations

import pytest

import judged
from pvmscan import Verdict

BAD, HONEST = b"\xc3\xa9{{ x.__class__ }}", b"{% for m in messages %}{{ m.content }}{% endfor %}"


@pytest.mark.parametrize(
    "name", ["chat_template.jinja", "m/additional_chat_templates/tool.jinja2", "a.j2", "chat_template.txt"]
)
def test_an_escape_in_a_template_file(name: str) -> None:
    found = judged.found(BAD, "template/escape", name)
    assert (found.verdict, found.payload, found.location.offset) == (Verdict.DANGEROUS, "x.__class__", 4)
    assert judged.verdict(HONEST, name) is Verdict.CLEAN


def test_a_text_that_speaks_of_templates_is_none() -> None:
    assert judged.verdict(BAD, "README.md") is Verdict.CLEAN


def test_a_giant_template_is_incomplete() -> None:
    assert judged.problems(b"{{ a }}" + b" " * (5 << 20), "chat_template.jinja") == ["limit"]
