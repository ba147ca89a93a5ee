"""What the verbs share: writing to standard output, messages, and what there is to read."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from pvm.hints import TextIO
from pvmscan_cli.failures import Exit as Exit
from pvmscan_cli.failures import Nothing as Nothing
from pvmscan_cli.failures import no_file, wrong_value

STDIN = "-"
REPORT_SUFFIXES = (".json", ".jsonl", ".sarif", ".xml", ".md", ".csv", ".txt", ".log", ".html")
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
LEVELS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40, "CRITICAL": 50}
_level = LEVELS["WARNING"]


def set_level(name: str) -> None:
    """Choose what `message` says: this level and worse."""
    global _level
    _level = LEVELS[name.upper()]


def is_wanted(level: str) -> bool:
    """Does the chosen level ask for messages of this one?"""
    return LEVELS[level] >= _level


def message(text: str, level: str = "WARNING") -> None:
    """Say something on standard error, if the chosen level asks for it."""
    if not is_wanted(level):
        return
    from pvmscan.formats._safe import safe_lines

    _put(sys.stderr, f"pvmscan: {safe_lines(text)}\n")


def write(content: str | bytes, output: str | None = None) -> None:
    """Write to a file, or to standard output. A reader that went away is no error."""
    if output is None or output == STDIN:
        _put(sys.stdout, content)
        return
    with open_output(output) as keep:
        keep(content)


@contextmanager
def open_output(output: str) -> Iterator[Callable[[str | bytes], None]]:
    """A function that writes to a new file; what it writes is there at once."""

    def keep(content: str | bytes) -> None:
        file.write(content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content)
        file.flush()

    try:
        with open(output, "wb") as file:
            yield keep
    except OSError as error:
        raise no_file(_shown(output), error) from None


def check_output(output: str | None, sources: tuple[str, ...]) -> None:
    """Refuse an output file that cannot be written, or that is one of the sources."""
    if output is None or output == STDIN:
        return
    folder = os.path.dirname(output) or "."
    if os.path.isdir(output) or not os.path.isdir(folder):
        raise wrong_value(f"{_shown(output)} cannot be written.", "--output")
    for source in sources:
        with suppress(OSError):
            if os.path.samefile(source, output) or _is_model_in(source, output):
                raise wrong_value(f"{_shown(output)} is a file to be read.", "--output")


def _is_model_in(source: str, output: str) -> bool:
    """Would the output replace a file of a folder that is read? An earlier report may be replaced."""
    if not os.path.isdir(source) or not os.path.exists(output) or output.lower().endswith(REPORT_SUFFIXES):
        return False
    folder = os.path.realpath(source).rstrip(os.sep) + os.sep
    return os.path.realpath(output).startswith(folder)


def _shown(path: str) -> str:
    from pvmscan.formats._safe import safe

    return safe(path)


def _put(stream: TextIO, content: str | bytes) -> None:
    try:
        if isinstance(content, bytes):
            stream.flush()
            stream.buffer.write(content)
        else:
            encoding = stream.encoding or "utf-8"
            stream.write(content.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()
    except BrokenPipeError:
        silence(stream)


def silence(stream: TextIO) -> None:
    """Send what is still to come, the interpreter's last flush included, to nowhere."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def is_terminal(stream: TextIO) -> bool:
    """Does a person look at the stream? Not in continuous integration, whatever it pretends."""
    return stream.isatty() and not os.environ.get("CI")


def wants_colour(stream: TextIO) -> bool:
    """Colour only for people, and only for those who did not decline (no-color.org)."""
    declined = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return is_terminal(stream) and not declined


def columns(stream: TextIO) -> int | None:
    """Columns to wrap to; None where nobody looks."""
    if not stream.isatty():
        return None
    import shutil  # imports every compression; only people need it

    return min(shutil.get_terminal_size((80, 24)).columns, 120)


def check_there(*paths: str) -> None:
    """Raise `Nothing` where a source is no file of this machine, nor elsewhere."""
    for path in paths:
        if path != STDIN and not os.path.lexists(path):
            from pvmscan.scan import elsewhere

            if not elsewhere(path):
                raise Nothing(f"no such file: {path}")


def shown(path: str) -> str:
    """A source as it may be shown: of an address what holds no secret."""
    from pvmscan.scan import elsewhere

    if not elsewhere(path):
        return path
    from pvmscan.remote import shown

    return shown(path)
