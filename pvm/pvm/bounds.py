"""May a pure function run on these arguments? Only if it ends soon, and if what it returns is not large.

Nothing can break off a call into C: no signal is looked at before it returns. So each function that could take more
time or space than its arguments has a guard here (`GUARDS`), which gets all arguments, positional ones first. What a
guard raises means no.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable

from pvm.hints import Any, TypeAlias

WORK = 1 << 28
"""What a quadratic algorithm may do, in bytes times bytes: some hundredths of a second."""
FEW_KEYS = 5000
"""More keys than these have to be text, whose hashes nobody knows beforehand: of numbers a file can hold many that hash
alike, and each then is compared with all others."""
SMALL = 65_536
VALUE = 32
"""What a part of a value takes, compared with a byte of text: each becomes a value of its own."""
DIGITS = 4300
"""Longer numbers are not written as text, nor read: Python itself refuses them, from 3.10.7 on."""

Guard: TypeAlias = Callable[[list[Any], int], bool]


def size(value: Any) -> int:
    """Bytes that a Python object takes up, about."""
    match value:
        case str() | bytes() | bytearray():
            return len(value)
        case int():
            return value.bit_length() // 8
        case list() | tuple() | set() | frozenset():
            return sum(map(size, value)) + len(value)
        case dict():
            return sum(size(key) + size(item) + 2 for key, item in value.items())
        case _:
            return 1


def are_text(keys: Iterable[Any]) -> bool:
    """Are all of them strings or bytes?"""
    return all(isinstance(key, str | bytes) for key in keys)


def _numbers(args: list[Any], limit: int) -> bool:
    """Quadratic in two integers: products and quotients."""
    left, right = args[:2]
    return not (isinstance(left, int) and isinstance(right, int)) or size(left) * size(right) <= WORK


def _product(args: list[Any], limit: int) -> bool:
    left, right = args
    if isinstance(left, int) and isinstance(right, int):
        return _numbers(args, limit)
    count, items = (left, right) if isinstance(left, int) else (right, left)
    return not isinstance(count, int) or max(count, 0) * max(size(items), 1) <= limit


def _small_numbers(args: list[Any], limit: int) -> bool:
    return all(abs(arg) <= min(limit, SMALL) for arg in args if isinstance(arg, int))


def _small_second(args: list[Any], limit: int) -> bool:
    return _small_numbers(args[1:], limit)


def _copies(args: list[Any], limit: int) -> bool:
    """The second argument, so many times as the first has items or says."""
    many, each = args[0], args[1] if len(args) > 1 else 0
    taken = size(each) + 1 if isinstance(each, str | bytes | int) else VALUE * (size(each) + 1)
    return (many if isinstance(many, int) else len(many)) * taken <= limit


def _repeated(args: list[Any], limit: int) -> bool:
    return _small_second(args, limit) and _copies(args[1::-1], limit)


def _few_keys(args: list[Any], limit: int) -> bool:
    return all(len(arg) <= FEW_KEYS or are_text(arg) for arg in args)


def _pairs(args: list[Any], limit: int) -> bool:
    return all(len(arg) <= FEW_KEYS or are_text(next(iter(pair)) for pair in arg) for arg in args)


def _keys_and_copies(args: list[Any], limit: int) -> bool:
    return _few_keys(args[:1], limit) and _copies(args, limit)


def _translated(args: list[Any], limit: int) -> bool:
    text, table = args
    longest = max(map(size, table.values() if isinstance(table, dict) else table), default=1)
    return len(text) * max(longest, 1) <= limit


def _summed(args: list[Any], limit: int) -> bool:
    """Each step of a sum of lists copies what there is."""
    return all(isinstance(item, int | float) for item in args[0]) or len(args[0]) * size(args) <= WORK


def _digits(args: list[Any], limit: int) -> bool:
    """Reading and writing numbers as text takes time in the square of their length."""
    return all(arg.bit_length() <= 3 * DIGITS for arg in args if isinstance(arg, int)) and all(
        len(arg) <= DIGITS for arg in args if isinstance(arg, str | bytes)
    )


def _replacement(args: list[Any], limit: int) -> bool:
    text, old, new = args[:3]
    return (len(text) // max(len(old), 1) + 1) * len(new) + len(text) <= limit


def _join(args: list[Any], limit: int) -> bool:
    separator, items = args
    return len(separator) * max(len(items), 1) + size(list(items)) <= limit


def _plain_format(args: list[Any], limit: int) -> bool:
    template = args[0]
    simple = template.replace("{}", "")
    for number in range(min(len(args), 10)):
        simple = simple.replace(f"{{{number}}}", "")
    return "{" not in simple and len(template) * max(map(size, args), default=1) <= limit


def _modulo(args: list[Any], limit: int) -> bool:
    left = args[0]
    if isinstance(left, int | float):
        return _numbers(args, limit)
    percent = b"%" if isinstance(left, bytes) else "%"
    parts = left.split(percent)[1:]
    return all(part[:1] in (b"s", b"d", "s", "d", "c", "r") for part in parts)


def _packed(args: list[Any], limit: int) -> bool:
    return struct.calcsize(args[0]) <= limit


GUARDS: dict[str, Guard] = {
    "operator.mul": _product,
    "operator.imul": _product,
    "operator.mod": _modulo,
    "operator.floordiv": _numbers,
    "builtins.divmod": _numbers,
    "builtins.round": _small_second,
    "builtins.sum": _summed,
    "builtins.int": _digits,
    "builtins.int.__str__": _digits,
    "builtins.set": _few_keys,
    "builtins.frozenset": _few_keys,
    "builtins.frozenset.difference": _few_keys,
    "builtins.frozenset.intersection": _few_keys,
    "builtins.frozenset.union": _few_keys,
    "builtins.dict": _pairs,
    "builtins.dict.fromkeys": _keys_and_copies,
    "builtins.enumerate": _copies,
    "builtins.str.__mul__": _product,
    "builtins.bytes.__mul__": _product,
    "builtins.str.zfill": _small_numbers,
    "builtins.str.center": _small_numbers,
    "builtins.str.ljust": _small_numbers,
    "builtins.str.rjust": _small_numbers,
    "builtins.str.translate": _translated,
    "builtins.bytes": _small_numbers,
    "builtins.bytearray": _small_numbers,
    "builtins.range": _small_numbers,
    "itertools.repeat": _repeated,
    "builtins.int.to_bytes": _small_second,
    "builtins.str.replace": _replacement,
    "builtins.bytes.replace": _replacement,
    "builtins.str.join": _join,
    "builtins.bytes.join": _join,
    "builtins.str.format": _plain_format,
    "struct.pack": _packed,
}
