"""The `descr` of a NumPy header, evaluated as `numpy.lib.format.descr_to_dtype` does: how long is an item, and
does it hold objects?

A descr is a type string, a pair (descr, shape), or a list of fields: (name, descr) or (name, descr, shape), where
a name may be a pair (title, name). A type string may itself list types, with counts or shapes in front: `i4,(2,)f8`.
"""

from __future__ import annotations

from math import prod

from pvm import regex
from pvm.hints import Any
from pvm.records import NamedTuple
from pvmscan.readers.data import table

MAX_DEPTH = 32
_ONE = regex.later(r"[<>|=]?([A-Za-z?])(\d*)(\[[^\]]*\])?")
_COUNTED = regex.later(r"\s*(?:(\d+)|\(([\d\s,]*)\))?\s*([<>|=]?[A-Za-z?][\w\[\]/]*)\s*")


class Layout(NamedTuple):
    """What numpy makes of a descr."""

    size: int | None
    """Bytes of one item; None if it cannot be told."""
    objects: bool | None
    """Items hold Python objects, so a pickle follows; None if it cannot be told."""


UNKNOWN = Layout(None, None)


def layout(descr: Any, depth: int = 0) -> Layout:
    """The layout of an evaluated descr."""
    if depth > MAX_DEPTH:
        return UNKNOWN
    if isinstance(descr, str):
        return _listed(descr)
    if isinstance(descr, tuple) and len(descr) == 2:
        return _repeated(layout(descr[0], depth + 1), descr[1])
    if isinstance(descr, list):
        return _together([_field(field, depth + 1) for field in descr])
    return UNKNOWN


def _field(field: Any, depth: int) -> Layout:
    if not isinstance(field, tuple) or len(field) not in (2, 3):
        return UNKNOWN
    inner = layout(field[1], depth)
    return inner if len(field) == 2 else _repeated(inner, field[2])


def _repeated(inner: Layout, shape: Any) -> Layout:
    """A sub-array; for flexible types a plain number is their length."""
    sizes = [shape] if isinstance(shape, int) else list(shape) if isinstance(shape, tuple | list) else None
    if sizes is None or not all(isinstance(size, int) and size >= 0 for size in sizes):
        return Layout(None, inner.objects)
    if inner.size == 0 and isinstance(shape, int):
        return Layout(None, inner.objects)
    return Layout(None if inner.size is None else inner.size * prod(sizes), inner.objects)


def _together(parts: list[Layout]) -> Layout:
    if any(part.objects for part in parts):
        return Layout(None, True)
    if any(part.objects is None for part in parts):
        return UNKNOWN
    known = [part.size for part in parts if part.size is not None]
    return Layout(sum(known) if len(known) == len(parts) else None, False)


def _listed(text: str) -> Layout:
    """A type string, or several with commas between them."""
    single = _single(text)
    if single is not None:
        return single
    parts: list[Layout] = []
    at = 0
    while at <= len(text):
        match = _COUNTED.match(text, at)
        inner = _single(match[3]) if match else None
        if match is None or inner is None or text[match.end() : match.end() + 1] not in ("", ","):
            return UNKNOWN
        count, shape = match[1], match[2]
        sizes = [int(count)] if count else [int(one) for one in (shape or "").split(",") if one.strip()]
        flexible = bool(count) and inner.size == 0
        parts.append(Layout(None, inner.objects) if flexible else _repeated(inner, tuple(sizes)))
        at = match.end() + 1
        if match.end() == len(text):
            break
    return _together(parts)


def _single(text: str) -> Layout | None:
    """One type, without a count in front."""
    known = table("numpy")
    name = text.lstrip("<>|=")
    if name in known["objects"]:
        return Layout(8, True)
    plain = name.partition("[")[0] if name.endswith("]") and name[:1] in "dt" else name
    if plain in known["names"]:
        return Layout(known["names"][plain], False)
    match = _ONE.fullmatch(text)
    if match is None:
        return None
    kind, digits, unit = match.groups()
    if kind in "OT" and not unit:
        return Layout(None, True)
    if unit and kind not in "Mm":
        return None
    if not digits:
        size = known["characters"].get(kind)
        return None if size is None else Layout(size, False)
    count = int(digits[:12])
    if kind in "SaV":
        return Layout(count, False)
    if kind == "U":
        return Layout(4 * count, False)
    return Layout(count, False) if count in known["counted"].get(kind, ()) else None
