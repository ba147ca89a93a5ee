"""Formats that are recognised and not read: never silently clean."""

from __future__ import annotations

import io
import tarfile

import pytest

import assemble as asm
import judged
from pvmscan import Verdict
from pvmscan.readers.foreign import foreign_format

HEADS = {
    "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(504),
    "7z archive": b"7z\xbc\xaf\x27\x1c" + bytes(100),
    "RAR archive": b"Rar!\x1a\x07\x00" + bytes(100),
    "GGUF": b"GGUF\x03\0\0\0" + bytes(16),
    "TensorFlow Lite": b"\x1c\0\0\0TFL3" + bytes(20),
}


def tar(content: bytes, format_: int = tarfile.USTAR_FORMAT) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=format_) as archive:
        member = tarfile.TarInfo("model.pkl")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return target.getvalue()


@pytest.mark.parametrize("name", HEADS)
def test_a_known_format_that_is_not_read_is_incomplete(name: str) -> None:
    if foreign_format(HEADS[name]) is None:
        pytest.skip(f"{name} has a reader of its own by now")
    file = judged.file(HEADS[name], "model.bin")
    assert file.verdict is Verdict.INCOMPLETE
    assert [problem.kind for problem in file.errors] == ["unsupported"]
    assert name in file.errors[0].message


@pytest.mark.parametrize("format_", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_tar_archive_is_known_by_its_checksum(format_: int) -> None:
    assert foreign_format(tar(b"x", format_)[:512]) in ("tar archive", None)
    assert judged.verdict(tar(asm.honest(), format_), "x.tar") <= Verdict.INCOMPLETE
    assert judged.verdict(tar(asm.malicious(), format_), "x.tar") is Verdict.DANGEROUS


@pytest.mark.parametrize("name", HEADS)
def test_a_pickle_inside_is_found_all_the_same(name: str) -> None:
    assert judged.verdict(HEADS[name] + asm.malicious() + bytes(64), "model.bin") is Verdict.DANGEROUS


@pytest.mark.parametrize(
    "head", [b"", b"GGU", b"x" * 512, bytes(512), asm.honest(), b"\x80\x02" + HEADS["GGUF"]]
)
def test_other_content_is_not_taken_for_one(head: bytes) -> None:
    assert foreign_format(head) is None
