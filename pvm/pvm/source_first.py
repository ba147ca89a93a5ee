"""Modules that may have been compiled, taken from their source where the environment asks: `PVM_PURE=1`.

It is asked when this is imported, which `pvm` does before anything else: who has imported a compiled module keeps it.
"""

from __future__ import annotations

import os
import sys

MODULES = ("scanning", "skeleton", "straight")
"""In the order in which they import each other; `hatch_build.py` compiles them."""


def load(asked: str) -> None:
    """Import the modules from their source if that is asked for, before anything imports them otherwise."""
    if asked in ("", "0"):
        return
    from importlib.util import module_from_spec, spec_from_file_location

    folder = os.path.dirname(__file__)
    for name in MODULES:
        spec = spec_from_file_location(f"pvm.{name}", os.path.join(folder, f"{name}.py"))
        if spec is None or spec.loader is None:  # no source was shipped
            continue
        module = sys.modules[spec.name] = module_from_spec(spec)
        spec.loader.exec_module(module)
        setattr(sys.modules["pvm"], name, module)


load(os.environ.get("PVM_PURE", ""))
