"""The intermediate form of a module: what its functions call, with what.

Values are not computed. An expression is described by the *paths* under which its object can be reached and by the
*origins* that flow into it. A path is text: a dotted global name (`subprocess.Popen`), or `%` and a parameter, followed
by `.attribute`, `()` for the result of a call and `[]` for an item. An origin is the name of a parameter, or `self` or
`self.attribute` for the object of a method, whatever its first parameter is called.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pvm.hints import Any
from pvm.records import NamedTuple


class NoConstant:
    """The type of `NO_CONSTANT`: the value is no constant."""

    def __repr__(self) -> str:
        return "NO_CONSTANT"


NO_CONSTANT = NoConstant()
NONE: frozenset[str] = frozenset()


class Val(NamedTuple):
    """What is known of the value of an expression."""

    paths: tuple[str, ...] = ()
    origins: frozenset[str] = NONE
    const: Any = NO_CONSTANT


NOTHING = Val()


class Site(NamedTuple):
    """A call in the source."""

    line: int
    callees: tuple[str, ...]
    args: tuple[Val, ...]
    keywords: tuple[tuple[str, Val], ...]
    star: frozenset[str]
    """Origins of `*args` and `**kwargs` arguments, which can land in any parameter."""
    splat: bool
    """There are such arguments."""
    receiver: Val
    """The object whose method is called."""
    guard: str
    """A parameter that must be true for the call to happen, or nothing."""


class Param(NamedTuple):
    """A parameter of a function."""

    name: str
    kind: str
    """`p` positional, `k` keyword only, `*` and `**`."""
    default: Any = NO_CONSTANT


@dataclass(slots=True, eq=False)
class Function:
    """A function or method; `<module>` is the code of a module."""

    module: str
    name: str
    """Qualified name within the module."""
    line: int
    params: tuple[Param, ...] = ()
    method: bool = False
    """The first parameter is the object or the class."""
    flavour: str = ""
    """`static`, `class`, `property` or nothing."""
    sites: list[Site] = field(default_factory=list)
    loads: frozenset[str] = NONE
    """Attributes of the object that are read: properties among them run."""
    stores: dict[str, frozenset[str]] = field(default_factory=dict)
    """Origins of what is written to attributes of the object."""
    attributes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Paths of what is written to them, where it can be reached by a global name."""
    returns: tuple[str, ...] = ()
    """Paths of what is returned."""


@dataclass(slots=True, eq=False)
class Class:
    """A class."""

    module: str
    name: str
    line: int
    bases: tuple[str, ...] = ()
    metaclass: str = ""
    methods: dict[str, Function] = field(default_factory=dict)
    attributes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Paths of class attributes, and of what methods write to attributes of the object."""


@dataclass(slots=True, eq=False)
class Module:
    """A module."""

    name: str
    package: bool
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Paths that global names stand for."""
    stars: tuple[str, ...] = ()
    """Modules whose names are all imported."""
    functions: dict[str, Function] = field(default_factory=dict)
    classes: dict[str, Class] = field(default_factory=dict)
    body: Function | None = None
    lazy: bool = False
    """The module has a `__getattr__`: a name that is not found may still exist."""
