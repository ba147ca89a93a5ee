"""Law: the same bytes get the same report, whichever packages are installed where the scan runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import assemble as asm
from corpus import CORPUS

ROOT = Path(__file__).parents[2]
MOST = 60
SCAN = """
import importlib.util, json, sys, pvmscan
report = pvmscan.scan(sys.argv[1])
there = [name for name in ("numpy", "torch", "sklearn", "ours_pkg") if importlib.util.find_spec(name)]
print(json.dumps({"there": there, "loaded": sorted(sys.modules), "report": report.to_dict()}))
"""
HARMLESS = "def __getattr__(name):\n    return list\n"
"""Installed packages in which every name is harmless."""
DANGEROUS = "import os\n\n\ndef __getattr__(name):\n    return os.system\n"
"""Installed packages in which every name is a sink."""


def reports(folder: Path, places: list[Path]) -> dict[str, Any]:
    """What an interpreter with these folders of packages, and no others, says of the files of a folder."""
    path = [str(ROOT / floor) for floor in ("pvm", "analyzers")] + [str(place) for place in places]
    done = subprocess.run(
        # -S: the packages that happen to be installed beside the tests do not count
        [sys.executable, "-S", "-c", SCAN, str(folder)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        check=True,
        timeout=300,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def install(place: Path, text: str, *names: str) -> Path:
    for name in names:
        (place / name).mkdir(parents=True)
        (place / name / "__init__.py").write_text(text, "utf-8")
    return place


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Honest, dangerous and unknown callables of packages, and what the development corpus has if it is there."""
    folder = tmp_path / "files"
    folder.mkdir()
    calls = {
        "honest": asm.call(asm.glob("numpy", "dtype"), asm.text("f8"), asm.FALSE, asm.TRUE),
        "runs": asm.call(
            asm.glob("numpy.testing._private.utils", "runstring"), asm.text(asm.COMMAND), asm.EMPTY_DICT
        ),
        "reads": asm.call(asm.glob("torch.serialization", "load"), asm.text("/tmp/pvmscan-inert")),
        "unknown": asm.call(asm.glob("ours_pkg", "Thing"), asm.TRUE),
        "newer": asm.call(asm.glob("sklearn.no_such", "thing"), asm.text("inert")),
        "carries": asm.glob("ours_pkg", "thing"),
    }
    for name, body in calls.items():
        (folder / f"{name}.pkl").write_bytes(asm.program(4, body))
    for part in ("malicious", "benign"):
        found = [
            path
            for path in sorted((CORPUS / part).rglob("*"))
            if path.is_file() and path.stat().st_size < 5000
        ]
        for number, path in enumerate(found[:: max(1, len(found) // MOST)]):
            if path.suffix != ".jsonl":
                (folder / f"{part}-{number}-{path.name}").write_bytes(path.read_bytes())
    return folder


def test_what_is_installed_changes_no_report(files: Path, tmp_path: Path) -> None:
    harmless = install(tmp_path / "harmless", HARMLESS, "numpy", "torch", "sklearn", "ours_pkg")
    dangerous = install(tmp_path / "dangerous", DANGEROUS, "numpy", "torch", "sklearn", "ours_pkg")
    some = install(tmp_path / "some", DANGEROUS, "numpy")
    none = reports(files, [])
    assert none["there"] == []
    verdicts = {Path(one["path"]).stem: one["verdict"] for one in none["report"]["files"]}
    expected = {"honest": "clean", "runs": "dangerous", "unknown": "unverified", "newer": "suspicious"}
    assert expected.items() <= verdicts.items()
    for place, there in [(harmless, 4), (dangerous, 4), (some, 1)]:
        answer = reports(files, [place])
        assert len(answer["there"]) == there and not {*answer["there"]} & {*answer["loaded"]}
        assert answer["report"] == none["report"]
