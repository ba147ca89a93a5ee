"""What readers take and give. A reader turns content into streams, facts, problems and further sources.

To add a format, write a module with a `Reader` and give it a row in `data/doors.json`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pvm.hints import TYPE_CHECKING, Protocol, TypeAlias
from pvm.records import NamedTuple, dataclass, field
from pvm.skeleton import Skeleton
from pvmscan.buffer import Buffer as Buffer
from pvmscan.report import Confidence, Problem, Severity, Step, Verdict

if TYPE_CHECKING:
    from pvm.trace import Trace

UNRECOGNISED = "unrecognised"
"""Kind of the problem that no reader knows the content: void if another reader does."""


class Source(NamedTuple):
    """Bytes to judge: a file, a member of an archive, or bytes that a pickle hands to a loader."""

    data: Buffer
    name: str
    """File name, for messages and for the hint that its extension gives."""
    member: str | None = None
    """Path inside the file, `archive/data.pkl`; None for the file itself."""
    depth: int = 0
    """How many containers it lies in."""
    expected: bool = False
    """Some loader is known to run this as a pickle: that it cannot be read is a problem."""
    loader: str = "c"
    """The unpickler that the format implies (see `pvm.dialects`): its reading comes first, the others follow
    where they could differ, because applications are free to load the same bytes in another way."""
    origin: int | None = None
    """Where the bytes begin in the file; None if they do not lie there as they are."""

    path: str | None = None
    """Where a file of this machine holds just these bytes. Not `name`, which somebody else may have chosen."""

    def offset_of(self, start: int) -> int | None:
        """Where a part of the bytes begins in the file."""
        return None if self.origin is None else self.origin + start


@dataclass(slots=True)
class Stream:
    """One pickle."""

    member: str | None
    offset: int
    length: int
    format: str
    data: Buffer
    machine: Callable[[], Iterator[Trace]]
    """Runs the pickle, one run after the other, in every dialect that tells a different story."""
    skeleton: Skeleton | None = None
    """What the skeletal pass says, if it can speak for this pickle."""
    _traces: tuple[Trace, ...] | None = None

    @property
    def traces(self) -> tuple[Trace, ...]:
        """The runs of the machine, made when they are first asked for."""
        if self._traces is None:
            self._traces = tuple(self.machine())
        return self._traces


class Fact(NamedTuple):
    """Something about a container that matters by itself: a hidden member, a part that carries code."""

    rule: str
    message: str
    verdict: Verdict
    member: str | None = None
    offset: int | None = None
    effect: str = "structure"
    severity: Severity | None = None
    """By default `medium` for what is suspicious or worse, else `info`."""
    confidence: Confidence = Confidence.CERTAIN
    payload: str | None = None
    """What would run: an expression, a command, the names in a code object."""
    chain: tuple[Step, ...] = ()
    """How a loader gets there."""
    subject: str | None = None
    """Dotted path of the callable or module that it is about, where there is one."""


class Recognised(NamedTuple):
    """The content was understood as this format."""

    format: str
    whole: bool = True
    """No byte of it is left for another reader: nothing in it is code, or everything that is was yielded."""


Item: TypeAlias = Stream | Fact | Problem | Source | Recognised


@dataclass(slots=True)
class Budget:
    """Bounds of one scanned file; what hits them is reported as a problem."""

    inflated: int = 2 << 30
    """Bytes that decompression may still yield."""
    members: int = 100_000
    """Archive members that may still be read."""
    depth: int = 8
    """Containers within containers."""
    tried: int = 1_000_000
    """Instructions that may still be run at places in the middle of data."""
    opcodes: int = 100_000_000
    """Instructions that may still be run."""
    isolated: bool = True
    """Native libraries parse in a worker process (`pvmscan.isolation`)."""
    seen: set[bytes] = field(default_factory=set)
    """Digests of nested sources, so that none is judged twice."""


class Reader(Protocol):
    """One format."""

    id: str

    def sniff(self, source: Source) -> bool:
        """Could a loader of this format open the source? By content, never by name alone."""

    def read(self, source: Source, budget: Budget) -> Iterator[Item]:
        """Everything in it that a loader would run, and what could not be read."""
