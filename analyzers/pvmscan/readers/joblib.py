"""joblib's arrays: raw bytes between the opcodes, read from the stream while the pickle runs.

After BUILD of a `NumpyArrayWrapper` the loader reads the array itself: for wrappers with
`numpy_array_alignment_bytes` (joblib 1.2) one byte and that many bytes of padding, then count * itemsize
bytes; an object array is a pickle of its own (joblib 1.6.0, `numpy_pickle.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from pvm.errors import Reject
from pvm.namespace import state_parts
from pvm.paths import path_of
from pvm.state import State
from pvm.values import Call, Container, Value, reveal

WRAPPER = re.compile(r"(^|\.)numpy_pickle\.NumpyArrayWrapper$")
"""Paths of the wrapper whose BUILD is followed by raw data."""
_TYPE = re.compile(r"([<>|=]?)([a-zA-Z?])(\d*)$")
_SIZES = {
    "?": 1,
    "b": 1,
    "B": 1,
    "h": 2,
    "H": 2,
    "i": 4,
    "I": 4,
    "l": 8,
    "L": 8,
    "q": 8,
    "Q": 8,
    "e": 2,
    "d": 8,
}
_SIZES |= {"g": 16, "D": 16, "F": 8, "p": 8, "P": 8, "O": 8}


def is_wrapper(value: Value) -> bool:
    """Is it an array wrapper of joblib?"""
    return isinstance(value, Call) and WRAPPER.search(path_of(value.callee) or "") is not None


def skip_array(state: State, value: Value, nested: Callable[[int], int]) -> None:
    """Step over the array that follows a wrapper; `nested` runs the pickle of an object array and says where
    it ends.
    """
    value = reveal(value)
    if not isinstance(value, Call) or not is_wrapper(value):
        return
    state.frame_end = -1  # the pickler closes the frame before it writes an array
    fields = _fields(value)
    at = state.input.resume()
    dtype = reveal(fields.get("dtype"))
    code = type_code(dtype)
    if code is not None and code.endswith("O8"):
        state.input.skip_to(nested(at))
        return
    size = itemsize(dtype)
    count = _count(reveal(fields.get("shape")))
    if size is None or count is None:
        raise Reject("a joblib array of unknown size: what follows it cannot be found")
    if isinstance(reveal(fields.get("numpy_array_alignment_bytes")), int):
        if at >= len(state.data):
            raise Reject("the input ends before a joblib array", kind="truncated")
        at += 1 + state.data[at]
    if at + size * count > len(state.data):
        raise Reject("the input ends inside a joblib array", kind="truncated")
    state.input.skip_to(at + size * count)


def _fields(value: Call) -> dict[str, Value]:
    """Attributes of an object as BUILD wrote them."""
    fields: dict[str, Value] = {}
    for part in (part for state in value.state or () for part in state_parts(state)):
        if isinstance(part, Container) and part.kind == "dict":
            fields.update((name, item) for name, item in part.pairs() if isinstance(name, str))
    return fields


def _count(shape: Value) -> int | None:
    if not isinstance(shape, tuple):
        return None
    count = 1
    for size in map(reveal, shape):
        if not isinstance(size, int) or size < 0:
            return None
        count *= size
    return count


def type_code(dtype: Value) -> str | None:
    """The first argument of `numpy.dtype`, such as `f8` or `O8`."""
    if not isinstance(dtype, Call) or path_of(dtype.callee) != "numpy.dtype" or not dtype.args:
        return None
    code = reveal(dtype.args[0])
    if isinstance(code, bytes):
        code = code.decode("latin-1")
    return code if isinstance(code, str) else None


def itemsize(dtype: Value) -> int | None:
    """Bytes of one item of a pickled dtype; None if it cannot be told."""
    for state in reversed(dtype.state or [] if isinstance(dtype, Call) else []):
        given = reveal(state)
        if isinstance(given, tuple) and len(given) > 5:
            size = reveal(given[5])
            if isinstance(size, int) and size >= 0:
                return size
    code = type_code(dtype)
    match = _TYPE.match(code) if code is not None else None
    if not match:
        return None
    _, kind, digits = match.groups()
    if kind == "U":
        return 4 * int(digits or 0)
    return int(digits) if digits else _SIZES.get(kind)
