"""A trace as readable Python source that says what the pickle does. The source is for reading, not for running.

It always parses. Calls, writes and additions stand in the order in which they happen, except that an import may
stand before calls that become part of a later expression. Names of the source's own: `v1`, `v2`...,
`persistent_load(id)`, `extension(code)`, `next_buffer()` for what the loader supplies, `pickle_data` for the
input, `unknown(...)` for what cannot be known, `result`. `...` stands for constants that were left out.
"""

from __future__ import annotations

import heapq

from pvm import render, source
from pvm.expressions import Full, Writer, pairs
from pvm.trace import (
    Append,
    BufferLoad,
    Event,
    ExtensionLoad,
    Import,
    PersistentLoad,
    SetAttribute,
    SetItem,
    Trace,
)
from pvm.values import Call, Container, Global, Unknown, Value, reveal


def decompile(trace: Trace, *, lines: int = 20_000, characters: int = 5_000_000) -> str:
    """Python source for a trace; a comment at its end tells if the budget was too small for all of it."""
    decompiler = _Decompiler(trace, lines, characters)
    decompiler.run()
    return "\n".join(decompiler.lines) + "\n"


class _Decompiler(Writer):
    """The events of one trace, in order."""

    def run(self) -> None:
        """Write everything."""
        trace, done = self.trace, 0
        try:
            for event in trace.events:
                self.advance(event.offset)
                self.at = event.offset
                self.event(event)
                done += 1
            self.advance(None)
            self.at = None
            if trace.complete:
                self.statement([trace.result], lambda text: f"result = {text}")
            self.flush()
        except Full:
            left = len(trace.events) - done
            self.lines.append(f"# truncated here: the source is too long; {left} more events")
        if trace.fault is not None:
            fault = trace.fault
            self.lines.append(f"# stops here: {source.comment(fault.reason)} (offset {fault.offset})")

    # Events ----------------------------------------------------------------------------------------------

    def event(self, event: Event) -> None:
        """Write what happened."""
        match event:
            case Call():
                self.call(event)
            case Import():
                self.imported(event)
            case PersistentLoad() | ExtensionLoad() | BufferLoad():
                self.made(event.value)
            case SetItem(target=target, key=key, value=value):
                self.statement([value, target, key], lambda v, t, k: f"{t}[{k}] = {v}")
                self.source.current.clear()
            case Append(target=target, items=items, how=how):
                self.append(target, items, how)
            case SetAttribute(target=target, name=name, value=value):
                self.set_attribute(target, name, value, event.how)
                self.source.current.clear()
            case _:
                method = "__dict__.update" if event.how == "attributes" else "__setstate__"
                if event.how == "either":
                    self.notes.append("or __dict__.update, where the class has no __setstate__")
                self.statement([event.target, event.state], lambda t, s: f"{t}.{method}({s})")
                self.source.current.clear()

    def call(self, call: Call) -> None:
        """A call that the pickle makes, or one that follows from another."""
        if id(call) in self.uses.derived:
            self.notes.append(f"called by {source.comment(call.via, 60)}")
            if id(call) not in self.uses.counts:
                self.finish(f"# {source.comment(render.call_text(call))}")
                return
        if call.mode == "either":
            self.notes.append("or only __new__, depending on the class")
        if isinstance(reveal(call.callee), Global) and not isinstance(call.callee, Global):
            self.notes.append(source.comment(render.call_text(call, limit=150)))
        self.made(call)

    def made(self, value: Value) -> None:
        """Something new: it waits if it is used once, and gets a variable if it is used more."""
        self.prepare([*self.uses.parts(value)])
        piece = self.evaluate(self.compose(value))
        self.fill_all()
        count = self.uses.counts.get(id(value), 0)
        if not count:
            self.finish(piece.text)
        elif count == 1 and piece.height < source.MAX_HEIGHT:
            self.waiting[id(value)] = (piece, self.notes)
            self.notes = []
        else:
            self.assign(value, piece, last=True)
        owned = self.uses.owners.get(id(value))
        if owned is not None and id(owned) not in self.names:
            self.names[id(owned)] = self.names[id(value)]
            self.watch(owned, (self.at or 0) + 1)

    def imported(self, event: Import) -> None:
        """An import statement, or the computed look-up of a name; other calls import as they say themselves."""
        value = event.value
        if isinstance(value, Unknown | Global) and self.uses.is_event(value):
            if isinstance(value, Global):
                self.notes.append(source.comment(value.path))
            self.made(value)
            return
        if event.computed:
            return
        if isinstance(value, Unknown) and value.sources and isinstance(value.sources[0], Global):
            value = value.sources[0]
            self.names[id(event.value)] = self.source.expression(*value.resolved, again=True)
        elif isinstance(value, Global):
            written = f"{event.module}.{event.name}" if event.name else event.module
            note = f"written as {source.comment(written)}" if written != value.path else ""
            self.source.expression(*value.resolved, note, again=True)
        for line in self.source.take():
            self.put(line)

    def append(self, target: Value, items: tuple[Value, ...], how: str) -> None:
        """Additions to an object that is no container of the pickle's own."""
        if how == "either":
            self.notes.append("or append, one by one")
        values = [target, *items]
        if how in ("extend", "either"):
            self.statement(values, lambda t, *texts: f"{t}.extend([{', '.join(texts)}])")
        elif len(items) == 1:
            self.statement(values, lambda t, text: f"{t}.{how}({text})")
        else:
            self.statement(values, lambda t, *texts: f"for item in [{', '.join(texts)}]: {t}.{how}(item)")

    def set_attribute(self, target: Value, name: Value, value: Value, how: str) -> None:
        """An attribute is written by BUILD."""
        if how == "dict":
            self.statement([value, target, name], lambda v, t, n: f"{t}.__dict__[{n}] = {v}")
        elif isinstance(name, str) and source.is_plain(name):
            self.statement([value, target], lambda v, t: f"{t}.{name} = {v}")
        else:
            self.statement([target, name, value], lambda t, n, v: f"setattr({t}, {n}, {v})")

    # Containers that have a variable ---------------------------------------------------------------------

    def advance(self, until: int | None) -> None:
        """Write the steps of containers before an instruction."""
        while self.steps and (until is None or self.steps[0][0] < until):
            offset, _, value, edit, index = heapq.heappop(self.steps)
            self.at = offset
            self.schedule(value, edit, index + 1)
            name = self.names[id(value)]
            if edit and value.edits:
                _, place, item = value.edits[index]
                self.statement([item], lambda v, name=name, place=place: f"{name}[{place}] = {v}")
            else:
                assert value.when is not None and value.before is not None
                stop = value.before[index + 1] if index + 1 < len(value.before) else len(value.items)
                self.fill(value, value.items[value.before[index] : stop])

    def fill(self, value: Container, items: list[Value]) -> None:
        """Add items to a container that has a variable."""
        name = self.names[id(value)]
        items = items if value.kind == "bytearray" else self.shortened(items, value.kind)
        if not items:
            return
        single = len(items) == 1
        if value.kind == "dict":
            pair = len(items) == 2
            self.statement(
                items,
                lambda *t: f"{name}[{t[0]}] = {t[1]}" if pair else f"{name}.update({{{pairs(t)}}})",
            )
        elif value.kind == "set":
            self.statement(
                items, lambda *t: f"{name}.add({t[0]})" if single else f"{name}.update([{', '.join(t)}])"
            )
        else:
            self.statement(
                items, lambda *t: f"{name}.append({t[0]})" if single else f"{name}.extend([{', '.join(t)}])"
            )
