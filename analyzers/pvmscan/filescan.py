"""One file: what the readers find in it, each part in its place, and one report on all of it.

Pickles of nothing but data are settled here. What judges the others is imported for the first of them.
"""

from __future__ import annotations

from collections.abc import Callable

from pvm.hints import TYPE_CHECKING
from pvm.records import replace
from pvmscan.parts import Way, data_report, fact_finding, inside, placed
from pvmscan.plugins import plugins
from pvmscan.readers import Budget, Fact, Recognised, Source, Stream, read
from pvmscan.report import FileReport, Finding, Location, Problem, StreamReport, Verdict, worst

if TYPE_CHECKING:
    from pvmscan.knowledge import Knowledge
    from pvmscan.uses import Uses

MAX_FINDINGS_PER_RULE = 100
"""Further findings of one rule and verdict are counted, not kept."""
MAX_PROBLEMS = 1000
"""Further problems of a file are counted, not kept."""


class FileScan:
    """The scan of one file; `knowledge` is called for the first pickle that names a global."""

    def __init__(self, source: Source, budget: Budget, knowledge: Callable[[], Knowledge]) -> None:
        self.source = source
        self.budget = budget
        self.streams: list[StreamReport] = []
        self.problems: list[Problem] = []
        self._untold = 0
        self._knowledge = knowledge
        self._uses: Uses | None = None
        self._findings: dict[tuple[object, ...], Finding] = {}
        self._counts: dict[tuple[str, Verdict], int] = {}
        self._omitted = 0
        self._recognised = False

    def judge(self) -> None:
        """Read and judge everything in the file."""
        whole = self.source if self.source.origin == 0 else self.source._replace(origin=0)
        self.read(whole, tuple)

    def report(self) -> FileReport:
        """Everything about the file, as far as it was judged."""
        findings = sorted(self._findings.values(), key=_rank)
        judged = [*(one.verdict for one in findings), *(one.verdict for one in self.streams)]
        verdict = worst([*judged, Verdict.INCOMPLETE] if self.problems else judged)
        more = f"{self._untold} more problems are not listed"
        untold = [Problem(more, kind="limit")] if self._untold else []
        nothing = not (self.streams or findings or self.problems or self._recognised)
        uses = self._uses
        return FileReport(
            path=self.source.name,
            verdict=verdict,
            streams=tuple(self.streams),
            findings=tuple(findings),
            globals=tuple(sorted(uses.found.values(), key=lambda use: use.name)) if uses is not None else (),
            errors=(*self.problems, *untold),
            omitted=self._omitted,
            size=len(self.source.data),
            skipped="no code-carrying content" if nothing else None,
            uncovered=tuple(uses.uncovered) if uses is not None else (),
        )

    def read(self, source: Source, way: Way) -> None:
        """Judge what lies in a source; `way` leads to it, where a pickle loads it."""
        if source.depth > self.budget.depth:
            message = f"nested more than {self.budget.depth} deep"
            self.tell(Problem(message, Location(source.member), "limit"))
            return
        for item in read(source, self.budget):
            self._recognised = True
            match item:
                case Stream():
                    self._survive(item, source, way)
                case Fact():
                    self.add(inside(fact_finding(item), way), source)
                case Problem():
                    self.tell(item._replace(location=placed(item.location, source)))
                case Source():
                    self.read(item, way)
                case Recognised():
                    pass

    def add(self, finding: Finding, source: Source) -> None:
        """Keep a finding, in its place, unless there is the same one already."""
        finding = replace(finding, location=placed(finding.location, source))
        key = (finding.rule, finding.verdict, finding.location, finding.message)
        if key in self._findings:
            return
        rank = (finding.rule, finding.verdict)
        self._counts[rank] = self._counts.get(rank, 0) + 1
        if self._counts[rank] > MAX_FINDINGS_PER_RULE:
            self._omitted += 1
        else:
            self._findings[key] = finding

    def tell(self, problem: Problem) -> None:
        """Keep a problem, or count it."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)
        else:
            self._untold += 1

    def _survive(self, stream: Stream, source: Source, way: Way) -> None:
        """Judge a stream; a mistake of ours in it must not hide the next one."""
        try:
            self._stream(stream, source, way)
        except MemoryError:
            raise
        except Exception as error:
            self.tell(mistake(error, placed(Location(stream.member, stream.offset), source)))

    def _stream(self, stream: Stream, source: Source, way: Way) -> None:
        found = stream.skeleton
        # an analyzer of somebody else may look at data as well
        if found is not None and not found.usage.names and not plugins("pvmscan.analyzers"):
            # nothing is imported or called, so there is nothing that analyzers could look at
            self.streams.append(data_report(stream, found, source.loader))
            return
        del found  # whoever judges lets go of it
        from pvmscan.judging import Judging
        from pvmscan.uses import Uses

        self._uses = self._uses if self._uses is not None else Uses()
        # not kept: two that know each other would hold the content until the collector comes
        Judging(self, self._knowledge(), self._uses).stream(stream, source, way)


def mistake(error: Exception, where: Location) -> Problem:
    """What went wrong here, as something that is not known of the file."""
    return Problem(f"pvmscan failed: {type(error).__name__}: {error}", where, "internal")


def _rank(finding: Finding) -> tuple[object, ...]:
    place = finding.location
    return -finding.verdict, -finding.severity, -finding.confidence, place.member or "", place.offset or 0
