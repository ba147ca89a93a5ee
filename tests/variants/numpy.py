"""NumPy: every header that makes it unpickle, however it is written, and arrays that only look like one."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import assemble as asm
from variants.base import Variant, bad, good

EVIL, HONEST = asm.malicious(4), asm.honest(4)
OBJECTS = (
    "'O'",
    "'|O'",
    "'>O'",
    "'<O'",
    "'=O'",
    "'O4'",
    "'O8'",
    "'|O8'",
    "'object'",
    "'object_'",
    "'i4,O'",
    "'O,O'",
    "'(2,)O'",
    "('O',(2,))",
    "[('a','O')]",
    "[('a','<i4'),('b','|O')]",
    "[('a',('O',(2,)))]",
    "[('a',[('b','O')])]",
    "[(('t','a'),'O')]",
    "[('','O')]",
    "[('a','O',(2,))]",
    "'T'",
    "'\\x7cO'",
    "'\\117'",
    "'' 'O'",
    "('O')",
    "'i4, f8, 2O'",
    "[('a','i4,O')]",
    "'\\u004f'",
    "u'O'",
    "[('x', 'f8'), ('y', [('z', 'i1'), ('w', ('|O', (3, 2)))])]",
)
PLAIN = ("<f4", ">f8", "|u1", "<i8", "<U5", "|S3", "<M8[ns]", "<c16", "|b1", "|V8")


def file(header: str, content: bytes, version: int = 1, pad: bool = True) -> bytes:
    """A file with any header."""
    text = header.encode("latin-1" if version < 3 else "utf-8")
    if pad:
        text += b" " * (-(len(text) + 11 + 2 * (version > 1)) % 64) + b"\n"
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + length + text + content


def header(descr: str = "'O'", order: str = "False", shape: str = "(1,)") -> str:
    """What the writer writes."""
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"


def variants() -> Iterator[Variant]:
    """All of them."""
    for descr in OBJECTS:
        yield bad(f"objects as {descr}", "a.npy", file(header(descr), EVIL))
    for version in (1, 2, 3):
        yield bad(f"version {version}", "a.npy", file(header(), EVIL, version))
        yield bad(f"version {version}, not padded", "a.npy", file(header(), EVIL, version, pad=False))
        yield good(f"honest objects, version {version}", "a.npy", file(header(), HONEST, version))
    for shape in ("()", "(0,)", "(1, 0)", "(10000000000000,)", "(3, 4, 5)", "(1L,)", "(2L, 3L)", "(+1,)"):
        yield bad(f"shape {shape}", "a.npy", file(header(shape=shape), EVIL))
    tricks = {
        "a comment": "{'descr': 'O', # 'descr': '<f4'\n 'fortran_order': False, 'shape': (1,)}",
        "keys turned": "{'shape': (1,), 'fortran_order': False, 'descr': 'O'}",
        "a key twice": "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'descr': 'O'}",
        "joined strings": "{'de' 'scr': '|' 'O', 'fortran_order': False, 'shape': (1,)}",
        "escaped keys": "{'\\x64escr': 'O', 'fortran_order': True, 'shape': (1,)}",
        "blanks in front": "   {'descr': 'O', 'fortran_order': False, 'shape': (1,)}",
        "line breaks": "{'descr':\n'O',\n'fortran_order':\nFalse,\n'shape':\n(1,)}\n",
        "double quotes": '{"descr": "O", "fortran_order": False, "shape": (1,)}',
        "triple quotes": "{'''descr''': \"\"\"O\"\"\", 'fortran_order': False, 'shape': (1,)}",
        "raw strings": "{r'descr': r'O', 'fortran_order': False, 'shape': (1,)}",
        "in brackets": "({'descr': ('O'), 'fortran_order': (False), 'shape': ((1,))})",
        "numbers with underscores": "{'descr': 'O', 'fortran_order': False, 'shape': (1_0,)}",
        "a long header": "{'descr': 'O', 'fortran_order': False, 'shape': (1,)}" + " " * 60_000,
        "a list as shape": "{'descr': 'O', 'fortran_order': False, 'shape': [1]}",
        "one key too many": "{'descr': 'O', 'fortran_order': False, 'shape': (1,), 'x': 1}",
        "nothing that parses": "{'descr': 'O' 'fortran_order': False",
    }
    for name, text in tricks.items():
        yield bad(name, "a.npy", file(text, EVIL, 1))
    plain = file(header("'<f4'", shape="(4,)"), bytes(16))
    yield bad("behind an array", "a.npy", plain + file(header(), EVIL))
    yield bad("raw behind an array", "a.npy", plain + EVIL)
    yield bad("a pickle of that name", "a.npy", EVIL)
    yield bad(
        "in an archive, as text", "a.npz", asm.zipped({"notes.txt": file(header(), EVIL), "b.npy": plain})
    )
    yield bad("in an archive, twice", "a.npz", _twice(file(header(), HONEST), file(header(), EVIL)))
    yield bad("in an archive in bzip2", "a.npz", asm.zipped({"a.npy": file(header(), EVIL)}, 12))
    yield bad("a pickle in an archive", "a.npz", asm.zipped({"a.npy": plain, "arr.pkl": EVIL}))
    yield bad("an array, then an archive", "a.npz", file(header(), EVIL) + asm.zipped({"a.npy": plain}))
    yield bad(
        "a version that is not there",
        "a.npy",
        file(header(), EVIL, 1).replace(b"NUMPY\x01\0", b"NUMPY\x01\1", 1),
    )
    for descr in PLAIN:
        size = struct.calcsize("q") * 8
        yield good(
            f"numbers as {descr}",
            "a.npy",
            file(header(f"'{descr}'", shape=f"({size},)"), bytes(_width(descr) * size)),
        )
    yield good("numbers that are a pickle", "a.npy", file(header("'|u1'", shape=f"({len(EVIL)},)"), EVIL))
    yield good("fields", "a.npy", file(header("[('x', '<f4'), ('Object', '<i4')]", shape="(2,)"), bytes(16)))
    yield good(
        "a name of other letters",
        "a.npy",
        file(header("[('\u00fc\u4e2d', '<f4')]", shape="(2,)"), bytes(8), 3),
    )
    yield good("no numbers", "a.npy", file(header("'<f4'", shape="(0, 3)"), b""))
    yield good("one number", "a.npy", file(header("'<f8'", "True", "()"), bytes(8)))
    yield good("an archive", "a.npz", asm.zipped({"a.npy": plain, "sub/b.npy": plain}, 8))


def _width(descr: str) -> int:
    widths = {"U": 4, "S": 1, "M": 8, "V": 1}
    if descr[1] == "M":
        return 8
    number = int("".join(one for one in descr[2:] if one.isdigit()))
    return number * (4 if descr[1] == "U" else widths.get(descr[1], 1))


def _twice(first: bytes, second: bytes) -> bytes:
    import zip_builder as build

    return build.archive((b"a.npy", first), (b"a.npy", second))
