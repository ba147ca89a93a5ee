"""Colour, width and progress: only for people at a terminal."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Iterator

import pytest

from pvmscan.scan import Progress
from pvmscan_cli import common
from pvmscan_cli.progress import Meter


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("NO_COLOR", "CI", "TERM", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    yield


def test_colour_only_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    assert common.wants_colour(Terminal())
    assert not common.wants_colour(io.StringIO())
    for name, value in {"NO_COLOR": "1", "CI": "true", "TERM": "dumb"}.items():
        with monkeypatch.context() as changed:
            changed.setenv(name, value)
            assert not common.wants_colour(Terminal()), name


def test_width_of_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert common.columns(io.StringIO()) is None
    monkeypatch.setenv("COLUMNS", "50")
    assert common.columns(Terminal()) == 50
    monkeypatch.setenv("COLUMNS", "500")
    assert common.columns(Terminal()) == 120


def watch(meter: Meter, seconds: float) -> None:
    with meter:
        for number in range(4):
            meter(Progress(f"a\x1b[2J{number}.pkl", number, 4, number * 10, 40))
            time.sleep(seconds / 4)


@pytest.mark.parametrize(
    ("enabled", "patience", "seconds", "shown"),
    [(True, 0.05, 1.0, True), (True, 60, 0.05, False), (False, 0.0, 0.1, False)],
)
def test_a_bar_appears_only_after_a_while(
    monkeypatch: pytest.MonkeyPatch, enabled: bool, patience: float, seconds: float, shown: bool
) -> None:
    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(sys, "stderr", terminal)
    watch(Meter(enabled, patience), seconds)
    text = terminal.getvalue()
    assert bool(text) == shown
    assert not shown or ("4 files" in text and "a\\x1b[2J" in text)
    assert not shown or ("/40 bytes" in text and "bytes/s" in text)


@pytest.mark.parametrize(("width", "seen"), [(100, True), (80, True), (40, False)])
def test_a_narrow_terminal_has_room_for_the_bar(
    monkeypatch: pytest.MonkeyPatch, width: int, seen: bool
) -> None:
    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr(sys, "stderr", terminal)
    watch(Meter(True, 0.0), 0.6)
    text = terminal.getvalue()
    assert "4 files" in text and ("bytes" in text) == seen


def test_no_bar_in_continuous_integration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert Meter().enabled
    monkeypatch.setenv("CI", "1")
    assert not Meter().enabled
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.delenv("CI")
    assert not Meter().enabled
