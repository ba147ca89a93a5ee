"""Gadget pickles for property tests: a known sink, reached and called in ways that hide it, composed at random.

Each strategy draws opcodes that leave one value on the stack. Protocol 4 throughout, so that names may have dots.
Payloads are inert, and nothing here is ever unpickled.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Callable
from typing import TypeAlias

from hypothesis import strategies as st

import assemble as asm

Draw: TypeAlias = st.DrawFn
DEPTH = 3
"""How many disguises may lie in one another."""

SINKS: tuple[tuple[str, str, tuple[object, ...]], ...] = (
    ("os", "system", ("echo inert",)),
    ("posix", "system", ("echo inert",)),
    ("os", "popen", ("echo inert",)),
    ("subprocess", "Popen", ("echo inert",)),
    ("subprocess", "getoutput", ("echo inert",)),
    ("builtins", "exec", ("print('inert')",)),
    ("builtins", "eval", ("print('inert')",)),
    ("timeit", "timeit", ("print('inert')",)),
    ("cProfile", "run", ("print('inert')",)),
    ("pty", "spawn", ("echo",)),
    ("shutil", "rmtree", ("/tmp/pvmscan-inert",)),
    ("os", "remove", ("/tmp/pvmscan-inert",)),
    ("ctypes", "CDLL", ("/tmp/pvmscan-inert.so",)),
    ("webbrowser", "open", ("http://127.0.0.1/inert",)),
)


class Scope:
    """What parts of one program must not use twice."""

    def __init__(self) -> None:
        self.slots = 0
        self.names = 0

    def slot(self) -> int:
        """An unused place in the memo."""
        self.slots += 1
        return self.slots

    def name(self) -> str:
        """An unused name of a module."""
        self.names += 1
        return f"helper{self.names}"


# Text ------------------------------------------------------------------------------------------------------


def constant(draw: Draw, text: str) -> bytes:
    """A text in one of its encodings."""
    raw = text.encode()
    return draw(
        st.sampled_from(
            (
                asm.text(text),
                b"\x8d" + struct.pack("<Q", len(raw)) + raw,
                b"V" + text.encode("raw_unicode_escape") + b"\n",
                b"\x8c" + bytes([len(raw)]) + raw if len(raw) < 256 else asm.text(text),
            )
        )
    )


def spelled(draw: Draw, scope: Scope, text: str, depth: int = 0) -> bytes:
    """Opcodes that push a text, which may be computed."""
    if depth >= DEPTH or draw(st.booleans()):
        return constant(draw, text)
    return draw(st.sampled_from(_SPELLINGS))(draw, scope, text, depth + 1)


def _remembered(draw: Draw, scope: Scope, text: str, depth: int) -> bytes:
    slot = scope.slot()
    return spelled(draw, scope, text, depth) + asm.put(slot) + asm.POP + asm.get(slot)


def _halves(draw: Draw, scope: Scope, text: str, depth: int) -> tuple[bytes, bytes]:
    cut = draw(st.integers(0, len(text)))
    return spelled(draw, scope, text[:cut], depth), spelled(draw, scope, text[cut:], depth)


def _concatenated(draw: Draw, scope: Scope, text: str, depth: int) -> bytes:
    function = draw(st.sampled_from(("operator.concat", "operator.add", "operator.iadd")))
    return asm.call(asm.at(function), *_halves(draw, scope, text, depth))


def _joined(draw: Draw, scope: Scope, text: str, depth: int) -> bytes:
    parts = asm.list_of(*_halves(draw, scope, text, depth))
    if draw(st.booleans()):
        return asm.call(asm.stack_global("builtins", "str.join"), asm.text(""), parts)
    return asm.call(asm.attribute(asm.text(""), "join"), parts)


def _formatted(draw: Draw, scope: Scope, text: str, depth: int) -> bytes:
    halves = _halves(draw, scope, text, depth)
    if draw(st.booleans()):
        return asm.call(asm.at("operator.mod"), asm.text("%s%s"), asm.tuple_of(*halves))
    return asm.call(asm.stack_global("builtins", "str.format"), asm.text("{}{}"), *halves)


def _turned(draw: Draw, scope: Scope, text: str, depth: int) -> bytes:
    backwards = asm.call(asm.stack_global("builtins", "slice"), asm.NONE, asm.NONE, asm.number(-1))
    return asm.call(asm.at("operator.getitem"), spelled(draw, scope, text[::-1], depth), backwards)


def _replaced(draw: Draw, scope: Scope, text: str, depth: int) -> bytes:
    spoiled = spelled(draw, scope, "~".join(text), depth)
    return asm.call(asm.stack_global("builtins", "str.replace"), spoiled, asm.text("~"), asm.text(""))


def _decoded(draw: Draw, scope: Scope, text: str, depth: int) -> bytes:
    raw = draw(st.sampled_from(_ENCODERS))(text.encode())
    if draw(st.booleans()):
        return asm.call(asm.at("codecs.decode"), raw, asm.text("utf-8"))
    return asm.call(asm.stack_global("builtins", "bytes.decode"), raw)


_ENCODERS: tuple[Callable[[bytes], bytes], ...] = (
    asm.data,
    lambda raw: asm.call(asm.at("base64.b64decode"), asm.data(base64.b64encode(raw))),
    lambda raw: asm.call(asm.at("binascii.unhexlify"), asm.text(raw.hex())),
    lambda raw: asm.call(asm.stack_global("builtins", "bytes.fromhex"), asm.text(raw.hex())),
    lambda raw: asm.call(asm.at("zlib.decompress"), asm.data(zlib.compress(raw))),
    lambda raw: asm.call(asm.stack_global("builtins", "bytes"), asm.list_of(*map(asm.number, raw))),
)
_SPELLINGS = (_remembered, _concatenated, _joined, _formatted, _turned, _replaced, _decoded)


# Modules and callees ---------------------------------------------------------------------------------------


def module(draw: Draw, scope: Scope, name: str) -> bytes:
    """Opcodes that push a module."""
    spelling = spelled(draw, scope, name)
    importing = draw(st.sampled_from(("importlib.import_module", "builtins.__import__")))
    imported = asm.call(asm.at(importing), spelling)
    way = draw(st.integers(0, 2))
    if way == 0:
        return imported
    loaded = imported + asm.POP  # so that it is in sys.modules
    if way == 1:
        return loaded + asm.call(asm.at("operator.getitem"), asm.at("sys.modules"), spelling)
    return loaded + asm.call(asm.attribute(asm.at("sys.modules"), "get"), spelling)


def callee(draw: Draw, scope: Scope, owner: str, name: str) -> bytes:
    """Opcodes that push the sink."""
    found = draw(st.sampled_from(_WAYS))(draw, scope, owner, name)
    return draw(st.sampled_from(_ALIASES))(draw, scope, found)


def _by_name(draw: Draw, scope: Scope, owner: str, name: str) -> bytes:
    return spelled(draw, scope, owner) + spelled(draw, scope, name) + b"\x93"


def _by_line(draw: Draw, scope: Scope, owner: str, name: str) -> bytes:
    return asm.glob(owner, name)


def _by_attribute(draw: Draw, scope: Scope, owner: str, name: str) -> bytes:
    return asm.attribute(module(draw, scope, owner), spelled(draw, scope, name))


def _by_getter(draw: Draw, scope: Scope, owner: str, name: str) -> bytes:
    getter = asm.call(asm.at("operator.attrgetter"), spelled(draw, scope, name))
    return asm.call(getter, module(draw, scope, owner))


def _by_namespace(draw: Draw, scope: Scope, owner: str, name: str) -> bytes:
    names = asm.call(asm.stack_global("builtins", "vars"), module(draw, scope, owner))
    return asm.call(asm.at("operator.getitem"), names, spelled(draw, scope, name))


def _by_alias_of_a_module(draw: Draw, scope: Scope, owner: str, name: str) -> bytes:
    alias = scope.name()
    modules = asm.at("sys.modules")
    if draw(st.booleans()):
        written = asm.set_item(modules, asm.text(alias), module(draw, scope, owner))
    else:
        written = asm.call(asm.at("operator.setitem"), modules, asm.text(alias), module(draw, scope, owner))
    return written + asm.POP + asm.glob(alias, name)


_WAYS = (_by_name, _by_name, _by_line, _by_attribute, _by_getter, _by_namespace, _by_alias_of_a_module)


def _plain(draw: Draw, scope: Scope, found: bytes) -> bytes:
    return found


def _from_memo(draw: Draw, scope: Scope, found: bytes) -> bytes:
    slot = scope.slot()
    return found + asm.put(slot) + asm.POP + noise(draw) + asm.get(slot)


def _from_list(draw: Draw, scope: Scope, found: bytes) -> bytes:
    return asm.call(asm.at("operator.getitem"), asm.list_of(found, asm.NONE), asm.number(0))


def _from_dict(draw: Draw, scope: Scope, found: bytes) -> bytes:
    """The entry is written after the dict was remembered."""
    slot = scope.slot()
    made = asm.EMPTY_DICT + asm.put(slot) + asm.set_item(b"", asm.text("run"), found) + asm.POP
    return made + asm.call(asm.at("operator.getitem"), asm.get(slot), asm.text("run"))


def _partial(draw: Draw, scope: Scope, found: bytes) -> bytes:
    return asm.call(asm.at("functools.partial"), found)


_ALIASES = (_plain, _plain, _from_memo, _from_list, _from_dict, _partial)


# Calls -----------------------------------------------------------------------------------------------------


def called(draw: Draw, scope: Scope, owner: str, name: str, arguments: tuple[object, ...]) -> bytes:
    """Opcodes that call the sink."""
    values = [spelled(draw, scope, one) if isinstance(one, str) else asm.value(one) for one in arguments]
    return draw(st.sampled_from(_CALLS))(draw, scope, (owner, name), values)


def _reduce(draw: Draw, scope: Scope, sink: tuple[str, str], values: list[bytes]) -> bytes:
    return asm.call(callee(draw, scope, *sink), *values)


def _obj(draw: Draw, scope: Scope, sink: tuple[str, str], values: list[bytes]) -> bytes:
    return asm.obj(callee(draw, scope, *sink), *values)


def _inst(draw: Draw, scope: Scope, sink: tuple[str, str], values: list[bytes]) -> bytes:
    return asm.inst(*sink, *values)


def _mapped(draw: Draw, scope: Scope, sink: tuple[str, str], values: list[bytes]) -> bytes:
    columns = [asm.list_of(value) for value in values]
    lazy = asm.call(asm.stack_global("builtins", "map"), callee(draw, scope, *sink), *columns)
    consumer = draw(st.sampled_from(("list", "tuple", "set", "sorted", "any")))
    return asm.call(asm.stack_global("builtins", consumer), lazy)


def _late(draw: Draw, scope: Scope, sink: tuple[str, str], values: list[bytes]) -> bytes:
    return asm.call(asm.call(asm.at("functools.partial"), callee(draw, scope, *sink), *values))


def _by_method(draw: Draw, scope: Scope, sink: tuple[str, str], values: list[bytes]) -> bytes:
    caller = asm.call(asm.at("operator.methodcaller"), asm.text("__call__"), *values)
    return asm.call(caller, callee(draw, scope, *sink))


def _by_state(draw: Draw, scope: Scope, sink: tuple[str, str], values: list[bytes]) -> bytes:
    """BUILD gives an object the sink as its `__setstate__`, and then a state."""
    made = asm.call(asm.at("types.SimpleNamespace"))
    armed = asm.build(made, asm.dict_of(__setstate__=callee(draw, scope, *sink)))
    return asm.build(armed, values[0])


def _loaded(draw: Draw, scope: Scope, sink: tuple[str, str], values: list[bytes]) -> bytes:
    """A pickle in a pickle."""
    inner = Scope()
    content = asm.program(4, asm.call(callee(draw, inner, *sink), *values))
    function = draw(st.sampled_from(("pickle.loads", "_pickle.loads", "pickle._loads")))
    return asm.call(asm.at(function), draw(st.sampled_from(_ENCODERS))(content))


_CALLS = (_reduce, _reduce, _obj, _inst, _mapped, _late, _by_method, _by_state)


# Programs --------------------------------------------------------------------------------------------------


def noise(draw: Draw) -> bytes:
    """Opcodes that leave the stack as it was."""
    return draw(
        st.sampled_from(
            (b"", asm.NONE + asm.POP, asm.MARK + asm.NONE + b"1", asm.EMPTY_LIST + b"20" + asm.POP)
        )
    )


def _kept(draw: Draw, run: bytes) -> bytes:
    honest = asm.value({"epoch": 3, "sizes": [1, 2, 3]})
    return draw(
        st.sampled_from(
            (
                run,
                run + asm.POP + honest,
                asm.list_of(honest, run),
                asm.dict_of(weights=honest, extra=run),
                asm.tuple_of(honest, honest, honest, run),
                asm.call(asm.at("collections.OrderedDict"), asm.list_of(asm.tuple_of(asm.text("a"), run))),
            )
        )
    )


@st.composite
def gadgets(draw: Draw) -> bytes:
    """A whole pickle that calls a sink."""
    scope = Scope()
    sink = draw(st.sampled_from(SINKS))
    way = called if draw(st.integers(0, 4)) else _nested
    return asm.program(4, noise(draw), _kept(draw, way(draw, scope, *sink)))


def _nested(draw: Draw, scope: Scope, owner: str, name: str, arguments: tuple[object, ...]) -> bytes:
    return _loaded(draw, scope, (owner, name), [asm.value(one) for one in arguments])
