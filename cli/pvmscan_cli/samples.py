"""Sample files to play with, assembled opcode by opcode. Every payload is `echo inert`."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass

COMMAND = "echo inert"
STOP = b"."
REDUCE = b"R"
BUILD = b"b"
EMPTY_TUPLE = b")"
EMPTY_DICT = b"}"
EMPTY_LIST = b"]"
MARK = b"("
NONE = b"N"
FALSE = b"\x89"
POP = b"0"
SETITEM = b"s"
SETITEMS = b"u"
APPENDS = b"e"
BINPERSID = b"Q"
DATE = (1980, 1, 1, 0, 0, 0)


def program(protocol: int, *parts: bytes) -> bytes:
    """A whole pickle."""
    return bytes([0x80, protocol]) + b"".join(parts) + STOP


def text(value: str) -> bytes:
    """BINUNICODE."""
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def data(value: bytes) -> bytes:
    """BINBYTES (protocol 3)."""
    return b"B" + struct.pack("<I", len(value)) + value


def number(value: int) -> bytes:
    """BININT."""
    return b"J" + struct.pack("<i", value)


def real(value: float) -> bytes:
    """BINFLOAT."""
    return b"G" + struct.pack(">d", value)


def named(path: str) -> bytes:
    """GLOBAL, from `module.name`."""
    module, _, name = path.rpartition(".")
    return f"c{module}\n{name}\n".encode()


def tuple_of(*parts: bytes) -> bytes:
    """TUPLE1, TUPLE2, TUPLE3, or a marked TUPLE."""
    if not parts:
        return EMPTY_TUPLE
    body = b"".join(parts)
    return body + bytes([0x84 + len(parts)]) if len(parts) <= 3 else MARK + body + b"t"


def list_of(*parts: bytes) -> bytes:
    """A list."""
    return EMPTY_LIST + MARK + b"".join(parts) + APPENDS


def dict_of(**items: bytes) -> bytes:
    """A dict with text keys."""
    return EMPTY_DICT + MARK + b"".join(text(key) + value for key, value in items.items()) + SETITEMS


def call(callee: bytes, *arguments: bytes) -> bytes:
    """REDUCE."""
    return callee + tuple_of(*arguments) + REDUCE


# Harmless --------------------------------------------------------------------------------------------------


def weights() -> bytes:
    """What training code writes: numbers in an ordered dict."""
    layers = call(named("collections.OrderedDict"))
    matrix = list_of(*(list_of(real(row / 4), real(-row / 8)) for row in range(4)))
    filled = (
        layers + MARK + text("layer1.weight") + matrix + text("layer1.bias") + list_of(real(0.0)) + SETITEMS
    )
    return program(2, dict_of(epoch=number(3), state_dict=filled, name=text("tiny")))


def array() -> bytes:
    """A NumPy array of three doubles, as NumPy 1 writes it."""
    dtype = call(named("numpy.dtype"), text("f8"), FALSE, b"\x88")
    dtype += tuple_of(number(3), text("<"), NONE, NONE, NONE, number(-1), number(-1), number(0)) + BUILD
    empty = call(
        named("numpy.core.multiarray._reconstruct"),
        named("numpy.ndarray"),
        tuple_of(number(0)),
        data(b"b"),
    )
    content = data(struct.pack("<3d", 0.5, 1.0, 1.5))
    return program(3, empty, tuple_of(number(1), tuple_of(number(3)), dtype, FALSE, content), BUILD)


def tensor(storage: str = "0", count: int = 4) -> bytes:
    """A tensor, as `torch.save` writes it: rebuilt from a storage that a persistent id names."""
    kind = named("torch.FloatStorage")
    pid = tuple_of(text("storage"), kind, text(storage), text("cpu"), number(count)) + BINPERSID
    hooks = call(named("collections.OrderedDict"))
    return call(
        named("torch._utils._rebuild_tensor_v2"),
        pid,
        number(0),
        tuple_of(number(2), number(2)),
        tuple_of(number(2), number(1)),
        FALSE,
        hooks,
    )


def torch_zip(*before: bytes) -> bytes:
    """A model in PyTorch's zip format; `before` runs first and is dropped."""
    state = call(named("collections.OrderedDict")) + MARK + text("layer.weight") + tensor() + SETITEMS
    pickle = program(2, *(part + POP for part in before), state)
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, content in {
            "data.pkl": pickle,
            "byteorder": b"little",
            "data/0": struct.pack("<4f", 0.1, 0.2, 0.3, 0.4),
            "version": b"3\n",
        }.items():
            archive.writestr(zipfile.ZipInfo(f"model/{name}", DATE), content)
    return target.getvalue()


# Malicious, and inert --------------------------------------------------------------------------------------


def system() -> bytes:
    """The plain case."""
    return program(2, call(named("os.system"), text(COMMAND)))


def attribute_chain() -> bytes:
    """The command function is reached through attributes of a module."""
    module = call(named("builtins.__import__"), text("os"))
    return program(2, call(call(named("builtins.getattr"), module, text("system")), text(COMMAND)))


def computed_name() -> bytes:
    """The name is put together from pieces."""
    name = call(named("operator.concat"), text("sys"), text("tem"))
    module = call(named("importlib.import_module"), text("os"))
    return program(2, call(call(named("builtins.getattr"), module, name), text(COMMAND)))


def nested() -> bytes:
    """A pickle inside a pickle."""
    return program(3, call(named("pickle.loads"), data(system())))


def evaluated() -> bytes:
    """Source code, handed to `eval`."""
    return program(2, call(named("builtins.eval"), text(f"__import__('os').system({COMMAND!r})")))


def alias() -> bytes:
    """A module is put in another one's place before its name is looked up."""
    module = call(named("importlib.import_module"), text("os"))
    swap = named("sys.modules") + text("statistics") + module + SETITEM + POP
    return program(2, swap, call(named("statistics.system"), text(COMMAND)))


def torch_payload() -> bytes:
    """A PyTorch model that loads normally, after it ran a command."""
    return torch_zip(call(named("os.system"), text(COMMAND)))


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample file."""

    path: str
    make: Callable[[], bytes]
    what: str
    malicious: bool


SAMPLES = (
    Sample("harmless/weights.pkl", weights, "numbers in an ordered dict", False),
    Sample("harmless/array.pkl", array, "a NumPy array", False),
    Sample("harmless/model.pt", torch_zip, "a PyTorch model", False),
    Sample("malicious/system.pkl", system, "runs a shell command", True),
    Sample("malicious/attributes.pkl", attribute_chain, "reaches the command through attributes", True),
    Sample("malicious/computed.pkl", computed_name, "puts the name together from pieces", True),
    Sample("malicious/nested.pkl", nested, "a pickle inside a pickle", True),
    Sample("malicious/eval.pkl", evaluated, "evaluates source code", True),
    Sample("malicious/alias.pkl", alias, "puts one module in another one's place", True),
    Sample("malicious/model.pt", torch_payload, "a PyTorch model with a payload", True),
)
