"""The judgement: conditions on arguments, and which entry wins."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvm.values import Blob, Call, Container, Global, Unknown, Value
from pvmscan.knowledge import Harmless, Knowledge, Rule, Status, effects_of, load
from pvmscan.knowledge.judge import argument
from pvmscan.knowledge.schema import Condition
from pvmscan.report import Confidence, Severity

PATH = "pkg.mod.run"
UNKNOWN = Unknown(0, "a test")
ABSENT = object()


def rule(id_: str = "r", *calls: str, severity: Severity = Severity.HIGH, **more: Any) -> Rule:
    return Rule(id_, "T", "command", severity, Confidence.CERTAIN, "Why.", calls=calls or (PATH,), **more)


def knowledge(*rules: Rule, harmless: tuple[Harmless, ...] = ()) -> Knowledge:
    made = Knowledge()
    for one in rules:
        made.add_rule(one)
    for entry in harmless:
        made.harmless.add(entry.calls, entry)
    return made


def fine(*calls: str, when: tuple[Condition, ...] = ()) -> Harmless:
    return Harmless("pkg", calls, "Why.", when)


def call(*args: Value, kwargs: Value = None, splat: Value = None) -> Call:
    return Call(9, "REDUCE", Global(0, "pkg.mod", "run", ("pkg.mod", "run")), args, kwargs, splat=splat)


def keywords(**items: Value) -> Container:
    return Container(0, "dict", [part for pair in items.items() for part in pair])


def status(known: Knowledge, made: Call | None = None) -> Status:
    return effects_of(known, PATH, made).status


# Precedence ------------------------------------------------------------------------------------------------


def test_what_nothing_speaks_of_is_unknown() -> None:
    assert status(knowledge()) is Status.UNKNOWN


def test_an_exact_harmless_entry_outweighs_a_wild_rule() -> None:
    assert status(knowledge(rule("r", "pkg.**"), harmless=(fine(PATH),))) is Status.HARMLESS


def test_an_exact_rule_outweighs_an_exact_harmless_entry() -> None:
    assert status(knowledge(rule(), harmless=(fine(PATH),))) is Status.SINK


def test_a_wild_rule_outweighs_a_wild_harmless_entry() -> None:
    assert status(knowledge(rule("r", "pkg.**"), harmless=(fine("pkg.mod.*"),))) is Status.SINK


def test_a_rule_whose_condition_fails_leaves_the_word_to_the_harmless_entry() -> None:
    known = knowledge(rule(when=(Condition(arg=0, match="w"),)), harmless=(fine(PATH),))
    assert status(known, call("r")) is Status.HARMLESS
    assert status(known, call("w")) is Status.SINK


def test_rules_come_worst_first_and_once() -> None:
    known = knowledge(rule("low", severity=Severity.LOW), rule("high", PATH, PATH), rule("wild", "pkg.**"))
    assert [one.id for one in effects_of(known, PATH).rules] == ["high", "wild", "low"]


# Conditions ------------------------------------------------------------------------------------------------

WRITES = (Condition(arg=1, keyword="mode", match="[wax+]", default="r"),)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (call("f"), Status.UNKNOWN),
        (call("f", "r"), Status.UNKNOWN),
        (call("f", "wb"), Status.SINK),
        (call("f", b"wb"), Status.SINK),
        (call("f", kwargs=keywords(mode="a")), Status.SINK),
        (call("f", kwargs=keywords(mode="r")), Status.UNKNOWN),
        (call("f", kwargs=keywords(other="w")), Status.UNKNOWN),
        (call("f", UNKNOWN), Status.SINK),
        (call("f", kwargs=UNKNOWN), Status.SINK),
        (call("f", kwargs=keywords(mode=UNKNOWN)), Status.SINK),
        (call(splat=UNKNOWN), Status.SINK),
        (call("f", Blob(0, "str", 0, 1 << 21)), Status.SINK),
        (None, Status.SINK),
    ],
)
def test_a_condition_holds_for_matching_and_for_unknown_arguments(
    made: Call | None, expected: Status
) -> None:
    assert status(knowledge(rule(when=WRITES)), made) is expected


@pytest.mark.parametrize("size", [1001, 1e9, UNKNOWN])
def test_above_holds_for_numbers_and_unknowns(size: Value) -> None:
    known = knowledge(rule(when=(Condition(arg=0, above=1000),)))
    assert status(known, call(size)) is Status.SINK


@pytest.mark.parametrize("size", [1000, -5, "x" * 2000, None, True, 0.5])
def test_above_does_not_hold_at_or_below_the_bound(size: Value) -> None:
    known = knowledge(rule(when=(Condition(arg=0, above=1000),)))
    assert status(known, call(size)) is Status.UNKNOWN


def test_all_conditions_must_hold() -> None:
    known = knowledge(rule(when=(Condition(arg=0, match="a"), Condition(arg=1, match="b"))))
    assert status(known, call("a", "b")) is Status.SINK
    assert status(known, call("a", "x")) is Status.UNKNOWN


def test_the_condition_of_a_harmless_entry_does_not_hold_for_unknown_arguments() -> None:
    known = knowledge(harmless=(fine(PATH, when=(Condition(arg=0, match="^safe$"),)),))
    assert status(known, call("safe")) is Status.HARMLESS
    assert status(known, call(UNKNOWN)) is Status.UNKNOWN
    assert status(known, call("else")) is Status.UNKNOWN
    assert status(known) is Status.UNKNOWN


def test_the_last_of_two_equal_keywords_counts() -> None:
    twice = Container(0, "dict", ["mode", "r", "mode", "w"])
    assert argument(call("f", kwargs=twice), 1, "mode", "r") == "w"


PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=5)


@given(st.lists(PLAIN, max_size=4), st.integers(0, 5), st.sampled_from(["[a-f]", "^$", "0"]))
def test_a_call_with_less_known_arguments_is_never_judged_better(
    values: list[Any], index: int, match: str
) -> None:
    known = knowledge(rule(when=(Condition(arg=index, match=match),)))
    blurred = call(*[UNKNOWN for _ in values])
    if status(known, call(*values)) is Status.SINK:
        assert status(known, blurred) is Status.SINK


@pytest.mark.parametrize(
    ("name", "harmless"),
    [("ListType", True), ("ObjectType", True), ("SliceType", True), ("CodeType", False), ("FunctionType", False),
     ("TypeType", False), ("ClassType", False), ("MyListType", False)],
)  # fmt: skip
def test_dills_table_gives_types_of_plain_data_and_others(name: str, harmless: bool) -> None:
    asked = Call(9, "REDUCE", Global(0, "dill._dill", "_load_type", ("dill._dill", "_load_type")), (name,))
    judgement = effects_of(load(), "dill._dill._load_type", asked)
    assert (judgement.status is Status.HARMLESS) == harmless


@pytest.mark.parametrize(
    ("given", "sink"),
    [
        (Global(0, "ctypes", "c_int", ("ctypes", "c_int")), False),
        (Global(0, "ctypes", "c_void_p", ("ctypes", "c_void_p")), True),
        (Global(0, "ctypes", "c_int", ("ctypes", "c_int"), (UNKNOWN,)), True),
        ("ctypes.c_int", True),
        (UNKNOWN, True),
        (ABSENT, True),
    ],
)
def test_a_condition_on_the_path_of_a_global(given: Any, sink: bool) -> None:
    """Nothing but a global that is written down is known to have a path."""
    when = (Condition(arg=0, path=r"^(?!ctypes\.c_int$)"),)
    known = knowledge(
        rule(when=when), harmless=(fine(PATH, when=(Condition(arg=0, path=r"^ctypes\.c_int$"),)),)
    )
    asked = call() if given is ABSENT else call(given)
    assert effects_of(known, PATH, asked).status is (Status.SINK if sink else Status.HARMLESS)


@pytest.mark.parametrize(
    ("path", "arguments", "honest"),
    [
        ("dill._dill._eval_repr", ("range(14, 21)",), True),
        ("dill._dill._eval_repr", ("range(14, 21)\nprint('inert')",), False),
        ("dill._dill._eval_repr", ("print('inert')",), False),
        ("dill._dill._getattr", (None, "lower", "<method 'lower' of 'str' objects>"), True),
        ("dill._dill._getattr", (None, "system", "<method 'lower' of 'os' objects>"), False),
        (
            "dill._dill._getattr",
            (None, '"] or print("inert") or {"', "<method 'lower' of 'str' objects>"),
            False,
        ),
        ("dill._dill._create_namedtuple", ("Point", ("x",), "__main__"), True),
        ("dill._dill._create_namedtuple", ("Popen", ("x",), "subprocess"), False),
        ("operator.methodcaller", ("lower",), True),
        ("operator.methodcaller", ("system", "echo inert"), False),
    ],
)
def test_what_is_harmless_with_honest_arguments_alone(
    path: str, arguments: tuple[Any, ...], honest: bool
) -> None:
    module, _, name = path.rpartition(".")
    asked = Call(9, "REDUCE", Global(0, module, name, (module, name)), arguments)
    assert (effects_of(load(), path, asked).status is Status.HARMLESS) is honest
