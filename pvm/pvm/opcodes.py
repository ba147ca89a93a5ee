"""The opcodes of protocols 0 to 5: one record each.

Source: `pickletools.opcodes` and `_pickle.c` of CPython 3.8 to 3.13; `tests/pvm/test_opcodes.py` compares.
"""

from __future__ import annotations

from pvm.records import NamedTuple


class Opcode(NamedTuple):
    """One instruction of the pickle machine."""

    name: str
    code: int
    argument: str
    """How the argument is written: `none`, `line` (up to a newline), `lines` (two of them), a fixed number of
    bytes (`u1 u2 u4 u8 i4 f8`), or a counted run of bytes (`n1 n4 n8`, and `m4` for a signed count)."""
    protocol: int
    pops: str
    """What it takes: a number of values, or `mark` for everything above the newest mark; `+n` below it."""
    pushes: int

    @property
    def character(self) -> str:
        """The opcode byte as Python writes it."""
        return repr(bytes([self.code]))[2:-1]


_TABLE = """
MARK             0x28 none  0 0      0
STOP             0x2e none  0 1      0
POP              0x30 none  0 1      0
POP_MARK         0x31 none  1 mark   0
DUP              0x32 none  0 0      1
FLOAT            0x46 line  0 0      1
INT              0x49 line  0 0      1
BININT           0x4a i4    1 0      1
BININT1          0x4b u1    1 0      1
LONG             0x4c line  0 0      1
BININT2          0x4d u2    1 0      1
NONE             0x4e none  0 0      1
PERSID           0x50 line  0 0      1
BINPERSID        0x51 none  1 1      1
REDUCE           0x52 none  0 2      1
STRING           0x53 line  0 0      1
BINSTRING        0x54 m4    1 0      1
SHORT_BINSTRING  0x55 n1    1 0      1
UNICODE          0x56 line  0 0      1
BINUNICODE       0x58 n4    1 0      1
APPEND           0x61 none  0 1+1    1
BUILD            0x62 none  0 1+1    1
GLOBAL           0x63 lines 0 0      1
DICT             0x64 none  0 mark   1
EMPTY_DICT       0x7d none  1 0      1
APPENDS          0x65 none  1 mark+1 1
GET              0x67 line  0 0      1
BINGET           0x68 u1    1 0      1
INST             0x69 lines 0 mark   1
LONG_BINGET      0x6a u4    1 0      1
LIST             0x6c none  0 mark   1
EMPTY_LIST       0x5d none  1 0      1
OBJ              0x6f none  1 mark   1
PUT              0x70 line  0 0      0
BINPUT           0x71 u1    1 0      0
LONG_BINPUT      0x72 u4    1 0      0
SETITEM          0x73 none  0 2+1    1
TUPLE            0x74 none  0 mark   1
EMPTY_TUPLE      0x29 none  1 0      1
SETITEMS         0x75 none  1 mark+1 1
BINFLOAT         0x47 f8    1 0      1
PROTO            0x80 u1    2 0      0
NEWOBJ           0x81 none  2 2      1
EXT1             0x82 u1    2 0      1
EXT2             0x83 u2    2 0      1
EXT4             0x84 i4    2 0      1
TUPLE1           0x85 none  2 1      1
TUPLE2           0x86 none  2 2      1
TUPLE3           0x87 none  2 3      1
NEWTRUE          0x88 none  2 0      1
NEWFALSE         0x89 none  2 0      1
LONG1            0x8a n1    2 0      1
LONG4            0x8b m4    2 0      1
BINBYTES         0x42 n4    3 0      1
SHORT_BINBYTES   0x43 n1    3 0      1
SHORT_BINUNICODE 0x8c n1    4 0      1
BINUNICODE8      0x8d n8    4 0      1
BINBYTES8        0x8e n8    4 0      1
EMPTY_SET        0x8f none  4 0      1
ADDITEMS         0x90 none  4 mark+1 1
FROZENSET        0x91 none  4 mark   1
NEWOBJ_EX        0x92 none  4 3      1
STACK_GLOBAL     0x93 none  4 2      1
MEMOIZE          0x94 none  4 0      0
FRAME            0x95 u8    4 0      0
BYTEARRAY8       0x96 n8    5 0      1
NEXT_BUFFER      0x97 none  5 0      1
READONLY_BUFFER  0x98 none  5 1      1
"""


def _records() -> list[Opcode]:
    records = []
    for row in _TABLE.strip().splitlines():
        name, code, argument, protocol, pops, pushes = row.split()
        records.append(Opcode(name, int(code, 16), argument, int(protocol), pops, int(pushes)))
    return records


OPCODES: tuple[Opcode, ...] = tuple(_records())
BY_NAME: dict[str, Opcode] = {opcode.name: opcode for opcode in OPCODES}
BY_CODE: dict[int, Opcode] = {opcode.code: opcode for opcode in OPCODES}
