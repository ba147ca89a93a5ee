"""The command and its verbs. Each verb is a module of its own, imported when it is needed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module

import click

from pvm.hints import TYPE_CHECKING, Any, NoReturn
from pvmscan_cli.common import CONTEXT
from pvmscan_cli.failures import code_of
from pvmscan_cli.verbs import SECTIONS, VERBS

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class Commands(click.Group):
    """Verbs, with `scan` where none is named, and with this command's exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs, the most useful one first."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A verb by name."""
        if cmd_name not in VERBS:
            return None
        module = cmd_name.replace("-", "_")
        command: click.Command = import_module(f"pvmscan_cli.{module}_command").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing them."""
        for title, verbs in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(list(verbs.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Verbs, and paths for `pvmscan PATH`."""
        from click.shell_completion import CompletionItem

        verbs = [
            CompletionItem(verb, help=words) for verb, words in VERBS.items() if verb.startswith(incomplete)
        ]
        options = super().shell_complete(ctx, incomplete) if incomplete.startswith("-") else []
        return [*verbs, *options, CompletionItem(incomplete, type="file")]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """`pvmscan PATH` means `pvmscan scan PATH`."""
        if args and args[0] not in VERBS and args[0] not in ("-h", "--help", "--version"):
            args = ["scan", *args]
        return super().parse_args(ctx, args)

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        """Run, and leave the process with this command's exit codes."""
        run: Callable[..., Any] = super().main
        code = code_of(partial(run, *args, standalone_mode=False, **extra))
        if standalone_mode:
            sys.exit(code)
        return code


def _show_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from importlib.metadata import PackageNotFoundError, version

        try:
            number = version("pvmscan")
        except PackageNotFoundError:
            import pvm

            number = pvm.__version__
        click.echo(f"pvmscan {number}")
        ctx.exit()


@click.group(cls=Commands, context_settings=CONTEXT)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
def cli() -> None:
    """Understand the program inside a pickle or model file, without running it.

    Loading a pickle runs a program that whoever made the file has written. pvmscan runs that program on an
    abstract machine, which imports and calls nothing, and reports where it would end.

    pvmscan PATH... is short for pvmscan scan PATH... Each command has its own --help.

    \b
    Examples:
      pvmscan model.pt                     is it safe to load?
      pvmscan -f sarif=out.sarif models/   for code scanning
      pvmscan diff old.pt new.pt           what does the update do more?
      pvmscan explain shell-command        why is that a rule?

    \b
    Exit codes:
      0  nothing at or above the threshold
      1  findings
      2  something could not be judged, and there was nothing worse
      3  nothing to scan or to show
      4  wrong usage

    \b
    Environment:
      NO_COLOR             no colours; CI has no colours and no progress bar
      PVMSCAN_CONFIG       the configuration to follow
      PVMSCAN_NO_PLUGINS   leave plug-ins out
      PVMSCAN_DEBUG        show where an internal error happened
    """


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command and leave the process."""
    cli.main(None if arguments is None else list(arguments), prog_name="pvmscan")
    raise AssertionError("unreachable")


if __name__ == "__main__":
    main()
