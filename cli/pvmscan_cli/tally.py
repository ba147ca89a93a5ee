"""How far a batch is, on standard error: a line that is rewritten for people, a line now and then for logs."""

from __future__ import annotations

import sys
import time

from pvm.hints import TYPE_CHECKING
from pvmscan_cli.common import is_terminal

if TYPE_CHECKING:
    from types import TracebackType

    from pvmscan.batch import Standing

FOR_PEOPLE, FOR_LOGS = 0.2, 30.0
"""Seconds between two lines."""


class Tally:
    """Takes the batch's progress. Call it; it decides whether to show anything."""

    def __init__(self) -> None:
        self.terminal = is_terminal(sys.stderr)
        self.next = time.monotonic() + (FOR_PEOPLE if self.terminal else FOR_LOGS)
        self.shown = False

    def __enter__(self) -> Tally:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self.shown and self.terminal:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def __call__(self, standing: Standing) -> None:
        """Note how far the batch is."""
        now = time.monotonic()
        if now < self.next:
            return
        self.next = now + (FOR_PEOPLE if self.terminal else FOR_LOGS)
        self.shown = True
        text = line(standing)
        sys.stderr.write(f"\r\x1b[K{text}" if self.terminal else f"pvmscan: {text}\n")
        sys.stderr.flush()


def line(standing: Standing) -> str:
    """`1200 of 5000 listed, 240/s, 3.1 MB/s, 5.20 GB saved, 14 findings, 2 incomplete`."""
    from pvmscan.formats._units import amount

    seconds = max(standing.seconds, 1e-6)
    fresh = standing.done - standing.resumed
    incomplete = standing.verdicts.get("incomplete", 0)
    saved = f"{amount(standing.saved)} saved, " if standing.saved else ""
    return (
        f"{standing.done} of {standing.sources} listed, {fresh / seconds:.0f}/s, "
        f"{standing.bytes / seconds / 1e6:.1f} MB/s, {saved}{standing.findings} findings, {incomplete} incomplete"
    )
