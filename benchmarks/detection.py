"""Verdicts over the development corpus: a table by technique, and every miss by name.

    python benchmarks/detection.py [CORPUS] [--all]

CORPUS is a folder with `malicious/`, `tricky/` and `benign/` as `tests/corpus.py` describes them. Without
`--all` only rows that are raw pickles or PyTorch zips count.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / floor) for floor in ("pvm", "analyzers")]

import pvmscan  # noqa: E402
from pvmscan import Report, Verdict  # noqa: E402

EXPECTED = {
    "code-exec": {"code-execution", "command", "native-code", "deserialisation", "tampering", "reflection"},
    "network": {"network", "command", "code-execution", "deserialisation"},
    "file-write": {"file-write", "code-execution"},
    "file-read": {"file-read", "file-write"},
    "state-mutation": {"tampering", "code-execution", "command"},
    "dos": {"resource-exhaustion", "import-side-effect", "native-code"},
    "import-side-effect": {"import-side-effect", "code-execution", "command", "reflection", "network"},
    "latent-callable": {"code-execution", "command", "native-code", "file-write", "network"},
    "unresolved-ext": {"structure"},
    "hidden-member": {"structure", "code-execution", "command"},
}
"""Effects of findings that count as having seen what a row states."""
OTHER_CONTAINERS = ("container-numpy", "container-joblib", "container-other")


def rows(corpus: Path, folder: str) -> Iterator[dict[str, Any]]:
    """The manifest of one part of the corpus."""
    with (corpus / folder / "manifest.jsonl").open() as lines:
        yield from map(json.loads, lines)


def seen(report: Report, expected: str) -> bool:
    """Is there a finding of the stated effect, suspicious or worse?"""
    wanted = EXPECTED[expected]
    return any(one.effect in wanted and one.verdict >= Verdict.SUSPICIOUS for one in report.findings)


def malicious(corpus: Path, everything: bool) -> None:
    """The table by technique."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    misses = []
    for row in rows(corpus, "malicious"):
        technique = row["technique"]
        if not everything and (technique in OTHER_CONTAINERS or row["file"].endswith(".tar")):
            continue
        if not everything and "tar" in (row["real_loader"] or ""):
            continue
        report = pvmscan.scan(corpus / "malicious" / row["file"])
        hit = seen(report, row["expected"])
        flagged = report.verdict >= Verdict.SUSPICIOUS
        passed = report.verdict in (Verdict.CLEAN, Verdict.UNVERIFIED)
        for index, value in enumerate((1, hit, flagged, not passed)):
            counts[technique][index] += value
        if not hit:
            found = sorted({f"{one.rule} ({one.effect})" for one in report.findings})
            misses.append(f"{report.verdict!s:<11} {row['file']}  [{row['expected']}]  {', '.join(found)}")
    print(f"{'technique':<26}{'rows':>5}{'effect':>8}{'flagged':>9}{'not passed':>12}")
    for technique, values in sorted(counts.items()):
        print(f"{technique:<26}{values[0]:>5}{values[1]:>8}{values[2]:>9}{values[3]:>12}")
    totals = [sum(column) for column in zip(*counts.values(), strict=True)]
    print(f"{'all':<26}{totals[0]:>5}" + "".join(f"  {value / totals[0]:.2%}" for value in totals[1:]))
    print("\nNot seen with the stated effect:")
    print("\n".join(misses) or "none")


def honest(corpus: Path, folder: str, limit: float) -> None:
    """Verdicts on honest files, and every one that is called suspicious or worse."""
    counts: dict[str, int] = defaultdict(int)
    alarms = []
    for row in rows(corpus, folder):
        path = corpus / folder / row["file"]
        if not path.exists() or path.stat().st_size > limit * 1e6:
            continue
        report = pvmscan.scan(path)
        counts[str(report.verdict)] += 1
        if report.verdict >= Verdict.SUSPICIOUS:
            reasons = sorted(
                {f"{one.rule}: {one.message}" for one in report.findings if one.verdict >= Verdict.SUSPICIOUS}
            )
            alarms.append(
                f"{report.verdict!s:<11} {row['file']}\n              " + "\n              ".join(reasons[:4])
            )
    print(
        f"\n{folder}: {sum(counts.values())} files, "
        + ", ".join(f"{name} {n}" for name, n in sorted(counts.items()))
    )
    print("\n".join(alarms) or "no alarm")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", type=Path, nargs="?", default=HERE.parent.parent / "shared" / "corpus")
    parser.add_argument("--all", action="store_true", help="count rows of every container")
    parser.add_argument("--max-mb", type=float, default=1e9, help="leave out larger honest files")
    arguments = parser.parse_args()
    if not (arguments.corpus / "malicious" / "manifest.jsonl").exists():
        raise SystemExit(f"no corpus at {arguments.corpus}")
    malicious(arguments.corpus, arguments.all)
    for folder in ("tricky", "benign"):
        honest(arguments.corpus, folder, arguments.max_mb)


if __name__ == "__main__":
    main()
