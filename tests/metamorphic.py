"""Changes to a file that leave what it does as it was, or add to it: none of them may lower its verdict.

`REWRITINGS` are changes to the opcodes of a pickle, `WRAPPINGS` to the file around it. Opcodes are read by
`pickletools`, so that it shares no mistake with the code under test; files that it cannot read are not changed.
"""

from __future__ import annotations

import _compat_pickle
import io
import pickletools
import random
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import assemble as asm

Chance: TypeAlias = random.Random
MOST_CHANGES = 200
"""Places of one program that are changed."""


@dataclass(frozen=True, slots=True)
class Op:
    """One opcode, as it is written."""

    name: str
    raw: bytes
    argument: Any


class NotReadable(Exception):
    """A pickle that cannot be rewritten safely."""


@dataclass(frozen=True, slots=True)
class Program:
    """The first pickle of a file without its frames, and what follows it."""

    ops: tuple[Op, ...]
    rest: bytes

    @property
    def protocol(self) -> int:
        """The last one that it declares."""
        return max((op.argument for op in self.ops if op.name == "PROTO"), default=0)

    def joined(self, changed: Iterable[bytes]) -> bytes:
        """The opcodes as bytes, with what followed them."""
        return b"".join(changed) + self.rest


def read(data: bytes) -> Program:
    """The program at the start of a file; raise `NotReadable` where its opcodes or frames are not in order.

    So it is where joblib's arrays lie between the opcodes: what is added before one would be read as its content.
    """
    if b"ArrayWrapper" in data:
        raise NotReadable("bytes between the opcodes")
    ops, starts, ends = [], set(), set()
    try:
        found = list(pickletools.genops(io.BytesIO(data)))
    except Exception as error:
        raise NotReadable(str(error)) from None
    borders = [position or 0 for _, _, position in found]
    stop = borders[-1] + 1
    for (opcode, argument, position), end in zip(found, [*borders[1:], stop], strict=True):
        starts.add(end)
        if opcode.name == "FRAME":
            ends.add(end + (argument or 0))
        else:
            ops.append(Op(opcode.name, data[position:end], argument))
    if not ends <= starts:
        raise NotReadable("a frame ends inside an opcode")
    return Program(tuple(ops), data[stop:])


# Rewritings ------------------------------------------------------------------------------------------------

Rewriting: TypeAlias = Callable[[Program, Chance], "bytes | None"]


def reencoded(program: Program, chance: Chance) -> bytes | None:
    """Every argument in another of its encodings."""
    return program.joined(_other_encoding(op, chance) for op in program.ops)


def _other_encoding(op: Op, chance: Chance) -> bytes:
    choices = list(_encodings(op))
    return chance.choice(choices) if choices else op.raw


def _encodings(op: Op) -> Iterable[bytes]:
    value = op.argument
    match op.name:
        case "BINUNICODE" | "SHORT_BINUNICODE" | "BINUNICODE8":
            raw = value.encode("utf-8", "surrogatepass")
            yield from (b"X" + struct.pack("<I", len(raw)) + raw, b"\x8d" + struct.pack("<Q", len(raw)) + raw)
            if len(raw) < 256:
                yield b"\x8c" + bytes([len(raw)]) + raw
            if value.isascii() and "\\" not in value and value.isprintable():
                yield b"V" + value.encode() + b"\n"
        case "BINBYTES" | "SHORT_BINBYTES" | "BINBYTES8":
            yield from (asm.data(value), b"\x8e" + struct.pack("<Q", len(value)) + value)
            if len(value) < 256:
                yield b"C" + bytes([len(value)]) + value
        case "BININT" | "BININT1" | "BININT2" | "LONG1":
            yield from (b"I%d\n" % value, b"L%dL\n" % value)
            if -(1 << 31) <= value < 1 << 31:
                yield asm.number(value)
            if 0 <= value < 256:
                yield b"K" + bytes([value])
        case "GLOBAL":
            module, _, name = value.partition(" ")
            if op.raw == asm.glob(module, name) and module.isascii() and name.isascii():
                yield from (op.raw, asm.text(module) + asm.text(name) + b"\x93")
        case "EMPTY_TUPLE" | "EMPTY_LIST" | "EMPTY_DICT":
            yield from (op.raw, asm.MARK + {"T": b"t", "L": b"l", "D": b"d"}[op.name[6]])
        case "NEWTRUE" | "NEWFALSE":
            yield from (op.raw, b"I01\n" if op.name == "NEWTRUE" else b"I00\n")
        case "GET" | "BINGET" | "LONG_BINGET":
            yield from _index(b"g", b"h", b"j", int(value))
        case "PUT" | "BINPUT" | "LONG_BINPUT":
            yield from _index(b"p", b"q", b"r", int(value))


def _index(line: bytes, short: bytes, long: bytes, index: int) -> Iterable[bytes]:
    yield line + b"%d\n" % index
    if 0 <= index < 1 << 16:
        yield long + struct.pack("<I", index)
    if 0 <= index < 256:
        yield short + bytes([index])


def other_protocol(program: Program, chance: Chance) -> bytes | None:
    """Another number after PROTO, or none, where that changes no name."""
    names = [op.argument for op in program.ops if op.name in ("GLOBAL", "INST")]
    computed = any(op.name == "STACK_GLOBAL" for op in program.ops)
    if any(op.name == "PROTO" for op in program.ops[1:]):
        return None
    if computed or any(_means_something_else(*name.split(" ", 1)) for name in names):
        return None
    body = [op.raw for op in program.ops if op.name != "PROTO"]
    protocol = chance.randrange(6)
    return program.joined(body if protocol == 0 else [asm.proto(protocol), *body])


def _means_something_else(module: str, name: str) -> bool:
    """Does the name depend on the protocol? Below 3 it is translated, from 4 on its dots are walked."""
    renamed = module in _compat_pickle.IMPORT_MAPPING or (module, name) in _compat_pickle.NAME_MAPPING
    return "." in name or renamed


_TRANSPARENT = (
    asm.NONE + asm.POP,
    asm.MARK + asm.NONE + b"1",
    asm.EMPTY_LIST + asm.MARK + asm.number(7) + b"e" + asm.POP,
    asm.text("noise") + asm.DUP + b"\x86" + asm.POP,
    asm.EMPTY_DICT + asm.NONE + asm.NONE + b"s" + asm.POP,
)
_PUSHING = (
    "NONE BININT1 BINUNICODE SHORT_BINUNICODE EMPTY_LIST EMPTY_DICT EMPTY_TUPLE TUPLE1 TUPLE2 TUPLE3 TUPLE GLOBAL "
    "STACK_GLOBAL REDUCE NEWOBJ INST OBJ BUILD LIST DICT APPEND SETITEM BINGET GET LONG_BINGET"
).split()
"""Opcodes after which a value lies on top, and no mark."""


def padded(program: Program, chance: Chance) -> bytes | None:
    """Values that are pushed and dropped between the opcodes."""
    return _between(program, chance, lambda op: chance.choice(_TRANSPARENT))


def duplicated(program: Program, chance: Chance) -> bytes | None:
    """DUP and POP after values."""
    return _between(program, chance, lambda op: asm.DUP + asm.POP if op.name in _PUSHING else b"")


def _between(program: Program, chance: Chance, added: Callable[[Op], bytes]) -> bytes:
    share = min(0.5, MOST_CHANGES / len(program.ops))
    changed = []
    for op in program.ops:
        changed.append(op.raw)
        if op.name not in ("PROTO", "STOP") and chance.random() < share:
            changed.append(added(op))
    return program.joined(changed)


def remembered(program: Program, chance: Chance) -> bytes | None:
    """PUT after values, and often POP and GET: MEMOIZE becomes PUT, because it counts."""
    used: set[int] = set()
    changed: list[bytes] = []
    free = 1_000
    share = min(0.5, MOST_CHANGES / len(program.ops))
    for op in program.ops:
        if "PUT" in op.name or op.name == "MEMOIZE":
            index = len(used) if op.name == "MEMOIZE" else int(op.argument)
            if not 0 <= index < 1_000:
                return None
            used.add(index)
            changed.append(b"r" + struct.pack("<I", index))
            continue
        changed.append(op.raw)
        if op.name in _PUSHING and chance.random() < share:
            place = struct.pack("<I", free)
            free += 1
            changed.append(b"r" + place + (asm.POP + b"j" + place if chance.random() < 0.7 else b""))
    return program.joined(changed)


def framed(program: Program, chance: Chance) -> bytes | None:
    """Frames around random runs of opcodes."""
    changed, run = [], b""
    for op in program.ops:
        if op.name == "PROTO":
            changed.append(op.raw)
            continue
        run += op.raw
        if op.name == "STOP" or chance.random() < 4 / len(program.ops):
            changed.append(asm.frame(run) if chance.random() < 0.8 else run)
            run = b""
    return program.joined(changed)


def followed(program: Program, chance: Chance) -> bytes | None:
    """Junk, another pickle, or an archive after STOP."""
    junk = (
        chance.randbytes(chance.randint(1, 60)),
        bytes(chance.randint(1, 600)),
        asm.honest(),
        asm.zipped({"notes.txt": b"nothing"}),
        asm.torch_zip(asm.honest()),
        b"\n",
        b"PK\x05\x06" + bytes(18),
    )
    return program.joined(op.raw for op in program.ops) + chance.choice(junk)


def in_a_value(program: Program, chance: Chance) -> bytes | None:
    """The result in a list, a dict or a tuple of honest values."""
    head = [op.raw for op in program.ops if op.name == "PROTO"]
    body = b"".join(op.raw for op in program.ops if op.name != "PROTO").removesuffix(asm.STOP)
    honest = asm.value({"epoch": 3, "name": "tiny"})
    way = chance.choice((asm.list_of, asm.tuple_of))
    if chance.random() < 0.3:
        return program.joined([*head, asm.dict_of(state=honest, more=body), asm.STOP])
    return program.joined([*head, way(honest, body, honest), asm.STOP])


def in_a_checkpoint(program: Program, chance: Chance) -> bytes | None:
    """The object of a checkpoint of the old format."""
    return asm.torch_legacy(program.joined(op.raw for op in program.ops))


def in_a_pickle(program: Program, chance: Chance) -> bytes | None:
    """A pickle that loads the pickle."""
    return asm.nested(program.joined(op.raw for op in program.ops))


def preceded(program: Program, chance: Chance) -> bytes | None:
    """An honest pickle before it, as in a file into which several were dumped."""
    return asm.honest() + program.joined(op.raw for op in program.ops)


REWRITINGS: dict[str, Rewriting] = {
    one.__name__: one
    for one in (
        *(reencoded, other_protocol, padded, duplicated, remembered, framed),
        *(followed, preceded, in_a_value, in_a_checkpoint, in_a_pickle),
    )
}


# Wrappings -------------------------------------------------------------------------------------------------

Wrapping: TypeAlias = Callable[[bytes], bytes]


def tarred(data: bytes) -> bytes:
    """A tar archive of one member."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        member = tarfile.TarInfo("inner.pkl")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return target.getvalue()


def rezipped(data: bytes, chance: Chance) -> bytes | None:
    """The members of an archive written anew: in another order, stored or deflated.

    None for what is no archive, or has members that its directory does not list and that would be lost.
    """
    target = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [(one.filename, archive.read(one)) for one in archive.infolist()]
            if data.count(b"PK\3\4") > len(members) or len({name for name, _ in members}) < len(members):
                return None
    except Exception:  # damaged, encrypted, or no archive
        return None
    chance.shuffle(members)
    method = chance.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content, method)
    return target.getvalue()


WRAPPINGS: dict[str, Wrapping] = {
    **asm.WRAPPERS,
    "torch": asm.torch_zip,
    "tar": tarred,
    "tar in gzip": lambda data: asm.WRAPPERS["gzip"](tarred(data)),
}
"""Files around a pickle that a loader or a reader takes apart again."""
NAMES = (
    "model model.pkl model.pt model.bin model.joblib model.h5 model.onnx model.json model.txt model.npy weights.py"
).split()
