"""Bytes that reach a loader: what a pickle loads in turn is judged like a file of its own."""

from __future__ import annotations

from collections.abc import Iterator

from pvm.paths import path_of
from pvm.records import NamedTuple
from pvm.values import Call, Container, Value, reveal
from pvmscan.analyzers.base import Context

ID = "nested"


class Layer(NamedTuple):
    """Content that a call loads."""

    path: str
    offset: int
    data: bytes | None
    """None where the bytes cannot be told from the file."""
    honest: bool
    call: Call


def layers(context: Context, data: object, limit: int) -> Iterator[Layer]:
    """Every call of a loader, with the bytes that it gets."""
    for judged in context.calls:
        if judged.path is None:
            continue
        for loader in (
            *context.knowledge.loaders.exact(judged.path),
            *context.knowledge.loaders.wild(judged.path),
        ):
            content = next(
                (
                    found
                    for found in (
                        _bytes(part, data, limit) for part in _candidates(judged.call, loader.argument)
                    )
                    if found
                ),
                None,
            )
            yield Layer(judged.path, judged.call.offset, content, loader.honest, judged.call)
            break


def _candidates(call: Call, index: int) -> Iterator[Value]:
    """The argument that the loader reads; then any other, should the call be made in another way."""
    own = getattr(reveal(call.callee), "base", None)
    values = list(call.args)
    if index < len(values):
        yield values[index]
    yield from values
    named = reveal(call.kwargs)
    if isinstance(named, Container):
        yield from named.items[1::2]
    if own is not None:
        yield own
        inner = reveal(own)
        if isinstance(inner, Call):
            yield from inner.args


def _bytes(value: Value, data: object, limit: int) -> bytes | None:
    """Constant bytes, also inside a `BytesIO`."""
    value = reveal(value)
    if isinstance(value, Call):
        path = path_of(value.callee) or ""
        if path not in ("io.BytesIO", "io.BufferedReader"):
            return None
        for state in map(reveal, value.state or ()):
            if isinstance(state, tuple) and state:
                return _bytes(state[0], data, limit)
        return _bytes(value.args[0], data, limit) if value.args else None
    from pvm.fold import NotConcrete, to_python

    try:
        content = to_python(value, data, limit)
    except (NotConcrete, RecursionError):
        return None
    if isinstance(content, str):
        content = content.encode("latin-1", "replace")
    return bytes(content) if isinstance(content, bytes | bytearray) else None
