"""Makes the files of this folder with the libraries that write them.

    python make.py FOLDER

Made with PyTorch 2.13.0, joblib 1.6.0 with lz4 4.4.5, NumPy 2.4.6. A library that is not installed is left out, and its
name is printed.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

COMPRESSORS = ("zlib", "gzip", "bz2", "lzma", "xz", "lz4")


def library(name: str) -> Any:
    """A module of which no types are known here."""
    return import_module(name)


def checkpoints(folder: Path) -> None:
    """What torch.save writes, and torch.distributed.checkpoint."""
    torch = library("torch")
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU()).eval()
    state = {"model": model.state_dict(), "epoch": 3, "half": torch.ones(2, dtype=torch.bfloat16)}
    torch.save(state, folder / "state.pt")
    torch.save(model, folder / "module.pt")
    torch.save(state, folder / "state_legacy.pt", _use_new_zipfile_serialization=False)
    torch.save(torch.fx.symbolic_trace(model), folder / "fx.pt")
    lightning = {
        "pytorch-lightning_version": "2.5.0",
        "global_step": 1,
        "state_dict": state,
        "hyper_parameters": {"lr": 0.1},
    }
    torch.save(lightning, folder / "lightning.ckpt")
    library("torch.distributed.checkpoint").save(state, checkpoint_id=folder / "distributed", no_dist=True)


def programs(folder: Path) -> None:
    """TorchScript, a package, an exported program."""
    torch = library("torch")
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2)).eval()
    torch.jit.script(model).save(str(folder / "script.pt"))
    torch.jit.trace(model, torch.ones(1, 2)).save(str(folder / "traced.pt"))
    batch = torch.export.Dim("batch", min=2, max=64)
    program = torch.export.export(model, (torch.ones(4, 2),), dynamic_shapes=({0: batch},))
    for node in program.graph.nodes:  # names folders of the machine
        node.meta.pop("stack_trace", None)
    torch.export.save(program, folder / "exported.pt2")
    with tempfile.TemporaryDirectory() as sources:
        module = Path(sources, "golden_network.py")
        module.write_text(
            "import torch\n\n\nclass Net(torch.nn.Module):\n    def forward(self, x):\n        return x\n"
        )
        sys.path.insert(0, sources)
        with library("torch.package").PackageExporter(str(folder / "package.pt")) as exporter:
            exporter.intern("golden_network")
            exporter.extern("torch.**")
            exporter.save_pickle("model", "model.pkl", library("golden_network").Net())
        sys.path.remove(sources)


def dumps(folder: Path) -> None:
    """What joblib writes, with every compressor and protocol."""
    joblib, numpy = library("joblib"), library("numpy")
    content = {
        "floats": numpy.arange(9.0),
        "objects": numpy.array([1, "x", None], dtype=object),
        "fields": numpy.zeros(3, dtype=[("a", "<i4"), ("b", "<f8", (2,)), ("c", "S3")]),
        "dates": numpy.array(["2020-01-01"], dtype="M8[D]"),
        "columns": numpy.asfortranarray(numpy.ones((2, 3))),
        "empty": numpy.zeros((0, 4)),
        "scalar": numpy.array(3.0),
    }
    joblib.dump(content, folder / "plain.joblib")
    for name in COMPRESSORS:
        joblib.dump(content, folder / f"{name}.joblib", compress=(name, 3))
    for protocol in range(6):
        joblib.dump(content, folder / f"protocol{protocol}.joblib", protocol=protocol)


def arrays(folder: Path) -> None:
    """What numpy.save and numpy.savez write."""
    numpy = library("numpy")
    fields = numpy.zeros(3, dtype=[("a", "<i4"), ("b", "<f8", (2,)), ("c", [("x", "S3")])])
    objects = numpy.array([1, None, "x"], dtype=object)
    numpy.save(folder / "floats.npy", numpy.ones((3, 4)))
    numpy.save(folder / "fields.npy", fields)
    numpy.save(folder / "objects.npy", objects, allow_pickle=True)
    with (folder / "several.npy").open("wb") as file:
        for array in (numpy.ones(3), fields, objects):
            numpy.save(file, array)
    numpy.savez(folder / "arrays.npz", a=numpy.ones(3), b=objects)
    numpy.savez_compressed(folder / "packed.npz", a=numpy.ones(3), b=objects)


MAKERS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "checkpoints": ("torch", checkpoints),
    "programs": ("torch", programs),
    "dumps": ("joblib", dumps),
    "arrays": ("numpy", arrays),
}


def make(name: str, folder: Path) -> None:
    """Make one group of files."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        MAKERS[name][1](folder)


if __name__ == "__main__":
    for group, (needed, _) in MAKERS.items():
        try:
            library(needed)
        except ImportError:
            print(f"{group}: {needed} is not installed")
            continue
        make(group, Path(sys.argv[1]))
