"""What a skeletal run notes of its globals."""

from __future__ import annotations

import pytest

from pvm import effects
from pvm.usage import DECIDES, EVALUATES, PLAIN, RECONSTRUCTS, NeedsMachine, Usage, flag_of


def usage(protocol: int = 4, data: bytes = b"") -> Usage:
    used = Usage(data, 0)
    used.protocol = protocol
    return used


def test_a_global_has_one_number_and_its_first_place() -> None:
    used = usage()
    assert [used.number("GLOBAL", b"a", b"B", 5), used.number("GLOBAL", b"a", b"C", 9)] == [0, 1]
    assert used.number("GLOBAL", b"a", b"B", 20) == 0
    assert used.offsets == [5, 9]


@pytest.mark.parametrize(
    ("module", "name"),
    [(b"", b"x"), (b"m", b""), (b"\xff", b"x"), (b"m", b"f.<locals>.g"), (b"m" * 5000, b"x"), (b"m", b".")],
)
def test_unusual_names_are_left_to_the_machine(module: bytes, name: bytes) -> None:
    with pytest.raises(NeedsMachine):
        usage().number("GLOBAL", module, name, 0)


@pytest.mark.parametrize(
    ("path", "flag"),
    [
        ("mypackage.Model", PLAIN),
        ("collections.OrderedDict", PLAIN),
        ("builtins.getattr", DECIDES),
        ("functools.partial", DECIDES),
        ("builtins.map", DECIDES),
        ("builtins.str.join", EVALUATES),
        ("copyreg._reconstructor", RECONSTRUCTS),
    ],
)
def test_what_a_call_asks_of_the_machine(path: str, flag: int) -> None:
    assert flag_of(path) == flag


def test_python_2_names_are_known_by_their_new_names() -> None:
    used = usage(2)
    used.number("GLOBAL", b"copy_reg", b"_reconstructor", 0)
    used.number("GLOBAL", b"__builtin__", b"object", 0)
    used.number("GLOBAL", b"mypackage", b"Model", 0)
    assert used.flags[0] == RECONSTRUCTS
    assert used.classes[used.reconstructs(2, 1)] == 2
    assert used.reconstructs(2, 2) == used.reconstructs(0, 1) == 0


def test_a_state_that_could_replace_a_method_is_noticed_once_it_is_written() -> None:
    data = b"......\x8c\x06append......"
    used = usage(4, data)
    used.check_hooks(6)
    with pytest.raises(NeedsMachine):
        used.check_hooks(len(data))


def test_evaluates_agrees_with_the_tables() -> None:
    assert effects.evaluates("builtins.getattr")
    assert effects.evaluates("builtins.enumerate")
    assert not effects.evaluates("os.system")
