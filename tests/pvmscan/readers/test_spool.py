"""Bytes on their way to the reader: in memory or in a file without a name, they read alike."""

from __future__ import annotations

import errno
import gzip
import io
import mmap
import pickle
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pvmscan
from pvmscan.readers import spool
from pvmscan.readers.inflate import inflate
from pvmscan.report import Verdict


@given(
    st.lists(st.binary(max_size=9), max_size=9), st.integers(0, 40), st.integers(0, 20), st.integers(0, 60)
)
def test_it_holds_what_was_written(pieces: list[bytes], cut: int, kept: int, most: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spool, "KEPT", kept)
        one = spool.Spool()
        expected = b""
        for number, piece in enumerate(pieces):
            if number == 5:
                one.truncate(min(cut, len(expected)))
                expected = expected[:cut]
            one.write(piece)
            expected += piece
        assert one.tell() == len(expected)
        assert one.contents(most)[:] == expected[:most]


@pytest.mark.parametrize("kept", [0, 7, 100])
@pytest.mark.parametrize("before", [b"", b"abc"])
def test_zeros_take_what_is_put_among_them(kept: int, before: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "KEPT", kept)
    one = spool.Spool()
    one.write(before)
    one.grow(20)
    assert one.tell() == 20
    one.put(9, b"xyz")
    one.put(8, b"ab")
    one.write(b"end")
    assert one.contents(99)[:] == before.ljust(8, b"\0") + b"abyz" + bytes(8) + b"end"


def test_a_file_that_takes_a_part_gets_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a disk is nearly full; the next attempt says so."""

    class Reluctant(io.FileIO):
        def write(self, piece: Any) -> int:
            return super().write(bytes(piece)[:3])

    monkeypatch.setattr(spool, "KEPT", 4)
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda buffering: Reluctant(tmp_path / "spool", "w+b"))
    one = spool.Spool()
    one.write(b"abcd")
    one.write(b"efghijkl")
    one.put(2, b"CDEFG")
    assert one.contents(99)[:] == b"abCDEFGhijkl"


def hostile(filler: int) -> bytes:
    return (
        pickle.dumps([bytes(filler), list(range(5000))], 4)[:-1]
        + b"0cos\nsystem\nX\x0b\0\0\0echo inert\n\x85R."
    )


def archives(content: bytes) -> dict[str, bytes]:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model/data.pkl", content)
    return {"model.pkl.gz": gzip.compress(content), "model.pt": packed.getvalue()}


def test_what_lies_in_a_file_is_judged_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    mapped = []
    contents = spool.Spool.contents

    def noted(self: spool.Spool, most: int) -> Any:
        found = contents(self, most)
        mapped.append(isinstance(found, mmap.mmap))
        return found

    monkeypatch.setattr(spool.Spool, "contents", noted)
    for name, data in archives(hostile(70_000)).items():
        before = pvmscan.scan_bytes(data, name=name).to_dict()
        assert not any(mapped)
        with monkeypatch.context() as patch:
            patch.setattr(spool, "KEPT", 1000)
            after = pvmscan.scan_bytes(data, name=name).to_dict()
        assert any(mapped)
        mapped.clear()
        assert before == after
        assert before["verdict"] == "dangerous"


def test_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**options: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(spool, "KEPT", 1000)
    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    result = inflate(gzip.compress(b"x" * 5000), "gzip", limit=1 << 20)
    assert not result.complete and "No space left" in result.reason
    (report,) = pvmscan.scan_bytes(gzip.compress(hostile(5000)), name="model.pkl.gz").files
    assert report.verdict >= Verdict.INCOMPLETE
    assert any("No space left" in problem.message for problem in report.errors)


@pytest.mark.skipif(sys.platform != "linux", reason="where there is /proc")
def test_another_process_can_open_what_lies_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "KEPT", 4)
    one = spool.Spool()
    for piece in (b"abc", b"defg", b"hi"):
        one.write(piece)
    data = one.contents(8)
    del one
    program = "import sys; sys.stdout.buffer.write(open(sys.argv[1], 'rb').read())"
    command = [sys.executable, "-c", program, getattr(data, "path", "")]
    assert subprocess.run(command, capture_output=True, check=True).stdout == b"abcdefgh" == data[:]
