"""Readers: content to streams. Every reader that recognises a source reads it; the raw pickle comes last."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pvmscan.plugins import Plugin, plugins
from pvmscan.readers.base import UNRECOGNISED, Budget, Buffer, Fact, Item, Reader, Recognised, Source, Stream
from pvmscan.readers.doors import DOORS, Door, Look, opened
from pvmscan.readers.pieces import Pieces
from pvmscan.report import Location, Problem

READERS = DOORS


def at_hand(source: Source) -> Source:
    """The source with all of its bytes."""
    return source._replace(data=source.data.whole()) if isinstance(source.data, Pieces) else source


def read(source: Source, budget: Budget, at_hand: Callable[[Source], Source] = at_hand) -> Iterator[Item]:
    """What every reader finds in a source, in order.

    That no reader knows the content is told only if that is so; a reader that has accounted for every byte
    ends the reading. Readers are imported as they are needed. `at_hand` is asked for the whole of a file that is
    fetched by pieces, once a reader needs that.
    """
    known = whole = False
    for plugin in plugins("pvmscan.readers"):
        source = at_hand(source)
        for item in _added(plugin, source, budget):
            yield item
            known = True
    for door in opened(Look(source)):
        if whole:
            break
        if not door.sniffs_pieces:
            source = at_hand(source)
        for item in _survived(door, source, budget, at_hand):
            if isinstance(item, Recognised):
                whole = whole or item.whole
            if not (known and isinstance(item, Problem) and item.kind == UNRECOGNISED):
                yield item
            known = True


def _survived(
    door: Door, source: Source, budget: Budget, at_hand: Callable[[Source], Source]
) -> Iterator[Item]:
    """What a reader finds. A mistake in it is told, and does not keep the others from reading."""
    try:
        if door.reader.sniff(source):
            yield from door.reader.read(source if door.reads_pieces else at_hand(source), budget)
    except MemoryError:
        raise
    except Exception as error:
        message = f"pvmscan failed to read this as {door.id}: {type(error).__name__}: {error}"
        yield Problem(message, Location(source.member), "internal")


def _added(plugin: Plugin, source: Source, budget: Budget) -> Iterator[Item]:
    """What a plug-in reads. It does not keep the package's own readers from reading, and its mistakes are told."""
    try:
        if plugin.thing.sniff(source):
            for item in plugin.thing.read(source, budget):
                yield item._replace(whole=False) if isinstance(item, Recognised) else item
    except Exception as error:
        message = f"the plug-in {plugin} failed: {type(error).__name__}: {error}"
        yield Problem(message, Location(source.member), "internal")


__all__ = ["READERS", "Budget", "Buffer", "Fact", "Item", "Reader", "Recognised", "Source", "Stream", "read"]
