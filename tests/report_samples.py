"""Reports to print: an honest scan, a hostile one, and an empty one."""

from __future__ import annotations

from pvmscan.report import (
    Confidence,
    Fetched,
    FileReport,
    Finding,
    GlobalUse,
    Location,
    Problem,
    Report,
    Severity,
    Step,
    StreamReport,
    Verdict,
)

HOSTILE = "a\x1b[2Jb\r\nc\u202ed\x07\x9b31m\udcff\u2028"
"""Clears the screen, returns the carriage, turns the direction of writing, rings, is not UTF-8."""

COMMAND = Finding(
    rule="reachable-sink.command",
    severity=Severity.CRITICAL,
    confidence=Confidence.CERTAIN,
    message="Loading the file runs a shell command.",
    effect="command",
    verdict=Verdict.DANGEROUS,
    location=Location("archive/data.pkl", 29),
    chain=(
        Step("import", "os.system", 2),
        Step("call", "os.system('echo inert')", 29),
    ),
    payload="echo inert",
)

TRAILING = Finding(
    rule="structure.trailing",
    severity=Severity.MEDIUM,
    confidence=Confidence.LIKELY,
    message="A value is made and dropped before the pickle ends.",
    effect="structure",
    verdict=Verdict.SUSPICIOUS,
    location=Location(None, 31),
)

USES = (
    GlobalUse("collections.OrderedDict", "collections OrderedDict", "harmless", 3, True, Location(None, 2)),
    GlobalUse("os.system", "posix system", "command", 1, True, Location("archive/data.pkl", 2)),
    GlobalUse("my.Model", "my Model", "unknown", 1, False, Location()),
)

STREAM = StreamReport(
    member="archive/data.pkl",
    offset=0,
    length=33,
    format="torch-zip",
    verdict=Verdict.DANGEROUS,
    protocol=4,
    opcodes=9,
    dialects=("c", "python"),
    stop=33,
    fault=None,
)

BROKEN = StreamReport(None, 0, 12, "pickle", Verdict.INCOMPLETE, 2, 3, ("c",), None, "the input ends")

DANGEROUS = FileReport(
    "models/model.pt", Verdict.DANGEROUS, (STREAM,), (TRAILING, COMMAND), USES[:2], size=1234
)
ELSEWHERE = FileReport(
    "https://models.example/model.pt", Verdict.CLEAN, size=2_000_000_000, fetched=Fetched(1_310_720, 6)
)
INCOMPLETE = FileReport(
    "models/cut.pkl",
    Verdict.INCOMPLETE,
    (BROKEN,),
    errors=(Problem("the input ends inside an argument", Location(None, 7), "truncated"),),
)
UNVERIFIED = FileReport("models/own.pkl", Verdict.UNVERIFIED, globals=USES[2:])
CLEAN = FileReport("models/clean.pkl", Verdict.CLEAN, globals=USES[:1])
SKIPPED = FileReport("models/README.md", Verdict.CLEAN, skipped="no code-carrying content")

ORDINARY = Report((CLEAN, DANGEROUS, INCOMPLETE, UNVERIFIED, SKIPPED), {"name": "pvmscan", "version": "0"})
EMPTY = Report(())


def hostile() -> Report:
    """A report in which every string that a file chooses is hostile."""
    place = Location(HOSTILE, 5)
    finding = Finding(
        rule=HOSTILE,
        severity=Severity.HIGH,
        confidence=Confidence.POSSIBLE,
        message=HOSTILE,
        effect=HOSTILE,
        verdict=Verdict.DANGEROUS,
        location=place,
        chain=(Step(HOSTILE, HOSTILE, 1), Step("call", HOSTILE * 100)),
        payload=HOSTILE * 100,
    )
    use = GlobalUse(HOSTILE, HOSTILE + "x", HOSTILE, 1, True, place)
    stream = StreamReport(HOSTILE, 1, 2, HOSTILE, Verdict.CLEAN, 0, 1, (HOSTILE,), None, HOSTILE)
    error = Problem(HOSTILE, place, HOSTILE)
    full = FileReport(HOSTILE, Verdict.DANGEROUS, (stream,), (finding,), (use,), (error,), 3)
    skipped = FileReport(HOSTILE, Verdict.CLEAN, skipped=HOSTILE)
    clean = FileReport(HOSTILE, Verdict.CLEAN)
    return Report((full, skipped, clean), {"name": HOSTILE})
