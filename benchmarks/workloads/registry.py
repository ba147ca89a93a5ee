"""All workloads by name."""

from __future__ import annotations

from functools import partial

from benchmarks.workloads import adversarial, containers, libraries, pickles
from benchmarks.workloads.base import Workload

OPCODES = {"small": 5_000, "medium": 200_000, "large": 2_000_000}
"""About so many opcodes has an opcode-heavy pickle of each size."""
PROTOCOLS = (0, 2, 4, 5)
GROUPS = ("opcode-heavy", "payload", "libraries", "containers", "folder", "start-up", "adversarial")


def _items(per_item: float) -> dict[str, int]:
    return {size: max(1, int(opcodes / per_item)) for size, opcodes in OPCODES.items()}


def _opcode_heavy() -> list[Workload]:
    return [
        Workload(
            name=f"{shape}-p{protocol}",
            group="opcode-heavy",
            sizes=_items(per_item),
            make=partial(pickles.write, shape=shape, protocol=protocol),
            protocol=protocol,
            loads="own",
            family=f"protocol {protocol}",
            unit=1 / per_item,
        )
        for shape, (_, per_item) in pickles.SHAPES.items()
        for protocol in PROTOCOLS
    ]


def _payload() -> list[Workload]:
    return [
        Workload(
            name=f"{shape}-then-command",
            group="payload",
            sizes=_items(per_item),
            make=partial(pickles.write_dangerous, shape=shape),
            truth="dangerous",
            protocol=2,
        )
        for shape, (_, per_item) in pickles.SHAPES.items()
    ]


def _containers() -> list[Workload]:
    """Sizes are megabytes."""
    torch_zip = partial(containers.write_torch_zip, tensors=500)
    torch_legacy = partial(containers.write_torch_legacy, tensors=100)
    npz = partial(containers.write_npz, arrays=20)
    sizes = {"small": 2, "medium": 200}
    return [
        Workload("torch-zip", "containers", sizes, torch_zip, ".pt", raw=False),
        Workload(
            "torch-zip-2gb", "containers", {"large": 2000}, torch_zip, ".pt", raw=False, ways=("command",)
        ),
        Workload("torch-legacy", "containers", {"small": 2, "medium": 100}, torch_legacy, ".pt", raw=False),
        Workload("npz", "containers", {"small": 2, "medium": 100}, npz, ".npz", raw=False),
    ]


def _libraries() -> list[Workload]:
    return [
        Workload(
            name=name,
            group="libraries",
            sizes={"small": small, "medium": medium},
            make=partial(libraries.write, what=name),
            suffix=suffix,
            raw=suffix == ".pkl",
            loads="makers" if suffix == ".pkl" else None,
            environment="makers",
        )
        for name, (suffix, small, medium) in libraries.OBJECTS.items()
    ]


def _adversarial() -> list[Workload]:
    programs = [
        Workload(
            name=name,
            group="adversarial",
            sizes={},
            family=family,
            make=partial(adversarial.write, program=name),
            truth=None,
            unit=adversarial.UNITS.get(name, 1.0),
            raw=name != "gzip-of-zeros",
        )
        for name, (family, _) in adversarial.PROGRAMS.items()
    ]
    zips = [
        Workload(name, "adversarial", {}, make, ".pt", truth=None, raw=False, family="archives", unit=0.05)
        for name, make in adversarial.ZIPS.items()
    ]
    return programs + zips


def _all() -> list[Workload]:
    tiny = Workload("tiny-file", "start-up", {"small": 3}, partial(pickles.write, shape="ints", protocol=4))
    folder = Workload(
        "folder",
        "folder",
        {"small": 500, "medium": 10_000},
        pickles.write_folder,
        "",
        raw=False,
        ways=("command",),
    )
    return [*_opcode_heavy(), *_payload(), *_libraries(), *_containers(), folder, tiny, *_adversarial()]


WORKLOADS = {workload.name: workload for workload in _all()}
