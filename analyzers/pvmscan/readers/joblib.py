"""joblib's arrays: raw bytes between the opcodes, read from the stream while the pickle runs.

After BUILD of a `NumpyArrayWrapper` the loader takes it from the stack and reads the array itself, behind the
current frame: an object array is a pickle of its own; else, for wrappers with `numpy_array_alignment_bytes`
(joblib 1.2), one byte and that many bytes of padding, then count * itemsize bytes. The wrappers of releases before
0.10 name a file beside this one instead (joblib 1.6.0, `numpy_pickle.py` and `numpy_pickle_compat.py`).
"""

from __future__ import annotations

from collections.abc import Callable

from pvm import regex
from pvm.errors import Reject
from pvm.namespace import state_parts
from pvm.paths import path_of
from pvm.state import State
from pvm.values import Call, Container, Unknown, Value, reveal
from pvmscan.readers.npdtype import UNKNOWN, Layout, layout

WRAPPER = regex.later(r"(^|\.)numpy_pickle(_compat)?\.(NumpyArrayWrapper|Z?NDArrayWrapper)$")
"""Paths of the wrappers after whose BUILD the loader reads an array itself."""
_PARAMETERS = ("subclass", "shape", "order", "dtype", "allow_mmap", "numpy_array_alignment_bytes")
_HAS_OBJECTS = 1
"""Bit of a dtype's flags (`NPY_ITEM_HASOBJECT`): numpy goes by it, whatever the type letter."""
_FLEXIBLE = regex.later(r"[<>|=]?[SUVa]\d*$")
"""Types whose size may be set by their state; that of any other is fixed."""


def is_wrapper(value: Value) -> bool:
    """Is it an array wrapper of joblib?"""
    value = reveal(value)
    return isinstance(value, Call) and WRAPPER.search(path_of(value.callee) or "") is not None


def skip_array(state: State, value: Value, nested: Callable[[int], int]) -> None:
    """Step over the array that follows a wrapper, and put an array in its place; `nested` runs the pickle of an
    object array and says where it ends.
    """
    value = reveal(value)
    if not isinstance(value, Call) or not is_wrapper(value):
        return
    state.stack[-1] = Unknown(state.offset, "an array of joblib", (value,))
    if (path_of(value.callee) or "").endswith("NDArrayWrapper"):
        return
    if state.input.position < state.frame_end:
        # a writer closes the frame before it writes an array; otherwise loaders do not agree where the array is
        state.quirk("array-inside-frame", "a frame goes on behind the wrapper of an array")
    else:
        state.frame_end = -1
    fields = _fields(value)
    at = state.input.resume()
    kind = _layout(reveal(fields.get("dtype")))
    count = _count(reveal(fields.get("shape")))
    if kind.objects and count is not None:
        state.input.skip_to(nested(at))
        return
    if kind.size is None or kind.objects is None or count is None:
        raise Reject("a joblib array of unknown size: what follows it cannot be found")
    if reveal(fields.get("numpy_array_alignment_bytes")) is not None:
        if at >= len(state.data):
            raise Reject("the input ends before a joblib array", kind="truncated")
        at += 1 + state.data[at]
    if at + kind.size * count > len(state.data):
        raise Reject("the input ends inside a joblib array", kind="truncated")
    state.input.skip_to(at + kind.size * count)


def _fields(value: Call) -> dict[str, Value]:
    """Attributes of a wrapper: those that `__init__` sets, if it ran, then those that BUILD wrote."""
    fields: dict[str, Value] = {}
    if value.mode == "call":
        fields["numpy_array_alignment_bytes"] = 16
        fields.update(zip(_PARAMETERS, value.args, strict=False))
        named = reveal(value.kwargs)
        if isinstance(named, Container):
            fields.update((name, item) for name, item in named.pairs() if isinstance(name, str))
    for part in (part for state in value.state or () for part in state_parts(state)):
        if isinstance(part, Container) and part.kind == "dict":
            fields.update((name, item) for name, item in part.pairs() if isinstance(name, str))
    return fields


def _count(shape: Value) -> int | None:
    """Number of items: the product of what `numpy.int64` makes of the sizes."""
    sizes = shape.at() if isinstance(shape, Container) and shape.kind == "list" else shape
    if not isinstance(sizes, tuple | list):
        return None
    count = 1
    for size in map(reveal, sizes):
        if not isinstance(size, int | float | str):
            return None
        try:
            count *= int(size)
        except (ValueError, OverflowError):
            return None
    return count if count >= 0 else None


def _layout(dtype: Value) -> Layout:
    """Size and objects of a pickled `numpy.dtype`: from its type string, then from its last state."""
    if not isinstance(dtype, Call) or path_of(dtype.callee) != "numpy.dtype" or not dtype.args:
        return UNKNOWN
    code = reveal(dtype.args[0])
    if isinstance(code, bytes):
        code = code.decode("latin-1")
    if not isinstance(code, str):
        return UNKNOWN
    found = layout(code)
    size, objects = 8 if found.objects else found.size, found.objects
    for given in map(reveal, dtype.state or []):
        if not isinstance(given, tuple):
            continue
        if len(given) > 5 and _FLEXIBLE.match(code) and isinstance(stated := reveal(given[5]), int):
            size = stated if stated >= 0 else None
        if len(given) > 7 and isinstance(flags := reveal(given[7]), int):
            objects = bool(flags & _HAS_OBJECTS)
    return Layout(size, objects)
