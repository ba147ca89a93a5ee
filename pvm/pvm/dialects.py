"""Which loader runs the bytes: the same bytes are different programs to different unpicklers.

A dialect is a record of facts, so that a new Python version is a new row and no new code. The facts were
measured on CPython 3.8 to 3.13, 3.14.2 and 3.15.0rc1; 3.8 to 3.13 behave alike.
"""

from __future__ import annotations

from functools import cache

from pvm.errors import PvmError
from pvm.hints import Literal
from pvm.records import NamedTuple

Version = tuple[int, int]
LOADERS = ("c", "c-stream", "python")


class Dialect(NamedTuple):
    """One unpickler of one Python version, as the differences that change what a program does."""

    loader: str
    """`c` (`_pickle` over memory or a peekable file), `c-stream` (`_pickle` over a file without
    `peek()`), `python` (`pickle._Unpickler`)."""
    python_version: Version
    frames: Literal["ignored", "dropped", "enforced"]
    """What FRAME does to later reads: nothing; the rest of the frame is lost when a read does not fit;
    a read that does not fit is rejected."""
    short_frames: bool
    """A frame longer than the input is accepted (pure Python up to 3.14)."""
    text_base: int
    """Base of INT and LONG: 0 means that prefixes choose (up to 3.13), 10 from 3.14."""
    bools_by_value: bool
    """C up to 3.14: any two-character INT of value 0 or 1 is a bool, not only `00` and `01`."""
    empty_looks_up: bool
    """APPENDS and ADDITEMS of nothing still look up the receiver's method."""
    none_setstate_is_absent: bool
    """`__setstate__ = None` counts as no method (pure Python up to 3.12)."""
    locals_is_reserved: bool
    """`<locals>` in a dotted name is refused (up to 3.13)."""

    @property
    def pure_python(self) -> bool:
        """The loader is `pickle._Unpickler` or a subclass of it."""
        return self.loader == "python"

    def __str__(self) -> str:
        return f"{self.loader}@{self.python_version[0]}.{self.python_version[1]}"


def dialect(loader: str = "c", python_version: Version = (3, 11)) -> Dialect:
    """Return the dialect of a loader in a Python version; raise `PvmError` for names that are none."""
    if loader not in LOADERS:
        raise PvmError(f"unknown dialect {loader!r}: choose one of {', '.join(LOADERS)}")
    if python_version < (3, 8):
        raise PvmError("dialects are known from Python 3.8 on")
    pure = loader == "python"
    strict = python_version >= (3, 15)
    frames: Literal["ignored", "dropped", "enforced"] = "ignored"
    if pure or strict:
        frames = "enforced"
    elif loader == "c-stream":
        frames = "dropped"
    return Dialect(
        loader=loader,
        python_version=python_version,
        frames=frames,
        short_frames=pure and not strict,
        text_base=10 if python_version >= (3, 14) else 0,
        bools_by_value=not pure and not strict,
        empty_looks_up=pure or strict,
        none_setstate_is_absent=pure and python_version < (3, 13),
        locals_is_reserved=python_version < (3, 14),
    )


@cache
def every(first: str = "c") -> tuple[Dialect, ...]:
    """All dialects that differ from each other, those of the loader `first` leading in each version."""
    loaders = sorted(LOADERS, key=lambda loader: loader != first)
    known = [dialect(loader, version) for version in ((3, 11), (3, 14), (3, 15)) for loader in loaders]
    distinct: dict[tuple[object, ...], Dialect] = {}
    for one in known:
        facts = (one.pure_python, one.frames, one.short_frames, one.text_base, one.bools_by_value)
        distinct.setdefault(facts, one)
    return tuple(distinct.values())
