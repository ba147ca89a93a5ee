"""structure: computed names, extension codes, and bytes that loaders read differently."""

from __future__ import annotations

import pytest

import assemble as asm
import judged
from pvmscan import Verdict

COMMAND = asm.text(asm.COMMAND)


def joined(*parts: str) -> bytes:
    return asm.call(asm.stack_global("operator", "concat"), *map(asm.text, parts))


def test_a_computed_name_is_seen_and_resolved() -> None:
    callee = asm.stack_global("os", joined("sys", "tem"))
    data = asm.program(4, asm.call(callee, COMMAND))
    finding = judged.found(data, "structure/computed-name")
    assert finding.verdict is Verdict.SUSPICIOUS
    assert "os.system" in finding.message
    assert "reachable-sink/shell-command" in judged.rules(data)


@pytest.mark.parametrize(
    "name",
    [
        asm.call(asm.stack_global("builtins", "str.join"), asm.text(""), asm.list_of(*map(asm.text, "system"))),
        asm.call(asm.stack_global("codecs", "decode"), asm.text("flfgrz"), asm.text("rot13")),
        asm.call(asm.stack_global("builtins", "str.replace"), asm.text("syXem"), asm.text("X"), asm.text("st")),
        asm.call(asm.stack_global("operator", "getitem"), asm.value(["popen", "system"]), asm.number(1)),
        asm.call(asm.stack_global("builtins", "str"), asm.data(b"system"), asm.text("ascii")),
        asm.call(asm.stack_global("builtins", "str.format"), asm.text("{}tem"), asm.text("sys")),
    ],
    ids=["join", "rot13", "replace", "getitem", "decode", "format"],
)  # fmt: skip
def test_names_are_computed_however_they_are_put_together(name: bytes) -> None:
    rules = judged.rules(asm.program(4, asm.call(asm.stack_global("os", name), COMMAND)))
    assert {"structure/computed-name", "reachable-sink/shell-command"} <= rules


def test_a_name_that_cannot_be_told_is_suspicious() -> None:
    data = asm.program(4, asm.stack_global("os", asm.persistent(asm.text("name"))))
    assert "structure/computed-name" in judged.rules(data)


def test_names_from_the_memo_are_not_computed() -> None:
    code = asm.text("collections") + asm.put(0) + asm.text("OrderedDict") + asm.put(1)
    again = asm.get(0) + asm.get(1) + b"\x93"
    assert judged.serious(asm.program(4, asm.list_of(code + b"\x93", again))) == set()


def test_an_extension_code_that_the_file_does_not_register_is_suspicious() -> None:
    finding = judged.found(asm.program(2, asm.ext(7)), "structure/extension-code")
    assert finding.verdict is Verdict.SUSPICIOUS


def test_an_extension_code_that_the_file_registers_is_followed() -> None:
    table = asm.glob("copyreg", "_inverted_registry")
    entry = asm.set_item(table, asm.number(7), asm.tuple_of(asm.text("os"), asm.text("system"))) + asm.POP
    rules = judged.rules(asm.program(2, entry, asm.call(asm.ext(7), COMMAND)))
    assert "reachable-sink/shell-command" in rules
    assert "tampering/pickle-registry" in rules
    assert "structure/extension-code" not in rules


def crossing() -> bytes:
    """A frame that ends in the middle of an opcode's argument."""
    code = asm.call(asm.short("mypkg") + asm.short("Net") + b"\x93") + asm.STOP
    return asm.proto(4) + asm.frame(code[:3]) + code[3:]


def test_an_opcode_that_crosses_the_end_of_its_frame_is_suspicious() -> None:
    assert "structure/frame-crossed" in judged.serious(crossing())


def test_honest_frames_are_clean() -> None:
    inner = asm.honest(4)[2:]
    assert judged.verdict(asm.proto(4) + asm.frame(inner)) is Verdict.CLEAN


def test_an_integer_that_loaders_read_differently_is_suspicious_beside_an_import() -> None:
    data = asm.program(2, asm.dict_of(kind=asm.glob("mypkg", "Net"), size=b"I0x10\n"))
    assert "structure/unusual-text" in judged.serious(data)


@pytest.mark.parametrize("number", [b"I16\n", b"I-1\n", b"I01\n", b"L16L\n"])
def test_numbers_as_picklers_write_them_are_clean(number: bytes) -> None:
    data = asm.program(2, asm.dict_of(kind=asm.glob("collections", "OrderedDict"), size=number))
    assert judged.verdict(data) is Verdict.CLEAN


def test_odd_bytes_without_any_import_are_no_reason_for_alarm() -> None:
    assert judged.serious(asm.program(2, asm.dict_of(size=b"I0x10\n"))) == set()


def test_persistent_ids_as_torch_writes_them_are_honest() -> None:
    pid = asm.tuple_of(asm.text("storage"), asm.glob("torch", "FloatStorage"), asm.text("0"), asm.text("cpu"))
    assert judged.verdict(asm.program(2, asm.persistent(pid))) <= Verdict.UNVERIFIED


def test_what_a_persistent_id_calls_before_it_is_asked_counts() -> None:
    assert judged.verdict(asm.program(2, asm.persistent(asm.RUN))) is Verdict.DANGEROUS
    assert judged.verdict(asm.program(0, asm.SYSTEM, b"Pinert\n", b"\x85", asm.REDUCE)) is Verdict.DANGEROUS
