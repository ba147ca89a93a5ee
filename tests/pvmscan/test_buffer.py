"""Maps of files: searched window by window, and forgotten."""

from __future__ import annotations

import mmap
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvmscan import buffer
from pvmscan.buffer import Mapped, few, forget
from pvmscan.readers.view import view

MIB = 1 << 20


def mapped(path: Path, content: bytes = b"", size: int = 0) -> Mapped:
    with open(path, "wb+") as file:
        file.write(content)
        file.truncate(max(size, len(content)))
        file.flush()
        return Mapped(file.fileno(), 0, access=mmap.ACCESS_READ)


def resident() -> int:
    """Bytes of files that are in this process' memory."""
    return int(Path("/proc/self/statm").read_text().split()[2]) * mmap.PAGESIZE


LINUX = pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")


@given(
    st.text("ab", min_size=1, max_size=80),
    st.text("ab", min_size=1, max_size=20),
    st.integers(-90, 90),
    st.integers(-90, 90),
)
def test_find_is_that_of_bytes(
    tmp_path_factory: pytest.TempPathFactory, text: str, sub: str, start: int, stop: int
) -> None:
    data, wanted = text.encode(), sub.encode()
    found = mapped(tmp_path_factory.mktemp("map") / "data", data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(buffer, "WINDOW", 10)
        assert found.find(wanted) == data.find(wanted)
        assert found.find(wanted, start) == data.find(wanted, start)
        assert found.find(wanted, start, stop) == data.find(wanted, start, stop)


@given(st.binary(max_size=40), st.integers(0, 1 << 70), st.integers(0, 1 << 70))
def test_few_bytes_are_those_of_a_slice(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, start: int, stop: int
) -> None:
    found = mapped(tmp_path_factory.mktemp("map") / "data", data + b"!")
    for low, high in ((start, stop), (start % 60, stop % 60), (start % 9, 1 << 64)):
        assert few(found, low, high) == few(data + b"!", low, high) == (data + b"!")[low:high]


def test_a_map_that_is_gone_leaves_no_file_open(tmp_path: Path) -> None:
    data = mapped(tmp_path / "data", b"abc")
    number = data.file
    assert few(data, 0, 2) == b"ab" and os.fstat(number).st_size == 3
    del data
    with pytest.raises(OSError):
        os.fstat(number)


@LINUX
def test_what_a_search_has_passed_is_forgotten(tmp_path: Path) -> None:
    data = mapped(tmp_path / "data", size=128 * MIB)
    before = resident()
    assert data.find(b"x") == -1
    assert resident() - before < 32 * MIB
    assert mmap.mmap.find(data, b"x") == -1
    assert resident() - before > 100 * MIB


@LINUX
@pytest.mark.parametrize("start", [0, 5000])
def test_pages_come_back_from_the_file(tmp_path: Path, start: int) -> None:
    content = bytes(range(256)) * (64 * MIB // 256)
    whole = mapped(tmp_path / "data", content)
    for data in (whole, view(view(whole, 10, 64 * MIB), 10, 64 * MIB - 10)):
        expected = bytes(data[:])
        before = resident()
        forget(data, start, len(data) + 10)
        assert before - resident() > 50 * MIB
        assert bytes(data[:]) == expected


def test_bytes_in_memory_stay_there(tmp_path: Path) -> None:
    for data in (b"abc", view(b"abc", 0, 3), mapped(tmp_path / "data", b"abc")):
        for start, stop in ((0, 3), (3, 3), (2, 1), (5, 9)):
            forget(data, start, stop)
        assert bytes(data[:]) == b"abc"
