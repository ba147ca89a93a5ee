"""The only place that knows the order: source, readers, machine, analyzers, report.

A parallel or a distributed scan maps `scan_source` over sources.
"""

from __future__ import annotations

import mmap
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial

import pvm
from pvm import dialects
from pvm.trace import Trace
from pvmscan import parallel
from pvmscan.analyzers import Context, analyze
from pvmscan.analyzers.nested import Layer, layers
from pvmscan.ceiling import at_most
from pvmscan.deadline import OutOfTime, within
from pvmscan.knowledge import Knowledge, load
from pvmscan.knowledge.load import KNOWLEDGE_VERSION
from pvmscan.parts import fact_finding, inside, placed, stream_report, unfollowed
from pvmscan.plugins import installed, plugins
from pvmscan.readers import Budget, Buffer, Fact, Recognised, Source, Stream, read
from pvmscan.report import (
    ASKED,
    FileReport,
    Finding,
    Location,
    Problem,
    Report,
    Step,
    StreamReport,
    Verdict,
    worst,
)
from pvmscan.settle import settle
from pvmscan.uses import Uses

STDIN = "-"
MAX_FINDINGS_PER_RULE = 100
"""Further findings of one rule and verdict are counted, not kept."""
NESTED_BYTES = 256 << 20
MAPPED = 64 << 10
"""Larger files are mapped: reading smaller ones takes less time than making a map."""


@dataclass(frozen=True, slots=True)
class ScanOptions:
    """What a scan may spend, for each file."""

    inflated_bytes: int = 2 << 30
    members: int = 100_000
    depth: int = 8
    opcodes: int = 100_000_000
    packages: tuple[str, ...] = ()
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


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a scan of several files stands."""

    path: str
    files_done: int
    files_total: int
    bytes_done: int
    bytes_total: int


DEFAULT_OPTIONS = ScanOptions()


def tool(options: ScanOptions = DEFAULT_OPTIONS) -> dict[str, str]:
    """What made a report: the program, its rules, and what its knowledge was derived from (known after the scan)."""
    derived = knowledge_of(options.packages, options.resolve_installed).summaries
    source = derived.library.provenance() if derived is not None else "none"
    about = {"name": "pvmscan", "version": pvm.__version__, "knowledge": KNOWLEDGE_VERSION, "derived": source}
    if options.asks_more and derived is not None:
        about[ASKED] = derived.library.provenance_of_added() or "nothing"
        about[ASKED] += ", as installed here" if options.resolve_installed else ""
    added = installed()
    return {**about, "plugins": added} if added else about


@cache
def knowledge_of(packages: tuple[str, ...], resolve_installed: bool = False) -> Knowledge:
    """What ships, with what the source of further packages says; raise `PackageError` where there is none."""
    if not packages and not resolve_installed:
        return load()
    from pathlib import Path

    from pvmscan.knowledge.derive.ondemand import with_installed, with_packages

    known = with_packages([Path(place) for place in packages])
    return with_installed(known) if resolve_installed else known


def scan(path: str | os.PathLike[str], *, options: ScanOptions = DEFAULT_OPTIONS) -> Report:
    """Judge a file, or every file of a folder. Never raises for what a file contains."""
    return scan_paths([path], options=options)


def scan_bytes(data: bytes, *, name: str = "<bytes>", options: ScanOptions = DEFAULT_OPTIONS) -> Report:
    """Judge bytes in memory."""
    return Report((scan_source(Source(data, name), options),), tool(options))


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
    """What a worker does."""
    return [scan_file(path, options) for path in paths]


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


def scan_file(path: str, options: ScanOptions = DEFAULT_OPTIONS, *, name: str | None = None) -> FileReport:
    """Judge one file; one that cannot be read is `incomplete`, with the reason.

    `name` is what the report calls a file of this machine, where that is not its path.
    """
    try:
        if name is None and elsewhere(path):
            from pvmscan import remote

            return remote.judge(path, partial(scan_source, options=options)).report
        name = name or path
        if path == STDIN:
            return scan_source(Source(sys.stdin.buffer.read(), "<stdin>"), options)
        if not os.path.isfile(path):  # asked first: opening a pipe would wait for its other end
            reason = "is no regular file" if os.path.exists(path) else "does not exist"
            return _unread(name, f"{name}: {reason}")
        with open(path, "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            if size == 0:
                return FileReport(name, Verdict.CLEAN, size=0, skipped="an empty file")
            if size <= MAPPED:
                return scan_source(Source(file.read(), name), options)
            # no `with`: a view of a large member may live a moment longer, and closes the map when it goes
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            return scan_source(Source(data, name, path=os.path.abspath(path)), options)
    except OSError as error:
        name = name or path
        return _unread(name, f"{name}: {error.strerror or error}")


def _unread(name: str, message: str) -> FileReport:
    return FileReport(name, Verdict.INCOMPLETE, errors=(Problem(message),))


def scan_source(source: Source, options: ScanOptions = DEFAULT_OPTIONS) -> FileReport:
    """Judge the bytes of one file: the function that everything else maps."""
    scanning = _FileScan(source, options, knowledge_of(options.packages, options.resolve_installed))
    try:
        with within(options.seconds), at_most(options.memory_bytes):
            scanning.judge()
    except OutOfTime:
        message = f"not judged to its end within {options.seconds:g} seconds"
        scanning.problems.append(Problem(message, Location(source.member), "limit"))
    except MemoryError:
        message = "not judged to its end: the memory was not enough"
        scanning.problems.append(Problem(message, Location(source.member), "limit"))
    except Exception as error:  # a mistake of ours must not hide the other files, nor what was found so far
        scanning.problems.append(_mistake(error, Location(source.member)))
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
            data = b"" if empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    yield from _streams(Source(data, name), options)


def _streams(source: Source, options: ScanOptions) -> Iterator[Stream]:
    """One after the other, within the limits."""
    found = _found(source, options.budget())
    while True:
        try:
            with within(options.seconds), at_most(options.memory_bytes):
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


@dataclass
class _FileScan:
    source: Source
    options: ScanOptions
    knowledge: Knowledge = field(default_factory=load)
    streams: list[StreamReport] = field(default_factory=list)
    findings: dict[tuple[object, ...], Finding] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    uses: Uses = field(default_factory=Uses)
    counts: dict[tuple[str, Verdict], int] = field(default_factory=dict)
    omitted: int = 0
    recognised: bool = False

    def judge(self) -> None:
        """Read and judge everything in the file."""
        self._read(replace(self.source, origin=0), self.options.budget(), ())

    def report(self) -> FileReport:
        """Everything about the file, as far as it was judged."""
        findings = sorted(self.findings.values(), key=_rank)
        verdict = worst(
            [*(finding.verdict for finding in findings), *(stream.verdict for stream in self.streams)]
            + [Verdict.INCOMPLETE for _ in self.problems]
        )
        nothing = not (self.streams or findings or self.problems or self.recognised)
        return FileReport(
            path=self.source.name,
            verdict=verdict,
            streams=tuple(self.streams),
            findings=tuple(findings),
            globals=tuple(sorted(self.uses.found.values(), key=lambda use: use.name)),
            errors=tuple(self.problems),
            omitted=self.omitted,
            size=len(self.source.data),
            skipped="no code-carrying content" if nothing else None,
            uncovered=tuple(self.uses.uncovered),
        )

    def _read(self, source: Source, budget: Budget, outer: tuple[Step, ...]) -> None:
        if source.depth > budget.depth:
            self.problems.append(
                Problem(f"nested more than {budget.depth} deep", Location(source.member), "limit")
            )
            return
        for item in read(source, budget):
            self.recognised = True
            match item:
                case Stream():
                    self._survive(item, source, budget, outer)
                case Fact():
                    self._add(inside(fact_finding(item), outer), source)
                case Problem():
                    self.problems.append(replace(item, location=placed(item.location, source)))
                case Source():
                    self._read(item, budget, outer)
                case Recognised():
                    pass

    def _survive(self, stream: Stream, source: Source, budget: Budget, outer: tuple[Step, ...]) -> None:
        """Judge a stream; a mistake of ours in it must not hide the next one."""
        try:
            self._stream(stream, source, budget, outer)
        except MemoryError:
            raise
        except Exception as error:
            self.problems.append(_mistake(error, placed(Location(stream.member, stream.offset), source)))

    def _stream(self, stream: Stream, source: Source, budget: Budget, outer: tuple[Step, ...]) -> None:
        settled = None
        # an analyzer of somebody else may want arguments that the skeletal pass does not have
        if stream.skeleton is not None and not plugins("pvmscan.analyzers"):
            settled = settle(stream.skeleton, self.knowledge, dialects.every(source.loader)[0])
        if settled is not None and not settled.trace.events:
            # nothing is imported or called, so there is nothing that analyzers could look at
            self.streams.append(stream_report(stream, [settled.trace], Verdict.CLEAN))
            return
        counts = settled.counts if settled is not None else {}
        outlines: list[Trace] = []
        verdict = Verdict.CLEAN
        for trace in stream.machine() if settled is None else (settled.trace,):
            verdict = max(verdict, self._trace(trace, source, budget, stream, outer, counts, not outlines))
            outlines.append(trace.outline())
            del trace  # a run may take much memory, and the next one shall have it
        problem = unfollowed(stream, outlines, source)
        if problem is not None:
            self.problems.append(problem)
            verdict = max(verdict, Verdict.INCOMPLETE)
        self.streams.append(stream_report(stream, outlines, verdict))

    def _trace(
        self,
        trace: Trace,
        source: Source,
        budget: Budget,
        stream: Stream,
        outer: tuple[Step, ...],
        counts: dict[int, int],
        first: bool,
    ) -> Verdict:
        """Judge one run of a stream."""
        verdict = Verdict.CLEAN
        context = Context(trace, self.knowledge, stream.member)
        for finding in analyze(context):
            verdict = max(verdict, finding.verdict)
            self._add(inside(finding, outer), source)
        if context.walks <= 0:
            where = Location(stream.member, stream.offset)
            self.problems.append(
                Problem("its values refer to each other too often to be searched", where, "limit")
            )
        opened = self._layers(context, source, budget, stream, outer)
        return max(verdict, self.uses.note(context, counts, opened, first=first))

    def _layers(
        self, context: Context, source: Source, budget: Budget, stream: Stream, outer: tuple[Step, ...]
    ) -> set[str]:
        """Judge what calls load; the loaders of honest files that leave nothing open, because every call of them gets
        bytes in which a stream was found and judged.
        """
        opened: dict[str, bool] = {}
        for layer in layers(context, stream.data, NESTED_BYTES):
            found = self._layer(layer, source, budget, stream, outer)
            opened[layer.path] = opened.get(layer.path, True) and layer.honest and found
        return {path for path, fine in opened.items() if fine}

    def _layer(
        self, layer: Layer, source: Source, budget: Budget, stream: Stream, outer: tuple[Step, ...]
    ) -> bool:
        """Judge a layer; is a stream in it, now or when the same bytes were judged before?"""
        if layer.data is None:
            if layer.honest:
                message = f"what {layer.path} loads cannot be told from the file"
                self.problems.append(Problem(message, Location(stream.member, layer.offset)))
            return False
        from hashlib import blake2b

        digest = blake2b(layer.data, digest_size=16).digest()
        if digest in budget.seen:
            return True
        before = len(self.streams)
        budget.seen.add(digest)
        where = f"{stream.member}!" if stream.member else ""
        member = f"{where}{layer.path}@{layer.offset}"
        self._read(
            Source(layer.data, source.name, member, source.depth + 1, True), budget, (*outer, *layer.steps)
        )
        return len(self.streams) > before

    def _add(self, finding: Finding, source: Source) -> None:
        finding = replace(finding, location=placed(finding.location, source))
        key = (finding.rule, finding.location, finding.message)
        if key in self.findings:
            return
        rank = (finding.rule, finding.verdict)
        self.counts[rank] = self.counts.get(rank, 0) + 1
        if self.counts[rank] > MAX_FINDINGS_PER_RULE:
            self.omitted += 1
        else:
            self.findings[key] = finding


def _mistake(error: Exception, where: Location) -> Problem:
    return Problem(f"pvmscan failed: {type(error).__name__}: {error}", where, "internal")


def _rank(finding: Finding) -> tuple[object, ...]:
    place = finding.location
    return -finding.verdict, -finding.severity, -finding.confidence, place.member or "", place.offset or 0
