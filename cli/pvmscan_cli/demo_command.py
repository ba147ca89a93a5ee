"""`pvmscan demo`: sample files to play with."""

from __future__ import annotations

import os
import shlex

import click

from pvmscan_cli.common import CONTEXT, write


@click.command(name="demo", context_settings=CONTEXT)
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False))
def command(folder: str) -> None:
    """Write sample files into DIR. The malicious ones are inert: all they would run is `echo inert`."""
    from pvmscan.formats._safe import safe
    from pvmscan_cli.samples import SAMPLES

    width = max(len(sample.path) for sample in SAMPLES)
    lines = [f"Written to {safe(folder)}:", ""]
    for sample in SAMPLES:
        _save(os.path.join(folder, *sample.path.split("/")), sample.make())
        lines.append(f"  {sample.path:<{width}}  {sample.what}")
    here = shlex.quote(safe(folder))
    lines += [
        "",
        "The malicious ones are inert: all that loading one would run is `echo inert`.",
        "",
        "Try:",
        "",
        f"  pvmscan {here}",
        f"  pvmscan scan -g {here}/malicious/computed.pkl",
        f"  pvmscan trace {here}/malicious/system.pkl",
        f"  pvmscan decompile {here}/malicious/nested.pkl",
        f"  pvmscan graph {here}/malicious/alias.pkl --output alias.svg",
    ]
    write("\n".join([*lines, ""]))


def _save(path: str, content: bytes) -> None:
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)
    except OSError as error:
        raise click.FileError(path, hint=error.strerror or str(error)) from None
