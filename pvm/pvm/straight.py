# cython: language_level=3, annotation_typing=False
"""Straight runs: instructions that only move constants, executed in one step by the machine's own rules.

Most of an honest pickle is numbers and strings that go into lists and dictionaries. `run` executes such instructions
in one loop, for as long as each can mean only one thing: complete, inside the frame, written as picklers write it,
with values enough on the stack. At anything else it stops before the instruction, and a handler does it: faults,
quirks, calls and names are never decided here. What is left on the stack and in the memo is what the handlers would
have left; `tests/pvm/test_straight.py` compares the two, instruction by instruction.

The same source runs interpreted and compiled (`straight.pxd` gives the C types).
"""

from __future__ import annotations

import re
import struct

from pvm.decode import Data
from pvm.hints import Any
from pvm.values import Container, Node

COMPILED: bool = not __file__.endswith(".py")

_INT = re.compile(rb"(?:0[01]|-?[1-9][0-9]{0,17}|0)\n")
_LONG = re.compile(rb"(-?[1-9][0-9]{0,4000}|0)L?\n")
_FLOAT = re.compile(rb"-?\d{1,300}(\.\d*)?(e-\d{1,300})?\n")
_INDEX = re.compile(rb"(?:0|[1-9][0-9]{0,17})\n")
_DOUBLE = struct.Struct(">d")
_MISSING = object()

SPARSE, WIDE = 1 << 25, 1 << 32
"""More memo entries than any limit allows: beyond it, indices are not the number of those before. More than four bytes
can say.
"""


def slot(index: int) -> int:
    """The key of a memo index below `2**61 - 1`.

    A dict begins to search at the lowest bits of an integer. Indices that are alike in them, as multiples of 4096 are,
    would make it search ever longer. So their lowest bits come last: then neighbours are neighbours in its table too.
    """
    if index < SPARSE:
        return index
    return ~(index >> 12 | (index & 0xFFF) << 20) if index < WIDE else index ^ index >> 16


def put(index: int, value: Any, dense: list[Any], memo: dict[Any, Any]) -> None:
    """Enter a value into the memo, under an index below `2**61 - 1`."""
    if index < len(dense):
        dense[index] = value
    elif index == len(dense) and not memo:
        dense.append(value)
    else:
        memo[slot(index)] = value


BEGINS = frozenset(b"(NKMJGX\x8c\x88\x89)U\x94qrhj]}\x8fueas\x85\x86\x87tIFLVSpgC\x8a")
"""First bytes of the instructions that are executed here."""


def _are_plain(keys: list[Any]) -> bool:
    """Are all of them constants, so that they can be keys?"""
    for key in keys:  # noqa: SIM110 the compiled build takes no closures here
        if isinstance(key, (Node, tuple)):
            return False
    return True


def run(
    data: Data,
    window: Any,
    start: int,
    stop: int,
    most: int,
    stack: list[Any],
    marks: list[int],
    memo: dict[Any, Any],
    longest: int,
    strings: bool,
    absent: int,
    dense: list[Any] | None = None,
) -> tuple[int, int]:
    """Execute instructions between two positions, at most so many; where the next one stands, and how many there were.

    `window` is the data, or a view of it. A constant of more than `longest` bytes is left to its handler, and so are
    strings of Python 2 unless `strings` says that they are text in ASCII. So many memo entries are `absent`: what fills
    them was leapt over. `dense` has the entries that were filled in the order of their indices from 0 on, until the
    first that was not: from then on `memo` has what is not there.
    """
    if dense is None:
        dense = []
    pos, count = start, 0
    op = n = end = height = low = high = 0
    height = len(stack)
    low = marks[-1] if marks else 0
    while pos < stop and count < most:
        op = window[pos]
        if op == 0x4B:  # BININT1
            if pos + 2 > stop:
                break
            stack.append(window[pos + 1])
            height += 1
            pos += 2
        elif op == 0x94:  # MEMOIZE
            if height <= low:
                break
            n = len(dense) + len(memo) + absent
            if n == len(dense):
                dense.append(stack[height - 1])
            else:
                memo[n] = stack[height - 1]
            pos += 1
        elif op == 0x8C or op == 0x58:  # SHORT_BINUNICODE, BINUNICODE
            if pos + 5 > stop:
                break
            if op == 0x8C:
                n = window[pos + 1]
                end = pos + 2
            else:
                n = window[pos + 4]
                n = n << 24 | window[pos + 3] << 16 | window[pos + 2] << 8 | window[pos + 1]
                end = pos + 5
            if n > longest or end + n > stop:
                break
            try:
                stack.append(data[end : end + n].decode("utf-8", "surrogatepass"))
            except UnicodeDecodeError:
                break
            height += 1
            pos = end + n
        elif op == 0x4D:  # BININT2
            if pos + 3 > stop:
                break
            stack.append(window[pos + 2] << 8 | window[pos + 1])
            height += 1
            pos += 3
        elif op == 0x4A:  # BININT
            if pos + 5 > stop:
                break
            n = window[pos + 4]
            n = n << 24 | window[pos + 3] << 16 | window[pos + 2] << 8 | window[pos + 1]
            stack.append(n - 0x100000000 if n >= 0x80000000 else n)
            height += 1
            pos += 5
        elif op == 0x47:  # BINFLOAT
            if pos + 9 > stop:
                break
            stack.append(_DOUBLE.unpack_from(data, pos + 1)[0])
            height += 1
            pos += 9
        elif op == 0x68 or op == 0x71 or op == 0x6A or op == 0x72:  # BINGET, BINPUT, LONG_BINGET, LONG_BINPUT
            end = pos + (2 if op == 0x68 or op == 0x71 else 5)
            if end > stop:
                break
            n = window[end - 1]
            if end - pos == 5:
                n = n << 24 | window[pos + 3] << 16 | window[pos + 2] << 8 | window[pos + 1]
            if op == 0x68 or op == 0x6A:
                value = dense[n] if n < len(dense) else memo.get(slot(n), _MISSING)
                if value is _MISSING:
                    break
                stack.append(value)
                height += 1
            else:
                if height <= low:
                    break
                if n == len(dense) and not memo:  # as `put` does: interpreted, a call would take longer
                    dense.append(stack[height - 1])
                else:
                    put(n, stack[height - 1], dense, memo)
            pos = end
        elif op == 0x4E or op == 0x88 or op == 0x89:  # NONE, NEWTRUE, NEWFALSE
            stack.append(None if op == 0x4E else op == 0x88)
            height += 1
            pos += 1
        elif op == 0x28:  # MARK
            marks.append(height)
            low = height
            pos += 1
        elif op == 0x75 or op == 0x73 or op == 0x65 or op == 0x61:  # SETITEMS, SETITEM, APPENDS, APPEND
            pairs, marked = op == 0x75 or op == 0x73, op == 0x75 or op == 0x65
            if marked and not marks:
                break
            high = low if marked else height - (2 if pairs else 1)
            end = low if not marked else marks[-2] if len(marks) > 1 else 0
            target = stack[high - 1] if high > end else None
            if type(target) is not Container or target.kind != ("dict" if pairs else "list"):
                break
            items = stack[high:]
            if pairs and ((height - high) & 1 or not _are_plain(items[::2])):
                break
            if items or not pairs:
                target.extend(items, pos)
            del stack[high:]
            height = high
            if marked:
                marks.pop()
                low = end
            pos += 1
        elif op == 0x5D or op == 0x7D or op == 0x8F:  # EMPTY_LIST, EMPTY_DICT, EMPTY_SET
            stack.append(Container(pos, "list" if op == 0x5D else "dict" if op == 0x7D else "set"))
            height += 1
            pos += 1
        elif 0x85 <= op <= 0x87:  # TUPLE1, TUPLE2, TUPLE3
            high = height - (op - 0x84)
            if high < low:
                break
            stack[high:] = [tuple(stack[high:])]
            height = high + 1
            pos += 1
        elif op == 0x74:  # TUPLE
            if not marks:
                break
            stack[low:] = [tuple(stack[low:])]
            height = low + 1
            marks.pop()
            low = marks[-1] if marks else 0
            pos += 1
        elif op == 0x29:  # EMPTY_TUPLE
            stack.append(())
            height += 1
            pos += 1
        elif op == 0x49 or op == 0x4C or op == 0x46:  # INT, LONG, FLOAT
            plain = (_INT if op == 0x49 else _LONG if op == 0x4C else _FLOAT).match(data, pos + 1, stop)
            if plain is None:
                break
            end = plain.end()
            if op == 0x49:
                text = data[pos + 1 : end - 1]
                stack.append(text == b"01" if text == b"00" or text == b"01" else int(text))
            else:
                stack.append(int(plain[1]) if op == 0x4C else float(data[pos + 1 : end - 1]))
            height += 1
            pos = end
        elif op == 0x56 or op == 0x53:  # UNICODE, STRING
            end = data.find(b"\n", pos + 1, stop)
            if end < 0:
                break
            text = data[pos + 1 : end]
            if b"\\" in text or len(text) > longest:
                break
            if op == 0x53:
                if not strings or len(text) < 2 or text[:1] != text[-1:] or text[:1] not in (b"'", b'"'):
                    break
                text = text[1:-1]
                if not text.isascii():
                    break
            stack.append(text.decode("latin-1"))
            height += 1
            pos = end + 1
        elif op == 0x70 or op == 0x67:  # PUT, GET
            plain = _INDEX.match(data, pos + 1, stop)
            if plain is None:
                break
            end = plain.end()
            n = int(data[pos + 1 : end - 1])
            if op == 0x70:
                if height <= low:
                    break
                put(n, stack[height - 1], dense, memo)
            else:
                value = dense[n] if n < len(dense) else memo.get(slot(n), _MISSING)
                if value is _MISSING:
                    break
                stack.append(value)
                height += 1
            pos = end
        elif op == 0x43 or op == 0x8A:  # SHORT_BINBYTES, LONG1
            if pos + 2 > stop:
                break
            n = window[pos + 1]
            end = pos + 2 + n
            if n > longest or end > stop:
                break
            raw = data[pos + 2 : end]
            stack.append(raw if op == 0x43 else int.from_bytes(raw, "little", signed=True))
            height += 1
            pos = end
        elif op == 0x55:  # SHORT_BINSTRING
            if not strings or pos + 2 > stop:
                break
            n = window[pos + 1]
            end = pos + 2 + n
            if n > longest or end > stop:
                break
            raw = data[pos + 2 : end]
            if not raw.isascii():
                break
            stack.append(raw.decode("latin-1"))
            height += 1
            pos = end
        else:
            break
        count += 1
    return pos, count
