"""Bytes as a file read like any other file."""

from __future__ import annotations

import io
import mmap
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvmscan.buffer import Mapped
from pvmscan.readers import window
from pvmscan.readers.window import Window

STEPS = st.lists(st.tuples(st.integers(0, 40), st.sampled_from([0, 1, 2]), st.integers(0, 20)), max_size=8)


@given(st.binary(max_size=30), STEPS)
def test_as_a_file_in_memory(data: bytes, steps: list[tuple[int, int, int]]) -> None:
    with io.BytesIO(data) as expected, Window(data) as found:
        assert found.readable() and found.seekable()
        for offset, whence, count in steps:
            assert found.seek(offset, whence) == expected.seek(offset, whence) == found.tell()
            assert found.read(count) == expected.read(count)
        found.seek(0)
        assert found.read() == data


def test_pages_that_were_read_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content, forgotten = os.urandom(10_000), []
    (tmp_path / "data").write_bytes(content)
    with (tmp_path / "data").open("rb") as file:
        data = Mapped(file.fileno(), 0, access=mmap.ACCESS_READ)
    monkeypatch.setattr(window, "WINDOW", 2000)
    monkeypatch.setattr(window, "forget", lambda *span: forgotten.append(span))
    with Window(data) as found:
        assert b"".join(iter(lambda: found.read(500), b"")) == content
    assert forgotten == [(data, 0, 10_000)] * 4
    data.close()
