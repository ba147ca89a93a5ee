"""tampering: writes to what the pickle did not make, and what they change."""

from __future__ import annotations

import pytest

import assemble as asm
import judged
from pvmscan import Verdict

COMMAND = asm.text(asm.COMMAND)
SHELL = "reachable-sink/shell-command"


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        (asm.set_item(asm.glob("sys", "modules"), asm.text("x"), asm.NONE), "tampering/module-table"),
        (asm.append(asm.glob("sys", "path"), asm.text(asm.INERT)), "tampering/module-table"),
        (asm.glob("sys", "path") + asm.MARK + asm.text(asm.INERT) + b"e", "tampering/module-table"),
        (asm.set_item(asm.glob("os", "environ"), asm.text("A"), asm.text("b")), "tampering/environment"),
        (asm.build(asm.glob("mypkg", "Net"), asm.value({"forward": 1})), "tampering/global-write"),
        (asm.build(asm.glob("mypkg", "Net"), asm.tuple_of(asm.NONE, asm.value({"x": 1}))),
         "tampering/global-write"),
        (asm.add_items(asm.stack_global("mypkg", "seen"), asm.number(1)), "tampering/global-write"),
    ],
    ids=["SETITEM", "APPEND", "APPENDS", "environ", "BUILD dict", "BUILD slots", "ADDITEMS"],
)  # fmt: skip
def test_a_write_to_a_global_is_dangerous(code: bytes, rule: str) -> None:
    finding = judged.found(asm.program(4, code), rule)
    assert finding.verdict is Verdict.DANGEROUS
    assert finding.effect == "tampering"
    assert finding.chain[-1].kind == "write"
    assert finding.payload


PATHS, MODULES = asm.glob("sys", "path"), asm.glob("sys", "modules")
ONE, PAIR = asm.text(asm.INERT), asm.value({"x": 1})
WRITERS = {
    "builtins list.append": (PATHS, ONE),
    "builtins list.extend": (PATHS, asm.list_of(ONE)),
    "builtins list.insert": (PATHS, asm.number(0), ONE),
    "builtins list.__iadd__": (PATHS, asm.list_of(ONE)),
    "builtins list.__setitem__": (PATHS, asm.number(0), ONE),
    "operator iadd": (PATHS, asm.list_of(ONE)),
    "operator iconcat": (PATHS, asm.list_of(ONE)),
    "_operator iadd": (PATHS, asm.list_of(ONE)),
    "operator setitem": (MODULES, ONE, asm.NONE),
    "operator ior": (MODULES, PAIR),
    "operator imul": (PATHS, asm.number(0)),
    "operator delitem": (MODULES, ONE),
    "collections.abc MutableMapping.update": (MODULES, PAIR),
    "collections.abc MutableSequence.append": (PATHS, ONE),
    "heapq heappush": (PATHS, ONE),
    "builtins dict.update": (MODULES, PAIR),
    "builtins dict.setdefault": (MODULES, ONE, asm.NONE),
    "builtins dict.__ior__": (MODULES, PAIR),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_a_function_that_writes_to_its_argument_is_a_write(writer: str) -> None:
    function, given = asm.glob(*writer.split()), WRITERS[writer]
    found = judged.found(asm.program(4, asm.call(function, *given)), "tampering/module-table")
    assert found.verdict is Verdict.DANGEROUS
    own = asm.EMPTY_LIST if given[0] == PATHS else asm.EMPTY_DICT
    rules = judged.rules(asm.program(4, asm.call(function, own, *given[1:])))
    assert not any(rule.startswith("tampering") for rule in rules)


def test_functions_that_only_compute_still_do() -> None:
    name = asm.call(asm.glob("operator", "iadd"), asm.text("sys"), asm.text("tem"))
    code = asm.call(asm.stack_global(asm.text("os"), name), COMMAND)
    assert SHELL in judged.rules(asm.program(4, code))


def test_a_write_to_an_object_that_cannot_be_told_is_reported() -> None:
    assert "tampering/global-write" in judged.rules(
        asm.program(2, asm.set_item(asm.ext(9), asm.text("x"), asm.NONE))
    )


def filled(kind: str, *arguments: bytes) -> bytes:
    made = asm.call(asm.glob("collections", kind), *arguments)
    return made + asm.MARK + asm.text("a") + asm.number(1) + asm.text("b") + asm.number(2) + asm.SETITEMS


@pytest.mark.parametrize(
    "code",
    [
        filled("OrderedDict"),
        filled("Counter"),
        filled("defaultdict", asm.glob("builtins", "list")),
        asm.call(asm.glob("collections", "deque")) + asm.MARK + asm.number(1) + b"e",
        asm.append(asm.call(asm.glob("collections", "deque")), asm.number(1)),
        asm.build(asm.newobj(asm.glob("mypkg", "Net")), asm.value({"forward": 1})),
        asm.append(asm.newobj(asm.glob("mypkg", "MyList")), asm.number(1)),
        asm.set_item(asm.newobj(asm.glob("mypkg", "MyDict")), asm.text("sys.modules"), asm.NONE),
        asm.add_items(asm.EMPTY_SET, asm.number(1)),
    ],
    ids=[
        "OrderedDict", "Counter", "defaultdict", "deque extend", "deque append", "instance", "list subclass",
        "dict subclass", "set",
    ],
)  # fmt: skip
def test_honest_objects_fill_themselves(code: bytes) -> None:
    data = asm.program(4, code)
    assert judged.serious(data) == set()
    assert judged.verdict(data) <= Verdict.UNVERIFIED


def swap(module: str, content: bytes) -> bytes:
    return asm.set_item(asm.glob("sys", "modules"), asm.text(module), content) + asm.POP


def test_one_module_in_anothers_place_is_seen_through() -> None:
    module = asm.call(asm.glob("importlib", "import_module"), asm.text("os"))
    call = asm.call(asm.glob("statistics", "system"), COMMAND)
    finding = judged.found(asm.program(2, swap("statistics", module), call), SHELL)
    assert asm.COMMAND in (finding.payload or "")


def test_a_class_in_a_modules_place_is_seen_through() -> None:
    call = asm.call(asm.glob("statistics", "system"), COMMAND)
    assert SHELL in judged.rules(asm.program(2, swap("statistics", asm.glob("shutil", "os")), call))


def test_a_name_that_build_wrote_into_a_module_is_seen_through() -> None:
    write = asm.build(asm.glob("mypkg", "Net"), asm.dict_of(helper=asm.SYSTEM)) + asm.POP
    assert SHELL in judged.rules(asm.program(4, write, asm.call(asm.at("mypkg.Net.helper"), COMMAND)))


OWNER = asm.newobj(asm.glob("mypkg", "Net"))
USES = {
    "append": b"a",
    "extend": asm.MARK + COMMAND + b"e",
    "add": asm.MARK + COMMAND + b"\x90",
    "__setstate__": asm.BUILD,
    "__setitem__": asm.SETITEM,
}


@pytest.mark.parametrize("method", USES)
def test_a_method_that_build_wrote_is_called_by_the_opcode_that_uses_it(method: str) -> None:
    target = asm.build(OWNER, asm.value({}) + asm.text(method) + asm.SYSTEM + asm.SETITEM)
    if method == "__setitem__":
        use = COMMAND + asm.NONE + asm.SETITEM
    elif method in ("append", "__setstate__"):
        use = COMMAND + USES[method]
    else:
        use = USES[method]
    data = asm.program(4, target, use)
    assert judged.verdict(data) >= Verdict.SUSPICIOUS
    if method != "__setitem__":  # Python looks it up on the class
        assert SHELL in judged.rules(data)


def test_the_registry_of_extension_codes_is_watched() -> None:
    pair = asm.tuple_of(asm.text("os"), asm.text("system"))
    data = asm.program(2, asm.set_item(asm.glob("copyreg", "_inverted_registry"), asm.number(5), pair))
    assert "tampering/pickle-registry" in judged.rules(data)


def test_after_a_write_under_an_unknown_name_no_global_is_trusted() -> None:
    write = asm.set_item(asm.glob("sys", "modules"), asm.persistent(asm.text("?")), asm.NONE) + asm.POP
    later = asm.call(asm.glob("collections", "OrderedDict"))
    assert "unknown-callee/computed-callee" in judged.rules(asm.program(2, write, later))
