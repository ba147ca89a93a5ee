"""Bytecode, disassembled as far as names go: what a code object looks up, and on what.

Nothing is loaded. The version is not written in a code object, so every dialect that fits its layout is tried; a
reading counts if it knows every opcode and every index, and a name that it does not explain stands for itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from pvm.hints import Any
from pvmscan.readers.data import table
from pvmscan.readers.marshalled import Code

_ARGUMENTS_FROM = 90
"""The first opcode with an argument, where instructions have no fixed width (`opcode.HAVE_ARGUMENT`)."""
_PROLOGUE = 8
"""Instructions among which a function of Python 3.11 or later has its RESUME: cells and free variables come first."""


@dataclass(frozen=True, slots=True)
class Path:
    """A dotted look-up: `K.eval`, or `.system` on a value that is not named."""

    text: str
    root: str
    """`global`, `local`, `import`, or `value` where it begins at something computed."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One code object in one dialect."""

    versions: str
    paths: tuple[Path, ...]
    stored: frozenset[str]
    """Global names that the code sets."""


@dataclass(frozen=True, slots=True)
class Uses:
    """What a function and all functions in it look up."""

    paths: tuple[str, ...]
    """Dotted look-ups; where the instructions cannot be read, every name by itself."""
    roots: frozenset[str] | None
    """Globals and modules that they start from, in every reading; None where they cannot be told."""


def uses(code: Code) -> Uses:
    """The look-ups of the first reading; the roots of all."""
    paths: dict[str, None] = {}
    roots: set[str] = set()
    understood = True
    for one in code.nested():
        found = readings(one)
        understood = understood and bool(found) and not any(reading.stored for reading in found)
        paths.update(dict.fromkeys(path.text.lstrip(".") for path in found[0].paths) if found else {})
        paths.update(dict.fromkeys(one.words("names")) if not found else {})
        roots.update(
            path.text if path.root == "import" else path.text.partition(".")[0]
            for reading in found
            for path in reading.paths
            if path.root in ("global", "import")
        )
    return Uses(tuple(paths), frozenset(roots) if understood else None)


class _Unfit(ValueError):
    """The instructions are not of this dialect."""


def readings(code: Code) -> tuple[Reading, ...]:
    """How the interpreters that could load a code object would read it; none if its instructions are of none."""
    return tuple(_fitting(code))


def _fitting(code: Code) -> Iterator[Reading]:
    for dialect in table("bytecode")["dialects"]:
        if dialect["layout"] != code.layout:
            continue
        try:
            yield _Pass(code, dialect).reading()
        except _Unfit:
            continue


@cache
def _numbers(spans: str) -> frozenset[int]:
    """`1-3 7` as numbers."""
    found: set[int] = set()
    for span in spans.split():
        low, _, high = span.partition("-")
        found.update(range(int(low), int(high or low) + 1))
    return frozenset(found)


def _instructions(data: bytes, dialect: dict[str, Any]) -> Iterator[tuple[int, int]]:
    """Opcodes with their arguments."""
    at, high, known = 0, 0, _numbers(dialect["known"])
    while at < len(data):
        opcode = data[at]
        width = dialect["width"] or (3 if opcode >= _ARGUMENTS_FROM else 1)
        if opcode not in known or at + width > len(data):
            raise _Unfit(f"no opcode {opcode}")
        argument = high | int.from_bytes(data[at + 1 : at + width], "little")
        at += width
        if opcode == dialect["extended"]:
            high = (argument << (8 if dialect["width"] else 16)) & 0xFFFFFFFF
            continue
        high = 0
        cells = 2 * dialect["caches"].get(str(opcode), 0)
        if data[at : at + cells].strip(b"\0"):
            raise _Unfit("a cache that is not empty")
        at += cells
        yield opcode, argument


class _Pass:
    """One pass over the instructions: look-ups that follow each other make a path."""

    def __init__(self, code: Code, dialect: dict[str, Any]) -> None:
        self.code = code
        self.dialect = dialect
        self.names = code.words("names")
        self.locals = code.words("varnames") or code.words("localsplusnames")
        self.paths: dict[Path, None] = {}
        self.stored: set[str] = set()
        self.used: set[str] = set()
        self.root, self.parts = "value", [""]

    def reading(self) -> Reading:
        """Every name once, in the order of its use."""
        dialect, begun = self.dialect, not self.dialect["begins"]
        data = self.code.parts["code"]
        for number, (opcode, argument) in enumerate(
            _instructions(data if isinstance(data, bytes) else b"", dialect)
        ):
            begun = begun or (opcode in dialect["begins"] and number < _PROLOGUE)
            if opcode not in dialect["skipped"]:
                self._step(opcode, argument >> 1 if opcode in dialect["halved"] else argument)
        self._end()
        if not begun:
            raise _Unfit("it does not begin as a function does")
        for name in self.names:
            if name not in self.used:
                self.paths[Path(name, "value")] = None
        return Reading(dialect["versions"], tuple(self.paths), frozenset(self.stored))

    def _step(self, opcode: int, argument: int) -> None:
        dialect = self.dialect
        if opcode in dialect["attribute"]:
            self.parts.append(self._name(argument))
            return
        self._end()
        if opcode in dialect["global"]:
            self.root, self.parts = "global", [self._name(argument)]
        elif opcode in dialect["import"]:
            self.root, self.parts = "import", [self._name(argument)]
        elif opcode in dialect["local"]:
            self.root, self.parts = "local", [self._of(self.locals, argument)]
        elif opcode in dialect["paired"]:
            self.root, self.parts = "local", [self._of(self.locals, argument & 15)]
        elif opcode in dialect["store"]:
            self.stored.add(self._of(self.names, argument))

    def _end(self) -> None:
        """What was looked up is used now."""
        if len(self.parts) > 1 or self.root in ("global", "import"):
            self.paths[Path(".".join(self.parts), self.root)] = None
        self.root, self.parts = "value", [""]

    def _name(self, index: int) -> str:
        found = self._of(self.names, index)
        self.used.add(found)
        return found

    @staticmethod
    def _of(words: tuple[str, ...], index: int) -> str:
        if index >= len(words):
            raise _Unfit("a name that is not there")
        return words[index]
