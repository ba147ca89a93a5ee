"""Pickles in the middle of data are found however they are framed, and whatever comes before what they call.

Each is judged by itself first, then between junk: a loader that seeks to it runs it all the same.
"""

from __future__ import annotations

import random
import re
import struct
from collections.abc import Callable
from itertools import product

import pytest

import assemble as asm
import judged
from pvmscan import Verdict
from pvmscan.readers.chains import STEPS, Chains

COMMAND = asm.COMMAND
WRITTEN: dict[str, Callable[[bytes], bytes]] = {
    "UNICODE": lambda text: b"V%s\n" % text,
    "STRING": lambda text: b"S'%s'\n" % text,
    "BINUNICODE": lambda text: b"X" + struct.pack("<I", len(text)) + text,
    "BINSTRING": lambda text: b"T" + struct.pack("<I", len(text)) + text,
    "BINUNICODE8": lambda text: b"\x8d" + struct.pack("<Q", len(text)) + text,
    "SHORT_BINUNICODE": lambda text: b"\x8c" + bytes([len(text)]) + text,
    "SHORT_BINSTRING": lambda text: b"U" + bytes([len(text)]) + text,
}
"""Every opcode for text."""
MEMO = (b"", b"\x94", b"q\x07", b"r\x07\0\0\0", b"p7\n", b"p12\n")
LONG = [name for name in WRITTEN if not name.startswith("SHORT")]
SYSTEM = b"os\nsystem\n"
CHANCE = random.Random(3)
JUNK = (
    bytes(50),
    b"\xff" * 50,
    b"Some text (with marks) in lines.\nSo it is.\n",
    CHANCE.randbytes(3000),
    b"\x89PNG\r\n\x1a\n" + CHANCE.randbytes(200),
)


def is_found(payload: bytes) -> None:
    alone = judged.verdict(payload, "x.pkl")
    assert alone >= Verdict.UNVERIFIED, "the sample is none"
    for number, before in enumerate(JUNK):
        for after in (b"", JUNK[-number - 1]):
            assert judged.verdict(before + payload + after, "x.dat") >= alone


@pytest.mark.parametrize(("how", "memo"), [*product(WRITTEN, MEMO)])
def test_what_takes_all_above_a_mark(how: str, memo: bytes) -> None:
    argument = WRITTEN[how](COMMAND.encode()) + memo
    is_found(b"(" + argument + b"i" + SYSTEM + b".")
    is_found(b"(c" + SYSTEM + memo + argument + b"o.")
    is_found(b"(N1(" + argument + b"i" + SYSTEM + b".")


@pytest.mark.parametrize("framed", [b"(imy.library\nboom\n.", b"(cmy.library\nboom\no."])
def test_what_is_called_with_no_arguments(framed: bytes) -> None:
    is_found(framed)


@pytest.mark.parametrize(("how", "size"), [*product(LONG, [60, 119, 120, 121, 500, 5000, 100_000])])
def test_arguments_of_any_length_come_first(how: str, size: int) -> None:
    argument = WRITTEN[how](COMMAND.encode() + b" " * size)
    is_found(b"(" + argument + b"i" + SYSTEM + b".")
    is_found(b"(" + WRITTEN[how](b"x" * size) + argument + b"i" + SYSTEM + b".")
    is_found(b"(" + WRITTEN[how](b"x" * size) + b"1c" + SYSTEM + b"(" + argument + b"tR.")


@pytest.mark.parametrize("count", [1, 10, 63, 64, 65, 1000])
@pytest.mark.parametrize("first", [b"(", b"K\x010", b"(I1\n1", b"Vx\n0", b"N0", b"(lp0\n0", b"\x82\x010"])
def test_much_that_does_nothing_comes_first(first: bytes, count: int) -> None:
    is_found(first * count + b"(S'" + COMMAND.encode() + b"'\ni" + SYSTEM + b".")
    is_found(b"(" + first * count + b"(S'" + COMMAND.encode() + b"'\ni" + SYSTEM + b".")


@pytest.mark.parametrize("length", [2, 63, 64, 65, 100, 254, 255])
def test_names_of_any_length(length: int) -> None:
    name, argument = b"n" * length, b"S'x'\n"
    is_found(b"c" + name + b"\nn\n(" + argument + b"tR.")
    is_found(b"cm\n" + name + b"\n(" + argument + b"tR.")
    is_found(b"(" + argument + b"i" + name + b"\n" + name + b"\n.")
    for written in WRITTEN.values():
        is_found(written(name) + written(b"name") + b"\x93" + argument + b"\x85R.")


@pytest.mark.parametrize(("module", "name", "memo"), [*product(WRITTEN, WRITTEN, MEMO)])
def test_names_by_every_opcode(module: str, name: str, memo: bytes) -> None:
    names = WRITTEN[module](b"os") + memo + WRITTEN[name](b"system") + memo + b"\x93" + memo
    argument = WRITTEN["UNICODE"](COMMAND.encode())
    is_found(names + argument + b"\x85R.")
    is_found(b"(" + names + argument + b"o.")


@pytest.mark.parametrize("before", [b"V", b"VV", b"U\x01V", b"X\2\0\0\0"])
def test_a_letter_before_a_name_hides_it_not(before: bytes) -> None:
    payload = b"Vos\nVsystem\n\x93S'" + COMMAND.encode() + b"'\n\x85R."
    assert judged.verdict(b"\xff" + before + payload, "x.dat") is Verdict.DANGEROUS
    named = b"c" + SYSTEM + b"(S'" + COMMAND.encode() + b"'\ntR."
    for letters in (b"c", b"cc", b"cacbc", b"c" * 40):
        assert judged.verdict(b"\xff" + letters + named, "x.dat") is Verdict.DANGEROUS


@pytest.mark.parametrize("how", WRITTEN)
def test_arguments_that_the_memo_keeps(how: str) -> None:
    argument = WRITTEN[how](COMMAND.encode())
    is_found(argument + b"p0\n0c" + SYSTEM + b"(g0\ntR.")
    is_found(b"(" + argument + b"tq\x000c" + SYSTEM + b"h\0R.")
    is_found(argument + b"\x85r\0\0\0\x000Vos\nVsystem\n\x93j\0\0\0\0R.")


@pytest.mark.parametrize(
    "text",
    [
        b"of them (comme\namd64\nou\narmel) there are few\n",
        b"as one (in\nit\nor\nbeside it) says\n",
    ],
)
def test_words_behind_a_bracket_are_no_call(text: bytes) -> None:
    assert judged.verdict(b"\n" + text * 3, "x.txt") is Verdict.CLEAN


def test_where_its_beginning_is_too_far_the_sink_is_told() -> None:
    far = b"S'" + b"x" * 10_000 + b"'\np0\n0c%s\n(g0\ntR."
    assert judged.verdict(b"\xff" + far % b"os\nsystem", "x.dat") is Verdict.INCOMPLETE
    assert judged.verdict(b"\xff" + far % b"os\nsystem1", "x.dat") is Verdict.CLEAN


def test_chains_that_lead_nowhere_are_walked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []
    after = Chains._after

    def counted(chains: Chains, at: int, plain: re.Pattern[bytes]) -> int | None:
        steps.append(at)
        return after(chains, at, plain)

    monkeypatch.setattr(Chains, "_after", counted)
    for unit in (b"(U\0" * (STEPS // 2 - 1) + b"\xff", b"(Vx\n" * (STEPS // 2 - 1) + b"\xff"):
        data = unit * 200
        steps.clear()
        chains = Chains(data)
        assert not any(chains.lead(at) for at in range(len(data)) if data[at : at + 1] == b"(")
        assert len(steps) < 3 * len(data)
