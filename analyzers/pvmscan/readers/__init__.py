"""Readers: content to streams. Every reader that recognises a source reads it; the raw pickle comes last."""

from __future__ import annotations

from collections.abc import Iterator

from pvmscan.readers.base import UNRECOGNISED, Budget, Buffer, Fact, Item, Reader, Recognised, Source, Stream
from pvmscan.readers.compressed import Compressed
from pvmscan.readers.config import Config
from pvmscan.readers.foreign import Foreign
from pvmscan.readers.gguf import Gguf
from pvmscan.readers.misnamed import Misnamed
from pvmscan.readers.msgpack import MsgPack
from pvmscan.readers.npy import Npy
from pvmscan.readers.onnx import Onnx
from pvmscan.readers.paddle import Paddle
from pvmscan.readers.pmml import Pmml
from pvmscan.readers.pyfile import PythonFile
from pvmscan.readers.raw import Raw
from pvmscan.readers.rdata import RData
from pvmscan.readers.safetensors import Safetensors
from pvmscan.readers.sevenzip import SevenZip
from pvmscan.readers.tar import Tar
from pvmscan.readers.template import Template
from pvmscan.readers.tflite import TensorFlowLite
from pvmscan.readers.yamlconfig import Yaml
from pvmscan.readers.zipped import Zipped
from pvmscan.report import Problem

READERS: tuple[Reader, ...] = (
    Zipped(),
    Tar(),
    SevenZip(),
    Compressed(),
    Npy(),
    Safetensors(),
    Gguf(),
    Onnx(),
    Paddle(),
    TensorFlowLite(),
    RData(),
    MsgPack(),
    Config(),
    Yaml(),
    Template(),
    Pmml(),
    PythonFile(),
    Foreign(),
    Misnamed(),
    Raw(),
)


def read(source: Source, budget: Budget) -> Iterator[Item]:
    """What every reader finds in a source, in order.

    That no reader knows the content is told only if that is so; a reader that has accounted for every byte
    ends the reading.
    """
    known = whole = False
    for reader in READERS:
        if whole or not reader.sniff(source):
            continue
        for item in reader.read(source, budget):
            if isinstance(item, Recognised):
                whole = whole or item.whole
            if not (known and isinstance(item, Problem) and item.kind == UNRECOGNISED):
                yield item
            known = True


__all__ = ["READERS", "Budget", "Buffer", "Fact", "Item", "Reader", "Recognised", "Source", "Stream", "read"]
