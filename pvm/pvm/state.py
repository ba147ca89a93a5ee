"""The state of a run: stack, marks, memo and input, with the operations that handlers are made of.

Stack, marks and memo are exact. The objects that names and calls bring in are the world's business
(`pvm.world`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from pvm import decode, pages, straight
from pvm.decode import Data
from pvm.dialects import Dialect
from pvm.errors import Reject
from pvm.hints import TYPE_CHECKING, Any, TypeAlias
from pvm.limits import DEFAULT, Limits
from pvm.trace import Quirk, Trace
from pvm.values import Blob, Buffer, Call, Container, Global, Node, Value, reveal
from pvm.world import OUTSIDE, World

if TYPE_CHECKING:
    from pvm.leaps import Leaps

MAX_QUIRKS = 1000
MAX_SPREAD = 10_000
"""A longer list that is spread into arguments stays one value."""
_MODULUS = sys.hash_info.modulus
_ASCII = frozenset({"ascii", "any"})
"""Encodings in which a string of Python 2 of ASCII bytes is that text."""
Inline: TypeAlias = Callable[["State", Value], None]
"""Called after each BUILD with the object built: a loader may read raw data from the stream there."""


class State:
    """One run over one pickle."""

    def __init__(
        self,
        data: Data,
        dialect: Dialect,
        world: World,
        *,
        start: int = 0,
        limits: Limits = DEFAULT,
        encoding: str = "ascii",
        inline: Inline | None = None,
        leaps: Leaps | None = None,
    ) -> None:
        self.data = data
        self.window: Any = memoryview(data) if straight.COMPILED else data
        """The input, as `pvm.straight` looks at it."""
        self.dialect = dialect
        self.pure = dialect.pure_python
        self.world = world
        self.limits = limits
        self.encoding = encoding
        self.is_ascii = encoding in _ASCII
        self.inline = inline
        self.input = decode.open_input(data, start, dialect)
        self.trace = Trace(dialect, start)
        world.attach(self.trace.events, limits, data)
        self.stack: list[Value] = []
        self.marks: list[int] = []
        self.fence = 0
        """Height of the stack at the newest mark: nothing below can be reached."""
        self.dense: list[Value] = []
        """Memo entries that were filled in the order of their indices, from 0 on."""
        self.memo: dict[int | bytes, Value] = {}
        """Those from the first on that was not."""
        self.leaps = leaps
        self.absent = 0
        """Memo entries that are filled in stretches leapt over, and in neither."""
        self.protocol = 0
        self.offset = start
        """Offset of the instruction that runs."""
        self.kept = start
        """From here on the input is still in memory."""
        self.frame_end = -1
        self.keywords: dict[Container, int] = {}
        """How many items of a dict of keyword arguments have been checked."""
        self.unhashable: dict[int, tuple[tuple[Value, ...], bool]] = {}

    def quirk(self, id: str, detail: str) -> None:
        """Note something that no pickler writes, or that loaders disagree about."""
        if len(self.trace.quirks) < MAX_QUIRKS:
            self.trace.quirks.append(Quirk(self.offset, id, detail))

    def check_limits(self, opcodes: int) -> None:
        """Reject when a limit was passed; let go of what was read."""
        for what, value, limit in (
            ("instructions", opcodes, self.limits.opcodes),
            ("values on the stack", len(self.stack), self.limits.stack),
            ("memo entries", self.filled, self.limits.memo),
        ):
            if value > limit:
                raise Reject(f"more than {limit} {what}", kind="limit")
        if self.offset - self.kept > pages.KEPT:
            self.kept = pages.forget(self.data, self.kept, self.offset)

    def leave_frame(self) -> None:
        """The instruction at hand does not lie in the newest frame any more."""
        if self.offset > self.frame_end:
            self.quirk("frame-crossed", "an argument crosses the end of its frame")
        self.frame_end = -1

    # The stack -------------------------------------------------------------------------------------------

    def pop(self) -> Value:
        """Take the top value; nothing below the newest mark can be reached."""
        if len(self.stack) <= self.fence:
            raise Reject("the stack is empty above the newest mark")
        return self.stack.pop()

    def top(self) -> Value:
        """The top value, left where it is."""
        if len(self.stack) <= self.fence:
            raise Reject("the stack is empty above the newest mark")
        return self.stack[-1]

    def items(self) -> list[Value]:
        """Take everything above the newest mark, and the mark."""
        if not self.marks:
            raise Reject("no mark on the stack")
        height = self.marks.pop()
        self.fence = self.marks[-1] if self.marks else 0
        items = self.stack[height:]
        del self.stack[height:]
        return items

    def need(self, count: int) -> None:
        """Reject unless that many values lie above the newest mark."""
        if len(self.stack) - self.fence < count:
            raise Reject("the stack is too short above the newest mark")

    # Memo and constants ----------------------------------------------------------------------------------

    @property
    def filled(self) -> int:
        """How many memo entries are filled."""
        return len(self.dense) + len(self.memo) + self.absent

    def put(self, index: int) -> None:
        """Remember the top value under an index."""
        value = self.top()
        if index < 0:
            raise Reject("a negative memo index")
        if index < _MODULUS:
            straight.put(index, value, self.dense, self.memo)
        else:
            self.memo[_slot(index)] = value

    def get(self, index: int) -> None:
        """Push a remembered value."""
        if 0 <= index < len(self.dense):
            self.stack.append(self.dense[index])
        elif index >= 0 and (slot := _slot(index)) in self.memo:
            self.stack.append(self.memo[slot])
        elif self.leaps is not None:
            self.stack.append(self.leaps.recall(self, index))
        else:
            raise Reject(f"memo entry {index} was never filled")

    def push_text(self, count: int) -> None:
        """Push a unicode constant of that many bytes."""
        start, stop = self.input.take(count)
        if stop - start > self.limits.constant_bytes:
            self.stack.append(Blob(self.offset, "str", start, stop))
            return
        try:
            self.stack.append(self.data[start:stop].decode("utf-8", "surrogatepass"))
        except UnicodeDecodeError:
            raise Reject("a unicode constant is not valid UTF-8") from None

    def push_bytes(self, count: int) -> None:
        """Push a bytes constant of that many bytes."""
        start, stop = self.input.take_bytes(count)
        if stop - start > self.limits.constant_bytes:
            self.stack.append(Blob(self.offset, "bytes", start, stop))
        else:
            self.stack.append(self.data[start:stop])

    def push_string(self, raw: bytes) -> None:
        """Push a constant that Python 2 wrote as str."""
        if self.encoding == "bytes":
            self.stack.append(raw)
            return
        try:
            self.stack.append(raw.decode(self.encoding if self.encoding != "any" else "ascii"))
        except UnicodeDecodeError:
            if self.encoding != "any":
                raise Reject(f"a string is not valid {self.encoding}") from None
            self.stack.append(_any_text(raw))

    def push_string_at(self, count: int) -> None:
        """Push a Python 2 str of that many bytes."""
        start, stop = self.input.take(count)
        if stop - start > self.limits.constant_bytes:
            self.stack.append(Blob(self.offset, "bytes" if self.encoding == "bytes" else "str", start, stop))
        else:
            self.push_string(self.data[start:stop])

    def push_integer(self, count: int) -> None:
        """Push a two's complement integer of that many bytes."""
        start, stop = self.input.take(count)
        if stop - start > self.limits.constant_bytes:
            self.stack.append(Blob(self.offset, "int", start, stop))
        else:
            self.stack.append(int.from_bytes(self.data[start:stop], "little", signed=True))

    def hashable(self, value: Value) -> bool:
        """Can the value be a key? Values from outside are taken to be hashable."""
        value = reveal(value)
        if isinstance(value, tuple):
            return self._hashable_tuple(value)
        if isinstance(value, Container):
            return value.kind == "frozenset"
        return not (isinstance(value, Buffer) and value.base is not None)

    def _hashable_tuple(self, root: tuple[Value, ...]) -> bool:
        """Nested tuples without recursion, each looked at once."""
        known, pending = self.unhashable, [root]
        while pending:
            value = pending[-1]
            if id(value) in known:
                pending.pop()
                continue
            inner = [item for item in map(reveal, value) if isinstance(item, tuple) and id(item) not in known]
            if inner:
                pending.extend(inner)
                continue
            fine = all(
                known[id(item)][1] if isinstance(item, tuple) else self.hashable(item)
                for item in map(reveal, value)
            )
            known[id(value)] = (value, fine)
            pending.pop()
        return known[id(root)][1]

    def check_keys(self, keys: list[Value]) -> None:
        """Reject unless all values can be keys."""
        for key in keys:
            if isinstance(key, Node | tuple) and not self.hashable(key):
                raise Reject("a key that cannot be hashed")

    # Calls -----------------------------------------------------------------------------------------------

    def call(
        self,
        via: str,
        callee: Value,
        args: tuple[Value, ...],
        mode: str = "call",
        splat: Value = None,
        kwargs: Value = None,
    ) -> None:
        """Call, and push what comes back."""
        if not isinstance(callee, Global) and not isinstance(reveal(callee), OUTSIDE):
            raise Reject(f"a constant is not {'a class' if mode == 'new' else 'callable'}")
        call = Call(self.offset, via, callee, args, kwargs, mode=mode, splat=splat)
        self.stack.append(self.world.call(call))

    def arguments(self, value: Value) -> tuple[tuple[Value, ...], Value]:
        """Arguments of REDUCE and NEWOBJ: the tuple, or the iterable whose items they are."""
        args = reveal(value)
        if isinstance(args, tuple):
            return args, None
        known = self.world.is_a(args, "tuple")
        if known is not False:
            return (), value
        if not self.pure or self.world.is_a(args, "iterable") is False:
            raise Reject("the arguments of a call are no tuple")
        self.quirk("arguments-not-tuple", "only the pure-Python unpickler takes these arguments")
        held = args.base if isinstance(args, Buffer) else args
        if isinstance(held, Container) and (
            len(held.items) > MAX_SPREAD or any(isinstance(item, Blob) for item in held.items)
        ):
            return (), value
        unordered = isinstance(args, Container) and args.kind in ("set", "frozenset")
        return _iterate(args), value if unordered or isinstance(args, OUTSIDE) else None

    def instantiate(self, via: str, callee: Value, args: tuple[Value, ...]) -> None:
        """INST and OBJ: without arguments a class may only be created, not initialised."""
        mode = "call"
        if not args:
            only_new = self.world.instantiates(callee)
            mode = "either" if only_new is None else "new" if only_new else "call"
        self.call(via, callee, args, mode)


def _slot(index: int) -> int | bytes:
    """The key of a memo index. Hashes of integers are taken modulo `2**61 - 1`, so a pickle could write many indices
    that have the same; those of bytes are not known beforehand.
    """
    if index < _MODULUS:
        return straight.slot(index)
    return index.to_bytes(index.bit_length() // 8 + 1, "little")


def _any_text(raw: bytes) -> str:
    """A Python 2 string for a loader of unknown encoding: UTF-8 if it is that, else Latin-1."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _iterate(value: Value) -> tuple[Value, ...]:
    """The items that iterating a constant or a container yields."""
    match value:
        case str() | bytes():
            return tuple(value)
        case Container(kind="dict"):
            return tuple([key for key, _ in value.pairs()])
        case Container(kind="bytearray"):
            return tuple(bytearray_bytes(value))
        case Container(kind="list"):
            return tuple(value.at())
        case Buffer(base=Container() as base):
            return tuple(bytearray_bytes(base))
        case Container():
            return tuple(value.members())
        case _:
            return ()


def bytearray_bytes(value: Container) -> bytes:
    """Contents of a bytearray container."""
    parts = [
        part if isinstance(part, bytes) else bytes([int(part)])
        for part in value.at()
        if isinstance(part, int | bytes)
    ]
    return b"".join(parts)
