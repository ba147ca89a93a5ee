"""The HTML report: one file for a browser, with verdicts, evidence, the graph to explore and every opcode.

Graphs and opcodes need the files again (`Options.streams`); they are read one at a time, the worst first, and
what is left out for its size is said on the page.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pvm.hints import TYPE_CHECKING, Any
from pvmscan.formats import DEFAULT, Options
from pvmscan.formats._looks import tables
from pvmscan.formats._page import drawing, framed, page
from pvmscan.formats._safe import safe
from pvmscan.formats.evidence import collapsed, mark, members_of
from pvmscan.formats.html_graph import limited, note_of
from pvmscan.report import Verdict

if TYPE_CHECKING:
    from pvmscan.report import FileReport, Finding, GlobalUse, Location, Problem, Report, StreamReport

MAX_TEXT = 1000
MAX_PAYLOAD = 6000
MAX_PAYLOAD_LINES = 400
MAX_STEPS = 60
MAX_FINDINGS = 200
MAX_NAMES = 3
MAX_GLOBALS = 500
MAX_FILES_DRAWN = 40
"""Files whose pickles are drawn, the worst first."""
MAX_STREAMS_DRAWN = 4
MAX_NODES = 250
MAX_OPCODES, MAX_OPCODES_FOR_FINDINGS = 100_000, 1_000_000
"""A file with more of them is not run again for the sake of a picture; what was found in it is worth more."""
BYTES_EACH = 8
"""How long an opcode is taken to be where they were not counted."""
MAX_BUILT = 50_000
"""Nodes of a graph before it is made small enough to read."""
MAX_ROWS = 1200
ROWS_AROUND = 3
"""Opcodes shown before and after one that does something, where not all are."""


def render(report: Report, options: Options = DEFAULT) -> str:
    """The page as text."""
    return page(contents(report, options), f"pvmscan: {report.verdict}")


def frame(report: Report) -> str:
    """The page for a notebook, without what needs the files again."""
    return framed(render(report))


def contents(report: Report, options: Options = DEFAULT) -> dict[str, Any]:
    """What the page shows, as plain data; every string is safe."""
    drawn = set()
    if options.streams is not None:
        order = sorted(range(len(report.files)), key=lambda number: -report.files[number].verdict)
        able = [number for number in order if _can_be_drawn(report.files[number])]
        drawn = set(able[:MAX_FILES_DRAWN])
    files = []
    for number, one in enumerate(report.files):
        entry = _file(one)
        if number in drawn and options.streams is not None:
            entry["pictures"], failure = _pictures(one, options.streams)
            entry["left_out"] = failure or _left_out(one, len(entry["pictures"]))
        elif one.streams and options.streams is not None:
            entry["left_out"] = "Not drawn here: the file is large, or one of many. See pvmscan graph."
        files.append(entry)
    return {
        "tool": {safe(str(key), 40): safe(str(value), 80) for key, value in report.tool.items()},
        "verdict": str(report.verdict),
        "headline": headline(report),
        "verdicts": [str(verdict) for verdict in reversed(Verdict)],
        "effects": {name: one["words"] for name, one in tables()["effects"].items()},
        "files": files,
    }


def _can_be_drawn(one: FileReport) -> bool:
    limit = MAX_OPCODES_FOR_FINDINGS if one.findings else MAX_OPCODES
    cost = sum(
        1 + stream.length // BYTES_EACH if stream.opcodes is None else stream.opcodes
        for stream in one.streams
    )
    return bool(one.streams) and cost <= limit


def headline(report: Report) -> str:
    """The result in one sentence."""
    judged = [one for one in report.files if one.skipped is None]
    if not judged:
        return "Nothing to judge."
    worst = report.verdict
    number = sum(one.verdict == worst for one in judged)
    if len(judged) == 1:
        return f"The file is {worst}."
    if number == len(judged):
        return f"All {number} files are {worst}."
    return f"{number} of {len(judged)} files {'is' if number == 1 else 'are'} {worst}."


# Files -----------------------------------------------------------------------------------------------------


def _file(one: FileReport) -> dict[str, Any]:
    findings = sorted(
        one.findings, key=lambda finding: (-finding.verdict, -finding.severity, -finding.confidence)
    )
    hidden = max(len(findings) - MAX_FINDINGS, 0) + one.omitted
    return {
        "path": safe(one.path, MAX_TEXT),
        "verdict": "skipped" if one.skipped is not None else str(one.verdict),
        "size": one.size,
        "why": _why(one, findings),
        "findings": [_finding(finding) for finding in findings[:MAX_FINDINGS]],
        "hidden": hidden,
        "allowed": [safe(text, MAX_TEXT) for text in one.allowed[:MAX_FINDINGS]],
        "globals": [_global(use) for use in one.globals[:MAX_GLOBALS]],
        "more_globals": max(len(one.globals) - MAX_GLOBALS, 0),
        "errors": [_error(error) for error in one.errors[:MAX_FINDINGS]],
        "streams": [_stream(stream) for stream in one.streams[:MAX_FINDINGS]],
    }


def _why(one: FileReport, findings: Sequence[Finding]) -> str:
    """The reason for the verdict in a few words."""
    if one.skipped is not None:
        return safe(one.skipped, MAX_TEXT)
    if findings:
        return safe(findings[0].message, MAX_TEXT)
    if one.errors:
        return safe(one.errors[0].message, MAX_TEXT)
    if one.verdict == Verdict.CLEAN:
        return "every import and every call is known to be harmless" if one.globals else "only data"
    names = list(
        dict.fromkeys(one.uncovered or [use.name for use in one.globals if use.status != "harmless"])
    )
    if not names:
        return "calls objects of which nothing is known"
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    shown = ", ".join(safe(name, 80) for name in names[:MAX_NAMES])
    return f"uses {shown}{more}, which the knowledge does not call harmless"


def _finding(finding: Finding) -> dict[str, Any]:
    steps = list(zip(finding.chain, members_of(finding), strict=True))
    return {
        "rule": safe(finding.rule, 200),
        "severity": str(finding.severity),
        "confidence": str(finding.confidence),
        "message": safe(finding.message, MAX_TEXT),
        "effect": safe(finding.effect, 60),
        "verdict": str(finding.verdict),
        **_place(finding.location),
        "chain": [
            {"kind": safe(step.kind, 40), "text": safe(step.text, MAX_TEXT), "offset": step.offset,
             "member": _member(member)}
            for step, member in steps[:MAX_STEPS]
        ],
        "more_steps": max(len(steps) - MAX_STEPS, 0),
        "payload": None if finding.payload is None else _payload(finding.payload),
        "allowed": None if finding.allowed is None else safe(finding.allowed, MAX_TEXT),
    }  # fmt: skip


def _payload(payload: str) -> list[str]:
    """Lines of the payload, cut with a word about how much is missing."""
    lines = payload[:MAX_PAYLOAD].split("\n")[:MAX_PAYLOAD_LINES]
    missing = len(payload) - len("\n".join(lines))
    more = [f"… ({missing} more characters)"] if missing else []
    return [*map(safe, lines), *more]


def _member(member: str | None) -> str | None:
    return None if member is None else safe(member, MAX_TEXT)


def _place(location: Location) -> dict[str, Any]:
    return {"member": _member(location.member), "offset": location.offset}


def _global(use: GlobalUse) -> dict[str, Any]:
    return {
        "name": safe(use.name, 300),
        "written": safe(use.written, 300),
        "status": safe(use.status, 60),
        "count": use.count,
        "called": use.called,
        **_place(use.location),
    }


def _error(error: Problem) -> dict[str, Any]:
    return {"kind": safe(error.kind, 60), "message": safe(error.message, MAX_TEXT), **_place(error.location)}


def _stream(stream: StreamReport) -> dict[str, Any]:
    return {
        "member": _member(stream.member),
        "offset": stream.offset,
        "length": stream.length,
        "format": safe(stream.format, 60),
        "verdict": str(stream.verdict),
        "protocol": stream.protocol,
        "opcodes": stream.opcodes,
        "fault": None if stream.fault is None else safe(stream.fault, MAX_TEXT),
    }


# Pictures --------------------------------------------------------------------------------------------------


def _pictures(one: FileReport, streams: Any) -> tuple[list[dict[str, Any]], str]:
    """Graphs and opcodes of the pickles of a file, and why there are not more, if something failed."""
    pictures: list[dict[str, Any]] = []
    try:
        pictures.extend(_picture(one, found) for found in _worst(one, streams(one.path)))
    except OSError as error:
        return pictures, safe(
            f"Not drawn here: the file cannot be read again: {error.strerror or error}.", MAX_TEXT
        )
    except Exception as error:  # a picture that fails, by a mistake of ours, must not cost the report
        return pictures, safe(f"Not drawn here: pvmscan failed: {type(error).__name__}: {error}", MAX_TEXT)
    return pictures, ""


def _left_out(one: FileReport, drawn: int) -> str:
    """What a reader should know about pickles that are not drawn."""
    missing = len(one.streams) - drawn
    if not missing:
        return ""
    return f"{missing} of {len(one.streams)} pickles are not drawn here. pvmscan graph draws those of the file itself."


def _worst(one: FileReport, streams: Iterable[Any]) -> Iterator[Any]:
    """The pickles with the worst verdicts, in the order of the file, as far as the report knows them."""
    verdicts = {(stream.member, stream.offset): stream.verdict for stream in one.streams}
    order = sorted(verdicts, key=lambda key: -verdicts[key])[:MAX_STREAMS_DRAWN]
    for found in streams:
        if (found.member, found.offset) in order:
            yield found


def _picture(one: FileReport, found: Any) -> dict[str, Any]:
    from pvm import graph as graphs

    trace = found.traces[0]
    graph = graphs.build(trace, limit=MAX_BUILT)
    marked = mark(graph, one, found.member)
    smaller = limited(collapsed(graph, marked), MAX_NODES)
    rows, left_out = _rows(found, {finding.location.offset for finding in one.findings})
    return {
        "member": _member(found.member),
        "offset": found.offset,
        "graph": drawing(smaller, note_of(smaller), *marked[:1]),
        "rows": rows,
        "rows_note": f"{left_out} opcodes are left out here; pvmscan trace shows them." if left_out else "",
    }


def _rows(found: Any, offsets: set[int | None]) -> tuple[list[list[Any]], int]:
    """Rows of opcodes; of a long pickle those that import, call or write, those of findings, and their neighbours.

    A row is offset, name, argument, stack size, memo and events; one of a number alone tells how many are left
    out there.
    """
    from pvmscan import opcode_rows

    every: list[opcode_rows.Row] = []
    opcode_rows.walk(found.data, found.traces[0], every.append)
    shown: Sequence[int] = range(len(every))
    if len(every) > MAX_ROWS:
        told = [number for number, row in enumerate(every) if row.offset in offsets]
        told += [number for number, row in enumerate(every) if row.events]
        wanted: set[int] = set()
        for number in told:
            if len(wanted) >= MAX_ROWS:
                break
            wanted.update(range(max(number - ROWS_AROUND, 0), min(number + ROWS_AROUND + 1, len(every))))
        shown = sorted(wanted)
    rows: list[list[Any]] = []
    expected = 0
    for number in shown:
        if number > expected:
            rows.append([number - expected])
        row = every[number]
        events = [safe(event, MAX_TEXT) for event in row.events]
        rows.append([row.offset, row.name, row.argument, row.stack, row.memo, events])
        expected = number + 1
    if expected < len(every):
        rows.append([len(every) - expected])
    return rows, len(every) - len(shown)
