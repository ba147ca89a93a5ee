"""What happened: the events of one run in order, and where and why it ended."""

from __future__ import annotations

from pvm.dialects import Dialect
from pvm.hints import Any, TypeAlias
from pvm.records import NamedTuple, dataclass, field, replace
from pvm.values import Call, Value


@dataclass(slots=True, eq=False)
class Import:
    """A global was looked up. `module` and `name` are as written, `value` is what was found."""

    offset: int
    via: str
    module: str
    name: str
    protocol: int
    value: Value
    computed: bool = False
    """The name was not a literal of the pickle."""


@dataclass(slots=True, eq=False)
class Build:
    """BUILD wrote a state to an object."""

    offset: int
    target: Value
    state: Value
    how: str
    """`setstate` (the object's method gets it), `attributes` (written to `__dict__` or set one by one) or
    `either` where that depends on the class."""
    via: str = "BUILD"


@dataclass(slots=True, eq=False)
class SetAttribute:
    """An attribute was written: into the `__dict__`, or with setattr for slot states."""

    offset: int
    target: Value
    name: Value
    value: Value
    how: str
    """`dict` or `setattr`."""
    via: str = "BUILD"


@dataclass(slots=True, eq=False)
class SetItem:
    """`target[key] = value` on an object that is no container of the pickle's own."""

    offset: int
    target: Value
    key: Value
    value: Value
    via: str = "SETITEM"


@dataclass(slots=True, eq=False)
class Append:
    """A method of the receiver got items: `extend`, `append`, `add`, or either of the first two."""

    offset: int
    target: Value
    items: tuple[Value, ...]
    how: str
    via: str


@dataclass(slots=True, eq=False)
class PersistentLoad:
    """`persistent_load` was called."""

    offset: int
    pid: Value
    value: Value
    via: str = "BINPERSID"


@dataclass(slots=True, eq=False)
class ExtensionLoad:
    """An extension code was looked up."""

    offset: int
    code: int
    value: Value
    via: str = "EXT1"


@dataclass(slots=True, eq=False)
class BufferLoad:
    """An out-of-band buffer was taken."""

    offset: int
    value: Value
    via: str = "NEXT_BUFFER"


Event: TypeAlias = (
    Import | Call | Build | SetAttribute | SetItem | Append | PersistentLoad | ExtensionLoad | BufferLoad
)


class Fault(NamedTuple):
    """Where and why the run could not go on. Everything before it did happen."""

    offset: int
    reason: str
    kind: str = "malformed"
    """`malformed`, `truncated` or `limit`."""


class Quirk(NamedTuple):
    """Something that no pickler writes, or that loaders disagree about."""

    offset: int
    id: str
    detail: str


@dataclass(slots=True, eq=False)
class Trace:
    """One run of the machine over one pickle."""

    dialect: Dialect
    start: int
    events: list[Event] = field(default_factory=list)
    stop: int | None = None
    """Position right after the STOP that ended it, or None."""
    resume: int | None = None
    """Where a loader that reads a further pickle from the same stream goes on."""
    fault: Fault | None = None
    result: Value = None
    """The value that the load returns."""
    quirks: list[Quirk] = field(default_factory=list)
    opcodes: int = 0
    """How many instructions were executed."""
    protocol: int = 0
    """The highest protocol that was declared."""

    @property
    def complete(self) -> bool:
        """The run reached STOP."""
        return self.stop is not None

    @property
    def story(self) -> tuple[object, ...] | None:
        """Equal for runs of one program by several loaders in which the same happened; None where that cannot be told
        so easily: with a quirk, an instruction may mean something else to each.
        """
        if self.quirks:
            return None
        return self.start, self.opcodes, len(self.events), self.stop, self.resume

    def outline(self) -> Trace:
        """How the run went, without what happened in it: no events, no result."""
        return replace(self, events=[], result=None)

    def to_dict(self) -> dict[str, Any]:
        """The trace as plain data for JSON; its shape is documented in `pvm.plain`."""
        from pvm.plain import trace_to_dict

        return trace_to_dict(self)
