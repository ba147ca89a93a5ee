"""Judges again from a stored report, under other knowledge, where its globals and calls say enough.

They do where the skeletal pass had settled every stream (`pvmscan.settle`) and still would, so that names, and whether
they are called, are all that the verdict rests on; and where the knowledge has only learnt that more of them are
harmless. A new sink needs its arguments as evidence, and with them the file.
"""

from __future__ import annotations

from pvm.hints import Any
from pvmscan.knowledge import Knowledge, Status, effects_of
from pvmscan.report import Verdict
from pvmscan.settle import call_matters

CLEAN, UNVERIFIED, HARMLESS = str(Verdict.CLEAN), str(Verdict.UNVERIFIED), Status.HARMLESS.value


def rejudge(report: dict[str, Any], knowledge: Knowledge) -> dict[str, Any] | None:
    """The report (`FileReport.to_dict`) as a scan under this knowledge would make it; None if the file is needed."""
    if (
        report["findings"]
        or report["errors"]
        or report["omitted"]
        or report["verdict"] not in (CLEAN, UNVERIFIED)
    ):
        return None
    if any(stream["opcodes"] is not None or stream["fault"] for stream in report["streams"]):
        return None
    uses = [_use(use, knowledge) for use in report["globals"]]
    known = {use["name"]: use["status"] for use in uses if use is not None}
    if None in uses or any(name not in known for name in report["uncovered"]):
        return None
    uncovered = [name for name in report["uncovered"] if known[name] != HARMLESS]
    if uncovered == report["uncovered"]:
        return {**report, "globals": uses}
    if uncovered and len(report["streams"]) > 1:  # whose of the streams they are is not known
        return None
    verdict = UNVERIFIED if uncovered else CLEAN
    streams = [{**stream, "verdict": verdict} for stream in report["streams"]]
    return {**report, "verdict": verdict, "streams": streams, "globals": uses, "uncovered": uncovered}


def _use(use: dict[str, Any], knowledge: Knowledge) -> dict[str, Any] | None:
    """A global with what is known of it now; None where that is more than its name can tell."""
    path, written = use["name"], use["written"].split(" ")
    status = effects_of(knowledge, path).status
    if status is Status.SINK or (use["status"] == HARMLESS and status is not Status.HARMLESS):
        return None
    if len(written) != 2 or knowledge.imports.all(written[0]):
        return None
    if use["called"] and call_matters(path, "REDUCE", knowledge):
        return None
    return {**use, "status": status.value}
