"""The console report: verdict first, then for each finding one sentence and its evidence."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pvmscan.formats import DEFAULT, Options
from pvmscan.formats._lines import Page, Span
from pvmscan.formats._safe import safe
from pvmscan.report import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pvmscan.report import FileReport, Finding, GlobalUse, Location, Problem, Report, Step, StreamReport

MAX_FINDINGS = 10
"""Findings of one file that are shown in full unless `verbose`."""
MAX_STEPS = 12
MAX_TEXT = 300
MAX_PAYLOAD = 600
MAX_CLEAN = 12
"""More clean files than this become one line unless `verbose`."""
MAX_NAMES = 5
VERDICT_COLUMN = 10
INDENT = "  "
LABEL_COLUMN = 9


def render(report: Report, options: Options = DEFAULT) -> str:
    """The report as text."""
    page = Page()
    shown = [one for one in report.files if one.skipped is None]
    bad = sorted((one for one in shown if one.verdict > Verdict.CLEAN), key=lambda one: -one.verdict)
    if options.quiet:
        for one in bad:
            page.add(*_headline(one), *_reason(one), hang=VERDICT_COLUMN + 2)
        return page.render(options.width, options.colour)
    for one in bad:
        _file(page, one, options)
    page.gap()
    _clean_files(page, [one for one in shown if one.verdict == Verdict.CLEAN], options)
    if options.show_skipped:
        _skipped_files(page, [one for one in report.files if one.skipped is not None])
    page.gap()
    _summary(page, report)
    return page.render(options.width, options.colour)


# Files -----------------------------------------------------------------------------------------------------


def _headline(one: FileReport) -> list[Span]:
    verdict = str(one.verdict)
    label = verdict.upper()
    return [(label, verdict), (" " * (VERDICT_COLUMN - len(label) + 2), ""), (safe(one.path), "title")]


def _reason(one: FileReport) -> list[Span]:
    """Why a file is not clean, in a few words on the line of its name."""
    if one.findings:
        first = _sorted(one.findings)[0]
        return [(": ", ""), (safe(first.message, MAX_TEXT), "")]
    if one.errors:
        return [(": ", ""), (safe(one.errors[0].message, MAX_TEXT), "")]
    if names := _unknown_names(one):
        return [(": ", ""), (f"uses {_enumeration(names)}, which the knowledge does not cover", "")]
    return []


def _file(page: Page, one: FileReport, options: Options) -> None:
    """A file that is not clean."""
    in_detail = bool(one.findings or one.errors or options.verbose or options.globals)
    if in_detail:
        page.gap()
    tail = [] if one.findings or one.errors else _reason(one)
    page.add(*_headline(one), *tail, hang=VERDICT_COLUMN + 2)
    findings = _sorted(one.findings)
    limit = len(findings) if options.verbose else MAX_FINDINGS
    for finding in findings[:limit]:
        page.gap()
        _finding(page, finding, options)
    if len(findings) > limit:
        page.gap()
        rules = Counter(safe(finding.rule) for finding in findings[limit:])
        counted = ", ".join(f"{rule} ({count})" for rule, count in rules.most_common(MAX_NAMES))
        page.add(INDENT, f"and {_count(len(findings) - limit, 'more finding')}: {counted}", hang=2)
    _errors(page, one.errors, after_findings=bool(findings), verbose=options.verbose)
    _details(page, one, options)
    if in_detail:
        page.gap()


def _clean_files(page: Page, files: Sequence[FileReport], options: Options) -> None:
    if len(files) > MAX_CLEAN and not (options.verbose or options.globals):
        text = f"{len(files)} files; -v lists them"
        page.add(("CLEAN", "clean"), " " * (VERDICT_COLUMN - 3), (text, "dim"), hang=VERDICT_COLUMN + 2)
        return
    for one in files:
        page.add(*_headline(one), hang=VERDICT_COLUMN + 2)
        for finding in _sorted(one.findings):
            page.gap()
            _finding(page, finding, options)
        _details(page, one, options)


def _skipped_files(page: Page, files: Sequence[FileReport]) -> None:
    for one in files:
        label = ("SKIPPED", "skipped")
        page.add(label, " " * (VERDICT_COLUMN - 5), safe(one.path), ": ", safe(one.skipped or ""), hang=12)


def _details(page: Page, one: FileReport, options: Options) -> None:
    """What was asked for beyond the findings."""
    streams = one.streams if options.verbose else ()
    uses = one.globals if options.verbose or options.globals else ()
    if streams:
        page.gap()
        page.add(INDENT, ("streams", "label"))
        for stream in streams:
            _stream(page, stream)
    if uses:
        page.gap()
        page.add(INDENT, ("globals", "label"))
        _globals(page, uses)
    if streams or uses:
        page.gap()


# Findings --------------------------------------------------------------------------------------------------


def _sorted(findings: Iterable[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda one: (-one.verdict, -one.severity, -one.confidence))


def _finding(page: Page, finding: Finding, options: Options) -> None:
    cut = None if options.verbose else MAX_TEXT
    page.add(INDENT, (safe(finding.message, cut), "title"), hang=4)
    if finding.payload is not None:
        _payload(page, finding.payload, options)
    _chain(page, finding.chain, options)
    severity = str(finding.severity)
    judged: list[Span] = [
        (safe(finding.rule), ""),
        ("  ", ""),
        (severity, severity),
        (f", {finding.confidence}", ""),
    ]
    if place := place_of(finding.location):
        judged += [("  ", ""), (place, "dim")]
    _field(page, "rule", *judged)


def _payload(page: Page, payload: str, options: Options) -> None:
    """The payload; code of several lines keeps them, each behind a bar that shows whose words they are."""
    if not options.verbose and len(payload) > MAX_PAYLOAD:
        payload = f"{payload[:MAX_PAYLOAD]}... ({len(payload) - MAX_PAYLOAD} more characters)"
    lines = payload.rstrip("\n").split("\n")
    bar: list[Span] = [("| ", "label")] if len(lines) > 1 else []
    for index, line in enumerate(lines):
        _field(page, "" if index else "payload", *bar, (safe(line), "payload"))


def _field(page: Page, label: str, *spans: Span) -> None:
    column = len(INDENT) * 2 + LABEL_COLUMN
    page.add(INDENT * 2, (label.ljust(LABEL_COLUMN), "label"), *spans, hang=column)


def _chain(page: Page, chain: Sequence[Step], options: Options) -> None:
    steps: list[Step | int] = list(chain)
    if len(steps) > MAX_STEPS and not options.verbose:
        kept = MAX_STEPS // 2
        steps[kept:-kept] = [len(steps) - 2 * kept]
    for index, step in enumerate(steps):
        spans: list[Span] = [("-> ", "arrow")] if index else []
        if isinstance(step, int):
            spans.append((f"({_count(step, 'more step')}; -v shows them)", "dim"))
        else:
            cut = None if options.verbose else MAX_TEXT
            kind, text = safe(step.kind), safe(step.text, cut)
            if not text.startswith(f"{kind} "):
                spans.append((f"{kind} ", "label"))
            spans.append((text, ""))
            if step.offset is not None:
                spans += [("  ", ""), (f"at {offset_text(step.offset)}", "dim")]
        label = (("" if index else "chain").ljust(LABEL_COLUMN + min(index, 1)), "label")
        page.add(INDENT * 2, label, *spans, hang=len(INDENT) * 2 + LABEL_COLUMN + 4)


def offset_text(offset: int) -> str:
    """An offset in decimal and hexadecimal."""
    return f"{offset} (0x{offset:x})"


def place_of(location: Location) -> str:
    """Where something is, or an empty string where the location says nothing."""
    parts = []
    if location.offset is not None:
        parts.append(f"at {offset_text(location.offset)}")
    if location.member is not None:
        parts.append(f"in {safe(location.member)}")
    return " ".join(parts)


# Errors, streams, globals ----------------------------------------------------------------------------------


def _errors(page: Page, errors: Sequence[Problem], *, after_findings: bool, verbose: bool) -> None:
    if not errors:
        return
    limit = len(errors) if verbose else MAX_FINDINGS
    if after_findings:
        page.gap()
        page.add(INDENT, ("not understood to the end", "label"))
    for error in errors[:limit]:
        place = place_of(error.location)
        tail: list[Span] = [("  ", ""), (place, "dim")] if place else []
        message = safe(error.message, None if verbose else MAX_TEXT)
        kind = f"{safe(error.kind)}: "
        page.add(INDENT * (2 if after_findings else 1), (kind, "label"), (message, ""), *tail, hang=6)
    if len(errors) > limit:
        page.add(INDENT, f"and {_count(len(errors) - limit, 'more error')}; -v shows them", hang=4)


def _stream(page: Page, stream: StreamReport) -> None:
    verdict = str(stream.verdict)
    where = f"at {offset_text(stream.offset)}"
    if stream.member is not None:
        where += f" in {safe(stream.member)}"
    facts = [
        f"{stream.length} bytes",
        f"protocol {stream.protocol}",
        f"{stream.opcodes} opcodes" if stream.opcodes is not None else "",
        f"stops at {offset_text(stream.stop)}" if stream.stop is not None else "never stops",
        f"dialects {safe(' '.join(stream.dialects))}" if stream.dialects else "",
        f"fault: {safe(stream.fault, MAX_TEXT)}" if stream.fault else "",
    ]
    text = f"  {safe(stream.format)} {where}, " + ", ".join(fact for fact in facts if fact)
    page.add(INDENT * 2, (verdict.ljust(VERDICT_COLUMN), verdict), text, hang=6 + VERDICT_COLUMN)


def _globals(page: Page, uses: Sequence[GlobalUse]) -> None:
    column = max(len(safe(use.status)) for use in uses)
    for use in uses:
        status = safe(use.status)
        style = "clean" if status == "harmless" else "unverified" if status == "unknown" else "high"
        written = "" if use.written.replace(" ", ".") == use.name else f" (written {safe(use.written)})"
        how = "called" if use.called else "not called"
        times = "" if use.count == 1 else f", {use.count} times"
        place = place_of(use.location)
        page.add(
            INDENT * 2,
            (status.ljust(column), style),
            f"  {safe(use.name)}{written}, {how}{times}",
            (f"  {place}" if place else "", "dim"),
            hang=6 + column,
        )


# Words -----------------------------------------------------------------------------------------------------


def _unknown_names(one: FileReport) -> list[str]:
    return list(dict.fromkeys(safe(use.name) for use in one.globals if use.status == "unknown"))


def _enumeration(names: Sequence[str]) -> str:
    shown = ", ".join(names[:MAX_NAMES])
    return shown if len(names) <= MAX_NAMES else f"{shown} and {len(names) - MAX_NAMES} more"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _summary(page: Page, report: Report) -> None:
    judged = [one for one in report.files if one.skipped is None]
    skipped = len(report.files) - len(judged)
    if not report.files:
        page.add("Nothing to scan.")
        return
    spans: list[Span] = [(f"{_count(len(judged), 'file')} scanned", "title")]
    verdicts = Counter(one.verdict for one in judged)
    mark = ": "
    for verdict in sorted(verdicts, reverse=True):
        spans += [(mark, ""), (f"{verdicts[verdict]} {verdict}", str(verdict))]
        mark = ", "
    spans.append((f"; {skipped} skipped." if skipped else ".", ""))
    page.add(*spans)
