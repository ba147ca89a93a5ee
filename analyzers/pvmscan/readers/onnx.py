"""ONNX models: no code of their own; what they reach for is other files and operators of other libraries.

Numbers of fields: onnx 1.23.2, `onnx/onnx.proto`. Tensors are stepped over, never read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from pvmscan.readers.base import Budget, Fact, Item, Recognised, Source
from pvmscan.readers.data import table
from pvmscan.readers.evidence import is_pickle_too
from pvmscan.readers.paths import leaves_folder
from pvmscan.readers.wire import BYTES, Allowance, Malformed, Message
from pvmscan.report import Location, Problem, Severity, Verdict

_GRAPH, _TRAINING, _FUNCTION = 7, 20, 25
_MOST_TOLD = 50
"""Facts of each verdict."""
_MOST_OUTER = 1_000_000


class Onnx:
    """A ModelProto."""

    id = "onnx"

    def sniff(self, source: Source) -> bool:
        """All fields of the outer message are those of a model, and one is a graph."""
        kinds = table("onnx")["model"]
        if not source.data or source.data[0] not in _first_bytes():
            return False
        message = Message(source.data, 0, len(source.data), Allowance(_MOST_OUTER))
        numbers: set[int] = set()
        try:
            for one in message:
                if kinds.get(str(one.number)) != one.kind:
                    return False
                numbers.add(one.number)
        except Malformed as stop:
            # a model that was cut off is still one
            return {1, _GRAPH} <= numbers or (
                1 in numbers and stop.offset < len(source.data) and _begins(source)
            )
        return _GRAPH in numbers and bool(numbers & {1, 8})

    def read(self, source: Source, budget: Budget) -> Iterator[Item]:
        """Files and operators from outside."""
        walk = _Walk(source)
        try:
            walk.model(Message(source.data, 0, len(source.data)))
        except Malformed as stop:
            yield Problem(f"ONNX: {stop}", Location(source.member, stop.offset), "malformed")
            yield from walk.facts()
            return
        yield from walk.facts()
        yield Recognised("onnx", whole=not is_pickle_too(source.data))


@cache
def _first_bytes() -> frozenset[int]:
    """How the outer message can begin: most other content is told from it by that alone."""
    tags = (int(number) << 3 | kind for number, kind in table("onnx")["model"].items())
    return frozenset(tag if tag < 0x80 else tag & 0x7F | 0x80 for tag in tags)


def _begins(source: Source) -> bool:
    """A version of the format, and a field that has a name, as every producer writes them."""
    return source.data[0] == 0x08 and len(source.data) > 2 and source.data[2] in (0x12, 0x3A)


@dataclass
class _Walk:
    source: Source
    outside: dict[str, int] = field(default_factory=dict)
    """Locations of external data, with the offset of the first mention."""
    operators: dict[tuple[str, str], int] = field(default_factory=dict)
    """(domain, operator) of nodes."""
    own: set[str] = field(default_factory=set)
    """Domains of functions that the model defines itself."""

    def model(self, message: Message) -> None:
        for one in message:
            if one.kind != BYTES:
                continue
            if one.number == _GRAPH:
                self.graph(message.inner(one))
            elif one.number == _TRAINING:
                inner = message.inner(one)
                for part in inner:
                    if part.number in (1, 2) and part.kind == BYTES:
                        self.graph(inner.inner(part))
            elif one.number == _FUNCTION:
                self.function(message.inner(one))

    def graph(self, message: Message) -> None:
        """GraphProto: nodes, initial values, and sparse ones."""
        for one in message:
            if one.kind != BYTES:
                continue
            if one.number == 1:
                self.node(message.inner(one))
            elif one.number == 5:
                self.tensor(message.inner(one))
            elif one.number == 15:
                self.sparse(message.inner(one))

    def function(self, message: Message) -> None:
        for one in message:
            if one.number == 10 and one.kind == BYTES:
                self.own.add(message.text(one))
            elif one.number == 7 and one.kind == BYTES:
                self.node(message.inner(one))

    def node(self, message: Message) -> None:
        domain = operator = ""
        for one in message:
            if one.kind != BYTES:
                continue
            if one.number == 4:
                operator = message.text(one)
            elif one.number == 7:
                domain = message.text(one)
            elif one.number == 5:
                self.attribute(message.inner(one))
        self.operators.setdefault((domain, operator), message.start)

    def attribute(self, message: Message) -> None:
        for one in message:
            if one.kind != BYTES:
                continue
            if one.number in (6, 11):
                self.graph(message.inner(one))
            elif one.number in (5, 10):
                self.tensor(message.inner(one))
            elif one.number in (22, 23):
                self.sparse(message.inner(one))

    def sparse(self, message: Message) -> None:
        for one in message:
            if one.number in (1, 2) and one.kind == BYTES:
                self.tensor(message.inner(one))

    def tensor(self, message: Message) -> None:
        """TensorProto: `external_data` is a list of keys and values."""
        for one in message:
            if one.number == 13 and one.kind == BYTES:
                pair = message.inner(one)
                texts = {part.number: pair.text(part, limit=1 << 20) for part in pair if part.kind == BYTES}
                if texts.get(1) == "location":
                    self.outside.setdefault(texts.get(2, ""), one.start)

    def facts(self) -> Iterator[Fact]:
        known = table("onnx")
        told: Counter[Verdict] = Counter()
        for location, offset in self.outside.items():
            reason = leaves_folder(location)
            if reason is not None and told[Verdict.SUSPICIOUS] < _MOST_TOLD:
                told[Verdict.SUSPICIOUS] += 1
                yield Fact(
                    "onnx/external-path",
                    f"A tensor takes its data from another file, and the path {reason}.",
                    Verdict.SUSPICIOUS,
                    self.source.member,
                    offset,
                    effect="file-read",
                    payload=location,
                )
        for (domain, operator), offset in self.operators.items():
            if domain in known["standard_domains"]:
                continue
            if operator in known["python_operators"] and told[Verdict.SUSPICIOUS] < _MOST_TOLD:
                told[Verdict.SUSPICIOUS] += 1
                yield self._custom(
                    f"The operator {domain}.{operator} calls a Python function or any operator of a library.",
                    Verdict.SUSPICIOUS,
                    offset,
                    Severity.MEDIUM,
                )
            elif (
                domain not in self.own
                and domain not in known["runtime_domains"]
                and told[Verdict.UNVERIFIED] < _MOST_TOLD
            ):
                told[Verdict.UNVERIFIED] += 1
                yield self._custom(
                    f"The operator {domain}.{operator} is no standard one: a library that is loaded beside the"
                    " model has to bring it.",
                    Verdict.UNVERIFIED,
                    offset,
                    Severity.INFO,
                )

    def _custom(self, message: str, verdict: Verdict, offset: int, severity: Severity) -> Fact:
        return Fact(
            "onnx/custom-operator", message, verdict, self.source.member, offset, "native-code", severity
        )
