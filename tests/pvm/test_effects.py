"""What functions of Python do when a pickle calls them, against what they really do to a recorder."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import assemble as asm
import pvm
from pvm.paths import path_of
from pvm.trace import Import
from pvm.values import Call, Unknown, Value, reveal


def called(program: bytes, path: str = "m.f") -> list[tuple[Any, ...]]:
    """The arguments of all calls of a function that nobody knows; results by the number of their call."""
    calls = [event for event in pvm.run(program).events if isinstance(event, Call)]
    mine = [call for call in calls if path_of(call.callee) == path]
    numbers = {id(call): f"call {number}" for number, call in enumerate(mine)}

    def plain(value: Value) -> Any:
        return numbers.get(id(value), value)

    return [tuple(map(plain, call.args)) for call in mine]


def recorded(work: Callable[[Callable[..., str]], object]) -> list[tuple[Any, ...]]:
    """The same of a function that is really called."""
    calls: list[tuple[Any, ...]] = []

    def recorder(*arguments: Any) -> str:
        calls.append(arguments)
        return f"call {len(calls) - 1}"

    work(recorder)
    return calls


UNKNOWN = asm.glob("m", "f")


@pytest.mark.parametrize("maker", ["builtins.object.__new__", "builtins.dict.__new__", "copyreg.__newobj__"])
def test_an_object_that_is_made_in_another_way_is_one_of_its_class(maker: str) -> None:
    made = reveal(pvm.run(asm.program(4, asm.call(asm.at(maker), asm.glob("m", "C"), asm.number(1)))).result)
    assert isinstance(made, Call) and (made.mode, path_of(made.callee), made.args) == ("new", "m.C", (1,))


ITEMS = st.lists(st.integers(0, 9) | st.text("ab", max_size=2), max_size=5)


@given(ITEMS, st.lists(st.integers(10, 19), max_size=1))
@pytest.mark.parametrize("module", ["functools", "_functools"])
def test_reduce_calls_what_reduce_calls(module: str, items: list[Any], initial: list[int]) -> None:
    """With an initial value and without; of nothing there is nothing to call."""
    program = asm.program(
        2, asm.call(asm.glob(module, "reduce"), UNKNOWN, asm.value(items), *map(asm.value, initial))
    )

    def work(recorder: Callable[..., str]) -> object:
        return functools.reduce(recorder, items, *initial) if items or initial else None

    assert called(program) == recorded(work)


@given(st.lists(ITEMS, min_size=1, max_size=3))
def test_map_calls_what_map_calls(columns: list[list[Any]]) -> None:
    mapped = asm.call(asm.glob("builtins", "map"), UNKNOWN, *map(asm.value, columns))
    program = asm.program(2, asm.call(asm.glob("builtins", "list"), mapped))
    assert called(program) == recorded(lambda recorder: list(map(recorder, *columns)))


@given(ITEMS)
def test_filter_calls_what_filter_calls(items: list[Any]) -> None:
    kept = asm.call(asm.glob("builtins", "filter"), UNKNOWN, asm.value(items))
    program = asm.program(2, asm.call(asm.glob("builtins", "list"), kept))
    assert called(program) == recorded(lambda recorder: list(filter(recorder, items)))


@given(st.lists(st.integers(0, 9), max_size=3), st.lists(st.integers(10, 19), max_size=3))
def test_partial_calls_with_all_arguments(first: list[int], more: list[int]) -> None:
    made = asm.call(asm.glob("functools", "partial"), UNKNOWN, *map(asm.value, first))
    program = asm.program(2, asm.call(made, *map(asm.value, more)))
    assert called(program) == recorded(lambda recorder: functools.partial(recorder, *first)(*more))


@given(ITEMS, st.integers(-6, 6))
@pytest.mark.parametrize("kind", ["list", "tuple"])
def test_an_item_is_the_one_at_its_index(kind: str, items: list[Any], index: int) -> None:
    """Also of what is not all known: `f` is among the items."""
    mixed = [asm.value(item) for item in items] + [UNKNOWN]
    made = asm.list_of(*mixed) if kind == "list" else b"(" + b"".join(mixed) + b"t"
    program = asm.program(2, asm.call(asm.glob("operator", "getitem"), made, asm.value(index)))
    found = reveal(pvm.run(program).result)
    every = [*items, "m.f"]
    if -len(every) <= index < len(every):
        expected = every[index]
        assert (path_of(found) if expected == "m.f" else found) == expected
    else:
        assert isinstance(found, Call), "it is not known"


@pytest.mark.parametrize(
    ("path", "arguments"),
    [
        ("functools.reduce", [UNKNOWN]),
        ("operator.call", []),
        ("copyreg.__newobj__", []),
        ("copyreg._reconstructor", [UNKNOWN]),
        ("copyreg._reconstructor", [UNKNOWN, asm.glob("m", "Base"), asm.NONE]),
        ("builtins.setattr", [UNKNOWN, asm.text("name")]),
        ("copyreg.add_extension", [asm.text("m"), asm.text("f")]),
        ("copyreg.add_extension", [asm.text("m"), asm.text("f"), asm.text("no code")]),
        ("builtins.type", [asm.list_of()]),
        ("importlib.import_module", [asm.text("")]),
        ("importlib.import_module", [asm.text(".relative")]),
        ("importlib.import_module", [asm.call(asm.glob("m", "name"))]),
        ("pkgutil.resolve_name", [asm.call(asm.glob("m", "name"))]),
        ("builtins.sorted", [asm.list_of(asm.text("b"), asm.text("a"))]),
    ],
)
def test_arguments_of_which_nothing_follows(path: str, arguments: list[bytes]) -> None:
    """Too few, of the wrong type, or not known: the call itself is all that can be told."""
    module, _, name = path.rpartition(".")
    trace = pvm.run(asm.program(3, asm.call(asm.glob(module, name), *arguments)))
    assert trace.complete
    others = {"m.name", path}
    assert {path_of(event.callee) for event in trace.events if isinstance(event, Call)} <= others
    assert not any(isinstance(event, Import) and event.computed for event in trace.events)


@pytest.mark.parametrize(
    ("name", "imported"), [("os.path", "os.path"), ("collections.OrderedDict", "collections"), ("os", "os")]
)
def test_dill_imports_a_module_or_an_attribute_of_one(name: str, imported: str) -> None:
    """What is written in capitals is no module."""
    trace = pvm.run(asm.program(3, asm.call(asm.glob("dill._dill", "_import_module"), asm.text(name))))
    assert [event.module for event in trace.events if isinstance(event, Import)][1:] == [imported]


def test_a_key_is_called_for_every_item_or_once_for_those_that_nobody_knows() -> None:
    items = asm.list_of(asm.text("b"), asm.text("a"))
    sorting = asm.newobj_ex(
        asm.glob("functools", "partial"),
        asm.tuple_of(asm.glob("builtins", "sorted")),
        asm.dict_of(key=UNKNOWN),
    )
    assert called(asm.program(4, asm.call(sorting, items))) == [("b",), ("a",)]
    (arguments,) = called(asm.program(4, asm.call(sorting, asm.call(asm.glob("m", "items")))))
    assert len(arguments) == 1 and isinstance(arguments[0], Unknown)
