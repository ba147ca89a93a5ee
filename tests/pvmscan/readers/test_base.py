"""Budgets: each container keeps each of them, and says so where it does."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable

import pytest

import assemble as asm
import judged
from pvmscan import ScanOptions, Verdict, scan_bytes

MEMBERS = 30
SIZE = 1 << 16
CONTENT = asm.honest() + bytes(range(256)) * (SIZE // 256)


def tar(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def seven_zip(members: dict[str, bytes]) -> bytes:
    library = pytest.importorskip("py7zr", reason="py7zr is not installed")
    out = io.BytesIO()
    with library.SevenZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(content, name)
    return out.getvalue()


def arrays(members: dict[str, bytes]) -> bytes:
    return b"".join(asm.npy(content, "|u1", f"({len(content)},)") for content in members.values())


def deflated(members: dict[str, bytes]) -> bytes:
    return asm.zipped(members, zipfile.ZIP_DEFLATED)


Pack = Callable[[dict[str, bytes]], bytes]
ARCHIVES: dict[str, Pack] = {"zip": deflated, "tar": tar, "7z": seven_zip}
CODECS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zlib": zlib.compress,
}


def kinds(data: bytes, options: ScanOptions) -> tuple[Verdict, list[str]]:
    report = scan_bytes(data, name="m.zip", options=options)
    return report.verdict, [problem.kind for problem in report.files[0].errors]


@pytest.mark.parametrize("kind", [*ARCHIVES, "npy"])
def test_members(kind: str) -> None:
    pack = {**ARCHIVES, "npy": arrays}[kind]
    data = pack({f"{number}.pkl": asm.honest() for number in range(MEMBERS)})
    verdict, found = kinds(data, ScanOptions(members=MEMBERS // 3))
    assert verdict is Verdict.INCOMPLETE
    assert "limit" in found
    assert kinds(data, ScanOptions(members=MEMBERS)) == (Verdict.CLEAN, [])


def test_members_of_all_archives_in_a_file_are_counted_together() -> None:
    inner = deflated({f"{number}.pkl": asm.honest() for number in range(9)})
    data = deflated({f"{number}.zip": inner + bytes([number]) for number in range(9)})
    assert kinds(data, ScanOptions(members=50))[0] is Verdict.INCOMPLETE
    assert kinds(data, ScanOptions(members=100)) == (Verdict.UNVERIFIED, [])  # a byte after each archive


@pytest.mark.parametrize("kind", ["zip", "7z", *CODECS])
def test_bytes(kind: str) -> None:
    members = {f"{number}.pkl": CONTENT + bytes([number]) for number in range(4)}
    data = ARCHIVES[kind](members) if kind in ARCHIVES else CODECS[kind](CONTENT * 4)
    verdict, found = kinds(data, ScanOptions(inflated_bytes=SIZE // 2))
    assert verdict is Verdict.INCOMPLETE
    assert "limit" in found
    assert kinds(data, ScanOptions(inflated_bytes=5 * len(CONTENT)))[1] == []


def test_bytes_of_all_layers_in_a_file_are_counted_together() -> None:
    data = gzip.compress(bz2.compress(lzma.compress(CONTENT)) + asm.honest())
    assert kinds(data, ScanOptions(inflated_bytes=len(CONTENT) + 1))[0] is Verdict.INCOMPLETE


@pytest.mark.parametrize("kind", [*ARCHIVES, *CODECS])
def test_nesting(kind: str) -> None:
    data = asm.malicious()
    for _ in range(4):
        data = ARCHIVES[kind]({"m.pkl": data}) if kind in ARCHIVES else CODECS[kind](data)
    verdict, found = kinds(data, ScanOptions(depth=3))
    assert verdict >= Verdict.INCOMPLETE  # what is too small to be packed lies in a 7z archive as it is
    assert "limit" in found
    assert kinds(data, ScanOptions(depth=4))[0] is Verdict.DANGEROUS


def test_nesting_in_turns() -> None:
    data = asm.malicious()
    for pack in (gzip.compress, lambda one: tar({"m.pkl": one}), zlib.compress, asm.WRAPPERS["zip"]) * 2:
        data = pack(data)
    assert judged.verdict(data, "m.zip") is Verdict.DANGEROUS
    assert kinds(data, ScanOptions(depth=7)) == (Verdict.INCOMPLETE, ["limit"])


def test_a_finding_before_the_limit_stays() -> None:
    data = deflated({"a.pkl": asm.malicious(), **{f"{number}.pkl": CONTENT for number in range(9)}})
    for options in (ScanOptions(members=3), ScanOptions(inflated_bytes=SIZE), ScanOptions(depth=1)):
        assert kinds(data, options)[0] is Verdict.DANGEROUS
