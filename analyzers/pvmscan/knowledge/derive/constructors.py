"""What the attributes of a new object come from."""

from __future__ import annotations

from pvmscan.knowledge.derive import binding
from pvmscan.knowledge.derive.ir import NONE, Class, Function, Site
from pvmscan.knowledge.derive.link import Program


class Constructors:
    """The constructors of a program's classes."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._filled: dict[int, dict[str, frozenset[str]]] = {}

    def filled(self, cls: Class) -> dict[str, frozenset[str]]:
        """Which parameters of its constructor the attributes of a new object come from."""
        known = self._filled.get(id(cls))
        if known is not None:
            return known
        made: dict[str, frozenset[str]] = {}
        self._filled[id(cls)] = made
        for target in self.program.member(cls, "__init__", True):
            function = target.function
            if function is None:
                continue
            for name, origins in function.stores.items():
                made[name] = made.get(name, NONE) | frozenset(
                    one for one in origins if not one.startswith("self.")
                )
            for site in function.sites:
                for path in site.callees:
                    if path == "^.__init__" or path.endswith(".__init__"):
                        self._filled_by_base(cls, function, site, path, made)
        self._filled[id(cls)] = {name: origins for name, origins in made.items() if origins}
        return self._filled[id(cls)]

    def _filled_by_base(
        self, cls: Class, function: Function, site: Site, path: str, made: dict[str, frozenset[str]]
    ) -> None:
        for target in self.program.reach(path, cls, function):
            base = target.function
            owner = next((one for one in self.program.mro(cls)[0] if base in one.methods.values()), None)
            if base is None or owner is None or owner is cls:
                continue
            shift = 1 if path == "^.__init__" else 0
            for name, origins in self.filled(owner).items():
                for origin in origins:
                    for value in binding.argument(site, base.params, origin, shift) or ():
                        made[name] = made.get(name, NONE) | value.origins
