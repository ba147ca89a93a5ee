"""Kinds of values of the skeletal pass: a value v < 0 is of kind `-v & 15`, and `-v >> 4` is a number that the kind
gives its meaning; v >= 0 is a constant whose opcode stands at offset v.
"""

from __future__ import annotations

OPAQUE, SWALLOWED, GLOBAL, CALL, PERSISTENT, TUPLE, FROZENSET = 0, 1, 2, 3, 4, 5, 6
"""Kinds of values that can be keys; of a swallowed constant only its existence is known. `OPAQUE` is what a callee
returns that looks at its arguments, and what any result returns that is called; its number is that of the global that
was called first, and one more. It may be anything: the machine has to say."""
LIST, DICT, SET, BYTEARRAY, UNHASHABLE, EVALUATED, HOLE, MAKES = 7, 8, 9, 10, 11, 12, 13, 14
"""Kinds that cannot be keys or may not: `UNHASHABLE` is a tuple, `HOLE` a memo index that was never filled, `MAKES` the
arguments `(class, object, None)` of `copyreg._reconstructor`."""
PLAIN = -SWALLOWED
"""A swallowed constant; every greater value is a constant too."""
