"""pvm: the abstract pickle machine. It runs the program of a pickle without executing anything.

    import pvm
    trace = pvm.run(data, dialect="c")
    for event in trace.events:
        print(event)

`run` follows one loader exactly, `run_all` every loader that could tell a different story. The machine has
no dependency and no opinion; `pvm.graph` alone needs networkx.
"""

from __future__ import annotations

from pvm import source_first as _source_first  # noqa: F401  says whether the rest is compiled, so it comes first

# isort: split

from collections.abc import Callable, Iterator
from importlib import import_module

from pvm import dialects as _dialects
from pvm.decode import Data
from pvm.dialects import Dialect, Version
from pvm.errors import PvmError, Reject
from pvm.hints import TYPE_CHECKING, Any
from pvm.limits import DEFAULT, Limits

if TYPE_CHECKING:
    from pvm import decompile, graph
    from pvm.interpreter import Interpreter
    from pvm.leaps import Leaps
    from pvm.machine import Observer
    from pvm.state import Inline
    from pvm.trace import Trace

__version__ = "0.1.0"


def run(
    data: Data,
    dialect: str | Dialect = "c",
    *,
    python_version: Version = (3, 11),
    start: int = 0,
    limits: Limits = DEFAULT,
    encoding: str = "ascii",
    observer: Observer | None = None,
    inline: Inline | None = None,
    leaps: Leaps | None = None,
) -> Trace:
    """Run the pickle at `start` (a byte offset) as one loader would, and return its trace.

    Never raises for any bytes: where the loader would refuse, the trace ends in a fault. Raises `PvmError`
    for a dialect that does not exist. `encoding` is the loader's for Python 2 strings; `any` accepts what
    any loader would. With `leaps` stretches that make no difference are passed over (see `pvm.leaps`).
    """
    from pvm import interpreter, machine  # here, because the skeletal pass settles most pickles without them

    if isinstance(dialect, str):
        dialect = _dialects.dialect(dialect, python_version)
    return machine.run(
        data,
        dialect,
        interpreter.Interpreter(),
        start=start,
        limits=limits,
        encoding=encoding,
        observer=observer,
        inline=inline,
        leaps=leaps,
    )


def stories(
    data: Data,
    dialects: tuple[Dialect, ...] | None = None,
    *,
    start: int = 0,
    limits: Limits = DEFAULT,
    encoding: str = "any",
    inline: Inline | None = None,
    each: Callable[[Trace], None] | None = None,
) -> Iterator[Trace]:
    """Run the pickle as every given dialect would (all known ones by default), one after the other.

    A run in which the same happened as in one before is left out; only `each` is told of it. A run without quirk that
    comes to STOP, or to the end of the input between two instructions, means the same to all loaders: it is the last.
    """
    told: set[tuple[object, ...]] = set()
    for dialect in dialects if dialects is not None else _dialects.every():
        trace = run(data, dialect, start=start, limits=limits, encoding=encoding, inline=inline)
        if each is not None:
            each(trace)
        story = trace.story
        if story is None or story not in told:
            fault = trace.fault
            ends = fault is not None and fault.kind == "truncated" and fault.offset == len(data)
            last = story is not None and (trace.complete or ends)
            yield trace
            if last:
                return
        if story is not None:
            told.add(story)
        del trace  # the next run should not have to share the memory with it


def run_all(
    data: Data,
    dialects: tuple[Dialect, ...] | None = None,
    *,
    start: int = 0,
    limits: Limits = DEFAULT,
    encoding: str = "any",
    inline: Inline | None = None,
) -> list[Trace]:
    """The different stories that the given dialects (all known ones by default) tell of a pickle."""
    return list(stories(data, dialects, start=start, limits=limits, encoding=encoding, inline=inline))


_MODULES = ("decompile", "graph")
_CLASSES = {"Interpreter": "pvm.interpreter", "Trace": "pvm.trace"}


def __getattr__(name: str) -> Any:
    """What not every user needs is imported when it is asked for."""
    if name in _MODULES:
        return import_module(f"pvm.{name}")
    if name in _CLASSES:
        return getattr(import_module(_CLASSES[name]), name)
    raise AttributeError(f"module 'pvm' has no attribute {name!r}")


__all__ = [
    "Data",
    "Dialect",
    "Interpreter",
    "Limits",
    "PvmError",
    "Reject",
    "Trace",
    "decompile",
    "graph",
    "run",
    "run_all",
    "stories",
]
