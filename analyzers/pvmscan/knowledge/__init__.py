"""What callables do with their arguments, as data, and how it is asked for.

The rules lie in `rules/*.toml`: sinks by effect, harmless callables, loaders that open a further layer, and
the names of the standard library. `effects_of` joins them with the arguments that the machine found. Nothing
here depends on what is installed where the scan runs.
"""

from __future__ import annotations

from importlib import import_module

from pvm.hints import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pvmscan.knowledge.judge import (
        GRADES,
        Judgement,
        Status,
        arguments_matter,
        effects_of,
        protocol_effects,
    )
    from pvmscan.knowledge.rulefiles import Knowledge, load
    from pvmscan.knowledge.schema import Harmless, Loader, Rule, RuleError

KNOWLEDGE_VERSION = "2026.11"
_PLACES = {
    "judge": ("GRADES", "Judgement", "Status", "arguments_matter", "effects_of", "protocol_effects"),
    "rulefiles": ("Knowledge", "load"),
    "schema": ("Harmless", "Loader", "Rule", "RuleError"),
}


def __getattr__(name: str) -> Any:
    """Imported when it is asked for: a file of nothing but data needs no knowledge."""
    for module, names in _PLACES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "GRADES",
    "KNOWLEDGE_VERSION",
    "Harmless",
    "Judgement",
    "Knowledge",
    "Loader",
    "Rule",
    "RuleError",
    "Status",
    "arguments_matter",
    "effects_of",
    "load",
    "protocol_effects",
]
