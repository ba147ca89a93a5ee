"""Programs that cost little to write and may cost much to judge. Inert, and never loaded.

Each takes a count that its bytes grow with, linearly. A scanner shall grow no faster.
"""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

from benchmarks.workloads.containers import write_many_names

PROTO = b"\x80\x02"
PROTO4 = b"\x80\x04"


def _u32(number: int) -> bytes:
    return struct.pack("<I", number)


def _short(text: str) -> bytes:
    raw = text.encode()
    return b"\x8c" + bytes([len(raw)]) + raw


def _global(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def memo_bomb(count: int) -> bytes:
    """Every tuple holds the one before it twice: 2 to the power of `count` if somebody unfolds it."""
    return (
        PROTO4
        + b")\x94"
        + b"".join(b"j" + _u32(i) + b"j" + _u32(i) + b"\x86\x940" for i in range(count))
        + b"N."
    )


def list_bomb(count: int) -> bytes:
    """The same with lists, which can be changed later."""
    step = b"".join(b"]\x94(j" + _u32(i) + b"j" + _u32(i) + b"e" for i in range(count))
    return PROTO4 + b"]\x94" + step + b"."


def get_storm(count: int) -> bytes:
    """One value is fetched and dropped again and again."""
    return PROTO + b"]q\x00" + b"h\x000" * count + b"."


def fetched_arguments(count: int) -> bytes:
    """One long list is the argument of every call."""
    call = _global("collections", "deque") + b"h\x00\x85R0"
    return PROTO + b"]q\x00(" + b"K\x01" * count + b"e" + call * count + b"."


def deep_lists(count: int) -> bytes:
    """Lists in lists."""
    return PROTO + b"]" * count + b"a" * (count - 1) + b"."


def deep_tuples(count: int) -> bytes:
    """Tuples in tuples."""
    return PROTO + b")" + b"\x85" * count + b"."


def deep_dicts(count: int) -> bytes:
    """Dictionaries in dictionaries."""
    return PROTO + b"}K\x00" * count + b"N" + b"s" * count + b"."


def deep_marks(count: int) -> bytes:
    """All marks are open before the first is closed."""
    return PROTO + b"(" * count + b"t" * count + b"."


def deep_calls(count: int) -> bytes:
    """Calls whose argument is the call before."""
    start = _global("collections", "deque") + b"q\x00)R"
    return PROTO + start + b"\x85q\x010h\x00h\x01R" * count + b"."


def dup_storm(count: int) -> bytes:
    """One value lies on the stack many times."""
    return PROTO + b"]" + b"2" * count + b"0" * count + b"."


def pop_storm(count: int) -> bytes:
    """Values that are dropped at once."""
    return PROTO + b"N0" * count + b"N."


def mark_storm(count: int) -> bytes:
    """Marks that are dropped at once."""
    return PROTO + b"(1" * count + b"N."


def put_storm(count: int) -> bytes:
    """One value is memoized many times."""
    return PROTO + b"]" + b"".join(b"r" + _u32(i) for i in range(count)) + b"."


def huge_memo_indices(count: int) -> bytes:
    """Memo indices that a dense memo would need gigabytes for."""
    return PROTO + b"]" + b"".join(b"r" + _u32(2**31 - 1 - 4096 * i) for i in range(count)) + b"."


def many_frames(count: int) -> bytes:
    """Frames of two opcodes."""
    return PROTO4 + (b"\x95" + struct.pack("<Q", 2) + b"N0") * count + b"N."


def long_integer(count: int) -> bytes:
    """LONG4 of `count` bytes; as decimal digits it would be quadratic."""
    return PROTO + b"\x8b" + _u32(count) + b"\x7f" * count + b"."


def many_long_integers(count: int) -> bytes:
    """LONG1 of 255 bytes."""
    return PROTO + (b"\x8a\xff" + b"\x7f" * 255 + b"0") * (count // 255 + 1) + b"N."


def long_digits(count: int) -> bytes:
    """INT with `count` decimal digits."""
    return b"I" + b"7" * count + b"\n."


def long_string(count: int) -> bytes:
    """BINUNICODE of `count` bytes."""
    return PROTO + b"X" + _u32(count) + b"a" * count + b"."


def long_escapes(count: int) -> bytes:
    """STRING made of escapes."""
    return b"S'" + b"\\x41" * (count // 4) + b"'\n."


def long_module_name(count: int) -> bytes:
    """STACK_GLOBAL with a name of `count` bytes."""
    return PROTO4 + b"X" + _u32(count) + b"a" * count + _short("name") + b"\x930N."


def long_dotted_name(count: int) -> bytes:
    """A name of `count` attributes."""
    return PROTO4 + _short("collections") + b"X" + _u32(2 * count + 1) + b"a." * count + b"a\x930N."


def open_line(count: int) -> bytes:
    """Lines whose end is missing, again and again."""
    return b"c" * count


def many_globals(count: int) -> bytes:
    """Every global is another one."""
    return (
        PROTO + b"".join(_global(f"package{i % 97}.part{i}", f"Kind{i}") + b"0" for i in range(count)) + b"N."
    )


def joined_string(count: int) -> bytes:
    """A string that every call makes one character longer."""
    concat = _global("operator", "concat") + b"q\x000"
    step = b"q\x010h\x00h\x01X\x01\x00\x00\x00a\x86R"
    return PROTO + concat + b"X\x00\x00\x00\x00" + step * count + b"."


def attribute_chain(count: int) -> bytes:
    """Getattr of getattr of getattr."""
    start = _global("builtins", "getattr") + b"q\x000" + _global("collections", "OrderedDict")
    step = b"q\x010h\x00h\x01X\x01\x00\x00\x00a\x86R"
    return PROTO + start + step * count + b"."


def growing_state(count: int) -> bytes:
    """One dictionary grows and is the state of an object after every step."""
    start = _global("collections", "OrderedDict") + b")Rq\x00}q\x01"
    step = b"".join(b"J" + struct.pack("<i", i) + b"Nsh\x00h\x01b0" for i in range(count))
    return PROTO + start + step + b"."


def growing_argument(count: int) -> bytes:
    """One list grows and is the argument of a call after every step."""
    start = _global("collections", "deque") + b"q\x000]q\x01"
    return PROTO + start + b"K\x07ah\x00h\x01\x85R0" * count + b"."


def same_key(count: int) -> bytes:
    """One entry of a dictionary is overwritten again and again."""
    return PROTO + b"}" + b"K\x00K\x01s" * count + b"."


def many_streams(count: int) -> bytes:
    """Pickles one behind the other."""
    return (PROTO + b"N.") * count


def false_starts(count: int) -> bytes:
    """No pickle at all, but every third byte might be the start of one that goes on to the end."""
    return b"\x00\x01" + (PROTO + b"(") * count


def pickles_in_pickles(count: int) -> bytes:
    """A pickle that loads bytes that are a pickle that loads bytes, and so on, with `count` bytes of padding."""
    loads = _global("pickle", "loads")
    inner = PROTO + b"N."
    for _ in range(12):
        padded = inner + b"\x00" * (count // 12)
        inner = b"\x80\x03" + loads + b"B" + _u32(len(padded)) + padded + b"\x85R."
    return inner


def gzip_of_zeros(count: int) -> bytes:
    """A thousand times as long once it is inflated."""
    return gzip.compress(PROTO + b"X" + _u32(count * 1000) + bytes(count * 1000) + b".", 9, mtime=0)


FAMILIES: dict[str, tuple[Callable[[int], bytes], ...]] = {
    "stack and memo": (
        memo_bomb,
        list_bomb,
        get_storm,
        dup_storm,
        pop_storm,
        mark_storm,
        put_storm,
        huge_memo_indices,
        same_key,
    ),
    "nesting": (
        deep_lists,
        deep_tuples,
        deep_dicts,
        deep_marks,
        deep_calls,
        many_frames,
        pickles_in_pickles,
    ),
    "long data": (
        long_integer,
        many_long_integers,
        long_digits,
        long_string,
        long_escapes,
        long_module_name,
        long_dotted_name,
        open_line,
        gzip_of_zeros,
    ),
    "globals and calls": (
        many_globals,
        fetched_arguments,
        joined_string,
        attribute_chain,
        growing_state,
        growing_argument,
    ),
    "streams": (many_streams, false_starts),
}
"""The programs by what they strain."""
PROGRAMS = {
    maker.__name__.replace("_", "-"): (family, maker)
    for family, makers in FAMILIES.items()
    for maker in makers
}
UNITS = {
    "long-integer": 20.0,
    "many-long-integers": 20.0,
    "long-digits": 20.0,
    "long-string": 20.0,
    "long-escapes": 20.0,
    "long-module-name": 20.0,
    "pickles-in-pickles": 20.0,
    "many-globals": 0.3,
    "many-streams": 0.3,
    "joined-string": 0.3,
    "attribute-chain": 0.3,
}
"""Items that cost about as much as one opcode: more of what is a byte of data, fewer of what is a whole call."""


def write(path: Path, count: int, program: str) -> None:
    """Write one of the programs."""
    path.write_bytes(PROGRAMS[program][1](count))


def write_duplicate_names(path: Path, count: int) -> None:
    """A zip in which every member has the same name."""
    write_many_names(path, count, lambda _: "archive/data.pkl")


def write_many_members(path: Path, count: int) -> None:
    """A zip of many members."""
    write_many_names(path, count, lambda i: f"archive/part{i}.pkl")


def write_overlapping_members(path: Path, count: int) -> None:
    """A zip whose directory names one member `count` times, so that all entries lie over each other."""
    write_many_names(path, 1, lambda _: "a.pkl")
    whole = path.read_bytes()
    end = whole.rindex(b"PK\x05\x06")
    size, start = struct.unpack_from("<II", whole, end + 12)
    entries = min(count, 0xFFFF)
    directory = whole[start : start + size] * entries
    record = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, entries, entries, len(directory), start, 0)
    path.write_bytes(whole[:start] + directory + record)


ZIPS = {
    "duplicate-names": write_duplicate_names,
    "many-members": write_many_members,
    "overlapping-members": write_overlapping_members,
}
