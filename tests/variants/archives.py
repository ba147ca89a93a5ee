"""Archives: orders of nesting, names and links that lead out, concatenations, bombs."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator
from itertools import permutations

import assemble as asm
import zip_builder as build
from variants.base import Variant, bad, good

EVIL, HONEST = asm.malicious(), asm.honest()


def tar(members: dict[str, bytes], **fields: str | bytes | int) -> bytes:
    """An archive; further fields are those of `tarfile.TarInfo`."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as file:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            for key, value in fields.items():
                setattr(entry, key, value)
            file.addfile(entry, io.BytesIO(content))
    return out.getvalue()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "zip": lambda data: asm.zipped({"a/model.bin": data}),
    "deflated": lambda data: asm.zipped({"model": data, "README.md": b"text"}, 8),
    "tar": lambda data: tar({"./model.dat": data}),
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zlib": zlib.compress,
}


def variants() -> Iterator[Variant]:
    """All of them."""
    for first, second in permutations(PACKERS, 2):
        yield bad(f"{first} in {second}", "m.bin", PACKERS[second](PACKERS[first](EVIL)))
        yield good(f"honest, {first} in {second}", "m.bin", PACKERS[second](PACKERS[first](HONEST)))
    for order in (("zip", "gzip", "tar"), ("tar", "xz", "zip"), ("gzip", "gzip", "gzip"), ("deflated",) * 5):
        data = EVIL
        for one in order:
            data = PACKERS[one](data)
        yield bad(f"in {len(order)} layers of {order[0]}", "m.bin", data)
    yield from _places()
    yield from _joined()
    yield from _bombs()


def _places() -> Iterator[Variant]:
    for name in ("../evil.pkl", "/etc/cron.d/x", "a/../../x", "..\\x.pkl", "C:\\x.pkl", "a/b/../../../x"):
        yield bad(f"zip, {name}", "m.zip", build.archive((name.encode(), HONEST)))
        if "\\" not in name:
            yield bad(f"tar, {name}", "m.tar", tar({name: HONEST}))
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
        for target in ("/etc/passwd", "../../x"):
            yield bad(
                f"tar, link {kind!r} to {target}", "m.tar", tar({"link": b""}, type=kind, linkname=target)
            )
    yield bad("tar, a device", "m.tar", tar({"dev": b""}, type=tarfile.CHRTYPE))
    for name in (
        "data.pkl",
        "data",
        "x.txt",
        "image.png",
        ".hidden",
        "sub/folder/README",
        "no ending",
        "\u00fc\u4e2d.bin",
    ):
        yield bad(f"zip, the name {name}", "m.zip", asm.zipped({"a.txt": b"text", name: EVIL}))
        yield bad(f"tar, the name {name}", "m.tar", tar({"a.txt": b"text", name: asm.malicious(0)}))
    yield bad("tar, a long name", "m.tar", tar({"d/" * 120 + "x": EVIL}))
    yield bad("tar, many before", "m.tar", tar({**{f"{n}.txt": b"t" * n for n in range(300)}, "m": EVIL}))
    yield bad(
        "zip, many before", "m.zip", asm.zipped({**{f"{n}.txt": b"t" * n for n in range(300)}, "m": EVIL}, 8)
    )
    for name in (
        "model.pt",
        "model.h5",
        "model.onnx",
        "model.safetensors",
        "model.gguf",
        "picture.jpg",
        "table.csv",
    ):
        yield bad(f"a zip named {name}", name, asm.zipped({"m/data.pkl": EVIL}))
        yield bad(f"a gzip named {name}", name, gzip.compress(EVIL))
        yield bad(f"a tar named {name}", name, tar({"m": EVIL}))


def _joined() -> Iterator[Variant]:
    first, second = asm.zipped({"a.pkl": HONEST}), asm.zipped({"b.pkl": EVIL})
    yield bad("two zips", "m.zip", first + second)
    yield bad("two zips, turned", "m.zip", second + first)
    yield bad("two tars", "m.tar", tar({"a": HONEST}) + tar({"b": EVIL}))
    yield bad("a tar without its end, and another", "m.tar", tar({"a": HONEST})[:1024] + tar({"b": EVIL}))
    yield bad("a zip behind a tar", "m.tar", tar({"a": HONEST}) + second)
    yield bad("a zip behind a gzip", "m.gz", gzip.compress(HONEST) + second)
    yield bad("a zip behind an image", "m.png", b"\x89PNG\r\n\x1a\n" + bytes(200) + second)
    yield bad("a pickle behind a zip", "m.zip", first + EVIL)
    yield bad("a pickle in the comment of a zip", "m.zip", build.archive((b"a.pkl", HONEST), comment=EVIL))
    yield bad("a pickle between members", "m.zip", _between())
    yield bad("a pickle behind a tar", "m.tar", tar({"a": HONEST}) + EVIL)
    yield bad(
        "gzip members", "m.gz", b"".join(gzip.compress(EVIL[at : at + 5]) for at in range(0, len(EVIL), 5))
    )
    yield good("zip with a start for shells", "m.zip", b"#!/bin/sh\nexit 0\n" + first)
    yield good(
        "texts and pictures",
        "m.zip",
        asm.zipped({"a.txt": b"os.system('x')", "b.png": b"\x89PNG\r\n\x1a\n" + bytes(99)}),
    )


def _between() -> bytes:
    head = build.local(b"a.txt", b"text")
    body = head + EVIL + build.local(b"b.txt", b"text")
    entries = build.central(b"a.txt", 0, 4) + build.central(b"b.txt", len(head + EVIL), 4)
    return body + entries + build.end(2, len(entries), len(body))


def _bombs() -> Iterator[Variant]:
    million = bytes(70 << 20)
    yield bad("zeros in gzip", "m.gz", gzip.compress(million, 1))
    data = build.local(b"a", zlib.compress(b"A" * (1 << 16))[2:-4], method=8, sizes=(99, 1 << 16))
    entries = b"".join(build.central(b"%d" % n, 0, len(data) - 31, 1 << 16, method=8) for n in range(50))
    yield bad("one payload for many", "m.zip", data + entries + build.end(50, len(entries), len(data)))
