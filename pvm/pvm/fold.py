"""What Python's own pure functions return, computed on constants.

The functions are listed in `data/pure.json` and are this interpreter's own, never an object that a file
names. What it takes is bounded before a function runs (`pvm.bounds`), and the size of its result afterwards. What
cannot be evaluated within the bounds stays symbolic: `NotConcrete`.
"""

from __future__ import annotations

import base64
import binascii
import bz2
import codecs
import json
import lzma
import operator
import struct
import zlib
from collections.abc import Callable
from functools import cache

from pvm.bounds import FEW_KEYS, GUARDS, are_text, size
from pvm.hints import Any
from pvm.names import data_file
from pvm.paths import path_of
from pvm.values import Blob, Buffer, Call, Container, Value, reveal

MAX_DEPTH = 64
MAX_NODES = 100_000


_HASHED = {"dict": 2, "set": 1, "frozenset": 1}
"""Containers that look their items up, and how many items there are to each that is."""


class NotConcrete(Exception):
    """The value, or the result of the function, is not a constant within the bounds."""


def to_python(value: Value, data: Any = b"", limit: int = 1 << 20) -> Any:
    """The Python object that a value stands for; raise `NotConcrete` if it is not wholly constant."""
    return Converter(data, limit).convert(value)


class Converter:
    """Values to Python objects, within a budget of nodes."""

    def __init__(self, data: Any, limit: int) -> None:
        self.data = data
        self.limit = limit
        self.nodes = 0

    def convert(self, value: Value, depth: int = 0) -> Any:
        """Convert one value; containers count every item against the budget."""
        value = reveal(value)
        self.nodes += 1
        if depth > MAX_DEPTH or self.nodes > MAX_NODES:
            raise NotConcrete
        match value:
            case None | bool() | int() | float() | str() | bytes():
                return value
            case tuple():
                return tuple([self.convert(item, depth + 1) for item in value])
            case Container():
                return self._container(value, depth)
            case Blob():
                return self._blob(value)
            case Buffer(base=Container() as base):
                return bytes(self._container(base, depth))
            case Call() if path_of(value.callee) == "builtins.slice":
                return slice(*[self.convert(item, depth + 1) for item in value.args])
            case _:
                raise NotConcrete

    def _container(self, value: Container, depth: int) -> Any:
        step = _HASHED.get(value.kind, 0)
        if step and len(value.items) > step * FEW_KEYS and not are_text(value.items[::step]):
            raise NotConcrete
        if value.kind == "dict":
            pairs = (
                (self.convert(key, depth + 1), self.convert(item, depth + 1)) for key, item in value.pairs()
            )
            return dict(pairs)
        if value.kind == "bytearray":
            try:
                parts = [self.convert(part, depth) for part in value.at()]
                return bytearray(b"".join([one if isinstance(one, bytes) else bytes([one]) for one in parts]))
            except (TypeError, ValueError):  # what no bytearray takes
                raise NotConcrete from None
        items = [self.convert(item, depth + 1) for item in value.at()]
        return {"list": list, "set": set, "frozenset": frozenset}[value.kind](items)

    def _blob(self, value: Blob) -> Any:
        if value.stop - value.start > self.limit:
            raise NotConcrete
        raw = bytes(self.data[value.start : value.stop])
        match value.kind:
            case "str":
                try:
                    return raw.decode("utf-8", "surrogatepass")
                except UnicodeDecodeError:  # only what Python 2 wrote as str
                    return raw.decode("latin-1")
            case "int":
                raise NotConcrete
            case _:
                return raw


def to_value(result: Any, offset: int) -> Value:
    """The value for a Python object that a pure function returned."""
    match result:
        case None | bool() | int() | float() | str() | bytes():
            return result
        case tuple():
            return tuple([to_value(item, offset) for item in result])
        case dict():
            flat = [to_value(part, offset) for pair in result.items() for part in pair]
            return Container(offset, "dict", flat)
        case bytearray():
            return Container(offset, "bytearray", [bytes(result)])
        case list() | set() | frozenset():
            return Container(offset, type(result).__name__, [to_value(item, offset) for item in result])
        case _:
            raise NotConcrete


def evaluate(path: str, args: list[Any], kwargs: dict[str, Any], limit: int) -> Any:
    """Result of a listed function on Python objects; raise `NotConcrete` if it is not listed or too large."""
    function = functions().get(path)
    if function is None:
        raise NotConcrete
    if size(args) + size(list(kwargs.values())) > limit:
        raise NotConcrete
    try:
        guard = GUARDS.get(path)
        fine = guard is None or guard([*args, *kwargs.values()], limit)
        result = function(*args, **kwargs) if fine else None
    except Exception as error:  # what does not fit the function, it refuses in the loader too
        raise NotConcrete from error
    if not fine:
        raise NotConcrete
    if size(result) > limit:
        raise NotConcrete
    return result


def is_pure(path: str) -> bool:
    """Is the function listed?"""
    return path in functions()


# Functions of our own in place of those that could run long or grow without bound -------------------------

_CODECS = frozenset(
    [
        "ascii",
        "latin_1",
        "utf_8",
        "utf_16",
        "utf_16_le",
        "utf_16_be",
        "utf_32",
        "utf_32_le",
        "utf_32_be",
        "utf_7",
        "rot_13",
        "hex_codec",
        "base64_codec",
        "quopri_codec",
        "uu_codec",
        "raw_unicode_escape",
        "unicode_escape",
        "punycode",
        "cp1252",
        "cp437",
    ]
)
_CODEC_ALIASES = {"hex": "hex_codec", "base64": "base64_codec", "base_64": "base64_codec", "rot13": "rot_13"}
_CODEC_ALIASES |= {"utf8": "utf_8", "latin1": "latin_1", "iso8859_1": "latin_1", "us_ascii": "ascii"}
_CODEC_ALIASES |= {
    "iso_8859_1": "latin_1",
    "l1": "latin_1",
    "utf16": "utf_16",
    "utf7": "utf_7",
    "u8": "utf_8",
}
_CODEC_ALIASES |= {
    "quopri": "quopri_codec",
    "uu": "uu_codec",
    "quoted_printable": "quopri_codec",
    "utf": "utf_8",
}


MOST_PUNYCODE = 4096
"""Longer text takes time in its square."""


def _codec(name: str, data: Any = b"") -> str:
    name = name.lower().replace("-", "_").replace(" ", "_")
    name = _CODEC_ALIASES.get(name, name)
    if name not in _CODECS or (name == "punycode" and len(data) > MOST_PUNYCODE):
        raise NotConcrete
    return name


def _decode(data: Any, encoding: str = "utf-8", errors: str = "strict") -> Any:
    name = encoding.lower().replace("-", "_")
    if name in ("zlib", "zip", "zlib_codec"):
        return _inflate(data)
    if name in ("bz2", "bz2_codec"):
        return _bz2(data)
    return codecs.decode(data, _codec(encoding, data), errors)


def _encode(data: Any, encoding: str = "utf-8", errors: str = "strict") -> Any:
    return codecs.encode(data, _codec(encoding, data), errors)


def _inflate(data: bytes, wbits: int = 15, bufsize: int = 0) -> bytes:
    return _bounded(zlib.decompressobj(wbits), data)


def _gunzip(data: bytes) -> bytes:
    return _bounded(zlib.decompressobj(31), data)


def _bz2(data: bytes) -> bytes:
    return _bounded(bz2.BZ2Decompressor(), data)


def _lzma(data: bytes) -> bytes:
    return _bounded(lzma.LZMADecompressor(memlimit=1 << 27), data)


def _bounded(decompressor: Any, data: bytes) -> bytes:
    out: bytes = decompressor.decompress(data, 1 << 20)
    if not decompressor.eof:
        raise NotConcrete
    return out


def _unquote(text: str, encoding: str = "utf-8", errors: str = "replace") -> str:
    pieces = text.split("%")
    out = [pieces[0].encode(_codec(encoding, text), "surrogatepass")]
    for piece in pieces[1:]:
        try:
            out.append(bytes([int(piece[:2], 16)]) + piece[2:].encode())
        except ValueError:
            out.append(b"%" + piece.encode())
    return b"".join(out).decode(_codec(encoding, text), errors)


def _str(value: Any = "", *more: Any, **named: Any) -> str:
    if more or named:
        encoding = more[0] if more else named.get("encoding", "utf-8")
        return str(_decode(value, encoding, more[1] if len(more) > 1 else named.get("errors", "strict")))
    return str(value)


def _bytes(value: Any = b"", *more: Any, **named: Any) -> bytes:
    if isinstance(value, str):
        return bytes(_encode(value, *(more or (named.get("encoding", "utf-8"),))))
    return bytes(value)


_OWN: dict[str, Callable[..., Any]] = {
    "builtins.str": _str,
    "builtins.bytes": _bytes,
    "builtins.bytearray": lambda *args, **named: bytearray(_bytes(*args, **named)),
    "builtins.str.encode": _encode,
    "builtins.bytes.decode": _decode,
    "builtins.bytearray.decode": _decode,
    "codecs.decode": _decode,
    "codecs.encode": _encode,
    "zlib.decompress": _inflate,
    "gzip.decompress": _gunzip,
    "bz2.decompress": _bz2,
    "lzma.decompress": _lzma,
    "json.loads": json.loads,
    "urllib.parse.unquote": _unquote,
    "builtins.sorted": lambda items, *, reverse=False: sorted(items, reverse=reverse),
    "builtins.next": lambda items, *default: next(iter(items), *default),
}


ITERATORS: dict[str, Callable[..., list[Any]]] = {
    "builtins.iter": list,
    "builtins.reversed": lambda items: list(reversed(items)),
    "builtins.zip": lambda *items: list(zip(*items, strict=False)),
    "builtins.enumerate": lambda items, start=0: list(enumerate(items, start)),
    "builtins.range": lambda *args: list(range(*args)),
    "itertools.chain": lambda *items: [item for part in items for item in part],
    "itertools.islice": lambda items, *args: list(items)[slice(*args)],
    "itertools.repeat": lambda item, times: [item] * times,
}
"""Iterators over constants, as the list of what they yield. Only their consumer sees it: the object itself
stays an iterator, with a state of its own."""


@cache
def functions() -> dict[str, Callable[..., Any]]:
    """Every function that can be evaluated, by path."""
    listed = data_file("pure.json")
    builtin: dict[str, Any] = vars(__import__("builtins"))
    homes = {"builtins": builtin, "operator": vars(operator), "codecs": vars(codecs), "base64": vars(base64)}
    homes |= {"binascii": vars(binascii), "struct": vars(struct)}
    table: dict[str, Callable[..., Any]] = {}
    for home, names in listed["functions"].items():
        table.update((f"{home}.{name}", homes[home][name]) for name in names if name in homes[home])
    for kind, names in listed["methods"].items():
        cls = builtin[kind]
        table.update((f"builtins.{kind}.{name}", getattr(cls, name)) for name in names if hasattr(cls, name))
    for name in _CODECS:
        codecs.lookup(name)  # here and not while a file is judged: a look-up imports a module
    return table | _OWN | ITERATORS
