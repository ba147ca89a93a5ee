"""HDF5: where a config or a pickle may lie in a file, and ways to other files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import assemble as asm
import keras_cases as build
from keras_cases import SHELL, model, node
from variants.base import Variant, bad, good

LAYER = {"class_name": "Lambda", "config": {"function": [SHELL, None, None], "function_type": "lambda"}}
EVIL = json.dumps(model(LAYER))
PLAIN = json.dumps(model(node("Dense", {"units": 2})))


def variants() -> Iterator[Variant]:
    """All of them; none where h5py is not installed."""
    try:
        import h5py
        import numpy
    except ImportError:
        return
    kinds: dict[str, Any] = {
        "text": EVIL,
        "bytes": numpy.bytes_(EVIL.encode()),
        "fixed text": numpy.array(EVIL.encode(), dtype=h5py.string_dtype("utf-8", len(EVIL) + 9)),
        "an array": numpy.array([EVIL.encode()]),
        "variable text": numpy.array([EVIL], dtype=h5py.string_dtype()),
    }
    for name, content in kinds.items():
        yield bad(
            f"config as {name}",
            "m.h5",
            build.hdf5(_config(content)),
        )
    for version in (("earliest", "v108"), ("v108", "v108"), ("v110", "v110"), ("latest", "latest")):
        yield bad(f"config, {version}", "m.h5", build.hdf5(_config(EVIL), libver=version))
        yield bad(
            f"large config, {version}",
            "m.h5",
            build.hdf5(_config(EVIL[:-1] + ', "pad": "' + "p" * 90_000 + '"}'), libver=version),
        )
        yield good(f"honest config, {version}", "m.h5", build.hdf5(_config(PLAIN), libver=version))
    for size in (512, 1024, 4096):
        data = build.hdf5(_config(EVIL), userblock_size=size)
        yield bad(f"behind {size} bytes", "m.h5", data)
        yield bad(
            f"a pickle in {size} bytes in front",
            "m.h5",
            asm.malicious() + build.hdf5(_config(PLAIN), userblock_size=size)[len(asm.malicious()) :],
        )
    yield bad(
        "training config",
        "m.h5",
        build.hdf5(_config(json.dumps({"loss": build.code_node(SHELL)}), "training_config")),
    )
    yield bad(
        "config of a group",
        "m.h5",
        build.hdf5(lambda file: file.create_group("a/b").attrs.update({"model_config": EVIL})),
    )
    yield bad(
        "config in a dataset",
        "m.h5",
        build.hdf5(lambda file: file.create_dataset("x", data=[1]).attrs.update({"c": EVIL})),
    )
    for link in ("/etc/hostname", "other.h5"):
        yield bad(
            f"link to {link}",
            "m.h5",
            build.hdf5(_link(link)),
        )
    yield bad(
        "external storage",
        "m.h5",
        build.hdf5(lambda file: file.create_dataset("w", (4,), "u1", external=[("/etc/hostname", 0, 4)])),
    )
    yield bad("virtual storage", "m.h5", build.hdf5(_virtual))
    yield bad(
        "a pickle as attribute",
        "m.h5",
        build.hdf5(lambda file: file.attrs.update({"x": numpy.bytes_(asm.malicious(0))})),
    )
    yield bad(
        "a pickle as opaque attribute",
        "m.h5",
        build.hdf5(lambda file: file.attrs.update({"x": numpy.void(asm.malicious(2))})),
    )
    yield bad("behind the end", "m.h5", build.hdf5(_config(PLAIN)) + asm.malicious())
    yield bad(
        "weights in an archive",
        "m.keras",
        asm.zipped(
            {
                "config.json": b"{}",
                "model.weights.h5": build.hdf5(
                    lambda file: file.create_dataset("w", (4,), "u1", external=[("/etc/hostname", 0, 4)])
                ),
            }
        ),
    )
    ways: tuple[dict[str, Any], ...] = (
        {"compression": "gzip"},
        {"chunks": (8,), "shuffle": True},
        {"fletcher32": True},
        {},
    )
    for options in ways:
        yield good(
            f"numbers with {sorted(options)}",
            "m.h5",
            build.hdf5(_numbers(options)),
        )
    yield good("links inside", "m.h5", build.hdf5(_links))
    yield good("text and tables", "m.h5", build.hdf5(_tables))


def _config(text: Any, name: str = "model_config") -> Any:
    return lambda file: file.attrs.update({name: text})


def _link(target: str) -> Any:
    import h5py

    return lambda file: file.create_group("model_weights").update({"w": h5py.ExternalLink(target, "/x")})


def _numbers(options: dict[str, Any]) -> Any:
    return lambda file: file.create_dataset("w", data=[float(n) for n in range(99)], **options)


def _virtual(file: Any) -> None:
    import h5py

    layout = h5py.VirtualLayout((4,), "u1")
    layout[:] = h5py.VirtualSource("/tmp/pvmscan-inert/x.h5", "w", (4,))
    file.create_virtual_dataset("w", layout)


def _links(file: Any) -> None:
    import h5py

    group = file.create_group("a")
    group["x"] = [1.0, 2.0]
    file["soft"], file["hard"], group["up"] = h5py.SoftLink("/a/x"), group["x"], file["/"]


def _tables(file: Any) -> None:
    import numpy

    file.attrs["keras_version"], file.attrs["backend"] = "2.11.0", "tensorflow"
    file["names"] = numpy.array([b"dense_1", b"dense_2"])
    file["rows"] = numpy.array([(1, 2.0)], dtype=[("i", "i4"), ("x", "f8")])
    file.create_group("model_weights").attrs["layer_names"] = [b"dense_1", b"dense_2"]
