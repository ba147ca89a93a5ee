"""The search for garbage in cycles, held back while a file is judged.

A scan makes very many objects that stay, and hardly a cycle. Python begins a search after every few hundred new ones,
and walks over those that stay again and again: the more a file makes it hold, the larger the part of the time that goes
there. So meanwhile a search begins after `APART` new objects.

How often it begins is the whole process', which may be somebody's program. There it is only put off, not switched off,
and no object is frozen: garbage of other threads goes a little later. What the program has set itself counts: where it
searches more rarely or not at all, or changes that meanwhile, it is left alone.
"""

from __future__ import annotations

import gc

APART = 100_000
"""Objects; they take some tens of megabytes at most."""

_scans: set[Rarely] = set()
"""Those under way in this process. Adding and removing needs no lock, which a fork could leave locked for ever."""
_before: tuple[int, ...] = ()
"""What was found by the first of them."""


class Rarely:
    """Holds the search back in its body; with others at once, until the last is left."""

    def __enter__(self) -> None:
        global _before
        _scans.add(self)
        now = gc.get_threshold()
        if 0 < now[0] < APART:
            _before = now
            gc.set_threshold(APART, *now[1:])

    def __exit__(self, *_: object) -> None:
        global _before
        _scans.discard(self)
        if not _scans and (before := _before):
            _before = ()
            if gc.get_threshold() == (APART, *before[1:]):
                gc.set_threshold(*before)
