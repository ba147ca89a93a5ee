"""PyTorch: what its zip reader takes and Python's does not, the old formats, packages, exported programs."""

from __future__ import annotations

import io
import json
import struct
import tarfile
from collections.abc import Iterator

import assemble as asm
import zip_builder as build
from pvmscan_cli.samples import BINPERSID, STOP, call, dict_of, list_of, program, text, tuple_of
from variants.base import Variant, bad, good

EVIL, HONEST = asm.malicious(), asm.honest()
SOURCE = b"import os\nos.system('echo inert')\n"


def archive(pickle: bytes, name: str = "m") -> bytes:
    """What torch.save writes."""
    return build.torch_like(
        {
            f"{name}/data.pkl": pickle,
            f"{name}/.format_version": b"1",
            f"{name}/.storage_alignment": b"64",
            f"{name}/byteorder": b"little",
            f"{name}/data/0": bytes(range(64)),
            f"{name}/version": b"3\n",
            f"{name}/.data/serialization_id": b"0" * 40,
        }
    )


def variants() -> Iterator[Variant]:
    """All of them."""
    yield from _zips()
    yield from _disputes()
    yield from _old()
    yield from _tars()
    yield from _relatives()


def _zips() -> Iterator[Variant]:
    whole = archive(EVIL)
    yield bad("as torch writes it", "m.pt", whole)
    yield good("honest", "m.pt", archive(HONEST))
    yield bad("an empty archive name", "m.pt", build.archive((b"/data.pkl", EVIL), (b"/version", b"3\n")))
    yield bad("a name with blanks", "m.pt", archive(EVIL, " a b "))
    yield bad(
        "a name that is no UTF-8",
        "m.pt",
        build.archive((b"\xff\xfe/data.pkl", EVIL), (b"\xff\xfe/version", b"3")),
    )
    for spelt in ("Data.pkl", "DATA.pkl", "data.PKL"):
        yield bad(
            f"the name {spelt}", "m.pt", build.archive((b"m/" + spelt.encode(), EVIL), (b"m/version", b"3"))
        )
    yield bad(
        "a name with two dots before", "m.pt", build.archive((b"../data.pkl", EVIL), (b"../version", b"3"))
    )
    for size in (1, 100, 65_000):
        yield bad(f"a tail of {size}", "m.pt", whole + b"t" * size)
    yield bad("the last bytes are an end signature", "m.pt", whole + b"PK\5\6")
    yield bad(
        "a comment", "m.pt", build.archive((b"m/data.pkl", EVIL), (b"m/version", b"3"), comment=b"c" * 900)
    )
    yield bad("behind a prefix", "m.pt", b"PK\3\4" + bytes(60) + whole)
    yield bad("a pickle in front of a zip", "m.pt", EVIL + archive(HONEST))
    yield bad("a program in front of a zip", "m.pt", b"MZ" + bytes(500) + whole)
    yield bad("raw, in the storages", "m.pt", build.archive((b"m/data.pkl", HONEST), (b"m/data/0", EVIL)))
    yield bad(
        "an archive in an archive", "m.pt", build.archive((b"m/data.pkl", HONEST), (b"m/extra/x.bin", whole))
    )
    yield bad("deflated", "m.pt", asm.zipped({"m/data.pkl": EVIL, "m/version": b"3"}, 8))
    yield bad("as bzip2", "m.pt", asm.zipped({"m/data.pkl": EVIL, "m/version": b"3"}, 12))
    for bits in (0x1, 0x20, 0x40, 0x2000):
        head = build.local(b"m/data.pkl", EVIL, flags=bits)
        yield bad(
            f"flags {bits:#x} in the local header",
            "m.pt",
            _one(head, build.central(b"m/data.pkl", 0, len(EVIL))),
        )
        central = build.central(b"m/data.pkl", 0, len(EVIL), flags=bits)
        yield bad(
            f"flags {bits:#x} in the directory", "m.pt", _one(build.local(b"m/data.pkl", EVIL), central)
        )
    for version in (63, 64, 99, 255, 65535):
        central = build.central(b"m/data.pkl", 0, len(EVIL), version=version)
        yield bad(f"version {version}", "m.pt", _one(build.local(b"m/data.pkl", EVIL), central))


def _one(local: bytes, central: bytes, count: int = 1) -> bytes:
    return local + central + build.end(count, len(central), len(local))


def _disputes() -> Iterator[Variant]:
    evil, honest = build.local(b"m/data.pkl", EVIL), build.local(b"m/data.pkl", HONEST)
    first, second = (
        build.central(b"m/data.pkl", 0, len(HONEST)),
        build.central(b"m/data.pkl", len(honest), len(EVIL)),
    )
    body = honest + evil
    yield bad(
        "the same name twice", "m.pt", body + first + second + build.end(2, len(first + second), len(body))
    )
    yield bad(
        "the same name twice, turned",
        "m.pt",
        body + second + first + build.end(2, len(first + second), len(body)),
    )
    yield bad(
        "fewer entries told than there are",
        "m.pt",
        body + first + second + build.end(1, len(first + second), len(body)),
    )
    yield bad(
        "more entries than told in bytes", "m.pt", body + first + second + build.end(2, len(first), len(body))
    )
    yield bad("no directory entry", "m.pt", body + first + build.end(1, len(first), len(body)))
    yield bad("two directories", "m.pt", body + second + first + build.end(1, len(first), len(body)))
    yield bad(
        "an end in the comment of an end",
        "m.pt",
        body
        + first
        + build.end(
            1, len(first), len(body), second + build.end(1, len(second), len(body) + len(first) + 22)
        ),
    )
    cut = build.central(b"m/data.pkl", 0, len(HONEST), len(EVIL + HONEST))
    longer = build.local(b"m/data.pkl", HONEST + EVIL, sizes=(len(HONEST), len(HONEST + EVIL)))
    yield bad("stored with two sizes", "m.pt", _one(longer, cut))
    other = build.local(b"m/benign.txt", EVIL)
    yield bad(
        "another name in the local header", "m.pt", _one(other, build.central(b"m/data.pkl", 0, len(EVIL)))
    )
    nul = build.central(b"m/data.pkl\0x", 0, len(HONEST)) + build.central(
        b"m/data.pkl", len(honest), len(EVIL)
    )
    yield bad("a name with NUL", "m.pt", body + nul + build.end(2, len(nul), len(body)))
    wrong = bytearray(asm.zipped({"m/data.pkl": EVIL, "m/version": b"3"}))
    wrong[14:18] = b"\1\2\3\4"
    yield bad("a wrong checksum", "m.pt", bytes(wrong))
    yield bad(
        "method told as 99",
        "m.pt",
        _one(build.local(b"m/data.pkl", EVIL), build.central(b"m/data.pkl", 0, len(EVIL), method=99)),
    )
    yield bad(
        "method told as 99 in front",
        "m.pt",
        _one(build.local(b"m/data.pkl", EVIL, method=99), build.central(b"m/data.pkl", 0, len(EVIL))),
    )
    unread = build.local(b"m/data/1", HONEST, method=97)
    entries = build.central(b"m/data/1", 0, len(HONEST), method=97) + build.central(
        b"m/data.pkl", len(unread), len(EVIL)
    )
    yield bad(
        "behind a member that nobody can read",
        "m.pt",
        unread + evil + entries + build.end(2, len(entries), len(unread + evil)),
    )


def _old() -> Iterator[Variant]:
    parts = [
        program(2, asm.long_number(asm.TORCH_MAGIC)),
        program(2, asm.number(1001)),
        program(2, asm.value({"protocol_version": 1001, "little_endian": True})),
        HONEST,
        program(2, asm.EMPTY_LIST),
    ]
    yield good("old and honest", "m.pth", b"".join(parts))
    for number in range(5):
        changed = [*parts]
        changed[number] = EVIL
        yield bad(f"old, pickle {number + 1}", "m.pth", b"".join(changed))
    yield bad("old, behind the keys", "m.pth", b"".join(parts) + EVIL)
    yield bad(
        "old, magic as text",
        "m.pth",
        b"I119547037146038801333356\n." + b"".join(parts[1:3]) + EVIL + parts[4],
    )
    typed = tuple_of(
        text("storage"), asm.glob("torch", "FloatStorage"), text("0"), text("cpu"), asm.number(16), asm.NONE
    )
    tensors = program(2, typed + BINPERSID)
    keys = program(2, list_of(text("0")))
    storage = struct.pack("<Q", 16) + EVIL.ljust(64, b"\0")[:64]
    yield good("old, numbers that are a pickle", "m.pth", b"".join(parts[:3]) + tensors + keys + storage)
    yield bad("old, behind the storages", "m.pth", b"".join(parts[:3]) + tensors + keys + storage + EVIL)
    source = tuple_of(text("module"), asm.glob("mymodels", "Net"), text("net.py"), text("class Net: pass\n"))
    yield good(
        "old, a module with its source",
        "m.pth",
        b"".join(parts[:3]) + program(2, source + BINPERSID) + parts[4],
    )


def _tar(members: dict[str, bytes], form: int = tarfile.GNU_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as file:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            file.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def _tars() -> Iterator[Variant]:
    none = program(2, asm.number(0))
    plain = {"storages": none, "tensors": none, "pickle": HONEST}
    yield good("tar, honest", "m.pth", _tar(plain))
    for name in plain:
        yield bad(f"tar, {name}", "m.pth", _tar({**plain, name: EVIL}))
    yield bad("tar, behind a count", "m.pth", _tar({**plain, "storages": none + EVIL}))
    yield bad("tar, the second of a name", "m.pth", _tar(plain)[:-1024] + _tar({"pickle": EVIL}))
    yield bad("tar, pax", "m.pth", _tar({**plain, "pickle": EVIL}, tarfile.PAX_FORMAT))
    old = bytearray(_tar({**plain, "pickle": EVIL}))
    old[257:265] = bytes(8)
    old[148:156] = b" " * 8
    old[148:156] = b"%06o\0 " % sum(old[:512])
    yield bad("tar of the oldest kind", "m.pth", bytes(old))
    polyglot = bytearray(_tar({"x" * 90: b"", **plain, "pickle": EVIL}))
    legacy = program(2, asm.long_number(asm.TORCH_MAGIC)) + program(2, asm.number(1001))
    polyglot[: len(legacy)] = legacy
    polyglot[148:156] = b" " * 8
    polyglot[148:156] = b"%06o\0 " % sum(polyglot[:512])
    yield bad("tar that begins as an old checkpoint", "m.pth", bytes(polyglot))


def _relatives() -> Iterator[Variant]:
    yield bad(
        "of several archives, the first", "__0_0.distcp", archive(EVIL) + archive(HONEST) + archive(HONEST)
    )
    yield bad(
        "of several archives, the middle", "__0_0.distcp", archive(HONEST) + archive(EVIL) + archive(HONEST)
    )
    yield good("several honest archives", "__0_0.distcp", archive(HONEST) * 3)
    yield bad("metadata of shards", ".metadata", asm.malicious(4))
    for member, content in {
        "m/data/weights/m_weights_config.json": b'{"config": {"w": {"path_name": "weight_0", "use_pickle": true}}}',
        "m/data/constants/m_constants_config.json": b'{"config": {"w": {"path_name": "opaque_obj_0"}}}',
    }.items():
        inner = archive(EVIL) if "weights" in member else EVIL
        beside = member.rpartition("/")[0] + ("/weight_0" if "weights" in member else "/opaque_obj_0")
        data = asm.zipped(
            {"m/archive_format": b"pt2", "m/archive_version": b"0", member: content, beside: inner}
        )
        yield bad(f"exported, {beside}", "m.pt2", data)
    exported = {"m/archive_format": b"pt2", "m/archive_version": b"0"}
    yield bad(
        "exported, sample inputs",
        "m.pt2",
        asm.zipped({**exported, "m/data/sample_inputs/m.pt": archive(EVIL)}),
    )
    for expression in (
        "__import__('os').system('echo inert')",
        "Symbol('x').__class__",
        "[c for c in ().__class__.__mro__]",
        "exec('1')",
    ):
        graph = json.dumps({"graph_module": {"range": [{"expr_str": expression}]}}).encode()
        yield bad(f"exported, {expression[:12]}", "m.pt2", asm.zipped({**exported, "m/models/m.json": graph}))
    for expression in (
        "Symbol('s77', positive=True, integer=True)",
        "2*Symbol('s0', integer=True) + 1",
        "Max(1, FloorDiv(Symbol('s1', integer=True), 2))",
    ):
        graph = json.dumps({"graph_module": {"range": [{"expr_str": expression}]}}).encode()
        yield good(
            f"exported, {expression[:12]}", "m.pt2", asm.zipped({**exported, "m/models/m.json": graph})
        )
    yield bad(
        "exported by 2.6",
        "m.pt2",
        asm.zipped(
            {
                "version": b"1",
                "serialized_exported_program.json": b"{}",
                "serialized_state_dict.pt": archive(EVIL),
            }
        ),
    )
    package = {"p/.data/extern_modules": b"os\n", "p/.data/version": b"6\n", "p/byteorder": b"little"}
    yield bad("package, source", "p.pt", asm.zipped({**package, "p/a/__init__.py": SOURCE}))
    yield bad("package, pickle of any name", "p.pt", asm.zipped({**package, "p/res/weights": EVIL}))
    reduced = tuple_of(text("reduce_package"), asm.SYSTEM, tuple_of(text("echo inert")))
    yield bad(
        "package, a call by id", "p.pt", asm.zipped({**package, "p/m/m.pkl": program(2, reduced + BINPERSID)})
    )
    manifest = json.dumps(
        {"model": {"handler": "h.py:go", "serializedFile": "w.bin", "modelName": "m"}}
    ).encode()
    served = {
        "MAR-INF/MANIFEST.json": manifest,
        "h.py": b"def go(d, c):\n    return d\n",
        "w.bin": archive(HONEST),
    }
    yield good("served, honest", "m.mar", asm.zipped(served))
    yield bad("served, weights of any name", "m.mar", asm.zipped({**served, "w.bin": archive(EVIL)}))
    yield bad("served, handler", "m.mar", asm.zipped({**served, "h.py": SOURCE}))
    script = b'def __setstate__(self, t: Tensor) -> None:\n  torch.save(t, "/tmp/pvmscan-inert/x")\n'
    scripted = {"m/constants.pkl": program(2, asm.EMPTY_TUPLE), "m/data.pkl": HONEST, "m/version": b"6\n"}
    yield bad(
        "script that writes",
        "m.pt",
        asm.zipped(
            {
                **scripted,
                "m/code/__torch__/net.py": b"class N(Module):\n  " + script.replace(b"\n  ", b"\n    "),
            }
        ),
    )
    body = b"class N(Module):\n  def forward(self, x: Tensor) -> Tensor:\n    return torch.add(x, 1)\n"
    yield good("script that computes", "m.pt", asm.zipped({**scripted, "m/code/__torch__/net.py": body}))
    fx = call(
        asm.glob("torch.fx.graph_module", "reduce_graph_module"),
        dict_of(_code=text("import os\nos.system('echo inert')\ndef forward(self): pass\n")),
        text("import torch\n"),
    )
    yield bad("a graph module with source", "m.pt", archive(program(2, fx)))
    inner = call(asm.glob("torch.storage", "_load_from_bytes"), asm.data(archive(EVIL)))
    yield bad("an archive in bytes", "m.pkl", program(3, inner))
    yield bad(
        "an old one in bytes",
        "m.pkl",
        program(3, call(asm.glob("torch.storage", "_load_from_bytes"), asm.data(asm.torch_legacy(EVIL)))),
    )
    yield good(
        "an honest one in bytes",
        "m.pkl",
        program(3, call(asm.glob("torch.storage", "_load_from_bytes"), asm.data(asm.torch_legacy(HONEST)))),
    )
    yield bad(
        "lightning", "epoch=3.ckpt", archive(program(2, dict_of(epoch=asm.number(3), callbacks=asm.RUN)))
    )
    assert STOP
