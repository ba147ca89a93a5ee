"""Files of the real libraries, crafted ones with an inert payload in the same formats, and ways to damage both.

The law: whatever the bytes, a scan ends with a report; and while a loader would still run the payload of a crafted
file, the report is not clean.
"""

from __future__ import annotations

import io
import json
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import assemble as asm
from pvmscan import Verdict, scan_bytes
from pvmscan.readers.inflate import inflate
from pvmscan.report import FileReport

MODELS = Path(__file__).resolve().parent / "cases" / "models"
PAYLOAD = asm.malicious()
FLOATS = struct.pack("<4d", 0.5, 1.0, 1.5, 2.0)
Runs = Callable[[bytes], bool]


@dataclass(frozen=True, slots=True)
class Sample:
    """A file, and whether damaged bytes of it still run its payload."""

    name: str
    data: bytes
    runs: Runs = lambda data: False


@cache
def honest() -> tuple[Sample, ...]:
    """The files in `cases/models`."""
    paths = sorted(
        path for path in MODELS.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")
    )
    return tuple(Sample(path.name, path.read_bytes()) for path in paths)


def _holds(part: bytes) -> Runs:
    return lambda data: part in data


def _unpacks(codec: str) -> Runs:
    return lambda data: PAYLOAD[:-1] in inflate(data, codec, limit=1 << 20).data


def _is_object_array(data: bytes) -> bool:
    """Would numpy unpickle it? Its own public functions say."""
    from numpy.lib import format as layout

    file = io.BytesIO(data)
    try:
        version = layout.read_magic(file)
        read = layout.read_array_header_1_0 if version == (1, 0) else layout.read_array_header_2_0
        _, _, dtype = read(file)
    except Exception:
        return False
    return bool(dtype.hasobject) and file.read() == PAYLOAD


def _legacy() -> bytes:
    golden = (MODELS / "state_legacy.pt").read_bytes()
    start = golden.index(b"\x80\x02}")
    start = golden.index(b"\x80\x02}", start + 1)
    stop = golden.index(b"\x80\x02]", start)
    return golden[:start] + PAYLOAD + golden[stop:]


def _joblib(alignment: int | None = 16) -> bytes:
    return asm.program(4, asm.list_of(asm.joblib_array(FLOATS, "f8", 4, alignment), asm.RUN))


@cache
def crafted() -> tuple[Sample, ...]:
    """Files whose payload a loader runs."""
    source = b"import os\nos.system('echo inert')\n"
    manifest = json.dumps({"model": {"handler": "handler.py", "serializedFile": "m.pt"}}).encode()
    expression = json.dumps({"graph": {"expr_str": "__import__('os').system('echo inert')"}}).encode()
    joblib = _joblib()
    return (
        Sample("zip.pt", asm.torch_zip(PAYLOAD), _holds(PAYLOAD)),
        Sample("legacy.pt", _legacy(), _holds(PAYLOAD)),
        Sample(
            "package.pt",
            asm.zipped({"p/.data/extern_modules": b"os\n", "p/m/a.pkl": PAYLOAD}),
            _holds(PAYLOAD),
        ),
        Sample("source.pt", asm.zipped({"p/.data/extern_modules": b"os\n", "p/m.py": source})),
        Sample("handler.mar", asm.zipped({"MAR-INF/MANIFEST.json": manifest, "handler.py": source})),
        Sample("graph.pt2", asm.zipped({"m/models/model.json": expression})),
        Sample("deflated.pt", asm.zipped({"m/data.pkl": PAYLOAD}, 8)),
        Sample("parts.distcp", asm.torch_zip(asm.honest()) + asm.torch_zip(PAYLOAD), _holds(PAYLOAD)),
        Sample("behind.joblib", joblib, _holds(asm.RUN)),
        Sample("unaligned.joblib", _joblib(None), _holds(asm.RUN)),
        Sample("objects.joblib", asm.program(4, asm.joblib_array(PAYLOAD, "O8", 1, None)), _holds(PAYLOAD)),
        Sample("zlib.joblib", zlib.compress(PAYLOAD), _unpacks("zlib")),
        Sample("gzip.joblib", asm.WRAPPERS["gzip"](PAYLOAD), _unpacks("gzip")),
        Sample("bz2.joblib", asm.WRAPPERS["bz2"](PAYLOAD), _unpacks("bzip2")),
        Sample("xz.joblib", asm.WRAPPERS["xz"](PAYLOAD), _unpacks("xz")),
        Sample("old.joblib", b"ZF" + b"0x21".ljust(19) + zlib.compress(PAYLOAD), _unpacks("joblib-zf")),
        Sample("objects.npy", asm.npy(PAYLOAD), _is_object_array),
        Sample("fields.npy", asm.npy(PAYLOAD, "i4,O"), _is_object_array),
        Sample("objects.npz", asm.zipped({"a.npy": asm.npy(PAYLOAD)}), _holds(asm.npy(PAYLOAD))),
    )


def damaged(data: bytes, chance: random.Random) -> bytes:
    """The data cut off, with flipped bits, changed bytes, or parts left out, repeated or moved."""
    content = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        place = chance.randrange(len(content) + 1)
        match chance.randrange(6):
            case 0:
                del content[place:]
            case 1 | 2 if content:
                content[place % len(content)] ^= 1 << chance.randrange(8)
            case 3 if content:
                content[place % len(content)] = chance.choice((0, 0x7F, 0x80, 0xFF, chance.randrange(256)))
            case 4:
                del content[place : place + chance.randint(1, 8)]
            case _:
                size = chance.randint(1, 40)
                content[place:place] = content[chance.randrange(len(content) + 1) :][:size]
    return bytes(content)


def check(sample: Sample, data: bytes) -> FileReport:
    """The law, for one damaged file."""
    report = scan_bytes(data, name=sample.name).files[0]
    failures = [problem.message for problem in report.errors if problem.kind == "internal"]
    assert not failures, (sample.name, failures, data.hex())
    if sample.runs(data):
        assert report.verdict > Verdict.CLEAN, (sample.name, data.hex())
    return report


def variants(sample: Sample, count: int, seed: int = 1) -> Iterator[bytes]:
    """Damaged versions of a sample: every other one by a single flipped bit, some cut off at even distances."""
    chance = random.Random(f"{sample.name} {seed}")
    for step in range(count // 4):
        yield sample.data[: step * len(sample.data) // (count // 4)]
    for _ in range(count // 2):
        flipped = bytearray(sample.data)
        flipped[chance.randrange(len(flipped))] ^= 1 << chance.randrange(8)
        yield bytes(flipped)
    for _ in range(count // 4):
        yield damaged(sample.data, chance)
