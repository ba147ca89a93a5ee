"""Bytecode: what a function looks up, in the dialect of every Python that could load it."""

from __future__ import annotations

import base64
import marshal
import random
import sys
import types
from collections.abc import Callable
from typing import Any

import pytest

from pvmscan.readers.bytecode import readings, uses
from pvmscan.readers.data import table
from pvmscan.readers.marshalled import Code, NotMarshal, read_code

# `lambda x: K.eval(x)` and `lambda x: eval('1')` as CPython of each version writes them
VERSIONS = {
    "2.7": (
        (
            "YwEAAAABAAAAAgAAAEMAAABzDQAAAHQAAGoBAHwAAIMBAFMoAQAAAE4oAgAAAHQBAAAAS3QEAAAAZXZhbCgBAAAAdAEAAAB4"
            "KAAAAAAoAAAAAHMIAAAAPHN0cmluZz50CAAAADxsYW1iZGE+AQAAAHQAAAAA"
        ),
        (
            "YwEAAAABAAAAAgAAAEMAAABzCgAAAHQAAGQBAIMBAFMoAgAAAE50AQAAADEoAQAAAHQEAAAAZXZhbCgBAAAAdAEAAAB4KAAA"
            "AAAoAAAAAHMIAAAAPHN0cmluZz50CAAAADxsYW1iZGE+AQAAAHQAAAAA"
        ),
    ),
    "3.6": (
        (
            "4wEAAAAAAAAAAQAAAAIAAABDAAAAcwoAAAB0AGoBfACDAVMAKQFOKQLaAUvaBGV2YWwpAdoBeKkAcgQAAAD6CDxzdHJpbmc+"
            "2gg8bGFtYmRhPgEAAABzAAAAAA=="
        ),
        (
            "4wEAAAAAAAAAAQAAAAIAAABDAAAAcwgAAAB0AGQBgwFTACkCTtoBMSkB2gRldmFsKQHaAXipAHIEAAAA+gg8c3RyaW5nPtoI"
            "PGxhbWJkYT4BAAAAcwAAAAA="
        ),
    ),
    "3.8": (
        (
            "4wEAAAAAAAAAAAAAAAEAAAADAAAAQwAAAHMKAAAAdACgAXwAoQFTACkBTikC2gFL2gRldmFsKQHaAXipAHIEAAAA+gg8c3Ry"
            "aW5nPtoIPGxhbWJkYT4BAAAA8wAAAAA="
        ),
        (
            "4wEAAAAAAAAAAAAAAAEAAAACAAAAQwAAAHMIAAAAdABkAYMBUwApAk7aATEpAdoEZXZhbCkB2gF4qQByBAAAAPoIPHN0cmlu"
            "Zz7aCDxsYW1iZGE+AQAAAPMAAAAA"
        ),
    ),
    "3.10": (
        (
            "4wEAAAAAAAAAAAAAAAEAAAADAAAAQwAAAHMKAAAAdACgAXwAoQFTACkBTikC2gFL2gRldmFsKQHaAXipAHIEAAAA+gg8c3Ry"
            "aW5nPtoIPGxhbWJkYT4BAAAAcwIAAAAKAA=="
        ),
        (
            "4wEAAAAAAAAAAAAAAAEAAAACAAAAQwAAAHMIAAAAdABkAYMBUwApAk7aATEpAdoEZXZhbCkB2gF4qQByBAAAAPoIPHN0cmlu"
            "Zz7aCDxsYW1iZGE+AQAAAHMCAAAACAA="
        ),
    ),
    "3.11": (
        (
            "4wEAAAAAAAAAAAAAAAMAAAADAAAA8zYAAACXAHQAAAAAAAAAAAAAAKABAAAAAAAAAAAAAAAAAAAAAAAAAAB8AKYBAACrAQAA"
            "AAAAAAAAUwApAU4pAtoBS9oEZXZhbCkB2gF4cwEAAAAg+gg8c3RyaW5nPvoIPGxhbWJkYT5yBgAAAAEAAABzEAAAAIAAjSGP"
            "JoomkBGJKYwpgADzAAAAAA=="
        ),
        (
            "4wEAAAAAAAAAAAAAAAMAAAADAAAA8yAAAACXAHQBAAAAAAAAAAAAAGQBpgEAAKsBAAAAAAAAAABTACkCTtoBMSkB2gRldmFs"
            "KQHaAXhzAQAAACD6CDxzdHJpbmc++gg8bGFtYmRhPnIGAAAAAQAAAHMMAAAAgACNJIhziSmMKYAA8wAAAAA="
        ),
    ),
    "3.12": (
        (
            "4wEAAAAAAAAAAAAAAAMAAAADAAAA8ywAAACXAHQAAAAAAAAAAABqAwAAAAAAAAAAAAAAAAAAAAAAAHwAqwEAAAAAAABTACkB"
            "TikC2gFL2gRldmFsKQHaAXhzAQAAACD6CDxzdHJpbmc++gg8bGFtYmRhPnIGAAAAAQAAAHMOAAAAgACMIY8miSaQEYspgADz"
            "AAAAAA=="
        ),
        (
            "4wEAAAAAAAAAAAAAAAMAAAADAAAA8xgAAACXAHQBAAAAAAAAAABkAasBAAAAAAAAUwApAk7aATEpAdoEZXZhbCkB2gF4cwEA"
            "AAAg+gg8c3RyaW5nPvoIPGxhbWJkYT5yBgAAAAEAAABzCgAAAIAAjCSIc4spgADzAAAAAA=="
        ),
    ),
    "3.13": (
        (
            "4wEAAAAAAAAAAAAAAAMAAAADAAAA8ywAAACVAFsAAAAAAAAAAABSAwAAAAAAAAAAAAAAAAAAAAAAAFUANQEAAAAAAAAkACkB"
            "TikC2gFL2gRldmFsKQHaAXhzAQAAACDaCDxzdHJpbmc+2gg8bGFtYmRhPnIGAAAAAQAAAHMMAAAAgACMIY8miSaQEYwp8wAA"
            "AAA="
        ),
        (
            "4wEAAAAAAAAAAAAAAAMAAAADAAAA8xgAAACVAFsBAAAAAAAAAABTATUBAAAAAAAAJAApAk7aATEpAdoEZXZhbCkB2gF4cwEA"
            "AAAg2gg8c3RyaW5nPtoIPGxhbWJkYT5yBgAAAAEAAABzCAAAAIAAjCSIc4wp8wAAAAA="
        ),
    ),
}


def code_of(function: Callable[..., Any]) -> Code:
    return read_code(marshal.dumps(function.__code__))


def source(text: str) -> Code:
    module = compile(text, "<test>", "eval")  # never run
    return read_code(marshal.dumps(next(one for one in module.co_consts if isinstance(one, types.CodeType))))


def made(layout: str, names: tuple[str, ...], *instructions: int) -> Code:
    parts: dict[str, Any] = {"code": bytes(instructions), "names": names, "localsplusnames": ("x",)}
    return Code(parts, layout)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_method_is_told_from_the_builtin_of_its_name(version: str) -> None:
    method, builtin = (uses(read_code(base64.b64decode(text))) for text in VERSIONS[version])
    assert method.paths == ("K.eval",)
    assert set(method.roots or ()) == {"K"}
    assert builtin.paths == ("eval",)
    assert set(builtin.roots or ()) == {"eval"}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_dialect_that_fits_is_that_of_the_version(version: str) -> None:
    major, minor = map(int, version.split("."))
    for text in VERSIONS[version]:
        found = [one.versions for one in readings(read_code(base64.b64decode(text)))]
        bounds = [[int(part.split(".")[1]) for part in one.split(" to ")] for one in found]
        assert any(low <= minor <= high for low, *_, high in (one * 2 for one in bounds)) or major == 2
        assert found


def test_the_dialect_of_python_3_14() -> None:
    cells = (0, 0)
    code = made(
        "3.11 or later", ("K", "eval"), 128, 0, 92, 0, *cells * 4, 80, 3, *cells * 9, 86, 0, 52, 1, *cells * 3, 35, 0
    )  # fmt: skip
    assert [one.versions for one in readings(code)] == ["3.14"]
    assert uses(code).paths == ("K.eval",)


def test_look_ups_on_what_a_call_returns_stand_alone() -> None:
    assert uses(source("lambda x: __import__('os').system('echo inert')")).paths == ("__import__", "system")


def test_nested_functions_count() -> None:
    found = uses(source("lambda x: [(lambda z: os.getcwd())(y) for y in tf.unstack(x)]"))
    assert {"os.getcwd", "tf.unstack"} <= set(found.paths)
    assert found.roots is not None
    assert {"os", "tf"} <= found.roots


def test_every_name_is_told_of_however_it_is_used() -> None:
    for function in (sample, test_nested_functions_count, base64.b64encode, base64.b85decode):
        code = code_of(function)
        parts = {part for path in uses(code).paths for part in path.split(".")}
        assert {part for name in code.names() for part in name.split(".") if part} <= parts


MADE: object = None


def sample(x: object) -> object:
    global MADE
    import os.path as p

    MADE = x
    del x.other  # type: ignore[attr-defined]
    x.more = p.sep  # type: ignore[attr-defined]
    return [p.sep.upper]


def test_a_global_that_is_set_leaves_the_roots_open() -> None:
    assert uses(code_of(sample)).roots is None


def test_imports_are_roots_with_their_whole_name() -> None:
    def function(x: Any) -> Any:
        from xml.sax import handler as K

        return [x, K.version.title()]

    found = uses(code_of(function))
    assert set(found.roots or ()) == {"xml.sax"}
    assert "K.version.title" in found.paths


@pytest.mark.parametrize(
    "instructions",
    [
        (151, 0, 255, 0),  # no opcode
        (151, 0, 116, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),  # no such name
        (151, 0, 116, 0, 116, 0, 0, 0, 0, 0, 0, 0, 0, 0),  # a look-up in a cache
        (116, 0, *(0,) * 10, 83, 0),  # no function begins like this
        (151, 0, 83),
    ],
)
def test_instructions_of_no_version_leave_the_names_as_they_are(instructions: tuple[int, ...]) -> None:
    code = made("3.11 or later", ("K",), *instructions)
    assert readings(code) == ()
    assert uses(code).paths == ("K",)
    assert uses(code).roots is None


def test_arguments_beyond_a_byte() -> None:
    names = " + ".join(f"n{number}.a{number}" for number in range(400))
    assert uses(source(f"lambda x: {names}")).paths == tuple(f"n{number}.a{number}" for number in range(400))


def test_damaged_instructions_lose_no_name() -> None:
    chance = random.Random(1)
    whole = bytearray(marshal.dumps(sample.__code__))
    read = 0
    for _ in range(500):
        data = bytearray(whole)
        data[chance.randrange(30, len(data))] = chance.randrange(256)
        try:
            code = read_code(bytes(data))
        except NotMarshal:
            continue
        read += 1
        parts = {part for path in uses(code).paths for part in path.split(".")}
        assert {part for name in code.names() for part in name.split(".") if part} <= parts
    assert read > 100


def test_the_table_knows_the_running_python() -> None:
    import opcode

    version = f"3.{sys.version_info.minor}"
    dialect = next((one for one in table("bytecode")["dialects"] if one["versions"].endswith(version)), None)
    if dialect is None:
        pytest.skip(f"no dialect ends with {version}")
    names = {number: name for name, number in opcode.opmap.items()}
    assert names[dialect["extended"]] == "EXTENDED_ARG"
    assert {names[one] for one in dialect["global"]} >= {"LOAD_GLOBAL", "LOAD_NAME"}
    assert names[dialect["attribute"][0]] == "LOAD_ATTR"
    assert [names[one] for one in dialect["import"]] == ["IMPORT_NAME"]
