"""What readers of configs and archives say alike: a name that a loader calls, a pickle in disguise."""

from __future__ import annotations

import pvm
from pvm.limits import Limits
from pvm.names import canonical
from pvm.trace import Import
from pvmscan.knowledge import GRADES, Judgement, Rule, Status, effects_of, load
from pvmscan.readers.base import Buffer, Fact, Source
from pvmscan.readers.pieces import Pieces
from pvmscan.report import Severity, Step, Verdict

_MOST_PARTS = 12
_TRIAL, _TRIAL_BYTES = 256, (64 << 10, 1 << 20)
"""Opcodes, and bytes of a file that is fetched by pieces."""
_NUMBERS = (b"I", b"L", b"g", b"p")
"""Opcodes whose argument is a line of digits."""
"""Instructions after which a run from the start counts as a pickle."""


def named(
    path: str,
    how: str,
    source: Source,
    offset: int | None = None,
    *,
    payload: str | None = None,
    trusted: tuple[str, ...] = (),
) -> Fact | None:
    """A fact about a name that a loader imports and calls; None where the name is known to be harmless.

    `how` begins the sentence, `The config names a target`. Names below a `trusted` prefix are fine unless a rule
    speaks of them.
    """
    path, judgement = _judged(path)
    if judgement.status is Status.SINK:
        rule = judgement.rules[0]
        return Fact(
            f"named-callable/{rule.id}",
            f"{how}, {path}: {rule.phrase}.",
            _verdict(rule),
            source.member,
            offset,
            effect=rule.effect,
            severity=rule.severity,
            payload=payload or path,
            chain=(Step("import", f"import {path}", offset),),
        )
    if judgement.status is Status.HARMLESS or path.startswith(trusted):
        return None
    message = f"{how}, {path}, of which nothing is known."
    return Fact(
        "named-callable/unknown", message, Verdict.UNVERIFIED, source.member, offset, "code-execution",
        payload=payload or path,
    )  # fmt: skip


def _judged(path: str) -> tuple[str, Judgement]:
    """The judgement on a path, or on the object that it reaches by way of other modules if that is a sink."""
    head, dot, rest = path.partition(".")
    plain = canonical(head, "")[0] + dot + rest
    judgement = effects_of(load(), plain)
    parts = path.split(".")
    near = max(1, len(parts) - _MOST_PARTS)
    # of very many parts the last ones: what the others reach, these reach it through
    for place in (*range(1, min(near, _MOST_PARTS)), *range(near, len(parts))):
        if judgement.status is Status.SINK:
            break
        # a module keeps what it imports as attributes: which of the parts is the module cannot be told
        reached = ".".join(filter(None, canonical(".".join(parts[:place]), ".".join(parts[place:]))))
        other = effects_of(load(), reached)
        if other.status is Status.SINK:
            return reached, other
    return plain, judgement


def _verdict(rule: Rule) -> Verdict:
    lesser = GRADES.get(rule.effect, 0) or rule.severity < Severity.MEDIUM
    return Verdict.SUSPICIOUS if lesser else Verdict.DANGEROUS


def is_pickle_too(data: Buffer) -> bool:
    """Would an unpickler that is given the data get anywhere, although they are of another format?"""
    if isinstance(data, Pieces):
        data = (
            next((head for size in _TRIAL_BYTES if not _goes_on(head := data[:size])), None) or data.whole()
        )
    trace = pvm.run(data, encoding="any", limits=Limits(opcodes=_TRIAL))
    return trace.complete or trace.opcodes >= _TRIAL or any(isinstance(one, Import) for one in trace.events)


def _goes_on(head: bytes) -> bool:
    """Is it the end of the head that a program is stopped by, so that what follows could make it go on?"""
    fault = pvm.run(head, encoding="any", limits=Limits(opcodes=_TRIAL)).fault
    if fault is not None and fault.kind == "truncated" and head[fault.offset : fault.offset + 1] in _NUMBERS:
        # a line of digits that is none already, however long it gets
        fault = pvm.run(head + b"\n", encoding="any", limits=Limits(opcodes=_TRIAL)).fault
    return fault is not None and fault.kind == "truncated"


def inside(source: Source, name: str) -> str:
    """Path of a member of a source."""
    return name if source.member is None else f"{source.member}!{name}"
