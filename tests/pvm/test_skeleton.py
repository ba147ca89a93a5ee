"""The skeletal pass against the machine and the real unpicklers: wherever it speaks, it says what they do."""

from __future__ import annotations

import mmap
import pickle
import random
import struct
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

import honest
import mixed
import programs
import pvm
from pvm import skeleton, stretches
from pvm.stretches import Stretches
from pvm.usage import APPEND, NeedsMachine, Usage
from skeletal import agrees_with_machine, agrees_with_unpickler, deciding, skim


@pytest.mark.parametrize("seed", range(4))
def test_generated_programs(seed: int) -> None:
    spoken = 0
    for program in islice(programs.stream(2000 + seed, edge=0.06), 3000):
        spoken += agrees_with_machine(program)
        agrees_with_unpickler(program)
    assert spoken > 100


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(programs.programs())
def test_any_program(program: bytes) -> None:
    agrees_with_machine(program)


@pytest.mark.parametrize("seed", range(4))
def test_honest_pickles_are_mostly_settled(seed: int) -> None:
    spoken = 0
    for number, data in enumerate(honest.pickles(seed, 400)):
        spoken += agrees_with_machine(data)
        agrees_with_unpickler(data)
        agrees_with_machine(honest.damaged(number, data))
    assert spoken > 340


def cuts(data: bytes) -> Iterator[bytes]:
    return (data[:size] for size in range(len(data)))


def test_a_truncated_pickle_is_never_spoken_for() -> None:
    for data in honest.pickles(7, 30):
        for part in list(cuts(data))[-200:]:
            assert skim(part) is None


@pytest.mark.parametrize("protocol", range(6))
def test_windows_and_frames_do_not_matter(protocol: int) -> None:
    """More data than a window holds, with runs that cross windows and frames."""
    data = pickle.dumps(
        [
            list(range(60_000)),
            [str(i) for i in range(30_000)],
            {str(i): i / 3 for i in range(30_000)},
            ["x"] * 99,
        ],
        protocol,
    )
    assert agrees_with_machine(data)


def test_a_mapped_file_is_read_like_bytes(tmp_path: Path) -> None:
    data = pickle.dumps({str(i): i for i in range(100_000)}, 4)
    (tmp_path / "x.pkl").write_bytes(data)
    with (
        open(tmp_path / "x.pkl", "rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
    ):
        assert skeleton.run(mapped).stop == len(data)


def test_the_place_in_the_input_does_not_matter() -> None:
    data = pickle.dumps([1, "a", honest.Plain()], 4)
    found = skeleton.run(b"junk" + data + b"junk", 4)
    assert (found.start, found.stop) == (4, 4 + len(data))
    assert found.usage.names == skeleton.run(data).usage.names


def test_a_longer_pickle_than_the_limit_is_the_machines() -> None:
    data = pickle.dumps(list(range(1000)), 4)
    assert skeleton.run(data, limit=len(data)).stop == len(data)
    with pytest.raises(NeedsMachine):
        skeleton.run(data, limit=len(data) - 1)


@pytest.mark.parametrize(
    "program",
    [
        b"cbuiltins\ngetattr\n(N\x8c\x01xtR.",  # a callee that decides by its arguments
        b"cbuiltins\nlist\n",  # no STOP
        b"]2.",  # DUP
        b"\x82\x01.",  # EXT1
        b"(lp0\ng1\n.",  # a memo entry that was never filled
        b"cm\nC\n]R.",  # arguments that are no tuple
        b"cm\nC\nN\x81.",
        b"N}b.",  # a state for None
        b"cos\nenviron\n}b.",  # a state for a global
        b"}]Ns.",  # a key that cannot be hashed
        b"\x8c\x01\xff.",  # no UTF-8
        b"I1_0\n.",  # a number that loaders read differently
        b"\x80\x04\x95\x03\x00\x00\x00\x00\x00\x00\x00N.N",  # STOP inside a frame
        b"\x80\x04\x95\x01\x00\x00\x00\x00\x00\x00\x00K\x01.",  # an argument that crosses a frame
        b"NN\x80\x02.",  # PROTO in the middle
        b"\x80\x06N.",  # an unknown protocol
    ],
)
def test_what_is_left_to_the_machine(program: bytes) -> None:
    assert skim(program) is None


@pytest.mark.parametrize("seed", range(2))
def test_weighing_changes_nothing_else(seed: int) -> None:
    """Containers with weights are followed like those without."""
    for data in honest.pickles(50 + seed, 300):
        try:
            plain = skeleton.run(data)
        except NeedsMachine:
            continue
        used = Usage(data, 0)
        at = 2 if data[:1] == b"\x80" else 0
        used.protocol = data[1] if at else 0
        stop, _, persistent = skeleton._loop(data, at, len(data), used, True, Stretches(), None)
        assert (stop, persistent) == (plain.stop, plain.persistent)
        assert (used.names, used.counts) == (plain.usage.names, plain.usage.counts)


def doubling(levels: int, leaf: object = 1) -> list[object]:
    value: list[object] = [leaf]
    for _ in range(levels):
        value = [value, value]
    return value


def filled_from_outside(levels: int) -> bytes:
    """Lists that each hold the next one twice, put together while the next one is still empty."""
    empty = b"".join(b"]" + b"\x94" for _ in range(levels))
    fill = b"".join(b"h%ch%ca0h%ch%ca0" % (i, i + 1, i, i + 1) for i in range(levels - 1))
    return b"\x80\x04" + empty + fill + b"h\x00."


def test_much_sharing_is_left_to_the_machine() -> None:
    assert skim(pickle.dumps(doubling(40))) is None
    assert skim(pickle.dumps(tuple(doubling(70)))) is None
    assert skim(filled_from_outside(60)) is None


def test_pairs_that_are_swallowed_count_where_their_dictionary_is_shared() -> None:
    pairs = b"".join(b"I%d\nI1\ns" % number for number in range(100_000))
    rows = b"(dp0\n" + pairs + b"(lp1\n" + 1000 * b"g0\na" + b"(lp2\n" + 1000 * b"g1\na"
    assert skim(b"(" + rows + b"t.") is None


def test_shared_parts_in_a_row_are_honest() -> None:
    shared: tuple[object, ...] = ("axis", 0)
    rows: list[object] = []
    for i in range(90):
        pair = (i, shared)
        rows.append([pair, (pair, shared)])
        shared = ("axis", (i, pair))
    assert skim(pickle.dumps(rows, 4)) is not None


def test_a_state_that_replaces_a_method_is_left_to_the_machine() -> None:
    one, two = honest.Items([1, 2]), honest.Items([3, 4])
    one.extend = print  # type: ignore[method-assign]
    assert skim(pickle.dumps([one, two], 4)) is None


# Counts, sharing and memo, in pickles that are larger than the usual ones -----------------------------------


@pytest.mark.parametrize("count", [1, 7, 8, 9, 16, 17, 500])
@pytest.mark.parametrize("written", [b"cm\nf%d\n0", b"\x8c\x01m\x8c\x04f%03d\x930"])
def test_any_number_of_names(count: int, written: bytes) -> None:
    data = b"\x80\x04" + b"".join(written % number for number in range(count)) + b"N."
    assert agrees_with_machine(data)


@pytest.mark.parametrize("protocol", [0, 1, 2, 4])
@pytest.mark.parametrize("kind", [list, tuple])
def test_sharing_is_seen_in_every_protocol(protocol: int, kind: Callable[[list[object]], object]) -> None:
    """Whatever it is made of, and by whichever opcode it is taken from the memo."""
    value: object = kind([1])
    for _ in range(70):
        value = kind([value, value])
    assert skim(pickle.dumps(value, protocol)) is None


@pytest.mark.parametrize("count", [3, 9, 10, 40, 300])
def test_additions_to_objects_are_counted_one_by_one(count: int) -> None:
    """Also where those to a list would be swallowed at once: the object's class says what they do."""
    items = b"".join(b"V%d\np%d\na" % (number, number) for number in range(count))
    found = skim(b"cm\nC\n(tR" + items + b".")
    assert found is not None and found.usage.counts[APPEND] == count


@pytest.mark.parametrize("count", [9, 50, 400])
@pytest.mark.parametrize("store", [b"a", b"s"])
@pytest.mark.parametrize("asked", [0, 7])
def test_swallowed_memo_entries_are_those_that_were_written(count: int, store: bytes, asked: int) -> None:
    """An index that was left out is missed when it is asked for, however many were swallowed around it."""

    def items(indices: list[int]) -> bytes:
        value = b"a" if store == b"a" else b"I1\ns"
        written = b"".join(b"Vtext %d\np%d\n" % (n, index) + value for n, index in enumerate(indices))
        return (b"(l" if store == b"a" else b"(d") + written

    get = b"g%d\n" % asked + (b"a." if store == b"a" else b"I1\ns.")
    in_order = items([*range(count)]) + get
    assert agrees_with_machine(in_order)
    left_out = items([count + 5 if index == asked else index for index in range(count)]) + get
    assert skim(left_out) is None and pvm.run(left_out).fault is not None


@pytest.mark.parametrize("asked", [0, 255, 256, 65_535, 65_536, 65_537, 69_999])
def test_any_memo_index(asked: int) -> None:
    """Of one byte and of four, whatever is in them; what was never entered is missed."""

    def entered(count: int) -> bytes:
        puts = (b"q%c" % n if n < 256 else b"r" + struct.pack("<I", n) for n in range(count))
        return b"\x80\x02" + b"".join(b"]%s0" % put for put in puts)

    get = b"h%c." % asked if asked < 256 else b"j" + struct.pack("<I", asked) + b"."
    assert skim(entered(70_000) + get) is not None
    assert skim(entered(asked) + get) is None


@pytest.mark.parametrize("filler", [b"]", b"}", b"N", b"]\x94"])
def test_weights_grow_with_what_is_weighed(filler: bytes) -> None:
    """Over many windows; weighing begins where much is shared."""
    data = b"\x80\x04(" + filler * 300_000 + b"l."
    used = Usage(data, 0)
    used.protocol = 4
    assert (
        skeleton._loop(data, 2, len(data), used, True, Stretches(), None)[0]
        == skeleton.run(data).stop
        == len(data)
    )


@pytest.mark.parametrize("before", [0, 1, 100])
def test_a_limit_counts_from_where_the_pickle_begins(before: int) -> None:
    data = pickle.dumps(list(range(100)), 4)
    whole = b"N" * before + data + b"N" * 5
    assert skeleton.run(whole, before, limit=len(data)).stop == before + len(data)
    with pytest.raises(NeedsMachine):
        skeleton.run(whole, before, limit=len(data) - 1)


MAX_GAP = 64
"""As in `pvm.skeleton`, which has no such name when it is compiled."""


@pytest.mark.parametrize("written", [lambda n: b"r" + struct.pack("<I", n), lambda n: b"p%d\n" % n])
@pytest.mark.parametrize("filled", [0, 1, 100])
def test_memo_entries_may_be_left_out_but_not_many(written: Callable[[int], bytes], filled: int) -> None:
    """Nobody who writes pickles leaves out more; what is left out costs a place in memory."""
    start = b"\x80\x02N" + b"".join(map(written, range(filled)))
    for gap in (0, 1, MAX_GAP):
        assert skim(start + written(filled + gap) + b".") is not None
        if gap:
            assert (
                skim(start + written(filled + gap) + b"j" + struct.pack("<I", filled + gap - 1) + b".")
                is None
            )
    assert skim(start + written(filled + MAX_GAP + 1) + b".") is None
    assert skim(start + written(2**32 - 1) + b".") is None


@pytest.mark.parametrize("length", [0, 255, 256, 65_535, 65_536, 70_000, (1 << 24) + 5])
@pytest.mark.parametrize(
    ("code", "width"),
    [(b"X", 4), (b"T", 4), (b"B", 4), (b"\x8d", 8), (b"\x8e", 8), (b"\x8b", 4), (b"\x96", 8)],
)
def test_constants_and_frames_of_any_length(code: bytes, width: int, length: int) -> None:
    """They end where their size says, in a frame that holds them and without one."""
    constant = code + length.to_bytes(width, "little") + b"a" * length
    for frame in (b"", b"\x95" + (len(constant) + 1).to_bytes(8, "little")):
        data = b"\x80\x05" + frame + constant + b"."
        found = skim(data + b"aaa")
        assert found is not None and found.stop == len(data)
        assert skim(data[:-1]) is None
        assert skim(data[:-2] + b".") is None


@pytest.mark.parametrize("count", [9, 50, 400])
@pytest.mark.parametrize("text", [b"X\4\0\0\0text", b"U\4text"])
@pytest.mark.parametrize("number", [b"", b"K\1"])
def test_swallowed_constants_fill_the_entries_that_were_written(
    text: bytes, number: bytes, count: int
) -> None:
    def items(indices: list[int]) -> bytes:
        return b"](" + b"".join(text + b"r" + struct.pack("<I", one) + number for one in indices) + b"e"

    every, get = [*range(count)], b"j\7\0\0\0\x86."
    assert agrees_with_machine(items(every) + get)
    assert skim(items([count + 5 if index == 7 else index for index in every]) + get) is None


# Callees that look at their arguments ----------------------------------------------------------------------


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pickle is too small for leaps."""
    monkeypatch.setattr(stretches, "WORTH", 0)
    monkeypatch.setattr(stretches, "SHARE", 0)
    monkeypatch.setattr(Stretches, "shortest", 8)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("seed", range(2))
def test_callees_that_decide_are_followed_where_the_machine_agrees(seed: int) -> None:
    spoken, rng = 0, random.Random(seed)
    programs_of = islice(programs.stream(4000 + seed, edge=0.06), 2000)
    for program in [*map(deciding, programs_of), *(mixed.program(rng) for _ in range(150))]:
        found = skim(program)
        agrees = agrees_with_machine(program)
        agrees_with_unpickler(program)
        spoken += agrees and found is not None and any(found.deciding)
    assert spoken > 20


GETATTR = b"cbuiltins\ngetattr\ncm\nC\n\x8c\x01x\x86R"


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize(
    ("program", "names"),
    [
        (GETATTR + b".", ["builtins.getattr"]),
        (GETATTR + b")R}b.", ["builtins.getattr"]),  # the result is called, and gets a state
        (b"}" + GETATTR + b"K\x01s.", ["builtins.getattr"]),  # it may be a key
        (b"cm\nC\n)R)R.", ["m.C"]),  # whatever returns what is called
        (b"cbuiltins\ngetattr\n0cm\nC\n)R)R.", ["builtins.getattr", "m.C"]),
        (b"cbuiltins\ngetattr\n.", []),  # imported alone, it decides nothing
        (b"cm\nC\n)R.", []),
    ],
)
def test_which_globals_decide(program: bytes, names: list[str]) -> None:
    found = skeleton.run(program)
    every = zip(found.usage.paths, found.deciding, strict=True)
    assert [path for path, decides in every if decides] == names
    assert agrees_with_machine(program)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize(
    "program",
    [
        b"]" + GETATTR + b"R.",  # a list is called
        GETATTR + b"K\x01a.",  # items for what nobody knows
        GETATTR + b"K\x01K\x02s.",
        GETATTR + b")\x81.",
        b"cm\nf\n" + GETATTR + b"R.",  # arguments that nobody knows
        b"\x8c\x01m" + GETATTR + b"\x93.",  # a name that nobody knows
        b"cbuiltins\nbytes\n)R)R.",  # the machine evaluates what is called
    ],
)
def test_what_is_done_with_results_otherwise_is_left_to_the_machine(program: bytes) -> None:
    assert skim(program) is None
