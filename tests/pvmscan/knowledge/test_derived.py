"""Derived summaries with the values of a call: danger, harmlessness, and what is not known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from derive_small import summaries
from pvm.values import Attribute, Call, Container, Extension, Global, Persistent, Unknown, Value
from pvmscan.knowledge import Knowledge, Status, derived, effects_of, load, protocol_effects
from pvmscan.knowledge.shards import Library
from pvmscan.knowledge.summary import Summaries, Summary

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
    @classmethod
    def made(cls, code): exec(code)
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
NUMBERS: list[Value] = list(range(3000))
LOOP = Container(0, "list", [1])
LOOP.items.append(LOOP)
TEXT_AFTER_NUMBERS = Container(0, "list", [*NUMBERS, "echo inert"])
TEXT_AFTER_TUPLES = Container(0, "list", [*((),) * 3000, "echo inert"])
TEXT_BEFORE_TUPLES = Container(0, "list", ["echo inert", *((1,) for _ in NUMBERS)])
TEXT_AFTER_MANY = Container(0, "list", [*NUMBERS * 10, "echo inert"])
TEXT_IN_PLACE = Container(0, "list", [1])
TEXT_IN_PLACE.replace(0, "echo inert", 5)
SYSTEM_AFTER_NUMBERS = Container(0, "list", [*NUMBERS, SYSTEM])


@pytest.mark.parametrize(
    ("name", "args", "named", "expected"),
    [
        ("run", ("echo inert",), {}, Status.SINK),
        ("run", (), {"cmd": "echo inert"}, Status.SINK),
        ("run", (Unknown(0, "any"),), {}, Status.SINK),
        ("run", (Persistent(0, "x"),), {}, Status.SINK),
        ("run", (("echo", "inert"),), {}, Status.SINK),
        ("run", (5,), {}, Status.UNKNOWN),
        ("run", (LOOP,), {}, Status.UNKNOWN),
        ("run", (TEXT_AFTER_NUMBERS,), {}, Status.SINK),
        ("run", (TEXT_AFTER_TUPLES,), {}, Status.SINK),
        ("run", (TEXT_BEFORE_TUPLES,), {}, Status.SINK),
        ("run", (TEXT_AFTER_MANY,), {}, Status.SINK),
        ("run", (TEXT_IN_PLACE,), {}, Status.SINK),
        ("run", (Container(0, "list", NUMBERS),), {}, Status.UNKNOWN),
        ("run", (5,), {"other": "echo inert"}, Status.UNKNOWN),
        ("Runner.made", ("echo inert",), {}, Status.SINK),
        ("Runner.made", (5,), {}, Status.UNKNOWN),
        ("run", (), {}, Status.HARMLESS),
        ("maybe", ("echo inert",), {}, Status.HARMLESS),
        ("maybe", ("echo inert", True), {}, Status.SINK),
        ("maybe", ("echo inert", Unknown(0, "any")), {}, Status.SINK),
        ("maybe", ("echo inert", ()), {}, Status.HARMLESS),
        ("maybe", ("echo inert", (0,)), {}, Status.SINK),
        ("maybe", (), {"go": True, "cmd": "echo inert"}, Status.SINK),
        ("write", ("/tmp/pvmscan-inert", "w"), {}, Status.SINK),
        ("write", ("/tmp/pvmscan-inert",), {"mode": "wb"}, Status.SINK),
        ("plain", ("x",), {}, Status.HARMLESS),
        ("opaque", ("x",), {}, Status.UNKNOWN),
        ("opaque", (), {}, Status.HARMLESS),
        ("calls", ("x", 1), {}, Status.HARMLESS),
        ("calls", (SYSTEM, "x"), {}, Status.UNKNOWN),
        ("calls", (SYSTEM_AFTER_NUMBERS, "x"), {}, Status.UNKNOWN),
        ("calls", (Unknown(0, "any"), "x"), {}, Status.UNKNOWN),
        ("calls", (Extension(0, 7), "x"), {}, Status.UNKNOWN),
        ("calls", (Persistent(0, "x"), "x"), {}, Status.UNKNOWN),
        ("asks", ("x",), {}, Status.HARMLESS),
        ("asks", (Unknown(0, "any"),), {}, Status.UNKNOWN),
        ("asks", (call("Runner", 5),), {}, Status.UNKNOWN),
        ("asks", (SYSTEM_AFTER_NUMBERS,), {}, Status.UNKNOWN),
        ("Data", ("x",), {}, Status.HARMLESS),
        ("Odd", ("x",), {}, Status.UNKNOWN),
    ],
)
def test_the_arguments_decide(
    known: Knowledge, name: str, args: tuple[Value, ...], named: dict[str, Value], expected: Status
) -> None:
    assert status(known, name, *args, **named) is expected


@pytest.mark.parametrize("text", [True, False])
def test_arguments_of_which_the_number_is_not_known(known: Knowledge, text: bool) -> None:
    """Each may be any parameter: those of `*x`, and those of `**x`."""
    callee = Global(0, "lib", "run", ("lib", "run"))
    given = Call(1, "REDUCE", SYSTEM, ("echo inert",) if text else (5,))
    expected = Status.SINK if text else Status.UNKNOWN
    for made in (Call(9, "REDUCE", callee, (), splat=given), Call(9, "REDUCE", callee, (), given)):
        assert effects_of(known, "lib.run", made).status is expected
    both = Call(9, "REDUCE", callee, (), given, splat=Container(1, "list", [5]))
    assert effects_of(known, "lib.run", both).status is expected


@pytest.mark.parametrize(
    "made",
    [
        call("Data", "echo inert"),
        call("Data", a="echo inert"),
        Call(9, "REDUCE", SYSTEM, (), splat=Unknown(0, "any")),
        Call(9, "REDUCE", SYSTEM, (), Unknown(0, "any")),
        call("Data", TEXT_AFTER_MANY),
        call("Data", TEXT_AFTER_TUPLES),
    ],
)
def test_an_object_is_text_where_it_may_be_made_of_text(known: Knowledge, made: Call) -> None:
    assert status(known, "run", made) is Status.SINK
    assert status(known, "run", call("Data", 5, b=7)) is Status.UNKNOWN
    assert status(known, "run", call("Data", Container(0, "list", NUMBERS))) is Status.UNKNOWN


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
    owner.state = [(None, Container(0, "dict", ["last", "echo inert"]))]
    assert protocol_effects(known, "lib.Child", "__del__", owner, ()) is not None
    owner.state = [(Container(0, "dict", ["other", "echo inert"]), None)]
    assert protocol_effects(known, "lib.Child", "__del__", owner, ()) is None
    assert protocol_effects(known, "lib.Data", "__setstate__", owner, (state,)) is None


@pytest.mark.parametrize("state", ["echo inert", ("echo inert", 5, 6), Unknown(0, "any")])
def test_a_state_that_is_no_dict_may_become_any_attribute(known: Knowledge, state: Value) -> None:
    owner = call("Child", mode="new")
    owner.state = [state]
    assert protocol_effects(known, "lib.Child", "__del__", owner, ()) is not None
    owner.state = [5]
    assert protocol_effects(known, "lib.Child", "__del__", owner, ()) is None


def test_answers_that_are_remembered_are_bounded(known: Knowledge, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = ["lib.plain", "lib.run", "lib.opaque", "lib.calls"]
    summaries_ = known.summaries
    assert summaries_ is not None
    before = [derived.answer(summaries_, path, None) for path in paths]
    monkeypatch.setattr(derived, "MAX_REMEMBERED", 1)
    assert [derived.answer(summaries_, path, None) for path in paths * 2] == before * 2
    summaries_.answers.clear()
    for path in paths * 2:
        derived.answer(summaries_, path, None)
        assert len(summaries_.answers) <= 2


class Written(Library):
    """A database written by hand, with what no generator would write."""

    def __init__(self, record: dict[str, Any]) -> None:
        super().__init__()
        self.record = record

    def shard(self, top: str) -> Any:
        return self.record

    def module(self, name: str) -> dict[str, Any] | None:
        return self.record if name == "m" else None


def test_an_input_that_is_no_parameter_may_be_any_argument() -> None:
    """The callable had another name for it in another version."""
    row = [3, ["a"], 0, [["exec", "code", "", 1, 4, "builtins.exec", ""]]]
    found = Summaries(Written({"f": {"run": row}}))
    for args, expected in ((("echo inert",), True), ((1, "echo inert"), True), ((1, 2), False)):
        answer = derived.answer(found, "m.run", Call(9, "REDUCE", SYSTEM, args))
        assert answer is not None and bool(answer.reached) is expected and not answer.harmless


def test_a_way_in_a_circle_ends() -> None:
    rows = {
        "f": [3, ["x"], 0, [["exec", "x", "", 3, 4, "m.g", "y"]]],
        "g": [7, ["y"], 0, [["exec", "y", "", 3, 8, "m.f", "x"]]],
    }
    found = Summaries(Written({"f": rows}))
    start = found.find("m.f")
    assert isinstance(start, Summary)
    way = [
        (summary.path, effect.origin)
        for summary, effect in derived.path_through(found, start, start.effects[0])
    ]
    assert way == [("m.f", "x"), ("m.g", "y")]


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
