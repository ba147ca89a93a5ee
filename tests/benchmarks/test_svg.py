"""The plot is well-formed, complete, and to scale."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.growth import plot
from benchmarks.records import Record
from benchmarks.svg import LABEL_STEP, Line, Panel, Scale, figure, spaced, tick_text

SVG = "{http://www.w3.org/2000/svg}"


def texts(drawn: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(drawn).iter(f"{SVG}text")]


def test_names_titles_and_units_are_drawn_and_escaped() -> None:
    panel = Panel("a <b>", "bytes & more", "seconds", [Line("x<y & z", [(1, 1), (1000, 10)])])
    said = texts(figure("title", "note", [panel, panel, panel]))
    assert {"title", "note", "a <b>", "bytes & more", "seconds", "x<y & z", "1k"} <= set(said)
    assert said.count("x<y & z") == 3


def test_a_plot_has_a_line_for_each_workload_and_measure() -> None:
    records = [
        Record(name, "adversarial", "growth", n, 50 * n, None, None, "pvmscan", "pvmscan", "library",
               wall=[n / 1e5], cpu=[n / 1e5], peak=[n / 10])
        for name in ("dup-storm", "deep-lists", "unheard-of")
        for n in (10, 100, 1000)
    ]  # fmt: skip
    said = texts(plot(records, "pvmscan", "growth"))
    assert {"dup-storm  1.00", "deep-lists  1.00", "unheard-of  1.00", "dup-storm"} <= set(said)
    assert {"Adversarial, nesting: CPU time", "Adversarial: peak memory over bare Python"} <= set(said)


def test_nothing_measured_is_an_empty_plot() -> None:
    assert texts(plot([], "pvmscan", "growth"))[0] == "growth"


def test_a_scale_covers_whole_decades() -> None:
    scale = Scale.over([20, 5_000], 0, 400)
    assert scale.ticks() == [10, 100, 1_000, 10_000]
    assert [scale(value) for value in (10, 100, 10_000)] == pytest.approx([0, 400 / 3, 400])
    assert Scale.over([10, 10], 0, 1).ticks() == [10, 100]


@pytest.mark.parametrize(
    ("value", "said"), [(1e6, "1M"), (2e3, "2k"), (10, "10"), (0.001, "0.001"), (1e-5, "10µ"), (1e9, "1G")]
)
def test_ticks_are_short(value: float, said: str) -> None:
    assert tick_text(value) == said


@given(st.lists(st.floats(0, 400), max_size=20))
def test_labels_keep_their_order_and_their_distance(positions: list[float]) -> None:
    moved = spaced(positions, LABEL_STEP, 0, 400)
    order = sorted(range(len(positions)), key=positions.__getitem__)
    assert all(moved[b] - moved[a] >= LABEL_STEP - 1e-9 for a, b in pairwise(order))
    assert all(-1e-9 <= one <= 400 + 1e-9 for one in moved)
