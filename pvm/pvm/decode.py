"""Bytes to arguments, exactly as the real unpicklers read them. Nothing here evaluates anything.

Three ways of reading exist, because FRAME means something else to each loader (see `Dialect.frames`). All of
them hand out half-open ranges of the input, so a constant is never copied before somebody wants it.
"""

from __future__ import annotations

import mmap
import re
import struct

from pvm import regex
from pvm.dialects import Dialect
from pvm.errors import Reject
from pvm.hints import Any, TypeAlias

Data: TypeAlias = bytes | mmap.mmap
Span: TypeAlias = tuple[int, int]

MAX_LENGTH = 2**63 - 1
"""Longest counted argument on a 64-bit platform (`Py_ssize_t`)."""
DIGIT_LIMIT = 4300
"""`int()` refuses more decimal digits than this by default, from 3.8.18, 3.9.18, 3.10.13, 3.11.7 on."""

_ENDS = "the input ends where an opcode is expected"
_TRUNCATED = "the input ends inside an argument"


class Contiguous:
    """C over memory up to 3.14: a frame must exist, and means nothing after that."""

    __slots__ = ("data", "position", "size")

    def __init__(self, data: Data, start: int = 0) -> None:
        self.data = data
        self.size = len(data)
        self.position = start
        """Where the next instruction stands."""

    def opcode(self) -> int:
        """Offset of the next opcode byte."""
        offset = self.position
        if offset >= self.size:
            raise Reject(_ENDS, kind="truncated", offset=self.size)
        self.position = offset + 1
        return offset

    def take(self, count: int) -> Span:
        """Range of the next `count` bytes."""
        start = self.position
        stop = start + count
        if stop > self.size:
            raise Reject(_TRUNCATED, kind="truncated")
        self.position = stop
        return start, stop

    take_bytes = take
    """Range of a bytes constant: some loaders read these around the end of a frame."""

    def byte(self) -> int:
        """The next byte."""
        start = self.position
        if start >= self.size:
            raise Reject(_TRUNCATED, kind="truncated")
        self.position = start + 1
        return self.data[start]

    def number(self, layout: struct.Struct) -> Any:
        """A number of fixed size: one of `U2 U4 I4 F8`..."""
        start = self.position
        stop = start + layout.size
        if stop > self.size:
            raise Reject(_TRUNCATED, kind="truncated")
        self.position = stop
        return layout.unpack_from(self.data, start)[0]

    def line(self) -> Span:
        """Range of the next line, without its newline."""
        start = self.position
        end = self.data.find(b"\n", start)
        if end < 0:
            raise Reject("a text argument has no newline", kind="truncated")
        self.position = end + 1
        return start, end

    def frame(self, length: int) -> None:
        """Enter a frame."""
        if self.position + length > self.size:
            raise Reject("a frame is longer than the input", kind="truncated")

    def straight(self) -> int:
        """Up to where reads follow each other whatever they are; the position if that cannot be told."""
        return self.size

    def go_on(self, position: int) -> None:
        """All bytes before were read, within `straight`."""
        self.position = position

    def leap(self, position: int, frame_end: int) -> None:
        """All bytes before were read, frames and all; the newest ends at `frame_end`, -1 if it was left."""
        self.position = position

    def resume(self) -> int:
        """Where a further load from the same stream starts."""
        return self.position

    def skip_to(self, position: int) -> None:
        """Go on elsewhere: the loader has read raw data from the stream itself."""
        self.position = min(position, self.size)


class _Buffered(Contiguous):
    """Reads that may begin elsewhere than at `position`."""

    __slots__ = ("fetched",)

    def __init__(self, data: Data, start: int = 0) -> None:
        super().__init__(data, start)
        self.fetched = start
        """Where the loader has read to; up to there it has the input in a buffer."""

    def go_on(self, position: int) -> None:
        """All bytes before were read."""
        self.position = position
        self.fetched = max(self.fetched, position)

    def leap(self, position: int, frame_end: int) -> None:
        """All bytes before were read, and the frame."""
        self.position, self.fetched = position, max(position, frame_end)

    def byte(self) -> int:
        """The next byte."""
        start, stop = self.take(1)
        if start == stop:
            raise Reject(_TRUNCATED, kind="truncated")
        return self.data[start]

    def number(self, layout: struct.Struct) -> Any:
        """A number of fixed size; the pure-Python unpickler may get too few bytes, and fails then."""
        start, stop = self.take(layout.size)
        if stop - start < layout.size:
            raise Reject(_TRUNCATED, kind="truncated")
        return layout.unpack_from(self.data, start)[0]


class Dropping(_Buffered):
    """C over a stream without `peek()`, 3.8 to 3.14.

    A frame is read into a buffer; a read that does not fit into the rest of it discards that rest. The buffer
    is always the range [position, fetched) of the input.
    """

    __slots__ = ()

    def opcode(self) -> int:
        """Offset of the next opcode byte."""
        if self.position < self.fetched:
            self.position += 1
            return self.position - 1
        if self.fetched >= self.size:
            raise Reject(_ENDS, kind="truncated", offset=self.size)
        self.position = self.fetched = self.fetched + 1
        return self.position - 1

    def take(self, count: int) -> Span:
        """Range of the next `count` bytes, after the buffer if they do not fit into it."""
        start = self.position
        if start + count > self.fetched:
            start = self.fetched
            self.fetched = min(start + count, self.size)
            if start + count > self.size:
                raise Reject(_TRUNCATED, kind="truncated")
        self.position = start + count
        return start, start + count

    def take_bytes(self, count: int) -> Span:
        """Range of the next `count` bytes, buffer first."""
        start = self.position
        stop = start + count
        if stop > self.size:
            raise Reject(_TRUNCATED, kind="truncated")
        self.position = stop
        self.fetched = max(self.fetched, stop)
        return start, stop

    def line(self) -> Span:
        """Range of the next line, after the buffer if the buffer holds no newline."""
        start = self.position
        end = self.data.find(b"\n", start, self.fetched)
        if end >= 0:
            self.position = end + 1
            return start, end
        start = self.fetched
        end = self.data.find(b"\n", start)
        if end < 0:
            raise Reject("a text argument has no newline", kind="truncated")
        self.position = self.fetched = end + 1
        return start, end

    def straight(self) -> int:
        """The buffer, or all of the input outside of frames."""
        return self.fetched if self.position < self.fetched else self.size

    def frame(self, length: int) -> None:
        """Read a frame into the buffer."""
        start, _ = self.take(length)
        self.position = start

    def resume(self) -> int:
        """A new unpickler goes on after everything that was read."""
        return self.fetched

    def skip_to(self, position: int) -> None:
        """Go on elsewhere."""
        self.position = self.fetched = min(position, self.size)


class Framed(_Buffered):
    """The pure-Python unpickler, and C from 3.15: a frame is a stream of its own.

    Outside frames the pure-Python one does not check lengths: counted reads and lines may be short at the
    end of the input.
    """

    __slots__ = ("beyond", "inside", "short_frames", "short_reads")

    def __init__(self, data: Data, start: int = 0, *, short_reads: bool, short_frames: bool) -> None:
        super().__init__(data, start)
        self.beyond = -1
        """Where the stream goes on behind the current frame, if raw data was read from there."""
        self.inside = False
        self.short_reads = short_reads
        self.short_frames = short_frames

    def opcode(self) -> int:
        """Offset of the next opcode byte."""
        if self.position >= self.fetched:
            self._leave()
            if self.position >= self.size:
                raise Reject(_ENDS, kind="truncated", offset=self.size)
            self.fetched = self.position + 1
        self.position += 1
        return self.position - 1

    def take(self, count: int) -> Span:
        """Range of the next `count` bytes; shorter than that at the end of the input."""
        start = self.position
        if self.inside and (count == 0 or start < self.fetched):
            if start + count > self.fetched:
                raise Reject("an argument crosses the end of its frame")
            self.position = start + count
            return start, start + count
        start = self._leave()
        stop = min(start + count, self.size)
        if stop < start + count and not self.short_reads:
            raise Reject(_TRUNCATED, kind="truncated")
        self.position = self.fetched = stop
        return start, stop

    take_bytes = take

    def line(self) -> Span:
        """Range of the next line without its last byte, which need not be a newline at the end of input."""
        start = self.position
        if self.inside and start < self.fetched:
            end = self.data.find(b"\n", start, self.fetched)
            if end < 0:
                raise Reject("a line crosses the end of its frame")
            self.position = end + 1
            return start, end
        start = self._leave()
        end = self.data.find(b"\n", start)
        if end < 0:
            if not self.short_reads:
                raise Reject("a text argument has no newline", kind="truncated")
            self.position = self.fetched = self.size
            return start, max(start, self.size - 1)
        self.position = self.fetched = end + 1
        return start, end

    def straight(self) -> int:
        """The frame, or all of the input outside of frames."""
        if self.position < self.fetched:
            return self.fetched
        return self.position if self.inside or self.beyond >= 0 else self.size

    def leap(self, position: int, frame_end: int) -> None:
        """All bytes before were read, and the frame."""
        super().leap(position, frame_end)
        self.inside = frame_end >= 0

    def frame(self, length: int) -> None:
        """Enter a frame; the one before must be used up."""
        if self.inside and self.position < self.fetched:
            raise Reject("a frame begins before the end of the current one")
        self._leave()
        stop = self.position + length
        if stop > self.size and not self.short_frames:
            raise Reject("a frame is longer than the input", kind="truncated")
        self.fetched = min(stop, self.size)
        self.inside = True

    def resume(self) -> int:
        """A new unpickler goes on after the frame."""
        return self.fetched if self.beyond < 0 else self.beyond

    def skip_to(self, position: int) -> None:
        """Go on elsewhere, when the current frame is used up."""
        self.beyond = min(position, self.size)
        if not self.inside or self.position >= self.fetched:
            self._leave()

    def _leave(self) -> int:
        """The frame is used up: go on where the stream stands."""
        if self.beyond >= 0:
            self.position = self.fetched = self.beyond
            self.beyond = -1
        self.inside = False
        return self.position


def open_input(data: Data, start: int, dialect: Dialect) -> Contiguous:
    """The way of reading that a dialect implies."""
    if dialect.frames == "dropped":
        return Dropping(data, start)
    if dialect.frames == "enforced":
        return Framed(data, start, short_reads=dialect.pure_python, short_frames=dialect.short_frames)
    return Contiguous(data, start)


# Text arguments. `line` is the argument without its newline.

_STRTOL = regex.later(rb"[ \t\n\v\f\r]*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)")
_C_FLOAT = regex.later(rb"[+-]?((\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|(inf(inity)?|nan))", re.IGNORECASE)
_ESCAPE = regex.later(rb"\\(?:(\n)|([\\'\"abfnrtv])|([0-7]{1,3})|x([0-9a-fA-F]{2})|(x)|(.)|())", re.DOTALL)
_SIMPLE = {b"\\": b"\\", b"'": b"'", b'"': b'"', b"a": b"\a", b"b": b"\b"}
_SIMPLE |= {b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


def text_int(line: bytes, dialect: Dialect) -> int:
    """Argument of INT: a bool or an int."""
    if dialect.pure_python:
        return line == b"01" if line in (b"00", b"01") else _python_int(line, dialect)
    if not line:
        raise Reject("an INT without digits")
    number, rest = _strtol(line, dialect.text_base)
    if number is not None and rest in (b"", b"\0"):
        if len(line) == 2 and number in (0, 1) and (dialect.bools_by_value or line in (b"00", b"01")):
            return bool(number)
        return number
    return _python_int(line.split(b"\0", 1)[0], dialect)


def _strtol(line: bytes, base: int) -> tuple[int | None, bytes]:
    """C `strtol`: the number and the byte after it; None where it does not fit a long."""
    if line[:1] == b"\0":
        return 0, b"\0"
    pattern = _STRTOL if base == 0 else _STRTOL_10
    match = pattern.match(line)
    if not match:
        return None, b""
    sign, digits = match.groups()
    if base == 10:
        number = int(digits) if len(digits) < 20 else 1 << 64
    elif digits[:2] in (b"0x", b"0X"):
        number = int(digits, 16)
    elif digits[:1] == b"0":
        number = int(digits, 8)
    else:
        number = int(digits) if len(digits) < 20 else 1 << 64
    if sign == b"-":
        number = -number
    if not -(2**63) <= number < 2**63:
        return None, b""
    return number, line[match.end() : match.end() + 1]


_STRTOL_10 = regex.later(rb"[ \t\n\v\f\r]*([+-]?)([0-9]+)")


def _python_int(text: bytes, dialect: Dialect, base: int | None = None) -> int:
    try:
        return int(text, dialect.text_base if base is None else base)
    except ValueError:
        pass
    digits = text.strip(b" \t\n\v\f\r").lstrip(b"+-").replace(b"_", b"")
    if len(digits) > DIGIT_LIMIT and digits.isdigit():
        raise Reject(f"an integer of {len(digits)} digits: more than int() takes by default", kind="limit")
    raise Reject(f"not an integer: {text[:40]!r}")


def text_long(line: bytes, dialect: Dialect) -> int:
    """Argument of LONG."""
    if not dialect.pure_python and not line:
        raise Reject("a LONG without digits")
    if line.endswith(b"L"):
        line = line[:-1]
    if not dialect.pure_python:
        line = line.split(b"\0", 1)[0]
    return _python_int(line, dialect)


def text_float(line: bytes, dialect: Dialect) -> float:
    """Argument of FLOAT."""
    if not dialect.pure_python:
        line = line.split(b"\0", 1)[0]
        if not _C_FLOAT.fullmatch(line):
            raise Reject(f"not a float: {line[:40]!r}")
    try:
        value = float(line)
    except ValueError:
        raise Reject(f"not a float: {line[:40]!r}") from None
    if not dialect.pure_python and value in (float("inf"), float("-inf")) and b"n" not in line.lower():
        raise Reject("a float too large for a double")
    return value


def text_index(line: bytes, dialect: Dialect) -> int:
    """Argument of PUT and GET; may be negative."""
    if not dialect.pure_python:
        if not line:
            raise Reject("a memo index without digits")
        line = line.split(b"\0", 1)[0]
    number = _python_int(line, dialect, 10)
    if not dialect.pure_python and not -(2**63) <= number < 2**63:
        raise Reject("a memo index too large")
    return number


def text_string(line: bytes) -> bytes:
    """Argument of STRING: a quoted bytes literal."""
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
        raise Reject("the argument of STRING is not quoted")
    body = line[1:-1]
    if b"\\" not in body:
        return body
    plain, last = bytearray(), 0
    for match in _ESCAPE.finditer(body):  # `sub` would keep all the pieces
        plain += body[last : match.start()]
        plain += _unescape(match)
        last = match.end()
    return bytes(plain + body[last:])


def _unescape(match: re.Match[bytes]) -> bytes:
    newline, simple, octal, hexadecimal, _, other, end = match.groups()
    if newline is not None:
        return b""
    if simple is not None:
        return _SIMPLE[simple]
    if octal is not None:
        return bytes([int(octal, 8) & 0xFF])
    if hexadecimal is not None:
        return bytes([int(hexadecimal, 16)])
    if other is not None:
        return b"\\" + other
    raise Reject("a trailing backslash in STRING" if end is not None else "an invalid \\x escape in STRING")


def text_unicode(line: bytes) -> str:
    """Argument of UNICODE: raw-unicode-escape."""
    try:
        return line.decode("raw-unicode-escape")
    except UnicodeDecodeError:
        raise Reject("a truncated escape in UNICODE") from None


def utf8(data: bytes, what: str, errors: str = "strict") -> str:
    """Text of a name or of a unicode constant."""
    try:
        return data.decode("utf-8", errors)
    except UnicodeDecodeError:
        raise Reject(f"{what} is not valid UTF-8") from None


def ascii_text(data: bytes, what: str) -> str:
    """Text of an INST name or of a persistent id."""
    try:
        return data.decode("ascii")
    except UnicodeDecodeError:
        raise Reject(f"{what} is not ASCII") from None


# Numbers of fixed size ------------------------------------------------------------------------------------

U1, U2, U4, U8 = map(struct.Struct, ("<B", "<H", "<I", "<Q"))
I4 = struct.Struct("<i")
F8 = struct.Struct(">d")


def length8(input: Contiguous) -> int:
    """Eight-byte length."""
    length: int = input.number(U8)
    if length > MAX_LENGTH:
        raise Reject("a length above 2**63 - 1")
    return length
