"""Marshalled code: read like the interpreter reads it, and never beyond the limits."""

from __future__ import annotations

import base64
import marshal
import random
import types

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pvmscan.readers import marshalled
from pvmscan.readers.marshalled import NotMarshal, read_code

# `lambda x: K.dot(x, os)` as Python 2.7.18, 3.6.15, 3.8.18, 3.10.13, 3.12.1 and 3.13.0 write it
VERSIONS = {
    "2.7": (
        "YwEAAAABAAAAAwAAAEMAAABzEAAAAHQAAGoBAHwAAHQCAIMCAFMoAQAAAE4oAwAAAHQBAAAAS3QDAAAAZG90dAIAAABvcygB"
        "AAAAdAEAAAB4KAAAAAAoAAAAAHMIAAAAPHN0cmluZz50CAAAADxsYW1iZGE+AQAAAHQAAAAA"
    ),
    "3.6": (
        "4wEAAAAAAAAAAQAAAAMAAABDAAAAcwwAAAB0AGoBfAB0AoMCUwApAU4pA9oBS9oDZG902gJvcykB2gF4qQByBQAAANoIPHN0"
        "cmluZz7aCDxsYW1iZGE+AQAAAHMAAAAA"
    ),
    "3.8": (
        "YwEAAAAAAAAAAAAAAAEAAAAEAAAAQwAAAHMMAAAAdACgAXwAdAKhAlMAKQFOKQPaAUvaA2RvdNoCb3MpAdoBeKkAcgQAAADa"
        "CDxzdHJpbmc+2gg8bGFtYmRhPgEAAADzAAAAAA=="
    ),
    "3.10": (
        "YwEAAAAAAAAAAAAAAAEAAAAEAAAAQwAAAHMMAAAAdACgAXwAdAKhAlMAKQFOKQPaAUvaA2RvdNoCb3MpAdoBeKkAcgQAAADa"
        "CDxzdHJpbmc+2gg8bGFtYmRhPgEAAABzAgAAAAwA"
    ),
    "3.12": (
        "YwEAAAAAAAAAAAAAAAQAAAADAAAA8zYAAACXAHQAAAAAAAAAAABqAwAAAAAAAAAAAAAAAAAAAAAAAHwAdAQAAAAAAAAAAKsC"
        "AAAAAAAAUwApAU4pA9oBS9oDZG902gJvcykB2gF4cwEAAAAg+gg8c3RyaW5nPvoIPGxhbWJkYT5yBgAAAAEAAABzEAAAAIAA"
        "jCGPJYklkAGUMossgADzAAAAAA=="
    ),
    "3.13": (
        "YwEAAAAAAAAAAAAAAAQAAAADAAAA8zYAAACVAFsAAAAAAAAAAABSAwAAAAAAAAAAAAAAAAAAAAAAAFUAWwQAAAAAAAAAADUC"
        "AAAAAAAAJAApAU4pA9oBS9oDZG902gJvcykB2gF4cwEAAAAg2gg8c3RyaW5nPtoIPGxhbWJkYT5yBgAAAAEAAABzDgAAAIAA"
        "jCGPJYklkAGUMows8wAAAAA="
    ),
}


def codes(code: types.CodeType) -> list[types.CodeType]:
    found = [code]
    for one in code.co_consts:
        if isinstance(one, types.CodeType):
            found.extend(codes(one))
    return found


def sample(x: object, *more: object, key: str = "k") -> object:
    """A function with everything that a code object can hold."""
    import os.path as p

    def inner(y: object) -> object:
        return (y, x, 1 << 70, 1.5, 2j, b"bytes", "text", "ä", frozenset({"a", "b"}), ..., key)

    return [inner(one) for one in more if p.join("a", "b")]


@pytest.mark.parametrize("version", range(5))
def test_names_are_those_of_the_code(version: int) -> None:
    for code in (
        sample.__code__,
        codes.__code__,
        read_code.__code__,
        test_names_are_those_of_the_code.__code__,
    ):
        read = read_code(marshal.dumps(code, version))
        assert read.names() == list(dict.fromkeys(name for one in codes(code) for name in one.co_names))


def test_constants_are_found_also_in_nested_code() -> None:
    assert {"text", "ä", "bytes", "a", "b"} <= set(read_code(marshal.dumps(sample.__code__)).constants())


@pytest.mark.parametrize("version", VERSIONS)
def test_the_layouts_of_python_versions(version: str) -> None:
    read = read_code(base64.b64decode(VERSIONS[version]))
    assert read.names() == ["K", "dot", "os"]


def test_bytes_after_the_code_do_not_matter() -> None:
    assert read_code(marshal.dumps(sample.__code__) + b"tail").names()


@pytest.mark.parametrize("data", [b"", b"c", b"\xe3", b"N", b"i\0\0\0\0", b"\xe3" + b"\xff" * 40, b")\x01N"])
def test_what_is_no_code_is_refused(data: bytes) -> None:
    with pytest.raises(NotMarshal):
        read_code(data)


@given(st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_damaged_code_is_read_or_refused(chance: random.Random) -> None:
    data = bytearray(marshal.dumps(sample.__code__))
    for _ in range(chance.randint(1, 6)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    try:
        read_code(bytes(data[: chance.randint(1, len(data))])).names()
    except NotMarshal:
        return


def test_references_do_not_multiply() -> None:
    """Tuples of references to tuples of references stand for 2**60 texts."""
    good = marshal.dumps((lambda: None).__code__, 2)
    bomb = b"\xa9\x02" + b"z\x01a" * 2
    for depth in reversed(range(60)):
        bomb = b"\xa9\x02" + bomb + b"r" + (depth + 1).to_bytes(4, "little")
    at = good.index(b"(\x01\0\0\0N")
    assert read_code(good[:at] + bomb + good[at + 6 :]).constants() == ["a"]


def test_depth_and_number_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    deep = marshal.dumps((lambda: None).__code__, 2).replace(b"(\x01\0\0\0N", b")\x01" * 5000 + b"N")
    with pytest.raises(NotMarshal, match="limit"):
        read_code(deep)
    monkeypatch.setattr(marshalled, "MAX_OBJECTS", 5)
    with pytest.raises(NotMarshal, match="limit"):
        read_code(marshal.dumps(sample.__code__))
