"""Written piece by piece, a report is what it is as a whole."""

from __future__ import annotations

import pytest

import report_samples as samples
from pvmscan.formats import (
    PIECE,
    REPORT_FORMATS,
    Options,
    render_file,
    render_report,
    write_file,
    write_report,
)
from pvmscan.report import FileReport, Report, StreamReport, Verdict

MANY = Report(
    (
        FileReport(
            "many.pkl",
            Verdict.CLEAN,
            streams=tuple(
                StreamReport(None, 4 * at, 4, "pickle", Verdict.CLEAN, 2, None, ("c@3.11",), 4 * at + 4, None)
                for at in range(1000)
            ),
        ),
    )
)
VERBOSE = Options(verbose=True, globals=True, show_skipped=True)


@pytest.mark.parametrize("report", [samples.ORDINARY, samples.EMPTY, samples.hostile(), MANY])
@pytest.mark.parametrize("name", REPORT_FORMATS)
def test_every_format(name: str, report: Report) -> None:
    written: list[str] = []
    write_report(report, name, VERBOSE, written.append)
    assert "".join(written) == render_report(report, name, VERBOSE)


@pytest.mark.parametrize("name", ["console", "json"])
def test_a_long_report_is_never_there_as_a_whole(name: str) -> None:
    written: list[str] = []
    write_report(MANY, name, VERBOSE, written.append)
    assert len(written) > 1 and max(map(len, written)) < PIECE + 1000


def test_a_long_line_is_never_there_as_a_whole() -> None:
    written: list[str] = []
    write_file(MANY.files[0], "jsonl", VERBOSE, written.append)
    assert len(written) > 1 and max(map(len, written)) < PIECE + 1000
    assert "".join(written) == render_file(MANY.files[0], "jsonl")


@pytest.mark.parametrize("name", REPORT_FORMATS)
def test_a_long_text_is_written_in_pieces(name: str) -> None:
    report = Report((FileReport("x" * 5 * PIECE, Verdict.UNVERIFIED, uncovered=("y" * 5 * PIECE,)),))
    written: list[str] = []
    write_report(report, name, VERBOSE, written.append)
    assert "".join(written) == render_report(report, name, VERBOSE)
    assert max(map(len, written)) < 2 * PIECE
