"""Python modules inside an archive that a loader imports, judged by their syntax trees."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pvmscan.knowledge import load
from pvmscan.pymodule import Reached, sinks
from pvmscan.readers.base import Fact, Item
from pvmscan.readers.data import words
from pvmscan.report import Confidence, Location, Problem, Severity, Step, Verdict

_WORTH_A_LOOK = frozenset({"code-execution", "file-write", "network"})
"""Effects that honest modules seldom have on import. Loading other files on import is common among handlers."""
_HONEST = frozenset({"os.makedirs", "os.mkdir"})
_LINE_END = re.compile(rb"\r\n|\r|\n")
ANY = "*"
"""Entry that stands for every function."""


def judge_module(
    source: bytes, member: str | None, why: str, certain: frozenset[str], likely: frozenset[str]
) -> Iterator[Item]:
    """Facts about a module: what runs when it is imported, and what may run later.

    `why` says who imports it. Functions named in `certain` run when the file is loaded; those in `likely` may.
    """
    text = source.decode("utf-8", "replace")
    knowledge, rules = load(), words("source", "rules")
    limits: list[str] = []
    runs = sinks(text, knowledge, certain, rules, limits)
    if runs is None:
        reason = f"{why}; the source cannot be parsed by this version of Python"
        yield Problem(reason, Location(member, 0), "unreadable")
        return
    later = sinks(text, knowledge, certain | likely, rules) or ()
    for reason in limits:
        yield Problem(f"{why}; in it are {reason}", Location(member, 0), "limit")
    told, starts = set(), line_starts(source)
    for one in (each for each in runs if each.on_import):
        told.add((one.line, one.path))
        at = starts[one.line - 1]
        yield from _fact(one, member, at, why, _when_run(one), Confidence.CERTAIN)
    for one in later:
        if (one.line, one.path) not in told and (one.on_import or ANY in likely):
            at = starts[one.line - 1]
            yield from _fact(one, member, at, why, _when_perhaps(one), Confidence.POSSIBLE)
    if text.strip():
        yield Fact("source/python-module", f"{why}.", Verdict.UNVERIFIED, member, 0, effect="code-execution")


def line_starts(source: bytes) -> list[int]:
    """Where each line begins, as `ast` counts lines: one that it numbers n at place n - 1."""
    return [0, *(match.end() for match in _LINE_END.finditer(source))]


def _when_run(one: Reached) -> Verdict:
    if one.path in _HONEST or (one.rule.effect == "code-execution" and _compiles(one)):
        return Verdict.CLEAN
    if one.hidden or one.rule.effect == "command":
        return Verdict.DANGEROUS
    return Verdict.SUSPICIOUS if one.rule.effect in _WORTH_A_LOOK else Verdict.CLEAN


def _compiles(one: Reached) -> bool:
    """`torch.jit.script` and its like run a function of the module itself."""
    return not (one.hidden or load().is_stdlib(one.path))


def _when_perhaps(one: Reached) -> Verdict:
    if one.hidden:
        return Verdict.DANGEROUS
    return Verdict.SUSPICIOUS if one.rule.effect == "command" else Verdict.CLEAN


def _fact(
    one: Reached, member: str | None, offset: int, why: str, verdict: Verdict, confidence: Confidence
) -> Iterator[Fact]:
    if verdict < Verdict.SUSPICIOUS:
        return
    message = f"{why}: its line {one.line} calls {one.path}."
    severity = one.rule.severity if confidence is Confidence.CERTAIN else Severity.MEDIUM
    yield Fact(
        f"source/{one.rule.id}",
        message,
        verdict,
        member,
        offset,
        effect=one.rule.effect,
        severity=severity,
        confidence=confidence,
        payload=one.text,
        chain=(Step("code", f"line {one.line}: {one.text}", offset),),
    )
