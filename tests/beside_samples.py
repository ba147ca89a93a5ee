"""Small files of the formats that stand beside pickles, honest and malicious, for tests that damage them."""

from __future__ import annotations

import gzip
import io
import json
import struct
import tarfile
from dataclasses import dataclass
from pathlib import Path

import assemble as asm
from wire_builder import field, number

CASES = Path(__file__).parent / "cases" / "beside"


@dataclass(frozen=True)
class Sample:
    """A file, and the bytes of it without which nothing happens; empty for honest files."""

    name: str
    data: bytes
    payload: bytes = b""


def case(name: str, payload: bytes = b"") -> Sample:
    """A golden file."""
    return Sample(name, (CASES / name).read_bytes(), payload)


def tar(name: str, content: bytes) -> bytes:
    """An archive with one member."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return target.getvalue()


def tflite(*names: str) -> bytes:
    """A flat buffer with operator codes: root table, one directory for all tables, a vector, tables, texts."""
    root = struct.pack("<I4s", 24, b"TFL3") + struct.pack("<5H", 8, 12, 0, 8, 0) + bytes(6)
    table = struct.pack("<iII", 24 - 8, 0, 4)  # the root's directory is at 8; its second field 8 bytes in
    count = len(names)
    vector = struct.pack("<I", count)
    start = 24 + 12
    tables_at = start + 4 + 4 * count + 8
    directory = tables_at - 8
    texts_at = tables_at + 8 * count
    tables, texts = b"", b""
    for index, name in enumerate(names):
        place = tables_at + 8 * index
        vector += struct.pack("<I", place - (start + 4 + 4 * index))
        tables += struct.pack("<iI", place - directory, texts_at + len(texts) - (place + 4))
        raw = name.encode()
        texts += struct.pack("<I", len(raw)) + raw + bytes(4 - len(raw) % 4)
    return root + table + vector + struct.pack("<4H", 8, 8, 0, 4) + tables + texts


def promise() -> bytes:
    """R's promise that calls `system`."""
    item = struct.Struct(">I").pack
    symbol = item(1) + item(9) + struct.pack(">i", 6) + b"system"
    return (
        b"X\n" + struct.pack(">III", 2, 0x40400, 0x20300) + item(5) + item(252) + item(6) + symbol + item(254)
    )


TARGET = b"net:\n  _target_: os.system\n  command: echo inert\n"
PROGRAM = number(1, 0) + number(2, 0) + field(4, field(3, b"py_func"))
BAD = [
    case("external_bad.onnx", b"a/../../secret"),
    case("python_bad.onnx", b"ai.onnx.contrib"),
    case("template_bad.gguf", b"cycler['__in' ~ 'it__'].__globals__"),
    Sample("m.tar", tar("model.pkl", asm.malicious()), asm.malicious()),
    Sample("m.nemo", tar("./model_config.yaml", TARGET), TARGET),
    Sample("m.tar.gz", gzip.compress(tar("model.pkl", asm.malicious()), mtime=0), b"\x1f\x8b"),
    Sample("config.yaml", TARGET, b"_target_: os.system\n"),
    Sample("schema.json", json.dumps({"a": 1, "_target_": "os.system"}).encode(), b'"os.system"'),
    Sample("chat_template.jinja", b"{{ m.content }}{{ x.__class__ }}", b"x.__class__"),
    Sample("modeling.py", b"import os\nX = 1\nos.system('echo inert')\n", b"os.system('echo inert')"),
    Sample("model.rds", promise(), b"\0\0\0\x05"),
    Sample("m.tflite", tflite("FlexWriteFile"), b"FlexWriteFile"),
    Sample("m.pdmodel", field(1, PROGRAM) + field(4, number(1, 0)), b"py_func"),
    Sample(
        "m.pmml", b'<!DOCTYPE PMML [<!ENTITY x SYSTEM "file:///x">]><PMML/>', b'<!ENTITY x SYSTEM "file:///x"'
    ),
]
HONEST = [
    case(name)
    for name in (
        "plain.onnx plain.gguf plain.safetensors plain.msgpack xgboost.ubj xgboost.json lightgbm.txt plain.7z"
    ).split()
] + [Sample("m.tar", tar("model.pkl", asm.honest()))]
