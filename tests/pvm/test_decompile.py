"""Source from traces: it always parses, and for plain data it says exactly what the pickle says."""

from __future__ import annotations

import ast
import itertools
import pickle
import random

import pytest

import assemble as asm
import programs
import pvm
from corpus import CORPUS
from pvm import dialects, machine, world
from pvm.decompile import decompile
from pvm.limits import Limits
from pvm.trace import SetAttribute, Trace
from pvm.values import Call, Node


def run(data: bytes) -> Trace:
    return machine.run(data, dialects.dialect("c"), world.World())


def source(data: bytes) -> str:
    text = decompile(run(data))
    ast.parse(text)
    return text


def lines(data: bytes) -> list[str]:
    return source(data).splitlines()


def test_a_call() -> None:
    assert lines(b"cposix\nsystem\n(S'echo inert'\ntR.") == [
        "from os import system  # written as posix.system",
        "result = system('echo inert')",
    ]


def test_names_that_are_no_identifiers() -> None:
    assert lines(b"ca-b\nc d\n.") == [
        "import importlib",
        "v1 = getattr(importlib.import_module('a-b'), 'c d')",
        "result = v1",
    ]
    assert lines(b"\x80\x04\x8c\x01a\x8c\x03b.c\x93.") == ["import a", "result = a.b.c"]
    assert lines(b"\x80\x04\x8c\x01a\x8c\x06if.\xc3\xa9c\x93.")[-2:] == [
        "v1 = functools.reduce(getattr, ['if', 'éc'], importlib.import_module('a'))",
        "result = v1",
    ]


def test_equal_names_of_different_modules() -> None:
    assert lines(b"(ca\nx\ncb\nx\ncb\nv1\ncc\nresult\ncbuiltins\nset\ncc\nset\nt.")[-1] == (
        "result = (x, x_2, v1_2, result_2, set, set_2)"
    )


def test_calls_keep_their_order() -> None:
    """Nested where that is the order of evaluation, in variables where it is not."""
    nested = lines(b"cm\nf\n(cm\ng\n(K\x01tRcm\nh\n(K\x02tRtR.")
    assert nested[-1] == "result = f(g(1), h(2))"
    swapped = lines(b"cm\ng\n)Rq\x00cm\nh\n)Rq\x01cm\nf\n(h\x01h\x00tR.")
    assert swapped[-3:] == ["v1 = g()", "v2 = h()", "result = f(v2, v1)"]
    assert lines(b"cm\ng\n)R0cm\nh\n)R.")[-1] == "result = h()"
    assert "g()" in lines(b"cm\ng\n)R0cm\nh\n)R.")


def test_a_list_that_grows_after_its_use() -> None:
    assert lines(b"]q\x00K\x00a0cm\nf\nq\x01h\x00\x85R0h\x00K\x01a(K\x02K\x03e.") == [
        "from m import f",
        "v1 = [0]",
        "f(v1)",
        "v1.append(1)",
        "v1.extend([2, 3])",
        "result = v1",
    ]


def test_objects_and_their_states() -> None:
    text = source(b"cm\nC\n)\x81}X\x01\x00\x00\x00aK\x01sb.")
    assert "v1 = C.__new__(C)" in text
    assert "v1.__setstate__({'a': 1})  # or __dict__.update" in text
    assert source(b"cm\nC\n)}X\x01\x00\x00\x00aK\x01s\x92.").endswith("result = C.__new__(C, a=1)\n")
    assert "v1['k'] = 1" in source(b"cm\nC\n)RX\x01\x00\x00\x00kK\x01s.")
    assert "extend([1, 2])" in source(b"cm\nC\n)R(K\x01K\x02e.")
    assert "result = persistent_load(('storage', 0))" in source(b"(X\x07\x00\x00\x00storageK\x00tQ.")


class Class(world.Depends):
    """A loader whose class has `__setstate__`, or has not."""

    def __init__(self, setstate: bool) -> None:
        self.setstate = setstate

    def has(self, value: Node, attribute: str) -> bool | None:
        return self.setstate if attribute == "__setstate__" else None


@pytest.mark.parametrize(
    ("setstate", "state", "expected"),
    [
        (True, b"}Vk\nK\x01s", "v1.__setstate__({'k': 1})"),
        (False, b"}Vk\nK\x01s", "v1.__dict__['k'] = 1"),
        (False, b"N}Vk\nK\x01s\x86", "v1.k = 1"),
        (False, b"cm\ng\n)R", "v1.__dict__.update(g())"),
    ],
)
def test_a_state_is_written_as_the_class_takes_it(setstate: bool, state: bytes, expected: str) -> None:
    trace = machine.run(b"cm\nC\n)R" + state + b"b.", dialects.dialect("c"), world.World(Class(setstate)))
    assert trace.complete and decompile(trace).splitlines()[-2:] == [expected, "result = v1"]


def test_a_set_that_grows_after_its_use() -> None:
    data = b"\x80\x04\x8fq\x00(K\x01\x90cm\nf\nh\x00\x85R0h\x00(K\x02\x900h\x00(K\x03K\x04\x90."
    assert lines(data)[1:] == ["v1 = {1}", "f(v1)", "v1.add(2)", "v1.update([3, 4])", "result = v1"]


def test_additions_to_objects() -> None:
    """By the opcode, and by how many there are."""
    made = b"cm\nC\n)R"
    assert lines(made + b"K\x01a.")[-2] == "v1.extend([1])  # or append, one by one"
    assert lines(b"\x80\x04" + made + b"(K\x01\x90.")[-2] == "v1.add(1)"
    assert lines(b"\x80\x04" + made + b"(K\x01K\x02\x90.")[-2] == "for item in [1, 2]: v1.add(item)"


def known(data: bytes) -> list[str]:
    """The source in the world in which Python's own functions do what they do."""
    text = decompile(pvm.run(data))
    ast.parse(text)
    return text.splitlines()


@pytest.mark.parametrize(
    ("name", "how", "expected"),
    [
        ("a", "dict", "C.__dict__['a'] = 1"),
        ("a", "setattr", "C.a = 1"),
        ("b c", "setattr", "setattr(C, 'b c', 1)"),
        ("if", "setattr", "setattr(C, 'if', 1)"),
        (7, "dict", "C.__dict__[7] = 1"),
    ],
)
def test_attributes_that_are_written(name: str | int, how: str, expected: str) -> None:
    """One by one, where the world knows that BUILD writes them."""
    trace = run(b"cm\nC\n.")
    trace.events.append(SetAttribute(5, trace.result, name, 1, how))
    assert decompile(trace).splitlines()[-2:] == [expected, "result = C"]


def test_a_write_may_change_what_an_import_finds() -> None:
    """So the import that came after it stands after it."""
    text = lines(b"cm\nf\n0cm\nC\n)RN}X\x01\0\0\0aK\x01s\x86bcm\nf\n\x86.")
    assert [line for line in text if line == "from m import f"] == ["from m import f"] * 2
    assert text.index("from m import f") < text.index("v1 = C()") < len(text) - 2


def test_computed_names() -> None:
    assert known(asm.program(4, asm.stack_global(asm.call(asm.glob("m", "f")), "a"))) == [
        "from m import f",
        "import importlib",
        "result = getattr(importlib.import_module(f()), 'a')",
    ]
    called = asm.call(asm.call(asm.glob("importlib", "import_module"), asm.text("os")), asm.text("x"))
    assert known(asm.program(2, called))[-1] == "result = import_module('os')('x')  # os('x')"


def test_a_computed_name_that_is_known_is_told() -> None:
    data = asm.program(4, asm.stack_global("m", asm.call(asm.glob("builtins", "str"), asm.text("x"))))
    assert known(data)[-1] == "result = getattr(importlib.import_module('m'), str('x'))  # m.x"


def test_names_under_which_the_pickle_has_put_something_else() -> None:
    """A constant, an attribute of an object, and something that is not known."""
    number = b"\x80\x04cm\nC\n}X\x01\0\0\0xK\x07sb0X\x01\0\0\0mX\x03\0\0\0C.x\x93."
    assert known(number)[-1] == "result = 7"
    assert known(b"csys\nmodules\nVm\ncn\nf\n)Rs0cm\nC\n)R.")[-3:] == [
        "v1 = f()",
        "modules['m'] = v1",
        "result = v1.C()",
    ]
    assert known(b"csys\nmodules\nK\x01K\x02s0cm\nC\n)R.")[-3:] == [
        "modules[1] = 2",
        "from m import C",
        "result = C()",
    ]


def test_items_that_are_replaced() -> None:
    data = b"](K\x01K\x02eq\x00cm\nf\nh\x00\x85R0h\x00K\x01K\x09s."
    assert lines(data) == ["from m import f", "v1 = [1, 2]", "f(v1)", "v1[1] = 9", "result = v1"]


def test_what_the_loader_supplies() -> None:
    assert lines(b"\x80\x05\x97\x98.") == ["result = next_buffer()"]
    assert lines(b"\x80\x05\x96\x01\0\0\0\0\0\0\0a\x98.") == [
        "result = memoryview(bytearray(b'a')).toreadonly()"
    ]
    assert lines(b"\x80\x04\x82\x05.") == ["result = extension(5)"]
    assert lines(b"Pid\n.") == ["result = persistent_load('id')"]


@pytest.mark.parametrize("limit", [3, 1000])
@pytest.mark.parametrize("more", [b"", b"(K\x01K\x02e", b"K\x01a"])
def test_source_of_a_bytearray_makes_it(limit: int, more: bytes) -> None:
    """Too long to be decoded or not, it is the sum of its parts."""
    data = b"\x80\x05\x96\x04\0\0\0\0\0\0\0abcd" + more + b"."
    namespace: dict[str, object] = {"pickle_data": data}
    exec(decompile(pvm.run(data, limits=Limits(constant_bytes=limit))), namespace)
    assert namespace["result"] == pickle.loads(data)


def test_a_bytearray_of_what_is_computed() -> None:
    data = b"\x80\x05\x96\x04\0\0\0\0\0\0\0abcd(K\x01cm\nf\n)RK\x02e."
    assert lines(data)[-1] == "result = bytearray(b'abcd\\x01' + bytes([f()]) + b'\\x02')"
    assert lines(b"\x80\x05\x96\0\0\0\0\0\0\0\0cm\nf\n)Ra.")[-1] == "result = bytearray([f()])"


def test_a_note_on_what_is_called() -> None:
    listed = asm.call(asm.glob("builtins", "map"), asm.glob("os", "system"), asm.list_of(asm.text("a")))
    assert known(asm.program(4, asm.call(asm.glob("builtins", "list"), listed)))[-2:] == [
        "# os.system('a')  # called by map",
        "result = v1",
    ]


def test_what_ended_it() -> None:
    assert lines(b"cos\nsystem\n)R\xff")[-2:] == [
        "system()",
        "# stops here: byte 0xff is no opcode (offset 13)",
    ]


def test_sharing_does_not_multiply() -> None:
    assert len(source(b"K\x01" + b"2\x86" * 200 + b".")) < 10_000
    data = b"X\xe8\x03\x00\x00" + b"a" * 1000 + b"q\x00(" + b"h\x00" * 1000 + b"l."
    assert len(source(data)) < 10_000


@pytest.mark.parametrize(
    "data",
    [
        b"]" * 20_000 + b"a" * 19_999 + b".",
        b"cm\nf\nq\x01K\x01" + b"\x85q\x020h\x01h\x02R" * 3000 + b".",
        b"]" + b"K\x01a" * 50_000 + b".",
    ],
)
def test_depth_and_width(data: bytes) -> None:
    source(data)


def test_a_budget_is_told() -> None:
    data = b"cm\nf\nq\x010" + b"h\x01)R0" * 100 + b"N."
    text = decompile(run(data), lines=10)
    assert len(text.splitlines()) == 11 and "truncated here" in text
    ast.parse(text)
    ast.parse(decompile(run(data), characters=20))


def test_derived_calls_are_comments() -> None:
    trace = run(b"cm\nf\n)R.")
    (call,) = [event for event in trace.events if isinstance(event, Call)]
    trace.events.append(Call(call.offset, "map", call.callee, ("a\nb",)))
    assert "# m.f('a\\nb')  # called by map" in decompile(trace)


def random_data(rng: random.Random, depth: int, seen: list[object]) -> object:
    """Plain data with sharing and cycles."""
    if depth == 0 or rng.random() < 0.3:
        plain = [None, True, 1, -(7**50), 2.5, float("inf"), "é\ud800\n'\"", b"\x00'", "x" * 300, (), 10**400]
        return rng.choice([*plain, *seen[-3:]])
    kind = rng.choice([list, dict, set, tuple, frozenset, bytearray])
    if kind is bytearray:
        return bytearray(b"abc")
    if kind in (set, frozenset):
        return kind(rng.sample([1, "a", (2, (3,)), None, frozenset([5])], 3))
    if kind is tuple:
        return tuple(random_data(rng, depth - 1, seen) for _ in range(rng.randrange(4)))
    made: list[object] | dict[object, object] = [] if kind is list else {}
    seen.append(made)
    for number in range(rng.randrange(5)):
        item = random_data(rng, depth - 1, seen)
        if isinstance(made, list):
            made.append(item)
        else:
            made[rng.choice([number, str(number)])] = item
    return made


def test_source_of_plain_data_makes_that_data() -> None:
    """The source of our own data is run; pickled again, what it made gives the same bytes."""
    for seed in range(400):
        value = random_data(random.Random(seed), 4, [])
        expected = pickle.loads(pickle.dumps(value, 5))
        namespace: dict[str, object] = {}
        exec(source(pickle.dumps(value, 5)), namespace)
        assert shape(namespace["result"]) == shape(expected)


def shape(root: object) -> list[object]:
    """Structure with identity of mutable objects, as a flat list."""
    numbers: dict[int, int] = {}
    flat: list[object] = []
    pending = [root]
    while pending:
        value = pending.pop()
        if isinstance(value, list | dict | tuple | bytearray):
            if not isinstance(value, tuple):
                known = numbers.setdefault(id(value), len(numbers))
                flat.append((type(value).__name__, known))
                if known != len(numbers) - 1 or flat.count((type(value).__name__, known)) > 1:
                    continue
            flat.append(len(value))
            pending.extend(
                [part for pair in value.items() for part in pair] if isinstance(value, dict) else value
            )
        else:
            flat.append(repr(sorted(map(repr, value))) if isinstance(value, set | frozenset) else repr(value))
    return flat


def test_programs() -> None:
    for data in itertools.islice(programs.stream(4), 3000):
        source(data)


@pytest.mark.skipif(not CORPUS.exists(), reason="the corpus is not in this checkout")
@pytest.mark.parametrize("folder", ["malicious", "tricky"])
def test_corpus(folder: str) -> None:
    for path in sorted((CORPUS / folder).glob("*.pkl")):
        source(path.read_bytes())
