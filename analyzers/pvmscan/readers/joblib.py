"""joblib's arrays: raw bytes between the opcodes, read from the stream while the pickle runs.

After BUILD of a `NumpyArrayWrapper` the loader takes it from the stack and reads the array itself, behind the
current frame: an object array is a pickle of its own; else, for wrappers with `numpy_array_alignment_bytes`
(joblib 1.2), one byte and that many bytes of padding, then count * itemsize bytes. The wrappers of releases before
0.10 name a file beside this one instead (joblib 1.6.0, `numpy_pickle.py` and `numpy_pickle_compat.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pvm import regex
from pvm.errors import Reject
from pvm.namespace import state_parts
from pvm.paths import path_of
from pvm.state import State
from pvm.trace import Import, Trace
from pvm.values import Call, Container, Global, Node, Unknown, Value, children, reveal
from pvm.world import OUTSIDE
from pvmscan.readers.npdtype import UNKNOWN, Layout, layout

WRAPPER = regex.later(r"(^|\.)numpy_pickle(_compat)?\.(NumpyArrayWrapper|Z?NDArrayWrapper)$")
"""Paths of the wrappers after whose BUILD the loader reads an array itself."""
_PARAMETERS = ("subclass", "shape", "order", "dtype", "allow_mmap", "numpy_array_alignment_bytes")
_ARRAY = "an array of joblib"
MAX_PARTS = 1_000_000
"""Values that are looked through for wrappers, all together."""
_HAS_OBJECTS = 1
"""Bit of a dtype's flags (`NPY_ITEM_HASOBJECT`): numpy goes by it, whatever the type letter."""
_FLEXIBLE = regex.later(r"[<>|=]?[SUVa]\d*$")
"""Types whose size may be set by their state; that of any other is fixed."""


def is_wrapper(value: Value) -> bool:
    """Is it an array wrapper of joblib?"""
    value = reveal(value)
    return isinstance(value, Call) and WRAPPER.search(path_of(value.callee) or "") is not None


class Lookout:
    """Tells objects that may be a wrapper without being plainly made as one: taken out of a list, copied, made by
    a method. Whether a loader reads an array after their BUILD cannot be told.
    """

    def __init__(self) -> None:
        self.trace: Trace | None = None
        self.seen = 0
        """Events that were looked at."""
        self.named = False
        """Has the pickle got hold of a wrapper's class?"""
        self.left = MAX_PARTS

    def sees(self, state: State, value: Value) -> bool:
        """May the object that BUILD has just filled be a wrapper?"""
        if state.trace is not self.trace:
            self.trace, self.seen, self.named = state.trace, 0, False
        events = state.trace.events
        for event in events[self.seen :]:
            found = event.value if isinstance(event, Import) else event
            self.named = self.named or (isinstance(found, Global | Call) and _is_class(reveal(found)))
        self.seen = len(events)
        return self.named and self._carries(value)

    def _carries(self, value: Value) -> bool:
        """Is there a wrapper's class in what the object was made from? What it was filled with does not matter."""
        value = reveal(value)
        made = (value.callee, *value.args, value.kwargs, value.splat) if isinstance(value, Call) else (value,)
        pending, known = list(made), {id(value)}
        while pending:
            part = reveal(pending.pop())
            if _is_class(part):
                return True
            self.left -= 1
            if self.left < 0:
                return True
            if isinstance(part, Unknown) and part.reason == _ARRAY:
                continue
            for one in children(part):
                if isinstance(one, Node | tuple) and id(one) not in known:
                    known.add(id(one))
                    pending.append(one)
        return False


def _is_class(value: Value) -> bool:
    return isinstance(value, Global) and WRAPPER.search(value.path) is not None


def skip_array(state: State, value: Value, nested: Callable[[int], int]) -> None:
    """Step over the array that follows a wrapper (see `is_wrapper`), and put an array in its place; `nested` runs
    the pickle of an object array and says where it ends.
    """
    value = reveal(value)
    assert isinstance(value, Call)
    state.stack[-1] = Unknown(state.offset, _ARRAY, (value,))
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
    padded = reveal(fields.get("numpy_array_alignment_bytes"))
    if kind.size is None or kind.objects is None or count is None or isinstance(padded, OUTSIDE):
        raise Reject("a joblib array of unknown size: what follows it cannot be found")
    if padded is not None:
        if at >= len(state.data):
            raise Reject("the input ends before a joblib array", kind="truncated")
        at += 1 + state.data[at]
    if at + kind.size * count > len(state.data):
        raise Reject("the input ends inside a joblib array", kind="truncated")
    state.input.skip_to(at + kind.size * count)


def _fields(value: Call) -> dict[str, Value]:
    """Attributes of a wrapper: those that `__init__` sets, if it ran, then those that BUILD wrote."""
    fields: dict[str, Value] = {}
    if value.mode != "new":
        fields["numpy_array_alignment_bytes"] = 16
        fields.update(zip(_PARAMETERS, value.args, strict=False))
        for part in (value.splat, value.kwargs):
            fields.update(_named(reveal(part)))
    for part in (part for state in value.state or () for part in state_parts(state)):
        fields.update(_named(part))
    return fields


def _named(given: Value) -> Iterator[tuple[str, Value]]:
    """Attributes by name; raise `Reject` where they cannot be told."""
    if given is None:
        return
    if not isinstance(given, Container) or given.kind != "dict":
        raise Reject("the attributes of a joblib array cannot be told, and so not what follows it")
    for key, item in given.pairs():
        name = reveal(key)
        if isinstance(name, str):
            yield name, item
        elif isinstance(name, OUTSIDE):
            raise Reject("an attribute of a joblib array has a name that cannot be told")


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
            return UNKNOWN
        if len(given) > 5 and _FLEXIBLE.match(code):
            stated = reveal(given[5])
            size = stated if isinstance(stated, int) and stated >= 0 else None
        if len(given) > 7:
            flags = reveal(given[7])
            objects = bool(flags & _HAS_OBJECTS) if isinstance(flags, int) else None
    return Layout(size, objects)
