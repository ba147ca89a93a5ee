"""The opcode table against the interpreter's own."""

from __future__ import annotations

import pickletools

from pvm.handlers import HANDLERS
from pvm.opcodes import BY_CODE, BY_NAME, OPCODES

NAMES = {opcode.name: opcode for opcode in pickletools.opcodes}
SIZES = {"u1": 1, "u2": 2, "u4": 4, "u8": 8, "i4": 4, "f8": 8}


def test_names_codes_and_protocols_are_those_of_pickletools() -> None:
    """All 68 opcodes, and no other."""
    assert {(one.name, chr(one.code), one.protocol) for one in OPCODES} == {
        (one.name, one.code, one.proto) for one in pickletools.opcodes
    }


def test_arguments_have_the_sizes_of_pickletools() -> None:
    """Fixed sizes agree; lines and counted runs are marked as such."""
    for one in OPCODES:
        argument = NAMES[one.name].arg
        if argument is None:
            assert one.argument == "none"
        elif argument.n > 0:
            assert SIZES[one.argument] == argument.n
        elif argument.n == -1:
            assert one.argument in ("line", "lines")
        else:
            assert one.argument[0] in "nm"


def test_every_opcode_has_a_handler_and_no_other_byte_has() -> None:
    """The handlers' table is filled from the same names."""
    missing = HANDLERS[0]
    assert {code for code in range(256) if HANDLERS[code] is not missing} == set(BY_CODE)
    assert len(BY_NAME) == len(BY_CODE) == 68
