"""What callables do with their arguments, as data, and how it is asked for.

The rules lie in `rules/*.toml`: sinks by effect, harmless callables, loaders that open a further layer, and
the names of the standard library. `effects_of` joins them with the arguments that the machine found. Nothing
here depends on what is installed where the scan runs.
"""

from __future__ import annotations

from pvmscan.knowledge.judge import GRADES, Judgement, Status, arguments_matter, effects_of, protocol_effects
from pvmscan.knowledge.load import Knowledge, load
from pvmscan.knowledge.schema import Harmless, Loader, Rule, RuleError

__all__ = [
    "GRADES",
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
