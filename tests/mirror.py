"""The machine in the oracle's words: the same events and forms, made from a trace.

`run(data, loader)` lets the machine run in the oracle's world, in which names choose what objects can do, and
writes its trace down as `oracle.Result`. So the two can be compared as they stand.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import oracle
from oracle import Node
from pvm import machine
from pvm.dialects import dialect
from pvm.trace import Append, Build, Import, PersistentLoad, SetAttribute, SetItem, Trace
from pvm.trace import Event as TraceEvent
from pvm.values import Blob, Buffer, Call, Container, Global, Value
from pvm.values import Node as ValueNode
from pvm.world import World

if TYPE_CHECKING:
    from oracle import Description, Event

THIS_PYTHON = (sys.version_info[0], sys.version_info[1])
UNORDERED = "unordered"
LETTERS = {"extend": "e", "append": "p", "add": "a", "__setstate__": "s", "__setitem__": "m", "__dict__": "d"}


class Recorders:
    """The oracle's recorders, as shapes. Look-ups are written down between the events."""

    def __init__(self) -> None:
        self.world: World | None = None
        self.lookups: list[tuple[int, ValueNode, str]] = []

    def _letters(self, value: ValueNode) -> tuple[str, str]:
        if isinstance(value, Global) and value.name.startswith(("k:C", "k:F")):
            return value.name[2], value.name[3:].partition("_")[0]
        if isinstance(value, Call):
            callee = value.callee
            assert isinstance(callee, ValueNode)
            return "F", self._letters(callee)[1]
        return "F", ""

    def _look_up(self, value: ValueNode, attribute: str) -> None:
        assert self.world is not None
        self.lookups.append((len(self.world.events), value, attribute))

    def has(self, value: ValueNode, attribute: str) -> bool | None:
        if attribute != "__setitem__":
            self._look_up(value, attribute)
        if attribute == "__new__":
            return True
        return LETTERS[attribute] in self._letters(value)[1]

    def is_a(self, value: ValueNode, kind: str) -> bool | None:
        match kind:
            case "type":
                return self._letters(value)[0] == "C"
            case "callable" | "true":
                return True
            case _:
                return False

    def instantiates(self, value: ValueNode) -> bool | None:
        shape, letters = self._letters(value)
        if shape != "C":
            return False
        self._look_up(value, "__getinitargs__")
        if "g" in letters:
            return False
        self._look_up(value, "__new__")
        return True

    def extension(self, code: int) -> tuple[str, str] | None:
        return oracle.EXTENSIONS.get(code)

    def new_on_instance(self, value: ValueNode) -> bool | None:
        return "n" in self._letters(value)[1]


class Writer:
    """Numbers the recorders of a trace and prints forms."""

    def __init__(self) -> None:
        self.numbers: dict[ValueNode, int] = {}

    def number(self, value: object) -> int:
        assert isinstance(value, ValueNode)
        return self.numbers.setdefault(value, len(self.numbers) + 1)

    def form(self, value: Value, offset: int | None) -> str:
        return oracle.render(value, lambda item: self._describe(item, offset))

    def arguments(self, values: Sequence[Value], offset: int | None, opening: str = "t[") -> str:
        """Form of a sequence that is made for the occasion."""
        fresh = Node(object(), opening, list(values), "]")
        return oracle.render(fresh, lambda item: item if item is fresh else self._describe(item, offset))

    def _describe(self, value: object, offset: int | None) -> Description:
        match value:
            case int() if not isinstance(value, bool):
                return oracle.number_text(value)
            case tuple():
                return Node(id(value), "t[", value, "]")
            case Container():
                return self._container(value, offset)
            case Buffer():
                return Node(id(value), "m[", [value.base], "]")
            case Blob():
                return f"blob {value.start}-{value.stop}"
            case ValueNode():
                return f"@{self.numbers[value]}"
            case _:
                return repr(value)

    def _container(self, value: Container, offset: int | None) -> Description:
        items = value.at(offset)
        match value.kind:
            case "list":
                return Node(id(value), "l[", items, "]")
            case "dict":
                pairs = [part for pair in value.pairs(offset) for part in pair]
                return Node(id(value), "d[", pairs, "]", paired=True)
            case "bytearray":
                parts = [bytes([p]) if isinstance(p, int) else p for p in items]
                content = bytearray(b"".join(p for p in parts if isinstance(p, bytes)))
                return Node(id(value), repr(content), (), "")
            case kind:
                members = value.members(offset)
                identity = id(value) if members or kind == "set" else None
                return Node(identity, "s{" if kind == "set" else "f{", members, "}", unordered=True)


def events(trace: Trace, recorders: Recorders) -> tuple[list[Event], Writer]:
    """All events and look-ups in the oracle's notation."""
    writer = Writer()
    written: list[Event] = []
    lookups = iter([*recorders.lookups, (len(trace.events) + 1, None, "")])
    when, asked, attribute = next(lookups)
    for position, event in enumerate(trace.events):
        while when <= position:
            written.append(["lookup", writer.number(asked), attribute])
            when, asked, attribute = next(lookups)
        written.extend(_event(event, writer))
    while asked is not None:
        written.append(["lookup", writer.number(asked), attribute])
        when, asked, attribute = next(lookups)
    return written, writer


def _event(event: TraceEvent, writer: Writer) -> list[Event]:
    at = event.offset
    match event:
        case Import(module=module, name=name, protocol=protocol, value=value):
            writer.number(value)
            return [["find", module, name, "<3" if protocol < 3 else "3" if protocol == 3 else ">=4"]]
        case PersistentLoad(pid=pid, value=value):
            text = writer.form(pid, at)
            writer.number(value)
            return [["persid", text]]
        case Call():
            kind = {"call": "call", "new": "new", "new-on-instance": "new-on-inst"}[event.mode]
            args = writer.arguments(event.args, at)
            kwargs = "" if event.kwargs is None else _fresh_dict(event.kwargs, writer, at)
            line: Event = [kind, writer.number(event.callee), args, kwargs]
            if event.splat is not None:
                line.insert(0, UNORDERED)
            writer.number(event)
            return [line]
        case SetItem(target=target, key=key, value=value):
            return [["setitem", writer.number(target), writer.form(key, at), writer.form(value, at)]]
        case SetAttribute(target=target, name=name, value=value, how=how):
            kind = "dictset" if how == "dict" else "setattr"
            return [[kind, writer.number(target), writer.form(name, at), writer.form(value, at)]]
        case Build(target=target, state=state):
            return [["setstate", writer.number(target), writer.form(state, at)]]
        case Append(target=target, items=items, how="extend"):
            return [["extend", writer.number(target), writer.arguments(items, at, "l[")]]
        case Append(target=target, items=items, how=how):
            return [[how, writer.number(target), writer.form(item, at)] for item in items]
    raise AssertionError(event)


def _fresh_dict(kwargs: Value, writer: Writer, at: int) -> str:
    assert isinstance(kwargs, Container)
    described = writer._container(kwargs, at)
    assert isinstance(described, Node)
    fresh = described._replace(identity=object())
    return oracle.render(fresh, lambda item: item if item is fresh else writer._describe(item, at))


def run(data: bytes, loader: str, version: tuple[int, int] = THIS_PYTHON) -> oracle.Result:
    """What the machine says about the program, as the oracle would write it."""
    recorders = Recorders()
    world = recorders.world = World(recorders)
    trace = machine.run(data, dialect(loader, version), world)
    written, writer = events(trace, recorders)
    if trace.stop is None:
        fault = trace.fault
        return oracle.Result(fault.reason if fault else "?", None, written, None)
    stop = trace.stop if loader == "c" else trace.resume
    return oracle.Result("ok", writer.form(trace.result, None), written, stop)


def difference(
    data: bytes,
    loader: str,
    real: oracle.Result | None = None,
    version: tuple[int, int] = THIS_PYTHON,
) -> str | None:
    """What the machine and the real unpickler say differently about a program; None if nothing.

    `real` is what the unpickler of `version` was seen to do; without it the one of this Python is asked.
    """
    if real is None:
        real = oracle.run(data, loader)
    ours = run(data, loader, version)
    if real.outcome == oracle.RESOURCE:
        return None
    same_end = (real.outcome == "ok", real.value, real.stop) == (ours.outcome == "ok", ours.value, ours.stop)
    if same_end and len(real.events) == len(ours.events) and all(map(_same, real.events, ours.events)):
        return None
    return f"{loader}: {data.hex()}\n  real {real}\n  ours {ours}"


def _same(real: Event, ours: Event) -> bool:
    """Equal events; the order in which a set yields arguments is not defined."""
    if ours[0] == UNORDERED:
        return [real[1], _bag(real[2]), real[3]] == [ours[2], _bag(ours[3]), ours[4]] and real[0] == ours[1]
    return real == ours


def _bag(form: str | int) -> list[str]:
    return sorted(character for character in str(form) if character not in "#=0123456789")
