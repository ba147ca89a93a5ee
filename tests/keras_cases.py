"""Files of Keras, HDF5 and TensorFlow for tests: golden ones that the libraries wrote, and ones built by hand."""

from __future__ import annotations

import base64
import io
import json
import marshal
import random
import types
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

CASES = Path(__file__).parent / "cases" / "keras"


def case(name: str) -> bytes:
    """A golden file."""
    return (CASES / name).read_bytes()


def names() -> list[str]:
    """All golden files."""
    return sorted(path.name for path in CASES.iterdir() if path.suffix not in (".py", ""))


def damaged(data: bytes, count: int, seed: int = 1) -> Iterator[bytes]:
    """The bytes cut or with bits flipped, the same ones every time."""
    chance = random.Random(seed)
    for number in range(count):
        changed = bytearray(data[: chance.randrange(1, len(data))] if number % 3 == 0 else data)
        for _ in range(number % 4):
            changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
        yield bytes(changed)


def code_text(function: Callable[..., Any] | str) -> str:
    """A function, or the source of a lambda, as Keras writes its code."""
    if isinstance(function, str):
        module = compile(function, "<test>", "eval")  # never run
        function_code = next(one for one in module.co_consts if isinstance(one, types.CodeType))
    else:
        function_code = function.__code__
    return base64.b64encode(marshal.dumps(function_code)).decode()


SHELL = code_text("lambda x: __import__('os').system('echo inert')")
HONEST = code_text("lambda x: x * 2 + 1")


def node(name: str, config: Any = None, module: Any = "keras.layers", **more: Any) -> dict[str, Any]:
    """An object as Keras 3 writes it."""
    return {"module": module, "class_name": name, "config": {} if config is None else config, **more}


def code_node(code: str) -> dict[str, Any]:
    """A lambda as Keras 3 writes it."""
    return {"class_name": "__lambda__", "config": {"code": code, "defaults": None, "closure": None}}


def function_node(module: str | None, name: str) -> dict[str, Any]:
    """A function as Keras 3 writes it."""
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


def model(*layers: Any) -> dict[str, Any]:
    """A Sequential model of some layers."""
    return node("Sequential", {"name": "m", "layers": [node("InputLayer"), *layers]}, "keras")


def archive(config: Any, encoding: str = "utf-8") -> bytes:
    """A `.keras` archive with a config: an object, or JSON as it stands."""
    text = config if isinstance(config, str) else json.dumps(config)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("metadata.json", '{"keras_version": "3.15.1"}')
        file.writestr("config.json", text.encode(encoding))
    return out.getvalue()


def hdf5(build: Callable[[Any], None], **options: Any) -> bytes:
    """An HDF5 file that a function fills."""
    import h5py

    out = io.BytesIO()
    with h5py.File(out, "w", **options) as file:
        build(file)
    return out.getvalue()


def legacy(config: Any, **options: Any) -> bytes:
    """An HDF5 model with a config."""
    return hdf5(lambda file: file.attrs.update({"model_config": json.dumps(config)}), **options)


# Protocol buffers ------------------------------------------------------------------------------------------


def varint(number: int) -> bytes:
    """A number in the wire format."""
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def field(number: int, content: bytes | str) -> bytes:
    """A field that has a length."""
    data = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | 2) + varint(len(data)) + data


def attribute(key: str, value: bytes) -> bytes:
    """An attribute of a node; `value` is the content of its `AttrValue`."""
    return field(5, field(1, key) + field(2, value))


def tf_node(name: str, op: str, *inputs: str, attributes: bytes = b"") -> bytes:
    """A `NodeDef`."""
    return field(1, name) + field(2, op) + b"".join(field(3, one) for one in inputs) + attributes


def const(name: str, *texts: str | bytes) -> bytes:
    """A node that holds text."""
    tensor = b"\x08\x07" + b"".join(field(8, text) for text in texts)
    return tf_node(name, "Const", attributes=attribute("value", field(8, tensor)))


def graph(*nodes: bytes, functions: dict[str, list[bytes]] | None = None) -> bytes:
    """A `GraphDef`."""
    library = b"".join(
        field(1, field(1, field(1, name)) + b"".join(field(3, one) for one in inside))
        for name, inside in (functions or {}).items()
    )
    return b"".join(field(1, one) for one in nodes) + (field(2, library) if functions else b"")


def metadata(config: Any) -> bytes:
    """A `keras_metadata.pb` of one layer: an object, or JSON as it stands."""
    text = config if isinstance(config, str) else json.dumps(config)
    layer = b"\x10\x01" + field(3, "root.layer-0") + field(4, "_tf_keras_layer") + field(5, text)
    return field(1, layer)


def saved(*graphs: bytes, more: bytes = b"") -> bytes:
    """A `SavedModel` of some graphs; `more` are further fields of each `MetaGraphDef`."""
    return b"\x08\x01" + b"".join(field(2, field(2, one) + more) for one in graphs)
