"""Readers: content to streams. Every reader that recognises a source reads it; the raw pickle comes last."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pvmscan.plugins import Plugin, plugins
from pvmscan.readers.base import UNRECOGNISED, Budget, Buffer, Fact, Item, Reader, Recognised, Source, Stream
from pvmscan.readers.compressed import Compressed
from pvmscan.readers.config import Config
from pvmscan.readers.foreign import Foreign
from pvmscan.readers.gguf import Gguf
from pvmscan.readers.hdf5 import Hdf5
from pvmscan.readers.keras_config import KerasJson
from pvmscan.readers.misnamed import Misnamed
from pvmscan.readers.msgpack import MsgPack
from pvmscan.readers.npy import Npy
from pvmscan.readers.onnx import Onnx
from pvmscan.readers.paddle import Paddle
from pvmscan.readers.pieces import Pieces
from pvmscan.readers.pmml import Pmml
from pvmscan.readers.pyfile import PythonFile
from pvmscan.readers.raw import Raw
from pvmscan.readers.rdata import RData
from pvmscan.readers.safetensors import Safetensors
from pvmscan.readers.sevenzip import SevenZip
from pvmscan.readers.tar import Tar
from pvmscan.readers.template import Template
from pvmscan.readers.tensorflow import TensorFlow
from pvmscan.readers.tflite import TensorFlowLite
from pvmscan.readers.yamlconfig import Yaml
from pvmscan.readers.zipped import Zipped
from pvmscan.report import Location, Problem

READERS: tuple[Reader, ...] = (
    Zipped(),
    Tar(),
    SevenZip(),
    Compressed(),
    Npy(),
    Hdf5(),
    KerasJson(),
    TensorFlow(),
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
    for plugin in plugins("pvmscan.readers"):
        source = _at_hand(source)
        for item in _added(plugin, source, budget):
            yield item
            known = True
    for reader in READERS:
        if whole:
            break
        if not isinstance(reader, Zipped):
            source = _at_hand(source)
        for item in _survived(reader, source, budget):
            if isinstance(item, Recognised):
                whole = whole or item.whole
            if not (known and isinstance(item, Problem) and item.kind == UNRECOGNISED):
                yield item
            known = True


def _survived(reader: Reader, source: Source, budget: Budget) -> Iterator[Item]:
    """What a reader finds. A mistake in it is told, and does not keep the others from reading."""
    try:
        if reader.sniff(source):
            yield from reader.read(source, budget)
    except MemoryError:
        raise
    except Exception as error:
        message = f"pvmscan failed to read this as {reader.id}: {type(error).__name__}: {error}"
        yield Problem(message, Location(source.member), "internal")


def _at_hand(source: Source) -> Source:
    """The source with all of its bytes: only the reader of zip archives, which comes first, is content with pieces."""
    return replace(source, data=source.data.whole()) if isinstance(source.data, Pieces) else source


def _added(plugin: Plugin, source: Source, budget: Budget) -> Iterator[Item]:
    """What a plug-in reads. It does not keep the package's own readers from reading, and its mistakes are told."""
    try:
        if plugin.thing.sniff(source):
            for item in plugin.thing.read(source, budget):
                yield replace(item, whole=False) if isinstance(item, Recognised) else item
    except Exception as error:
        message = f"the plug-in {plugin} failed: {type(error).__name__}: {error}"
        yield Problem(message, Location(source.member), "internal")


__all__ = ["READERS", "Budget", "Buffer", "Fact", "Item", "Reader", "Recognised", "Source", "Stream", "read"]
