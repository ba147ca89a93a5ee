"""Rows of opcodes: one for each that ran, with what it did."""

from __future__ import annotations

import pickletools

import pvm
from pvm import dialects
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
