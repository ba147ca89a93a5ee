"""Records: the data classes and named tuples of the standard library, made in a tenth of its time.

For each such class the standard library writes Python text and compiles it, and a process that judges one small file
would spend most of its time on that. Here all classes share their comparison and the like, and their constructor too,
until one has made `MANY` records: then that is worth writing. Type checkers see the standard ones;
`dataclasses.replace`, `fields` and `asdict` take data classes from here as well.

Of the options there are those that are used: `frozen` and `eq`. Every data class has slots. A module that makes
records has its annotations as text (`from __future__ import annotations`).
"""

from __future__ import annotations

from pvm.hints import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
    from dataclasses import field as field
    from dataclasses import replace as replace
    from typing import NamedTuple as NamedTuple
else:
    from operator import attrgetter, itemgetter

    MANY = 100
    """Records after which a class gets a constructor of its own."""

    try:
        from _collections import _tuplegetter
    except ImportError:  # other implementations of Python

        def _tuplegetter(place, doc):
            return property(itemgetter(place), doc=doc)

    class _Factory:
        """Makes the value of a field that is not given."""

        def __init__(self, make):
            self.make = make

    def field(*, default_factory):
        """A field of which each record has its own value."""
        return _Factory(default_factory)

    def replace(record, /, **changes):
        """A record with other values in some fields."""
        values = {name: getattr(record, name) for name in record.__match_args__}
        return type(record)(**{**values, **changes})

    def _completed(cls, args, named):
        """The values of all fields, where not just all of them are given in their order."""
        names = cls.__match_args__
        missing = len(names) - len(args)
        if not named and 0 < missing <= len(cls._last):
            return args + cls._last[-missing:]
        given = {**dict(zip(names, args)), **named}  # noqa: B905 - the next line sees to it
        if len(given) < len(args) + len(named):
            raise TypeError(f"{cls.__name__}: more values than {', '.join(names)}")
        for name, make in cls._factories:
            if name not in given:
                given[name] = make()
        values = {**cls._field_defaults, **given}
        if values.keys() != cls._names:
            raise TypeError(f"{cls.__name__}: the fields are {', '.join(names)}, not {', '.join(values)}")
        return [*map(values.__getitem__, names)]

    def _repr(self):
        values = (f"{name}={getattr(self, name)!r}" for name in self.__match_args__)
        return f"{type(self).__qualname__}({', '.join(values)})"

    def _fields_of(namespace):
        """The names of the fields; their defaults are taken out of the namespace that they are to be kept in."""
        names = tuple(namespace.get("__annotations__", ()))
        defaults = {name: namespace.pop(name) for name in names if name in namespace}
        own = {name: value.make for name, value in defaults.items() if type(value) is _Factory}
        plain = {name: value for name, value in defaults.items() if name not in own}
        namespace.update(__match_args__=names, _names=frozenset(names), _field_defaults=plain)
        namespace.update(_factories=(*own.items(),), _last=() if own else (*plain.values(),))
        return names

    # Named tuples ----------------------------------------------------------------------------------------

    class _Tuples(type):
        def __new__(cls, name, bases, namespace):
            if not bases:
                return super().__new__(cls, name, bases, namespace)
            names = _fields_of(namespace)
            namespace.update({one: _tuplegetter(place, None) for place, one in enumerate(names)})
            namespace.update(__slots__=(), _fields=names)
            kind = type(name, (tuple,), {**_OF_TUPLES, **namespace})
            kind.__new__ = staticmethod(_new_of(kind))
            return kind

    class NamedTuple(metaclass=_Tuples):
        """Base of named tuples."""

    def _new_of(kind):
        names, make, left = kind._fields, tuple.__new__, MANY

        def __new__(cls, /, *args, **named):
            nonlocal left
            left -= 1
            if not left:
                from collections import namedtuple

                kind.__new__ = staticmethod(namedtuple(kind.__name__, names, defaults=kind._last).__new__)
            if named or len(args) != len(names):
                args = _completed(cls, args, named)
            return make(cls, args)

        return __new__

    _OF_TUPLES = {
        "__repr__": _repr,
        "__getnewargs__": lambda self: tuple(self),
        "_replace": replace,
        "__replace__": replace,
        "_make": classmethod(lambda cls, values: cls(*values)),
        "_asdict": lambda self: dict(zip(self._fields, self, strict=True)),
    }

    # Data classes ----------------------------------------------------------------------------------------

    def dataclass(*, frozen=False, slots=True, eq=True):
        """Make a class a data class, whose fields are its annotations."""

        def made(cls):
            namespace = {key: value for key, value in cls.__dict__.items() if key not in _OF_PLAIN}
            names = namespace["__slots__"] = _fields_of(namespace)
            common = {**_OF_ALL, **(_OF_EQUAL if eq else {}), **(_OF_FROZEN if frozen else {})}
            whole = type(cls)(cls.__name__, cls.__bases__, {**common, **namespace})
            whole.__qualname__ = cls.__qualname__
            whole._frozen, whole._values = frozen, attrgetter(*names)
            whole._setters = tuple([getattr(whole, name).__set__ for name in names])
            whole.__init__ = _init_of(whole, namespace.get("__post_init__"))
            return whole

        return made

    def _init_of(kind, more):
        names, setters, left = kind.__match_args__, kind._setters, MANY

        def __init__(self, /, *args, **named):
            nonlocal left
            left -= 1
            if not left:
                kind.__init__ = _standard(kind).__init__
            if named or len(args) != len(names):
                args = _completed(type(self), args, named)
            for put, value in zip(setters, args):  # noqa: B905 - told already
                put(self, value)
            if more is not None:
                more(self)

        return __init__

    def _eq(self, other):
        if type(other) is not type(self):
            return NotImplemented
        return self._values(self) == self._values(other)

    def _refuse(self, name, value=None):
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"cannot change {name!r}")

    def _set_state(self, values):
        for put, value in zip(self._setters, values, strict=True):
            put(self, value)

    def _standard(kind):
        """The same class as the standard library makes it."""
        import dataclasses

        factories = dict(kind._factories)

        def written(name):
            if name in factories:
                return dataclasses.field(default_factory=factories[name])
            return dataclasses.field(default=kind._field_defaults.get(name, dataclasses.MISSING))

        fields = [(name, note, written(name)) for name, note in kind.__annotations__.items()]
        own = {key: kind.__dict__[key] for key in ("__post_init__",) if key in kind.__dict__}
        return dataclasses.make_dataclass(kind.__name__, fields, namespace=own, frozen=kind._frozen)

    class _Standard:
        """What the standard library keeps with a data class, made when somebody asks."""

        def __init__(self, get):
            self.get = get

        def __get__(self, record, cls):
            return self.get(_standard(cls))

    def _signature(cls):
        from inspect import signature

        return signature(cls)

    _OF_PLAIN = frozenset(("__dict__", "__weakref__"))
    _OF_ALL = {
        "__repr__": _repr,
        "__replace__": replace,
        "__dataclass_fields__": _Standard(lambda cls: cls.__dataclass_fields__),
        "__signature__": _Standard(_signature),
    }
    _OF_EQUAL = {"__eq__": _eq, "__hash__": None}
    _OF_FROZEN = {
        "__hash__": lambda self: hash(self._values(self)),
        "__setattr__": _refuse,
        "__delattr__": _refuse,
        "__getstate__": lambda self: [getattr(self, name) for name in self.__match_args__],
        "__setstate__": _set_state,
    }
