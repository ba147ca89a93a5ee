"""Where a report goes: several formats at once, each to a file or one of them to standard output."""

from __future__ import annotations

import sys
from contextlib import ExitStack, nullcontext

from pvm.hints import TYPE_CHECKING
from pvm.records import NamedTuple, replace
from pvmscan_cli.common import STDIN, check_output, columns, open_output, wants_colour, write
from pvmscan_cli.failures import wrong_usage, wrong_value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pvmscan.formats import Options
    from pvmscan.report import FileReport, Report

DEFAULT = "console"


class Output(NamedTuple):
    """One format and its file; None for standard output."""

    name: str
    path: str | None


def parse(values: Sequence[str], output: str | None, sources: tuple[str, ...]) -> list[Output]:
    """From `--format sarif=out.sarif --format console` and `--output FILE`."""
    from pvmscan.formats import report_formats

    known = report_formats()
    outputs = []
    for value in values or (DEFAULT,):
        name, equals, path = value.partition("=")
        if name not in known:
            raise wrong_value(f"{name!r} is no format; there are: {', '.join(known)}.", "--format")
        if equals and not path:
            raise wrong_value(f"{value!r} names no file.", "--format")
        outputs.append(Output(name, None if not equals or path == STDIN else path))
    open_ended = [one for one in outputs if one.path is None]
    if len(open_ended) > 1:
        names = " and ".join(one.name for one in open_ended)
        raise wrong_usage(f"{names} cannot share standard output: give files, as in {names[:4]}...=FILE.")
    if output is not None and output != STDIN:
        if not open_ended:
            raise wrong_usage("--output has no format left: every --format has its file.")
        outputs = [one._replace(path=output) if one.path is None else one for one in outputs]
    paths = [one.path for one in outputs if one.path is not None]
    if len(set(paths)) < len(paths):
        raise wrong_usage("Two formats cannot be written to one file.")
    for path in paths:
        check_output(path, sources)
    return outputs


class Writer:
    """Writes a scan to its outputs: line by line where a format can, the rest at the end."""

    def __init__(self, outputs: Sequence[Output], options: Options) -> None:
        self.outputs = outputs
        self.options = options
        self._lines: list[tuple[str, Callable[[str], None]]] = []
        self._stack = ExitStack()

    def __enter__(self) -> Writer:
        from pvmscan.formats import is_streaming

        for one in self.outputs:
            if is_streaming(one.name):
                keep = write if one.path is None else self._stack.enter_context(open_output(one.path))
                self._lines.append((one.name, keep))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def file(self, one: FileReport) -> None:
        """A file was judged."""
        if not self._lines:
            return
        from pvmscan.formats import write_file

        for name, keep in self._lines:
            write_file(one, name, self.options, keep)

    def end(self, report: Report, *, interrupted: bool = False) -> None:
        """The scan is over. A listing of lines has no end if it was interrupted."""
        from pvmscan.formats import is_streaming, render_end, write_report

        for name, keep in () if interrupted else self._lines:
            keep(render_end(report, name, self.options))
        for one in self.outputs:
            if not is_streaming(one.name):
                with nullcontext(write) if one.path is None else open_output(one.path) as keep:
                    write_report(report, one.name, self._options(one), keep)

    def _options(self, one: Output) -> Options:
        if one.path is not None:
            return self.options
        return replace(self.options, colour=wants_colour(sys.stdout), width=columns(sys.stdout))

    @property
    def for_people(self) -> bool:
        """Does the console report go to the screen?"""
        return any(one.name == DEFAULT and one.path is None for one in self.outputs)
