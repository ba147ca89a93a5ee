"""The one place that lets libhdf5 read a file: what it holds, as plain data.

`survey` takes bytes and returns a `Survey`; `examine` has it made in a process of its own (`isolation`):
libhdf5 is native code, and hostile files are known to crash it. Nothing that the file names is opened: links
are listed and not followed, datasets whose bytes lie elsewhere are never read, and filters that would load a
plug-in are not run (HDF5 1.14 and 2.0, h5py 3.10 and later).
"""

from __future__ import annotations

import io
import math
import mmap
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cached_property

from pvm.hints import Any
from pvmscan.isolation import Failed, run
from pvmscan.readers import hdf5types as types
from pvmscan.readers.base import Buffer, Source
from pvmscan.readers.window import Window

MAX_OBJECTS = 200_000
MAX_DEPTH = 200
MAX_ATTRIBUTES = 500_000
MAX_VALUE = 64 << 20
"""Bytes of an attribute or dataset that are read."""
MAX_TOTAL = 1 << 30
MAX_BATCH = 64 << 20
MAX_SHARED = 4 << 30
"""Bytes that the values of one attribute could take if all of them shared the largest place in the heap."""
MAX_VALUES = 2_000_000
MAX_FILES = 100_000
"""Parts of one dataset that may lie in other files."""
HEAD = 4096
"""Bytes of a dataset of numbers that are looked at first."""
_KINDS = {kind: kind for kind in ("external-link", "external-storage", "virtual-dataset")}
_BUILT_IN_FILTERS = frozenset({1, 2, 3, 4, 5, 6, 32000})
"""Deflate, shuffle, fletcher32, szip, nbit, scale-offset, and LZF, which h5py brings."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a survey may spend."""

    objects: int = MAX_OBJECTS
    attributes: int = MAX_ATTRIBUTES
    value: int = MAX_VALUE
    total: int = MAX_TOTAL


@dataclass(frozen=True, slots=True)
class Text:
    """Bytes or text somewhere in the file."""

    path: str
    """`/group/dataset`, or `/group@attribute`."""
    content: bytes


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Something that a reader fetches from another file."""

    path: str
    kind: str
    """`external-link`, `external-storage` or `virtual-dataset`."""
    targets: tuple[str, ...]


@dataclass
class Survey:
    """What a file holds, as far as it was read."""

    texts: list[Text] = field(default_factory=list)
    elsewhere: list[Elsewhere] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    """Names of the groups and attributes of the root."""
    huge: list[tuple[str, int, int]] = field(default_factory=list)
    """Datasets with their declared and their stored bytes, where the first is far more."""
    faults: list[tuple[str, str, str]] = field(default_factory=list)
    """Path, kind of problem, reason."""
    opened: bool = False


def survey(data: Buffer, limits: Limits | None = None) -> Survey:
    """Read an HDF5 file. Never raises for what it holds; may crash with libhdf5."""
    found = Survey()
    try:
        import h5py
    except ImportError:
        found.faults.append(("/", "unsupported", "h5py, which reads HDF5, is not installed"))
        return found
    window = Window(data)
    try:
        with h5py.File(window, "r") as file:
            found.opened = True
            _Walk(h5py, file, found, limits or Limits(), data).run()
    except Exception as error:  # h5py raises what the library says as almost any class
        found.faults.append(("/", "unreadable", _reason(error)))
    finally:
        window.close()
    return found


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error)[:200]}"


def prepare() -> None:
    """Everything that is imported on the way, before a worker may open no more files."""
    with suppress(ImportError):
        import h5py

        with h5py.File(io.BytesIO(), "w") as file:
            file.attrs["text"] = "x"


def survey_plain(data: Buffer) -> dict[str, Any]:
    """The survey as plain data, for another process."""
    return asdict(survey(data))


def examine(source: Source, *, isolated: bool) -> Survey:
    """The survey of a source, made in a worker process; what it does not survive is a fault."""
    if not isolated:
        return survey(source.data)
    path: str | None = getattr(source.data, "path", None)
    if source.member is None and isinstance(source.data, mmap.mmap):
        path = source.path
    try:
        return _restored(run(__name__, survey_plain.__name__, source.data, path=path))
    except Failed as error:
        return Survey(faults=[("/", error.kind, error.reason)])


def _restored(plain: Any) -> Survey:
    """A survey from plain data; raise `Failed` where the worker sent something else."""
    try:
        return Survey(
            texts=[Text(str(one["path"]), bytes(memoryview(one["content"]))) for one in plain["texts"]],
            elsewhere=[
                Elsewhere(str(one["path"]), _KINDS[one["kind"]], tuple(map(str, one["targets"])))
                for one in plain["elsewhere"]
            ],
            names=[str(name) for name in plain["names"]],
            huge=[(str(path), int(declared), int(stored)) for path, declared, stored in plain["huge"]],
            faults=[(str(path), str(kind), str(reason)) for path, kind, reason in plain["faults"]],
            opened=bool(plain["opened"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Failed(f"the worker process gave no valid answer ({error})", "unreadable") from None


class _Walk:
    """Every object once, by address, without recursion."""

    def __init__(self, h5py: Any, file: Any, found: Survey, limits: Limits, data: Buffer) -> None:
        self.h5py = h5py
        self.file = file
        self.found = found
        self.limits = limits
        self.objects = limits.objects
        self.attributes = limits.attributes
        self.total = limits.total
        self.data = data

    @cached_property
    def largest(self) -> int:
        """Bytes that no value of variable length exceeds; -1 if such values are not to be read."""
        return types.largest_heap(self.data)

    def run(self) -> None:
        """From the root down."""
        h5 = self.h5py
        root = h5.h5g.open(self.file.id, b"/")
        pending: list[tuple[Any, str, int]] = [(root, "", 0)]
        seen: set[tuple[int, int]] = {self._address(root)}
        while pending:
            item, path, depth = pending.pop()
            self._attributes(item, path or "/", root=depth == 0)
            if isinstance(item, h5.h5d.DatasetID):
                self._safely(path, self._dataset, item, path)
                continue
            if not isinstance(item, h5.h5g.GroupID):
                continue
            if depth >= MAX_DEPTH:
                self.found.faults.append((path, "limit", "groups nested deeper than the limit allows"))
                continue
            for name, child in self._children(item, path, root=depth == 0):
                address = self._address(child)
                if address not in seen:
                    seen.add(address)
                    pending.append((child, f"{path}/{name}", depth + 1))

    def _address(self, item: Any) -> tuple[int, int]:
        info = self.h5py.h5o.get_info(item)
        return int(info.fileno), int(info.addr)

    def _safely(self, path: str, work: Any, *arguments: Any) -> Any:
        try:
            return work(*arguments)
        except Exception as error:
            self.found.faults.append((path, "unreadable", _reason(error)))
            if "heap" in str(error):  # a length that is no length costs gigabytes each time: once is enough
                self.largest = -1
            return None

    def _children(self, group: Any, path: str, *, root: bool) -> Iterator[tuple[str, Any]]:
        """Objects behind hard links; the other links are noted, not followed."""
        h5 = self.h5py
        names: list[bytes] = self._safely(path, list, group) or []
        for raw in names:
            name = raw.decode("utf-8", "backslashreplace")
            if root:
                self.found.names.append(name)
            self.objects -= 1
            if self.objects < 0:
                self.found.faults.append((path, "limit", "more objects than the limit allows"))
                return
            info = self._safely(f"{path}/{name}", group.links.get_info, raw)
            if info is None or info.type == h5.h5l.TYPE_SOFT:
                continue
            if info.type == h5.h5l.TYPE_EXTERNAL:
                target = self._safely(f"{path}/{name}", group.links.get_val, raw) or (b"?", b"?")
                where = tuple(part.decode("utf-8", "backslashreplace") for part in target)
                self.found.elsewhere.append(Elsewhere(f"{path}/{name}", "external-link", where))
            elif info.type == h5.h5l.TYPE_HARD:
                child = self._safely(f"{path}/{name}", h5.h5o.open, group, raw)
                if child is not None:
                    yield name, child
            else:
                self.found.elsewhere.append(
                    Elsewhere(f"{path}/{name}", "external-link", ("a link of its own kind",))
                )

    def _attributes(self, item: Any, path: str, *, root: bool) -> None:
        h5 = self.h5py
        count = self._safely(path, h5.h5a.get_num_attrs, item) or 0
        for index in range(count):
            self.attributes -= 1
            if self.attributes < 0:
                self.found.faults.append((path, "limit", "more attributes than the limit allows"))
                return
            self._safely(path, self._attribute, item, path, index, root)

    def _attribute(self, item: Any, path: str, index: int, root: bool) -> None:
        h5 = self.h5py
        attribute = h5.h5a.open(item, index=index)
        name = attribute.name.decode("utf-8", "backslashreplace")
        if root:
            self.found.names.append(name)
        place = f"{path}@{name}"
        shape, kind = attribute.shape, attribute.get_type()
        if shape is None or not types.holds_bytes(h5.h5t, kind):
            return
        varies, count = types.varies(h5.h5t, kind), math.prod(shape)
        if varies and count * self.largest > MAX_SHARED:
            self.found.faults.append(
                (place, "limit", "its values may take more memory than the limit allows")
            )
            return
        if not count or not self._affordable(
            place, min(self.largest, 0) if varies else count * kind.get_size()
        ):
            return
        import numpy

        target = numpy.empty(shape, dtype=attribute.dtype)
        attribute.read(target, mtype=h5.h5t.py_create(attribute.dtype))
        if not varies or self._affordable(place, types.weight(target)):
            self._keep(place, target)

    def _affordable(self, place: str, size: int) -> bool:
        if size < 0:
            self.found.faults.append((place, "malformed", "the heap that holds its values is damaged"))
            return False
        if size > self.limits.value or size > self.total:
            self.found.faults.append((place, "limit", f"{size} bytes are more than the limit allows"))
            return False
        self.total -= size
        return True

    def _dataset(self, dataset: Any, path: str) -> None:
        """Text and bytes of a dataset; of numbers of one byte only if they begin like something that is loaded."""
        h5 = self.h5py
        plan = dataset.get_create_plist()
        layout = plan.get_layout()
        if layout == h5.h5d.VIRTUAL:
            count = plan.get_virtual_count()
            names = (str(plan.get_virtual_filename(index)) for index in range(min(count, MAX_FILES)))
            self._elsewhere(path, "virtual-dataset", names, count)
            return
        count = plan.get_external_count()
        if count:
            raw = (plan.get_external(index)[0] for index in range(min(count, MAX_FILES)))
            names = (name.decode("utf-8", "backslashreplace") for name in raw)
            self._elsewhere(path, "external-storage", names, count)
            return
        kind = dataset.get_type()
        declared = dataset.get_space().get_simple_extent_npoints() * kind.get_size()
        stored = dataset.get_storage_size()
        if declared > 4 << 30 and declared > 1000 * max(stored, 1):
            self.found.huge.append((path, declared, stored))
        if not types.holds_bytes(h5.h5t, kind) or not stored:
            return
        filters = {plan.get_filter(index)[0] for index in range(plan.get_nfilters())}
        if not filters <= _BUILT_IN_FILTERS:
            if kind.get_class() != h5.h5t.INTEGER:
                other = min(filters - _BUILT_IN_FILTERS)
                self.found.faults.append((path, "filter", f"filter {other} is not built in"))
            return
        if kind.get_class() == h5.h5t.INTEGER:
            self._numbers(h5.Dataset(dataset), path, declared)
        else:
            self._rows(h5.Dataset(dataset), path, varies=types.varies(h5.h5t, kind))

    def _elsewhere(self, path: str, kind: str, names: Iterable[str], count: int) -> None:
        """Files that hold the bytes of a dataset, each once."""
        self.found.elsewhere.append(Elsewhere(path, kind, tuple(dict.fromkeys(names))))
        if count > MAX_FILES:
            self.found.faults.append((path, "limit", "parts in more files than the limit allows"))

    def _numbers(self, dataset: Any, path: str, declared: int) -> None:
        """A row of bytes is kept if it begins like something that is loaded."""
        if dataset.ndim != 1 or not types.like_a_file(bytes(dataset[:HEAD].tobytes())):
            return
        if self._affordable(path, declared):
            self._keep(path, dataset[()])

    def _rows(self, dataset: Any, path: str, *, varies: bool) -> None:
        """Text, opaque values and records, some rows at a time, so that a large table costs no memory."""
        if varies and not self._affordable(path, min(self.largest, 0)):
            return
        width = self.largest if varies else dataset.dtype.itemsize
        if not dataset.ndim:
            if self._affordable(path, width):
                self._keep(path, dataset[()], only=types.like_a_file)
            return
        for place in self._stored(dataset):
            rows = place[0]
            row = max(1, width * math.prod(part.stop - part.start for part in place[1:]))
            step = max(1, MAX_BATCH // row)
            for start in range(rows.start, rows.stop, step):
                part = (slice(start, min(start + step, rows.stop)), *place[1:])
                values = dataset[part]
                if not self._affordable(path, types.weight(values)):
                    return
                self._keep(path, values, only=types.like_a_file)

    def _stored(self, dataset: Any) -> Iterator[tuple[slice, ...]]:
        """The parts of a dataset that the file holds: of one in chunks, those that were written."""
        if not dataset.chunks:
            yield tuple(slice(0, length) for length in dataset.shape)
            return
        for index in range(dataset.id.get_num_chunks()):
            at = dataset.id.get_chunk_info(index).chunk_offset
            ends = zip(at, dataset.chunks, dataset.shape, strict=True)
            yield tuple(slice(start, min(start + length, end)) for start, length, end in ends)

    def _keep(self, place: str, value: Any, only: Callable[[bytes], bool] = bool) -> None:
        """Every text in a value, and arrays of bytes as a whole."""
        import numpy

        if only is not bool and isinstance(value, numpy.ndarray) and not types.promising(value):
            return
        pending = [value]
        left = MAX_VALUES
        while pending and left > 0:
            left -= 1
            one = pending.pop()
            content: bytes | None = None
            if isinstance(one, bytes | str):
                content = one if isinstance(one, bytes) else one.encode("utf-8", "surrogateescape")
            elif isinstance(one, list | tuple):
                pending.extend(reversed(one))
            elif not isinstance(one, numpy.ndarray | numpy.void):
                continue
            elif one.dtype.names:
                pending.extend(one[name] for name in reversed(one.dtype.names))
            elif isinstance(one, numpy.void) or (one.dtype.itemsize == 1 and one.dtype.kind in "iu"):
                content = one.tobytes()
            elif one.dtype.kind in "SOV":
                pending.extend(reversed(list(one.reshape(-1))))
            if content is not None and only(content):
                self.found.texts.append(Text(place, content))
        if pending:
            self.found.faults.append((place, "limit", "more values than the limit allows"))
