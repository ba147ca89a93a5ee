"""Pieces of source: whatever the input says, they parse, and they say it."""

from __future__ import annotations

import ast
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvm import source
from pvm.values import Blob, Constant

ANY_TEXT = st.text(st.characters(), max_size=12)
WORDS = st.sampled_from(
    ["a", "b", "os", "if", "None", "__debug__", "é", "ﬁ", "a b", "", "v1", "v2", "x_2", "x", "result", "set"]
)
MODULES = st.lists(WORDS, min_size=1, max_size=3).map(".".join) | st.sampled_from(
    ["__future__", "importlib", "functools", "builtins", "a.b", "a_b"]
)
NAMES = st.lists(WORDS, max_size=3).map(".".join)
CONSTANTS = st.one_of(
    st.none(), st.booleans(), st.integers(), ANY_TEXT, st.binary(max_size=9), st.floats(),
    st.integers(-(2**2000), 2**2000),
)  # fmt: skip


def evaluated(text: str, **names: object) -> object:
    """What an expression that we have made ourselves is."""
    return eval(text, {"__builtins__": {}, "float": float, "int": int, "bytearray": bytearray, **names})


# Constants -------------------------------------------------------------------------------------------------


@given(CONSTANTS)
def test_a_literal_is_its_constant(value: Constant) -> None:
    found = evaluated(source.literal(value))
    assert type(found) is type(value)
    assert repr(found) == repr(value)


@pytest.mark.parametrize("power", [255, 256, 257, 4 * source.MAX_LITERAL - 1])
@pytest.mark.parametrize("sign", [1, -1])
def test_long_integers_are_read_by_any_python(power: int, sign: int) -> None:
    """Python reads no decimal number of thousands of digits."""
    value = sign * ((1 << power) - 1)
    text = source.literal(value)
    assert evaluated(text) == value
    assert text.lstrip("-").startswith("0x") == (value.bit_length() > source.MAX_BITS)


@pytest.mark.parametrize("sign", [1, -1])
def test_of_longer_ones_the_head_is_said(sign: int) -> None:
    value = sign * (3 << 4 * source.MAX_LITERAL)
    text = source.literal(value)
    assert len(text) < 100 and evaluated(text) == value


@pytest.mark.parametrize("long", ["a" * (source.MAX_LITERAL + 1), b"a" * (source.MAX_LITERAL + 1)])
def test_long_text_is_cut_and_says_so(long: str | bytes) -> None:
    whole = long[:-1]
    assert evaluated(source.literal(whole)) == whole
    cut = ast.parse(source.literal(long), mode="eval").body
    assert isinstance(cut, ast.BinOp)
    assert isinstance(cut.left, ast.Constant) and cut.left.value == whole
    assert isinstance(cut.right, ast.Constant) and cut.right.value is ...


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_floats_that_have_no_literal(value: float) -> None:
    assert repr(evaluated(source.literal(value))) == repr(value)


@pytest.mark.parametrize(
    ("kind", "content", "value"),
    [
        ("str", "é\ud800".encode("utf-8", "surrogatepass"), "é\ud800"),
        ("bytes", b"\0\xff", b"\0\xff"),
        ("int", b"\x00\xff", -256),
    ],
)
def test_a_long_constant_is_a_range_of_the_input(kind: str, content: bytes, value: object) -> None:
    data = b"before" + content + b"after"
    text = source.blob(Blob(0, kind, 6, 6 + len(content)))
    assert evaluated(text, pickle_data=data) == value


# Names -----------------------------------------------------------------------------------------------------


@given(ANY_TEXT | WORDS)
def test_a_plain_name_means_itself(name: str) -> None:
    if source.is_plain(name):
        parsed = ast.parse(f"{name} = 1").body[0]
        assert isinstance(parsed, ast.Assign)
        assert isinstance(parsed.targets[0], ast.Name) and parsed.targets[0].id == name


@given(ANY_TEXT | WORDS)
def test_an_attribute_is_that_of_its_name(name: str) -> None:
    parsed = ast.parse(source.attribute("x", name), mode="eval").body
    if isinstance(parsed, ast.Attribute):
        assert parsed.attr == name and source.is_plain(name)
    else:
        assert isinstance(parsed, ast.Call) and isinstance(parsed.args[1], ast.Constant)
        assert parsed.args[1].value == name and not source.is_plain(name)


@given(st.text(max_size=400))
def test_a_comment_is_one_line_of_what_can_be_printed(text: str) -> None:
    found = source.comment(text, 50)
    assert found.isprintable() and len(found) <= 10 * 50 and len(found.splitlines()) <= 1


@given(st.lists(st.tuples(MODULES, NAMES, st.booleans()), max_size=8))
def test_imports_parse_and_bind_each_global_to_a_name_of_its_own(asked: list[tuple[str, str, bool]]) -> None:
    names = source.Names()
    said: dict[tuple[str, str], str] = {}
    for module, name, again in asked:
        text = names.expression(module, name, "note", again=again)
        ast.parse(text, mode="eval")
        assert said.setdefault((module, name), text) == text, "the same global is the same expression"
    assert len({*said.values()}) == len(said), "others are others"
    lines = names.take()
    ast.parse("\n".join(lines))
    assert names.take() == []
    roots = {text.partition(".")[0] for text in said.values()}
    bound = {one for line in lines for one in binds(line)}
    assert roots <= bound
    assert not bound & {"result", "persistent_load", "unknown", "item", "extension", "next_buffer"}


def binds(line: str) -> list[str]:
    """The names that a statement binds."""
    statement = ast.parse(line).body[0]
    if isinstance(statement, ast.Assign):
        return [one.id for one in statement.targets if isinstance(one, ast.Name)]
    assert isinstance(statement, ast.Import | ast.ImportFrom)
    return [one.asname or one.name.partition(".")[0] for one in statement.names]


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.just("x")), max_size=6))
def test_what_is_known_is_not_imported_again_unless_something_was_written(
    asked: list[tuple[str, str]],
) -> None:
    names = source.Names()
    for module, name in asked:
        names.expression(module, name, again=True)
    assert len(names.take()) == len({*asked})
    for module, name in asked:
        names.expression(module, name)
    assert names.take() == []
    names.current.clear()  # somebody may have changed what an import finds
    for module, name in asked:
        names.expression(module, name, again=True)
    assert len(names.take()) == len({*asked})


def test_names_that_are_the_sources_own() -> None:
    names = source.Names()
    assert names.expression("builtins", "set") == "set"
    assert names.expression("other", "set") != "set"
    assert names.expression("importlib", "") == "importlib"
    assert names.variable() == "v1" and names.variable() == "v2"
    assert names.expression("m", "v3") == "v3_2"


def test_a_note_stands_on_the_import() -> None:
    names = source.Names()
    names.expression("os", "system", "written as posix.system")
    names.expression("os", "system", "of no use")
    assert names.take() == ["from os import system  # written as posix.system"]


@pytest.mark.parametrize("count", [source.MAX_DOTS, source.MAX_DOTS + 1])
def test_long_chains_of_attributes_are_folded(count: int) -> None:
    names = source.Names()
    text = names.expression("m", ".".join("a" * count))
    assert (text == "m" + ".a" * count) == (count <= source.MAX_DOTS)
    ast.parse("\n".join(names.take()))
