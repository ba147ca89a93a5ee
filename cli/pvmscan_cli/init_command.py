"""`pvmscan init`: a configuration to begin with."""

from __future__ import annotations

import os
from importlib import resources

import click

from pvmscan_cli.common import CONTEXT, write

NAME = ".pvmscan.toml"


@click.command(name="init", context_settings=CONTEXT)
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(file_okay=False, exists=True))
@click.option("--stdout", is_flag=True, help="Print it instead of writing a file.")
def command(folder: str, stdout: bool) -> None:
    """Write a commented .pvmscan.toml into DIR. A file that exists is left alone.

    pvmscan reads it when it is run in that folder, but not when the folder itself, or a file right in it, is
    scanned: then it may come from whoever made the models. --config FILE reads it in any case.
    """
    text = resources.files("pvmscan_cli").joinpath("configuration.toml").read_text("utf-8")
    if stdout:
        write(text)
        return
    path = os.path.join(folder, NAME)
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise click.UsageError(f"{path} exists and was left as it is; --stdout prints a new one.") from None
    except OSError as error:
        raise click.FileError(path, hint=error.strerror or str(error)) from None
    write(f"Written: {path}\n")
