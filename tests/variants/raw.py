"""Raw pickles: where the call stands in the stream, and what stands around it."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator

import assemble as asm
from pvmscan_cli.samples import POP, STOP, call, program, text
from variants.base import Variant, bad, good

TEXT = b"(S'echo inert'\nios\nsystem\n."
"""Protocol 0, by INST."""


def variants() -> Iterator[Variant]:
    """All of them."""
    run, honest, evil = asm.RUN, asm.honest(), asm.malicious()
    yield bad("cut off after the call", "m.pkl", program(2, run)[:-1])
    yield bad("broken after the call", "m.pkl", program(2, run)[:-1] + b"\xff\xfe")
    yield bad(
        "broken long after the call", "m.pkl", program(4, asm.list_of(run, *[text("x" * 90)] * 500))[:-300]
    )
    yield bad("a frame that is too long", "m.pkl", asm.proto(4) + asm.frame(run + STOP, 1 << 40))
    yield bad("a frame in a frame", "m.pkl", asm.proto(4) + asm.frame(asm.frame(run + STOP)))
    yield bad(
        "no frame, no header", "m.pkl", asm.call(asm.stack_global("os", "system"), text("echo inert")) + STOP
    )
    yield bad("protocol told twice", "m.pkl", asm.proto(2) + asm.proto(4) + asm.proto(0) + run + STOP)
    yield bad("a text", "notes.txt", TEXT)
    yield bad("behind three honest ones", "m.pkl", honest * 3 + evil)
    yield bad("behind numbers of other protocols", "m.pkl", b"I1\n." + b"K\x05." + b"N." + evil)
    yield bad("popped many times", "m.pkl", asm.proto(2) + (run + POP) * 5 + asm.value({"a": 1}) + STOP)
    yield bad("in a key of a dict", "m.pkl", program(2, asm.set_item(b"}", run, text("x"))))
    yield bad("in a set", "m.pkl", program(4, asm.add_items(asm.EMPTY_SET, run)))
    yield bad("a callee of Python 2", "m.pkl", program(2, call(asm.glob("__builtin__", "eval"), text("1+1"))))
    yield bad("by the number of an extension", "m.pkl", program(2, asm.value([1]) + POP + run))
    for module, name, argument in (
        ("subprocess", "getoutput", "echo inert"),
        ("nt", "system", "echo inert"),
        ("os", "popen", "echo inert"),
        ("builtins", "exec", "1"),
        ("runpy", "run_path", asm.INERT),
        ("webbrowser", "open", "http://127.0.0.1/"),
        ("pip._internal.cli.main", "main", "x"),
        ("platform", "popen", "echo inert"),
        ("numpy.testing._private.utils", "runstring", "1"),
        ("torch.serialization", "load", asm.INERT),
        ("timeit", "timeit", "1"),
        ("code", "interact", "x"),
        ("cProfile", "run", "1"),
    ):
        yield bad(f"{module}.{name}", "m.pkl", program(2, call(asm.glob(module, name), text(argument))))
    yield bad(
        "dill opens a file",
        "m.dill",
        program(
            2,
            call(
                asm.glob("dill._dill", "_create_filehandle"),
                text(f"{asm.INERT}/x"),
                text("w"),
                asm.number(0),
                asm.FALSE,
                asm.glob("builtins", "open"),
                asm.FALSE,
                asm.number(0),
                text(""),
            ),
        ),
    )
    yield bad(
        "dill unmarshals",
        "m.dill",
        program(2, call(asm.glob("dill._dill", "_unmarshal"), asm.data(b"c" * 60))),
    )
    packers: dict[str, Callable[[bytes], bytes]] = {
        "gz": gzip.compress,
        "bz2": bz2.compress,
        "xz": lzma.compress,
    }
    packers["zlib"] = zlib.compress
    for name, pack in packers.items():
        yield bad(f"{name} with a tail", f"m.pkl.{name}", pack(evil) + b"tail of another kind")
        yield bad(f"{name} without its end", f"m.pkl.{name}", pack(evil + bytes(range(256)) * 9)[:-9])
        yield good(f"{name} of an honest one", f"m.pkl.{name}", pack(honest))
        for other, again in packers.items():
            yield bad(f"{name} in {other}", "m.bin", again(pack(evil)))
    yield bad("two xz streams", "m.pkl.xz", lzma.compress(evil[:9]) + lzma.compress(evil[9:]))
    yield bad("lzma alone, small dictionary", "m.pkl", lzma.compress(evil, lzma.FORMAT_ALONE, preset=0))
    yield bad("gzip with all its fields", "m.pkl.gz", _gzip_with_fields(evil))
    for front in (
        b"\xff\xd8\xff\xe0JFIF",
        b"GIF89a",
        b"%PDF-1.4\n",
        b"\x89PNG\r\n\x1a\n",
        b"RIFF",
        b"\0" * 64,
    ):
        yield bad(f"behind {front[:4]!r}", "image.png", front + asm.malicious(4))
    yield good("text that names a call", "notes.txt", b"never run os.system('x') or eval\n" * 20)
    yield good(
        "strings that name a call",
        "m.pkl",
        program(4, asm.value(["os", "system", "cos\nsystem\n", "os.system"])),
    )
    yield good("text behind the end", "m.pkl", honest + b"trained on 2020-01-01, do not import os\n")
    yield good("zeros behind the end", "m.pkl", honest + bytes(4096))
    yield good(
        "bytes that are a pickle", "m.pkl", program(3, asm.value({"blob": b"no pickle at all", "n": 3}))
    )
    for protocol in range(6):
        yield good(f"protocol {protocol}", "m.pkl", asm.honest(protocol))


def _gzip_with_fields(content: bytes) -> bytes:
    """Extra field, name, comment and header checksum."""
    body = gzip.compress(content, mtime=0)
    return b"\x1f\x8b\x08\x1e" + body[4:10] + b"\x03\0abc" + b"name\0" + b"comment\0" + b"\0\0" + body[10:]
