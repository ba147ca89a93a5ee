"""Analyzers: one module for each kind of reasoning. Its name is the prefix of its rules and its docs page."""

from __future__ import annotations

from pvmscan.analyzers import (
    attribute_chain,
    carried_callable,
    code_object,
    import_side_effect,
    reachable_sink,
    resource_bomb,
    side_file,
    structure,
    tampering,
    trampoline,
    unknown_callee,
)
from pvmscan.analyzers.base import Analyzer, Context

ANALYZERS: tuple[Analyzer, ...] = (
    reachable_sink,
    trampoline,
    tampering,
    code_object,
    attribute_chain,
    carried_callable,
    unknown_callee,
    import_side_effect,
    structure,
    resource_bomb,
    side_file,
)

__all__ = ["ANALYZERS", "Analyzer", "Context"]
