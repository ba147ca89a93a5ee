"""Pickles that Python 2.7 wrote, with both of its picklers and all of its protocols (`cases/python2/make.py2`)."""

from __future__ import annotations

from pathlib import Path

import pytest

import mirror
import oracle
import pvm
from pvm.fold import to_python
from pvm.values import Call, Container, reveal
from pvmscan import Verdict, scan

FILES = sorted((Path(__file__).parents[1] / "cases" / "python2").glob("*.pkl"))
TEXT = ("text", "plain", "caf\xe9 \u20ac\n", "caf\xe9\x00\xff")
NUMBERS = ("numbers", 1, -1, 2**31, 2**40, -(2**70), 255, 65536, 1.5, 1e300, True, False, None)


def test_there_is_a_file_for_each_pickler_and_protocol() -> None:
    assert [path.stem for path in FILES] == [
        f"{name}-{number}" for name in ("cPickle", "pickle") for number in range(3)
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
class TestPython2:
    """The same for each file."""

    @pytest.mark.parametrize("loader", oracle.LOADERS)
    def test_it_is_read_as_this_python_reads_it(self, path: Path, loader: str) -> None:
        assert mirror.difference(path.read_bytes(), loader) is None

    @pytest.mark.parametrize("dialect", ["c", "c-stream", "python"])
    def test_its_values_are_those_that_were_written(self, path: Path, dialect: str) -> None:
        data = path.read_bytes()
        trace = pvm.run(data, dialect, encoding="latin1")
        assert trace.complete
        result = reveal(trace.result)
        assert isinstance(result, Container)
        text, numbers, containers, objects, names, shared = map(reveal, result.at())
        assert to_python(text, data) == TEXT
        assert isinstance(numbers, tuple) and to_python(numbers[:-1], data) == NUMBERS
        assert isinstance(containers, tuple) and to_python(containers[1], data) == {"a": [1, (2, 3)]} | {
            "b": ()
        }
        assert isinstance(objects, tuple) and all(isinstance(one, Call) for one in objects[1:])
        assert isinstance(names, tuple) and len(names) == 5
        assert isinstance(shared, tuple) and shared[0] is shared[1]

    def test_it_is_clean(self, path: Path) -> None:
        report = scan(path)
        assert report.verdict is Verdict.CLEAN
        assert {one.name for one in report.files[0].globals} >= {
            "datetime.datetime",
            "builtins.len",
            "builtins.set",
        }
