"""Raw pickles: any number in one stream, with junk in between, also hidden in the middle of other data.

A loader reads from the start, and from where the last pickle ended. Applications also seek: so after bytes
that are no pickle, every place that looks like the start of one is tried.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property

import pvm
from pvm import dialects, regex, skeleton
from pvm.hints import TYPE_CHECKING
from pvm.limits import Limits
from pvm.skeleton import Skeleton
from pvm.usage import NeedsMachine
from pvmscan.readers.attempt import Run, does_something, imports_names, sink_of
from pvmscan.readers.base import UNRECOGNISED, Budget, Buffer, Fact, Item, Source, Stream
from pvmscan.readers.candidates import Candidates
from pvmscan.readers.torchmagic import MAGIC_LONG, PICKLES
from pvmscan.report import Location, Problem

if TYPE_CHECKING:
    from pvm.state import State
    from pvm.trace import Trace
    from pvm.values import Value

_MODEL_NAME = regex.later(
    r"\.(pkl|pickle|pk|p|joblib|dill|sav|pt|pth|bin|ckpt|model|mdl|weights|dump|th)(\.\w{1,4})?$",
    re.IGNORECASE,
)
TRIAL = 1000
"""Instructions after which a run in the middle of data is taken seriously."""
TRIED, TRIED_FOR_BYTE = 100_000, 32
"""Instructions at places in the middle of data that any source may cost, and more for each of its bytes: a small
file of nothing but such places is not worth a second.
"""
BEGINNING = 32
"""Instructions that take as long as it does to begin such a run."""
TRIAL_CONSTANT = 4096
"""Bytes of a constant that such a run decodes: no name is longer."""
WINDOW = 1 << 16
"""Bytes that it looks at first, so that a line without end costs no more."""
BEFORE = 4096
"""Bytes before a place that are searched for arguments that a pickle has put into its memo."""
WITHIN = 300
"""Places in a name at which a pickle may begin as well: more than a name has letters."""
_GETS = frozenset((b"g", b"h", b"j"))
"""Opcodes that take a value from the memo."""
_LINES = frozenset(bytes([opcode]) for opcode in b"FILPSVcgip")
"""Opcodes whose argument is a line."""
BYTES_AS_OPCODE = 16
"""Bytes of a skeletal pass that cost about as much as an instruction of the machine."""
_LFS = b"version https://git-lfs.github.com/spec/"
_FEW = 256
"""Bytes of content of which is asked whether any pickle can be there, before the machine is imported."""
_POSSIBLE = regex.later(
    rb"[(.)\]}NIFLSVPGKJMTUXBCcighj\x80\x82-\x84\x88-\x8f\x95-\x97]|[\s\S]+?(?:[\x80\x93]|[ci].*\n)|"
    + re.escape(_LFS)
)
"""It begins with an opcode that takes nothing from the stack, or what `Candidates` looks for is in it; or it says that
the file is not here."""


class Raw:
    """The reader that tries every source."""

    id = "pickle"

    def sniff(self, source: Source) -> bool:
        """Always: nothing marks a pickle."""
        return True

    def read(self, source: Source, budget: Budget) -> Iterator[Item]:
        """Every pickle, and what kept the reader from seeing more."""
        if not (
            source.expected or source.depth == 0 or len(source.data) > _FEW or _POSSIBLE.match(source.data)
        ):
            return iter(())  # most archives hold notes of a few bytes
        return _Walk(source, budget).items()


class _Walk:
    format = "pickle"
    found = 0
    """Where a loader goes on that reads one pickle after the other."""
    low = 0
    """Where the last pickle ended."""
    faulty = False
    """A short run has come to a fault here already, so the skeletal pass cannot speak for it."""
    lacks: str | None = None
    """That run has asked for a value that the memo does not have, which an earlier place may give: the sink that
    it had imported, or nothing.
    """
    newline = 0, -1
    """From where on a newline was looked for, and where it is."""

    def __init__(self, source: Source, budget: Budget) -> None:
        self.source = source
        self.budget = budget
        self.data = source.data
        self.legacy: list[tuple[int, Run]] = []
        """The pickles of a torch file of the old format: storages follow the last of them."""
        self.facts: list[Fact] = []
        self.floor = max(0, budget.tried - TRIED - TRIED_FOR_BYTE * len(source.data))
        """Where this source has spent its share of the instructions for places in the middle of data."""

    @cached_property
    def candidates(self) -> Candidates:
        """Where in the middle of data a pickle may begin."""
        return Candidates(self.data)

    def items(self) -> Iterator[Item]:
        """Pickle after pickle; then, where none follows, the places that look like one."""
        position, size = 0, len(self.data)
        while position < size:
            if self.budget.opcodes <= 0 or self.budget.tried <= self.floor:
                yield Problem(
                    "more places to look for pickles than the limit allows", self._at(position), "limit"
                )
                return
            start = position
            first = start in (0, self.found)
            if not first and not self._worth_trying(start):
                sink = self.lacks
                before = None if sink is None else self._earlier(start)
                if before is None:
                    if sink:
                        yield Problem(f"a pickle names {sink}, but not where it begins", self._at(start))
                    position = self.candidates.after(start + 1)
                    continue
                start = before
            run = (self._skim(start) if first or not self.faulty else None) or self._run(start)
            if not self._plausible(start, run):
                if start == 0:
                    yield from self._not_a_pickle(run)
                position = self.candidates.after(start + 1)
                continue
            yield self._stream(start, run)
            run.release()
            for inner, trace in run.nested.items():
                yield self._stream(inner, Run((trace,)))
            for other in run.resumes[1:] if first else [*run.resumes[1:], *self._within(start)]:
                yield from self._also_at(other)
            self.low = run.resumes[0] if run.resumes else max(start, run.stuck) + 1
            if run.resumes:
                position = self._after(start, run)
                yield from self.facts
                self.facts.clear()
            else:
                position = self.candidates.after(max(start, run.stuck) + 1)
        if 0 < len(self.legacy) < PICKLES:
            message = f"only {len(self.legacy)} of the five pickles are there that torch.load reads"
            yield Problem(message, self._at(self.found), "truncated")

    def _after(self, start: int, run: Run) -> int:
        """Where to go on behind a pickle: storages of the old torch format are no pickles."""
        position = run.resumes[0]
        if self.format == "torch-legacy":
            self.legacy.append((start, run))
            if len(self.legacy) == PICKLES:
                from pvmscan.readers import torchlegacy

                last = [next(self._machine(at, one)) for at, one in self.legacy[-2:]]
                position = self.found = torchlegacy.after_storages(self.data, position, last)
                self.facts.extend(torchlegacy.carried_sources(last[0], self.source.member))
        return position

    def _worth_trying(self, start: int) -> bool:
        """A short run in one dialect over the bytes at hand: most places in the middle of data lead nowhere at once,
        and lines of words are names that nothing calls.
        """
        window = bytes(self.data[start : start + WINDOW])
        trace = self._trial(window, 0)
        fault = trace.fault
        if fault is not None and fault.kind == "truncated" and start + len(window) < len(self.data):
            if window[fault.offset : fault.offset + 1] in _LINES:
                end = self._newline(start + len(window))
                if end == len(self.data):
                    return False
                self.budget.tried -= (end - start) // BYTES_AS_OPCODE
                return True
            trace = self._trial(self.data, start)
        undecided = trace.fault is not None and trace.fault.kind == "limit"
        self.faulty = trace.fault is not None and not undecided
        self.lacks = self._wants(trace, start) if self.faulty else None
        differs = any(quirk.id != "late-proto" for quirk in trace.quirks)
        return undecided or differs or does_something(trace)

    def _within(self, start: int) -> Iterator[int]:
        """Places in the name that a pickle begins with: letters before it could make it that of something else."""
        if self.data[start] not in b"cV":
            return
        place, end = start, self._newline(start)
        for _ in range(WITHIN):
            place = self.candidates.after(place + 1)
            if place >= end:
                break
            if self._worth_trying(place) and sink_of(self._trial(self.data, place)):
                yield place

    def _wants(self, trace: Trace, start: int) -> str | None:
        """Does it name something, and then miss a value of the memo? The sink that it names, or nothing."""
        stuck = start + trace.fault.offset - trace.start if trace.fault is not None else len(self.data)
        if self.data[stuck : stuck + 1] not in _GETS or not imports_names(trace):
            return None
        return sink_of(trace)

    def _earlier(self, start: int) -> int | None:
        """A place before, from which the instructions lead here and do something: arguments may come first."""
        low = max(self.low, start - BEFORE)
        self.budget.tried -= start - low
        for place in self.candidates.chains.leading_to(start, low):
            if self.budget.tried <= self.floor:
                break
            if self._worth_trying(place):
                return place
        return None

    def _trial(self, data: Buffer, start: int) -> Trace:
        limits = Limits(opcodes=TRIAL, constant_bytes=TRIAL_CONSTANT)
        trace = pvm.run(data, start=start, encoding="any", limits=limits)
        self.budget.tried -= trace.opcodes + BEGINNING
        return trace

    def _newline(self, position: int) -> int:
        """The first newline from a position on; the length of the data if there is none. Looked for once."""
        low, end = self.newline
        if not low <= position <= end:
            end = self.data.find(b"\n", position)
            self.newline = position, end if end >= 0 else len(self.data)
        return self.newline[1]

    def _skim(self, start: int) -> Run | None:
        """The skeletal pass; None where the pickle needs the machine."""
        try:
            found = skeleton.run(self.data, start, limit=self.budget.opcodes * BYTES_AS_OPCODE)
        except NeedsMachine:
            return None
        if found.usage.names and (_names_arrays(found) or (any(found.deciding) and not self._agrees(found))):
            return None
        if (
            start == 0
            and found.result >= 0
            and self.data[found.result : found.result + len(MAGIC_LONG)] == MAGIC_LONG
        ):
            self.format = "torch-legacy"
        self.budget.opcodes -= (found.stop - start) // BYTES_AS_OPCODE
        return Run(skeleton=found)

    def _agrees(self, found: Skeleton) -> bool:
        """Where callees look at their arguments, the machine has the last word: does it come to the same end, and to
        no array of joblib that nobody has named?
        """
        from pvm.excerpt import excerpt
        from pvm.leaps import Needed
        from pvmscan.readers import joblib

        lookout = joblib.Lookout()

        def inline(state: State, value: Value) -> None:
            if joblib.is_wrapper(value) or lookout.sees(state, value) or lookout.named:
                raise Needed

        dialect = dialects.every(self.source.loader)[0]
        trace = excerpt(found, found.deciding, dialect, inline)
        if trace is not None:
            self._spend(trace)
        return trace is not None

    def _run(self, start: int) -> Run:
        nested: dict[int, Trace] = {}
        before = self.budget.opcodes
        limits = self._limits()
        run = Run(self._stories(start, limits, nested), nested=nested, limits=limits)
        if start not in (0, self.found):
            self.budget.tried -= before - self.budget.opcodes
        if start == 0 and run.magic:
            self.format = "torch-legacy"
        return run

    def _stories(self, start: int, limits: Limits, nested: dict[int, Trace]) -> Iterator[Trace]:
        """What different loaders do, one run after the other; `nested` gets the pickles of object arrays inside."""
        from pvm.values import Call
        from pvmscan.readers import joblib

        arrays: list[range] = []
        lookout = joblib.Lookout()

        def inline(state: State, value: Value) -> None:
            if isinstance(value, Call) and joblib.is_wrapper(value):
                self.format = "joblib"
                begins = state.input.resume()
                joblib.skip_array(state, value, run_inner)
                if begins not in nested:
                    arrays.append(range(begins, state.input.resume()))
            elif lookout.sees(state, value):
                raise pvm.Reject(
                    "what may be a joblib array was made in a way that does not tell what follows it"
                )

        def run_inner(at: int) -> int:
            trace = pvm.run(self.data, "python", start=at, encoding="any", limits=limits)
            self._spend(trace)
            nested.setdefault(at, trace)
            if trace.resume is None:
                raise pvm.Reject("the pickle of an object array does not end")
            return trace.resume

        known = dialects.every(self.source.loader)
        yield from pvm.stories(self.data, known, start=start, limits=limits, inline=inline, each=self._spend)
        if arrays:
            # a loader that knows nothing of joblib's arrays would run their bytes
            plain = pvm.run(self.data, start=start, encoding="any", limits=limits)
            self._spend(plain)
            if imports_names(plain, arrays):
                yield plain

    def _spend(self, trace: Trace) -> None:
        self.budget.opcodes -= trace.opcodes

    def _limits(self) -> Limits:
        default = Limits()
        return default._replace(opcodes=max(1, min(default.opcodes, self.budget.opcodes)))

    def _plausible(self, start: int, run: Run) -> bool:
        """Would a loader get anywhere here? At the start of a file less is asked for than in its middle."""
        if run.acts:
            return True
        if start not in (0, self.found):
            return False
        if run.complete and run.length > 1:
            return True
        if start == 0 and self._declared(run):
            return True
        # lines of words can look like a GLOBAL: without a call or an end, the name has to speak for it
        return run.names and (self.source.expected or self._named())

    def _declared(self, run: Run) -> bool:
        """It begins as a pickle and runs for a while, or it is known that a loader runs it."""
        begins = self.data[:1] == b"\x80" and len(self.data) > 2 and self.data[1] <= 5
        return begins and (self.source.expected or run.length > 3)

    def _named(self) -> bool:
        """Is the file called a model, or is it at least no text?"""
        called = self.source.depth == 0 and _MODEL_NAME.search(self.source.name) is not None
        return called or not _is_text(bytes(self.data[:512]))

    def _stream(self, start: int, run: Run) -> Stream:
        self.found = run.resumes[0] if run.resumes else -1
        found, run.skeleton = run.skeleton, None  # it takes much memory, and whoever judges lets go of it
        machine = lambda: self._machine(start, run)  # noqa: E731 - most are never asked for it
        return Stream(self.source.member, start, run.end - start, self.format, self.data, machine, found)

    def _machine(self, start: int, run: Run) -> Iterator[Trace]:
        """The runs, again if they were not kept."""
        return iter(run.traces) if run.kept else self._stories(start, run.limits or self._limits(), {})

    def _also_at(self, start: int) -> Iterator[Item]:
        run = self._run(start)
        if run.names:
            yield self._stream(start, run)

    def _not_a_pickle(self, run: Run) -> Iterator[Item]:
        head = bytes(self.data[:512])
        if head.startswith(_LFS):
            yield Problem("a Git LFS pointer: the file itself is not here", self._at(0), "unreadable")
        elif self.source.expected or (_MODEL_NAME.search(self.source.name) and self.source.depth == 0):
            if _is_text(head):
                return
            reason = run.reason or "it ends at once"
            message = f"not recognised as any format that is known; as a pickle: {reason}"
            yield Problem(message, self._at(0), UNRECOGNISED)

    def _at(self, offset: int) -> Location:
        return Location(self.source.member, offset)


def _names_arrays(skeleton: Skeleton) -> bool:
    """It names a wrapper of joblib, behind which a loader reads an array."""
    names = [f"{module}.{name}" for module, name in skeleton.usage.names]
    if not any("numpy_pickle" in name for name in names):
        return False
    from pvmscan.readers import joblib

    return any(map(joblib.WRAPPER.search, names))


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:
            return False
        text = head[: error.start].decode("utf-8")
    return all(character.isprintable() or character in "\n\r\t\f" for character in text)
