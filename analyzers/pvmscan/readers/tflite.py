"""TensorFlow Lite models: which operators do they name beyond the built-in ones?

Layout: FlatBuffers (https://flatbuffers.dev/internals), schema `tensorflow/compiler/mlir/lite/schema/schema.fbs`:
the root table's second field lists operator codes, whose second field is the name of a custom operator. Operators
that begin with `Flex` are TensorFlow's own, run by the delegate that brings TensorFlow along.
"""

from __future__ import annotations

from collections.abc import Iterator

from pvmscan.readers.base import Budget, Buffer, Fact, Item, Recognised, Source
from pvmscan.readers.data import words
from pvmscan.report import Location, Problem, Severity, Verdict

_OPERATOR_CODES, _CUSTOM_CODE = 1, 1
MAX_OPERATORS = 100_000


class TensorFlowLite:
    """A flat buffer of the kind `TFL3`."""

    id = "tflite"

    def sniff(self, source: Source) -> bool:
        """By its file identifier."""
        return source.data[4:8] == b"TFL3"

    def read(self, source: Source, budget: Budget) -> Iterator[Item]:
        """Facts about custom operators."""
        try:
            names = _custom_operators(source.data)
        except (ValueError, IndexError):
            yield Problem(
                "TensorFlow Lite: its tables cannot be read", Location(source.member, 0), "malformed"
            )
            return
        for name, offset in names.items():
            yield _fact(name, offset, source)
        yield Recognised("tflite", whole=False)


def _fact(name: str, offset: int, source: Source) -> Fact:
    inner = name.removeprefix("Flex")
    if name != inner and inner in words("tflite", "effects"):
        message = (
            f"The operator {inner} of TensorFlow reads or writes files, calls Python or opens connections."
        )
        return Fact(
            "tflite/operator", message, Verdict.SUSPICIOUS, source.member, offset, "file-write", Severity.HIGH
        )
    message = (
        f"The operator {name} is not built in: a library that is loaded beside the model has to bring it."
    )
    return Fact("tflite/custom-operator", message, Verdict.UNVERIFIED, source.member, offset, "native-code")


def _custom_operators(data: Buffer) -> dict[str, int]:
    """Names of custom operators with their offsets; raise `ValueError` where a reference leads nowhere."""
    found: dict[str, int] = {}
    vector = _field(data, _u32(data, 0), _OPERATOR_CODES)
    if vector is None:
        return found
    start = vector + _u32(data, vector)
    count = _u32(data, start)
    if count > MAX_OPERATORS:
        raise ValueError("more operators than the limit")
    for index in range(count):
        place = start + 4 + 4 * index
        name = _field(data, place + _u32(data, place), _CUSTOM_CODE)
        if name is not None:
            text = name + _u32(data, name)
            length = _u32(data, text)
            raw = bytes(data[text + 4 : text + 4 + min(length, 256)])
            found.setdefault(raw.decode("utf-8", "replace"), text)
    return found


def _field(data: Buffer, place: int, number: int) -> int | None:
    """Where a field of a table lies; None if it is absent."""
    directory = place - int.from_bytes(_take(data, place, 4), "little", signed=True)
    size = int.from_bytes(_take(data, directory, 2), "little")
    entry = 4 + 2 * number
    if entry + 2 > size:
        return None
    offset = int.from_bytes(_take(data, directory + entry, 2), "little")
    return place + offset if offset else None


def _u32(data: Buffer, at: int) -> int:
    return int.from_bytes(_take(data, at, 4), "little")


def _take(data: Buffer, at: int, count: int) -> bytes:
    if at < 0 or at + count > len(data):
        raise ValueError("a reference leads out of the file")
    return data[at : at + count]
