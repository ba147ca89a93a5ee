"""`pvmscan completion`: the script that makes a shell complete commands, options and paths."""

from __future__ import annotations

import click

from pvmscan_cli.common import CONTEXT, write

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_PVMSCAN_COMPLETE"


@click.command(name="completion", context_settings=CONTEXT)
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print the script that makes a shell complete pvmscan's commands, options and paths.

    \b
    bash   add to ~/.bashrc:                      eval "$(pvmscan completion bash)"
    zsh    add to ~/.zshrc:                       eval "$(pvmscan completion zsh)"
    fish   pvmscan completion fish > ~/.config/fish/completions/pvmscan.fish
    """
    from click.shell_completion import get_completion_class

    from pvmscan_cli.main import cli

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"{shell} is not supported by this version of click.")
    write(kind(cli, {}, "pvmscan", VARIABLE).source() + "\n")
