"""How a command ends: its exit codes, and the errors that it tells.

Errors about options are those of click, which is imported when there is one: a plain scan needs no parser.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from enum import IntEnum

from pvm.hints import Any


class Exit(IntEnum):
    """What the process returns."""

    FINE = 0
    """Nothing at or above the threshold."""
    FINDINGS = 1
    """Findings at or above the threshold; wins over every error."""
    INCOMPLETE = 2
    """A source could not be judged, and nothing else failed."""
    NOTHING = 3
    """Nothing to scan or to show."""
    USAGE = 4
    INTERRUPTED = 130


class Nothing(Exception):
    """There is nothing to scan or to show: why, on standard error."""


def wrong_usage(text: str) -> Exception:
    """The options do not fit together."""
    import click

    return click.UsageError(text)


def wrong_value(text: str, option: str) -> Exception:
    """An option has a value that it cannot have."""
    import click

    return click.BadParameter(text, param_hint=option)


def no_file(path: str, error: OSError) -> Exception:
    """A file could not be written."""
    import click

    return click.FileError(path, hint=error.strerror or str(error))


def code_of(run: Callable[[], Any]) -> int:
    """What the process returns for a command, whose errors are told."""
    try:
        return int(run() or Exit.FINE)
    except Nothing as error:
        return _told(str(error), Exit.NOTHING)
    except KeyboardInterrupt:
        return _told("interrupted", Exit.INTERRUPTED)
    except Exception as error:
        click: Any = sys.modules.get("click")
        if click is not None and isinstance(error, click.ClickException):
            error.show()
            return Exit.USAGE
        if click is not None and isinstance(error, click.Abort):
            return _told("interrupted", Exit.INTERRUPTED)
        if type(error).__name__ == "PluginError":  # by name: most commands import no plug-in
            return _told(str(error), Exit.USAGE)
        if os.environ.get("PVMSCAN_DEBUG"):
            raise
        text = f"internal error: {type(error).__name__}: {error} (PVMSCAN_DEBUG=1 shows where)"
        return _told(text, Exit.INCOMPLETE)


def _told(text: str, code: Exit) -> Exit:
    from pvmscan_cli.common import message

    message(text, "CRITICAL")
    return code
