"""The pickles of one file that name globals: traces, analyzers, and the layers that their calls load."""

from __future__ import annotations

from pvm import dialects
from pvm.hints import TYPE_CHECKING
from pvm.trace import Trace
from pvmscan.analyzers import Context, analyze
from pvmscan.analyzers.base import chain
from pvmscan.analyzers.nested import Layer, layers
from pvmscan.knowledge import Knowledge
from pvmscan.parts import Way, inside, stream_report, unfollowed
from pvmscan.plugins import plugins
from pvmscan.readers import Source, Stream
from pvmscan.report import Location, Problem, Verdict
from pvmscan.settle import Settled, split
from pvmscan.uses import Uses

if TYPE_CHECKING:
    from pvmscan.filescan import FileScan

NESTED_BYTES = 256 << 20


class Judging:
    """Judges a stream of a file, and notes which globals it uses."""

    def __init__(self, file: FileScan, knowledge: Knowledge, uses: Uses) -> None:
        self.file = file
        self.knowledge = knowledge
        self.uses = uses

    def stream(self, stream: Stream, source: Source, way: Way) -> None:
        """Judge what a pickle does, and enter it into the file's report."""
        outlines: list[Trace] = []
        verdict = Verdict.CLEAN
        for settled in self._settled(stream, source):
            verdict = max(verdict, self._trace(settled.trace, source, stream, way, settled, True))
            outlines[:] = outlines[:1] or [settled.trace.outline()]
        for trace in () if outlines else stream.machine():
            verdict = max(verdict, self._trace(trace, source, stream, way, None, not outlines))
            outlines.append(trace.outline())
            del trace  # a run may take much memory, and the next one shall have it
        problem = unfollowed(stream, outlines, source)
        if problem is not None:
            self.file.tell(problem)
            verdict = max(verdict, Verdict.INCOMPLETE)
        self.file.streams.append(stream_report(stream, outlines, verdict))

    def _settled(self, stream: Stream, source: Source) -> tuple[Settled, ...]:
        """What stands for the runs of a stream; nothing where the whole runs are needed. The skeleton, which may take
        much memory, is let go of.
        """
        found, stream.skeleton = stream.skeleton, None
        # an analyzer of somebody else may want arguments that the skeletal pass does not have
        if found is None or plugins("pvmscan.analyzers"):
            return ()
        dialect = dialects.every(source.loader)[0]
        parts = split(found, self.knowledge, dialect)
        if not any(parts.matters):
            return (parts.settled,)
        from pvmscan.rest import rest  # here, because it needs the machine

        others = rest(found, parts, dialect)
        return () if others is None else (parts.settled, others)

    def _trace(
        self,
        trace: Trace,
        source: Source,
        stream: Stream,
        way: Way,
        settled: Settled | None,
        first: bool,
    ) -> Verdict:
        """Judge one run of a stream."""
        verdict = Verdict.CLEAN
        known = settled.judged if settled is not None else {}
        context = Context(trace, self.knowledge, stream.member, judged=known)
        for finding in analyze(context):
            verdict = max(verdict, finding.verdict)
            self.file.add(inside(finding, way), source)
        if context.walks <= 0:
            where = Location(stream.member, stream.offset)
            message = "its values refer to each other too often to be searched"
            self.file.tell(Problem(message, where, "limit"))
        cut = context.cut_off()
        if cut is not None:
            message = (
                "calls within calls were not followed to their end: there are more than the limit allows"
            )
            self.file.tell(Problem(message, Location(stream.member, cut.offset), "limit"))
        opened = self._layers(context, source, stream, way)
        counts = settled.counts if settled is not None else {}
        return max(verdict, self.uses.note(context, counts, opened, first=first))

    def _layers(self, context: Context, source: Source, stream: Stream, way: Way) -> set[str]:
        """Judge what calls load; the loaders of honest files that leave nothing open, because every call of them gets
        bytes in which a stream was found and judged.
        """
        opened: dict[str, bool] = {}
        for layer in layers(context, stream.data, NESTED_BYTES):
            found = self._layer(layer, source, stream, way)
            opened[layer.path] = opened.get(layer.path, True) and layer.honest and found
        return {path for path, fine in opened.items() if fine}

    def _layer(self, layer: Layer, source: Source, stream: Stream, way: Way) -> bool:
        """Judge a layer; is a stream in it, now or when the same bytes were judged before?"""
        if layer.data is None:
            if layer.honest:
                message = f"what {layer.path} loads cannot be told from the file"
                self.file.tell(Problem(message, Location(stream.member, layer.offset)))
            return False
        from hashlib import blake2b

        digest = blake2b(layer.data, digest_size=16).digest()
        seen = self.file.budget.seen
        if digest in seen:
            return True
        before = len(self.file.streams)
        seen.add(digest)
        where = f"{stream.member}!" if stream.member else ""
        member = f"{where}{layer.path}@{layer.offset}"
        inner = Source(layer.data, source.name, member, source.depth + 1, True)
        self.file.read(inner, lambda: (*way(), *chain(layer.call)))
        return len(self.file.streams) > before
