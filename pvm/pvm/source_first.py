"""Modules that may have been compiled, taken from their source where the environment asks: `PVM_PURE=1`.

It is asked when this is imported, which `pvm` does before anything else: who has imported a compiled module keeps it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from pvm.hints import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType

MODULES = frozenset(("pvm.scanning", "pvm.skeleton", "pvm.straight", "pvm.vectors"))
"""`hatch_build.py` compiles them."""


class SourceFirst:
    """Finds the source of these modules, as an import does where nothing has been compiled: when it comes to them."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The source of one of them; of no other module, and of none whose source was not shipped."""
        if name not in MODULES:
            return None
        from importlib.machinery import ModuleSpec, SourceFileLoader

        place = os.path.join(os.path.dirname(__file__), name.rpartition(".")[2] + ".py")
        if not os.path.exists(place):
            return None
        spec = ModuleSpec(name, SourceFileLoader(name, place), origin=place)
        spec.has_location = True
        return spec


if os.environ.get("PVM_PURE", "") not in ("", "0"):
    sys.meta_path.insert(0, SourceFirst)
