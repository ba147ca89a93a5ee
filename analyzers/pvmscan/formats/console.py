"""The console report: verdict first, then for each finding one sentence and its evidence."""

from __future__ import annotations

from collections import Counter

from pvm.hints import TYPE_CHECKING
from pvmscan.formats import DEFAULT, Options
from pvmscan.formats._lines import Page, Roll, Span, glued
from pvmscan.formats._safe import safe
from pvmscan.formats._units import amount
from pvmscan.report import ASKED, INTERRUPTED, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pvmscan.report import FileReport, Finding, GlobalUse, Location, Problem, Report, Step, StreamReport

MAX_FINDINGS = 10
"""Findings of one file that are shown in full unless `verbose`."""
MAX_STEPS = 12
MAX_TEXT = 300
MAX_PAYLOAD = 600
MAX_NAME = 4096
"""Characters of a path or a name, which are not shortened below what a file system takes."""
MAX_CLEAN = 12
"""More clean files than this become one line unless `verbose`."""
MAX_NAMES = 5
VERDICT_COLUMN = 10
INDENT = "  "
LABEL_COLUMN = 9


def render(report: Report, options: Options = DEFAULT) -> str:
    """The report as text."""
    parts: list[str] = []
    write(report, options, parts.append)
    return "".join(parts)


def write(report: Report, options: Options, put: Callable[[str], object]) -> None:
    """The same, line by line."""
    page = Roll(put, options.width, options.colour)
    shown = [one for one in report.files if one.skipped is None]
    bad = sorted((one for one in shown if one.verdict > Verdict.CLEAN), key=lambda one: -one.verdict)
    if options.quiet:
        for one in bad:
            page.add(*_headline(one), *_reason(one), hang=VERDICT_COLUMN + 2)
        return
    for one in bad:
        _file(page, one, options)
    page.gap()
    clean = [one for one in shown if one.verdict == Verdict.CLEAN]
    _clean_files(page, clean, options)
    if options.show_skipped:
        _skipped_files(page, [one for one in report.files if one.skipped is not None])
    page.gap()
    _summary(page, report)


def evidence(one: FileReport) -> str:
    """All about one file as plain text, shortened: for formats that quote it."""
    page = Page()
    if one.verdict == Verdict.CLEAN:
        _clean_files(page, [one], DEFAULT)
    else:
        _file(page, one, DEFAULT)
    return page.render().rstrip()


def summary_text(report: Report) -> str:
    """The last line of the report."""
    page = Page()
    _summary(page, report)
    return page.render().rstrip()


# Files -----------------------------------------------------------------------------------------------------


def _headline(one: FileReport) -> list[Span]:
    verdict = str(one.verdict)
    label = verdict.upper()
    return [(label, verdict), (" " * (VERDICT_COLUMN - len(label) + 2), ""), (_name(one.path), "title")]


def _reason(one: FileReport) -> list[Span]:
    text = reason(one)
    return [(": ", ""), (text, "")] if text else []


def reason(one: FileReport) -> str:
    """Why a file is not clean, in a few words on the line of its name."""
    if one.findings:
        return safe(by_weight(one.findings)[0].message, MAX_TEXT)
    if one.errors:
        return safe(one.errors[0].message, MAX_TEXT)
    if one.verdict > Verdict.CLEAN and (names := _unknown_names(one)):
        return f"uses {_enumeration(names)}, which the knowledge does not cover"
    return ""


def _file(page: Page, one: FileReport, options: Options) -> None:
    """A file that is not clean."""
    in_detail = bool(one.findings or one.errors or one.allowed or options.verbose or options.globals)
    if in_detail:
        page.gap()
    tail = [] if one.findings or one.errors else _reason(one)
    page.add(*_headline(one), *tail, hang=VERDICT_COLUMN + 2)
    findings = by_weight(one.findings)
    limit = len(findings) if options.verbose else MAX_FINDINGS
    for finding in findings[:limit]:
        page.gap()
        _finding(page, finding, options)
    if len(findings) > limit:
        page.gap()
        rules = Counter(_name(finding.rule) for finding in findings[limit:])
        counted = ", ".join(f"{rule} ({count})" for rule, count in rules.most_common(MAX_NAMES))
        page.add(INDENT, f"and {_count(len(findings) - limit, 'more finding')}: {counted}", hang=2)
    _errors(page, one.errors, after_findings=bool(findings), verbose=options.verbose)
    _allowed(page, one)
    _details(page, one, options)
    if in_detail:
        page.gap()


def _clean_files(page: Page, files: Sequence[FileReport], options: Options) -> None:
    plain = [one for one in files if not one.allowed]
    if len(plain) > MAX_CLEAN and not (options.verbose or options.globals):
        text = f"{len(plain)} files; -v lists them"
        page.add(("CLEAN", "clean"), " " * (VERDICT_COLUMN - 3), (text, "dim"), hang=VERDICT_COLUMN + 2)
        files = [one for one in files if one.allowed]
    for one in files:
        page.add(*_headline(one), hang=VERDICT_COLUMN + 2)
        _allowed(page, one)
        for finding in by_weight(one.findings):
            page.gap()
            _finding(page, finding, options)
        _details(page, one, options)


def _allowed(page: Page, one: FileReport) -> None:
    """What the policy let pass: never without a word."""
    for text in one.allowed:
        page.add(INDENT, ("allowed: ", "label"), safe(text, MAX_TEXT), hang=4)


def _skipped_files(page: Page, files: Sequence[FileReport]) -> None:
    for one in files:
        label = ("SKIPPED", "skipped")
        page.add(label, " " * (VERDICT_COLUMN - 5), _name(one.path), ": ", _name(one.skipped or ""), hang=12)


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


def by_weight(findings: Iterable[Finding]) -> list[Finding]:
    """Findings, the worst first."""
    return sorted(findings, key=lambda one: (-one.verdict, -one.severity, -one.confidence))


def _finding(page: Page, finding: Finding, options: Options) -> None:
    cut = None if options.verbose else MAX_TEXT
    page.add(INDENT, (safe(finding.message, cut), "title"), hang=4)
    if finding.payload is not None:
        _payload(page, finding.payload, options)
    _chain(page, finding.chain, options)
    severity = str(finding.severity)
    judged: list[Span] = [
        (_name(finding.rule), ""),
        ("  ", ""),
        (severity, severity),
        (f", {finding.confidence}", ""),
    ]
    if place_of(finding.location):
        judged += [("  ", ""), *_place(finding.location)]
    _field(page, "rule", *judged)
    if finding.allowed is not None:
        _field(page, "allowed", (safe(finding.allowed, cut), ""))


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
            kind, text = _name(step.kind), safe(step.text, cut)
            if not text.startswith(f"{kind} "):
                spans.append((f"{kind} ", "label"))
            spans.append((text, ""))
            if step.offset is not None:
                spans += [("  ", ""), (glued(f"at {offset_text(step.offset)}"), "dim")]
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
        parts.append(f"in {_name(location.member)}")
    return " ".join(parts)


def _place(location: Location) -> list[Span]:
    """The same as spans; the offset stays together."""
    offset = f"at {offset_text(location.offset)}" if location.offset is not None else ""
    member = f"in {_name(location.member)}" if location.member is not None else ""
    return (
        [(glued(offset), "dim"), (" " if offset and member else "", ""), (member, "dim")]
        if offset or member
        else []
    )


# Errors, streams, globals ----------------------------------------------------------------------------------


def _errors(page: Page, errors: Sequence[Problem], *, after_findings: bool, verbose: bool) -> None:
    if not errors:
        return
    limit = len(errors) if verbose else MAX_FINDINGS
    if after_findings:
        page.gap()
        page.add(INDENT, ("not understood to the end", "label"))
    for error in errors[:limit]:
        place = _place(error.location)
        tail: list[Span] = [("  ", ""), *place] if place else []
        message = safe(error.message, None if verbose else MAX_TEXT)
        kind = f"{_name(error.kind)}: "
        page.add(INDENT * (2 if after_findings else 1), (kind, "label"), (message, ""), *tail, hang=6)
    if len(errors) > limit:
        page.add(INDENT, f"and {_count(len(errors) - limit, 'more error')}; -v shows them", hang=4)


def _stream(page: Page, stream: StreamReport) -> None:
    verdict = str(stream.verdict)
    where = f"at {offset_text(stream.offset)}"
    if stream.member is not None:
        where += f" in {_name(stream.member)}"
    facts = [
        f"{stream.length} bytes",
        f"protocol {stream.protocol}",
        f"{stream.opcodes} opcodes" if stream.opcodes is not None else "",
        f"stops at {offset_text(stream.stop)}" if stream.stop is not None else "never stops",
        f"dialects {_name(' '.join(stream.dialects))}" if stream.dialects else "",
        f"fault: {safe(stream.fault, MAX_TEXT)}" if stream.fault else "",
    ]
    text = f"  {_name(stream.format)} {where}, " + ", ".join(fact for fact in facts if fact)
    page.add(INDENT * 2, (verdict.ljust(VERDICT_COLUMN), verdict), text, hang=6 + VERDICT_COLUMN)


def _globals(page: Page, uses: Sequence[GlobalUse]) -> None:
    column = max(len(_name(use.status)) for use in uses)
    for use in sorted(uses, key=lambda use: RANKS.get(use.status, 0)):
        status = _name(use.status)
        style = status_style(status)
        written = "" if use.written.replace(" ", ".") == use.name else f" (written {_name(use.written)})"
        how = "called" if use.called else "not called"
        times = "" if use.count == 1 else f", {use.count} times"
        place = _place(use.location)
        page.add(
            INDENT * 2,
            (status.ljust(column), style),
            f"  {_name(use.name)}{written}, {how}{times}",
            "  " if place else "",
            *place,
            hang=6 + column,
        )


RANKS = {"unknown": 1, "harmless": 2}
"""Globals are listed with sinks first."""


def status_style(status: str) -> str:
    """The style of what is known of a global."""
    return {"harmless": "clean", "unknown": "unverified"}.get(status, "high")


def _name(text: str) -> str:
    return safe(text, MAX_NAME)


# Words -----------------------------------------------------------------------------------------------------


def _unknown_names(one: FileReport) -> list[str]:
    named = one.uncovered or [use.name for use in one.globals if use.status == "unknown"]
    return list(dict.fromkeys("objects without a name" if name == "?" else _name(name) for name in named))


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
    if INTERRUPTED in report.tool:
        spans.append((" Interrupted: not all files were scanned.", "incomplete"))
    page.add(*spans)
    if ASKED in report.tool:
        page.add("Asked besides the knowledge that ships: ", safe(report.tool[ASKED], 200), ".")
    _fetched(page, report)


def _fetched(page: Page, report: Report) -> None:
    """What it took to read sources elsewhere."""
    costs = [(one.fetched, one.size or 0) for one in report.files if one.fetched is not None]
    if costs:
        requests = _count(sum(cost.requests for cost, _ in costs), "request")
        bytes_ = amount(sum(cost.bytes for cost, _ in costs))
        text = f"Fetched {bytes_} of {amount(sum(size for _, size in costs))} in {requests}."
        page.add((text, "dim"))
