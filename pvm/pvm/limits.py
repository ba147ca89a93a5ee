"""The bounds within which the machine works. Each is a parameter, and each is reported when it is hit."""

from __future__ import annotations

from pvm.records import NamedTuple


class Limits(NamedTuple):
    """Bounds of one run. The defaults let the largest honest files through (an index of a language model
    reaches millions of opcodes) and keep memory proportional to the input.
    """

    opcodes: int = 50_000_000
    """Instructions executed."""
    stack: int = 8_000_000
    """Values on the stack, all segments together."""
    memo: int = 20_000_000
    """Filled memo slots."""
    constant_bytes: int = 1 << 20
    """A longer constant stays a reference into the input (`Blob`) and is not decoded."""
    fold_bytes: int = 1 << 20
    """Size of a value that `fold` will compute."""
    fold_steps: int = 1_000_000
    """Calls within calls that are followed, all together."""


DEFAULT = Limits()

MAX_HEIGHT = 1 << 23
"""Values on the stack or in the memo of the skeletal pass; beyond, the limits above shall decide."""
MAX_GROWTH = 1 << 31
"""Values that a walk may visit when it does not notice sharing, before the skeletal pass leaves it to the machine; as
many as the square of the containers' number are never too many (compare the analyzer `resource_bomb`, which allows
more)."""
MOST = 1 << 60
"""More than that is not counted."""
