"""Derived summaries with the values of a call: danger, harmlessness, and what is not known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from derive_small import summaries
from pvm.values import Attribute, Call, Container, Global, Persistent, Unknown, Value
from pvmscan.knowledge import Knowledge, Status, derived, effects_of, load, protocol_effects
from pvmscan.knowledge.summary import Summaries

SOURCE = """
import mystery
def run(cmd, shell=False):
    exec(cmd)
def maybe(cmd, go=False):
    if go:
        exec(cmd)
def write(path, mode='r'):
    return open(path, mode)
def plain(x):
    return [x, len(x)]
def opaque(x):
    mystery.run(x)
def calls(f, x):
    return f(x)
def asks(x):
    return x.perform()
class Runner:
    def __init__(self, cmd): self.cmd = cmd
    def perform(self): exec(self.cmd)
    def __call__(self, x): exec(x)
class Data:
    def __init__(self, a, b=None):
        self.a, self.b = a, b
    def __setstate__(self, state): self.__dict__.update(state)
class Trap:
    def __setstate__(self, state): exec(state['code'])
    def __del__(self): exec(self.last)
class Child(Trap): pass
class Odd(mystery.Base): pass
"""


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Knowledge:
    made = Knowledge(categories=load().categories)
    made.summaries = summaries(tmp_path_factory.mktemp("small"), lib=SOURCE)
    return made


def call(name: str, *args: Value, mode: str = "call", **named: Value) -> Call:
    keywords = Container(0, "dict", [part for pair in named.items() for part in pair]) if named else None
    return Call(9, "REDUCE", Global(0, "lib", name, ("lib", name)), args, keywords, mode=mode)


def status(known: Knowledge, name: str, *args: Value, **more: Any) -> Status:
    return effects_of(known, f"lib.{name}", call(name, *args, **more)).status


SYSTEM = Global(0, "os", "system", ("os", "system"))


@pytest.mark.parametrize(
    ("name", "args", "named", "expected"),
    [
        ("run", ("echo inert",), {}, Status.SINK),
        ("run", (), {"cmd": "echo inert"}, Status.SINK),
        ("run", (Unknown(0, "any"),), {}, Status.SINK),
        ("run", (Persistent(0, "x"),), {}, Status.SINK),
        ("run", (("echo", "inert"),), {}, Status.SINK),
        ("run", (5,), {}, Status.UNKNOWN),
        ("run", (), {}, Status.HARMLESS),
        ("maybe", ("echo inert",), {}, Status.HARMLESS),
        ("maybe", ("echo inert", True), {}, Status.SINK),
        ("maybe", ("echo inert", Unknown(0, "any")), {}, Status.SINK),
        ("write", ("/tmp/pvmscan-inert", "w"), {}, Status.SINK),
        ("write", ("/tmp/pvmscan-inert",), {"mode": "wb"}, Status.SINK),
        ("plain", ("x",), {}, Status.HARMLESS),
        ("opaque", ("x",), {}, Status.UNKNOWN),
        ("opaque", (), {}, Status.HARMLESS),
        ("calls", ("x", 1), {}, Status.HARMLESS),
        ("calls", (SYSTEM, "x"), {}, Status.UNKNOWN),
        ("asks", ("x",), {}, Status.HARMLESS),
        ("asks", (Unknown(0, "any"),), {}, Status.UNKNOWN),
        ("Data", ("x",), {}, Status.HARMLESS),
        ("Odd", ("x",), {}, Status.UNKNOWN),
    ],
)
def test_the_arguments_decide(
    known: Knowledge, name: str, args: tuple[Value, ...], named: dict[str, Value], expected: Status
) -> None:
    assert status(known, name, *args, **named) is expected


def test_a_file_that_is_read_is_not_written(known: Knowledge) -> None:
    judgement = effects_of(known, "lib.write", call("write", "/tmp/pvmscan-inert"))
    assert [rule.effect for rule in judgement.rules] == ["file-read"]


def test_methods_of_objects_that_the_file_made(known: Knowledge) -> None:
    made = call("Runner", "echo inert")
    bound = Call(20, "REDUCE", Attribute(19, made, "perform"), ())
    assert effects_of(known, "lib.Runner.perform", bound).status is Status.SINK
    empty = Call(20, "REDUCE", Attribute(19, call("Runner", mode="new"), "perform"), ())
    assert effects_of(known, "lib.Runner.perform", empty).status is Status.HARMLESS


def test_a_method_that_another_callable_calls_by_name(known: Knowledge) -> None:
    judgement = effects_of(known, "lib.asks", call("asks", call("Runner", "echo inert")))
    assert judgement.status is Status.SINK


def test_an_object_that_is_called(known: Knowledge) -> None:
    called = Call(20, "REDUCE", call("Runner", "x"), ("echo inert",))
    assert effects_of(known, "lib.Runner.__call__", called).status is Status.SINK


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("lib.plain", Status.HARMLESS),
        ("lib.Data", Status.HARMLESS),
        ("lib.run", Status.SINK),
        ("lib.opaque", Status.UNKNOWN),
        ("lib.Runner", Status.UNKNOWN),
        ("lib.Trap", Status.UNKNOWN),
        ("lib.Child", Status.UNKNOWN),
        ("lib.Odd", Status.UNKNOWN),
        ("lib.nothing", Status.UNKNOWN),
        ("other.thing", Status.UNKNOWN),
    ],
)
def test_without_a_call_harmless_means_with_any_arguments_and_any_opcode(
    known: Knowledge, path: str, expected: Status
) -> None:
    assert effects_of(known, path).status is expected


def test_protocols_of_classes(known: Knowledge) -> None:
    owner = call("Child", mode="new")
    state = Container(0, "dict", ["code", "echo inert"])
    found = protocol_effects(known, "lib.Child", "__setstate__", owner, (state,))
    assert found is not None and found.rules[0].effect == "code-execution"
    assert [step.kind for step in found.source] == ["source"]
    assert protocol_effects(known, "lib.Child", "__setstate__", owner, (5,)) is None
    assert protocol_effects(known, "lib.Child", "__del__", owner, ()) is None
    owner.state = [Container(0, "dict", ["other", "echo inert", "last", 5])]
    assert protocol_effects(known, "lib.Child", "__del__", owner, ()) is None
    owner.state = [Container(0, "dict", ["last", "echo inert"])]
    assert protocol_effects(known, "lib.Child", "__del__", owner, ()) is not None
    assert protocol_effects(known, "lib.Data", "__setstate__", owner, (state,)) is None


def test_the_way_through_the_source_is_told(known: Knowledge) -> None:
    judgement = effects_of(known, "lib.run", call("run", "echo inert"))
    assert [step.text for step in judgement.source] == ["lib.run calls builtins.exec with cmd  (lib.py:4)"]


def test_names_that_lead_in_circles_are_given_up(tmp_path: Path) -> None:
    made = summaries(tmp_path, a="from b import *\nfrom b import x\n", b="from a import *\nfrom a import x\n")
    assert made.find("a.x") is None
    assert made.find("a." + "x." * 200 + "x") is None


# Laws -----------------------------------------------------------------------------------------------------

NAMES = ["run", "maybe", "write", "plain", "opaque", "calls", "asks", "Data", "Runner", "Trap"]
RANK = {Status.HARMLESS: 0, Status.UNKNOWN: 1, Status.SINK: 2}
VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.binary(max_size=4)


@settings(deadline=None)
@given(name=st.sampled_from(NAMES), values=st.lists(VALUES, max_size=3))
def test_arguments_that_are_not_known_are_never_judged_better(
    known: Knowledge, name: str, values: list[Any]
) -> None:
    blurred = [Unknown(0, "any") for _ in values]
    assert RANK[status(known, name, *blurred)] >= RANK[status(known, name, *values)]


@settings(deadline=None)
@given(name=st.sampled_from(NAMES), values=st.lists(VALUES, max_size=3))
def test_harmless_without_a_call_is_harmless_with_any(known: Knowledge, name: str, values: list[Any]) -> None:
    if effects_of(known, f"lib.{name}").status is Status.HARMLESS:
        assert status(known, name, *values) is Status.HARMLESS


PATHS = st.sampled_from([path for rule in load().rules.values() for path in rule.calls if "*" not in path])


@settings(deadline=None, max_examples=300)
@given(path=PATHS)
def test_what_is_derived_never_lowers_a_curated_judgement(path: str) -> None:
    full = load()
    curated = Knowledge(full.rules, full.calls, full.imports, full.targets, full.harmless, full.loaders)
    made = Call(0, "REDUCE", Global(0, "m", "n", ("m", "n")), ("echo inert", Unknown(0, "any")))
    for given_call in (None, made):
        before, after = effects_of(curated, path, given_call), effects_of(full, path, given_call)
        assert RANK[after.status] >= RANK[before.status] or before.status is Status.UNKNOWN
        assert {rule.id for rule in before.rules} <= {rule.id for rule in after.rules}


def test_summaries_of_what_ships_are_read() -> None:
    shipped = load().summaries
    assert isinstance(shipped, Summaries)
    answer = derived.answer(shipped, "pydoc.pipepager", call("x", "text", "echo inert"))
    assert answer is not None and answer.reached[0].effect.kind == "proc"
