"""Pickles for tests, assembled opcode by opcode. Payloads are inert, and nothing here is ever unpickled.

What the demo's samples have already is taken from there; this adds the opcodes that only tests need.

    program(2, call(glob("os", "system"), text("echo inert")))
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from pvmscan_cli.samples import (
    BINPERSID,
    BUILD,
    COMMAND,
    EMPTY_DICT,
    EMPTY_LIST,
    EMPTY_TUPLE,
    FALSE,
    MARK,
    NONE,
    POP,
    REDUCE,
    SETITEM,
    SETITEMS,
    STOP,
    call,
    data,
    dict_of,
    list_of,
    named,
    number,
    program,
    real,
    text,
    tuple_of,
)

TRUE = b"\x88"
DUP = b"2"
MEMOIZE = b"\x94"
EMPTY_SET = b"\x8f"
TORCH_MAGIC = 0x1950A86A20F9469CFC6C
INERT = "/tmp/pvmscan-inert"

# Opcodes ---------------------------------------------------------------------------------------------------


def proto(version: int) -> bytes:
    """PROTO."""
    return bytes([0x80, version])


def frame(content: bytes, length: int | None = None) -> bytes:
    """FRAME around some opcodes; a `length` that is not theirs makes the frame lie."""
    return b"\x95" + struct.pack("<Q", len(content) if length is None else length) + content


def glob(module: str, name: str) -> bytes:
    """GLOBAL."""
    return f"c{module}\n{name}\n".encode()


def short(value: str) -> bytes:
    """SHORT_BINUNICODE."""
    raw = value.encode()
    return b"\x8c" + bytes([len(raw)]) + raw


def stack_global(module: str | bytes, name: str | bytes) -> bytes:
    """STACK_GLOBAL; module and name as text, or as the opcodes that compute them."""
    parts = [text(part) if isinstance(part, str) else part for part in (module, name)]
    return b"".join(parts) + b"\x93"


def at(path: str) -> bytes:
    """STACK_GLOBAL of a dotted path: the first capitalised part, or else the last one, begins the name."""
    parts = path.split(".")
    first = next((i for i, part in enumerate(parts) if part.lstrip("_")[:1].isupper() and i), len(parts) - 1)
    if parts[0] == "builtins":
        first = 1
    return stack_global(".".join(parts[:first]), ".".join(parts[first:]))


def newobj(cls: bytes, *arguments: bytes) -> bytes:
    """NEWOBJ."""
    return cls + tuple_of(*arguments) + b"\x81"


def newobj_ex(cls: bytes, arguments: bytes, keywords: bytes) -> bytes:
    """NEWOBJ_EX."""
    return cls + arguments + keywords + b"\x92"


def obj(cls: bytes, *arguments: bytes) -> bytes:
    """OBJ."""
    return MARK + cls + b"".join(arguments) + b"o"


def inst(module: str, name: str, *arguments: bytes) -> bytes:
    """INST."""
    return MARK + b"".join(arguments) + f"i{module}\n{name}\n".encode()


def build(target: bytes, state: bytes) -> bytes:
    """BUILD."""
    return target + state + BUILD


def set_item(target: bytes, key: bytes, value: bytes) -> bytes:
    """SETITEM."""
    return target + key + value + SETITEM


def append(target: bytes, item: bytes) -> bytes:
    """APPEND."""
    return target + item + b"a"


def add_items(target: bytes, *items: bytes) -> bytes:
    """ADDITEMS."""
    return target + MARK + b"".join(items) + b"\x90"


def put(index: int) -> bytes:
    """BINPUT."""
    return b"q" + bytes([index])


def get(index: int) -> bytes:
    """BINGET."""
    return b"h" + bytes([index])


def long_number(value: int) -> bytes:
    """LONG1."""
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def ext(code: int) -> bytes:
    """EXT1."""
    return b"\x82" + bytes([code])


def persistent(pid: bytes) -> bytes:
    """BINPERSID."""
    return pid + BINPERSID


def value(thing: Any) -> bytes:
    """Opcodes for a plain Python value."""
    match thing:
        case None:
            return NONE
        case bool():
            return TRUE if thing else FALSE
        case int():
            return number(thing) if -(1 << 31) <= thing < 1 << 31 else long_number(thing)
        case float():
            return real(thing)
        case str():
            return text(thing)
        case bytes():
            return data(thing)
        case tuple():
            return tuple_of(*map(value, thing))
        case list():
            return list_of(*map(value, thing))
        case dict():
            pairs = b"".join(value(key) + value(item) for key, item in thing.items())
            return EMPTY_DICT + MARK + pairs + SETITEMS
    raise TypeError(f"no opcodes for {thing!r}")


# Programs --------------------------------------------------------------------------------------------------

SYSTEM = glob("os", "system")
RUN = call(SYSTEM, text(COMMAND))
"""The call of the plainest payload there is."""


def malicious(protocol: int = 2) -> bytes:
    """`os.system("echo inert")`."""
    return program(protocol, RUN)


def honest(protocol: int = 2) -> bytes:
    """A dict of numbers and text."""
    return program(protocol, value({"epoch": 3, "loss": 0.5, "name": "tiny", "sizes": [1, 2, 3]}))


def attribute(owner: bytes, name: str | bytes) -> bytes:
    """`getattr(owner, name)`."""
    return call(glob("builtins", "getattr"), owner, text(name) if isinstance(name, str) else name)


def nested(inner: bytes) -> bytes:
    """`pickle.loads(inner)`."""
    return program(3, call(glob("pickle", "loads"), data(inner)))


# Containers ------------------------------------------------------------------------------------------------


def zipped(members: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """An ordinary archive."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content, method)
    return target.getvalue()


def torch_zip(pickle: bytes) -> bytes:
    """A checkpoint of PyTorch 1.6 or later."""
    members = {
        "m/data.pkl": pickle,
        "m/byteorder": b"little",
        "m/data/0": bytes(range(16)),
        "m/version": b"3\n",
    }
    return zipped(members)


def torch_legacy(pickle: bytes, storage: bytes = b"") -> bytes:
    """A checkpoint as PyTorch wrote it before 1.6: magic, version, system, object, storage keys."""
    system = value({"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}})
    keys = list_of(text("0")) if storage else EMPTY_LIST
    return (
        program(2, long_number(TORCH_MAGIC))
        + program(2, number(1001))
        + program(2, system)
        + pickle
        + program(2, keys)
        + storage
    )


def npy(content: bytes, descr: str = "|O", shape: str = "(1,)") -> bytes:
    """A NumPy file, version 1."""
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + content


def dtype(code: str) -> bytes:
    """`numpy.dtype(code)` with the state that NumPy writes."""
    made = call(glob("numpy", "dtype"), text(code), FALSE, TRUE)
    size, align = {"S": (1, 1), "U": (4, 4), "V": (1, 1)}.get(code[0], (0, -1))
    numbers = [
        number(size * int(code[1:]) if size else -1),
        number(align),
        number(63 if code[0] == "O" else 0),
    ]
    return build(made, tuple_of(number(3), text("|"), NONE, NONE, NONE, *numbers))


def joblib_array(content: bytes, code: str, count: int, alignment: int | None = 16) -> bytes:
    """The wrapper of an array, BUILD, and the array itself between the opcodes."""
    state = {
        "subclass": glob("numpy", "ndarray"),
        "shape": tuple_of(number(count)),
        "order": text("C"),
        "dtype": dtype(code),
        "allow_mmap": TRUE,
    }
    padding = b""
    if alignment is not None:
        state["numpy_array_alignment_bytes"] = number(alignment)
        padding = b"\x05" + b"\xff" * 5
    wrapper = newobj(glob("joblib.numpy_pickle", "NumpyArrayWrapper"))
    return build(wrapper, dict_of(**state)) + padding + content


WRAPPERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zlib": zlib.compress,
    "zip": lambda content: zipped({"inner.pkl": content}),
    "zip-deflated": lambda content: zipped({"inner.pkl": content}, zipfile.ZIP_DEFLATED),
}
"""Ways to wrap a file that loaders unwrap."""

__all__ = [
    "BINPERSID",
    "BUILD",
    "COMMAND",
    "DUP",
    "EMPTY_DICT",
    "EMPTY_LIST",
    "EMPTY_SET",
    "EMPTY_TUPLE",
    "FALSE",
    "INERT",
    "MARK",
    "MEMOIZE",
    "NONE",
    "POP",
    "REDUCE",
    "RUN",
    "SETITEM",
    "SETITEMS",
    "STOP",
    "SYSTEM",
    "TORCH_MAGIC",
    "TRUE",
    "WRAPPERS",
    "add_items",
    "append",
    "at",
    "attribute",
    "build",
    "call",
    "data",
    "dict_of",
    "dtype",
    "ext",
    "frame",
    "get",
    "glob",
    "honest",
    "inst",
    "joblib_array",
    "list_of",
    "long_number",
    "malicious",
    "named",
    "nested",
    "newobj",
    "newobj_ex",
    "npy",
    "number",
    "obj",
    "persistent",
    "program",
    "proto",
    "put",
    "real",
    "set_item",
    "short",
    "stack_global",
    "text",
    "torch_legacy",
    "torch_zip",
    "tuple_of",
    "value",
    "zipped",
]
