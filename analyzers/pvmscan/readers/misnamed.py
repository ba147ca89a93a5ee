"""Files whose name promises a format that cannot hold code, and whose content is another.

A file like that is what a careless check waves through. It says so only if no reader knows what the content is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pvmscan.readers.base import UNRECOGNISED, Budget, Item, Reader, Source
from pvmscan.readers.gguf import Gguf
from pvmscan.readers.onnx import Onnx
from pvmscan.readers.safetensors import Safetensors
from pvmscan.readers.tflite import TensorFlowLite
from pvmscan.report import Location, Problem

_PROMISES: Mapping[str, Reader] = {
    ".safetensors": Safetensors(),
    ".gguf": Gguf(),
    ".onnx": Onnx(),
    ".tflite": TensorFlowLite(),
}
_LFS = b"version https://git-lfs"


class Misnamed:
    """Names that are not kept."""

    id = "misnamed"

    def sniff(self, source: Source) -> bool:
        """The format of the name is not that of the content."""
        promised = _promised(source)
        return promised is not None and not promised.sniff(source) and source.data[: len(_LFS)] != _LFS

    def read(self, source: Source, budget: Budget) -> Iterator[Item]:
        """The problem, which is void if the content is of a format that is known."""
        promised = _promised(source)
        if promised is not None:
            message = f"not {promised.id}, as its name says, nor any other format that is known"
            yield Problem(message, Location(source.member, 0), UNRECOGNISED)


def _promised(source: Source) -> Reader | None:
    name = (source.member or source.name).lower()
    return next((reader for suffix, reader in _PROMISES.items() if name.endswith(suffix)), None)
