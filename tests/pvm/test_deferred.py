"""Objects that call later, and what Python's own functions do to namespaces: each way, and each way to get it wrong."""

from __future__ import annotations

import pytest

import assemble as asm
import pvm
from pvm.paths import path_of
from pvm.values import Call, Container, Unset, Value, children, reveal

OS = asm.call(asm.at("importlib.import_module"), asm.text("os"))


def load(value: bytes) -> Value:
    trace = pvm.run(asm.program(4, value))
    assert trace.complete, trace.fault
    return reveal(trace.result)


def called(value: bytes) -> list[tuple[str | None, tuple[Value, ...]]]:
    """Callees and arguments, in order."""
    trace = pvm.run(asm.program(4, value))
    return [(path_of(one.callee), one.args) for one in trace.events if isinstance(one, Call)]


def later(maker: str, *made: bytes, then: tuple[bytes, ...] = ()) -> bytes:
    return asm.call(asm.call(asm.at(maker), *made), *then)


SINK = asm.at("os.system")
WORD = asm.text("echo inert")


@pytest.mark.parametrize(
    "program",
    [
        later("functools.partial", SINK, then=(WORD,)),
        later("functools.partial", SINK, WORD),
        later("types.MethodType", SINK, WORD),
        later("operator.methodcaller", asm.text("system"), WORD, then=(OS,)),
        later("operator.attrgetter", asm.text("system"), then=(OS,)) + asm.tuple_of(WORD) + b"R",
        asm.call(later("operator.itemgetter", asm.number(1), then=(asm.list_of(WORD, SINK),)), WORD),
        asm.call(asm.at("builtins.list"), asm.call(asm.at("itertools.starmap"), SINK, asm.list_of(asm.tuple_of(WORD)))),
        asm.call(asm.at("builtins.list"), asm.call(asm.at("itertools.starmap"), SINK, asm.list_of(WORD))),
        asm.call(asm.at("builtins.list"), asm.call(asm.at("builtins.filter"), SINK, asm.list_of(WORD))),
        asm.call(asm.call(asm.at("collections.defaultdict"), SINK) + asm.POP + SINK, WORD),
    ],
)  # fmt: skip
def test_the_call_is_made(program: bytes) -> None:
    assert ("os.system", ("echo inert",)) in called(program)


@pytest.mark.parametrize(
    "iterator",
    [
        asm.call(asm.at("builtins.iter"), SINK, asm.NONE),
        asm.call(asm.at("itertools.accumulate"), asm.list_of(WORD, WORD), SINK),
        asm.call(asm.at("itertools.groupby"), asm.list_of(WORD), SINK),
        asm.call(asm.at("builtins.map"), SINK, asm.at("some.iterable")),
    ],
)
def test_an_iterator_calls_with_what_is_known(iterator: bytes) -> None:
    assert "os.system" in [path for path, _ in called(asm.call(asm.at("builtins.list"), iterator))]


@pytest.mark.parametrize(
    "program",
    [
        later("functools.partial"),
        later("types.MethodType", SINK),
        later("operator.methodcaller"),
        later("operator.methodcaller", asm.number(1), then=(OS,)),
        later("operator.attrgetter", asm.text("system")),
        later("operator.attrgetter", asm.number(1), then=(OS,)),
        later("operator.itemgetter", asm.number(0)),
        later("operator.itemgetter", asm.number(9), asm.number(0), then=(asm.list_of(WORD),)),
        asm.call(asm.at("builtins.list"), asm.call(asm.at("builtins.map"))),
        asm.call(asm.at("builtins.list"), asm.call(asm.at("builtins.map"), SINK)),
        asm.call(asm.at("builtins.list"), asm.call(asm.at("builtins.filter"), asm.NONE, asm.list_of(WORD))),
        asm.call(asm.at("builtins.getattr"), OS),
        asm.call(asm.at("builtins.getattr"), OS, asm.number(1)),
        asm.call(asm.at("operator.getitem"), asm.tuple_of(WORD), asm.number(7)),
        asm.call(asm.at("operator.setitem"), OS),
        asm.call(asm.at("builtins.setattr"), OS),
        asm.call(asm.at("copyreg.add_extension"), WORD),
        asm.call(asm.at("builtins.type"), WORD, WORD),
    ],
)
def test_what_a_loader_refuses_is_not_known_and_calls_nothing(program: bytes) -> None:
    assert "os.system" not in [path for path, _ in called(program)]
    trace = pvm.run(asm.program(4, program))
    assert trace.complete
    last = trace.result
    assert not isinstance(last, Call) or isinstance(last.result, Unset | Call | Container | None)


@pytest.mark.parametrize(
    "program, expected",
    [
        (asm.call(asm.at("operator.getitem"), asm.dict_of(a=asm.number(1)), asm.text("a")), 1),
        (asm.call(asm.at("operator.getitem"), asm.tuple_of(WORD, asm.number(2)), asm.number(-1)), 2),
        (
            later("operator.itemgetter", asm.number(0), asm.number(1), then=(asm.tuple_of(WORD, WORD),)),
            ("echo inert", "echo inert"),
        ),
        (asm.call(asm.stack_global("sys", "modules.setdefault"), asm.text("x"), asm.number(3)), 3),
    ],
)  # fmt: skip
def test_what_is_known_of_results(program: bytes, expected: object) -> None:
    assert load(program) == expected


@pytest.mark.parametrize(
    "program, path",
    [
        (asm.call(asm.at("builtins.type"), WORD), "builtins.str"),
        (asm.call(asm.at("builtins.type"), asm.NONE), "types.NoneType"),
        (
            asm.call(asm.stack_global("sys", "modules.update"), asm.dict_of(alias=OS))
            + asm.POP + asm.glob("alias", "system"),
            "os.system",
        ),
        (
            asm.call(asm.at("builtins.setattr"), asm.at("json.loads"), asm.text("x"), SINK)
            + asm.POP + asm.stack_global("json", "loads.x"),
            "os.system",
        ),
        (
            asm.call(asm.at("copyreg.add_extension"), asm.text("os"), asm.text("system"), asm.number(7))
            + asm.POP + asm.ext(7),
            "os.system",
        ),
    ],
)  # fmt: skip
def test_what_is_written_is_found_again(program: bytes, path: str) -> None:
    assert path_of(load(program)) == path


def test_a_missing_item_calls_the_factory() -> None:
    made = asm.call(asm.at("collections.defaultdict"), SINK)
    assert "os.system" in [path for path, _ in called(asm.call(asm.at("operator.getitem"), made, WORD))]


def test_the_parts_of_every_kind_of_value() -> None:
    """One level deep: what a walk over the dataflow follows."""
    program = asm.build(asm.call(asm.at("example.Net"), WORD), asm.dict_of(a=asm.number(1)))
    value = pvm.run(asm.program(4, program)).result
    parts = children(value)
    assert "echo inert" in parts and any(isinstance(part, Container) for part in parts)
    assert children(("a", 1)) == ("a", 1)
    assert list(children(pvm.run(asm.program(4, asm.list_of(WORD))).result)) == ["echo inert"]
    assert children(pvm.run(asm.program(4, asm.persistent(WORD))).result) == ("echo inert",)
    assert children(pvm.run(asm.program(5, b"\x97")).result) == ()
    assert children("text") == ()
