"""A trace as plain data that `json.dumps` takes, for other programs and other languages.

`trace_to_dict` returns `dialect start stop fault events quirks opcodes result truncated`. Every event has
`kind`, `offset` and `via`; what else it has depends on its kind:

| kind | keys |
|---|---|
| `import` | `module`, `name` as written, `resolved` [module, name] or null, `computed` |
| `call` | `callee` (text), `path`, `mode`, `args`, `splat`, `kwargs` (object), `known`, `result` |
| `build` | `target`, `state`, `how` |
| `set-attribute` | `target`, `name`, `value`, `how` |
| `set-item` | `target`, `key`, `value` |
| `append` | `target`, `items`, `how` |
| `persistent-load` | `pid` |
| `extension-load` | `code`, `value` |
| `buffer-load` | `value` |

Values: null, booleans, numbers and strings are themselves. Bytes are `{"bytes": hex}`, a tuple is
`{"tuple": [...]}`, containers are `{"list": [...]}`, `{"dict": [[key, value], ...]}` and so on; everything
else is `{"ref": text}`. What JSON cannot hold is `{"float": "nan"}`, `{"int": hex}`, or `{"str": text}` with
the surrogates escaped. `"length"` tells the whole length of anything cut short. Arguments are as they were
when the call was made; `result` means something where `known` is true.
"""

from __future__ import annotations

import math

from pvm import render
from pvm.hints import TypeAlias, Union
from pvm.paths import path_of
from pvm.trace import (
    Append,
    BufferLoad,
    Build,
    Event,
    ExtensionLoad,
    Import,
    PersistentLoad,
    SetAttribute,
    SetItem,
    Trace,
)
from pvm.values import Call, Container, Global, Unset, Value, reveal

Plain: TypeAlias = Union[bool, int, float, str, "list[Plain]", "dict[str, Plain]", None]

MAX_DEPTH = 8
"""Deeper nesting becomes text."""
MAX_BITS = 1024
"""Longer integers are written in hexadecimal digits."""


class _Budget:
    """What may still be written: per value, and all together."""

    def __init__(self, nodes: int, characters: int, total: int) -> None:
        self.per_value = (nodes, characters)
        self.nodes, self.characters = nodes, characters
        self.total = total
        self.exceeded = False

    def refill(self) -> None:
        """Begin another value."""
        self.total -= self.per_value[1] - self.characters + self.per_value[0] - self.nodes
        self.nodes, self.characters = self.per_value
        if self.total <= 0:
            self.nodes = self.characters = 0

    def room(self, wanted: int) -> int:
        """How many characters of those wanted there are, and take them."""
        given = min(wanted, max(self.characters, 16))
        self.characters -= given
        self.exceeded = self.exceeded or given < wanted
        return given


def escaped(text: str) -> str:
    """Text that every encoder takes: surrogates become escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def value_to_plain(value: Value, *, at: int | None = None, nodes: int = 100, characters: int = 4000) -> Plain:
    """One value as plain data; containers as they were before the instruction at `at`."""
    return _plain(value, at, _Budget(nodes, characters, nodes + characters), 0)


def trace_to_dict(
    trace: Trace, *, nodes: int = 100, characters: int = 4000, total: int = 20_000_000
) -> dict[str, Plain]:
    """A trace as plain data. `nodes` and `characters` bound each value, `total` what all values take."""
    budget = _Budget(nodes, characters, total)
    fault = trace.fault
    events: list[Plain] = [_event(event, budget) for event in trace.events]
    budget.refill()
    return {
        "dialect": str(trace.dialect),
        "start": trace.start,
        "stop": trace.stop,
        "fault": None
        if fault is None
        else {"offset": fault.offset, "reason": escaped(fault.reason), "kind": fault.kind},
        "events": events,
        "quirks": [
            {"offset": quirk.offset, "id": quirk.id, "detail": escaped(quirk.detail)}
            for quirk in trace.quirks
        ],
        "opcodes": trace.opcodes,
        "result": _plain(trace.result, None, budget, 0),
        "truncated": budget.exceeded,
    }


def _event(event: Event, budget: _Budget) -> Plain:
    kind, rest = _call(event, budget) if isinstance(event, Call) else _other(event, budget)
    return {"kind": kind, "offset": event.offset, "via": event.via, **rest}


def _call(event: Call, budget: _Budget) -> tuple[str, dict[str, Plain]]:
    budget.refill()
    callee = render.text(event.callee, at=event.offset)
    path = path_of(event.callee)
    return "call", {
        "callee": callee,
        "path": None if path is None else escaped(path),
        "mode": event.mode,
        "args": _items(event.args, len(event.args), event.offset, budget, 0),
        "splat": None if event.splat is None else _plain(event.splat, event.offset, budget, 0),
        "kwargs": _keywords(event, budget),
        "result": None if isinstance(event.result, Unset) else _plain(event.result, None, budget, 0),
        "known": not isinstance(event.result, Unset),
    }


def _keywords(event: Call, budget: _Budget) -> Plain:
    """Keyword arguments as an object; under the key `**` if they are computed."""
    kwargs = reveal(event.kwargs)
    if kwargs is None:
        return None
    if not (isinstance(kwargs, Container) and kwargs.kind == "dict"):
        return {"**": _plain(kwargs, event.offset, budget, 0)}
    shown = render.window(kwargs, 2 * budget.per_value[0], event.offset)
    named: dict[str, Plain] = {}
    for key, value in zip(shown[0::2], shown[1::2], strict=False):
        name = reveal(key)
        label = escaped(name[:1000]) if isinstance(name, str) else render.text(name)
        named[label] = _plain(value, event.offset, budget, 0)
    budget.exceeded = budget.exceeded or len(shown) < render.visible(kwargs, event.offset)
    return named


def _other(event: Event, budget: _Budget) -> tuple[str, dict[str, Plain]]:
    budget.refill()
    at = event.offset

    def plain(value: Value) -> Plain:
        return _plain(value, at, budget, 0)

    match event:
        case Import():
            found = event.value
            resolved: Plain = (
                [escaped(part) for part in found.resolved] if isinstance(found, Global) else None
            )
            module, name = escaped(event.module), escaped(event.name)
            return "import", {
                "module": module,
                "name": name,
                "resolved": resolved,
                "computed": event.computed,
            }
        case Build():
            return "build", {"target": _text(event.target, at), "state": plain(event.state), "how": event.how}
        case SetAttribute():
            return "set-attribute", {
                "target": _text(event.target, at),
                "name": plain(event.name),
                "value": plain(event.value),
                "how": event.how,
            }
        case SetItem():
            target = _text(event.target, at)
            return "set-item", {"target": target, "key": plain(event.key), "value": plain(event.value)}
        case Append():
            items = _items(event.items, len(event.items), at, budget, 0)
            return "append", {"target": _text(event.target, at), "items": items, "how": event.how}
        case PersistentLoad():
            return "persistent-load", {"pid": plain(event.pid)}
        case ExtensionLoad():
            return "extension-load", {"code": event.code, "value": plain(event.value)}
        case BufferLoad():
            return "buffer-load", {"value": plain(event.value)}
        case Call():
            return _call(event, budget)


def _text(value: Value, at: int) -> str:
    return render.text(value, at=at)


def _plain(value: Value, at: int | None, budget: _Budget, depth: int) -> Plain:
    """A value; `depth` ends the recursion long before the interpreter would."""
    value = reveal(value)
    budget.nodes -= 1
    match value:
        case None | bool():
            return value
        case int():
            return value if value.bit_length() <= MAX_BITS else _long_int(value, budget)
        case float():
            return value if math.isfinite(value) else {"float": repr(value)}
        case str():
            return _string(value, budget)
        case bytes():
            given = budget.room(2 * len(value)) // 2
            return _cut({"bytes": value[:given].hex()}, given, len(value))
    if depth >= MAX_DEPTH or budget.nodes <= 0:
        budget.exceeded = True
        return {"ref": render.text(value, limit=60, at=at)}
    if isinstance(value, tuple):
        return {"tuple": _items(value, len(value), at, budget, depth + 1)}
    if isinstance(value, Container):
        return _container(value, at, budget, depth + 1)
    return {"ref": render.text(value, limit=min(200, budget.room(200)), at=at)}


def _string(value: str, budget: _Budget) -> Plain:
    given = budget.room(len(value))
    cut = value[:given]
    safe = escaped(cut)
    if safe == cut and given == len(value):
        return value
    return _cut({"str": safe}, given, len(value))


def _long_int(value: int, budget: _Budget) -> Plain:
    """The leading hexadecimal digits, and how many there are."""
    digits = (abs(value).bit_length() + 3) // 4
    given = budget.room(digits)
    leading = abs(value) >> 4 * (digits - given)
    return _cut({"int": f"{'-' if value < 0 else ''}0x{leading:x}"}, given, digits)


def _cut(result: dict[str, Plain], given: int, length: int) -> dict[str, Plain]:
    if given < length:
        result["length"] = length
    return result


def _items(
    items: tuple[Value, ...] | list[Value], total: int, at: int | None, budget: _Budget, depth: int
) -> list[Plain]:
    """As many items as there is room for; the last entry tells how many more there are."""
    written: list[Plain] = []
    for item in items:
        if budget.nodes <= 0:
            break
        written.append(_plain(item, at, budget, depth))
    if len(written) < total:
        budget.exceeded = True
        written.append({"more": total - len(written)})
    return written


def _container(value: Container, at: int | None, budget: _Budget, depth: int) -> Plain:
    total = render.visible(value, at)
    shown = render.window(value, 2 * budget.nodes + 2, at)
    if value.kind == "dict":
        pairs: list[Plain] = []
        for key, item in zip(shown[0::2], shown[1::2], strict=False):
            if budget.nodes <= 0:
                break
            pairs.append([_plain(key, at, budget, depth), _plain(item, at, budget, depth)])
        if 2 * len(pairs) < total & ~1:
            budget.exceeded = True
            pairs.append({"more": total // 2 - len(pairs)})
        return {"dict": pairs, "offset": value.offset}
    return {value.kind: _items(shown, total, at, budget, depth), "offset": value.offset}
