"""Classes that the pickle brings along, with methods of its own bytecode that run while it loads."""

from __future__ import annotations

from collections.abc import Iterator

from pvm.paths import path_of
from pvm.trace import Append, Build, Event, SetAttribute, SetItem
from pvm.values import Call, Container, Value, reveal
from pvmscan.analyzers.base import Context, finding
from pvmscan.analyzers.code_object import words_of
from pvmscan.knowledge.code_names import dangerous, writes_files
from pvmscan.report import Confidence, Finding, Severity, Step, Verdict

ID = "carried-class"

_MAKERS = {
    "cloudpickle.cloudpickle._make_skeleton_class": (2, 3),
    "cloudpickle.cloudpickle_fast._make_skeleton_class": (2, 3),
    "cloudpickle.cloudpickle._make_skeleton_enum": (0, 3),
    "dill._dill._create_type": (2, 3),
    "builtins.type": (1, 2),
}
"""Callees that make classes: where their bases and attributes are among the arguments."""
_FILLERS = {
    "cloudpickle.cloudpickle._class_setstate",
    "cloudpickle.cloudpickle_fast._class_setstate",
    "cloudpickle.cloudpickle._rehydrate_skeleton_class",
}
"""Callees that give a class its attributes."""
_MADE, _CALLED = ("__new__", "__del__"), ("__new__", "__init__", "__del__")
_SOUGHT = ("__getattribute__", "__getattr__")
"""What runs where an opcode looks for a method."""
_META = ("__prepare__", "__new__", "__init__", "mro")
MAX_BASES = 64
"""Classes that a class inherits from, and is searched for a method in, at most."""


class _Class:
    """A class of the pickle's own: what has ever been in it, and what it inherits from."""

    def __init__(self, bases: Value, attributes: Value) -> None:
        self.bases = bases
        self.attributes: dict[str, list[Value]] = {}
        self.fill(attributes)

    def fill(self, attributes: Value) -> None:
        """Enter the attributes of a dict, or of the first part of a state: all that the dict has had, at any time."""
        given = reveal(attributes)
        if isinstance(given, tuple) and given:
            given = reveal(given[0])
        if isinstance(given, Container) and given.kind == "dict":
            for key, value in zip(given.items[0::2], given.items[1::2], strict=False):
                self.enter(key, value)

    def enter(self, name: Value, value: Value) -> None:
        """Enter one attribute. What another takes the place of may have run before."""
        key = reveal(name)
        if isinstance(key, str):
            self.attributes.setdefault(key, []).append(value)


def builds_class(path: str) -> bool:
    """Does a callee of this path make classes, or fill them?"""
    return path in _MAKERS or path in _FILLERS


def analyze(context: Context) -> Iterator[Finding]:
    """One finding for each method that runs."""
    classes = _classes(context)
    seen: set[int] = set()
    for event in context.trace.events if classes else ():
        for made, name in _runs(event, classes):
            for method in _methods(made, name, classes):
                if id(method) not in seen:
                    seen.add(id(method))
                    yield from _judge(context, event, name, method)


def _classes(context: Context) -> dict[int, _Class]:
    """The pickle's classes by the identity of the calls that make them."""
    found: dict[int, _Class] = {}
    for judged in context.calls:
        call, path = judged.call, judged.path or ""
        if path in _MAKERS and len(call.args) > max(_MAKERS[path]):
            bases, attributes = _MAKERS[path]
            found[id(call)] = _Class(call.args[bases], call.args[attributes])
    for event in context.trace.events if found else ():
        match event:
            case SetAttribute() if id(reveal(event.target)) in found:
                found[id(reveal(event.target))].enter(event.name, event.value)
            case Call(args=(target, given, *more)) if id(reveal(target)) in found:
                path = path_of(event.callee) or ""
                if path in _FILLERS:
                    found[id(reveal(target))].fill(given)
                elif path == "builtins.setattr" and more:
                    found[id(reveal(target))].enter(given, more[0])
            case _:
                pass
    return found


def _runs(event: Event, classes: dict[int, _Class]) -> Iterator[tuple[_Class, str]]:
    """The methods of these classes that an event runs, if there are such."""
    made: _Class | None = None
    names: tuple[str, ...] = ()
    match event:
        case Call():
            made, names = classes.get(id(reveal(event.callee))), _MADE if event.mode == "new" else _CALLED
            if id(event) in classes:  # it makes a class, with its metaclass and the bases having their say
                yield from ((one, name) for one in _among(event.args[0], classes) for name in _META)
                bases = classes[id(event)].bases
                yield from ((one, "__init_subclass__") for one in _among(bases, classes))
        case Build(target=target):
            made, names = _class_of(target, classes), ("__setstate__", "__setattr__", *_SOUGHT)
        case SetItem(target=target):
            made, names = _class_of(target, classes), ("__setitem__",)
        case Append(target=target):
            made, names = _class_of(target, classes), ("append", "extend", "add", *_SOUGHT)
        case _:
            return
    if made is not None:
        yield from ((made, name) for name in names)


def _class_of(target: Value, classes: dict[int, _Class]) -> _Class | None:
    instance = reveal(target)
    return classes.get(id(reveal(instance.callee))) if isinstance(instance, Call) else None


def _among(value: Value, classes: dict[int, _Class]) -> list[_Class]:
    """Those of the classes that the value is, or that are in the tuple."""
    given = reveal(value)
    parts = given if isinstance(given, tuple) else (given,)
    return [classes[id(reveal(part))] for part in parts if id(reveal(part)) in classes]


def _methods(made: _Class, name: str, classes: dict[int, _Class]) -> list[Value]:
    """What a class of the pickle has had under a name, itself or from others of them, which may have had it first."""
    found: list[Value] = []
    pending = [made]
    for _ in range(MAX_BASES):
        if not pending:
            break
        one = pending.pop(0)
        found.extend(one.attributes.get(name, ()))
        pending.extend(_among(one.bases, classes))
    return found


def _judge(context: Context, event: Event, name: str, method: Value) -> Iterator[Finding]:
    """What a method does: by the names in its code, or by the sink that stands in its place."""
    function, sink = reveal(method), context.sink_of(method)
    words = words_of(context, function) if isinstance(function, Call) else []
    bad = [sink[0]] if sink is not None else dangerous(words)
    writes = writes_files(words)
    if not bad and not isinstance(function, Call):
        return  # a function of a package
    verdict = Verdict.DANGEROUS if bad else Verdict.SUSPICIOUS if writes else Verdict.UNVERIFIED
    grades = {Verdict.DANGEROUS: Severity.CRITICAL, Verdict.SUSPICIOUS: Severity.HIGH}
    says = f"; it names {', '.join(bad[:6])}" if bad else ", and writes files" if writes else ""
    made = context.chain(function) if isinstance(function, Call) else ()
    yield finding(
        context,
        f"{ID}/method",
        f"Loading runs the method {name} of a class that the pickle brings along{says}.",
        effect="code-execution",
        verdict=verdict,
        severity=grades.get(verdict, Severity.LOW),
        confidence=Confidence.LIKELY,
        offset=event.offset,
        steps=(*made, Step("call", f"{name} of a class of the pickle", event.offset)),
        payload=", ".join(words[:20]) or None,
        subject=name,
    )
