"""Programs built opcode by opcode beside a small model of what they mean: machine and scan agree with it.

The model is Python's own lists, dicts and tuples, so that aliases and later changes come for free. Law: at every point
the program, ended there, has the model's imports, calls and result; and once a sink is called it stays dangerous,
whatever follows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import assemble as asm
import oracle
import pvm
from pvm.paths import path_of
from pvm.trace import Import
from pvm.values import Call, Container, Global, Value
from pvmscan import Verdict, scan_bytes

HARMLESS = (("collections", "OrderedDict"), ("datetime", "date"), ("example.models", "Net"))
SINKS = (("os", "system"), ("subprocess", "Popen"), ("builtins", "exec"))
MARK = object()


@dataclass(eq=False)
class Named:
    """A global of the model."""

    path: str


@dataclass(eq=False)
class Made:
    """The result of a call of the model."""

    callee: Named
    arguments: tuple[Any, ...]
    told: str
    """The arguments as they were at the time."""


def told(value: object, offset: int | None = None) -> str:
    """The form of a model's value, or of a machine's as it was at an offset."""
    return oracle.render(value, lambda one: _describe(one, offset))


def _describe(value: object, offset: int | None) -> str | oracle.Node:
    match value:
        case Named(path=path):
            return f"@{path}"
        case Made(callee=callee):
            return f"@{callee.path}()"
        case Global():
            return f"@{path_of(value)}"
        case Call():
            return f"@{path_of(value.callee)}()"
        case tuple():
            return oracle.Node(id(value) if value else None, "t[", value, "]")
        case list():
            return oracle.Node(id(value), "l[", value, "]")
        case dict():
            return _dict(value, list(value.items()))
        case Container(kind="list"):
            return oracle.Node(id(value), "l[", value.at(offset), "]")
        case Container(kind="dict"):
            return _dict(value, value.pairs(offset))
    return repr(value)


def _dict(value: object, pairs: Iterable[tuple[Any, Any]]) -> oracle.Node:
    return oracle.Node(id(value), "d[", [part for pair in pairs for part in pair], "]", paired=True)


class Programs(RuleBasedStateMachine):
    """The program so far, and its model."""

    def __init__(self) -> None:
        super().__init__()
        self.code = b"\x80\x04"
        self.stack: list[Any] = [None]
        self.memo: dict[int, Any] = {}
        self.imports: list[str] = []
        self.calls: list[Made] = []
        self.push(b"N", None)

    # What the rules are made of

    def push(self, code: bytes, value: Any) -> None:
        self.code += code
        self.stack.append(value)

    def above(self) -> list[Any] | None:
        """What lies above the last mark, if there is one."""
        places = [at for at, value in enumerate(self.stack) if value is MARK]
        return self.stack[places[-1] + 1 :] if places else None

    def values(self, count: int) -> bool:
        """Are so many values on top, with something below them?"""
        return len(self.stack) > count and MARK not in self.stack[-count:]

    def under_the_mark(self, kind: type) -> bool:
        above = self.above()
        return above is not None and type(self.stack[-len(above) - 2]) is kind

    def gather(self, code: bytes) -> list[Any]:
        above = self.above()
        assert above is not None
        self.code += code
        del self.stack[-len(above) - 1 :]
        return above

    # Rules

    @rule(
        value=st.one_of(
            st.none(), st.booleans(), st.integers(-300, 70000), st.sampled_from(["a", "run", "\u20ac"])
        )
    )
    def constant(self, value: Any) -> None:
        self.push(asm.value(value), value)

    @rule(made=st.sampled_from([(b"]", list), (b"}", dict), (b")", tuple)]))
    def empty(self, made: tuple[bytes, Callable[[], Any]]) -> None:
        self.push(made[0], made[1]())

    @rule()
    def mark(self) -> None:
        self.push(b"(", MARK)

    @precondition(lambda self: self.values(1))
    @rule()
    def duplicate(self) -> None:
        self.push(b"2", self.stack[-1])

    @precondition(lambda self: len(self.stack) > 2)
    @rule()
    def pop(self) -> None:
        self.code += b"0"
        self.stack.pop()

    @precondition(lambda self: self.above() is not None)
    @rule()
    def pop_mark(self) -> None:
        self.gather(b"1")

    @precondition(lambda self: self.above() is not None)
    @rule()
    def marked_tuple(self) -> None:
        self.stack.append(tuple(self.gather(b"t")))

    @precondition(lambda self: self.above() is not None)
    @rule()
    def marked_list(self) -> None:
        self.stack.append(self.gather(b"l"))

    @rule(count=st.integers(1, 3))
    def small_tuple(self, count: int) -> None:
        if self.values(count):
            self.code += bytes([0x84 + count])
            self.stack[-count:] = [tuple(self.stack[-count:])]

    @precondition(lambda self: self.values(1))
    @rule(index=st.integers(0, 5))
    def put(self, index: int) -> None:
        self.code += asm.put(index)
        self.memo[index] = self.stack[-1]

    @precondition(lambda self: self.values(1))
    @rule()
    def memoize(self) -> None:
        self.code += b"\x94"
        self.memo[len(self.memo)] = self.stack[-1]

    @precondition(lambda self: self.memo)
    @rule(chance=st.integers(0, 100))
    def get(self, chance: int) -> None:
        index = sorted(self.memo)[chance % len(self.memo)]
        self.push(asm.get(index), self.memo[index])

    @precondition(lambda self: self.values(2) and type(self.stack[-2]) is list)
    @rule()
    def append(self) -> None:
        self.code += b"a"
        item = self.stack.pop()
        self.stack[-1].append(item)

    @precondition(lambda self: self.under_the_mark(list))
    @rule()
    def appends(self) -> None:
        items = self.gather(b"e")
        self.stack[-1].extend(items)

    @precondition(
        lambda self: self.values(3) and type(self.stack[-3]) is dict and isinstance(self.stack[-2], str)
    )
    @rule()
    def set_item(self) -> None:
        self.code += b"s"
        *_, key, value = self.stack
        del self.stack[-2:]
        self.stack[-1][key] = value

    @rule(name=st.sampled_from([*HARMLESS, *HARMLESS, *SINKS]), line=st.booleans())
    def imported(self, name: tuple[str, str], line: bool) -> None:
        path = ".".join(name)
        self.imports.append(path)
        self.push(asm.glob(*name) if line else asm.stack_global(*name), Named(path))

    @precondition(
        lambda self: self.values(2) and isinstance(self.stack[-2], Named) and type(self.stack[-1]) is tuple
    )
    @rule()
    def reduce(self) -> None:
        self.code += b"R"
        arguments = self.stack.pop()
        self.called(self.stack.pop(), arguments)

    @precondition(lambda self: (self.above() or [None])[0].__class__ is Named)
    @rule()
    def obj(self) -> None:
        callee, *arguments = self.gather(b"o")
        self.called(callee, tuple(arguments))

    @precondition(lambda self: self.values(1))
    @rule(name=st.sampled_from([*HARMLESS, *SINKS]))
    def call_with_the_top(self, name: tuple[str, str]) -> None:
        self.put(7)
        self.imported(name, True)
        self.get(len(self.memo) - 1)
        self.small_tuple(1)
        self.reduce()

    def called(self, callee: Named, arguments: tuple[Any, ...]) -> None:
        made = Made(callee, arguments, told([*arguments]))
        self.calls.append(made)
        self.stack.append(made)

    # Laws

    @property
    def ended(self) -> bytes:
        return self.code + (b"." if self.stack[-1] is not MARK else b"N.")

    @invariant()
    def the_machine_says_what_the_model_says(self) -> None:
        for dialect in ("c", "python"):
            trace = pvm.run(self.ended, dialect)
            assert trace.complete
            assert [
                f"{one.module}.{one.name}" for one in trace.events if isinstance(one, Import)
            ] == self.imports
            calls = [one for one in trace.events if isinstance(one, Call)]
            assert [path_of(one.callee) for one in calls] == [one.callee.path for one in self.calls]
            assert [told([*one.args], one.offset) for one in calls] == [one.told for one in self.calls]
            result: Value | None = trace.result
            assert told(result) == told(self.stack[-1] if self.stack[-1] is not MARK else None)

    @invariant()
    def a_sink_that_was_called_stays_dangerous(self) -> None:
        if self.calls and self.calls[-1].callee.path in {".".join(name) for name in SINKS}:
            assert scan_bytes(self.ended).verdict is Verdict.DANGEROUS

    def teardown(self) -> None:
        called = {one.callee.path for one in self.calls}
        if called & {".".join(name) for name in SINKS}:
            for data in (self.ended, self.code, self.code + b"\xff\xff", self.code[:-1]):
                assert len(data) < 8 or scan_bytes(data).verdict >= Verdict.SUSPICIOUS
            assert scan_bytes(self.code + b"\xff").verdict is Verdict.DANGEROUS


TestPrograms = Programs.TestCase
TestPrograms.settings = settings(max_examples=60, stateful_step_count=40)
