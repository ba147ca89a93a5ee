"""Engines: who does the work. Each is a module with a function `hire(jobs, address)` that yields a `Crew`.

To add one, write the module and list it in `ENGINES`. What an engine needs is imported when it is hired.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from importlib import import_module

ENGINES = ("local", "dask", "ray", "spark")


class EngineError(Exception):
    """An engine cannot be used: which, why, and what to do."""


@dataclass(frozen=True, slots=True)
class Crew:
    """Workers that are ready: an executor, and how many tasks it does at a time."""

    executor: Executor
    slots: int


def engine(
    name: str, *, jobs: int | None = None, address: str | None = None
) -> Callable[[], AbstractContextManager[Crew]]:
    """A function that hires the workers of an engine.

    `jobs` is how many to start on this machine, by default one for each core; `address` names a cluster that runs
    already. Raise `EngineError` for a name that is none, and, when they are hired, where that fails.
    """
    if name not in ENGINES:
        raise EngineError(f"{name!r} is no engine; there are: {', '.join(ENGINES)}")
    return partial(import_module(f"{__name__}.{name}").hire, jobs, address)


def missing(name: str, error: ImportError) -> EngineError:
    """What to say where a library is not installed."""
    return EngineError(
        f"the engine {name} needs a library that is not installed ({error.name}): pip install 'pvmscan[{name}]'"
    )
