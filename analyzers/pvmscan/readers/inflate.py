"""Lenient decompression with an output limit, and no I/O.

The file wrappers that loaders use (``gzip.open``, ``bz2.open``, ``lzma.open``) hand out bytes as they decode
them, so a pickle inside runs before anybody notices a wrong checksum, a missing trailer or garbage behind the
stream. This module therefore keeps every byte that came out and says why it stopped. Deflate data is always
decoded raw: gzip (RFC 1952) and zlib (RFC 1950) headers are stepped over here and their checksums are not
compared.

Work is linear in input plus output: a damaged stream is decoded at most three times, with smaller and smaller
steps, because decoders drop the output of the one call that fails. The last step is a single byte, so at most
one byte before the damage is lost.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import lru_cache, partial
from importlib import import_module

from pvm.hints import Any, Protocol, TypeAlias
from pvm.records import NamedTuple
from pvmscan.buffer import WINDOW, Buffer, forget
from pvmscan.readers.lz4frame import DAMAGED, MAGIC, OVER_LIMIT, TRUNCATED, decode, is_skippable
from pvmscan.readers.spool import NoRoom, Spool

__all__ = [
    "DAMAGED",
    "OVER_LIMIT",
    "TRUNCATED",
    "Inflated",
    "inflate",
    "inflate_span",
    "sniff_codec",
]

_GZIP = b"\x1f\x8b"
_XZ = b"\xfd7zXZ\x00"
_ZSTD = b"\x28\xb5\x2f\xfd"

_FIRST_READ = 1 << 9  # small, so that a file of a million tiny streams does not copy a large chunk for each
_FULL_READ = 1 << 16
_STEPS = (1 << 18, 1 << 9, 1)  # output per call: normal, then closing in on the point of damage
_LZMA_MEMORY = 1 << 30  # the dictionary size in an lzma header is the sender's claim


class Inflated(NamedTuple):
    """What came out of a compressed stream, and how the decoding ended."""

    data: Buffer  # a file mapped into memory, where it is much
    complete: bool  # False: limit hit, truncated or damaged; data holds what came out
    reason: str  # why not complete; when complete, "" or what was odd about the end
    codec: str
    trailing: int  # bytes of input after the compressed stream(s)


class Decoder(Protocol):
    """The interface that bz2, lzma and zstd decompressors share."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


Factory: TypeAlias = Callable[[], Decoder]
Opener: TypeAlias = Callable[["_Job", int], "tuple[int, Factory] | None"]


def sniff_codec(head: bytes) -> tuple[str, ...]:
    """Every codec the first bytes allow, most certain first. The zlib test is weak: it looks at two bytes."""
    found = [name for magic, name in _MAGICS if head.startswith(magic)]
    if head[:3] == b"BZh" and head[3:4] in b"123456789":
        found.append("bzip2")
    if is_skippable(head):
        found += ["zstd", "lz4"]
    if _is_lzma_alone(head):
        found.append("lzma")
    if _is_zlib(head):
        found.append("zlib")
    return tuple(found)


def _is_zlib(head: bytes) -> bool:
    """RFC 1950 section 2.2: method 8, a window of at most 32 KiB, and a 16-bit value divisible by 31."""
    return len(head) >= 2 and head[0] & 0x0F == 8 and head[0] < 0x80 and (head[0] << 8 | head[1]) % 31 == 0


_MAGICS = ((_GZIP, "gzip"), (_XZ, "xz"), (_ZSTD, "zstd"), (MAGIC, "lz4"), (b"ZF", "joblib-zf"))


def _is_lzma_alone(head: bytes) -> bool:
    """Accept the usual ``5d 00``, and other properties when the whole 13-byte header is one an encoder would
    write.

    That is liblzma's own rule for guessing this format: a dictionary of 2^n or 2^n + 2^(n-1) bytes and a size
    that is unknown or below 256 GiB. The compressed data itself always begins with a zero byte.
    """
    if head[:2] == b"\x5d\x00":
        return True
    if len(head) < 14 or head[0] >= 225 or head[13] != 0:
        return False
    dictionary = int.from_bytes(head[1:5], "little")
    size = int.from_bytes(head[5:13], "little")
    odd_part = dictionary & -dictionary and dictionary // (dictionary & -dictionary)
    return odd_part in (1, 3) and (size < 1 << 38 or size == (1 << 64) - 1)


def inflate(data: Buffer, codec: str, *, limit: int) -> Inflated:
    """Decompress the whole of `data`; at most `limit` bytes come out."""
    return inflate_span(data, codec, 0, len(data), limit=limit)


def inflate_span(data: Buffer, codec: str, start: int, stop: int, *, limit: int) -> Inflated:
    """Decompress ``data[start:stop]`` without copying it first.

    Besides the codecs of `sniff_codec`, "deflate" (raw) and "zip-lzma" (zip method 14) are known.
    """
    run = _CODECS.get(codec)
    if run is None:
        return Inflated(b"", False, f"the codec {codec!r} is not known", codec, 0)
    job = _Job(data, stop, limit)
    try:
        end, reason, complete = run(job, start)
    except ImportError:
        return Inflated(b"", False, f"{codec} support is not installed", codec, 0)
    except NoRoom as error:
        return Inflated(job.output(), False, str(error), codec, 0)
    trailing = stop - end if complete else 0
    return Inflated(job.output(), complete, reason, codec, trailing)


_Ending: TypeAlias = tuple[int, str, bool]  # offset where decoding stopped, reason, complete


class _Job:
    """One decompression: the input range, and the output collected so far."""

    def __init__(self, data: Buffer, stop: int, limit: int) -> None:
        self.data = data
        self.stop = stop
        self.limit = max(limit, 0)
        self.sink = Spool()

    def output(self) -> Buffer:
        return self.sink.contents(self.limit)

    def peek(self, at: int, count: int) -> bytes:
        return self.data[at : min(at + count, self.stop)]

    def skip_zeros(self, at: int) -> int:
        """The next byte that is not zero: streams may be padded (xz file format 2.2; gzip files on tape)."""
        size = 16
        while chunk := self.peek(at, size):
            rest = len(chunk.lstrip(b"\0"))
            at += len(chunk) - rest
            if rest:
                break
            size = min(size * 2, _FULL_READ)
        return at

    def stream(self, at: int, make: Factory) -> tuple[int, str]:
        """Decode one stream into the sink; return where it ended and why it failed ("" if it did not)."""
        base = self.sink.tell()
        end, error = self._attempt(at, make, 0, _STEPS[0])
        for step in _STEPS[1:]:
            if error != DAMAGED:
                break
            good = self.sink.tell() - base
            self.sink.truncate(base)
            end, error = self._attempt(at, make, good, step)
        return end, error

    def _attempt(self, at: int, make: Factory, safe: int, step: int) -> tuple[int, str]:
        """Decode in large steps for the first `safe` bytes of output, known to be good, then by `step`."""
        good = self.sink.tell() + safe
        size = _FIRST_READ
        try:
            decoder = make()
        except Exception:  # the header alone can be wrong enough, or ask for too much memory
            return at, DAMAGED
        while not decoder.eof:
            here = self.sink.tell()
            if here > self.limit:  # one byte over the limit proves that there was more
                return at, OVER_LIMIT
            chunk = b""
            if decoder.needs_input:
                chunk = self.peek(at, size)
                if not chunk:
                    return at, TRUNCATED
                if at // WINDOW < (at + len(chunk)) // WINDOW:
                    forget(self.data, at - WINDOW, at)
                at += len(chunk)
                size = min(size * 2, _FULL_READ)
            ask = min(_STEPS[0], good - here) if here < good else step
            try:
                piece = decoder.decompress(chunk, min(ask, self.limit + 1 - here))
            except MemoryError:
                raise
            except Exception:  # every library has its own error class, and each means the same here
                return at, DAMAGED
            self.sink.write(piece)
        return at - len(decoder.unused_data), OVER_LIMIT if self.sink.tell() > self.limit else ""


class _Deflate:
    """Raw deflate (RFC 1951) behind the interface of the other decompressors."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(-zlib.MAX_WBITS)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        out = self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)
        # zlib may hold back output when it filled the request, even with no input left over
        self.needs_input = not self._zlib.unconsumed_tail and len(out) < max_length
        return out


def _streams(opener: Opener, job: _Job, at: int, *, trailer: int = 0, many: bool = True) -> _Ending:
    """Decode a stream and, where the format allows it, the ones that follow it."""
    opened = opener(job, at)
    if opened is None:
        return at, "the data does not start with a header of this format", False
    note = ""
    first = True
    while opened is not None:
        before = job.sink.tell()
        end, error = job.stream(*opened)
        if error and not first and job.sink.tell() == before:
            break  # it only looked like one more stream; loaders ignore such garbage too
        if error:
            return end, error, False
        if end + trailer > job.stop:
            note = "the checksum after the stream is cut off"
        at = min(end + trailer, job.stop)
        opened = opener(job, job.skip_zeros(at)) if many else None
        first = False
    return at, note, True


def _open_gzip(job: _Job, at: int) -> tuple[int, Factory] | None:
    """Step over a gzip member header (RFC 1952 section 2.3) with its optional fields."""
    head = job.peek(at, 12)
    if len(head) < 10 or head[:3] != b"\x1f\x8b\x08":
        return None
    flags = head[3]
    at += 10
    if flags & 4:
        at += 2 + int.from_bytes(head[10:12], "little")
    for bit in (8, 16):
        if flags & bit:
            at = job.data.find(b"\0", at, job.stop) + 1
            if at == 0:
                return None
    return at + (2 if flags & 2 else 0), _Deflate


def _open_bzip2(job: _Job, at: int) -> tuple[int, Factory] | None:
    if job.peek(at, 3) != b"BZh":
        return None
    return at, import_module("bz2").BZ2Decompressor


def _open_lzma(job: _Job, at: int) -> tuple[int, Factory] | None:
    """Open an xz or lzma-alone stream; ``lzma.open`` detects the kind anew for each stream of a file."""
    head = job.peek(at, 14)
    if head.startswith(_XZ):
        return at, _lzma_factory("FORMAT_XZ")
    return (at, _lzma_factory("FORMAT_ALONE")) if _is_lzma_alone(head) else None


def _lzma_factory(kind: str, header: bytes = b"") -> Factory:
    lzma = import_module("lzma")

    def make() -> Decoder:
        decoder: Decoder = lzma.LZMADecompressor(getattr(lzma, kind), memlimit=_LZMA_MEMORY)
        if header:
            decoder.decompress(header, 1)  # a header alone produces no output
        return decoder

    return make


def _open_zip_lzma(job: _Job, at: int) -> tuple[int, Factory] | None:
    """Turn the start of a zip member of method 14 into an lzma-alone header of unknown size.

    APPNOTE 5.8.8: two version bytes, a 16-bit length, then that many property bytes (five in practice).
    """
    head = job.peek(at, 9)
    if len(head) < 9 or head[2:4] != b"\x05\x00" or head[4] >= 225:
        return None
    return at + 9, _lzma_factory("FORMAT_ALONE", head[4:9] + b"\xff" * 8)


def _open_zlib(job: _Job, at: int) -> tuple[int, Factory] | None:
    head = job.peek(at, 2)
    if len(head) < 2 or head[0] & 0x0F != 8 or head[1] & 0x20:  # 0x20: needs a preset dictionary
        return None
    return at + 2, _Deflate


def _joblib_zf(job: _Job, at: int) -> _Ending:
    """Read joblib's first compressed format: ``ZF``, the size as padded hex text, then one zlib stream.

    joblib's ``read_zfile`` skips a field of 19 characters, and one blank more when a Python 2 writer left it.
    Other field widths are found by skipping the blanks after the digits.
    """
    fixed = at + 21 + (job.peek(at + 21, 1) == b" ")
    if _open_zlib(job, fixed) is None:
        head = job.peek(at + 2, 64)
        digits = len(head) - len(head.lstrip(b"0123456789abcdefABCDEFxXlL"))
        fixed = at + 2 + len(head) - len(head[digits:].lstrip(b" "))
    return _streams(_open_zlib, job, fixed, trailer=4, many=False)


def _lz4(job: _Job, at: int) -> _Ending:
    end, reason = decode(job.data, at, job.stop, job.sink, limit=job.limit)
    return end, reason, not reason


def _open_zstd(job: _Job, at: int) -> tuple[int, Factory] | None:
    head = job.peek(at, 4)
    return (at, _zstd_factory()) if head == _ZSTD or is_skippable(head) else None


@lru_cache(maxsize=1)
def _zstd_factory() -> Factory:
    """Find a zstd decoder: the standard library from Python 3.14 on, else one of two packages."""
    for name in ("compression.zstd", "backports.zstd"):
        try:
            factory: Factory = import_module(name).ZstdDecompressor
        except ImportError:
            continue
        return factory
    return partial(_Zstandard, import_module("zstandard"))


class _Zstandard:
    """The ``zstandard`` package behind the interface of the others.

    It cannot limit its output, so it is fed little: a 4-byte block expands to at most 128 KiB (RFC 8878
    section 3.1.1), which bounds what 256 bytes of input can produce.
    """

    _PIECE = 256

    def __init__(self, module: Any) -> None:
        self._object: Any = module.ZstdDecompressor().decompressobj()
        self._input = b""
        self._output = b""

    @property
    def eof(self) -> bool:
        return bool(self._object.eof) and not self._output

    @property
    def needs_input(self) -> bool:
        return not self._output and not self._input

    @property
    def unused_data(self) -> bytes:
        return bytes(self._object.unused_data) + self._input

    def decompress(self, data: bytes, max_length: int) -> bytes:
        self._input += data
        if not self._output and self._input and not self._object.eof:
            piece, self._input = self._input[: self._PIECE], self._input[self._PIECE :]
            self._output = self._object.decompress(piece)
        out, self._output = self._output[:max_length], self._output[max_length:]
        return out


_CODECS: dict[str, Callable[[_Job, int], _Ending]] = {
    "gzip": partial(_streams, _open_gzip, trailer=8),
    "zlib": partial(_streams, _open_zlib, trailer=4, many=False),
    "deflate": partial(_streams, lambda _, at: (at, _Deflate), many=False),
    "bzip2": partial(_streams, _open_bzip2),
    "xz": partial(_streams, _open_lzma),
    "lzma": partial(_streams, _open_lzma),
    "zip-lzma": partial(_streams, _open_zip_lzma, many=False),
    "zstd": partial(_streams, _open_zstd),
    "lz4": _lz4,
    "joblib-zf": _joblib_zf,
}
