"""What would take long, or much memory, is not begun; the same in small is."""

from __future__ import annotations

from typing import Any

import pytest

import pvm
from pvm import bounds, fold
from pvm.values import Container

LIMIT = 1 << 20
HUGE = 1 << 8 * 400_000
ALIKE = [number * (2**61 - 1) for number in range(bounds.FEW_KEYS + 1)]
"""Numbers with one hash."""
LISTS = [[number] for number in range(40_000)]

CASES: dict[str, tuple[str, list[Any], dict[str, Any], list[Any]]] = {
    "rounding to very many places": ("builtins.round", [7, -(10**12)], {}, [7, -1]),
    "rounding, by keyword": ("builtins.round", [7], {"ndigits": -(10**12)}, [7, -1]),
    "a large product": ("operator.mul", [HUGE, HUGE], {}, [HUGE, 3]),
    "a large quotient": ("operator.floordiv", [HUGE * HUGE, HUGE], {}, [HUGE, 3]),
    "a large remainder": ("operator.mod", [HUGE, HUGE - 5], {}, [HUGE, 3]),
    "both": ("builtins.divmod", [HUGE, HUGE - 5], {}, [HUGE, 3]),
    "a sum of lists": ("builtins.sum", [LISTS, []], {}, [LISTS[:9], []]),
    "a sum of lists, by keyword": ("builtins.sum", [LISTS], {"start": []}, [LISTS[:9], []]),
    "a set of numbers that hash alike": ("builtins.set", [ALIKE], {}, [ALIKE[:9]]),
    "a frozen one": ("builtins.frozenset", [ALIKE], {}, [ALIKE[:9]]),
    "a dict of them": ("builtins.dict", [[(one, 0) for one in ALIKE]], {}, [[(one, 0) for one in ALIKE[:9]]]),
    "a dict with them as keys": ("builtins.dict.fromkeys", [ALIKE], {}, [ALIKE[:9]]),
    "many times one large value": ("builtins.dict.fromkeys", ["abcdefgh", "x" * 200_000], {}, ["abc", "x"]),
    "a large value repeated": ("itertools.repeat", ["x" * 1000, 60_000], {}, ["x" * 1000, 6]),
    "a value of many parts": ("itertools.repeat", [[[[]]] * 9, 6000], {}, [[[[]]] * 9, 60]),
    "too often": ("itertools.repeat", [None], {"times": 10**10}, [None, 6]),
    "counting from a large number": ("builtins.enumerate", ["x" * 100, HUGE], {}, ["x" * 100, 3]),
    "letters that become long": (
        "builtins.str.translate",
        ["a" * 9000, {97: "b" * 9000}],
        {},
        ["a", {97: "b"}],
    ),
    "more digits than Python reads": ("builtins.int", ["7" * 5000], {}, ["7" * 50]),
    "many bytes of a number": ("builtins.int.to_bytes", [5, 10**9, "big"], {}, [5, 10, "big"]),
    "long punycode": ("codecs.decode", [b"a" * 5000, "punycode"], {}, [b"a-", "punycode"]),
    "the same by a method": ("builtins.bytes.decode", [b"a" * 5000, "punycode"], {}, [b"a-", "punycode"]),
}


@pytest.mark.parametrize("case", CASES)
def test_what_would_take_long_is_not_begun(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path, args, named, _ = CASES[case]

    def begun(*given: Any, **more: Any) -> None:
        pytest.fail("it was begun")

    if "punycode" not in args:  # its bound lies inside
        monkeypatch.setattr(fold, "functions", lambda: {path: begun})
    with pytest.raises(fold.NotConcrete):
        fold.evaluate(path, args, named, LIMIT)


@pytest.mark.parametrize("case", CASES)
def test_the_same_in_small_is_evaluated(case: str) -> None:
    path, _, _, args = CASES[case]
    fold.evaluate(path, args, {}, LIMIT)


def test_keys_of_a_container_are_few_or_text() -> None:
    text = [str(one) for one in ALIKE]
    for kind, each in (("set", 1), ("frozenset", 1), ("dict", 2)):
        assert fold.to_python(Container(0, kind, [one for one in text for _ in range(each)]))
        with pytest.raises(fold.NotConcrete):
            fold.to_python(Container(0, kind, [one for one in ALIKE for _ in range(each)]))


def test_a_pickle_that_rounds_for_ever_is_followed() -> None:
    places = (-(10**12)).to_bytes(6, "little", signed=True)
    data = b"\x80\x02cbuiltins\nround\nK\x07\x8a\x06" + places + b"\x86R."
    assert pvm.run(data).complete
