"""JSON is valid for strict parsers and safe to look at."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import report_samples as samples
from pvmscan.formats import Options, json_, render_report
from pvmscan.formats.json_ import dumps, pieces
from pvmscan.report import FileReport, Report

ANYTHING = st.text(st.characters(exclude_categories=()), max_size=20)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | ANYTHING
DATA = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(ANYTHING, inner), max_leaves=20)


def strict(text: str) -> Any:
    """Parse as a strict parser would: no NaN, no lone surrogates."""

    def refuse(name: str) -> None:
        raise ValueError(name)

    data = json.loads(text, parse_constant=refuse)
    json.dumps(data, ensure_ascii=False).encode("utf-8")
    return data


@pytest.mark.parametrize("report", [samples.ORDINARY, samples.EMPTY])
def test_round_trip(report: Report) -> None:
    assert strict(render_report(report, "json")) == report.to_dict()


@pytest.mark.parametrize("report", [samples.ORDINARY, samples.EMPTY, samples.hostile()])
@pytest.mark.parametrize("indent", [2, None])
def test_piece_by_piece_it_is_the_same(report: Report, indent: int | None) -> None:
    assert "".join(pieces(report, indent)) == dumps(report.to_dict(), indent)
    for one in report.files:
        assert "".join(pieces(one, indent)) == dumps(one.to_dict(), indent)


def test_no_piece_has_more_than_one_part_of_a_report() -> None:
    file = FileReport("many", samples.CLEAN.verdict, globals=samples.ORDINARY.files[0].globals * 1000)
    written: list[str] = []
    json_.write(Report((file,)), Options(), written.append)
    assert "".join(written) == render_report(Report((file,)), "json")
    assert file.globals and max(map(len, written)) < 2 * len(dumps(file.globals[0].to_dict(), 2)) + 500


def test_hostile_report() -> None:
    text = render_report(samples.hostile(), "json")
    assert text.isascii() and all(line.isprintable() for line in text.splitlines())
    report = strict(text)
    assert report["files"][0]["path"] == samples.HOSTILE.replace("\udcff", "\\xff")


@given(DATA)
def test_any_data(data: Any) -> None:
    strict(dumps(data))


@given(st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text("abc"), inner)))
def test_any_data_piece_by_piece(data: Any) -> None:
    for nested in (data, {"a": data, "b": (data, data, ())}):
        assert "".join(pieces(nested)) == dumps(nested)
        assert "".join(pieces(nested, None)) == dumps(nested, None)


def test_numbers_that_json_or_python_refuse() -> None:
    assert strict(dumps([float("nan"), -float("inf"), 1 << 20_000])) == ["nan", "-inf", hex(1 << 20_000)]
