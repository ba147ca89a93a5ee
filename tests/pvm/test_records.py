"""Records do what those of the standard library do."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import typing
from collections.abc import Callable
from dataclasses import FrozenInstanceError, asdict, fields, is_dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pvm.records import NamedTuple, dataclass, field, replace


class Place(NamedTuple):
    """A named tuple."""

    member: str | None = None
    offset: int = 0
    """Has a default as well."""

    @property
    def text(self) -> str:
        """A property."""
        return f"{self.member}@{self.offset}"

    def moved(self, by: int) -> Place:
        """A method."""
        return self._replace(offset=self.offset + by)


@dataclass(frozen=True, slots=True)
class Fact:
    """A data class that does not change."""

    rule: str
    place: Place = Place()
    parts: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.rule


@dataclass(slots=True)
class Log:
    """One that does."""

    name: str
    lines: list[str] = field(default_factory=list)
    count: int = 0

    def __post_init__(self) -> None:
        self.count += len(self.lines)


@dataclass(slots=True, eq=False)
class Event:
    """One that equals only itself."""

    offset: int


SOURCE = (
    inspect.getsource(Place) + inspect.getsource(Fact) + inspect.getsource(Log) + inspect.getsource(Event)
)


def standard() -> dict[str, Any]:
    """The same classes as the standard library makes them."""
    made: dict[str, Any] = {"NamedTuple": typing.NamedTuple, "dataclass": dataclasses.dataclass}
    made.update(__name__=__name__, field=dataclasses.field)
    exec(compile("from __future__ import annotations\n" + SOURCE, "<records>", "exec"), made)
    return made


THEIRS = standard()
OURS = {kind.__name__: kind for kind in (Place, Fact, Log, Event)}
ARGUMENTS = st.tuples(
    st.lists(st.one_of(st.integers(0, 3), st.text("ab", max_size=2)), max_size=4),
    st.dictionaries(
        st.sampled_from(["member", "offset", "rule", "parts", "name", "count", "x"]), st.integers(0, 3)
    ),
)


def outcome(do: Callable[[], Any]) -> Any:
    try:
        return do()
    except TypeError:
        return TypeError


@pytest.mark.parametrize("name", ["Place", "Fact", "Log", "Event"])
@settings(max_examples=250, deadline=None)
@given(ARGUMENTS)
def test_constructors_take_and_refuse_the_same(
    name: str, given_arguments: tuple[list[Any], dict[str, Any]]
) -> None:
    """Of its first records, and of those after many: the examples are more than these."""
    args, named = given_arguments
    if name == "Log" and len(args) > 1:
        args[1] = list(str(args[1]))  # its lines
    ours = outcome(lambda: repr(OURS[name](*args, **named)))
    assert ours == outcome(lambda: repr(THEIRS[name](*args, **named)))


def test_named_tuples_are_tuples() -> None:
    here = Place("m", 3)
    assert isinstance(here, tuple) and [*here] == ["m", 3] and hash(here) == hash(("m", 3))
    assert here.moved(2).text == "m@5" and Place._make(["n", 1]) == Place("n", 1)
    assert Place._fields == ("member", "offset") and here._asdict() == {"member": "m", "offset": 3}
    assert Place.__doc__ == "A named tuple." and not hasattr(here, "__dict__")
    with pytest.raises(AttributeError):
        here.offset = 4  # type: ignore[misc]
    match here:
        case Place(member, offset):
            assert (member, offset) == ("m", 3)


def test_data_classes_compare_and_hash() -> None:
    assert Fact("a") == Fact("a", Place(None, 0)) != Fact("b") and hash(Fact("a")) == hash(Fact("a"))
    assert Log("a") == Log("a", []) != Log("b")
    assert Log("a").__eq__(Fact("a")) is NotImplemented
    assert Event(1) != Event(1) and len({Event(1), Event(1)}) == 2
    with pytest.raises(TypeError):
        hash(Log("a"))
    assert Log("a").lines is not Log("a").lines and Log("a", ["x"]).count == 1


def test_frozen_ones_do_not_change() -> None:
    one = Fact("a")
    with pytest.raises(FrozenInstanceError):
        one.rule = "b"  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        del one.rule
    with pytest.raises(AttributeError):
        Log("a").other = 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("record", [Place("m", 1), Fact("a", Place("m", 2), ("x",)), Log("a", ["b"])])
def test_copies_are_equal(record: Any) -> None:
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(record, protocol)) == record
    assert copy.copy(record) == copy.deepcopy(record) == record
    assert type(copy.copy(record)) is type(record)


def test_the_standard_library_takes_them_for_its_own() -> None:
    one = Fact("a", Place("m", 1))
    assert is_dataclass(one) and is_dataclass(Log)
    assert [part.name for part in fields(Log)] == ["name", "lines", "count"]
    assert dataclasses.replace(one, rule="b") == replace(one, rule="b") == Fact("b", Place("m", 1))
    for record, changes in ((one, {"rule": "b"}), (Place("m", 1), {"offset": 2})):
        if hasattr(copy, "replace"):  # Python 3.13
            assert copy.replace(record, **changes) == replace(record, **changes)  # type: ignore[type-var]
    assert asdict(Log("a", ["x"])) == {"name": "a", "lines": ["x"], "count": 1}
    assert [*inspect.signature(Fact).parameters] == [*inspect.signature(THEIRS["Fact"]).parameters]
    assert str(inspect.signature(Log)) == str(inspect.signature(THEIRS["Log"]))


def test_who_makes_many_gets_a_constructor_of_its_own() -> None:
    @dataclass(frozen=True, slots=True)
    class Made:
        """Not yet made."""

        a: int
        b: list[int] = field(default_factory=list)
        c: int = 3

    class Row(NamedTuple):
        """Neither."""

        a: int
        b: int = 2

    shared, rows = Made.__init__, Row.__new__
    for number in range(300):
        assert Made(number) == Made(a=number, b=[], c=3) and Made(1).b is not Made(1).b
        assert Row(number) == Row(a=number, b=2) == Row(number, 2) and type(Row(1)) is Row
    assert Made.__init__ is not shared and Row.__new__ is not rows
    for wrong in ({}, {"a": 1, "x": 2}):
        for kind in (Made, Row):
            with pytest.raises(TypeError):
                kind(**wrong)  # type: ignore[arg-type]
    with pytest.raises(FrozenInstanceError):
        Made(1).a = 2  # type: ignore[misc]
