"""Which files of folders are scanned: regular expressions on their paths, as ClamAV and picklescan have them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pvm.hints import TYPE_CHECKING
from pvmscan_cli.common import message

if TYPE_CHECKING:
    import click


def patterns(
    _: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[re.Pattern[str], ...]:
    """Compile the values of an option."""
    try:
        return tuple(re.compile(value) for value in values)
    except re.error as error:
        text = f"{error.pattern!r} is no regular expression: {error}."
        import click

        raise click.BadParameter(text, param=parameter) from None


def select(
    sources: Sequence[str], include: Sequence[re.Pattern[str]], exclude: Sequence[re.Pattern[str]]
) -> list[str]:
    """The sources themselves, or the files in them that are wanted; excluding wins. What is left out is counted."""
    if not include and not exclude:
        return list(sources)
    from pvmscan.scan import expand

    found = list(expand(sources))
    wanted = [
        path
        for path in found
        if path in sources
        or (
            not any(pattern.search(path) for pattern in exclude)
            and (not include or any(pattern.search(path) for pattern in include))
        )
    ]
    if len(wanted) < len(found):
        message(f"{len(found) - len(wanted)} of {len(found)} files left out by --include and --exclude")
    return wanted
