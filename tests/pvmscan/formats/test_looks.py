"""Colours that can be read, a look for everything, and labels that break where a reader would break them."""

from __future__ import annotations

from typing import Any

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

import report_samples as samples
from pvm import graph as graphs
from pvmscan.formats._looks import caption, folded, legend, look_of, role_of, tables, tip, tooltip
from pvmscan.formats._safe import width_of
from pvmscan.knowledge.schema import EFFECTS
from pvmscan.report import Verdict

PAPER = {"light": "#faf9f6", "dark": "#121417"}
CARD = {"light": "#ffffff", "dark": "#1a1d22"}
INK = {"light": "#1b1e23", "dark": "#eceef1"}
SOFT = {"light": "#575d66", "dark": "#a3aab4"}
SUNK = {"light": "#f3f1ec", "dark": "#0e1013"}
READABLE = 4.5
"""WCAG 2.2, success criterion 1.4.3, for text of ordinary size."""


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted([luminance(one), luminance(other)], reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_ruler_itself() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_verdicts_can_be_read(theme: str) -> None:
    for name, colours in tables()["verdicts"].items():
        assert contrast(colours[theme], PAPER[theme]) >= READABLE, name
        assert contrast(colours[theme], CARD[theme]) >= READABLE, name  # on a badge the two change places


def test_text_on_every_effect_can_be_read() -> None:
    for name, colours in tables()["effects"].items():
        for text in (INK, SOFT):
            assert contrast(text["light"], colours["fill"]) >= READABLE, name
            assert contrast(text["dark"], colours["dark"]) >= READABLE, name
        assert contrast(colours["line"], "#ffffff") >= 3, name  # 1.4.11, for what is no text


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("ground", [PAPER, CARD, SUNK])
def test_ordinary_text_can_be_read(ground: dict[str, str], theme: str) -> None:
    assert (
        contrast(INK[theme], ground[theme]) >= READABLE and contrast(SOFT[theme], ground[theme]) >= READABLE
    )


def test_the_page_has_these_grounds() -> None:
    from pvmscan.formats._page import FOLDER

    sheet = (FOLDER / "page.css").read_text("utf-8")
    for name, colours in (("paper", PAPER), ("card", CARD), ("sunk", SUNK), ("ink", INK), ("soft", SOFT)):
        assert f"--{name}: light-dark({colours['light']}, {colours['dark']});" in sheet


def test_everything_has_a_look() -> None:
    assert {*EFFECTS, "harmless", "unknown", "structure", ""} == set(tables()["effects"])
    assert {str(verdict) for verdict in Verdict} == set(tables()["verdicts"])
    assert set(tables()["kinds"].values()) == set(tables()["shapes"])
    assert set(graphs.DATA) <= set(tables()["kinds"])
    fills = [one["fill"] for one in tables()["effects"].values()]
    assert len(set(fills)) == len(fills)


def test_an_effect_of_a_plug_in_keeps_its_name() -> None:
    look = look_of({"kind": "call", "effect": "mines\ncoins", "verdict": "odd"})
    assert (look.effect, look.words, look.verdict) == ("structure", "mines\\ncoins", "")


@given(st.text(max_size=200), st.integers(8, 50))
def test_folding_loses_nothing_but_space(text: str, width: int) -> None:
    lines = folded(text, 10_000, width)
    assert all(width_of(line) <= width for line in lines)
    from pvmscan.formats._safe import safe

    assert "".join("".join(lines).split()) == "".join(safe(text).split())


def test_names_break_after_their_marks() -> None:
    assert folded("sklearn.ensemble._forest.RandomForestClassifier", 240, 26) == [
        "sklearn.ensemble._forest.",
        "RandomForestClassifier",
    ]


def test_caption_and_tip() -> None:
    attributes = {"kind": "global", "label": "os.system", "offset": 16, "data": "a\nb", "effect": "command"}
    assert caption(attributes) == ["os.system", "a", "b", "at 16 (0x10)"]
    assert tip(attributes) == [
        ("", "os.system"), ("", "a"), ("", "b"), ("kind", "global"), ("effect", "runs a command"),
        ("", "at 16 (0x10)"),
    ]  # fmt: skip
    assert caption(attributes | {"count": 3})[-1] == "3 alike, first at 16 (0x10)"
    hostile: dict[str, Any] = {
        "kind": samples.HOSTILE,
        "label": samples.HOSTILE * 9999,
        "value": samples.HOSTILE,
    }
    assert all(line.isprintable() for line in tooltip(hostile).split("\n")) and len(tooltip(hostile)) < 9999


def test_roles() -> None:
    assert role_of({"role": "arg", "position": 2}) == "arg 2"
    assert role_of({"role": "keyword", "name": "a\n"}) == "keyword a\\n"
    assert role_of({"role": "state", "count": 3}) == "state ×3"


def test_the_legend_has_what_occurs() -> None:
    graph: nx.MultiDiGraph[str] = nx.MultiDiGraph()
    graph.add_node("a", kind="call", effect="command")
    graph.add_node("b", kind="const")
    shapes, looks = legend(graph)
    assert [name for name, _ in shapes] == ["call", "constant"]
    assert [look.words for look in looks] == ["runs a command", "data"]
