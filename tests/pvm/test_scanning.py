"""Text arguments: what counts as plain, and that the loop of the compiled build accepts no more than the patterns."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

import honest
from pvm import runs, scanning, skeleton
from pvm.decode import text_float, text_int, text_long, text_unicode
from pvm.dialects import every
from pvm.errors import Reject
from pvm.scanning import Text, check_text, text_at, unusual_text
from pvm.usage import NeedsMachine
from skeletal import skim

PATTERNS = {b"I": runs.INT, b"L": runs.LONG, b"F": runs.FLOAT, b"S": runs.STRING, b"V": runs.UNICODE}
LINES = st.one_of(
    st.binary(max_size=24),
    st.text("0123456789-+.eLx_ '\"\\naif", max_size=24).map(str.encode),
    st.integers(-(10**20), 10**20).map(lambda number: str(number).encode()),
    st.floats().map(lambda number: repr(number).encode()),
    st.lists(
        st.sampled_from(
            [
                "\\u00e9",
                "\\uABcd",
                "\\u12g4",
                "\\U0001f600",
                "\\U0010FFff",
                "\\U00110000",
                "\\U1",
                "\\",
                "u",
                "a",
                "é",
            ]
        )
    ).map(lambda one: "".join(one).encode()),
    st.text("ab'\"", max_size=8).map(lambda text: repr(text).encode()),
)


def reference(opcode: bytes, data: bytes) -> int:
    match = re.compile(PATTERNS[opcode]).match(data)
    return -1 if match is None else match.end()


@given(st.sampled_from(sorted(PATTERNS)), LINES, st.binary(max_size=4))
def test_a_line_ends_where_its_pattern_ends(opcode: bytes, line: bytes, rest: bytes) -> None:
    data = opcode + line + b"\n" + rest
    assert Text(data).line_end(0, len(data)) == reference(opcode, data)
    for limit in range(1, len(data)):
        assert Text(data).line_end(0, limit) == reference(opcode, data[:limit])


@given(st.sampled_from([b"I", b"L", b"F"]), LINES)
def test_a_plain_number_means_the_same_to_all_loaders(opcode: bytes, line: bytes) -> None:
    read = {b"I": text_int, b"L": text_long, b"F": text_float}[opcode]
    data = opcode + line + b"\n"
    if b"\n" in line or Text(data).line_end(0, len(data)) < 0:
        return
    values = {repr(read(line, dialect)) for dialect in every()}
    assert len(values) == 1


@given(LINES)
def test_a_plain_text_can_be_read(line: bytes) -> None:
    data = b"V" + line + b"\n"
    if b"\n" not in line and Text(data).line_end(0, len(data)) > 0:
        assert text_unicode(line).encode("raw-unicode-escape").count(b"\n") == 0


@given(st.text())
def test_what_a_pickler_writes_is_plain_text(text: str) -> None:
    data = pickle.dumps(text, 0)
    assert Text(data).line_end(0, len(data)) == data.index(b"\n") + 1


@given(LINES)
def test_a_memo_index_is_read_or_refused(line: bytes) -> None:
    data = b"p" + line + b"\n"
    match = re.compile(runs.INDEX).match(data, 1)
    text = Text(data)
    assert text.index(1, len(data)) == (-1 if match is None else int(match[1]))
    assert match is None or text.end == match.end()
    assert Text(data).index(1, len(data) - 1 - len(line)) == -1


TEXTS = st.one_of(
    st.binary(max_size=80),
    st.text(st.characters(), max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.lists(
        st.sampled_from([*b"a\x7f\x80\x8f\x90\x9f\xa0\xbf\xc1\xc2\xe0\xed\xf0\xf4\xf5"]), max_size=8
    ).map(bytes),
)


@given(TEXTS, st.integers(0, 80), st.integers(0, 90), st.booleans())
def test_text_within_the_limit(data: bytes, start: int, end: int, words: bool) -> None:
    start = min(start, end)
    expected = end <= len(data)
    if expected:
        try:
            data[start:end].decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            expected = False
    window = data + bytes(16) if words else data
    assert bool(Text(window).is_text(start, end, len(data))) == expected


@contextmanager
def as_compiled() -> Iterator[None]:
    """What the compiled build does, interpreted: the same source, the other way."""
    with pytest.MonkeyPatch.context() as patch:
        if str(scanning.__file__).endswith(".py"):
            patch.setattr(scanning, "COMPILED", True)
            patch.setattr(skeleton, "COMPILED", True)
        yield


@given(st.sampled_from(sorted(PATTERNS)), LINES, st.binary(max_size=4))
def test_the_compiled_way_to_the_end_of_a_line(opcode: bytes, line: bytes, rest: bytes) -> None:
    data = opcode + line + b"\n" + rest
    with as_compiled():
        for limit in range(1, len(data) + 1):
            assert Text(data).line_end(0, limit) == reference(opcode, data[:limit])


@given(st.sampled_from(sorted(PATTERNS)), LINES, st.integers(0, 9), st.binary(min_size=48, max_size=48))
def test_a_line_in_the_middle_ends_there_too(opcode: bytes, line: bytes, at: int, rest: bytes) -> None:
    """Behind so much, whole words are looked at."""
    data = opcode + line + b"\n" + rest
    expected = reference(opcode, data)
    for limit in (len(data), len(line) + 2, len(line) + 1):
        wanted = expected if expected <= limit else reference(opcode, data[:limit])
        with as_compiled():
            found = Text(b"7" * at + data).line_end(at, at + limit)
        assert found == (wanted + at if wanted >= 0 else -1)


@given(LINES, st.integers(0, 30))
def test_the_compiled_way_to_a_memo_index(line: bytes, limit: int) -> None:
    data = b"p" + line + b"\n"
    limit = min(limit, len(data))
    match = re.compile(runs.INDEX).match(data, 1, limit)
    with as_compiled():
        text = Text(data)
        assert text.index(1, limit) == (-1 if match is None else int(match[1]))
        assert match is None or text.end == match.end()


@pytest.mark.parametrize("place", range(4))
def test_an_escape_has_four_hexadecimal_digits(place: int) -> None:
    for byte in range(256):
        digits = bytearray(b"0aF9")
        digits[place] = byte
        data = b"V\\u%b\n." % bytes(digits)
        assert Text(data).line_end(0, len(data)) == reference(b"V", data)
        with as_compiled():
            assert Text(data).line_end(0, len(data)) == reference(b"V", data)


CONSTANTS = st.one_of(
    st.builds(lambda opcode, line: opcode + line + b"\n", st.sampled_from(sorted(PATTERNS)), LINES),
    st.integers(-1000, 10**12).map(lambda number: b"I%d\n" % number),
    st.text("abc", max_size=12).map(lambda text: b"V" + text.encode() + b"\n"),
    st.sampled_from([b"N", b"K\1", b"g0\n"]),
)
ENTRIES = st.one_of(st.just(b""), st.just(b"p#\n"), st.integers(0, 12).map(lambda index: b"p%d\n" % index))
"""PUT, with the index that is next in the place of `#`."""


def in_order(constants: list[tuple[bytes, bytes]], opcode: bytes, every: int, first: int) -> bytes:
    """The constants, each with its memo entry, and the opcode behind every so many."""
    data = b""
    for place, (constant, entry) in enumerate(constants, 1):
        data += constant + entry.replace(b"#", b"%d" % first) + (b"" if place % every else opcode)
        first += bool(entry)
    return data


def stored(data: bytes, opcode: bytes, every: int, first: int) -> tuple[int, int]:
    """Where the constants end that the opcode stores so many at a time, and the memo entries that they fill."""
    constant = re.compile(rb"(?:%s|N)(?:p%s)?" % (b"|".join(PATTERNS.values()), runs.INDEX))
    at = end = entries = told = 0
    while True:
        for _ in range(every):
            match = constant.match(data, end)
            if match is None or (match[1] is not None and int(match[1]) != first + told):
                return at, entries
            end, told = match.end(), told + (match[1] is not None)
        if data[end : end + 1] != opcode:
            return at, entries
        at = end = end + 1
        entries = told


@given(
    st.lists(st.tuples(CONSTANTS, ENTRIES), max_size=12), st.sampled_from([b"a", b"s"]), st.integers(0, 12)
)
def test_the_compiled_way_through_what_is_stored_one_by_one(
    constants: list[tuple[bytes, bytes]], opcode: bytes, first: int
) -> None:
    every = 1 if opcode == b"a" else 2
    data = in_order(constants, opcode, every, first)
    with as_compiled():
        text = Text(data)
        end = text.stored(0, len(data), opcode[0], first)
    assert stored(data[:end], opcode, every, first) == (end, text.entries)
    if not {constant[:1] for constant, _ in constants} & {b"S", b"F", b"L"}:  # the commonest forms only
        assert stored(data, opcode, every, first)[0] == end


NUMBERS = st.one_of(
    st.floats(-10, 10).map(lambda number: f"F{number!r}"),
    st.floats().map(lambda number: f"F{number!r}"),
    st.integers(-(10**19), 10**19).map(lambda number: f"I{number}"),
    st.text("0123456789.-", max_size=24).map(lambda text: "FI"[len(text) % 2] + text),
).map(lambda line: f"{line}\n".encode())


@given(st.lists(NUMBERS, max_size=8), st.integers(0, 7), st.integers(0, 60))
def test_the_compiled_way_through_rows_of_numbers(numbers: list[bytes], before: int, cut: int) -> None:
    data = b"".join(number + b"a" for number in numbers)
    limit = max(0, len(data) + 60 - cut)
    window = b"a" * before + data + bytes(60)
    with as_compiled():
        text = Text(window)
        end = text.stored(before, before + limit, 0x61, 0) - before
    assert text.entries == 0
    assert stored(data[:end], b"a", 1, 0) == (end, 0)
    # not less than what is of the commonest form, unless the end is near
    plain = re.compile(rb"(?:F-?[0-9]\.[0-9]{1,17}\na|I-?[1-9][0-9]{0,17}\na)*").match(data)
    assert plain is not None
    assert end >= min(plain.end(), limit - 40)


@pytest.mark.parametrize("seed", range(2))
def test_the_compiled_way_through_a_pickle(seed: int) -> None:
    for data in honest.pickles(900 + seed, 60):
        told = skim(data)
        with as_compiled():
            other = skim(data)
        assert (told is None) == (other is None)
        if told is not None and other is not None:
            assert (told.stop, told.persistent, told.usage.names, told.usage.counts) == (
                other.stop,
                other.persistent,
                other.usage.names,
                other.usage.counts,
            )


def test_text_that_is_no_utf8_is_refused() -> None:
    check_text(b"\xc3\xa9", 0, 2)
    check_text(b"\xed\xa0\x80", 0, 3)  # a lone surrogate: picklers write it
    for data, count in ((b"\xff", 1), (b"abc", 4)):
        with pytest.raises(NeedsMachine):
            check_text(data, 0, count)


def test_unusual_text_ends_at_its_newline_or_is_refused() -> None:
    assert unusual_text(b"S'a\\n'\n.", 0, 0x53) == 7
    assert unusual_text(b"V\\u00e9\n.", 0, 0x56) == 8
    for data, opcode in ((b"I1_0\n", 0x49), (b"Vabc", 0x56)):
        with pytest.raises(NeedsMachine):
            unusual_text(data, 0, opcode)
    with pytest.raises(Reject):
        unusual_text(b"Sabc\n", 0, 0x53)


def test_the_text_of_a_name() -> None:
    assert text_at(b"\x8c\x02os.", 0) == b"os"
    assert text_at(b"X\x02\0\0\0os.", 0) == b"os"
    for data, value in ((b"U\x02os", 0), (b"", -1)):
        with pytest.raises(NeedsMachine):
            text_at(data, value)
