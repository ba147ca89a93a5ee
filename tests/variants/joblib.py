"""joblib: raw arrays between opcodes, arrays of objects, every compressor, the formats of old releases."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
import zlib
from collections.abc import Callable, Iterator

import assemble as asm
from pvmscan_cli.samples import (
    BUILD,
    EMPTY_TUPLE,
    NONE,
    POP,
    REDUCE,
    STOP,
    call,
    dict_of,
    list_of,
    program,
    text,
    tuple_of,
)
from variants.base import Variant, bad, good

EVIL, HONEST = asm.malicious(4), asm.honest(4)
FLOATS = struct.pack("<4d", 0.5, 1.0, 1.5, 2.0)
STOPS = b"." * 32
PICKLE = EVIL.ljust(64, b"\0")


def array(content: bytes = FLOATS, code: str = "f8", count: int = 4, alignment: int | None = 16) -> bytes:
    """As joblib writes it."""
    return asm.joblib_array(content, code, count, alignment)


def wrapper(
    dtype: bytes, shape: bytes, content: bytes, *, name: str = "joblib.numpy_pickle", made: str = "newobj"
) -> bytes:
    """The wrapper of an array with any state."""
    glob = asm.glob(name, "NumpyArrayWrapper")
    state = dict_of(
        subclass=asm.glob("numpy", "ndarray"), shape=shape, order=text("C"), dtype=dtype, allow_mmap=asm.TRUE
    )
    start = asm.newobj(glob) if made == "newobj" else glob + EMPTY_TUPLE + REDUCE
    return asm.build(start, state) + content


def variants() -> Iterator[Variant]:
    """All of them."""
    yield from _arrays()
    yield from _packed()
    yield from _old()


def _arrays() -> Iterator[Variant]:
    run = asm.RUN
    for protocol in (2, 3, 4, 5):
        yield bad(
            f"behind an array, protocol {protocol}", "m.joblib", program(protocol, list_of(array(), run))
        )
        yield good(
            f"arrays, protocol {protocol}",
            "m.joblib",
            program(protocol, list_of(array(), array(), asm.number(1))),
        )
    for alignment in (None, 0, 1, 16, 64):
        yield bad(f"alignment {alignment}", "m.joblib", program(4, list_of(array(alignment=alignment), run)))
    for name, content in {
        "stops": STOPS,
        "a pickle": PICKLE[:32],
        "zeros": bytes(32),
        "frames": (b"\x95" + bytes(7)) * 4,
    }.items():
        yield bad(f"behind an array of {name}", "m.joblib", program(4, list_of(array(content), run)))
    yield good(
        "an array that is a pickle", "m.joblib", program(4, list_of(array(PICKLE, "u1", 64), asm.number(1)))
    )
    yield bad("between two arrays", "m.joblib", program(4, list_of(array(), run, array())))
    yield bad("before the arrays", "m.joblib", program(4, list_of(run, array(), array())))
    yield bad("popped between arrays", "m.joblib", program(4, array() + POP + run + POP + array()))
    yield bad("objects", "m.joblib", program(4, array(EVIL, "O8", 1)))
    yield bad(
        "objects in objects",
        "m.joblib",
        program(4, array(program(4, array(EVIL, "O8", 1, None)), "O8", 1, None)),
    )
    yield bad("behind objects", "m.joblib", program(4, list_of(array(HONEST, "O8", 1, None), run)))
    yield good("honest objects", "m.joblib", program(4, list_of(array(HONEST, "O8", 1, None), array())))
    flagged = asm.build(
        call(asm.glob("numpy", "dtype"), text("i4"), asm.FALSE, asm.TRUE),
        tuple_of(asm.number(3), text("<"), NONE, NONE, NONE, asm.number(-1), asm.number(-1), asm.number(63)),
    )
    yield bad(
        "numbers that the flags make objects",
        "m.joblib",
        program(4, wrapper(flagged, tuple_of(asm.number(1)), EVIL)),
    )
    f8 = asm.dtype("f8")
    for name in ("joblib.numpy_pickle", "sklearn.externals.joblib.numpy_pickle"):
        yield bad(
            f"wrapper of {name}",
            "m.joblib",
            program(3, list_of(wrapper(f8, tuple_of(asm.number(4)), FLOATS, name=name), run)),
        )
    yield bad(
        "a wrapper that was called",
        "m.joblib",
        program(3, list_of(wrapper(f8, tuple_of(asm.number(4)), FLOATS, made="reduce"), run)),
    )
    for name, shape in {
        "two sides": tuple_of(asm.number(2), asm.number(2)),
        "a list": list_of(asm.number(4)),
    }.items():
        yield bad(f"a shape of {name}", "m.joblib", program(3, list_of(wrapper(f8, shape, FLOATS), run)))
    yield bad(
        "a shape of nothing", "m.joblib", program(3, list_of(wrapper(f8, EMPTY_TUPLE, FLOATS[:8]), run))
    )
    yield bad(
        "an array of no length",
        "m.joblib",
        program(3, list_of(wrapper(f8, tuple_of(asm.number(0)), b""), run)),
    )
    yield bad("cut off in an array behind the call", "m.joblib", program(4, list_of(run, array()))[:-30])
    yield bad("in the state of an array", "m.joblib", program(4, list_of(wrapper(f8, tuple_of(run), FLOATS))))
    yield bad("a frame with more opcodes behind the array", "m.joblib", _in_frame())
    yield good("many arrays", "m.joblib", program(4, list_of(*[array(bytes([n]) * 32) for n in range(40)])))


def _in_frame() -> bytes:
    wrapped = asm.joblib_array(b"", "f8", 4, None)
    return asm.proto(4) + asm.frame(wrapped + asm.RUN + STOP) + FLOATS


def _packed() -> Iterator[Variant]:
    plain, evil = program(4, list_of(array(), array())), program(4, list_of(array(), asm.RUN))
    packers: dict[str, Callable[[bytes], bytes]] = {
        "zlib": zlib.compress,
        "gzip": gzip.compress,
        "bz2": bz2.compress,
        "xz": lzma.compress,
        "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
        "zlib 1": lambda data: zlib.compress(data, 1),
        "zlib 9": lambda data: zlib.compress(data, 9),
        "small window": lambda data: (lambda c: c.compress(data) + c.flush())(
            zlib.compressobj(9, zlib.DEFLATED, 9)
        ),
        "stored": lambda data: zlib.compress(data, 0),
    }
    for name, pack in packers.items():
        yield bad(f"in {name}", "m.joblib", pack(evil))
        yield good(f"honest in {name}", "m.joblib", pack(plain))
        yield bad(f"in {name} with a tail", "m.joblib", pack(evil) + b"tail")


def _old() -> Iterator[Variant]:
    for width, size in ((19, b"0x21"), (20, b"0x21"), (19, b"0x21L"), (19, b"0xffffffff")):
        yield bad(f"ZF of {width}, {size.decode()}", "m.pkl", b"ZF" + size.ljust(width) + zlib.compress(EVIL))
    yield good("ZF, honest", "m.pkl", b"ZF" + b"0x21".ljust(19) + zlib.compress(HONEST))
    for place in ("/etc/passwd.npy", "../../x.npy", "/tmp/pvmscan-inert/x", "C:\\x.npy"):
        state = dict_of(filename=text(place), subclass=asm.glob("numpy", "ndarray"), allow_mmap=asm.TRUE)
        yield bad(
            f"an array in {place}",
            "m.pkl",
            program(2, asm.newobj(asm.glob("joblib.numpy_pickle", "NDArrayWrapper")) + state + BUILD),
        )
