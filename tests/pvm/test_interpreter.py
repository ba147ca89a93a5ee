"""What Python's own functions do to abstract values: names, attributes, constants, iterators, namespaces."""

from __future__ import annotations

import base64
import bz2
import gzip
import lzma
import zlib

import pytest

import pvm
from pvm.fold import to_python
from pvm.limits import Limits
from pvm.paths import path_of
from pvm.trace import Import
from pvm.values import Blob, Call, Global, Unknown, Value, reveal


def _push(value: object) -> bytes:
    match value:
        case str():
            raw = value.encode()
            return b"X" + len(raw).to_bytes(4, "little") + raw
        case bytes():
            return b"B" + len(value).to_bytes(4, "little") + value
        case int():
            return b"I%d\n" % value
        case tuple():
            return b"(" + b"".join(map(_push, value)) + b"t"
        case list():
            return b"(" + b"".join(map(_push, value)) + b"l"
        case Raw():
            return value.code
    raise TypeError(value)


class Raw:
    """Opcodes that push something."""

    def __init__(self, code: bytes) -> None:
        self.code = code


def name(path: str) -> Raw:
    """A global: the module up to the colon, the name behind it."""
    module, _, attribute = path.partition(":")
    return Raw(f"c{module}\n{attribute}\n".encode())


def call(function: str | Raw, *args: object) -> Raw:
    """A REDUCE."""
    callee = name(function) if isinstance(function, str) else function
    return Raw(callee.code + _push(args) + b"R")


def load(value: Raw) -> Value:
    """What the program's result is known to be."""
    trace = pvm.run(b"\x80\x04" + value.code + b".")
    assert trace.complete, trace.fault
    return reveal(trace.result)


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        (call("operator:concat", "o", "s"), "os"),
        (call("_operator:add", "sys", "tem"), "system"),
        (call("builtins:str.join", "", ["o", "s"]), "os"),
        (call("builtins:str.replace", "o~s", "~", ""), "os"),
        (call("builtins:getattr", "metsys", "upper"), None),
        (call(call("builtins:getattr", "os", "upper")), "OS"),
        (call("codecs:decode", "flfgrz", "rot13"), "system"),
        (call("builtins:bytes.fromhex", "6f73"), b"os"),
        (call("base64:b64decode", base64.b64encode(b"system").decode()), b"system"),
        (call("zlib:decompress", zlib.compress(b"system")), b"system"),
        (call("bz2:decompress", bz2.compress(b"system")), b"system"),
        (call("lzma:decompress", lzma.compress(b"system")), b"system"),
        (call("gzip:decompress", gzip.compress(b"system")), b"system"),
        (call("builtins:str.join", "", call("builtins:map", name("builtins:chr"), [111, 115])), "os"),
        (call(call("operator:itemgetter", 1), ["x", "os"]), "os"),
        (call(call("functools:partial", name("operator:concat"), "o"), "s"), "os"),
        (call("functools:reduce", name("operator:add"), ["o", "s"]), "os"),
        (call("builtins:bytes", call("builtins:reversed", b"so")), b"os"),
        (call("operator:getitem", "so", call("builtins:slice", Raw(b"N"), Raw(b"N"), -1)), "os"),
        (call(call("operator:methodcaller", "strip", "x"), "xosx"), "os"),
        (call("operator:mul", "x", 10**9), None),
        (call("builtins:bytes", 10**12), None),
        (call("builtins:str.zfill", "x", 10**12), None),
        (call("codecs:decode", "x", "no-such-codec"), None),
    ],
)
def test_pure_functions_on_constants(program: Raw, expected: object) -> None:
    """Evaluated within bounds; None stands for `not known`."""
    result = load(program)
    assert result == expected if expected is not None else isinstance(result, pvm.values.Node)


@pytest.mark.parametrize(
    ("program", "path"),
    [
        (name("posix:system"), "os.system"),
        (name("shutil:os.system"), "os.system"),
        (name("logging:os.system"), "os.system"),
        (name("tempfile:_os.system"), "os.system"),
        (name("io:open"), "builtins.open"),
        (name("_pickle:loads"), "pickle.loads"),
        (name("builtins:len.__self__.eval"), "builtins.eval"),
        (name("builtins:eval.__call__"), "builtins.eval"),
        (call("importlib:import_module", "os"), "os"),
        (call("builtins:__import__", "os.path"), "os"),
        (call("builtins:getattr", call("importlib:import_module", "os"), "system"), "os.system"),
        (call("operator:getitem", name("sys:modules"), "os"), "os"),
        (call("sys:modules.get", "os"), "os"),
        (call("operator:getitem", name("os:__dict__"), "system"), "os.system"),
        (
            call("operator:getitem", call("builtins:vars", call("builtins:__import__", "os")), "system"),
            "os.system",
        ),
        (call(call("operator:attrgetter", "os.system"), call("builtins:__import__", "shutil")), "os.system"),
        (call("builtins:getattr", call("cProfile:Profile"), "run"), "cProfile.Profile.run"),
        (call("pkgutil:resolve_name", "os:system"), "os.system"),
    ],
)
def test_all_ways_to_an_object_have_one_path(program: Raw, path: str) -> None:
    """Aliases, dotted names, attributes of modules, namespaces."""
    assert path_of(load(program)) == path


OS = call("builtins:__import__", "os")


@pytest.mark.parametrize(
    "setup",
    [
        name("sys:modules").code + _push("harmless") + call("builtins:__import__", "os").code + b"s0",
        call(
            "sys:modules.update",
            Raw(b"}" + _push("harmless") + call("builtins:__import__", "os").code + b"s"),
        ).code
        + b"0",
        call("sys:modules.setdefault", "harmless", call("builtins:__import__", "os")).code + b"0",
        call("operator:setitem", name("sys:modules"), "harmless", call("builtins:__import__", "os")).code
        + b"0",
        name("harmless:__dict__").code + _push("system") + name("os:system").code + b"s0",
        call("builtins:setattr", call("builtins:__import__", "harmless"), "system", name("os:system")).code
        + b"0",
        call("builtins:__import__", "harmless").code
        + b"}"
        + _push("system")
        + name("os:system").code
        + b"sb0",
    ],
)
def test_writes_to_namespaces_change_what_a_name_means(setup: bytes) -> None:
    """`harmless.system` is `os.system` afterwards, and not before."""
    for order, expected in (
        (setup + name("harmless:system").code, "os.system"),
        (name("harmless:system").code, "harmless.system"),
    ):
        trace = pvm.run(b"\x80\x04" + order + b".")
        last = [event for event in trace.events if isinstance(event, Import)][-1]
        assert path_of(last.value) == expected


HARMLESS = b"}" + _push("inner") + call("builtins:__import__", "os").code + b"sb0"


@pytest.mark.parametrize(
    ("program", "path"),
    [
        (name("harmless:inner.system"), "os.system"),
        (name("harmless:inner.path.join"), "os.path.join"),
        (call("builtins:getattr", call("builtins:__import__", "harmless"), "inner"), "os"),
        (call("builtins:getattr", name("harmless:inner"), "system"), "os.system"),
        (call("operator:getitem", name("harmless:__dict__"), "inner"), "os"),
        (call("operator:getitem", name("sys:modules"), "harmless"), "harmless"),
        (name("harmless:other.system"), "harmless.other.system"),
    ],
)
def test_what_was_written_is_found_in_every_way(program: Raw, path: str) -> None:
    """By a dotted name, as an attribute, and in a namespace."""
    setup = call("builtins:__import__", "harmless").code + HARMLESS
    assert path_of(load(Raw(setup + program.code))) == path


def test_an_item_of_what_is_no_namespace_is_not_known() -> None:
    assert path_of(load(call("operator:getitem", name("harmless:table"), "system"))) != "harmless.system"


def test_a_state_that_grows_is_written_anew() -> None:
    """What was added between two times counts, and only the second time."""
    data = (
        call("builtins:__import__", "harmless").code
        + b"q\x00}q\x01"
        + _push("one")
        + name("os:system").code
        + b"sb0"
        b"h\x01" + _push("two") + name("os:popen").code + b"s0"
    )
    two = name("harmless:two").code
    assert path_of(load(Raw(data + two))) == "harmless.two"
    assert path_of(load(Raw(data + b"h\x00h\x01b0" + two))) == "os.popen"
    assert path_of(load(Raw(data + b"h\x00h\x01b0" + name("harmless:one").code))) == "os.system"


def test_a_write_under_an_unknown_name_taints_later_globals() -> None:
    """Nothing can be said of them any more."""
    unknown = call("somewhere:function")
    data = name("sys:modules").code + unknown.code + b"Ns0" + name("os:path").code
    assert isinstance(load(Raw(data)), Unknown)


def test_extension_codes_that_the_pickle_registers() -> None:
    """By an item of the registry, and by the function for it."""
    by_item = name("copyreg:_inverted_registry").code + _push(221) + _push(("os", "system")) + b"s0\x82\xdd"
    by_call = call("copyreg:add_extension", "os", "system", 221).code + b"0\x82\xdd"
    for data in (by_item, by_call):
        found = load(Raw(data))
        assert isinstance(found, Global) and found.path == "os.system"


@pytest.mark.parametrize(
    "consumer",
    [
        "builtins:list",
        "builtins:tuple",
        "builtins:set",
        "builtins:any",
        "builtins:next",
        "collections:deque",
        "a:b",
    ],
)
def test_a_lazy_iterator_calls_when_it_is_consumed(consumer: str) -> None:
    """Not when it is made."""
    lazy = call("builtins:map", name("os:system"), ["echo inert"])
    alone = pvm.run(b"\x80\x04" + lazy.code + b".")
    consumed = pvm.run(b"\x80\x04" + call(consumer, lazy).code + b".")

    def system(trace: pvm.Trace) -> list[Call]:
        return [
            event
            for event in trace.events
            if isinstance(event, Call) and path_of(event.callee) == "os.system"
        ]

    assert system(alone) == []
    assert [one.args for one in system(consumed)] == [("echo inert",)]


def test_partial_state_replaces_the_function() -> None:
    """BUILD on a partial object."""
    state = (name("os:system"), ("echo inert",), Raw(b"}"), Raw(b"N"))
    data = call("functools:partial", name("builtins:print")).code + _push(state) + b"b)R"
    trace = pvm.run(b"\x80\x04" + data + b".")
    last = [event for event in trace.events if isinstance(event, Call)][-1]
    assert path_of(last.callee) == "os.system" and last.args == ("echo inert",)


def test_local_names_are_refused_after_the_import_up_to_3_13() -> None:
    """The module has been imported by then."""
    data = b"\x80\x04cm\n<locals>.x\n."
    old, new = pvm.run(data), pvm.run(data, python_version=(3, 14))
    assert not old.complete and new.complete
    assert len(old.events) == len(new.events) == 1


@pytest.mark.parametrize("opcode", [b"U\x28", b"T\x28\0\0\0"])
@pytest.mark.parametrize(("encoding", "kind"), [("bytes", "bytes"), ("any", "str")])
def test_a_long_python_2_string_is_not_decoded(opcode: bytes, encoding: str, kind: str) -> None:
    limits = Limits(constant_bytes=39)
    result = pvm.run(opcode + b"\xff" * 40 + b".", encoding=encoding, limits=limits).result
    assert isinstance(result, Blob)
    assert (result.kind, result.stop - result.start) == (kind, 40)


def test_a_long_python_2_string_is_decoded_where_it_is_needed() -> None:
    data = b"T\x28\0\0\0" + b"\xff" * 40 + b"."
    result = pvm.run(data, encoding="any", limits=Limits(constant_bytes=39)).result
    assert to_python(result, data, 100) == "\xff" * 40
