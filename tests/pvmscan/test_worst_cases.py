"""Files made to hang the scan or to fill the memory: judged within 300 MiB, in work that grows as the file does."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable

import pytest

import assemble as asm
from corpus import CORPUS, rows
from pvm import skeleton, vectors
from pvmscan import ScanOptions, Verdict, scan, scan_bytes
from pvmscan.report import FileReport

MEMORY = 300 << 20
OPTIONS = ScanOptions(memory_bytes=MEMORY)


def repeated_text(times: int) -> bytes:
    made = asm.call(asm.at("operator.mul"), asm.text("b"), asm.number(1_000_000))
    return asm.program(4, *[made + b"r" + (index + 10).to_bytes(4, "little") for index in range(times)])


def growing_text(times: int) -> bytes:
    more = asm.get(0) + asm.get(1) + asm.text("b") + b"\x86R" + asm.put(1) + asm.POP
    return asm.program(
        4, asm.at("operator.concat"), asm.put(0), asm.text("a"), asm.put(1), more * times, asm.NONE
    )


def doubled_lists(levels: int) -> bytes:
    pair = [b"](" + asm.get(level) * 2 + b"e" + asm.put(level + 1) for level in range(levels)]
    return asm.program(2, b"]", asm.put(0), *pair)


def packed(pack: Callable[[bytes], bytes]) -> bytes:
    return pack(asm.proto(2) + b"B" + (90 << 20).to_bytes(4, "little") + bytes(90 << 20) + b".")


HUNGRY = {
    "many globals": asm.proto(2) + b"".join(b"cm%d\nn%d\n0" % (i, i) for i in range(20_000)) + b"N.",
    "many calls": asm.proto(2) + b"cfoo\nbar\nq\0" + b"h\0)R0" * 20_000 + b"N.",
    "deep lists": asm.proto(2) + b"]" * 200_000 + b"a" * 199_999 + b".",
    "deep tuples": asm.proto(2) + b"N" + b"\x85" * 200_000 + b".",
    "deep calls": asm.proto(2) + b"cfoo\nbar\nq\0)R" + b"q\1h\0h\1\x85R" * 20_000 + b".",
    "many marks": asm.proto(2) + b"(" * 300_000 + b"N.",
    "many pickles": b"\x80\x02N." * 3_000,
    "a long line": asm.proto(2) + b"I" + b"9" * 300_000 + b"\nN.",
    "long texts": repeated_text(1_000),
    "a growing text": growing_text(5_000),
    "doubled lists": doubled_lists(200),
    "nested pickles": asm.nested(asm.nested(asm.nested(asm.honest()))),
    "gzip": packed(lambda data: gzip.compress(data, 9)),
    "bzip2": packed(bz2.compress),
    "xz": packed(lambda data: lzma.compress(data, preset=0)),
}


def judged(report: FileReport) -> Verdict:
    assert not [one.message for one in report.errors if "memory" in one.message or one.kind == "internal"]
    return report.verdict


@pytest.mark.parametrize("name", HUNGRY)
def test_a_hungry_file_is_judged_within_the_memory(name: str) -> None:
    judged(scan_bytes(HUNGRY[name], options=OPTIONS).files[0])


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_what_expands_to_nothing_but_zeros_is_not_clean(pack: Callable[[bytes], bytes]) -> None:
    file = scan_bytes(pack(bytes(90 << 20)), options=OPTIONS).files[0]
    assert judged(file) >= Verdict.SUSPICIOUS
    assert [one.rule for one in file.findings] == ["archive/bomb"]


def test_the_corpus_of_exhaustion_is_judged_within_the_memory_and_never_clean() -> None:
    found = [row for row in rows("malicious") if row["expected"] == "dos"]
    assert found
    for row in found:
        path = CORPUS / "malicious" / row["file"]
        verdict = judged(scan(path, options=OPTIONS).files[0])
        assert verdict >= Verdict.INCOMPLETE, row["file"]


def test_small_pickles_do_not_each_get_room_for_a_large_one(monkeypatch: pytest.MonkeyPatch) -> None:
    if not str(skeleton.__file__).endswith(".py"):
        pytest.skip("the compiled build allocates in C")
    asked: list[int] = []
    zeros = vectors.zeros

    def counted(size: int) -> object:
        asked.append(size)
        return zeros(size)

    monkeypatch.setattr(skeleton, "zeros", counted)
    data = b"\x80\x02N." * 100_000
    for start in range(0, 400, 4):
        skeleton.run(data, start)
    assert sum(asked) / 100 < 10_000
