"""unknown-callee: callees that no honest pickle has."""

from __future__ import annotations

import pytest

import assemble as asm
import judged
from pvmscan import Verdict
from pvmscan.knowledge import load

COMPUTED = "unknown-callee/computed-callee"
LIBRARY = "unknown-callee/standard-library-call"
UNUSUAL = "unknown-callee/unusual-call"
RESULT = "unknown-callee/called-result"


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        (asm.call(asm.stack_global("os", asm.persistent(asm.text("?"))), asm.text("x")), COMPUTED),
        (asm.call(asm.ext(3), asm.text("x")), COMPUTED),
        (asm.call(asm.at("distutils.util.split_quoted"), asm.text("a b")), LIBRARY),
        (asm.call(asm.at("mypkg.tools.frobnicate"), asm.text("echo inert")), UNUSUAL),
        (asm.call(asm.call(asm.at("mypkg.tools.frobnicator")), asm.number(1)), RESULT),
    ],
    ids=["computed", "extension code", "standard library", "text only", "result called"],
)
def test_an_odd_callee_is_suspicious(code: bytes, rule: str) -> None:
    data = asm.program(4, code)
    assert rule in judged.serious(data)
    assert judged.verdict(data) is Verdict.SUSPICIOUS


def test_the_library_is_that_of_the_knowledge_and_not_of_the_process() -> None:
    assert load().is_stdlib("wsgiref.util")
    assert load().is_stdlib("imp")  # gone since 3.12
    assert not load().is_stdlib("mypkg")


@pytest.mark.parametrize(
    "code",
    [
        asm.call(asm.at("mypkg.tools.rebuild_net"), asm.text("net")),
        asm.call(asm.at("mypkg.tools._reconstruct"), asm.text("net")),
        asm.call(asm.at("mypkg.models.Net"), asm.text("resnet18")),
        asm.call(asm.at("mypkg.tools.make"), asm.number(1), asm.text("a")),
        asm.newobj(asm.at("email.message.Message")),
        asm.call(asm.call(asm.at("functools.partial"), asm.at("mypkg.models.Net")), asm.number(1)),
        asm.newobj(asm.at("__main__.Net")),
    ],
    ids=["rebuild", "_reconstruct", "class", "numbers too", "library class", "partial", "__main__"],
)
def test_the_ways_of_honest_picklers_are_left_alone(code: bytes) -> None:
    rules = judged.serious(asm.program(4, code))
    assert not [rule for rule in rules if rule.startswith("unknown-callee/")]


def test_the_same_call_many_times_is_reported_once() -> None:
    call = asm.call(asm.at("distutils.util.split_quoted"), asm.text("a b"))
    findings = judged.scan(asm.program(4, asm.list_of(*[call] * 20))).findings
    assert [one.rule for one in findings].count(LIBRARY) == 1
