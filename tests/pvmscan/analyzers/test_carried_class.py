"""carried-class: classes of the pickle's own, of which loading runs methods."""

from __future__ import annotations

import pytest

import assemble as asm
import judged
from pvmscan import Verdict

RULE = "carried-class/method"
OBJECT, TYPE = asm.at("builtins.object"), asm.call(asm.at("dill._dill._load_type"), asm.text("type"))


def function(*names: str) -> bytes:
    """A function that looks up these names."""
    words = asm.tuple_of(*map(asm.text, names))
    code = asm.call(asm.at("dill._dill._create_code"), asm.number(1), asm.value(b"|\0" * 30), words)
    return asm.call(asm.at("dill._dill._create_function"), code, asm.EMPTY_DICT, asm.text("f"))


def by_dill(bases: bytes = asm.tuple_of(OBJECT), meta: bytes = TYPE, **methods: bytes) -> bytes:
    return asm.call(asm.at("dill._dill._create_type"), meta, asm.text("A"), bases, asm.dict_of(**methods))


def by_cloudpickle(**methods: bytes) -> bytes:
    """The class first, then what is in it."""
    skeleton = asm.call(
        asm.at("cloudpickle.cloudpickle._make_skeleton_class"),
        asm.at("builtins.type"), asm.text("A"), asm.tuple_of(OBJECT), asm.EMPTY_DICT, asm.text("id"), asm.NONE,
    )  # fmt: skip
    filled = asm.call(
        asm.at("cloudpickle.cloudpickle._class_setstate"),
        asm.get(0),
        asm.tuple_of(asm.dict_of(**methods), asm.EMPTY_DICT),
    )
    return skeleton + asm.put(0) + filled + b"0" + asm.get(0)


def made(cls: bytes, state: bytes = asm.EMPTY_DICT) -> bytes:
    return asm.program(4, asm.build(asm.newobj(cls), state))


@pytest.mark.parametrize("maker", [by_dill, by_cloudpickle])
@pytest.mark.parametrize(
    ("names", "verdict"),
    [
        (("os", "system"), Verdict.DANGEROUS),
        (("__import__",), Verdict.DANGEROUS),
        (("open", "write"), Verdict.SUSPICIOUS),
        (("threading", "Lock"), Verdict.UNVERIFIED),
        (("__dict__", "update"), Verdict.UNVERIFIED),
    ],
)
def test_a_setstate_runs_at_once(maker: object, names: tuple[str, ...], verdict: Verdict) -> None:
    assert callable(maker)
    finding = judged.found(made(maker(__setstate__=function(*names))), RULE)
    assert finding.verdict is verdict and "__setstate__" in finding.message and finding.chain


@pytest.mark.parametrize("name", ["predict", "forward", "__init__", "__call__"])
def test_methods_that_nobody_calls_yet_are_only_carried(name: str) -> None:
    """NEWOBJ runs no `__init__`."""
    rules = judged.rules(made(by_dill(**{name: function("os", "system")})))
    assert RULE not in rules and "code-object/carried" in rules


@pytest.mark.parametrize(
    "program",
    [
        asm.newobj(by_dill(__new__=function("os", "system"))),
        asm.newobj(by_dill(__del__=function("os", "system"))),
        asm.call(by_dill(__init__=function("os", "system"))),
        asm.set_item(asm.newobj(by_dill(__setitem__=function("os", "system"))), asm.number(1), asm.NONE),
        asm.append(asm.newobj(by_dill(append=function("os", "system"))), asm.NONE),
        asm.build(asm.newobj(by_dill(__getattr__=function("os", "system"))), asm.EMPTY_DICT),
        by_dill(asm.tuple_of(by_dill(__init_subclass__=function("os", "system")))),
        by_dill(meta=by_dill(__new__=function("os", "system"))),
        asm.build(asm.newobj(by_dill(asm.tuple_of(by_dill(__setstate__=function("eval"))))), asm.EMPTY_DICT),
        asm.build(asm.newobj(by_dill(__setstate__=asm.SYSTEM)), asm.text(asm.COMMAND)),
    ],
    ids=[
        "new", "del", "init", "setitem", "append", "getattr", "init_subclass", "metaclass", "inherited", "sink",
    ],
)  # fmt: skip
def test_whatever_opcodes_run_is_dangerous(program: bytes) -> None:
    data = asm.program(4, program)
    assert judged.found(data, RULE).verdict is Verdict.DANGEROUS


def test_an_attribute_that_is_written_later_counts() -> None:
    write = asm.call(
        asm.at("builtins.setattr"), asm.get(0), asm.text("__setstate__"), function("os", "system")
    )
    data = asm.program(
        4, by_dill() + asm.put(0) + write + b"0" + asm.build(asm.newobj(asm.get(0)), asm.EMPTY_DICT)
    )
    assert judged.found(data, RULE).verdict is Verdict.DANGEROUS


def test_what_has_run_is_told_whatever_takes_its_place() -> None:
    evil, fine = function("os", "system"), function("__dict__", "update")
    built = asm.build(asm.newobj(asm.get(0)), asm.EMPTY_DICT) + b"0"
    later = asm.call(asm.at("builtins.setattr"), asm.get(0), asm.text("__setstate__"), fine) + b"0"
    data = asm.program(4, by_dill(__setstate__=evil) + asm.put(0) + built + later + asm.get(0))
    assert judged.found(data, RULE).verdict is Verdict.DANGEROUS
    attributes = asm.dict_of(__setstate__=evil) + asm.put(1) + b"0"
    maker, bases = asm.at("dill._dill._create_type"), asm.tuple_of(OBJECT)
    made_of = asm.call(maker, TYPE, asm.text("A"), bases, asm.get(1)) + asm.put(0)
    other = asm.set_item(asm.get(1), asm.text("__setstate__"), fine) + b"0"
    data = asm.program(4, attributes + made_of + built + other + asm.get(0))
    assert judged.found(data, RULE).verdict is Verdict.DANGEROUS


def test_a_name_that_is_computed_is_a_name() -> None:
    name = asm.call(asm.at("operator.concat"), asm.text("__set"), asm.text("state__"))
    attributes = asm.set_item(asm.EMPTY_DICT, name, function("os", "system"))
    cls = asm.call(asm.at("dill._dill._create_type"), TYPE, asm.text("A"), asm.tuple_of(OBJECT), attributes)
    assert judged.found(made(cls), RULE).verdict is Verdict.DANGEROUS


def test_classes_that_inherit_from_each_other_end() -> None:
    loop = asm.put(0) + b"0" + asm.newobj(by_dill(asm.tuple_of(asm.get(0))))
    assert judged.verdict(asm.program(4, by_dill() + loop)) <= Verdict.SUSPICIOUS


def test_dills_own_way_to_name_a_class_is_no_tampering() -> None:
    name = asm.call(asm.at("builtins.setattr"), asm.get(0), asm.text("__qualname__"), asm.text("A"))
    data = asm.program(4, by_dill(predict=function("np", "exp")) + asm.put(0) + name + b"0" + asm.get(0))
    assert judged.verdict(data) is Verdict.UNVERIFIED


@pytest.mark.parametrize(("module", "verdict"), [("math", Verdict.CLEAN), ("os", Verdict.SUSPICIOUS)])
def test_modules_that_a_function_uses(module: str, verdict: Verdict) -> None:
    data = asm.program(4, asm.call(asm.at("cloudpickle.cloudpickle.subimport"), asm.text(module)))
    assert judged.verdict(data) is verdict
