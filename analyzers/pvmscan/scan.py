"""The only place that knows the order: source, readers, machine, analyzers, report.

A parallel or a distributed scan maps `scan_source` over sources.
"""

from __future__ import annotations

import mmap
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from stat import S_ISREG

import pvm
from pvm.hints import TYPE_CHECKING
from pvm.records import NamedTuple, dataclass
from pvmscan import ceiling, deadline, parallel
from pvmscan.buffer import Mapped
from pvmscan.ceiling import at_most
from pvmscan.deadline import OutOfTime, within
from pvmscan.filescan import FileScan, mistake
from pvmscan.garbage import Rarely
from pvmscan.knowledge import KNOWLEDGE_VERSION
from pvmscan.knowledge.shards import Library, shipped
from pvmscan.plugins import installed, plugins
from pvmscan.readers import Budget, Buffer, Source, Stream, read
from pvmscan.report import ASKED, FileReport, Location, Problem, Report, Verdict

if TYPE_CHECKING:
    from pvmscan.knowledge import Knowledge

STDIN = "-"
SMALL = 64 << 10
"""Bytes. Larger files are mapped: reading smaller ones takes less time than making a map."""
_BINARY: int = getattr(os, "O_BINARY", 0)
"""Windows has text files."""


@dataclass(frozen=True, slots=True)
class ScanOptions:
    """What a scan may spend, for each file."""

    inflated_bytes: int = 2 << 30
    members: int = 100_000
    depth: int = 8
    opcodes: int = 100_000_000
    packages: tuple[str | os.PathLike[str], ...] = ()
    """Folders, wheels and source archives of packages whose source is asked what their callables do."""
    resolve_installed: bool = False
    """Ask the source of what is installed here as well. Verdicts then depend on the machine."""
    seconds: float = 300
    """On the wall clock; 0 is no limit."""
    memory_bytes: int = 0
    """Beyond what the process has when the file is opened; 0 is no limit. Holds for the whole process meanwhile."""
    isolated: bool = True
    """Native libraries parse in a worker process (`pvmscan.isolation`)."""

    @property
    def asks_more(self) -> bool:
        """Is knowledge asked besides that which ships, of which no cache has a version?"""
        return bool(self.packages) or self.resolve_installed

    def budget(self) -> Budget:
        """A fresh budget for one file."""
        return Budget(
            self.inflated_bytes, self.members, self.depth, opcodes=self.opcodes, isolated=self.isolated
        )


class Progress(NamedTuple):
    """Where a scan of several files stands."""

    path: str
    files_done: int
    files_total: int
    bytes_done: int
    bytes_total: int


DEFAULT_OPTIONS = ScanOptions()


def tool(options: ScanOptions = DEFAULT_OPTIONS) -> dict[str, str]:
    """What made a report: the program, its rules, and what its knowledge was derived from (known after the scan)."""
    library = _library(options)
    about = {"name": "pvmscan", "version": pvm.__version__, "knowledge": KNOWLEDGE_VERSION}
    about["derived"] = library.provenance()
    if options.asks_more:
        about[ASKED] = library.provenance_of_added() or "nothing"
        about[ASKED] += ", as installed here" if options.resolve_installed else ""
    added = installed()
    return {**about, "plugins": added} if added else about


def _library(options: ScanOptions) -> Library:
    """What was derived from source."""
    asked = knowledge_of(options.packages, options.resolve_installed) if options.asks_more else None
    return shipped() if asked is None or asked.summaries is None else asked.summaries.library


@cache
def knowledge_of(packages: tuple[str | os.PathLike[str], ...], resolve_installed: bool = False) -> Knowledge:
    """What ships, with what the source of further packages says; raise `PackageError` where there is none."""
    if not packages and not resolve_installed:
        from pvmscan.knowledge.rulefiles import load

        return load()
    from pathlib import Path

    from pvmscan.knowledge.derive.ondemand import with_installed, with_packages

    known = with_packages([Path(place) for place in packages])
    return with_installed(known) if resolve_installed else known


def scan(path: str | os.PathLike[str], *, options: ScanOptions = DEFAULT_OPTIONS) -> Report:
    """Judge a file, or every file of a folder. Never raises for what a file contains."""
    return scan_paths([path], options=options)


def scan_bytes(
    data: bytes, *, name: str | os.PathLike[str] = "<bytes>", options: ScanOptions = DEFAULT_OPTIONS
) -> Report:
    """Judge bytes in memory."""
    return Report((scan_source(Source(data, os.fspath(name)), options),), tool(options))


def scan_paths(
    paths: Sequence[str | os.PathLike[str]],
    *,
    options: ScanOptions = DEFAULT_OPTIONS,
    progress: Callable[[Progress], None] | None = None,
    jobs: int | None = None,
) -> Report:
    """Judge files and folders; `-` stands for standard input. What cannot be opened is reported."""
    return Report(tuple(scan_each(paths, options=options, progress=progress, jobs=jobs)), tool(options))


def scan_each(
    paths: Sequence[str | os.PathLike[str]],
    *,
    options: ScanOptions = DEFAULT_OPTIONS,
    progress: Callable[[Progress], None] | None = None,
    jobs: int | None = None,
) -> Iterator[FileReport]:
    """The same, file by file: what was yielded is not lost when the scan is broken off.

    `jobs` worker processes share the work where that is faster; by default one for each core. Raise
    `pvmscan.plugins.PluginError` where an installed plug-in is broken.
    """
    installed()
    found = list(expand(paths))
    sizes = [_size(path) for path in found]
    total, done = sum(sizes), 0
    if options.resolve_installed:
        jobs = 1  # so that the report can say which packages were asked
    reports = _reports(found, sizes, options, parallel.cores() if jobs is None else jobs)
    for number, (path, size) in enumerate(zip(found, sizes, strict=True)):
        if progress is not None:
            progress(Progress(path, number, len(found), done, total))
        yield next(reports)
        done += size
    if progress is not None:
        progress(Progress("", len(found), len(found), total, total))


def _reports(paths: list[str], sizes: list[int], options: ScanOptions, jobs: int) -> Iterator[FileReport]:
    if STDIN in paths or not parallel.worthwhile(sizes, jobs):
        return (scan_file(path, options) for path in paths)
    return parallel.in_order(partial(_scan_batch, options), paths, sizes, jobs, _lost)


def _scan_batch(options: ScanOptions, paths: list[str]) -> list[FileReport]:
    """What a worker does: each file has the limits for itself. Small files are read first, one after the other,
    because what reads and what judges drive each other out of the processor's caches.
    """
    contents = [_small(path) for path in paths]
    with deadline.in_turn(options.seconds), ceiling.in_turn(options.memory_bytes):
        return [
            scan_file(path, options)
            if content is None
            else scan_source(Source(content, path, origin=0), options)
            for path, content in zip(paths, contents, strict=True)
        ]


def _lost(path: str) -> FileReport:
    """The report on a file that its worker did not survive."""
    return _unread(path, f"{path}: the process that judged it ended, most likely for want of memory")


def expand(paths: Sequence[str | os.PathLike[str]]) -> Iterator[str]:
    """Files in the order given, folders walked in the order of their names; links to folders not followed."""
    for path in paths:
        name = os.fspath(path)
        if elsewhere(name):
            yield from _listed(name)
            continue
        if name == STDIN or not os.path.isdir(name):
            yield name
            continue
        for folder, folders, files in os.walk(name, onerror=None):
            folders.sort()
            yield from (os.path.join(folder, file) for file in sorted(files))


def elsewhere(name: str) -> bool:
    """Does a name say where its source is by an address? Decided without importing what would fetch it."""
    return ("://" in name or name.startswith(("hf:", "models:/"))) and not os.path.lexists(name)


def _listed(name: str) -> Iterator[str]:
    from pvmscan.remote import listing

    try:
        yield from [one.url for one in listing(name)]
    except OSError:
        yield name  # opening it will say why


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError:
        return 0


def scan_file(
    path: str | os.PathLike[str],
    options: ScanOptions = DEFAULT_OPTIONS,
    *,
    name: str | os.PathLike[str] | None = None,
) -> FileReport:
    """Judge one file; one that cannot be read is `incomplete`, with the reason.

    `name` is what the report calls a file of this machine, where that is not its path.
    """
    path, name = os.fspath(path), None if name is None else os.fspath(name)
    try:
        if name is None and elsewhere(path):
            from pvmscan import remote

            return remote.judge(path, partial(scan_source, options=options)).report
        name = name or path
        if path == STDIN:
            return scan_source(Source(sys.stdin.buffer.read(), "<stdin>"), options)
        content = _small(path)
        if content is not None:
            return scan_source(Source(content, name, origin=0), options)
        if not os.path.isfile(path):
            reason = "is no regular file" if os.path.exists(path) else "does not exist"
            return _unread(name, f"{name}: {reason}")
        with open(path, "rb", buffering=0) as file:
            if os.fstat(file.fileno()).st_size == 0:
                return FileReport(name, Verdict.CLEAN, size=0, skipped="an empty file")
            # no `with`: a view of a large member may live a moment longer, and closes the map when it goes
            data = Mapped(file.fileno(), 0, access=mmap.ACCESS_READ)
            return scan_source(Source(data, name, path=os.path.abspath(path)), options)
    except OSError as error:
        name = name or path
        return _unread(name, f"{name}: {error.strerror or error}")


def _small(path: str) -> bytes | None:
    """The content of a file of a few bytes, at few system calls; None for any other one, and for what is none."""
    try:
        status = os.stat(path)  # asked first: opening a pipe would wait for its other end
        if not S_ISREG(status.st_mode) or not 0 < status.st_size <= SMALL:
            return None
        file = os.open(path, os.O_RDONLY | _BINARY)
        try:
            content = os.read(file, status.st_size + 1)
        finally:
            os.close(file)
    except (OSError, ValueError):
        return None  # who opens it in the other way tells why
    return content if len(content) == status.st_size else None


def _unread(name: str, message: str) -> FileReport:
    return FileReport(name, Verdict.INCOMPLETE, errors=(Problem(message),))


def scan_source(source: Source, options: ScanOptions = DEFAULT_OPTIONS) -> FileReport:
    """Judge the bytes of one file: the function that everything else maps."""
    knowledge = partial(knowledge_of, options.packages, options.resolve_installed)
    if options.asks_more or plugins("pvmscan.rules"):
        knowledge()  # what is wrong with packages or rules of others is told before anything is judged
    scanning = FileScan(source, options.budget(), knowledge)
    try:
        with Rarely(), within(options.seconds), at_most(options.memory_bytes):
            scanning.judge()
    except OutOfTime:
        message = f"not judged to its end within {options.seconds:g} seconds"
        scanning.problems.append(Problem(message, Location(source.member), "limit"))
    except MemoryError:
        message = "not judged to its end: the memory was not enough"
        scanning.problems.append(Problem(message, Location(source.member), "limit"))
    except Exception as error:  # a mistake of ours must not hide the other files, nor what was found so far
        scanning.problems.append(mistake(error, Location(source.member)))
    return scanning.report()


def streams(path: str | os.PathLike[str], options: ScanOptions = DEFAULT_OPTIONS) -> Iterator[Stream]:
    """Every pickle of a file or of what lies at an address, run but not judged: for graphs, traces and decompilation.

    The limits are those of a scan. Raise `OSError` for what cannot be opened, and `TimeoutError`, which is one, where
    finding the next pickle takes longer than the file may take; the pickles before it were yielded.
    """
    name = os.fspath(path)
    if elsewhere(name):
        from pvmscan.remote import opened

        with opened(name) as source:
            yield from _streams(source, options)
        return
    data: Buffer
    if name == STDIN:
        data = sys.stdin.buffer.read()
    else:
        with open(name, "rb") as file:
            empty = os.fstat(file.fileno()).st_size == 0
            data = b"" if empty else Mapped(file.fileno(), 0, access=mmap.ACCESS_READ)
    yield from _streams(Source(data, name), options)


def _streams(source: Source, options: ScanOptions) -> Iterator[Stream]:
    """One after the other, within the limits."""
    found = _found(source, options.budget())
    while True:
        try:
            with Rarely(), within(options.seconds), at_most(options.memory_bytes):
                stream = next(found, None)
        except OutOfTime:
            raise TimeoutError(f"not read to its end within {options.seconds:g} seconds") from None
        except MemoryError:
            raise OSError("not read to its end: the memory was not enough") from None
        if stream is None:
            return
        yield stream


def _found(source: Source, budget: Budget) -> Iterator[Stream]:
    """The pickles of a source and of what lies in it, each run already."""
    pending = [source]
    while pending:
        for item in read(pending.pop(0), budget):
            if isinstance(item, Stream):
                item.traces  # noqa: B018 - run here, where the limits hold
                yield item
            elif isinstance(item, Source) and item.depth <= budget.depth:
                pending.append(item)
