"""Rows of opcodes: one for each that ran, with what it did."""

from __future__ import annotations

import pickletools

import pytest

import pvm
from pvm import dialects, trace
from pvmscan import opcode_rows
from pvmscan.opcode_rows import Row
from pvmscan_cli import samples as demo


def rows_of(data: bytes, dialect: str | None = None) -> list[Row]:
    rows: list[Row] = []
    chosen = None if dialect is None else dialects.dialect(dialect)
    opcode_rows.walk(data, pvm.run(data), rows.append, chosen)
    return rows


def test_one_row_for_each_opcode() -> None:
    for sample in demo.SAMPLES:
        if sample.path.endswith(".pkl"):
            data = sample.make()
            rows = rows_of(data)
            known = [(position, opcode.name) for opcode, _, position in pickletools.genops(data)]
            assert [(row.offset, row.name) for row in rows] == known


def test_events_stand_where_they_happen() -> None:
    rows = rows_of(demo.computed_name())
    told = {row.offset: row.events for row in rows if row.events}
    assert told[107] == ["calls os.system('echo inert')"]
    assert told[90] == ["calls builtins.getattr(os, 'system')"]


def test_what_the_file_says_is_safe() -> None:
    evil = demo.program(2, demo.call(demo.named("os.system"), demo.text("\x1b[2J\r\n\u202e" * 100)))
    for row in rows_of(evil):
        assert all(text.isprintable() for text in (row.argument, row.memo, *row.events))


def test_another_dialect() -> None:
    assert [row.name for row in rows_of(demo.system(), "python")] == [
        row.name for row in rows_of(demo.system())
    ]


@pytest.mark.parametrize(
    ("data", "offset", "expected"),
    [
        (b"cm\nC\n)RK\x01a.", 9, "calls either of m.C() with (1,)"),
        (b"cm\nC\n)RVk\nK\x01s.", 12, "sets m.C()['k'] = 1"),
        (b"cm\nC\n)R}b.", 8, "sets the state of m.C() to {}"),
        (b"Pid\n.", 0, "loads persistent id 'id'"),
        (b"\x80\x04\x82\x05.", 2, "loads extension code 5"),
        (b"\x80\x05\x97.", 2, "takes the next buffer"),
        (b"cposix\nsystem\n.", 0, "imports os.system (written posix.system)"),
    ],
)
def test_every_event_is_told(data: bytes, offset: int, expected: str) -> None:
    assert [(row.offset, row.events) for row in rows_of(data) if row.events][-1] == (offset, [expected])


def test_an_attribute_that_is_written_is_told() -> None:
    """In runs for a loader of which it is known that BUILD writes attributes."""
    event = trace.SetAttribute(5, "target", "name", 1, "dict")
    assert opcode_rows._event(event, "BUILD") == "sets 'target', attribute 'name' to 1"


def test_what_goes_to_the_memo_and_comes_from_it() -> None:
    assert [row.memo for row in rows_of(b"\x80\x04N\x94K\x01\x94h\x01p7\ng7\n.")] == [
        "", "", "memo[0] =", "", "memo[1] =", "= memo[1]", "memo[7] =", "= memo[7]", ""
    ]  # fmt: skip
