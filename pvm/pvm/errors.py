"""The two ways in which the machine refuses: misuse by the caller, and rejection of the input."""

from __future__ import annotations


class PvmError(Exception):
    """The caller asked for something that does not exist, such as an unknown dialect."""


class Reject(Exception):
    """Internal: an unpickler would stop here. Becomes the trace's `Fault`, never leaves the package."""

    def __init__(self, reason: str, *, kind: str = "malformed", offset: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.offset = offset
        """Where it happened, if that is not the instruction at hand."""
        self.kind = kind
        """`malformed` (the bytes are wrong), `truncated` (they end) or `limit` (a limit of ours was hit)."""
