"""Whatever takes the name of a file takes a `pathlib.Path` as well, and answers the same."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import assemble as asm
import pvmscan
from pvmscan import ScanOptions, compare, guard, policy, weights_only
from pvmscan.batch import Item, Journal, Limits, engine, records, run
from pvmscan.batch.cache import Cache
from pvmscan.batch.sources import file_item
from pvmscan.compat import modelscan, picklescan

Door = Callable[[Any], object]
DATA = asm.malicious()


def told(report: pvmscan.Report) -> object:
    return [one.to_dict() for one in report.files]


def excluded(path: Any) -> object:
    chosen = picklescan.ScanFilter(exclude=[re.compile("pkl")], exclude_dir=[re.compile("x")])
    return chosen.wants_file(path), chosen.wants_folder(path)


def journalled(path: Any) -> object:
    """A batch of one source."""
    with Journal(f"{os.fspath(path)}.journal") as journal:
        run([Item(path)], journal, engine("local", jobs=1))
    (record,) = records(f"{os.fspath(path)}.journal")
    os.remove(f"{os.fspath(path)}.journal")
    return record["source"], record["key"], record["report"]


def asked_package(path: Any) -> object:
    """A folder of packages among the options, here and in a worker."""
    folder = type(path)(os.path.dirname(path))
    options = ScanOptions(packages=(folder,))
    with Journal(f"{os.fspath(path)}.journal") as journal:
        run([Item(path)], journal, engine("local", jobs=1), limits=Limits(options=options))
    (record,) = records(f"{os.fspath(path)}.journal")
    os.remove(f"{os.fspath(path)}.journal")
    return record["report"], pvmscan.scan_file(path, options)


def scanned_by_modelscan(path: Any) -> object:
    scanner = modelscan.ModelScan()
    scanner.scan(path)
    return scanner.issues.all_issues, scanner.is_compatible(path)


def refused(path: Any) -> object:
    with open(path, "rb") as file, pytest.raises(guard.RefusedError) as found:
        guard.load(file)
    return found.value.report.files


DOORS: dict[str, Door] = {
    "scan": lambda path: told(pvmscan.scan(path)),
    "scan_paths": lambda path: told(pvmscan.scan_paths([path])),
    "scan_file": pvmscan.scan_file,
    "scan_file, by a name": lambda path: pvmscan.scan_file(os.fspath(path), name=path),
    "scan_bytes": lambda path: told(pvmscan.scan_bytes(DATA, name=path)),
    "streams": lambda path: [stream.traces[0].opcodes for stream in pvmscan.streams(path)],
    "compare": lambda path: compare.compare(path, path).to_dict(),
    "calls": compare.calls,
    "weights_only": weights_only.check,
    "guard": refused,
    "picklescan": picklescan.scan_file_path,
    "picklescan, bytes": lambda path: picklescan.scan_bytes(io.BytesIO(DATA), path),
    "picklescan, folder": lambda path: picklescan.scan_directory_path(type(path)(os.path.dirname(path))),
    "picklescan, filter": excluded,
    "modelscan": scanned_by_modelscan,
    "batch": journalled,
    "batch, options": asked_package,
    "file_item": file_item,
    "policy": lambda path: policy.load(type(path)(os.path.join(os.path.dirname(path), policy.FILE))),
    "policy, beside": lambda path: policy.find(type(path)(os.path.dirname(path)), [path]),
}


@pytest.mark.parametrize("name", DOORS)
def test_a_path_is_as_good_as_its_name(name: str, tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("def f(x):\n    return x\n")
    (tmp_path / policy.FILE).write_text('fail-on = "unverified"\n')
    path = tmp_path / "m.pkl"
    path.write_bytes(DATA)
    assert DOORS[name](path) == DOORS[name](str(path))


def test_a_cache_takes_a_path(tmp_path: Path) -> None:
    path = tmp_path / "m.pkl"
    path.write_bytes(DATA)
    for _ in range(2):
        with Journal(tmp_path / "j", resume=True) as journal, Cache(tmp_path / "c") as cache:
            standing = run([Item(path)], journal, engine("local", jobs=1), cache=cache)
        (tmp_path / "j").unlink()
    assert standing.cached == 1
