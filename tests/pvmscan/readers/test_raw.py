"""Raw pickles: every one in a stream, after junk, in the middle of other files, and cut short."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

import assemble as asm
import judged
import pvm
from pvm import dialects, machine
from pvm.trace import Trace
from pvmscan import Verdict
from pvmscan.readers import Budget, Source, attempt, raw
from pvmscan.readers.attempt import Run
from pvmscan.readers.candidates import Candidates
from pvmscan.readers.raw import Raw
from pvmscan.report import Problem

SHELL = "reachable-sink/shell-command"
HONEST, BAD = asm.honest(), asm.malicious()


def noise(count: int, seed: int = 7) -> bytes:
    return random.Random(seed).randbytes(count)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(payload: bytes) -> bytes:
    """A picture with a payload in a private chunk."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"\0\0"))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"piCk", payload) + pixels + chunk(b"IEND", b"")


def sqlite(payload: bytes) -> bytes:
    """A page of a database with a blob at its end, as SQLite lays cells out."""
    header = b"SQLite format 3\0" + struct.pack(">H", 4096) + bytes(82)
    page = b"\x0d\0\0\0\x01" + struct.pack(">H", 4096 - len(payload)) + b"\0"
    return header + page + bytes(4096 - len(header) - len(page) - len(payload)) + payload


@pytest.mark.parametrize(
    "data",
    [
        HONEST * 3 + BAD,
        BAD + HONEST,
        HONEST + b"\0" * 512 + BAD,
        HONEST + noise(300) + BAD,
        noise(3000) + BAD + noise(3000),
        b"{}" + b" " * 100 + BAD,
        png(BAD),
        png(asm.malicious(4)),
        sqlite(BAD),
        sqlite(asm.malicious(4)),
        png(asm.inst("os", "system", asm.text(asm.COMMAND)) + b"."),
        b"\xef\xbb\xbf" + BAD,
        b"#!/usr/bin/env python\n" + BAD,
        asm.malicious(4)[2:],
    ],
    ids=[
        "fourth of a stream", "first of a stream", "after zeros", "after noise", "inside noise", "after JSON",
        "PNG", "PNG, protocol 4", "SQLite", "SQLite, protocol 4", "PNG, INST", "after a BOM", "after a hashbang",
        "without PROTO",
    ],
)  # fmt: skip
def test_a_payload_is_found_wherever_it_lies(data: bytes) -> None:
    finding = judged.found(data, SHELL)
    where = finding.location.offset
    assert where is not None
    assert 0 <= where < len(data)


@pytest.mark.parametrize("data", [png(HONEST), sqlite(HONEST), png(b"text"), noise(20_000)])
def test_other_files_are_no_reason_for_alarm(data: bytes) -> None:
    assert judged.serious(data, "x.dat") == set()


def test_every_pickle_of_a_stream_is_reported() -> None:
    file = judged.file(HONEST * 4)
    assert [stream.offset for stream in file.streams] == [len(HONEST) * index for index in range(4)]
    assert all(stream.length == len(HONEST) for stream in file.streams)
    assert file.verdict is Verdict.CLEAN


def test_the_five_pickles_of_a_legacy_checkpoint_are_read() -> None:
    data = asm.torch_legacy(HONEST)
    assert [stream.format for stream in judged.file(data).streams] == ["torch-legacy"] * 5
    assert judged.verdict(data) is Verdict.CLEAN
    assert SHELL in judged.rules(asm.torch_legacy(BAD))


def test_raw_storages_after_a_legacy_checkpoint_are_data() -> None:
    data = asm.torch_legacy(HONEST, struct.pack("<q4f", 4, 0.1, 0.2, 0.3, 0.4))
    assert judged.verdict(data) is Verdict.CLEAN


@pytest.mark.parametrize("text", [b"hello\n", b"# readme\n\ncos system\n", b"a,b\n1,2\n", b"{}", b"."])
def test_a_text_file_holds_nothing_to_run(text: bytes) -> None:
    assert judged.verdict(text, "notes.txt") <= Verdict.UNVERIFIED
    assert judged.serious(text, "notes.txt") == set()


@pytest.mark.parametrize("name", ["model.pkl", "pytorch_model.bin", "notes.txt"])
def test_a_git_lfs_pointer_is_unreadable(name: str) -> None:
    data = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 9\n"
    assert judged.problems(data, name) == ["unreadable"]
    assert judged.verdict(data, name) is Verdict.INCOMPLETE


def test_noise_under_a_models_name_is_incomplete_and_elsewhere_nothing() -> None:
    data = b"\xff\xfe" + noise(100)
    assert judged.verdict(data, "model.pkl") is Verdict.INCOMPLETE
    assert judged.file(data, "picture.dat").skipped is not None


def test_a_truncated_pickle_is_incomplete() -> None:
    for end in range(20, len(HONEST) - 1):
        file = judged.file(HONEST[:end])
        assert file.verdict is Verdict.INCOMPLETE, end
        assert file.errors


def test_what_ran_before_the_cut_counts() -> None:
    assert SHELL in judged.rules(BAD[:-1])
    assert SHELL in judged.rules(asm.program(2, asm.RUN, b"\xff"))


def test_a_bad_opcode_after_a_payload_hides_nothing() -> None:
    data = asm.program(2, asm.RUN, asm.POP, b"\xff", b"never read")
    assert judged.verdict(data) is Verdict.DANGEROUS


def test_offsets_count_from_the_start_of_the_file() -> None:
    finding = judged.found(b"\0" * 100 + BAD, SHELL)
    assert finding.location.offset == 100 + BAD.index(b"R.")


DROPPED = {
    "NEWTRUE": b"\x880",
    "INT": b"I1\n0",
    "FLOAT": b"F1\n0",
    "SHORT_BINSTRING": b"U\x01a0",
    "UNICODE": b"Va\n0",
    "STRING": b"S'a'\n0",
    "BINBYTES": b"B\x01\0\0\0a0",
    "BINUNICODE8": b"\x8d\x01\0\0\0\0\0\0\0a0",
    "no PROTO": b"",
}
"""Opcodes that a pickle may begin with, and that do nothing."""


@pytest.mark.parametrize("first", DROPPED)
def test_a_payload_in_the_middle_is_found_however_it_begins(first: str) -> None:
    begin = DROPPED[first] if first == "no PROTO" else asm.proto(4) + DROPPED[first]
    payload = begin + asm.call(asm.stack_global("os", "system"), asm.text(asm.COMMAND)) + asm.STOP
    assert judged.verdict(png(payload), "x.png") is Verdict.DANGEROUS


def test_a_search_that_is_cut_off_is_reported() -> None:
    source = Source(b"\xff" + b"\x80\x02]\xff" * 50 + BAD, "x.dat")
    items = list(Raw().read(source, Budget(tried=10)))
    assert "limit" in [item.kind for item in items if isinstance(item, Problem)]


def test_many_places_that_look_like_pickles_are_bounded_by_the_budget() -> None:
    """Each could run to the end of the data, which would be quadratic."""
    budget = Budget(tried=20_000)
    items = list(Raw().read(Source(b"\xff" + b"\x80\x02]" * 3000 + b"\xff", "x.dat"), budget))
    assert "limit" in [item.kind for item in items if isinstance(item, Problem)]
    assert budget.tried > -100_000


# Laws ------------------------------------------------------------------------------------------------------

CHUNKS = st.sampled_from([HONEST, BAD, BAD[:20], b"\x80\x04", b"cos\nsystem\n", b"\x80\x02.", b"PK\x03\x04"])
MESSES = st.lists(CHUNKS | st.binary(max_size=40), max_size=6).map(b"".join)


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=300) | MESSES)
def test_no_bytes_make_a_scan_raise(data: bytes) -> None:
    assert judged.file(data, "x.bin").size == len(data)


@settings(deadline=None, max_examples=80)
@given(MESSES)
def test_bytes_added_after_a_finding_do_not_remove_it(tail: bytes) -> None:
    before = {(one.rule, one.location) for one in judged.scan(BAD).findings}
    after = {(one.rule, one.location) for one in judged.scan(BAD + tail).findings}
    assert before <= after


PROGRAMS = [
    HONEST,
    BAD,
    asm.program(4, asm.at("mypkg.Net")),
    asm.program(2, asm.SYSTEM),
    asm.nested(HONEST),
    asm.program(2, asm.ext(9)),
    asm.honest(4),
]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(PROGRAMS), min_size=1, max_size=5))
def test_a_stream_of_pickles_is_as_bad_as_its_worst(parts: list[bytes]) -> None:
    assert judged.verdict(b"".join(parts)) >= max(map(judged.verdict, parts))


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=200).filter(lambda junk: b"os" not in junk))
def test_no_junk_in_front_hides_a_payload(junk: bytes) -> None:
    """A loader that seeks to the pickle runs it. What is a constant of another pickle is data."""
    data = junk + asm.malicious(4)
    stop = pvm.run(data, encoding="any").stop
    assume(stop is None or stop <= len(junk))
    assert judged.verdict(data) >= Verdict.SUSPICIOUS


@pytest.mark.parametrize(
    "before",
    [
        b"V" + b"x" * 200_000 + b"\n0",
        asm.data(bytes(200_000)) + b"0",
        b"T" + struct.pack("<I", 200_000) + bytes(range(256)) * 781 + bytes(64) + b"0",
    ],
)
def test_a_payload_behind_a_long_constant_in_the_middle_of_data_is_found(before: bytes) -> None:
    bad = asm.program(2, before + asm.call(asm.glob("os", "system"), asm.text("echo inert")))
    judged.found(noise(1000) + bad + noise(100_000), SHELL, "x.bin")


def test_words_in_lines_are_looked_at_once_and_briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each `c` in a list of words may begin a GLOBAL; nothing calls what it names."""
    words = b"\n".join(b"%c%dcab" % (97 + number % 26, number) for number in range(3000))
    runs: list[int] = []
    whole = raw._Walk._run

    def counted(walk: raw._Walk, start: int) -> Run:
        runs.append(start)
        return whole(walk, start)

    monkeypatch.setattr(raw._Walk, "_run", counted)
    data = b"\0" + words
    assert data.count(b"cab\n") > 2900
    assert len(list(starts(data))) < 400
    list(Raw().read(Source(data, "vocab.txt"), Budget()))
    assert len(runs) < 150


def starts(data: bytes) -> Iterator[int]:
    candidates, at = Candidates(data), -1
    while (at := candidates.after(at + 1)) < len(data):
        yield at


def test_a_small_file_of_false_starts_spends_little_of_the_budget() -> None:
    budget = Budget()
    items = list(Raw().read(Source(b"\0\1" + b"\x80\x04(" * 1000, "x.bin"), budget))
    assert Budget().tried - budget.tried < raw.TRIED + raw.TRIED_FOR_BYTE * 3002 + 10_000
    assert any(isinstance(item, Problem) and item.kind == "limit" for item in items)


def test_a_newline_that_is_not_there_is_looked_for_once() -> None:
    class Counting(bytes):
        searched = 0

        def find(self, *where: object) -> int:
            Counting.searched += 1
            return super().find(*where)  # type: ignore[arg-type]

    data = Counting(b"\0" + b"\x80\x02Vx" * 50_000)
    walk = raw._Walk(Source(data, "x.bin"), Budget())
    assert not any(walk._worth_trying(at) for at in range(1, 40_000, 4))
    assert Counting.searched == 1


NOTES = st.one_of(
    st.binary(max_size=40),
    st.tuples(
        st.binary(min_size=1, max_size=1),
        st.lists(
            st.sampled_from([b"3\n", b"(", b"cos\n", b"c", b"system\n", b"i", b"N", b"0", b"}", b"tR.", b"Q"])
        ),
    ).map(lambda parts: parts[0] + b"".join(parts[1])),
)


@settings(max_examples=2000, deadline=None)
@given(NOTES)
@example(b"version https://git-lfs.github.com/spec/v1\n")
def test_where_no_pickle_is_possible_none_is_found(note: bytes) -> None:
    """So the reader need not run it: archives hold versions, byte orders and the like."""
    if not raw._POSSIBLE.match(note):
        source = Source(note, "m.pt", "archive/version", 1)
        assert not list(raw._Walk(source, Budget()).items())


@pytest.mark.parametrize("note", [b"3\n", b"little", b"big", b"0" * 40, b"1.0"])
def test_notes_that_archives_hold_are_none(note: bytes) -> None:
    assert not raw._POSSIBLE.match(note) and not list(
        Raw().read(Source(note, "m.pt", "version", 1), Budget())
    )


def test_what_a_loader_runs_is_run_all_the_same() -> None:
    items = list(raw.Raw().read(Source(b"\x003\n", "m.pt", "data.pkl", 1, expected=True), Budget()))
    assert [item.kind for item in items if isinstance(item, Problem)] == ["unrecognised"]


def runs_of(data: bytes, patch: pytest.MonkeyPatch) -> list[int]:
    """Where the machine was started while a file was judged."""
    started: list[int] = []
    run = machine.run

    def counted(*place: Any, start: int = 0, **more: Any) -> Trace:
        started.append(start)
        return run(*place, start=start, **more)

    with patch.context() as watched:
        watched.setattr(machine, "run", counted)
        watched.setattr(attempt, "KEPT_EVENTS", 20)
        judged.file(data)
    return started


def test_a_long_run_that_means_the_same_to_all_is_run_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = asm.obj(asm.SYSTEM, asm.text(asm.COMMAND)) * 30  # which the skeletal pass does not follow
    assert runs_of(asm.program(2, calls), monkeypatch) == [0]


def test_long_runs_that_differ_do_not_stay_in_memory_together(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = asm.obj(asm.SYSTEM, asm.text(asm.COMMAND)) * 30  # which the skeletal pass does not follow
    differs = asm.program(2, calls + asm.proto(2))
    assert pvm.run(differs).quirks
    assert len(runs_of(differs, monkeypatch)) == 2 * len(dialects.every())
