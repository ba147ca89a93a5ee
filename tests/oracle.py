"""The reference: what the real unpicklers do with a program whose globals are all inert.

``run(data, loader)`` hands *data* to one of the interpreter's own unpicklers. ``find_class`` and
``persistent_load`` answer with *recorders*: objects that do nothing but write down how they are used.
So the result is the exact behaviour of the real machine, and nothing that the program names is imported.

Loaders
    ``c``         ``_pickle.Unpickler`` over a file whose ``peek()`` shows everything: as ``pickle.loads``
    ``c-stream``  ``_pickle.Unpickler`` over a file without ``peek()`` (``io.BytesIO``)
    ``python``    ``pickle._Unpickler``

Recorders
    A requested name ``k:<shape><letters>[_anything]`` chooses what the recorder can do. Shape ``C`` is a
    class (``isinstance(x, type)``), ``F`` a callable object. Letters: ``e`` extend, ``p`` append, ``a`` add,
    ``s`` ``__setstate__``, ``m`` ``__setitem__``, ``d`` ``__dict__``, ``g`` ``__getinitargs__``, ``n``
    ``__new__`` (as an ordinary attribute, of ``F`` only: every ``C`` has one). Every other name is a plain
    ``F``. All recorders are callable, hashable by identity, true, not iterable, and accept any attribute
    assignment. What is written to them is recorded and forgotten: it never changes a later look-up. The
    result of a call or of ``__new__`` is an ``F`` with the letters of its callee; the result of a persistent
    load is a plain ``F``.

Events (lists, in order; *k* is the 1-based number of a recorder in order of creation)
    ``find module name proto``    proto is ``<3``, ``3`` or ``>=4``; the result takes the next number
    ``persid form``               the result takes the next number
    ``call k args kwargs``        the result takes the next number; kwargs is ``""`` when there are none
    ``new k args kwargs``         ``cls.__new__(cls, *args, **kwargs)``; the result takes the next number
    ``new-on-inst k args kwargs`` the same on an ``F`` with ``n``; args are those after the first
    ``setitem k key value``       ``recorder[key] = value``
    ``dictset k key value``       ``recorder.__dict__[key] = value``
    ``setattr k key value``       ``setattr(recorder, key, value)``
    ``setstate k state``, ``extend k items``, ``append k item``, ``add k item``
    ``lookup k attribute``        only in ``Result.events``: the unpickler asked for this attribute, whether
                                  or not the recorder has it (see below)

Forms
    A form is a snapshot at the time of the event, see ``render``. The args of a call are always a fresh
    tuple: they are never identical to a tuple of the program, whose items they share. The empty tuple is one
    object for the whole program, and is labelled like any other; the empty frozenset never gets a label,
    because its identity differs between versions. Ints of more than ``DECIMAL_BITS`` bits print as ``hex()``.

Look-ups, as observed on 3.8 to 3.13 ([y] means: only if the one before was not found)
    ============  =======================================  ===========================================
    opcode        C                                        pure Python
    ============  =======================================  ===========================================
    APPEND        extend, [append]                         append
    APPENDS       no items: none; else extend, [append]    extend, [append], also for no items
                  (append: once, before the first item)    (append: once, before the first item)
    ADDITEMS      no items: none; else add (once)          add (once), also for no items
    BUILD         ``__setstate__``, [``__dict__`` if the   ``__setstate__``, [``__dict__`` if the dict
                  dict part is a dict, even ``{}``]        part is true, whatever its type]
    INST, OBJ     class and no args: ``__getinitargs__``,  the same
                  [``__new__``]; else none
    NEWOBJ(_EX)   none: the type's slot                    ``__new__``, before the args are iterated
    others        none                                     none
    ============  =======================================  ===========================================
    The slot of a class that is written in Python does ask for ``__new__``; that is the recorder's own doing,
    and is left out. SETITEM and SETITEMS use the type's slot, so they look nothing up either.
"""

from __future__ import annotations

import _compat_pickle
import contextlib
import copyreg
import hashlib
import io
import pickle
import sys
import threading
import types
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import TypeAlias

    Event: TypeAlias = list[str | int]
    Description: TypeAlias = "str | Node"
    Class: TypeAlias = type[Any]

LOADERS = ("c", "c-stream", "python")
RESOURCE = "resource"
EXTENSION_CODES = (1, 2, 255, 256, 2**31 - 1)
EXTENSIONS = {code: ("ext", f"k:Fd_{code}") for code in EXTENSION_CODES}
NODE_LIMIT = 100_000
DECIMAL_BITS = 8192  # well below the interpreter's limit on decimal digits, which would make repr() raise


class Breach(BaseException):
    """The oracle touched something real. Not an Exception, so that no unpickler and no test swallows it."""


class Result(NamedTuple):
    """What one real unpickler did with one program."""

    outcome: str
    """``ok``, the class name of the exception, or ``RESOURCE`` when memory ran out: then do not compare."""
    value: str | None
    """Form of the returned value."""
    events: list[Event]
    """Everything, look-ups included."""
    stop: int | None
    """Where in the input the next reader of the same file would go on."""
    unordered: bool = False
    """A set was spread into arguments (pure Python only): their order is an accident of hashing, and changes
    from one process to the next. Compare with care, or not at all."""

    @property
    def trace(self) -> list[Event]:
        """The events without look-ups: the format of the golden cases."""
        return [event for event in self.events if event[0] != "lookup"]


# --- Forms --------------------------------------------------------------------------------------------------


class Node(NamedTuple):
    """A value with an identity and parts, as ``render`` wants it described."""

    identity: object
    """Hashable, equal only for the same object; None if its identity means nothing (then it has no label)."""
    opening: str
    children: Sequence[object]
    closing: str
    paired: bool = False
    """Children alternate between keys and values."""
    unordered: bool = False
    """Children have no order of their own (they are hashable, so there is no cycle through them)."""


def render(root: object, describe: Callable[[object], Description], limit: int = NODE_LIMIT) -> str:
    """The form of *root*: linear in the number of distinct objects, without recursion, at most *limit* nodes.

    A node prints as ``#i=`` and its parts at its first visit (depth first, numbered from 0), as ``#i`` later.
    With another *describe* other models of the same values give the same text, and can be compared.
    """
    described = describe(root)
    if isinstance(described, str):
        return described
    labels: dict[object, int] = {}
    out: list[str] = []
    todo: list[tuple[bool, Any]] = [(False, root)]
    while todo:
        is_text, item = todo.pop()
        described = item if is_text else describe(item)
        if isinstance(described, str):
            out.append(described)
        elif described.identity in labels:
            out.append(f"#{labels[described.identity]}")
        elif len(labels) + len(todo) > limit:
            out.append("...")
        else:
            out.append(_label(described, labels) + described.opening)
            _push(described, describe, todo)
    return "".join(out)


def _label(node: Node, labels: dict[object, int]) -> str:
    if node.identity is None:
        return ""
    labels[node.identity] = number = len(labels)
    return f"#{number}="


def _push(node: Node, describe: Callable[[object], Description], todo: list[tuple[bool, Any]]) -> None:
    todo.append((True, node.closing))
    children = node.children
    if node.unordered and len(children) > 1:
        children = sorted(children, key=lambda child: order_key(child, describe))
    for position in range(len(children) - 1, -1, -1):
        todo.append((False, children[position]))
        if position:
            todo.append((True, ":" if node.paired and position % 2 else ","))


def order_key(root: object, describe: Callable[[object], Description]) -> str:
    """A text to sort the items of sets by: free of labels, short, the same for equal structures."""
    keys: dict[object, str] = {}
    todo: list[object] = [root]
    while todo:
        described = describe(todo[-1])
        missing = [] if isinstance(described, str) else _unkeyed(described, describe, keys)
        if missing:
            todo.extend(missing)
            continue
        todo.pop()
        if not isinstance(described, str):
            keys[described.identity] = _node_key(described, describe, keys)
    described = describe(root)
    return described if isinstance(described, str) else keys[described.identity]


def _unkeyed(node: Node, describe: Callable[[object], Description], keys: dict[object, str]) -> list[object]:
    found = []
    for child in node.children:
        described = describe(child)
        if isinstance(described, Node) and described.identity not in keys:
            found.append(child)
    return found


def _node_key(node: Node, describe: Callable[[object], Description], keys: dict[object, str]) -> str:
    parts = []
    for child in node.children:
        described = describe(child)
        parts.append(described if isinstance(described, str) else keys[described.identity])
    if node.unordered:
        parts.sort()
    joined = ",".join(parts).encode("utf-8", "surrogatepass")
    return node.opening + hashlib.blake2b(joined, digest_size=12).hexdigest()


def number_text(value: int) -> str:
    """An int as forms print it."""
    return repr(value) if value.bit_length() <= DECIMAL_BITS else hex(value)


def _describe(value: object) -> Description:
    """Describes plain data and recorders, and nothing else: so every form also proves that nothing leaked."""
    kind = type(value)
    handler = _DESCRIBERS.get(kind)
    if handler is None:
        raise Breach(f"{kind.__module__}.{kind.__qualname__} is reachable")
    return handler(value)


def _pairs(value: dict[object, object]) -> list[object]:
    return [part for pair in value.items() for part in pair]


_DESCRIBERS: dict[type, Callable[[Any], Description]] = {
    type(None): repr,
    bool: repr,
    int: number_text,
    float: repr,
    str: repr,
    bytes: repr,
    bytearray: lambda value: Node(id(value), repr(value), (), ""),
    memoryview: lambda value: Node(id(value), "m[", [value.obj], "]"),
    tuple: lambda value: Node(id(value), "t[", value, "]"),
    list: lambda value: Node(id(value), "l[", value, "]"),
    dict: lambda value: Node(id(value), "d[", _pairs(value), "]", paired=True),
    set: lambda value: Node(id(value), "s{", list(value), "}", unordered=True),
    frozenset: lambda value: Node(id(value) if value else None, "f{", list(value), "}", unordered=True),
}


def form(value: object) -> str:
    """Snapshot of a value made of plain data and recorders; raises Breach on anything else."""
    return render(value, _describe)


# --- Recorders ----------------------------------------------------------------------------------------------


class _Log:
    """Events and numbers of one run."""

    __slots__ = ("classes_used", "count", "events", "native", "unordered")

    def __init__(self, native: bool) -> None:
        self.events: list[Event] = []
        self.count = 0
        self.native = native
        self.unordered = False
        self.classes_used = {False: 0, True: 0}

    def number(self) -> int:
        self.count += 1
        return self.count


class _Ticket:
    """What a recorder is: its number, its letters, and where it reports."""

    __slots__ = ("letters", "log", "number")

    def __init__(self, log: _Log, letters: str) -> None:
        self.assign(log, letters)

    def assign(self, log: _Log, letters: str) -> None:
        self.log = log
        self.letters = letters
        self.number = log.number()

    def record(self, kind: str, *values: object) -> None:
        self.log.events.append([kind, self.number, *[form(value) for value in values]])

    def call(self, kind: str, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        # Both forms come first: the callee must not see its own result.
        self.log.events.append([kind, self.number, form(args), form(kwargs) if kwargs else ""])
        return _instance(self.log, self.letters)

    def lookup(self, attribute: str) -> object:
        """The watched attribute of an F, or AttributeError."""
        self.log.events.append(["lookup", self.number, attribute])
        letter, make = _WATCHED[attribute]
        if letter not in self.letters:
            raise AttributeError(attribute)
        return make(self)

    def lookup_new(self) -> None:
        """Records that somebody asks a class for ``__new__``.

        C asks through the attribute only in INST and OBJ, right after ``__getinitargs__``. Otherwise it took
        the slot of the type, and it is the slot of our Python class that asks.
        """
        events = self.log.events
        if not self.log.native or (events and events[-1] == ["lookup", self.number, "__getinitargs__"]):
            events.append(["lookup", self.number, "__new__"])


class _Method:
    """An attribute that is called with one argument and only records it."""

    __slots__ = ("kind", "ticket")

    def __init__(self, ticket: _Ticket, kind: str) -> None:
        self.ticket = ticket
        self.kind = kind

    def __call__(self, argument: object) -> None:
        self.ticket.record(self.kind, argument)


class _New:
    """``__new__`` as an ordinary attribute of an object."""

    __slots__ = ("ticket",)

    def __init__(self, ticket: _Ticket) -> None:
        self.ticket = ticket

    def __call__(self, cls: object, /, *args: object, **kwargs: object) -> object:
        return self.ticket.call("new-on-inst", args, kwargs)


class _Fields:
    """``__dict__`` of a recorder."""

    __slots__ = ("ticket",)

    def __init__(self, ticket: _Ticket) -> None:
        self.ticket = ticket

    def __setitem__(self, key: object, value: object) -> None:
        self.ticket.record("dictset", key, value)


_WATCHED: dict[str, tuple[str, Callable[[_Ticket], object]]] = {
    "extend": ("e", lambda ticket: _Method(ticket, "extend")),
    "append": ("p", lambda ticket: _Method(ticket, "append")),
    "add": ("a", lambda ticket: _Method(ticket, "add")),
    "__setstate__": ("s", lambda ticket: _Method(ticket, "setstate")),
    "__dict__": ("d", _Fields),
    "__getinitargs__": ("g", lambda ticket: ()),
    "__new__": ("n", _New),
}


class _Instance:
    """An F: a callable object that is not a class. Every attribute but its ticket is made up or missing."""

    __slots__ = ("ticket",)
    ticket: _Ticket

    def __getattribute__(self, name: str) -> object:
        if name in _WATCHED:
            return _ticket(self).lookup(name)
        if name == "__class__":  # isinstance() asks for it
            return type(self)
        raise AttributeError(name)

    def __setattr__(self, name: str, value: object) -> None:
        _ticket(self).record("setattr", name, value)

    def __call__(self, /, *args: object, **kwargs: object) -> object:
        return _ticket(self).call("call", args, kwargs)


class _ItemInstance(_Instance):
    """Item assignment is a slot of the type, so it takes a type of its own."""

    __slots__ = ()

    def __setitem__(self, key: object, value: object) -> None:
        _ticket(self).record("setitem", key, value)


class _Meta(type):
    """The type of a C: what the unpickler does to a class goes through here."""

    def __getattribute__(cls, name: str) -> Any:
        if name == "__new__":
            _class_ticket(cls).lookup_new()
        elif name in _WATCHED:
            return _class_ticket(cls).lookup(name)
        return super().__getattribute__(name)

    def __setattr__(cls, name: str, value: object) -> None:
        _class_ticket(cls).record("setattr", name, value)

    def __call__(cls, /, *args: object, **kwargs: object) -> Any:
        return _class_ticket(cls).call("call", args, kwargs)


class _ItemMeta(_Meta):
    """The type of a C with ``m``."""

    def __setitem__(cls, key: object, value: object) -> None:
        _class_ticket(cls).record("setitem", key, value)


_ticket: Callable[[object], _Ticket] = _Instance.__dict__["ticket"].__get__
_set_ticket: Callable[[object, _Ticket], None] = _Instance.__dict__["ticket"].__set__


def _class_ticket(cls: Class) -> _Ticket:
    ticket: _Ticket = type.__getattribute__(cls, "ticket")
    return ticket


def _new(cls: Class, /, *args: object, **kwargs: object) -> object:
    return _class_ticket(cls).call("new", args, kwargs)


_DESCRIBERS[_Instance] = _DESCRIBERS[_ItemInstance] = lambda value: f"@{_ticket(value).number}"
_DESCRIBERS[_Meta] = _DESCRIBERS[_ItemMeta] = lambda value: f"@{_class_ticket(value).number}"

# Making a class is slow, and classes live in cycles: so they are kept, and each run hands them out anew.
_classes: dict[bool, list[Class]] = {False: [], True: []}


def _instance(log: _Log, letters: str) -> object:
    kind = _ItemInstance if "m" in letters else _Instance
    made = object.__new__(kind)
    _set_ticket(made, _Ticket(log, letters))
    return made


def _class(log: _Log, letters: str) -> object:
    with_items = "m" in letters
    pool, used = _classes[with_items], log.classes_used[with_items]
    log.classes_used[with_items] += 1
    if used < len(pool):
        _class_ticket(pool[used]).assign(log, letters)
    else:
        namespace = {"__new__": staticmethod(_new), "ticket": _Ticket(log, letters)}
        pool.append(type.__new__(_ItemMeta if with_items else _Meta, "C", (), namespace))
    return pool[used]


def _named(log: _Log, name: str) -> object:
    """The recorder that the requested name asks for."""
    if not name.startswith(("k:C", "k:F")):
        return _instance(log, "")
    letters = name[3:].partition("_")[0]
    return _class(log, letters) if name[2] == "C" else _instance(log, letters)


# --- The unpicklers -----------------------------------------------------------------------------------------

# The C unpickler hides its protocol, but its own find_class shows it: below 3 it maps names as Python 2 had
# them, at 3 it takes a name literally, from 4 on it walks the dots. To each this name is something else.
_PROBE = ("_pvm_oracle_probe", "a.b")
_PROBE_OLD = (_PROBE[0], "old")


def _probe_module() -> types.ModuleType:
    module = types.ModuleType(_PROBE[0])
    vars(module).update({"old": "<3", "a.b": "3", "a": types.SimpleNamespace(b=">=4")})
    return module


_PROBE_MODULE = _probe_module()


class _Peekable(io.BytesIO):
    """Shows all the rest at once, as contiguous memory does."""

    def peek(self, size: int = 0, /) -> bytes:
        return self.getvalue()[self.tell() :]


def _found(log: _Log, module: str, name: str, proto: str) -> object:
    log.events.append(["find", module, name, proto])
    return _named(log, name)


def _persisted(log: _Log, identifier: object) -> object:
    log.events.append(["persid", form(identifier)])
    return _instance(log, "")


class _CUnpickler(pickle.Unpickler):
    log: _Log

    def find_class(self, module: str, name: str, /) -> Any:
        return _found(self.log, module, name, super().find_class(*_PROBE))

    def persistent_load(self, pid: Any) -> Any:
        return _persisted(self.log, pid)


class _PythonUnpickler(pickle._Unpickler):
    log: _Log
    proto: int

    def find_class(self, module: str, name: str, /) -> Any:
        proto = "<3" if self.proto < 3 else "3" if self.proto == 3 else ">=4"
        return _found(self.log, module, name, proto)

    def persistent_load(self, pid: Any) -> Any:
        return _persisted(self.log, pid)


def _watch_sets(opcode: bytes, depth: int) -> Callable[[Any], None]:
    """The handler of a calling opcode; notes first whether the args, *depth* from the top, are a set."""
    handler: Callable[[Any], None] = pickle._Unpickler.dispatch[opcode[0]]

    def watching(unpickler: Any) -> None:
        args = unpickler.stack[-depth:][:1]
        if args and type(args[0]) in (set, frozenset) and len(args[0]) > 1:
            unpickler.log.unordered = True
        handler(unpickler)

    return watching


_PythonUnpickler.dispatch = {
    **pickle._Unpickler.dispatch,
    pickle.REDUCE[0]: _watch_sets(pickle.REDUCE, 1),
    pickle.NEWOBJ[0]: _watch_sets(pickle.NEWOBJ, 1),
    pickle.NEWOBJ_EX[0]: _watch_sets(pickle.NEWOBJ_EX, 2),
}


def _warm_up() -> None:
    """Makes the interpreter load its codecs now, so that a run imports nothing at all."""
    for encoding in ("ascii", "utf-8", "raw-unicode-escape", "latin-1"):
        b"a".decode(encoding)
        b"a".decode(encoding, "surrogatepass")


_warm_up()
if pickle.Unpickler.__module__ != "_pickle":
    raise ImportError("this interpreter has no C unpickler to compare with")


# What each table of copyreg holds during a run. Both unpicklers keep references: they are changed in place.
_TABLES: list[tuple[dict[Any, Any], dict[Any, Any]]] = [
    (vars(copyreg)["_inverted_registry"], EXTENSIONS),
    (vars(copyreg)["_extension_registry"], {pair: code for code, pair in EXTENSIONS.items()}),
    (vars(copyreg)["_extension_cache"], {}),
]


def _refill(table: dict[Any, Any], entries: dict[Any, Any]) -> None:
    table.clear()
    table.update(entries)


@contextlib.contextmanager
def _fixed_world() -> Iterator[None]:
    """Process-wide tables as every run finds them; restored afterwards."""
    saved = [(table, table.copy()) for table, _ in _TABLES]
    names: dict[Any, Any] = _compat_pickle.NAME_MAPPING
    for table, entries in _TABLES:
        _refill(table, entries)
    names[_PROBE] = _PROBE_OLD
    sys.modules[_PROBE[0]] = _PROBE_MODULE
    try:
        yield
    finally:
        del names[_PROBE], sys.modules[_PROBE[0]]
        for table, entries in saved:
            _refill(table, entries)


@contextlib.contextmanager
def _quiet(data: bytes) -> Iterator[None]:
    """Unknown escapes in STRING warn; the warning is not part of the behaviour."""
    if b"\\" not in data:
        yield
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def run(data: bytes, loader: str) -> Result:
    """What the real unpickler *loader* (see ``LOADERS``) does with the first pickle in *data*."""
    log = _Log(native=loader != "python")
    file = _Peekable(data) if loader == "c" else io.BytesIO(data)
    unpickler = _unpickler(loader, file)
    unpickler.log = log
    with _fixed_world(), _quiet(data):
        try:
            value = unpickler.load()
        except MemoryError:
            return Result(RESOURCE, None, log.events, None, log.unordered)
        except Exception as error:
            return Result(type(error).__name__, None, log.events, None, log.unordered)
        return Result("ok", form(value), log.events, file.tell(), log.unordered)


def _unpickler(loader: str, file: io.BytesIO) -> _CUnpickler | _PythonUnpickler:
    if loader not in LOADERS:
        raise ValueError(f"loader must be one of {LOADERS}")
    return _PythonUnpickler(file) if loader == "python" else _CUnpickler(file)


def run_all(data: bytes) -> dict[str, Result]:
    """The program in all loaders."""
    return {loader: run(data, loader) for loader in LOADERS}


# --- Safety -------------------------------------------------------------------------------------------------

# Audit events that a run may cause, each with the reason why it is harmless.
_HARMLESS = frozenset(
    {
        "builtins.id",  # render() tells objects apart by it; yields a number
    }
)
_guarding: set[int] = set()  # threads inside guarded(); others are none of our business
_hooked: list[bool] = []


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if not _guarding or event in _HARMLESS or threading.get_ident() not in _guarding:
        return
    if event == "pickle.find_class" and arguments == _PROBE:
        return  # our own question for the protocol, answered by a module that holds three strings
    raise Breach(f"{event} {arguments!r:.200}")


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """While open, whatever the interpreter audits (imports, files, processes, code, sockets) raises Breach.

    The hook runs before the audited thing happens. It cannot be taken out again, so it is installed once and
    only switched.
    """
    if not _hooked:
        sys.addaudithook(_hook)
        _hooked.append(True)
    thread = threading.get_ident()
    _guarding.add(thread)
    try:
        yield
    finally:
        _guarding.discard(thread)


def limit_memory(gib: float) -> None:
    """Caps the address space of this process (softly), so that lying lengths end in MemoryError.

    Without it a program of ten bytes can fill all the memory of the machine.
    """
    import resource

    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (int(gib * 2**30), hard))


@contextlib.contextmanager
def limited_memory(gib: float) -> Iterator[None]:
    """The same for a while."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    limit_memory(gib)
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def differing(results: Iterable[Result]) -> bool:
    """Whether loaders disagree in acceptance, value, trace or resume position, not in the exception class."""
    seen = [(r.outcome == "ok", r.value, r.trace, r.stop) for r in results]
    return any(item != seen[0] for item in seen[1:])
