"""Shapes of items that repeat, against `pickletools` and against a stack of our own."""

from __future__ import annotations

import pickletools
import struct
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pvm import runs, shapes
from pvm.shapes import CHUNK, MOST, Column, Shape, instructions, is_closed, narrow, periods

OPCODES = {ord(one.code): one for one in pickletools.opcodes}
INDICES = st.integers(0, 300) | st.integers(0, 2**32 - 1)
LETTERS = st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="\\'\"")
ASCII = st.text(LETTERS, max_size=runs.LONGEST)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


def short(code: bytes, form: str, most: int) -> st.SearchStrategy[bytes]:
    return st.integers(0, most).map(lambda number: code + struct.pack(form, number))


def counted(code: bytes, form: str, text: str) -> bytes:
    raw = text.encode()
    return code + struct.pack(form, len(raw)) + raw


ARGUMENTS: dict[bytes, st.SearchStrategy[bytes]] = {
    b"K": short(b"K", "<B", 255),
    b"M": short(b"M", "<H", 65535),
    b"J": st.integers(-(2**31), 2**31 - 1).map(lambda number: b"J" + struct.pack("<i", number)),
    b"G": st.floats().map(lambda number: b"G" + struct.pack(">d", number)),
    b"I": st.integers(-(10**17), 10**17).map(lambda number: b"I%d\n" % number) | st.just(b"I01\n"),
    b"L": st.integers().map(lambda number: b"L%dL\n" % number),
    b"F": st.sampled_from([b"F1.5\n", b"F-0.25\n", b"F1e+10\n", b"Finf\n", b"Fnan\n", b"F7\n"]),
    b"\x8c": TEXT.filter(lambda text: len(text.encode()) < 256).map(
        lambda text: counted(b"\x8c", "<B", text)
    ),
    b"X": TEXT.map(lambda text: counted(b"X", "<I", text)),
    b"U": ASCII.map(lambda text: counted(b"U", "<B", text)),
    b"V": ASCII.map(lambda text: b"V" + text.encode() + b"\n"),
    b"S": ASCII.map(lambda text: b"S'" + text.encode() + b"'\n"),
    b"C": st.binary(max_size=20).map(lambda raw: b"C" + bytes([len(raw)]) + raw),
    b"h": short(b"h", "<B", 255),
    b"j": short(b"j", "<I", 2**32 - 1),
    b"g": INDICES.map(lambda number: b"g%d\n" % number),
    b"q": short(b"q", "<B", 255),
    b"r": short(b"r", "<I", 2**32 - 1),
    b"p": INDICES.map(lambda number: b"p%d\n" % number),
}
BARE = [bytes([code]) for code in shapes._PIECES if bytes([code]) not in ARGUMENTS]
INSTRUCTION = st.one_of(*ARGUMENTS.values(), st.sampled_from(BARE))
ITEM = st.lists(INSTRUCTION, min_size=2, max_size=8)
STRANGE = st.sampled_from([b".", b"cm\nx\n", b"\x80\x04", b"0", b"2", b"\xff", b"I 1\n", b"Snone\n", b"i"])


def pieces_of(data: bytes) -> list[bytes]:
    """The patterns of all instructions; what follows is no argument of theirs."""
    return instructions(data + b"..", 0, len(data) + 1)[0]


# Instructions ----------------------------------------------------------------------------------------------


def test_every_kind_is_tried_here() -> None:
    assert {code[0] for code in ARGUMENTS} - {ord("C")} | {code[0] for code in BARE} == {*shapes._PIECES}


@given(st.lists(INSTRUCTION, max_size=20), STRANGE, st.lists(INSTRUCTION, max_size=3))
def test_instructions_begin_where_pickletools_says(
    some: list[bytes], strange: bytes, more: list[bytes]
) -> None:
    """Up to the first that is no part of an item."""
    data = b"".join(some)
    pieces, starts = instructions(data + strange + b"".join(more) + b"..", 0, len(data) + len(strange))
    expected = [position for _, _, position in pickletools.genops(data + b".")][:-1]
    assert starts == expected and len(pieces) == len(some)


@given(st.lists(INSTRUCTION, min_size=1, max_size=6), st.data())
def test_nothing_is_read_beyond_the_edge(some: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(some)
    edge = data.draw(st.integers(0, len(whole)))
    _, starts = instructions(whole + b"..", 0, edge)
    ends = [sum(map(len, some[: count + 1])) for count in range(len(some))]
    assert starts == [end - len(one) for one, end in zip(some, ends, strict=True) if end <= edge and (
        end - len(one) + 1 < edge
    )]  # fmt: skip


def test_two_periods_of_the_longest_item_are_enough() -> None:
    pieces, starts = instructions(b"N" * 1000, 5, 1000)
    assert len(pieces) == len(starts) == 3 * MOST >= 2 * MOST and starts[0] == 5


@given(ITEM, ITEM)
def test_equal_instructions_have_equal_pieces(one: list[bytes], other: list[bytes]) -> None:
    """Numbers of any kind are alike; so are texts of an opcode that are short and ASCII, or that are neither."""
    for first, second in zip(one, other, strict=False):
        if first[0] == second[0] and first[0] not in b"C\x8cX":
            assert pieces_of(first) == pieces_of(second)
    numbers = {piece for one_number in (b"K\0", b"M\0\0", b"N", b"I1\n") for piece in pieces_of(one_number)}
    assert len(numbers) == 1
    assert pieces_of(b"C\1x") != pieces_of(b"C\2xx")


# What they do to the stack ---------------------------------------------------------------------------------


@pytest.mark.parametrize("code", sorted(shapes._PIECES), ids=hex)
def test_effects_are_those_that_pickletools_knows(code: int) -> None:
    effect, known = shapes._EFFECTS[shapes._PIECES[code]], OPCODES[code]
    before, after = list(known.stack_before), list(known.stack_after)
    if known.name in ("PUT", "BINPUT", "LONG_BINPUT"):  # pickletools does not say that they look at the top
        before = after = [pickletools.anyobject]
    closes = pickletools.markobject in before
    assert effect.mark == (-1 if closes else after == [pickletools.markobject])
    if effect.mark == 1:
        return
    if closes:
        before = before[: before.index(pickletools.markobject)]
    assert effect.pops + effect.receiver == len(before)
    assert effect.pushes + effect.receiver == len(after)


def leaves_alone(codes: list[int]) -> bool:
    """Run an item twice over a stack: is what was below left alone, and is the second run like the first?"""
    stack: list[Any] = ["below"]
    marked: list[list[Any]] = []
    looks: list[list[Any]] = []
    for _ in range(2):
        looked: list[Any] = []
        for code in codes:
            effect = shapes._EFFECTS[shapes._PIECES[code]]
            if effect.mark > 0:
                marked.append(stack)
                stack = []
                continue
            if effect.mark < 0:
                if not marked:
                    return False
                stack = marked.pop()
            for _ in range(effect.pops):
                if not stack or stack.pop() == "below":
                    return False
            if effect.receiver:
                if not stack:
                    return False
                looked.append(stack[-1])
            stack.extend(["new"] * effect.pushes)
        if marked:
            return False
        looks.append(looked)
    return looks[0] == looks[1]


CODES = st.lists(st.sampled_from(sorted(shapes._PIECES)), min_size=1, max_size=10)
LIKELY = st.lists(st.sampled_from(list(b"NK((tue}])sab\x94q\x86R")), min_size=1, max_size=10)


@given(CODES | LIKELY)
def test_an_item_is_closed_if_it_leaves_alone_what_is_below(codes: list[int]) -> None:
    assert is_closed([shapes._PIECES[code] for code in codes]) == leaves_alone(codes)


@pytest.mark.parametrize(
    ("codes", "closed"),
    [
        (b"N", True), (b"Na", True), (b"NNs", True), (b"(NNu", True), (b"(NNuN", False), (b"NaN", False), (b"a", False),
        (b"NNa", True), (b"(N", False), (b"Nt", False), (b"(a", False), (b"(Nat", False), (b"](NeNb", True),
        (b"}(u\x94N\x86", True), (b"((NttR", False), (b"N(NtR", True), (b"NQ", True), (b"\x94", True),
        (b"(\x94t", False),
    ],
)  # fmt: skip
def test_closed_items(codes: bytes, closed: bool) -> None:
    assert is_closed([shapes._PIECES[code] for code in codes]) == closed == leaves_alone([*codes])


# Periods ---------------------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from([b"a", b"b", b"c"]), max_size=5), st.integers(1, 6), st.integers(0, 3))
def test_periods_are_the_sizes_after_which_pieces_repeat(unit: list[bytes], times: int, less: int) -> None:
    pieces = (unit * times)[: len(unit) * times - less]
    sizes = range(2, len(pieces) // 2 + 1)
    assert [*periods(pieces)] == [size for size in sizes if pieces[:size] == pieces[size : 2 * size]]


def test_no_period_is_longer_than_the_longest_item() -> None:
    def unit(size: int) -> list[bytes]:
        return [b"%d" % number for number in range(size)]

    assert [*periods(unit(MOST) * 2)] == [MOST]
    assert [*periods(unit(MOST + 1) * 2)] == []


# Columns ---------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 255), min_size=1, max_size=9))
@pytest.mark.parametrize(
    "write",
    [
        lambda number: b"h" + bytes([number]),
        lambda number: b"q" + bytes([number]),
        lambda number: b"j" + struct.pack("<I", 16_777_213 * number),
        lambda number: b"r" + struct.pack("<I", 16_777_213 * number),
        lambda number: b"g%d\n" % (number * 10**14),
        lambda number: b"p%d\n" % (number * 10**14),
    ],
)
def test_columns_read_what_pickletools_reads(write: Callable[[int], bytes], numbers: list[int]) -> None:
    written = [write(number) for number in numbers]
    (piece,) = pieces_of(written[0])
    shape = Shape([piece])
    (column,) = shape.columns
    whole = b"".join(written)
    rows = shape.rows(whole, 0, len(whole), len(written))
    expected = [argument for _, argument, _ in pickletools.genops(b"".join(written) + b".")][:-1]
    assert [row[0] for row in rows] == written
    assert [*column.indices([row[1] for row in rows])] == expected and not column.is_text


def test_text_that_is_not_ascii_is_a_column() -> None:
    item = b"\x8c\x02\xc3\xa9X\x02\0\0\0\xc3\xa9\x8c\x01a"
    shape = Shape(pieces_of(item))
    assert [column.is_text for column in shape.columns] == [True, True]
    assert shape.rows(item, 0, len(item), 1)[0].groups() == (item[:4], item[4:11])
    assert not Column(pieces_of(b"q\0")[0]).is_text


# Items -----------------------------------------------------------------------------------------------------

ENTERS = b"\x94qrp"


@given(ITEM)
def test_entries_are_what_the_item_enters_in_the_memo(item: list[bytes]) -> None:
    assert Shape(pieces_of(b"".join(item))).entries == sum(one[0] in ENTERS for one in item)


NUMBERS = st.integers(0, 255).map(lambda number: b"K" + bytes([number]))
WORDS = ASCII.map(lambda text: counted(b"X", "<I", text))
FORMS: list[list[st.SearchStrategy[bytes]]] = [
    [NUMBERS, WORDS],
    [st.just(b"}"), ARGUMENTS[b"q"], st.just(b"("), WORDS, NUMBERS, st.just(b"u")],
    [st.just(b"("), NUMBERS, st.just(b"("), ARGUMENTS[b"h"], st.just(b"t"), st.just(b"t"), st.just(b"\x94")],
    [st.just(b"]"), st.just(b"("), NUMBERS, WORDS, st.just(b"e"), ARGUMENTS[b"p"]],
]
ROWS = st.sampled_from(FORMS).flatmap(
    lambda form: st.lists(st.tuples(*form).map(list), min_size=1, max_size=3 * CHUNK + 1)
)


@given(ROWS, st.integers(0, 4 * CHUNK), st.binary(max_size=3))
def test_items_are_followed_as_far_as_they_go(rows: list[list[bytes]], most: int, before: bytes) -> None:
    items = [b"".join(row) for row in rows]
    shape = Shape(pieces_of(items[0]))
    data = before + b"".join(items) + b"."
    found = min(most, len(items))
    end = len(before) + sum(map(len, items[:found]))
    assert shape.follow(data, len(before), len(data), most) == (end, found)
    assert shape.follow(data, len(before), len(data) - 2, 40)[1] == len(items) - 1
    assert [item[0] for item in shape.rows(data, len(before), len(data), most)] == items[:most]


@given(ROWS, st.data())
def test_the_next_item_is_found_from_behind_a_mark(rows: list[list[bytes]], data: st.DataObject) -> None:
    shape = Shape(pieces_of(b"".join(rows[0])))
    items = [b"".join(row) for row in rows]
    whole = b"".join(items) + b"."
    assert shape.next_start(whole, 0, len(whole)) == (0 if len(items) >= CHUNK else -1)
    marks = [place for place, one in enumerate(rows[0]) if one == b"("]
    assume(marks)
    behind = data.draw(st.sampled_from(marks))
    at = len(b"".join(rows[0][: behind + 1]))
    found = shape.next_start(whole, at, len(whole))
    assert found == (len(items[0]) if len(items) > CHUNK else -1)


def test_a_byte_that_is_no_item_ends_them() -> None:
    shape = Shape(pieces_of(b"K\0X\1\0\0\0a"))
    items = b"K\0X\1\0\0\0a" * (2 * CHUNK)
    for place in (0, len(items) // 2 - 8, len(items) // 2):
        broken = items[:place] + b"M" + items[place + 1 :]
        assert shape.follow(broken, 0, len(broken), 9 * CHUNK)[1] == place // (len(items) // (2 * CHUNK))


@given(ROWS, ROWS)
def test_narrow_patterns_match_the_items_at_hand_and_no_other(
    rows: list[list[bytes]], others: list[list[bytes]]
) -> None:
    items = b"".join(b"".join(row) for row in rows)
    pieces, starts = instructions(items + b".", 0, len(items) + 1)
    item = pieces[: len(rows[0])]
    shape = Shape(item, narrow(item, starts, items))
    known = len(pieces) // len(item)
    assert len(shape.rows(items, 0, len(items), known)) == known
    for row in others:
        other = b"".join(row)
        found = shape.row.fullmatch(other)
        assert found is None or found.groups() == Shape(item).row.fullmatch(other).groups()  # type: ignore[union-attr]


def test_narrow_patterns_are_short() -> None:
    item = b"X\x0a\0\0\0layer.bias" + b"K\1M\0\1N" + b"X\1\0\0\0a"
    pieces, starts = instructions(2 * item + b".", 0, 2 * len(item) + 1)
    patterns = narrow(pieces[:5], starts, 2 * item)
    assert 5 * len(b"".join(patterns)) < len(b"".join(pieces[:5]))
    longer = item.replace(b"X\1\0\0\0a", b"X\5\0\0\0aaaaa")
    assert Shape(pieces[:5]).row.match(longer) and not Shape(pieces[:5], patterns).row.match(longer)


def test_narrow_patterns_have_no_texts_that_are_left_to_the_loop() -> None:
    long = bytes([runs.LONGEST])
    data = (b"X" + long + b"\0\0\0" + b"a" * runs.LONGEST + b"K\1") * 2 + b"K\xffN."
    pieces, starts = instructions(data, 0, len(data))
    shape = Shape(pieces[:2], narrow(pieces[:2], starts, data))
    longer = b"X" + bytes([runs.LONGEST + 1]) + b"\0\0\0" + b"a" * (runs.LONGEST + 1) + b"K\1"
    assert len(shape.rows(data, 0, len(data), 9)) == 2 and not shape.row.match(longer)
