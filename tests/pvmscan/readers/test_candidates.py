"""The search for places that look like the start of a pickle."""

from __future__ import annotations

import mmap
import pickle
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import assemble as asm
import pvm
from pvm.values import Call
from pvmscan.readers import candidates
from pvmscan.readers.base import Budget, Source
from pvmscan.readers.candidates import Candidates, begins
from pvmscan.readers.raw import Raw
from pvmscan.report import Problem


@given(st.binary(max_size=60), st.binary(max_size=60), st.integers(2, 5))
def test_a_pickle_with_proto_is_found_wherever_it_lies(before: bytes, value: bytes, protocol: int) -> None:
    data = before + pickle.dumps({"k": value}, protocol)
    candidates, at = Candidates(data), 0
    seen = set()
    while at < len(data):
        at = candidates.after(at)
        seen.add(at)
        at += 1
    assert len(before) in seen


@given(st.binary(max_size=200))
def test_positions_only_go_forward_and_end_at_the_end(data: bytes) -> None:
    candidates, at, last = Candidates(data), 0, -1
    while at < len(data):
        found = candidates.after(at)
        assert found >= at and found > last
        last, at = found, found + 1


def test_storages_of_numbers_do_not_begin_like_pickles() -> None:
    assert not begins(bytes(64)) and not begins(b"\x00\x00\x80\x3f" * 16)
    assert begins(b"cos\nsystem\n") and begins(b"\x80\x02}q\x00.") and begins(b"\x8c\x02os\x8c\x06system\x93")


PARTS = (
    b"cos\nsystem\n",
    b"cx\ny\n",
    b"(",
    b")",
    b"}",
    b"]",
    b"S'a'\n",
    b"Va\n",
    b"I1\n",
    b"I 0x1\n",
    b"L2L\n",
    b"F.5\n",
    b"Finf\n",
    b"p0\n",
    b"p 1\n",
    b"q\0",
    b"r\0\0\0\0",
    b"g0\n",
    b"h\0",
    b"j\0\0\0\0",
    b"\x94",
    b"R",
    b"b",
    b"o",
    b"tR",
    b"\x85R",
    b"\x86R",
    b")R",
    b")\x81",
    b"0",
    b"2",
    b"N",
    b"K\1",
    b"J\1\0\0\0",
    b"X\1\0\0\0a",
    b"\x8c\1a",
    b"\x93",
    b"Q",
    b"Pid\n",
    b"a",
    b"s",
    b"\x80\2",
    b"\x95" + bytes(8),
    b"iq\nr\n",
    b"t",
    b"\x88",
    b"G" + bytes(8),
    b"C\1a",
    b"U\1a",
    b"T\1\0\0\0a",
    b"u",
    b"d",
    b"l",
)


BEGINNINGS = (
    b"cos\nsystem\n",
    b"\x80\x02}q\x00.",
    b"(S'x'\nios\nsystem\n",
    b"(cos\nsystem\no",
    b"\x8c\x02os\x8c\x06system\x93",
    b"\x8d\x02" + bytes(7) + b"os\x8c\x06system\x93",
    b"X\x02\0\0\0osX\x06\0\0\0system\x93",
    b"U\x02os\x94T\x06\0\0\0systemq\x05\x93",
    b"Vos\np0\nVsystem\nr\1\0\0\0\x93",
    b"S'os'\nS\"system\"\n\x94\x93",
)


@pytest.mark.parametrize("data", BEGINNINGS)
def test_every_way_to_begin_is_one(data: bytes) -> None:
    assert begins(data) and Candidates(data).after(0) == 0
    assert places(b"\xff" * 20 + data)[0] == 20


@pytest.mark.parametrize("size", [10, 500, 5000])
def test_a_head_may_be_cut_off_in_the_arguments(size: int) -> None:
    data = b"(S'" + b"x" * 10_000 + b"'\nios\nsystem\n"
    assert begins(data[:size]) and not begins(b"(" + bytes(size))


def test_no_run_that_calls_something_begins_elsewhere() -> None:
    """What may follow a GLOBAL is told by one look at it; the machine says whether that look was generous enough."""
    chance, calls = random.Random(1), 0
    for _ in range(20_000):
        data = b"cos\nsystem\n" + b"".join(chance.choice(PARTS) for _ in range(chance.randint(1, 6))) + b"."
        trace = pvm.run(data, encoding="any")
        if trace.complete or any(isinstance(event, Call) for event in trace.events):
            calls += 1
            assert Candidates(data).after(0) == 0, data
    assert calls > 2000


def test_words_in_lines_are_no_candidates() -> None:
    chance = random.Random(1)
    words = sorted(
        {"".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(2, 9))) for _ in range(20_000)}
    )
    for data in ("\n".join(words).encode(), "\n".join(chance.sample(words, len(words))).encode()):
        found, at = 0, -1
        search = Candidates(data)
        while (at := search.after(at + 1)) < len(data):
            found += 1
        assert found < len(words) / 100


def test_rows_of_globals_are_walked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    data = b"\n".join(b"ca%d" % number for number in range(100_000)) + b"\nx"
    search, at, found = Candidates(data), -1, 0
    while (at := search.after(at + 1)) < len(data):
        found += 1
    assert found == 0
    monkeypatch.setattr(candidates, "_MOST_ENDS", 10)
    assert Candidates(data[:5000] + b"cos\nsystem\n(S'a'\ntR.").after(0) < 5000


@pytest.mark.parametrize("blanks", [0, 1, 5000])
@pytest.mark.parametrize("before", range(2040, 2070))
def test_pieces_find_what_the_whole_would(monkeypatch: pytest.MonkeyPatch, before: int, blanks: int) -> None:
    data = b"x" * before + b"cos\nsystem\nF" + b" " * blanks + b"1.0\n0(S'a'\ntR." + b"x" * 4000
    expected = Candidates(data).after(0)
    monkeypatch.setattr(candidates, "PIECE", 2048)
    assert Candidates(data).after(0) == expected == before


def test_a_mapped_file_is_searched_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "PIECE", 1 << 14)
    path = tmp_path / "data.bin"
    for size in (20_000, 3 * mmap.PAGESIZE, 100_001):
        path.write_bytes(b"x" * size)
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            assert Candidates(data).after(0) == size


def test_a_payload_in_a_list_of_words_is_found() -> None:
    words = b"cat\ncot\ncrab\nclam\n" * 5000
    for before in (words, words + b"x", words[:-2]):
        search, at = Candidates(before + b"\n" + asm.RUN + b"." + words), -1
        starts = set()
        while (at := search.after(at + 1)) < len(search.data):
            starts.add(at)
        assert len(before) + 1 in starts


def test_a_large_text_is_no_limit() -> None:
    text = b"\n".join(b"word %d, count %d" % (number % 977, number) for number in range(200_000))
    assert not [item for item in Raw().read(Source(text, "words.csv"), Budget()) if isinstance(item, Problem)]


def places(data: bytes) -> list[int]:
    search, at, found = Candidates(data), -1, []
    while (at := search.after(at + 1)) < len(data):
        found.append(at)
    return found


@pytest.mark.parametrize("seed", range(20))
def test_window_by_window_the_same_is_found(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where most of a long white space is left out, and where a pattern reaches over it."""
    chance = random.Random(seed)
    more = [
        b"cos\nsystem\n",
        b"(S'a'\ncos\nsystem\n",
        b"\x8c\x02os\x8c\x06system\x93",
        b"cos\nsystem\nI",
        bytes(300),
    ]
    parts = [*PARTS, *more]
    pieces = [chance.choice(parts) for _ in range(3000)]
    for _ in range(20):
        space = chance.choice([b" ", b"\n", b" \t\n"]) * chance.randint(1, 4000)
        before = chance.choice([b"", b"cos\nsystem\nI", b"cos\nsystem\nL", b"(S'a'\ncos\nsystem"])
        pieces.insert(chance.randrange(len(pieces)), before + space + chance.choice([b"", b"5\n", b"-"]))
    data = b"".join(pieces)
    expected = places(data)
    monkeypatch.setattr(candidates, "PIECE", 2048)
    monkeypatch.setattr(candidates, "MUCH", 1024)
    assert len(data) > 20_000 and len(expected) > 100
    assert places(data) == expected


def test_a_place_whose_white_space_goes_on_for_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "PIECE", 2048)
    monkeypatch.setattr(candidates, "MUCH", 1024)
    for spaces in (0, 600, 1500, 2000, 5000, 20_000):
        for shift in (0, 1000, 2030, 2047):
            data = (
                b"\xff" * shift
                + b"cos\nsystem\nI"
                + b" " * spaces
                + b"5\n"
                + b"\xff" * 3000
                + b"cos\nsystem\n."
            )
            assert places(data) == [shift, len(data) - 12]
            assert places(data.replace(b"5\n", b"q\n")) == [len(data) - 12]
