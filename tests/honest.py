"""Honest values to pickle: what the skeletal pass is for, with names that could trip it up."""

from __future__ import annotations

import datetime
import decimal
import fractions
import pickle
import random
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any


class Plain:
    """An object with attributes, created by NEWOBJ or `copyreg._reconstructor`."""


class Items(list[Any]):
    """An object that gets items by APPENDS, and a state."""


class Pairs(OrderedDict[Any, Any]):
    """An object that gets items by SETITEMS, and a state."""


WORDS = ("a", "key", "é", "y" * 300, "add", "append", "\\", "\n", "", "w" * 60)
NUMBERS = (2**16, 2**31, -(2**31), 2**63, 2**100, -5, True, False, None, 0.5, float("inf"), 1e300)
BYTES = (b"", b"abc", b"z" * 300, b"\x94" * 5)
BUILT = (
    datetime.date(2020, 1, 2),
    decimal.Decimal("1.5"),
    fractions.Fraction(1, 3),
    datetime.timedelta(1),
    frozenset([1, (2, 3)]),
)


def value(rng: random.Random, shared: list[Any], depth: int = 0) -> Any:
    """A value of random shape; parts of `shared` occur in several places."""
    match rng.randrange(20 if depth < 4 else 9):
        case 0 | 1 | 2:
            return rng.randrange(-10, 300)
        case 3:
            return rng.choice(NUMBERS)
        case 4:
            return rng.choice(WORDS)
        case 5:
            return rng.choice(BYTES)
        case 6:
            return rng.choice(shared)
        case 7:
            return f"k{rng.randrange(50)}"
        case 8:
            return rng.choice(BUILT)
        case 9 | 10:
            return [value(rng, shared, depth + 1) for _ in range(rng.choice([0, 1, 2, 3, 15]))]
        case 11 | 12:
            count = rng.choice([0, 1, 2, 12])
            return {
                rng.choice(["a", 1, 2.5, (1, 2), f"k{i}"]): value(rng, shared, depth + 1)
                for i in range(count)
            }
        case 13 | 14:
            return tuple(value(rng, shared, depth + 1) for _ in range(rng.randrange(6)))
        case 15:
            return _with_state(Plain(), rng, shared, depth)
        case 16:
            return _with_state(Items([1, 2]), rng, shared, depth)
        case 17:
            return _with_state(Pairs(q=value(rng, shared, depth + 1)), rng, shared, depth)
        case 18:
            return [rng.randrange(10**5) for _ in range(rng.choice([10, 50, 1200]))]
        case _:
            return _texts(rng)


def _with_state(instance: Any, rng: random.Random, shared: list[Any], depth: int) -> Any:
    instance.__dict__.update({"x": value(rng, shared, depth + 1), rng.choice(["name", "add", "append"]): 1})
    return instance


def _texts(rng: random.Random) -> Any:
    count = rng.choice([10, 40, 1100])
    if rng.random() < 0.5:
        return [f"item {i}" for i in range(count)]
    return {f"s{i}": rng.choice([i, i * 0.5]) for i in range(count)}


def pickles(seed: int, count: int) -> Iterator[bytes]:
    """Pickles of such values, in every protocol, by both picklers."""
    rng = random.Random(seed)
    for _ in range(count):
        shared = ["common", 3, (1, 2), [7], {"m": 1}, "zz"]
        dumps = pickle._dumps if rng.random() < 0.3 else pickle.dumps  # type: ignore[attr-defined]
        yield dumps(value(rng, shared), rng.randrange(6))


def damaged(seed: int, data: bytes) -> bytes:
    """The pickle with a byte or two replaced, mostly by opcodes."""
    rng = random.Random(seed)
    changed = bytearray(data)
    for _ in range(rng.randrange(1, 3)):
        changed[rng.randrange(len(changed))] = rng.choice(
            [rng.randrange(256), *b"(.0qhNK)}]ebsu\x94\x85\x81R"]
        )
    return bytes(changed)


def alike(seed: int, count: int) -> Iterator[bytes]:
    """Pickles of many items of one shape, as tables and lists of objects are; sometimes of two or three in turn."""
    rng = random.Random(seed)
    for _ in range(count):
        shared: list[Any] = ["common", 3, (1, 2), {"m": 1}, ("deep", (1, (2, 3))), "zz"]
        makers = [_maker(rng, shared, 0) for _ in range(rng.choice([1, 1, 1, 2, 3]))]
        number = rng.choice([20, 100, 400])
        items = []
        for i in range(number):
            items.append(makers[i % len(makers)](i))
            if rng.random() < 0.02:
                shared[rng.randrange(len(shared))] = rng.choice([("new", i), f"word {i}", items[-1]])
        whole = {f"k{i}": item for i, item in enumerate(items)} if rng.random() < 0.2 else items
        around = [whole, [*items, *items]] if rng.random() < 0.3 else whole
        dumps = pickle._dumps if rng.random() < 0.2 else pickle.dumps  # type: ignore[attr-defined]
        yield dumps(around, rng.randrange(6))


def _maker(rng: random.Random, shared: list[Any], depth: int) -> Callable[[int], Any]:
    """Something that makes the value of that number: always of one shape."""
    kind = rng.randrange(13 if depth < 3 else 6)
    if kind > 5:
        parts = [_maker(rng, shared, depth + 1) for _ in range(rng.randrange(1, 5))]
    word, place, step = rng.choice(WORDS), rng.randrange(len(shared)), rng.choice([1, 7, 300, 70_000])
    match kind:
        case 0 | 1:
            return lambda i: i * step
        case 2:
            return lambda i: i / 7
        case 3:
            return lambda i: f"{word[:20]}{i}"
        case 4:
            return lambda i: shared[place]
        case 5:
            return lambda i: datetime.date(2000 + i % 50, 1, 2)
        case 6 | 7:
            return lambda i: [part(i) for part in parts]
        case 8:
            return lambda i: tuple(part(i) for part in parts)
        case 9:
            return lambda i: {f"f{number}": part(i) for number, part in enumerate(parts)}
        case 10:
            return lambda i: _filled(Plain(), [part(i) for part in parts])
        case 11:
            return lambda i: _filled(Items([part(i) for part in parts]), [1])
        case _:
            return lambda i: _filled(Pairs(q=parts[0](i)), [])


def _filled(instance: Any, values: list[Any]) -> Any:
    instance.__dict__.update({f"a{number}": one for number, one in enumerate(values)})
    return instance


def entangled(seed: int, count: int) -> Iterator[bytes]:
    """Pickles of many objects that share containers, and that refer to the containers that hold them."""
    rng = random.Random(seed)
    for _ in range(count):
        shared: list[Any] = [{"m": 1}, [7, [8]], ({"deep": []}, 1), {1, 2}, [], frozenset([1])]
        whole: Any = rng.choice([[], {}])
        held: list[Any] = [whole]
        picks = [rng.randrange(3) for _ in range(rng.randrange(1, 5))]
        bound = rng.random() < 0.7
        for i in range(rng.choice([40, 100, 400])):
            one = Plain()
            for number, pick in enumerate(picks):
                common = shared[(number if bound else rng.randrange(6)) % 6]
                one.__dict__[f"a{number}"] = (common, held[i // 3 % len(held)], [i, common])[pick]
            if rng.random() < 0.02:
                shared[rng.randrange(6)] = rng.choice([[i], {"i": whole}, (one,), [shared[0], shared[1]]])
            if rng.random() < 0.1:
                one.__dict__["own"] = []
                held.append(one.__dict__["own"])
            rng.choice(held).append(one) if isinstance(whole, list) else whole.update({f"k{i}": one})
        dumps = pickle._dumps if rng.random() < 0.2 else pickle.dumps  # type: ignore[attr-defined]
        try:
            yield dumps([whole, shared], rng.randrange(6))
        except RecursionError:
            continue
