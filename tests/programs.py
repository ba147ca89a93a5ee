"""Pickle programs to compare machines with: random, but shaped so that most of them do something.

``generate(rng)`` makes one program, ``stream(seed)`` endless ones, ``programs()`` is a hypothesis strategy.
Most programs are *structured*: the builder knows the stack, the marks and the memo, so opcodes find what they
need. Some of those are then mutated, framed or damaged; the rest is opcode soup and random bytes. Globals are
recorders of ``oracle`` (their capabilities are in their names) or have the names of real ones.

Opcodes and arguments are tables of this file's own, so that it shares no mistake with the code under test.
Programs that would keep a real unpickler busy with filling gigabytes are left out; those that ask for more
memory than there is may occur, see ``oracle.limit_memory``.
"""

from __future__ import annotations

import random
import re
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import TypeAlias

    from hypothesis.strategies import SearchStrategy

    Ops: TypeAlias = list[bytes]

# --- Opcodes: code and kind of argument -----------------------------------------------------------

OPCODES: dict[str, tuple[bytes, str]] = {
    "MARK": (b"(", ""),
    "STOP": (b".", ""),
    "POP": (b"0", ""),
    "POP_MARK": (b"1", ""),
    "DUP": (b"2", ""),
    "NONE": (b"N", ""),
    "NEWTRUE": (b"\x88", ""),
    "NEWFALSE": (b"\x89", ""),
    "INT": (b"I", "int line"),
    "LONG": (b"L", "long line"),
    "FLOAT": (b"F", "float line"),
    "BININT": (b"J", "4 bytes"),
    "BININT1": (b"K", "1 byte"),
    "BININT2": (b"M", "2 bytes"),
    "LONG1": (b"\x8a", "long1"),
    "LONG4": (b"\x8b", "long4"),
    "BINFLOAT": (b"G", "8 bytes"),
    "STRING": (b"S", "string line"),
    "UNICODE": (b"V", "unicode line"),
    "BINSTRING": (b"T", "ascii4"),
    "SHORT_BINSTRING": (b"U", "ascii1"),
    "BINUNICODE": (b"X", "utf4"),
    "SHORT_BINUNICODE": (b"\x8c", "utf1"),
    "BINUNICODE8": (b"\x8d", "utf8"),
    "BINBYTES": (b"B", "bytes4"),
    "SHORT_BINBYTES": (b"C", "bytes1"),
    "BINBYTES8": (b"\x8e", "bytes8"),
    "BYTEARRAY8": (b"\x96", "bytes8"),
    "NEXT_BUFFER": (b"\x97", ""),
    "READONLY_BUFFER": (b"\x98", ""),
    "EMPTY_TUPLE": (b")", ""),
    "EMPTY_LIST": (b"]", ""),
    "EMPTY_DICT": (b"}", ""),
    "EMPTY_SET": (b"\x8f", ""),
    "TUPLE": (b"t", ""),
    "LIST": (b"l", ""),
    "FROZENSET": (b"\x91", ""),
    "DICT": (b"d", ""),
    "TUPLE1": (b"\x85", ""),
    "TUPLE2": (b"\x86", ""),
    "TUPLE3": (b"\x87", ""),
    "APPEND": (b"a", ""),
    "APPENDS": (b"e", ""),
    "SETITEM": (b"s", ""),
    "SETITEMS": (b"u", ""),
    "ADDITEMS": (b"\x90", ""),
    "GLOBAL": (b"c", "global lines"),
    "STACK_GLOBAL": (b"\x93", ""),
    "INST": (b"i", "global lines"),
    "OBJ": (b"o", ""),
    "REDUCE": (b"R", ""),
    "NEWOBJ": (b"\x81", ""),
    "NEWOBJ_EX": (b"\x92", ""),
    "BUILD": (b"b", ""),
    "PERSID": (b"P", "persid line"),
    "BINPERSID": (b"Q", ""),
    "EXT1": (b"\x82", "ext1"),
    "EXT2": (b"\x83", "ext2"),
    "EXT4": (b"\x84", "ext4"),
    "PUT": (b"p", "index line"),
    "BINPUT": (b"q", "index1"),
    "LONG_BINPUT": (b"r", "index4"),
    "GET": (b"g", "index line"),
    "BINGET": (b"h", "index1"),
    "LONG_BINGET": (b"j", "index4"),
    "MEMOIZE": (b"\x94", ""),
    "PROTO": (b"\x80", "proto"),
    "FRAME": (b"\x95", "frame"),
}

# --- Arguments: for each kind the plain ones, and the ones at the edge of what is legal or beyond -

_UNSIGNED = {1: "<B", 2: "<H", 4: "<I", 8: "<Q"}


def _cut(text: bytes) -> tuple[bytes, ...]:
    """The parts between bars: a table that stays readable."""
    return tuple(text.split(b"|"))


def _cut_names(text: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """Pairs of module and name, with a slash between them."""
    pairs = (part.partition(b"/") for part in _cut(text))
    return tuple((module, name) for module, _, name in pairs)


_CAPABLE = _cut(b"F|C|Fe|Fp|Fep|Cep|Fa|Ca|Fs|Cs|Fm|Cm|Fd|Cd|Fdm_x|Cg|Fn|Fng|Cepasmdg|Fepasmdng")
_CAPABLE_NAMES = tuple((b"m", b"k:" + letters) for letters in _CAPABLE)
# No text in this file has an "r": read as an opcode, it would make the text after it an index of gigabytes.
_REAL_NAMES = _cut_names(
    b"os/system|builtins/eval|__builtin__/long|commands/getoutput|pickle/loads|logging/os.system|codecs/decode|"
    b"collections/deque|numpy/dtype|ctypes/CDLL|sys/modules"
)
_EDGE_NAMES = _cut_names(
    b"/x|m/|/|os\r/system\r|m/k:Fe\r|a b/ c |m/\xc3\xa9|\xc3\xa9/x|m/\xff|\xed\xa0\x80/x|m\0/k:Fe\0|"
    b"os/sys\\x74em|a.b/c.d.e|m/<locals>.x|m/a..b|./.|\xff/x|m/\xed\xb0\x80"
)
_TEXTS = _cut(b"|a|b|x|append|__dict__|0|echo pvm|m|k:Fe|os|k:C")
_WIDE_TEXTS = ("\xe9", "\u20ac", "\U0001f600", "\ud800", "\0", "a\nb")
_BAD_UTF8 = _cut(b"\xff|\xc0\x80|\xe2\x82|\xf4\x90\x80\x80|\x80|a\xc3|\xf8\x88\x80\x80\x80")
_DATA = _cut(b"|a|ab|\0|\xff\xfe|\n|.|0123456789")
_NUMBER_PIECES = _cut(
    b"0|1|7|8|9|10|0x|0X|0o|0b|_|+|-| |\t|\x0b|\r|\0|L|l|f|e|.|e9|inf|nan|z|\x85|\xa0|\xd9\xa1|\x1c"
)
_TEXT_PIECES = _cut(
    b"a|'|\"|\\|\\\\|\\'|\\n|\\x41|\\x4|\\777|\\0|\\q|\\u0041|\\u12|\\U0001f600|\\U00110000|\\ud800|"
    b"\xe9|\xc3\xa9|\xff|\0|\r| |."
)
_BIG_NUMBERS = (
    *_cut(b"2147483648|-2147483649|9223372036854775807|9223372036854775808|0x8000000000000000"),
    *(b"9" * 25, b"-" + b"9" * 25, b"0x" + b"f" * 40, b"9" * 4301),
)
_INT_EDGES = _cut(
    b"0x1f|-0x1f|010|0o17|0b11|1_0|1__0| 7|7 |+1|-0| 1|0 |1\r||\0|\0x|1\0|12\0z|08|09|00|01|000|001|0x|--1|"
    b"1.0|+| |1L|0_1|0x_f|- 1|\xd9\xa1"
)
_LONG_EDGES = (*_INT_EDGES, *_cut(b"L|5 L|0x1fL|010L|1LL|-L|1L |1\0L|L5"))
_FLOAT_EDGES = _cut(
    b" 1|1 |1_0|1_0.0|1\r|1e999|-1e999|1e308|inf|-inf|nan|Infinity|NaN|1\0z|\0||0x1p3|1e-400|.|.5|5.|1e|+1.5|"
    b"--1|infx|1,5"
)
_STRING_EDGES = _cut(
    b"''|\"\"|'|\"||a|'a|a'|'a\"| 'a'|'a' |'a'\r|'a'b'|'\\'|'a\\\\'|'\\x41'|'\\x4'|'\\777'|'\\q'|'\xe9'|'\0'|"
    b"'\\u0041'|'\\x80'"
)
_UNICODE_EDGES = _cut(
    b"|\\u0041|\\u12|\\U0001f600|\\U00110000|\\ud800|\\x41|\\\\u0041|\\|\\n|\xe9|\xff\xfe|\0|a\r| a |\\u000a"
)
_INDEX_EDGES = _cut(
    b" +1 |-1|1_0|007|1\0x|\0||0x1|00|01|1\r|-0|99999|1L|+| |"
    b"99999999999999999999|-99999999999999999999|9223372036854775808"
)


def _lines(texts: Iterable[bytes]) -> tuple[bytes, ...]:
    return tuple(text + b"\n" for text in texts)


def _numbers(pattern: str, values: Iterable[int]) -> tuple[bytes, ...]:
    return tuple(struct.pack(pattern, value) for value in values)


def _counted(width: int, contents: Iterable[bytes]) -> tuple[bytes, ...]:
    return tuple(struct.pack(_UNSIGNED[width], len(content)) + content for content in contents)


def _miscounted(width: int, huge: bool) -> tuple[bytes, ...]:
    """Counts that do not fit what follows; huge ones only where a check comes before the allocation."""
    counts = [1, 2, 5, 30, 255] + ([65535] if width > 1 else [])
    counts += [2**31 - 1, 2**31, 2**32 - 1] if width > 1 and huge else []
    counts += [2**63 - 1, 2**63, 2**64 - 1] if width == 8 and huge else []
    return _numbers(_UNSIGNED[width], counts) + _counted(width, [b"ab"])[:1]


_ASCII = _TEXTS
_UTF8 = (*_TEXTS, *(text.encode("utf-8", "surrogatepass") for text in _WIDE_TEXTS))
_TWO_COMPLEMENTS = _cut(b"|\0|\x01|\xff|\x80|\xff\0|\0\0\x01|\xfe\xff\xff\xff\xff\xff\xff\xff\xff")

# kind: (plain, edge)
ARGUMENTS: dict[str, tuple[tuple[bytes, ...], tuple[bytes, ...]]] = {
    "": ((b"",), (b"",)),
    "1 byte": (_numbers("<B", (0, 1, 2, 65, 255)), _numbers("<B", (10, 46))),
    "2 bytes": (_numbers("<H", (0, 1, 256, 65535)), _numbers("<H", (2606,))),
    "4 bytes": (_numbers("<i", (0, 1, -1, 65536, 2**31 - 1, -(2**31))), _numbers("<i", (10, 46))),
    "8 bytes": (
        tuple(struct.pack(">d", number) for number in (0.0, 1.0, -0.0, 1.5, 1e300)),
        tuple(struct.pack(">d", number) for number in (float("inf"), float("-inf"), float("nan"), 5e-324)),
    ),
    "int line": (
        _lines((b"0", b"1", b"2", b"-3", b"12345", b"00", b"01")),
        _lines(_INT_EDGES + _BIG_NUMBERS),
    ),
    "long line": (
        _lines((b"0L", b"1L", b"-5L", b"7", b"123456789012345678901234567890L")),
        _lines(_LONG_EDGES + _BIG_NUMBERS),
    ),
    "float line": (_lines((b"0.0", b"1.5", b"-2", b"1e10")), _lines(_FLOAT_EDGES)),
    "string line": (
        _lines((b"'a'", b'"b"', b"''", b"'append'", b"'k:Fe'", b"'it\\'s'")),
        _lines(_STRING_EDGES),
    ),
    "unicode line": (_lines((b"a", b"b", b"append", b"k:C", b"\\u20ac")), _lines(_UNICODE_EDGES)),
    "persid line": (_lines((b"1", b"abc")), _lines((b"", b"\xe9", b"\\", b"a\r", b"\0", b"k:Fe"))),
    "global lines": (
        tuple(module + b"\n" + name + b"\n" for module, name in _CAPABLE_NAMES + _REAL_NAMES),
        tuple(module + b"\n" + name + b"\n" for module, name in _EDGE_NAMES),
    ),
    "index line": (_lines((b"0", b"1", b"2", b"7", b"300")), _lines(_INDEX_EDGES)),
    "index1": (_numbers("<B", (0, 1, 2, 3, 255)), _numbers("<B", (10, 46))),
    "index4": (_numbers("<I", (0, 1, 2, 300, 70000)), _numbers("<I", (255, 256))),
    "long1": (_counted(1, _TWO_COMPLEMENTS), _miscounted(1, huge=False)),
    "long4": (
        _counted(4, _TWO_COMPLEMENTS),
        (*_miscounted(4, huge=False), *_numbers("<i", (-1, -2, -(2**31)))),
    ),
    "ascii1": (_counted(1, _ASCII), (*_miscounted(1, huge=False), *_counted(1, (b"\xe9", b"\0", b"a\n")))),
    "ascii4": (_counted(4, _ASCII), (*_miscounted(4, huge=True), *_counted(4, (b"\xe9", b"\0", b"a\n")))),
    "utf1": (_counted(1, _UTF8), (*_miscounted(1, huge=False), *_counted(1, _BAD_UTF8))),
    "utf4": (_counted(4, _UTF8), (*_miscounted(4, huge=True), *_counted(4, _BAD_UTF8))),
    "utf8": (_counted(8, _UTF8), (*_miscounted(8, huge=True), *_counted(8, _BAD_UTF8))),
    "bytes1": (_counted(1, _DATA), _miscounted(1, huge=False)),
    "bytes4": (_counted(4, _DATA), _miscounted(4, huge=False)),
    "bytes8": (_counted(8, _DATA), (*_miscounted(8, huge=False), *_numbers("<Q", (2**63, 2**64 - 1)))),
    "ext1": (_numbers("<B", (1, 2, 255)), _numbers("<B", (0, 3, 7))),
    "ext2": (_numbers("<H", (1, 2, 256)), _numbers("<H", (0, 7, 65535))),
    "ext4": (_numbers("<i", (1, 256, 2**31 - 1)), _numbers("<i", (0, -1, -(2**31), 257))),
    "proto": (_numbers("<B", (0, 1, 2, 3, 4, 5)), _numbers("<B", (6, 255))),
    "frame": (_numbers("<Q", (0,)), _numbers("<Q", (1, 2, 5, 20, 1000, 2**31, 2**63 - 1, 2**63, 2**64 - 1))),
}

_PIECES = {
    **dict.fromkeys(("int line", "long line", "float line", "index line"), _NUMBER_PIECES),
    **dict.fromkeys(("string line", "unicode line"), _TEXT_PIECES),
}


def encode(name: str, argument: bytes = b"") -> bytes:
    """One opcode as bytes."""
    return OPCODES[name][0] + argument


def random_opcode(rng: random.Random, name: str, edge: float) -> bytes:
    """The opcode with an argument from the tables, or for lines at the edge sometimes a random one."""
    code, kind = OPCODES[name]
    if not kind:
        return code
    plain, edges = ARGUMENTS[kind]
    if rng.random() >= edge:
        return code + rng.choice(plain)
    if kind in _PIECES and rng.random() < 0.5:
        return code + _random_line(rng, kind)
    return code + rng.choice(edges)


def _random_line(rng: random.Random, kind: str) -> bytes:
    text = b"".join(rng.choices(_PIECES[kind], k=rng.randrange(1, 5)))
    if kind == "index line" and len(text) > 6:
        text = text[:6]  # an index that fits in memory
    return b"'" + text + b"'\n" if kind == "string line" and rng.random() < 0.8 else text + b"\n"


# --- Structured programs --------------------------------------------------------------------------

_ATOMS = {
    "none": ("NONE",),
    "bool": ("NEWTRUE", "NEWFALSE"),
    "int": ("INT", "LONG", "BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BININT1", "BININT1"),
    "float": ("FLOAT", "BINFLOAT"),
    "str": (
        "STRING",
        "UNICODE",
        "BINSTRING",
        "SHORT_BINSTRING",
        "BINUNICODE",
        "SHORT_BINUNICODE",
        "BINUNICODE8",
    ),
    "bytes": ("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
    "bytearray": ("BYTEARRAY8",),
}
_KEYS = ("str", "str", "str", "int", "none", "bool", "float", "bytes")
_COMMON_ATOMS = (*_KEYS, "bytearray", "str", "int", "int", "none")
_PROTOS = (0, 0, 1, 2, 2, 3, 4, 4, 5)


class _Builder:
    """Writes opcodes, and knows for each value on the stack what kind of thing it is.

    A kind is the name of a type, or ``F`` or ``C`` and the letters of a recorder.
    """

    def __init__(self, rng: random.Random, edge: float) -> None:
        self.rng = rng
        self.edge = edge
        self.wrong = 0.012 + edge / 4  # how often an opcode gets something that it cannot use
        self.ops: Ops = []
        self.memo: dict[int, str] = {}
        self.fuel = 0

    def op(self, name: str) -> None:
        self.ops.append(random_opcode(self.rng, name, self.edge))

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    # Values: each leaves one value on the stack and returns its kind.

    def value(self, depth: int = 0) -> str:
        """Any value, and what may happen to it."""
        self.fuel -= 1
        if self.fuel <= 0 or depth > 5:
            kind = self.atom(self.rng.choice(_COMMON_ATOMS))
        else:
            kind = self.rng.choice(_MAKERS)(self, depth + 1)
        if self.chance(0.22):
            self.put(kind)
        while self.fuel > 0 and self.chance(0.3 if kind[0] in "FC" else 0.08):
            self.fuel -= 1
            self.use(kind, depth)
        if self.chance(0.05):
            self.noise()
        return kind

    def atom(self, kind: str) -> str:
        self.op(self.rng.choice(_ATOMS[kind]))
        if kind in ("bytes", "bytearray") and self.chance(0.15):
            self.op("READONLY_BUFFER")
            return kind if kind == "bytes" else "memoryview"
        return kind

    def some_atom(self, depth: int) -> str:
        return self.atom(self.rng.choice(_COMMON_ATOMS))

    def key(self) -> None:
        """Something hashable, mostly."""
        if self.chance(self.wrong):
            self.value(4)
        elif self.chance(0.1):
            self.recall(("F", "C"))
        else:
            self.atom(self.rng.choice(_KEYS))

    def values(self, count: int, depth: int) -> None:
        for _ in range(count):
            self.value(depth)

    def pairs(self, count: int, depth: int) -> None:
        for _ in range(count):
            self.key()
            self.value(depth)

    def count(self) -> int:
        return self.rng.choice((0, 1, 1, 2, 2, 3))

    def tuple_(self, depth: int) -> str:
        count = self.count()
        if count and self.chance(0.6):
            self.values(count, depth)
            self.op(f"TUPLE{count}")
        elif count or self.chance(0.3):
            self.op("MARK")
            self.values(count, depth)
            self.op("TUPLE")
        else:
            self.op("EMPTY_TUPLE")
        return "tuple"

    def list_(self, depth: int) -> str:
        if self.chance(0.25):
            self.op("MARK")
            self.values(self.count(), depth)
            self.op("LIST")
            return "list"
        self.op("EMPTY_LIST")
        if self.chance(0.7):
            self.extend(depth)
        return "list"

    def dict_(self, depth: int) -> str:
        if self.chance(0.25):
            self.op("MARK")
            self.pairs(self.count(), depth)
            self.op("DICT")
            return "dict"
        self.op("EMPTY_DICT")
        if self.chance(0.8):
            self.assign(depth)
        return "dict"

    def set_(self, depth: int) -> str:
        frozen = self.chance(0.4)
        if not frozen:
            self.op("EMPTY_SET")
        self.op("MARK")
        for _ in range(self.count()):
            self.key()
        self.op("FROZENSET" if frozen else "ADDITEMS")
        return "frozenset" if frozen else "set"

    def global_(self, depth: int = 0, shape: str = "") -> str:
        """A recorder of the wanted shape, or of any."""
        roll = self.rng.random()
        if roll < 0.1 and shape != "C":
            self.op(self.rng.choice(("EXT1", "EXT2", "EXT4")))
            return "Fd"
        module, name, kind = self.name(shape)
        if roll < 0.4:
            self.text(module)
            self.text(name)
            self.op("STACK_GLOBAL")
        elif self.chance(self.edge):
            self.op("GLOBAL")
        else:
            self.ops.append(b"c" + module + b"\n" + name + b"\n")
        return kind

    def name(self, shape: str) -> tuple[bytes, bytes, str]:
        if shape != "C" and self.chance(0.25):
            module, name = self.rng.choice(_REAL_NAMES)
            return module, name, "F"
        shape = shape or self.rng.choice("FFC")
        letters = "".join(self.rng.sample("epasmdng", self.rng.choice((0, 1, 1, 2, 3, 5))))
        tail = "_t" if self.chance(0.05) else ""
        return b"m", f"k:{shape}{letters}{tail}".encode(), shape + letters

    def text(self, text: bytes) -> None:
        """The str, in one of its encodings."""
        if self.chance(self.wrong):
            self.value(5)
            return
        name = self.rng.choice(_ATOMS["str"])
        width = OPCODES[name][1][-1]
        if width.isdigit():
            self.ops.append(encode(name, _counted(int(width), [text])[0]))
        else:
            self.ops.append(encode(name, b"'" + text + b"'\n" if name == "STRING" else text + b"\n"))

    def call(self, depth: int) -> str:
        """A call by one of the calling opcodes."""
        if self.chance(0.15):
            return self.inst(depth)
        if self.chance(0.2):
            self.op("MARK")
            kind = self.callee(depth, "")
            self.values(self.count(), depth)
            self.op("OBJ")
        elif self.chance(0.55):
            kind = self.callee(depth, "F" if self.chance(0.7) else "C")
            self.arguments(depth)
            self.op("REDUCE")
        else:
            kind = self.new(depth)
        return "F" + kind[1:]

    def inst(self, depth: int) -> str:
        self.op("MARK")
        self.values(self.count(), depth)
        module, name, kind = self.name("")
        self.ops.append(b"i" + module + b"\n" + name + b"\n")
        return "F" + kind[1:]

    def new(self, depth: int) -> str:
        kind = self.callee(depth, "F" if self.chance(3 * self.wrong) else "C")
        self.arguments(depth)
        if self.chance(0.3):
            self.keywords(depth)
            self.op("NEWOBJ_EX")
        else:
            self.op("NEWOBJ")
        return kind

    def callee(self, depth: int, shape: str) -> str:
        if self.chance(self.wrong):
            return self.value(depth) if self.fuel > 0 else self.atom("int")
        if self.chance(0.3):
            found = self.recall((shape,) if shape else ("F", "C"))
            if found:
                return found
        return self.global_(depth, shape)

    def arguments(self, depth: int) -> None:
        if self.chance(2 * self.wrong):
            self.value(depth)
        elif self.chance(0.35):
            self.text(self.rng.choice(_TEXTS))
            self.op("TUPLE1")
        else:
            self.tuple_(depth)

    def keywords(self, depth: int) -> None:
        if self.chance(self.wrong):
            self.value(depth)
            return
        self.op("EMPTY_DICT")
        for _ in range(self.count()):
            self.text(self.rng.choice(_TEXTS))
            self.value(depth)
            self.op("SETITEM")

    def persistent(self, depth: int) -> str:
        if self.chance(0.4):
            self.op("PERSID")
        else:
            self.value(depth)
            self.op("BINPERSID")
        return "F"

    def get(self, depth: int) -> str:
        return self.recall(()) or self.some_atom(depth)

    # The memo.

    def put(self, kind: str) -> None:
        if self.chance(0.35):
            self.op("MEMOIZE")
            self.memo[len(self.memo)] = kind
            return
        index = self.rng.choice((0, 1, 2, 3, len(self.memo), len(self.memo), 10, 255))
        name, argument = self.index("PUT", index)
        self.ops.append(encode(name, argument))
        self.memo[index] = kind

    def recall(self, shapes: tuple[str, ...]) -> str:
        """Fetches something of these shapes from the memo; '' if there is nothing."""
        if not self.memo:
            return ""
        if self.chance(self.wrong):
            self.op(self.rng.choice(("GET", "BINGET", "LONG_BINGET")))
            return "int"
        found = [index for index, kind in self.memo.items() if not shapes or kind[0] in shapes]
        if not found:
            return ""
        index = self.rng.choice(found)
        name, argument = self.index("GET", index)
        self.ops.append(encode(name, argument))
        return self.memo[index]

    def index(self, name: str, index: int) -> tuple[str, bytes]:
        roll = self.rng.random()
        if roll < 0.2:
            return name, b"%d\n" % index
        if roll < 0.8 and index < 256:
            return "BIN" + name, struct.pack("<B", index)
        return "LONG_BIN" + name, struct.pack("<I", index)

    # Uses of the value on top, which stays there.

    def use(self, kind: str, depth: int) -> None:
        if self.chance(self.wrong):
            self.rng.choice(_USES)(self, depth)
            return
        fitting = [use for use, letters, kinds in _FITTING if kind in kinds or self.has(kind, letters)]
        if fitting:
            self.rng.choice(fitting)(self, depth)

    @staticmethod
    def has(kind: str, letters: str) -> bool:
        return kind[0] in "FC" and any(letter in kind for letter in letters)

    def extend(self, depth: int) -> None:
        """APPEND or APPENDS."""
        if self.chance(0.5):
            self.value(depth)
            self.op("APPEND")
        else:
            self.op("MARK")
            self.values(self.count(), depth)
            self.op("APPENDS")

    def extend_bytes(self, depth: int) -> None:
        self.op("BININT1")
        self.op("APPEND")

    def add(self, depth: int) -> None:
        self.op("MARK")
        for _ in range(self.count()):
            self.key()
        self.op("ADDITEMS")

    def assign(self, depth: int) -> None:
        """SETITEM or SETITEMS."""
        if self.chance(0.5):
            self.pairs(1, depth)
            self.op("SETITEM")
            return
        self.op("MARK")
        self.pairs(self.count(), depth)
        if self.chance(self.wrong):
            self.key()
        self.op("SETITEMS")

    def build(self, depth: int) -> None:
        """BUILD with a state of any kind; on a recorder without ``__setstate__`` only some are legal."""
        roll = self.rng.random()
        if roll < 0.35:
            self.dict_(depth)
        elif roll < 0.6:
            self.two_states(depth)
        elif roll < 0.75:
            self.value(depth)
        elif roll < 0.85:
            self.op("NONE")
        else:
            self.keywords(depth)
        self.op("BUILD")

    def build_slots(self, depth: int) -> None:
        self.op("NONE")
        self.keywords(depth)
        self.op("TUPLE2")
        self.op("BUILD")

    def two_states(self, depth: int) -> None:
        for share in (0.5, 0.2):
            if self.chance(share):
                self.op("NONE")
            elif self.chance(self.wrong * 2):
                self.value(depth)
            else:
                self.keywords(depth)
        self.op("TUPLE2")

    # Opcodes that change nothing, or could.

    def noise(self) -> None:
        for name in self.rng.choice(_NOISE):
            self.op(name)

    def program(self, fuel: int) -> Ops:
        """A whole program: some values, of which the last is returned."""
        self.fuel = fuel
        if self.chance(0.6):
            self.ops.append(encode("PROTO", bytes([self.rng.choice(_PROTOS)])))
        while True:
            self.value()
            if self.fuel <= 0:
                break
            if self.chance(0.5):
                self.op("POP")
        self.op("STOP")
        return self.ops


_MAKERS: tuple[Callable[[_Builder, int], str], ...] = (
    *(_Builder.some_atom,) * 3,
    *(_Builder.tuple_,) * 3,
    *(_Builder.list_,) * 3,
    *(_Builder.dict_,) * 3,
    _Builder.set_,
    *(_Builder.global_,) * 4,
    *(_Builder.call,) * 7,
    _Builder.persistent,
    *(_Builder.get,) * 2,
)
_USES: tuple[Callable[[_Builder, int], None], ...] = (
    _Builder.extend,
    _Builder.add,
    _Builder.assign,
    _Builder.build,
)
# use, letters of recorders that allow it, other kinds that do
_FITTING: tuple[tuple[Callable[[_Builder, int], None], str, tuple[str, ...]], ...] = (
    (_Builder.extend, "ep", ("list",)),
    (_Builder.extend_bytes, "", ("bytearray",)),
    (_Builder.add, "a", ("set",)),
    (_Builder.assign, "m", ("dict",)),
    (_Builder.build, "sd", ()),
    (_Builder.build_slots, "sdepamng", ()),
)
_NOISE = (
    ("NONE", "POP"),
    ("MARK", "POP"),
    ("MARK", "POP_MARK"),
    ("MARK", "NONE", "POP_MARK"),
    ("DUP", "POP"),
    ("PROTO",),
    ("FRAME",),
    ("MARK", "APPENDS"),
    ("MARK", "ADDITEMS"),
    ("MARK", "SETITEMS"),
    ("DUP", "TUPLE1", "POP"),
    ("NONE", "BUILD"),
    ("EMPTY_DICT", "BUILD"),
    ("NEXT_BUFFER",),
)


def structured(rng: random.Random, edge: float = 0.06) -> Ops:
    """The opcodes of a program that keeps to the rules, except at its edges."""
    return _Builder(rng, edge).program(rng.randrange(1, 20))


# --- Everything else ------------------------------------------------------------------------------

_ALL_NAMES = tuple(OPCODES)
_PUSHES = (
    *(name for names in _ATOMS.values() for name in names),
    "EMPTY_TUPLE",
    "EMPTY_LIST",
    "EMPTY_DICT",
    "GLOBAL",
)
_SOUP_NAMES = (*_ALL_NAMES, *_PUSHES, *_PUSHES, "MARK", "MARK", "MARK")
# LONG_BINPUT of 2**20 or more, BYTEARRAY8 of 2**24 to 2**56 bytes, wherever they may stand: a real unpickler
# would fill gigabytes. Where frames end, the C one may take other bytes for the index than those that follow.
_HUNGRY = re.compile(
    rb"r(?:..[\x10-\xff]|...[^\0])|r.*\x95|\x95.*r|\x96...(?:[^\0]...|.[^\0]..|..[^\0].|...[^\0])\0",
    re.DOTALL,
)


def hungry(data: bytes) -> bool:
    """Whether a real unpickler may take gigabytes for this program, rather than fail to get them."""
    return _HUNGRY.search(data) is not None


def soup(rng: random.Random, edge: float = 0.06) -> Ops:
    """Opcodes in any order."""
    names = rng.choices(_SOUP_NAMES, k=rng.randrange(1, 16))
    return [random_opcode(rng, name, edge) for name in names] + [b"."]


def _mutate(rng: random.Random, ops: Ops, edge: float) -> None:
    """Deletes, copies, inserts, replaces or swaps opcodes."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        at, other = rng.randrange(len(ops)), rng.randrange(len(ops))
        what = rng.randrange(5)
        if what == 0 and len(ops) > 1:
            del ops[at]
        elif what == 1:
            ops.insert(other, ops[at])
        elif what == 2:
            ops.insert(at, random_opcode(rng, rng.choice(_ALL_NAMES), edge))
        elif what == 3:
            ops[at] = random_opcode(rng, rng.choice(_ALL_NAMES), edge)
        else:
            ops[at], ops[other] = ops[other], ops[at]


def _reframe(rng: random.Random, ops: Ops) -> None:
    """Puts FRAMEs around opcodes, with a true length or a lie; a second may nest or overlap."""
    for _ in range(rng.choice((1, 1, 1, 2))):
        start = rng.randrange(len(ops)) if rng.random() < 0.6 else 0
        end = rng.randrange(start, len(ops)) + 1
        length = sum(map(len, ops[start:end]))
        if rng.random() < 0.65:
            length = _lie(rng, length)
        ops.insert(start, encode("FRAME", struct.pack("<Q", length)))


def _lie(rng: random.Random, length: int) -> int:
    small = max(0, length + rng.randrange(-6, 7))
    return rng.choice(
        (small, small, small, small, rng.randrange(length + 1), length + 1000, 2**63 - 1, 2**63)
    )


def _damage(rng: random.Random, data: bytes) -> bytes:
    """Cuts the end off, or changes a byte."""
    at = rng.randrange(len(data))
    if rng.random() < 0.5:
        return data[:at]
    new = bytes([rng.randrange(256)])
    return data[:at] + new + data[at + 1 :]


def _noise_bytes(rng: random.Random) -> bytes:
    """Any bytes, or only codes of opcodes; each alone is mostly rejected at once."""
    length = rng.randrange(1, 40)
    if rng.random() < 0.5:
        codes = b"".join(code for code, _ in OPCODES.values())
        return bytes(rng.choices(codes, k=length))
    return bytes(rng.choices(range(256), k=length))


def generate(rng: random.Random, *, edge: float = 0.06) -> bytes:
    """One program. *edge* is the share of arguments at the edge of what is legal."""
    while True:
        data = _generate(rng, edge)
        if not hungry(data):
            return data


def _generate(rng: random.Random, edge: float) -> bytes:
    roll = rng.random()
    if roll < 0.05:
        return _noise_bytes(rng)
    ops = soup(rng, edge) if roll < 0.17 else structured(rng, edge)
    if rng.random() < 0.25:
        _mutate(rng, ops, edge)
    if rng.random() < 0.12:
        _reframe(rng, ops)
    if rng.random() < 0.05:  # what follows STOP is not part of the program
        ops += structured(rng, edge)
    data = b"".join(ops)
    return _damage(rng, data) if rng.random() < 0.03 else data


def stream(seed: int, *, edge: float = 0.06) -> Iterator[bytes]:
    """Endless programs, the same for the same seed in the same version of Python."""
    rng = random.Random(seed)
    while True:
        yield generate(rng, edge=edge)


# --- Hypothesis -----------------------------------------------------------------------------------


def programs() -> SearchStrategy[bytes]:
    """Programs that shrink by losing opcodes and by getting plainer arguments."""
    from hypothesis import strategies as st

    return (
        st.one_of(_term_programs(), _soup_programs(), _seeded_programs())
        .map(b"".join)
        .filter(lambda data: not hungry(data))
    )


def opcodes(names: Sequence[str] = _ALL_NAMES) -> SearchStrategy[bytes]:
    """One opcode with any argument from the tables; shrinks to the first of its plain ones."""
    from hypothesis import strategies as st

    arguments = {name: sum(ARGUMENTS[OPCODES[name][1]], ()) for name in names}
    return st.sampled_from(names).flatmap(
        lambda name: st.sampled_from(arguments[name]).map(lambda argument: encode(name, argument))
    )


def _soup_programs() -> SearchStrategy[Ops]:
    from hypothesis import strategies as st

    return st.lists(opcodes(), max_size=25).map(lambda ops: [*ops, b"."])


def _seeded_programs() -> SearchStrategy[Ops]:
    """Structured programs minus some opcodes: a draw of 0 drops one, and hypothesis shrinks towards 0."""
    from hypothesis import strategies as st

    def thinned(seed: int) -> SearchStrategy[Ops]:
        ops = structured(random.Random(seed))
        kept = st.lists(st.integers(0, 31), min_size=len(ops), max_size=len(ops))
        return kept.map(lambda draws: [op for at, op in enumerate(ops) if draws[at]])

    return st.integers(0, 2**32).flatmap(thinned)


def _term_programs() -> SearchStrategy[Ops]:
    """Nested values, in one of several encodings each, sometimes in a frame."""
    from hypothesis import strategies as st

    leaves = opcodes((*_PUSHES, "PERSID", "EXT1")).map(lambda op: [op])
    terms = st.recursive(leaves, _wider_terms, max_leaves=12)
    heads: SearchStrategy[Ops] = st.lists(opcodes(("PROTO", "FRAME")), max_size=2)
    return st.builds(lambda head, term: [*head, *term, b"."], heads, terms)


def _wider_terms(terms: SearchStrategy[Ops]) -> SearchStrategy[Ops]:
    """A term that starts with its first opcode, has some terms inside, and ends with its last."""
    from hypothesis import strategies as st

    def around(head: bytes, inner: list[Ops], tail: bytes) -> Ops:
        return [head, *(op for term in inner for op in term), tail]

    def then(first: Ops, inner: list[Ops], tail: bytes) -> Ops:
        return [*first, *(op for term in inner for op in term), tail]

    some = st.lists(terms, max_size=4)
    globals_ = opcodes(("GLOBAL",))
    marked = st.builds(
        around, st.just(b"("), some, opcodes(("TUPLE", "LIST", "DICT", "FROZENSET", "OBJ", "INST"))
    )
    calls = st.builds(
        around, globals_, st.lists(terms, min_size=1, max_size=1), opcodes(("REDUCE", "NEWOBJ", "BUILD"))
    )
    writes = st.builds(
        then, terms, some.map(lambda inner: [[b"("], *inner]), opcodes(("APPENDS", "SETITEMS", "ADDITEMS"))
    )
    uses = st.builds(
        then, terms, some, opcodes(("APPEND", "SETITEM", "MEMOIZE", "PUT", "BINPUT", "DUP", "TUPLE2"))
    )
    return st.one_of(marked, calls, writes, uses)
