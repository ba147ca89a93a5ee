"""Third-party rules, readers, analyzers and formats, by entry points.

A plug-in adds findings and formats; it never takes anything away: what a reader or an analyzer of the package
finds is found all the same. One that is broken is an error, and never a reason to scan with less.

group                 the entry point is
`pvmscan.rules`       a TOML text (or a function without arguments that returns one) with `[[rule]]` tables as in
                      `knowledge/rules/`, each with its `effect`
`pvmscan.readers`     a `Reader` (see `pvmscan.readers.base`) or its class
`pvmscan.analyzers`   a module or an object with `ID` and `analyze(context)` (see `pvmscan.analyzers.base`)
`pvmscan.formats`     a module with `render(report, options)` (see `pvmscan.formats`); its name is the format's

`PVMSCAN_NO_PLUGINS=1` leaves all of them out. Reports name the plug-ins that took part.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import cache

from pvm.hints import TYPE_CHECKING, Any
from pvm.records import NamedTuple

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUPS = {
    "pvmscan.rules": (),
    "pvmscan.readers": ("id", "sniff", "read"),
    "pvmscan.analyzers": ("ID", "analyze"),
    "pvmscan.formats": ("render",),
}
"""What each kind of plug-in must have."""
VARIABLE = "PVMSCAN_NO_PLUGINS"
_MARK = b"[pvmscan."


class PluginError(Exception):
    """A plug-in that is installed cannot be used: which one, of which distribution, and why."""


class Plugin(NamedTuple):
    """One plug-in, loaded."""

    name: str
    origin: str
    """The distribution and its version."""
    thing: Any

    def __str__(self) -> str:
        return f"{self.name} ({self.origin})"


@cache
def plugins(group: str) -> tuple[Plugin, ...]:
    """The plug-ins of a group, by name; raise `PluginError` where one is broken."""
    found = sorted(_entry_points(group), key=lambda entry: entry.name)
    return tuple(_load(entry, group) for entry in found)


def installed() -> str:
    """All plug-ins, for the report; loads them, so that a broken one is known before anything is scanned."""
    return ", ".join(str(one) for group in GROUPS for one in plugins(group))


def _load(entry: EntryPoint, group: str) -> Plugin:
    origin = f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else "?"
    plugin = f"the plug-in {entry.name} of {origin} ({group})"
    try:
        thing = entry.load()
        if isinstance(thing, type):
            thing = thing()
    except Exception as error:
        raise PluginError(
            f"{plugin} cannot be loaded: {type(error).__name__}: {error}. Uninstall or update it, or set "
            f"{VARIABLE}=1 to scan without plug-ins"
        ) from error
    missing = [name for name in GROUPS[group] if not hasattr(thing, name)]
    if missing:
        raise PluginError(f"{plugin} lacks {', '.join(missing)}")
    return Plugin(entry.name, origin, thing)


def _entry_points(group: str) -> Iterator[EntryPoint]:
    if os.environ.get(VARIABLE) or not _any_installed():
        return
    from importlib.metadata import entry_points

    yield from entry_points(group=group)


@cache
def _any_installed() -> bool:
    """Does any distribution have an entry point for us? Asked first, because importlib.metadata is slow to import."""
    return any(_MARK in text for folder in sys.path for text in _declarations(folder or "."))


def _declarations(folder: str) -> Iterator[bytes]:
    """The `entry_points.txt` of the distributions in a folder."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.path for entry in entries if entry.name.endswith((".dist-info", ".egg-info"))]
    except OSError:
        return
    for name in names:
        try:
            with open(os.path.join(name, "entry_points.txt"), "rb") as file:
                yield file.read()
        except OSError:
            continue
