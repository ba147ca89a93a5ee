"""Names of the standard `typing` for annotations, without it: importing it takes a twentieth of a small scan's time.

Type checkers see the standard ones. While a program runs nobody asks what they mean, because annotations are text
(`from __future__ import annotations`); here they only stand where such a name is called, subscribed or inherited from.
"""

from __future__ import annotations

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import IO as IO
    from typing import Any as Any
    from typing import Generic as Generic
    from typing import Literal as Literal
    from typing import NoReturn as NoReturn
    from typing import Protocol as Protocol
    from typing import TextIO as TextIO
    from typing import TypeAlias as TypeAlias
    from typing import TypeGuard as TypeGuard
    from typing import TypeVar as TypeVar
    from typing import Union as Union
    from typing import cast as cast
else:

    class _Name:
        """Base of protocols and generic classes, and whatever may be subscribed."""

        __slots__ = ()

        def __class_getitem__(cls, _):
            return cls

    IO = Any = Generic = Literal = NoReturn = Protocol = TextIO = TypeAlias = TypeGuard = Union = _Name

    def TypeVar(name, **_):
        """Stands for any type."""
        return _Name

    def cast(_, value):
        """The value itself."""
        return value
