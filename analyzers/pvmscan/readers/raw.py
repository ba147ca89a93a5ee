"""Raw pickles: any number in one stream, with junk in between, also hidden in the middle of other data.

A loader reads from the start, and from where the last pickle ended. Applications also seek: so after bytes
that are no pickle, every place that looks like the start of one is tried.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pvm
from pvm import dialects
from pvm.limits import Limits
from pvm.state import State
from pvm.trace import Import, Trace
from pvm.values import Call, Value
from pvmscan.readers import joblib, torchlegacy
from pvmscan.readers.base import UNRECOGNISED, Budget, Item, Source, Stream
from pvmscan.readers.candidates import Candidates
from pvmscan.report import Location, Problem

_NAME = re.compile(r"[A-Za-z_][\w.]*")
_MODEL_NAME = re.compile(
    r"\.(pkl|pickle|pk|p|joblib|dill|sav|pt|pth|bin|ckpt|model|mdl|weights|dump|th)(\.\w{1,4})?$",
    re.IGNORECASE,
)
TRIAL = 1000
"""Instructions after which a run in the middle of data is taken seriously."""
_LFS = b"version https://git-lfs.github.com/spec/"


class Raw:
    """The reader that tries every source."""

    id = "pickle"

    def sniff(self, source: Source) -> bool:
        """Always: nothing marks a pickle."""
        return True

    def read(self, source: Source, budget: Budget) -> Iterator[Item]:
        """Every pickle, and what kept the reader from seeing more."""
        yield from _Walk(source, budget).items()


class _Walk:
    def __init__(self, source: Source, budget: Budget) -> None:
        self.source = source
        self.budget = budget
        self.data = source.data
        self.format = "pickle"
        self.found = 0
        """Where a loader goes on that reads one pickle after the other."""
        self.legacy: list[Trace] = []
        """The pickles of a torch file of the old format: storages follow the last of them."""
        self.candidates = Candidates(source.data)

    def items(self) -> Iterator[Item]:
        """Pickle after pickle; then, where none follows, the places that look like one."""
        position, size = 0, len(self.data)
        while position < size:
            if self.budget.opcodes <= 0 or self.budget.tried <= 0:
                yield Problem(
                    "more places to look for pickles than the limit allows", self._at(position), "limit"
                )
                return
            start = position
            if start not in (0, self.found) and not self._worth_trying(start):
                position = self.candidates.after(start + 1)
                continue
            traces, nested = self._run(start)
            first = traces[0]
            if not self._plausible(start, traces):
                if start == 0:
                    yield from self._not_a_pickle(first)
                position = self.candidates.after(start + 1)
                continue
            yield self._stream(start, traces)
            for inner, trace in nested.items():
                yield self._stream(inner, [trace])
            resumed = sorted({trace.resume for trace in traces if trace.resume is not None})
            for other in resumed[1:]:
                yield from self._also_at(other)
            if resumed:
                position = self._after(first, resumed[0])
            else:
                position = self.candidates.after(max(start, first.fault.offset if first.fault else start) + 1)

    def _after(self, trace: Trace, position: int) -> int:
        """Where to go on behind a pickle: storages of the old torch format are no pickles."""
        if self.format == "torch-legacy":
            self.legacy.append(trace)
            if len(self.legacy) == torchlegacy.PICKLES:
                self.found = torchlegacy.after_storages(self.data, position, self.legacy)
                return self.found
        return position

    def _worth_trying(self, start: int) -> bool:
        """A short run in one dialect: most places in the middle of data lead nowhere at once."""
        trace = pvm.run(self.data, start=start, encoding="any", limits=Limits(opcodes=TRIAL))
        self.budget.tried -= trace.opcodes
        undecided = trace.fault is not None and trace.fault.kind == "limit"
        differs = any(quirk.id != "late-proto" for quirk in trace.quirks)
        return undecided or differs or _imports_names(trace)

    def _run(self, start: int) -> tuple[list[Trace], dict[int, Trace]]:
        nested: dict[int, Trace] = {}
        arrays: list[range] = []

        def inline(state: State, value: Value) -> None:
            if isinstance(value, Call) and joblib.is_wrapper(value):
                self.format = "joblib"
                begins = state.input.resume()
                joblib.skip_array(state, value, run_inner)
                if begins not in nested:
                    arrays.append(range(begins, state.input.resume()))

        def run_inner(at: int) -> int:
            trace = pvm.run(self.data, "python", start=at, encoding="any", limits=self._limits())
            self.budget.opcodes -= trace.opcodes
            nested.setdefault(at, trace)
            if trace.resume is None:
                raise pvm.Reject("the pickle of an object array does not end")
            return trace.resume

        traces = pvm.run_all(
            self.data, dialects.every(self.source.loader), start=start, limits=self._limits(), inline=inline
        )
        if arrays:
            # a loader that knows nothing of joblib's arrays would run their bytes
            plain = pvm.run(self.data, start=start, encoding="any", limits=self._limits())
            if _imports_names(plain, arrays):
                traces.append(plain)
        spent = sum(trace.opcodes for trace in traces)
        self.budget.opcodes -= spent
        if start not in (0, self.found):
            self.budget.tried -= spent
        if start == 0 and traces[0].result == torchlegacy.MAGIC:
            self.format = "torch-legacy"
        return traces, nested

    def _limits(self) -> Limits:
        default = Limits()
        return replace(default, opcodes=max(1, min(default.opcodes, self.budget.opcodes)))

    def _plausible(self, start: int, traces: list[Trace]) -> bool:
        """Would a loader get anywhere here? At the start of a file less is asked for than in its middle."""
        if any(map(_does_something, traces)):
            return True
        if start not in (0, self.found):
            return False
        if any(trace.complete and trace.opcodes > 1 for trace in traces):
            return True
        if start == 0 and self._declared(traces):
            return True
        # lines of words can look like a GLOBAL: without a call or an end, the name has to speak for it
        return any(map(_imports_names, traces)) and (self.source.expected or self._named())

    def _declared(self, traces: list[Trace]) -> bool:
        """It begins as a pickle and runs for a while, or it is known that a loader runs it."""
        begins = self.data[:1] == b"\x80" and len(self.data) > 2 and self.data[1] <= 5
        return begins and (self.source.expected or max(trace.opcodes for trace in traces) > 3)

    def _named(self) -> bool:
        """Is the file called a model, or is it at least no text?"""
        called = self.source.depth == 0 and _MODEL_NAME.search(self.source.name) is not None
        return called or not _is_text(bytes(self.data[:512]))

    def _stream(self, start: int, traces: list[Trace]) -> Stream:
        ends = [
            trace.stop if trace.stop is not None else (trace.fault.offset if trace.fault else start)
            for trace in traces
        ]
        end = max(ends)
        self.found = traces[0].resume if traces[0].resume is not None else -1
        return Stream(self.source.member, start, end - start, self.format, tuple(traces), self.data)

    def _also_at(self, start: int) -> Iterator[Item]:
        traces, _ = self._run(start)
        if any(map(_imports_names, traces)):
            yield self._stream(start, traces)

    def _not_a_pickle(self, trace: Trace) -> Iterator[Item]:
        head = bytes(self.data[:512])
        if head.startswith(_LFS):
            yield Problem("a Git LFS pointer: the file itself is not here", self._at(0), "unreadable")
        elif self.source.expected or (_MODEL_NAME.search(self.source.name) and self.source.depth == 0):
            if _is_text(head):
                return
            reason = trace.fault.reason if trace.fault else "it ends at once"
            message = f"not recognised as any format that is known; as a pickle: {reason}"
            yield Problem(message, self._at(0), UNRECOGNISED)

    def _at(self, offset: int) -> Location:
        return Location(self.source.member, offset)


def _imports_names(trace: Trace, within: Sequence[range] = ()) -> bool:
    """It imports something that can exist, so a loader would have done something here."""
    return any(
        isinstance(event, Import)
        and (not within or any(event.offset in span for span in within))
        and (_NAME.fullmatch(event.module) is not None or (event.value is not None and event.computed))
        for event in trace.events
    )


def _does_something(trace: Trace) -> bool:
    """In the middle of other data: it imports a name, and calls it or comes to a proper end."""
    return _imports_names(trace) and (
        trace.complete or any(isinstance(event, Call) for event in trace.events)
    )


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:
            return False
        text = head[: error.start].decode("utf-8")
    return all(character.isprintable() or character in "\n\r\t\f" for character in text)
