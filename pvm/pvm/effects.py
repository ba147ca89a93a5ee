"""What Python's own callables do to abstract values: one short function per callable, by path.

`call_path` is asked for callables with a name; `pvm.deferred` knows objects that call later. `UNSET` stands for
a result that is not known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from pvm.decode import Data
from pvm.hints import Protocol, TypeAlias
from pvm.limits import Limits
from pvm.namespace import Namespace, module_value
from pvm.paths import path_of
from pvm.values import UNSET, Call, Container, Global, Unknown, Unset, Value, reveal

MAX_ITEMS = 1000
MAX_FOLDED = 2_000_000
"""Values that one run converts for evaluation, all together."""
PIECE = 32
"""Bytes of a result that count as one value: results are kept, and short programs can make many long ones."""


class Caller(Protocol):
    """What an effect may ask of the world that it happens in."""

    namespace: Namespace
    limits: Limits
    data: Data
    extensions: dict[int, Value]
    folded: int

    def call(self, call: Call) -> Value:
        """Make a call."""

    def apply(
        self, via: str, callee: Value, args: Iterable[Value], offset: int, kwargs: Value = None
    ) -> Value:
        """Call an argument of a call."""

    def force(self, value: Value) -> list[Value] | None:
        """Iterate a value, with the calls that this makes."""

    def set_item(self, target: Value, key: Value, value: Value, via: str, offset: int) -> None:
        """`target[key] = value`."""

    def append(self, target: Value, items: tuple[Value, ...], how: str, via: str, offset: int) -> None:
        """`target.extend(items)`, or another method."""

    def import_module(self, name: str, offset: int, via: str, call: Call) -> Value:
        """Import a module by name."""


Effect: TypeAlias = Callable[[Caller, Call], Value | Unset]
EFFECTS: dict[str, Effect] = {}


def effect(*paths: str) -> Callable[[Effect], Effect]:
    """Enter a function for these paths."""

    def enter(function: Effect) -> Effect:
        EFFECTS.update(dict.fromkeys(paths, function))
        return function

    return enter


def call_path(world: Caller, path: str, call: Call) -> Value | Unset:
    """Result of a callable that has a path."""
    function = EFFECTS.get(path)
    if function is not None:
        return function(world, call)
    return _pure(world, path, call)


def _pure(world: Caller, path: str, call: Call) -> Value | Unset:
    """Evaluate a pure function on constants."""
    if not _may_be_pure(path) or call.splat is not None:
        return UNSET
    from pvm import fold

    return UNSET if path in fold.ITERATORS else _evaluate(world, path, call)


@lru_cache(maxsize=1024)
def _may_be_pure(path: str) -> bool:
    """Does the path lie where pure functions are? Files call the same few callables again and again."""
    return path.startswith(_PURE_HOMES)


def is_inert(path: str) -> bool:
    """Is nothing known of what a call of this path does or returns?"""
    return path not in EFFECTS and not _may_be_pure(path)


def evaluates(path: str) -> bool:
    """Could a call of this path have a result that is worked out here?"""
    if path in EFFECTS:
        return True
    if not _may_be_pure(path):
        return False
    from pvm import fold

    return path in fold.ITERATORS or fold.is_pure(path)


def _evaluate(world: Caller, path: str, call: Call) -> Value | Unset:
    from pvm import bounds, fold

    if not fold.is_pure(path) or world.folded > MAX_FOLDED:
        return UNSET
    limit = world.limits.fold_bytes
    callee = reveal(call.callee)
    own = () if isinstance(callee, Global) else (getattr(callee, "base", None),)
    converter = fold.Converter(world.data, limit)
    try:
        args = [converter.convert(_forced(world, value)) for value in (*own, *call.args)]
        named = converter.convert(call.kwargs) if call.kwargs is not None else {}
        result = fold.evaluate(path, args, named, limit)
        world.folded += bounds.size(result) // PIECE
        return fold.to_value(result, call.offset)
    except (fold.NotConcrete, RecursionError):
        return UNSET
    finally:
        world.folded += converter.nodes


def passive_items(world: Caller, path: str, call: Call) -> list[Value] | None:
    """What an iterator over constants yields."""
    from pvm import fold

    items = _evaluate(world, path, call) if path in fold.ITERATORS else UNSET
    return items.items if isinstance(items, Container) else None


_PURE_HOMES = (
    "builtins.",
    "operator.",
    "codecs.",
    "base64.",
    "binascii.",
    "struct.",
    "zlib.",
    "gzip.",
    "bz2.",
    "lzma.",
    "json.loads",
    "urllib.parse.unquote",
    "itertools.",
)


def _forced(world: Caller, value: Value) -> Value:
    """An iterator as the list of its items, where they are known."""
    if isinstance(value, Call) and isinstance(value.result, Unset):
        items = world.force(value)
        if items is not None:
            return Container(value.offset, "list", items)
    return value


def _arg(world: Caller, call: Call, index: int, keyword: str | None = None) -> Value | Unset:
    """A positional argument, or the keyword that may stand for it."""
    if index < len(call.args):
        return reveal(call.args[index])
    named = world.namespace.fields(reveal(call.kwargs))
    return reveal(named[keyword]) if keyword is not None and keyword in named else UNSET


# Attributes and items -------------------------------------------------------------------------------------


@effect(
    "builtins.getattr", "inspect.getattr_static", "builtins.type.__getattribute__", "dill._dill._get_attr"
)
def _getattr(world: Caller, call: Call) -> Value | Unset:
    base, name = _arg(world, call, 0), _arg(world, call, 1)
    if isinstance(base, Unset) or not isinstance(name, str):
        return UNSET
    return walk(world, base, name, call.offset)


def walk(world: Caller, base: Value, name: str, offset: int) -> Value:
    """An attribute of a value; names without dots, as getattr takes them."""
    return world.namespace.attribute(base, name, offset)


@effect("builtins.vars")
def _vars(world: Caller, call: Call) -> Value | Unset:
    base = _arg(world, call, 0)
    return UNSET if isinstance(base, Unset) else walk(world, base, "__dict__", call.offset)


@effect(
    "operator.getitem",
    "operator.__getitem__",
    "sys.modules.__getitem__",
    "sys.modules.get",
    "sys.modules.pop",
    "builtins.dict.__getitem__",
    "builtins.dict.get",
    "builtins.dict.pop",
)
def _getitem(world: Caller, call: Call) -> Value | Unset:
    owner = _owner(call)
    args = call.args if owner is None else (owner, *call.args)
    return UNSET if len(args) < 2 else item(world, args[0], args[1], call)


def item(world: Caller, base: Value, key: Value, call: Call) -> Value | Unset:
    """`base[key]`, where base may be the module table, a namespace, or a container of the pickle."""
    base, key = reveal(base), reveal(key)
    if isinstance(key, str):
        found = world.namespace.item(base, key, call.offset)
        if found is not None:
            return found
    if isinstance(base, tuple | Container):
        return _member(world, base, key)
    if isinstance(base, Call) and path_of(base.callee) == "collections.defaultdict" and base.args:
        return world.apply("__missing__", base.args[0], (), call.offset)
    return _pure(
        world,
        "operator.getitem",
        Call(
            call.offset,
            call.via,
            Global(call.offset, "operator", "getitem", ("operator", "getitem")),
            (base, key),
        ),
    )


def _member(world: Caller, base: tuple[Value, ...] | Container, key: Value) -> Value | Unset:
    if isinstance(base, Container) and base.kind == "dict":
        fields = world.namespace.fields(base)
        return fields[key] if isinstance(key, str | bytes | int) and key in fields else UNSET
    items = base if isinstance(base, tuple) else base.at()
    if isinstance(key, int) and -len(items) <= key < len(items):
        return items[key]
    return UNSET


_CLASSES = frozenset(
    ["builtins.dict", "builtins.list", "builtins.set"]
    + [f"collections.abc.Mutable{kind}" for kind in ("Mapping", "Sequence", "Set")]
)
"""Their methods get the object as an argument."""


def _owner(call: Call) -> Value:
    """The object whose bound method is called, for methods of `sys.modules` and namespaces."""
    callee = reveal(call.callee)
    if isinstance(callee, Global) and "." in callee.resolved[1]:
        module, name = callee.resolved
        base = name.rpartition(".")[0]
        if f"{module}.{base}" in _CLASSES:
            return None
        return Global(call.offset, module, base, (module, base), (callee,))
    return getattr(callee, "base", None)


@effect(
    "sys.modules.setdefault",
    "sys.modules.__setitem__",
    "operator.setitem",
    "operator.__setitem__",
    "builtins.dict.__setitem__",
    "builtins.dict.setdefault",
    "builtins.list.__setitem__",
    "collections.abc.MutableMapping.setdefault",
)
def _setitem(world: Caller, call: Call) -> Value | Unset:
    owner = _owner(call)
    args = call.args if owner is None or len(call.args) > 2 else (owner, *call.args)
    if len(args) == 3:
        world.set_item(args[0], args[1], args[2], call.via, call.offset)
        return args[2] if "setdefault" in (path_of(call.callee) or "") else None
    return UNSET


@effect(
    "sys.modules.update",
    "builtins.dict.update",
    "builtins.dict.__ior__",
    "operator.ior",
    "operator.__ior__",
    "collections.abc.MutableMapping.update",
)
def _update(world: Caller, call: Call) -> Value | Unset:
    owner = _owner(call)
    args = call.args if owner is None else (owner, *call.args)
    new, path = reveal(args[1]) if len(args) == 2 else None, path_of(call.callee) or ""
    if isinstance(new, Container) and new.kind == "dict":
        for key, value in new.pairs():
            world.set_item(args[0], key, value, call.via, call.offset)
        return args[0] if "ior" in path else None
    return _pure(world, path, call) if path.startswith("operator.") else None


@effect(
    *(f"builtins.list.{method}" for method in ("append", "extend", "insert", "__iadd__")),
    *(f"builtins.set.{method}" for method in ("add", "update", "__ior__")),
    *(f"operator.{name}" for name in ("iadd", "iconcat", "__iadd__", "__iconcat__")),
    *(f"operator.{name}" for name in ("imul", "__imul__", "delitem", "__delitem__")),
    *(f"heapq.{name}" for name in ("heappush", "heappushpop", "heapreplace")),
    *(f"collections.abc.MutableSequence.{method}" for method in ("append", "extend", "__iadd__")),
)
def _change(world: Caller, call: Call) -> Value | Unset:
    """A list or set, or what is like one, changes. Of the pickle's own ones nobody asks what they hold then."""
    if len(call.args) > 1 and isinstance(reveal(call.args[0]), Global) and _owner(call) is None:
        home, _, name = (path_of(call.callee) or "").rpartition(".")
        how = f"__{name.strip('_')}__" if home == "operator" else "append" if home == "heapq" else name
        world.append(call.args[0], call.args[1:], how, call.via, call.offset)
    return _pure(world, path_of(call.callee) or "", call)


@effect("builtins.type")
def _type(world: Caller, call: Call) -> Value | Unset:
    """`type(x)` of a constant; with three arguments it makes a class, of which nothing is known."""
    value = _arg(world, call, 0)
    if len(call.args) != 1 or not isinstance(value, int | float | str | bytes | tuple | None):
        return UNSET
    name = "NoneType" if value is None else type(value).__name__
    module = "types" if value is None else "builtins"
    return Global(call.offset, module, name, (module, name), (call,))


@effect("builtins.setattr")
def _setattr(world: Caller, call: Call) -> Value | Unset:
    if len(call.args) == 3:
        world.namespace.write(*call.args)
    return None


@effect("copyreg.add_extension")
def _add_extension(world: Caller, call: Call) -> Value | Unset:
    if len(call.args) == 3:
        code = reveal(call.args[2])
        if isinstance(code, int):
            world.extensions[code] = (call.args[0], call.args[1])
    return None


# Modules by name ------------------------------------------------------------------------------------------


@effect(
    "builtins.__import__",
    "importlib.import_module",
    "importlib.__import__",
    "importlib._bootstrap._gcd_import",
    "importlib._bootstrap.__import__",
    "dill._dill._import_module",
    "cloudpickle.cloudpickle.subimport",
    "pydoc.safeimport",
)
def _import(world: Caller, call: Call) -> Value | Unset:
    name = _arg(world, call, 0, "name")
    if not isinstance(name, str) or not name or name.startswith("."):
        return UNSET
    wanted = name
    path = path_of(call.callee) or ""
    if path.endswith("__import__") and len(call.args) < 4:
        wanted = name.partition(".")[0]
    if path == "dill._dill._import_module" and "." in name:
        module, _, attribute = name.rpartition(".")
        return (
            world.import_module(name, call.offset, path, call)
            if attribute.islower()
            else walk(world, world.import_module(module, call.offset, path, call), attribute, call.offset)
        )
    value = world.import_module(name, call.offset, path, call)
    return value if wanted == name else module_value(wanted, call.offset, (call,))


@effect("pkgutil.resolve_name", "pydoc.locate", "logging.config._resolve", "hydra._internal.utils._locate")
def _resolve(world: Caller, call: Call) -> Value | Unset:
    name = _arg(world, call, 0, "name")
    if not isinstance(name, str):
        return UNSET
    module, colon, rest = name.partition(":")
    if not colon:
        module, _, rest = name.partition(".")
    value: Value = world.import_module(module, call.offset, path_of(call.callee) or "", call)
    for part in filter(None, rest.split(".")):
        value = walk(world, value, part, call.offset)
    return value


# Callables that call their argument -----------------------------------------------------------------------


@effect("operator.call", "builtins.apply", "types.MethodType.__call__")
def _call(world: Caller, call: Call) -> Value | Unset:
    if not call.args:
        return UNSET
    return world.apply("operator.call", call.args[0], call.args[1:], call.offset, call.kwargs)


@effect("functools.reduce")
def _reduce(world: Caller, call: Call) -> Value | Unset:
    if len(call.args) < 2:
        return UNSET
    items = world.force(call.args[1])
    function = call.args[0]
    if items is None:
        return world.apply(
            "reduce",
            function,
            (Unknown(call.offset, "an item of an iterable", call.args[1:]),) * 2,
            call.offset,
        )
    items = [*call.args[2:3], *first(items)]
    if not items:
        return UNSET
    total = items[0]
    for value in items[1:]:
        total = world.apply("reduce", function, (total, value), call.offset)
    return total


@effect("builtins.sorted", "builtins.min", "builtins.max")
def _with_key(world: Caller, call: Call) -> Value | Unset:
    key = _arg(world, call, len(call.args), "key")
    if isinstance(key, Unset) or key is None:
        return _pure(world, path_of(call.callee) or "", call)
    items = items_for(world, call.args[0]) if len(call.args) == 1 else list(call.args)
    for value in items if items is not None else [Unknown(call.offset, "an item of an iterable", call.args)]:
        world.apply("key", key, (value,), call.offset)
    return UNSET


def items_for(world: Caller, value: Value) -> list[Value] | None:
    """Items of an iterable, with the calls that iterating makes."""
    items = world.force(value)
    return None if items is None else first(items)


def first(items: Sequence[Value]) -> list[Value]:
    """The items; of very many the first ones, and something unknown that stands for all others."""
    if len(items) <= MAX_ITEMS or (len(items) == MAX_ITEMS + 1 and items[-1] is OTHERS):
        return list(items)
    return [*items[:MAX_ITEMS], OTHERS]


OTHERS = Unknown(0, "one of very many items")


_BUILT_IN = "object tuple list dict set frozenset str bytes int float".split()


@effect("copyreg.__newobj__", "copyreg.__newobj_ex__", *(f"builtins.{kind}.__new__" for kind in _BUILT_IN))
def _newobj(world: Caller, call: Call) -> Value | Unset:
    if not call.args:
        return UNSET
    return world.call(Call(call.offset, "NEWOBJ", call.args[0], tuple(call.args[1:]), mode="new"))


@effect("copyreg._reconstructor")
def _reconstructor(world: Caller, call: Call) -> Value | Unset:
    if len(call.args) != 3:
        return UNSET
    base = path_of(call.args[1])
    if base != "builtins.object":
        return UNSET
    return world.call(Call(call.offset, "copyreg._reconstructor", call.args[0], (), mode="new"))
