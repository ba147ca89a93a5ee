"""Law: padding never hides anything.

Every limit of the scanner is a place to hide behind: what would be found must still be found, or else told as not
understood, when more decoys stand before it than the limit lets through.
"""

from __future__ import annotations

import base64
import importlib
import json
import marshal
import struct
from collections.abc import Callable
from typing import Any

import pytest

import assemble as asm
import keras_cases
from pvm import effects
from pvm.decode import Data
from pvm.interpreter import Interpreter
from pvm.limits import Limits
from pvm.trace import Event
from pvmscan import Verdict, scan_bytes
from wire_builder import field, number

Padded = Callable[[int], "bytes | str"]
"""A malicious file with so many decoys."""

OS = asm.call(asm.glob("importlib", "import_module"), asm.text("os"))


# Pickles ---------------------------------------------------------------------------------------------------


def among_items(count: int) -> bytes:
    """The last of the calls that an iterator makes."""
    evil = asm.tuple_of(asm.SYSTEM, asm.text(asm.COMMAND))
    decoy = asm.tuple_of(asm.glob("builtins", "len"), asm.text("x"))
    calls = asm.call(
        asm.glob("itertools", "starmap"), asm.glob("operator", "call"), asm.list_of(*[decoy] * count, evil)
    )
    return asm.program(2, asm.call(asm.glob("builtins", "list"), calls))


def computed_from_items(count: int) -> bytes:
    """A name that is the largest of many texts: without the last of them it is a harmless one."""
    texts = asm.list_of(*[asm.text("abs")] * count, asm.text("exec"))
    name = asm.call(
        asm.glob("builtins", "max"), asm.call(asm.glob("builtins", "map"), asm.glob("builtins", "str"), texts)
    )
    return asm.program(4, asm.call(asm.stack_global(asm.text("builtins"), name), asm.text("1")))


def handed_over(count: int) -> bytes:
    """A sink among many callables that an unknown callee gets."""
    decoys = [asm.glob("torch", "FloatStorage")] * count
    return asm.program(2, asm.call(asm.glob("some.lib", "Thing"), asm.list_of(*decoys, asm.SYSTEM)))


def among_attributes(count: int) -> bytes:
    """A sink among many attributes that one call returns."""
    names = [asm.text(f"a{index}") for index in range(count)]
    getter = asm.call(asm.glob("operator", "attrgetter"), *names, asm.text("system"))
    return asm.program(2, asm.call(asm.glob("some.lib", "Thing"), asm.call(getter, OS)))


def in_code(count: int) -> bytes:
    """A telling name behind many others in a code object that is only carried."""
    names = [asm.text(f"name{index}") for index in range(count)]
    names += [asm.text("os"), asm.text("system")]
    code = asm.call(
        asm.glob("dill._dill", "_create_code"), asm.number(0), asm.tuple_of(*names), asm.data(b"\0" * 8)
    )
    return asm.program(4, asm.call(asm.glob("dill._dill", "_create_function"), code, asm.EMPTY_DICT))


def nested(count: int, *parts: bytes) -> bytes:
    """A call within so many others."""
    own = asm.glob("operator", "call")
    return asm.call(own, *[own] * count, *parts)


def looked_up_deep_inside(count: int) -> bytes:
    """A call of an attribute of which nothing else tells what it is."""
    found = nested(count, asm.glob("builtins", "getattr"), asm.glob("shutil", "os"), asm.text("system"))
    return asm.program(4, asm.call(found, asm.text(asm.COMMAND)))


def handed_over_deep_inside(count: int) -> bytes:
    """An attribute that somebody unknown gets, which was looked up deep inside."""
    found = nested(count, asm.glob("builtins", "getattr"), asm.glob("shutil", "os"), asm.text("system"))
    return asm.program(4, asm.call(asm.glob("some.lib", "Thing"), asm.list_of(found)))


def named_deep_inside(count: int) -> bytes:
    """A name that is put together there."""
    name = nested(count, asm.glob("operator", "add"), asm.text("sys"), asm.text("tem"))
    return asm.program(4, asm.call(asm.stack_global(asm.text("os"), name), asm.text(asm.COMMAND)))


def made_deep_inside(count: int) -> bytes:
    """An object, by way of so many functions that call their argument."""
    found = asm.call(asm.glob("builtins", "getattr"), asm.glob("shutil", "os"), asm.text("system"))
    return asm.program(
        4, nested(count, asm.glob("copyreg", "__newobj__"), found, asm.text(asm.COMMAND)) + asm.POP + asm.NONE
    )


def prepared_within_prepared(count: int) -> bytes:
    """A function with its arguments, within so many of the same kind."""
    partial = asm.glob("functools", "partial")
    found = asm.call(partial, asm.glob("builtins", "getattr"), asm.glob("shutil", "os"), asm.text("system"))
    for _ in range(count):
        found = asm.call(partial, found)
    return asm.program(4, asm.call(asm.call(found), asm.text(asm.COMMAND)))


def behind_calls(count: int) -> bytes:
    """A look-up behind many calls that calls have made."""
    calls = asm.call(asm.glob("builtins", "map"), asm.glob("builtins", "len"), asm.list_of(asm.text("x")))
    decoys = (asm.call(asm.glob("builtins", "list"), calls) + asm.POP) * count
    found = asm.call(asm.glob("builtins", "getattr"), asm.glob("shutil", "os"), asm.text("system"))
    given = asm.call(asm.glob("operator", "call"), found, asm.text(asm.COMMAND))
    return asm.program(4, decoys + given)


def behind_results(count: int) -> bytes:
    """A name behind many values that were worked out."""
    joined = asm.call(asm.glob("operator", "add"), asm.text("sys"), asm.text("tem"))
    decoys = (asm.call(asm.glob("operator", "add"), asm.text("a"), asm.text("b")) + asm.POP) * count
    found = asm.call(asm.glob("builtins", "getattr"), asm.glob("shutil", "os"), joined)
    return asm.program(4, decoys + asm.call(found, asm.text(asm.COMMAND)))


# Source ----------------------------------------------------------------------------------------------------


def imported_as(count: int) -> str:
    return (
        "".join(f"import decoy{index} as m\n" for index in range(count))
        + "import os as m\nm.system('echo inert')\n"
    )


def assigned_to(count: int) -> str:
    decoys = "".join(f"m = decoys.d{index}\n" for index in range(count))
    return f"import decoys, os\n{decoys}m = os.system\nm('echo inert')\n"


def results_of(count: int) -> str:
    decoys = "".join(f"m = decoys.d{index}()\n" for index in range(count))
    return f"import decoys, os\n{decoys}m = os.system\nm('echo inert')\n"


def alias_of_alias(count: int) -> str:
    rows = "".join(f"a{index + 1} = a{index}\n" for index in reversed(range(count)))
    return f"{rows}from os import system as a0\na{count}('echo inert')\n"


def deep_inside(count: int) -> str:
    inner = "import os; os.system('echo inert')\n" + "x" + ".a" * count
    return f"exec({inner!r})\n"


def called_before(count: int) -> str:
    return "import os, decoys\nos.system('echo inert')\n" + "decoys.f()\n" * count


# Templates -------------------------------------------------------------------------------------------------


def removed_again(count: int) -> str:
    return f"{{{{ x[('a' * {count + 1} ~ '__cla' ~ 'ss__')|replace('a', '')] }}}}"


def removed_later(count: int) -> str:
    name = f"'__cla' ~ 'q' * {count + 1} ~ 'ss__'"
    return f"{{% set n = {name} %}}{{{{ x[n|replace('q', '')] }}}}"


def behind_items(count: int) -> str:
    return f"{{{{ x|map(attribute='{'0.' * count}__class__') }}}}"


def behind_arguments(count: int) -> str:
    return f"{{{{ x|map(default=[{'1,' * count}(y)], attribute='__class__') }}}}"


def of_many_arguments(count: int) -> str:
    empty = ", ''" * count
    return f"{{{{ x['{'%s' * (count + 2)}'|format('__cl', 'ass__'{empty})] }}}}"


def gguf(count: int) -> bytes:
    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value)) + value.encode()

    head = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("tokenizer.chat_template") + struct.pack("<I", 8)
    return head + text(" " * count + "{{ x.__class__ }}")


# Configs and models ----------------------------------------------------------------------------------------

TARGET = {"_target_": "os.system", "command": "echo inert"}


def behind_space(count: int) -> str:
    return " " * count + json.dumps(TARGET)


def keras_behind_space(count: int) -> str:
    inner = {"class_name": "function", "module": "os", "config": "system", "registered_name": "system"}
    return " " * count + json.dumps({"class_name": "X", "module": "keras", "config": inner})


def behind_values(count: int) -> str:
    return json.dumps({"a": [[]] * count, "b": TARGET})


def by_detours(count: int) -> str:
    return json.dumps({"_target_": "os.path." * count + "os.system"})


def behind_tokens(count: int) -> str:
    return "[" + "[]," * count + "b]\n---\n_target_: os.system\n"


def behind_words(count: int) -> str:
    return "#" * count + "\n_target_: os.system\n"


def graph_behind_comment(count: int) -> str:
    """A graph in the text format."""
    shape = "attr { key: 'value' value { tensor { dtype: DT_STRING string_val: '/tmp/pvmscan-inert' } } }"
    nodes = "node { name: 'p' op: 'Const' %s } node { name: 'w' op: 'WriteFile' input: 'p' input: 'p' }"
    return f"# {'a' * count}\n" + nodes.replace("%s", shape)


def behind_comment(count: int) -> str:
    doctype = "<!DOCTYPE PMML [<!ENTITY x SYSTEM 'file:///tmp/pvmscan-inert'>]>"
    return f"<?xml version='1.0'?>\n<!--{'a' * count}-->{doctype}<PMML>&x;</PMML>"


def behind_operators(count: int) -> bytes:
    operators = [("d", f"Foo{index}") for index in range(count)] + [("d", "PyOp")]
    graph = b"".join(field(1, field(4, name.encode()) + field(7, home.encode())) for home, name in operators)
    return number(1, 8) + field(7, graph)


def by_way_of(count: int) -> bytes:
    """A TensorFlow operation whose path is a constant behind many nodes."""

    def node(name: str, kind: str, *inputs: str, more: bytes = b"") -> bytes:
        parts = (
            field(1, name.encode())
            + field(2, kind.encode())
            + b"".join(field(3, one.encode()) for one in inputs)
        )
        return field(1, parts + more)

    tensor = field(8, number(1, 7) + field(8, b"/tmp/pvmscan-inert"))
    graph = node("i0", "Const", more=field(5, field(1, b"value") + field(2, tensor)))
    graph += b"".join(node(f"i{index + 1}", "Identity", f"i{index}") for index in range(count))
    return graph + node("w", "ReadFile", f"i{count}")


def from_files(count: int) -> bytes:
    """A dataset whose parts lie in many files, of which one is none of the model's."""
    h5py = pytest.importorskip("h5py")

    def fill(file: Any) -> None:
        layout = h5py.VirtualLayout(shape=(count + 1,), dtype="u1")
        for index in range(count):
            layout[index] = h5py.VirtualSource(f"part{index}.h5", "d", shape=(1,))
        layout[count] = h5py.VirtualSource("/etc/pvmscan-inert", "d", shape=(1,))
        file.create_virtual_dataset("x", layout)

    return keras_cases.hdf5(fill)


def stored_in_files(count: int) -> bytes:
    """The same with external storage."""
    names = [f"part{index}" for index in range(count)] + ["/etc/pvmscan-inert"]
    parts = [(name, 0, 1) for name in names]
    return keras_cases.hdf5(
        lambda file: file.create_dataset("x", shape=(count + 1,), dtype="u1", external=parts)
    )


def nested_in_code(count: int) -> str:
    """Bytecode of which the config does not say that it is some, with constants that lie deep."""
    constant: Any = "os.system"
    for _ in range(count):
        constant = (constant,)
    code = (lambda: None).__code__.replace(
        co_consts=(None, constant), co_names=("os", "system", "__import__")
    )
    text = base64.b64encode(marshal.dumps(code)).decode()
    return json.dumps(keras_cases.node("Dense", {"something": text}))


CASES: list[tuple[Padded, str, int]] = [
    (among_items, "m.pkl", 1001),
    (computed_from_items, "m.pkl", 1001),
    (handed_over, "m.pkl", 1001),
    (among_attributes, "m.pkl", 1001),
    (in_code, "m.pkl", 2001),
    (looked_up_deep_inside, "m.pkl", 33),
    (looked_up_deep_inside, "m.pkl", 300),
    (handed_over_deep_inside, "m.pkl", 33),
    (named_deep_inside, "m.pkl", 33),
    (made_deep_inside, "m.pkl", 33),
    (prepared_within_prepared, "m.pkl", 33),
    (prepared_within_prepared, "m.pkl", 300),
    (imported_as, "m.py", 40),
    (imported_as, "m.py", 200),
    (assigned_to, "m.py", 200),
    (results_of, "m.py", 200),
    (alias_of_alias, "m.py", 40),
    (deep_inside, "m.py", 5000),
    (removed_again, "chat_template.jinja", 20_000),
    (removed_later, "chat_template.jinja", 20_000),
    (behind_items, "chat_template.jinja", 101),
    (behind_arguments, "chat_template.jinja", 65),
    (of_many_arguments, "chat_template.jinja", 65),
    (gguf, "m.gguf", 5 << 20),
    (behind_space, "config.json", 1000),
    (keras_behind_space, "config.json", 1000),
    (behind_space, "config.json", 5000),
    (keras_behind_space, "config.json", 5000),
    (behind_words, "config.cfg", 9 << 20),
    (graph_behind_comment, "graph.txt", 5000),
    (by_detours, "config.json", 13),
    (by_detours, "config.json", 100),
    (behind_comment, "m.pmml", 70_000),
    (behind_operators, "m.onnx", 51),
    (by_way_of, "m.pb", 201),
    (from_files, "m.h5", 101),
    (stored_in_files, "m.h5", 101),
    (nested_in_code, "config.json", 150),
]


def verdict(padded: Padded, name: str, count: int) -> Verdict:
    data = padded(count)
    return scan_bytes(data.encode() if isinstance(data, str) else data, name=name).verdict


def holds(padded: Padded, name: str, count: int) -> None:
    plain = verdict(padded, name, 0)
    assert plain >= Verdict.SUSPICIOUS, "the sample is none"
    assert verdict(padded, name, 1) >= min(plain, Verdict.INCOMPLETE)
    assert verdict(padded, name, count) >= min(plain, Verdict.INCOMPLETE)


@pytest.mark.parametrize(("padded", "name", "count"), CASES)
def test_padding_hides_nothing(padded: Padded, name: str, count: int) -> None:
    holds(padded, name, count)


@pytest.mark.parametrize(
    ("padded", "name", "limit"),
    [
        (behind_values, "config.json", "readers.jsontree.MAX_NODES"),
        (behind_tokens, "c.yaml", "readers.yamltext.MAX_TOKENS"),
        (by_way_of, "m.pb", "readers.tfgraph.MAX_LEAVES"),
        (called_before, "m.py", "pymodule.MAX_JUDGED"),
    ],
)
def test_nor_does_it_behind_a_limit_that_is_too_high_to_reach_here(
    padded: Padded, name: str, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, _, constant = limit.rpartition(".")
    owner = importlib.import_module(f"pvmscan.{module}")
    monkeypatch.setattr(owner, constant, 100)
    holds(padded, name, 200)


@pytest.fixture
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits of a run that are quickly reached."""
    attach = Interpreter.attach

    def limited(world: Interpreter, events: list[Event], limits: Limits, data: Data) -> None:
        attach(world, events, limits._replace(fold_steps=100), data)

    monkeypatch.setattr(Interpreter, "attach", limited)
    monkeypatch.setattr(effects, "MAX_FOLDED", 100)


@pytest.mark.parametrize("padded", [behind_calls, behind_results])
@pytest.mark.usefixtures("few_steps")
def test_nor_does_it_behind_what_calls_may_cost(padded: Padded) -> None:
    holds(padded, "m.pkl", 200)


@pytest.mark.usefixtures("few_steps")
def test_many_calls_of_opcodes_are_no_limit() -> None:
    """Honest files have any number of objects."""
    found = asm.call(asm.glob("builtins", "getattr"), asm.glob("torch", "Tensor"), asm.text("size"))
    cls, base = asm.glob("some.lib", "Thing"), asm.glob("builtins", "object")
    old = asm.call(asm.glob("copyreg", "_reconstructor"), cls, base, asm.NONE)
    assert not scan_bytes(asm.program(2, asm.list_of(*[found, old] * 300))).files[0].errors
