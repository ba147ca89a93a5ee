"""Type descriptions of NumPy: sizes and objects are those that numpy itself finds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pvmscan.readers.npdtype import layout

PLAIN = [
    ("<f8", 8), ("i4", 4), ("M8[ns]", 8), ("m8", 8), ("datetime64[D]", 8), ("(2,3)f4", 24), ("3i4", 12), ("i4,f8", 12),
    (("i4", 3), 12), ("float64", 8), ("str", 0), ("c", 1), ("S", 0), ("a5", 5), ("<U3", 12), ("?", 1), ("g", 16),
    ("G", 32), ("2i4,(2,)f8", 24), ("i8, S3", 11), ([("a", "<i4"), ("", "|V4"), ("b", "<f8", (2,))], 24), (">i2", 2),
    ("intc", 4),
]  # fmt: skip
OBJECTS: list[Any] = [
    "O", "|O", ">O", "=O", "O4", "|O8", "object", "object_", "i4,O", "O,O", "(2,)O", ("O", (2,)), [("a", "O")], "T",
    [("a", "<i4"), ("b", "|O")], [("a", ("O", (2,)))], [("a", [("b", "O")])], [(("title", "a"), "O")],
    [("a", "O", (2,))],
]  # fmt: skip


def leaves() -> st.SearchStrategy[Any]:
    return st.sampled_from([descr for descr, _ in PLAIN] + OBJECTS)


DESCRS = st.recursive(
    leaves(),
    lambda inner: (
        st.lists(st.tuples(st.sampled_from(["a", "b", ""]), inner), max_size=3)
        | st.tuples(inner, st.integers(0, 3) | st.lists(st.integers(0, 3), max_size=2).map(tuple))
    ),
    max_leaves=5,
)


@pytest.mark.parametrize(("descr", "size"), PLAIN)
def test_plain_types(descr: Any, size: int) -> None:
    found = layout(descr)
    assert (found.size, found.objects) == (size, False)


@pytest.mark.parametrize("descr", OBJECTS, ids=str)
def test_types_with_objects(descr: Any) -> None:
    assert layout(descr).objects is True


@pytest.mark.parametrize(
    "descr", ["no such type", "i3", "f4 f4", None, 4, {"a": 1}, ("i4",), [("a",)], ",", "i4,,i4"]
)
def test_what_is_no_type_is_not_known(descr: Any) -> None:
    assert layout(descr).objects is None


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@settings(deadline=None)
@given(DESCRS)
def test_it_agrees_with_numpy(descr: Any) -> None:
    numpy_format = pytest.importorskip("numpy.lib.format")
    try:
        dtype = numpy_format.descr_to_dtype(descr)
    except (TypeError, ValueError):
        return
    found = layout(descr)
    if not found.objects:  # objects in a field without a name are padding to numpy, which is too fine a point
        assert found.objects == dtype.hasobject
        assert found.size in (dtype.itemsize, None)


def test_depth_is_bounded() -> None:
    descr: Any = "i4"
    for _ in range(2000):
        descr = [("a", descr)]
    assert layout(descr).objects is None
