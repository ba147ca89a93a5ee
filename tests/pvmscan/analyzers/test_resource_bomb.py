"""resource-bomb: small programs that expand without bound."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

import assemble as asm
import judged
from pvm.values import Container, Value
from pvmscan import Verdict
from pvmscan.analyzers.resource_bomb import EXPANDED, expanded

RULE = "resource-bomb/shared-structure"


def laughs(levels: int, fan: int = 10) -> bytes:
    """Each level holds the one below `fan` times."""
    code = asm.list_of(asm.text("inert")) + asm.put(0) + asm.POP
    for level in range(1, levels + 1):
        code += asm.EMPTY_LIST + asm.MARK + asm.get(level - 1) * fan + b"e" + asm.put(level) + asm.POP
    return asm.program(2, code, asm.get(levels))


def test_a_billion_laughs_are_suspicious() -> None:
    assert judged.found(laughs(12), RULE).verdict is Verdict.SUSPICIOUS


def test_items_that_took_the_place_of_others_count() -> None:
    code = asm.list_of(asm.text("inert")) + asm.put(0) + asm.POP
    for level in range(1, 41):
        code += asm.list_of(asm.NONE, asm.NONE) + asm.put(level)
        code += b"".join(asm.number(place) + asm.get(level - 1) + b"s" for place in (0, 1)) + asm.POP
    assert RULE in judged.rules(asm.program(2, code, asm.get(40)))


def test_in_tuples_too() -> None:
    code = asm.tuple_of(asm.text("inert"))
    for _ in range(40):
        code = code + asm.DUP + b"\x86"
    assert RULE in judged.rules(asm.program(2, code))


@pytest.mark.parametrize("levels", [1, 4])
def test_a_little_sharing_is_honest(levels: int) -> None:
    assert judged.verdict(laughs(levels)) is Verdict.CLEAN


def test_honest_deep_nesting_is_clean() -> None:
    depth = 5000
    assert judged.verdict(asm.program(2, b"]" * depth, b"a" * (depth - 1))) is Verdict.CLEAN


def test_a_long_list_is_clean() -> None:
    assert judged.verdict(asm.program(2, asm.list_of(*[asm.number(1)] * 100_000))) is Verdict.CLEAN


def test_a_list_that_holds_itself_is_walked_once() -> None:
    loop = asm.EMPTY_LIST + asm.put(0) + asm.get(0) + b"a"
    assert judged.verdict(asm.program(2, loop)) is Verdict.CLEAN


def test_a_bomb_handed_to_a_call_is_seen() -> None:
    code = laughs(12)[2:-1]
    assert RULE in judged.rules(asm.program(2, asm.glob("mypkg", "Thing"), code, b"\x85", asm.REDUCE))


def test_parts_that_all_share_a_long_one_are_honest() -> None:
    """So many of them that a walk visits more than any pickle may have, and less than the square of its opcodes."""
    many = 70_000
    assert many * many > EXPANDED
    long = asm.EMPTY_LIST + asm.put(0) + asm.MARK + asm.NONE * many + b"e"
    assert (
        judged.verdict(asm.program(2, asm.EMPTY_LIST, asm.MARK, long, asm.get(0) * many, b"e"))
        is Verdict.CLEAN
    )


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        (asm.call(asm.at("builtins.list"), asm.call(asm.at("itertools.repeat"), asm.number(1))), "endless-iterator"),
        (asm.call(asm.at("mypkg.Thing"), asm.call(asm.at("itertools.count"))), "endless-iterator"),
        (asm.call(asm.at("re.match"), asm.text("(a+)+$"), asm.text("a" * 40 + "b")), "backtracking"),
        (asm.call(asm.at("zlib.decompress"), asm.data(zlib.compress(bytes(80 << 20), 9))), "decompression"),
        (asm.call(asm.at("gzip.decompress"), asm.data(gzip.compress(bytes(80 << 20), 9))), "decompression"),
    ],
    ids=["repeat", "count", "re", "zlib", "gzip"],
)  # fmt: skip
def test_work_without_end_is_suspicious(code: bytes, rule: str) -> None:
    assert f"resource-bomb/{rule}" in judged.serious(asm.program(4, code))


@pytest.mark.parametrize(
    "code",
    [
        asm.call(asm.at("builtins.list"), asm.call(asm.at("itertools.repeat"), asm.number(1), asm.number(3))),
        asm.call(asm.at("itertools.count"), asm.number(5)),
        asm.call(asm.at("re.compile"), asm.text("(a|b)+c")),
        asm.call(asm.at("zlib.decompress"), asm.data(zlib.compress(bytes(1000)))),
    ],
    ids=["repeat", "count", "re", "zlib"],
)  # fmt: skip
def test_bounded_work_is_no_bomb(code: bytes) -> None:
    assert not [rule for rule in judged.rules(asm.program(4, code)) if rule.startswith("resource-bomb")]


def naive(value: Value) -> int:
    items = value if isinstance(value, tuple) else value.items if isinstance(value, Container) else None
    return 1 if items is None else 1 + sum(naive(item) for item in items)


TREES = st.recursive(
    st.integers(0, 9),
    lambda inner: st.tuples(inner, inner) | st.lists(inner, max_size=3).map(lambda xs: Container(0, "list", xs)),
    max_leaves=30,
)  # fmt: skip


@given(TREES)
def test_the_size_is_that_of_a_walk_which_does_not_notice_sharing(tree: Value) -> None:
    assert expanded((tree, tree), {}) == naive((tree, tree))
