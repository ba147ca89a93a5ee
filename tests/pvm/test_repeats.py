"""Items swallowed many at a time: the skeletal pass says what it says when it looks at every instruction."""

from __future__ import annotations

from typing import Any

import pytest

import honest
from pvm import limits, repeats, runs, skeleton
from pvm.usage import NeedsMachine
from skeletal import agrees_with_machine

pytestmark = pytest.mark.skipif(
    not str(skeleton.__file__).endswith(".py"), reason="the compiled build looks at every instruction"
)


def told(data: bytes) -> Any:
    try:
        found = skeleton.run(data)
    except NeedsMachine:
        return None
    used = found.usage
    kind = -found.result & 15 if found.result < -1 else 0
    return found.stop, kind, found.persistent, used.names, used.offsets, used.counts


@pytest.fixture
def swallowed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many items each step has swallowed, in pickles of any size."""
    monkeypatch.setattr(repeats, "WAIT_TO_LEARN", 1)
    monkeypatch.setattr(repeats, "WAIT", 1)
    monkeypatch.setattr(repeats, "LONGEST_WAIT", 200)
    monkeypatch.setattr(runs, "SHORT", 1)
    steps: list[int] = []
    twins = repeats.Repeats._twins

    def counted(self: repeats.Repeats, *args: Any) -> tuple[int, int, bool]:
        end, count, cut = twins(self, *args)
        steps.append(count)
        return end, count, cut

    monkeypatch.setattr(repeats.Repeats, "_twins", counted)
    return steps


def both_ways(data: bytes, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    with monkeypatch.context() as patch:
        patch.setattr(skeleton, "FIRST_LOOK", limits.MOST)
        plain = told(data)
    with monkeypatch.context() as patch:
        patch.setattr(skeleton, "FIRST_LOOK", 0)
        return plain, told(data)


@pytest.mark.parametrize("short", [0, repeats.SHORT])
@pytest.mark.parametrize("seed", range(3))
def test_swallowing_changes_nothing(
    seed: int, short: int, swallowed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeats, "SHORT", short)
    for number, data in enumerate(honest.alike(seed, 40)):
        plain, taken = both_ways(data, monkeypatch)
        assert taken == plain
        for other in range(4):
            damaged = honest.damaged(100 * number + other, data)
            plain, taken = both_ways(damaged, monkeypatch)
            assert taken == plain, damaged
    assert sum(swallowed) > 2_000


def test_the_machine_says_the_same(swallowed: list[int]) -> None:
    assert sum(map(agrees_with_machine, honest.alike(77, 30))) > 15


@pytest.mark.parametrize("kinds", ["text", "numbers", "both"])
def test_constants_from_the_memo_are_as_good_as_each_other(
    kinds: str, swallowed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twins may take any of them, wherever they were made: here by turns, so that hardly two rows are the same."""
    made = {"text": [b"\x8c\x01a", b"\x8c\x02bc"], "numbers": [b"K\x01", b"G" + bytes(8)]}
    constants = (made["text"] + made["numbers"]) if kinds == "both" else made[kinds]
    start = b"".join(constant + b"\x94" for constant in constants)
    rows = b"".join(b"(K%ch%ct\x94" % (number % 256, number * 7 % len(constants)) for number in range(400))
    plain, taken = both_ways(b"\x80\x04(" + start + rows + b"t.", monkeypatch)
    assert taken == plain is not None
    assert sum(swallowed) > 300
