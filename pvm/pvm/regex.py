"""Regular expressions of modules, compiled when they are first used: most scans need few of them."""

from __future__ import annotations

import re

from pvm.hints import TYPE_CHECKING, Any


class _Later:
    """Becomes what `re.compile` gives, method by method."""

    def __init__(self, pattern: Any, flags: int = 0) -> None:
        self._asked = pattern, flags

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        thing = getattr(re.compile(*self._asked), name)
        setattr(self, name, thing)
        return thing


if TYPE_CHECKING:
    later = re.compile
else:
    later = _Later
