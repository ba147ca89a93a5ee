"""A report that went through JSON is the report."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import report_samples as samples
from pvmscan.formats.json_ import dumps
from pvmscan.report import FileReport
from pvmscan.stored import file_report


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=60)
@given(st.from_type(FileReport))
def test_any_report_comes_back(one: FileReport) -> None:
    assert file_report(json.loads(dumps(one.to_dict()))) == one


def test_the_samples_come_back() -> None:
    assert tuple(file_report(one.to_dict()) for one in samples.ORDINARY.files) == samples.ORDINARY.files


@pytest.mark.parametrize("wrong", [{}, {"verdict": "fine"}])
def test_what_is_no_report_is_refused(wrong: dict[str, object]) -> None:
    whole = samples.ORDINARY.files[0].to_dict()
    with pytest.raises((KeyError, TypeError, ValueError)):
        file_report(wrong if "verdict" not in wrong else {**whole, **wrong})
