"""Counters as Prometheus reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from pvmscan.service.metrics import BUCKETS, Metrics


@given(st.lists(st.floats(0, 1000), max_size=20))
def test_a_histogram_counts_everything_once_and_never_falls(times: list[float]) -> None:
    metrics = Metrics()
    for seconds in times:
        metrics.scanned("clean", seconds, 3)
    lines = metrics.text({}, {}).splitlines()
    counts = [
        int(line.rpartition(" ")[2]) for line in lines if line.startswith("pvmscan_scan_seconds_bucket")
    ]
    assert counts == [sum(seconds <= bound for seconds in times) for bound in (*BUCKETS, float("inf"))]
    assert f"pvmscan_scan_seconds_count {len(times)}" in lines
    assert f"pvmscan_fetched_bytes_total {3 * len(times)}" in lines


def test_labels_are_escaped() -> None:
    text = Metrics().text({"name": 'a"b\\c\nd'}, {"pvmscan_x": ("Some.", 3)})
    assert 'pvmscan_info{name="a\\"b\\\\c\\nd"} 1\n' in text
    assert "# HELP pvmscan_x Some.\n# TYPE pvmscan_x gauge\npvmscan_x 3\n" in text
