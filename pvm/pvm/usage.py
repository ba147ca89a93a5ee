"""What a skeletal run uses: its globals, and how often each is called and given a state or items.

The loop in `pvm.skeleton` counts; everything that happens once for each name is here.
"""

from __future__ import annotations

import re

from pvm import names, regex, stretches
from pvm.decode import Data

REDUCE, NEWOBJ, BUILD, APPEND, SETITEM, IMPORT, CALLED = range(7)
"""Columns of the counts: calls by opcode, BUILD, items added by APPEND(S) or ADDITEMS, items set by SETITEM(S),
imports, calls of what it returned. A call of a class by `copyreg._reconstructor` counts as NEWOBJ: only its `__new__`
runs."""
COLUMNS = 8
"""Counts kept for each global: a power of two above the highest column."""

PLAIN, EVALUATES, RECONSTRUCTS, DECIDES = range(4)
"""What a call of a global asks of the machine: nothing; to compute the result; to see which class it makes;
to look at the arguments, because it calls or resolves what they say."""

MAX_NAME = 4096
_RECONSTRUCTOR = "copyreg._reconstructor"
_HOOK_NAME = regex.later(
    rb"(?:\x8c.|X.\0\0\0|U.|T.\0\0\0|S['\"]|V)(?:append|extend|add|__setstate__|__setitem__)", re.DOTALL
)
"""A constant that could name a method which opcodes call (`pvm.interpreter.HOOKS`)."""


class NeedsMachine(Exception):
    """Internal: the skeletal pass leaves this program to the machine, for the reason given."""


class Usage:
    """Globals by number, in the order in which they were first imported."""

    def __init__(self, data: Data, start: int) -> None:
        self.data = data
        self.start = start
        self.small = len(data) - start < stretches.WORTH
        """What needs the machine is too small for leaps, so the whole of it is left to the machine at once."""
        self.protocol = 0
        self.names: list[tuple[str, str]] = []
        """(module, name) as written."""
        self.paths: list[str] = []
        self.vias: list[str] = []
        self.offsets: list[int] = []
        """Where each was first imported."""
        self.flags: list[int] = []
        self.counts: list[int] = []
        self.classes: list[int] = [-1]
        """Globals that a tuple of arguments for `copyreg._reconstructor` names, by the tuple's number."""
        self._numbers: dict[tuple[str, bytes, bytes], int] = {}
        self._made: dict[int, int] = {}
        self._object = -1
        self._searched = start

    def number(self, via: str, module: bytes, name: bytes, offset: int) -> int:
        """Number of a global, entered if it is new; `module` and `name` as they stand in the pickle."""
        key = (via, module, name)
        number = self._numbers.get(key, -1)
        return self._enter(key, offset) if number < 0 else number

    def _enter(self, key: tuple[str, bytes, bytes], offset: int) -> int:
        via, raw_module, raw_name = key
        if not raw_module or not raw_name or len(raw_module) + len(raw_name) > MAX_NAME:
            raise NeedsMachine("an unusual name")
        try:
            module, name = raw_module.decode(), raw_name.decode()
        except UnicodeDecodeError:
            raise NeedsMachine("a name that is no UTF-8") from None
        if "<locals>" in name:
            raise NeedsMachine("a name that some versions refuse")
        found = names.resolve(module, name, self.protocol)
        if not found[1]:
            raise NeedsMachine("a name that is a module")
        path = ".".join(found)
        number = self._numbers[key] = len(self.names)
        self.names.append((module, name))
        self.vias.append(via)
        self.offsets.append(offset)
        self.paths.append(path)
        self.flags.append(flag_of(path))
        if path == "builtins.object":
            self._object = number
        return number

    def reconstructs(self, cls: int, base: int) -> int:
        """Number for the arguments `(cls, object, None)`; 0 if the base is another class."""
        if base != self._object or self.flags[cls] != PLAIN:
            return 0
        if cls not in self._made:
            self._made[cls] = len(self.classes)
            self.classes.append(cls)
        return self._made[cls]

    def deciding(self) -> list[bool]:
        """Which globals return what is called, or look at their arguments when they are called; none where there is no
        such call. Only the machine knows what these calls do.
        """
        looks = [flag == DECIDES for flag in self.flags]
        returns = [count > 0 for count in self.counts[CALLED::COLUMNS]]
        calls = any(returns) or any(map(min, looks, self.counts[REDUCE::COLUMNS]))
        return [calls and any(both) for both in zip(looks, returns, strict=True)]

    def check_hooks(self, end: int) -> None:
        """Leave it to the machine if a state written so far may have replaced a method that opcodes call."""
        if _HOOK_NAME.search(self.data, self._searched, end) or (
            self.protocol < 1 and self.data.find(b"\\", self._searched, end) >= 0
        ):
            raise NeedsMachine("a state that may replace a method")
        self._searched = max(self.start, end - 32)


def flag_of(path: str) -> int:
    """What a call of this path asks of the machine."""
    from pvm import effects  # here, because a pickle without names needs neither
    from pvm.interpreter import LAZY, PASSIVE

    if path == _RECONSTRUCTOR:
        return RECONSTRUCTS
    if path in LAZY or path in PASSIVE or path in effects.EFFECTS:
        return DECIDES
    return EVALUATES if effects.evaluates(path) else PLAIN


__all__ = [
    "APPEND",
    "BUILD",
    "IMPORT",
    "NEWOBJ",
    "REDUCE",
    "SETITEM",
    "NeedsMachine",
    "Usage",
    "flag_of",
]
