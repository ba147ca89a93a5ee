"""Verdicts over real containers: each variant of a format, with the place that the report names.

    python benchmarks/formats.py [CORPUS] [--benign]

CORPUS is a folder with `formats/` and `malicious/` as `tests/corpus.py` describes them. A hostile file must be
suspicious or worse and say where: the member, if it lies in one, and the offset. An honest one must be neither
suspicious nor `incomplete`. With `--benign` the real files of `benign/` and `tricky/` are judged as well.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / floor) for floor in ("pvm", "analyzers")]

import pvmscan  # noqa: E402
from pvmscan import Report, Verdict  # noqa: E402

HONEST = (Verdict.CLEAN, Verdict.UNVERIFIED)


def rows(corpus: Path, folder: str) -> list[dict[str, Any]]:
    """The manifest of one part of the corpus."""
    with (corpus / folder / "manifest.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def reasons(report: Report) -> Iterator[str]:
    """Why a report says more than `unverified`."""
    for one in report.findings:
        if one.verdict > Verdict.UNVERIFIED:
            yield f"{one.rule}: {one.message} ({where(one.location)})"
    for file in report.files:
        for problem in file.errors:
            yield f"{problem.kind}: {problem.message} ({where(problem.location)})"


def where(location: pvmscan.Location) -> str:
    """A place in words."""
    return f"{location.member or 'the file'} at {location.offset}"


def placed(report: Report) -> bool:
    """Does every finding that makes the verdict say where its bytes are?"""
    worst = [one.location for one in report.findings if one.verdict == report.verdict]
    return bool(worst) and all(
        one.offset is not None and (one.member is not None or one.absolute is not None) for one in worst
    )


class Table:
    """Counts by group, and the files that are not as they should be."""

    def __init__(self, title: str, columns: tuple[str, ...]) -> None:
        self.title = title
        self.columns = columns
        self.counts: dict[str, Counter[str]] = defaultdict(Counter)
        self.notes: list[str] = []

    def add(self, group: str, **seen: bool) -> None:
        """Count one file."""
        self.counts[group]["files"] += 1
        self.counts[group].update(name for name, value in seen.items() if value)

    def note(self, report: Report, name: str, about: str) -> None:
        """Tell of a file by name."""
        found = list(reasons(report))[:3]
        self.notes.append(f"{report.verdict!s:<11} {name}  [{about}]" + "".join(f"\n    {r}" for r in found))

    def show(self) -> None:
        """Print it."""
        columns = ("files", *self.columns)
        print(f"\n{self.title:<30}" + "".join(f"{name:>12}" for name in columns))
        total: Counter[str] = Counter()
        for group, counts in sorted(self.counts.items()):
            total.update(counts)
            print(f"{group:<30}" + "".join(f"{counts[name]:>12}" for name in columns))
        print(f"{'all':<30}" + "".join(f"{total[name]:>12}" for name in columns))
        print("\n".join(self.notes) or "no exception")


def variants(corpus: Path) -> None:
    """Each variant of each format."""
    hostile = Table("formats: hostile", ("flagged", "placed", "clean"))
    honest = Table("formats: honest", ("passed",))
    for row in rows(corpus, "formats"):
        group = row["file"].partition("/")[0]
        report = pvmscan.scan(corpus / "formats" / row["file"])
        if row["expected"] == "benign":
            honest.add(group, passed=report.verdict in HONEST)
            if report.verdict not in HONEST:
                honest.note(report, row["file"], row["variant"])
            continue
        flagged, at = report.verdict >= Verdict.SUSPICIOUS, placed(report)
        hostile.add(group, flagged=flagged, placed=at, clean=report.verdict == Verdict.CLEAN)
        if not (flagged and at):
            hostile.note(report, row["file"], f"{row['expected']}: {row['variant']}")
    hostile.show()
    honest.show()


def containers(corpus: Path) -> None:
    """The rows of the corpus of techniques that hide in a container."""
    table = Table("containers", ("flagged", "placed", "passed"))
    for row in rows(corpus, "malicious"):
        if not row["technique"].startswith("container-"):
            continue
        report = pvmscan.scan(corpus / "malicious" / row["file"])
        flagged, at = report.verdict >= Verdict.SUSPICIOUS, placed(report)
        table.add(row["technique"], flagged=flagged, placed=at, passed=report.verdict in HONEST)
        if not (flagged and at):
            table.note(report, row["file"], row["expected"])
    table.show()


def real(corpus: Path, folder: str) -> None:
    """Files of real packages: what is said of each that is more than `unverified`."""
    verdicts = ("clean", "unverified", "incomplete", "suspicious", "dangerous")
    table = Table(folder, verdicts)
    for row in rows(corpus, folder):
        path = corpus / folder / row["file"]
        if not path.exists():
            continue
        report = pvmscan.scan(path)
        table.add(row.get("kind") or row["technique"], **{str(report.verdict): True})
        if report.verdict not in HONEST:
            table.note(report, row["file"], row.get("producer") or row["expected"])
    table.show()


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", type=Path, nargs="?", default=HERE.parent.parent / "shared" / "corpus")
    parser.add_argument("--benign", action="store_true", help="judge the real files as well")
    arguments = parser.parse_args()
    if not (arguments.corpus / "formats" / "manifest.jsonl").exists():
        raise SystemExit(f"no corpus at {arguments.corpus}")
    variants(arguments.corpus)
    containers(arguments.corpus)
    if arguments.benign:
        real(arguments.corpus, "tricky")
        real(arguments.corpus, "benign")


if __name__ == "__main__":
    main()
