"""`pvmscan knowledge`: what is derived from the source of packages: list it, add to it, build it anew."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from pvm.hints import TYPE_CHECKING, Any
from pvmscan_cli.common import CONTEXT, Exit, Nothing, columns, message, wants_colour, write

if TYPE_CHECKING:
    from pvmscan.knowledge.shards import Shard


@click.group(name="knowledge", context_settings=CONTEXT)
def command() -> None:
    """What callables do, derived from the source of packages, which is read as text and never run.

    \b
    Examples:
      pvmscan knowledge list
      pvmscan knowledge add our_package/
      pvmscan knowledge add our_package-1.0-py3-none-any.whl
      pvmscan knowledge build numpy --cache sources/
    """


@command.command(name="list", context_settings=CONTEXT)
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def list_(as_json: bool) -> None:
    """List the packages that ship, with the versions that were read, and those that were added here."""
    from pvmscan.formats._lines import Page
    from pvmscan.formats._safe import safe
    from pvmscan.knowledge.shards import Library, added_folder
    from pvmscan.knowledge.shards import added as shards

    shipped = Library().contents
    added = {path: _header(path) for path in shards()}
    if as_json:
        from pvmscan.formats.json_ import dumps

        plain = {"digest": shipped["digest"], "packages": shipped["packages"], "added": added}
        write(dumps(plain) + "\n")
        return
    page = Page()
    page.add((f"shipped ({shipped['digest']})", "title"))
    for name, versions in shipped["packages"].items():
        page.add(f"  {name:<20} ", ", ".join(versions), hang=23)
    page.gap()
    page.add((f"added ({safe(added_folder())})", "title"))
    for header in added.values():
        source = "+".join(header["source"].values())
        page.add(f"  {safe(header['package']):<20} ", f"source {source}", hang=23)
    if not added:
        page.add("  nothing; `pvmscan knowledge add` adds a package")
    write(page.render(columns(sys.stdout), wants_colour(sys.stdout)))


def _header(path: str) -> dict[str, Any]:
    from pvmscan.knowledge.shards import Shard, ShardError

    try:
        header = Shard.read(str(path)).header
    except (OSError, ShardError) as error:
        raise Nothing(f"{path}: {error}; delete it and add the package again") from None
    return {key: header[key] for key in ("package", "source", "tops")}


@command.command(name="add", context_settings=CONTEXT)
@click.argument("package")
def add(package: str) -> None:
    """Derive what the callables of PACKAGE do, for all scans to come; their reports say so.

    PACKAGE is a folder, a wheel, a source archive, or the name of a top-level module that is installed here. Scans use
    what was added until its file is deleted: `pvmscan knowledge list` shows where it lies.
    """
    from pvmscan.knowledge.derive import ondemand

    place: Path | None = Path(package)
    if not Path(package).exists():
        place = ondemand.installed(package) if package.isidentifier() else None
    if place is None:
        raise Nothing(
            f"{package} is no file, and no module of that name is installed with its source; "
            "`pip download --no-deps` gets a wheel to name here"
        )
    try:
        shard = ondemand.add(place)
    except ondemand.PackageError as error:
        raise Nothing(str(error)) from None
    except OSError as error:
        from pvmscan.knowledge.shards import added_folder

        raise click.FileError(added_folder(), hint=error.strerror or str(error)) from None
    _tell(shard)


def _tell(shard: Shard) -> None:
    from pvmscan.formats._safe import safe

    modules = shard.modules()
    acting = sum(len(one.get("f", ())) for one in modules.values())
    harmless = sum(len(one.get("h", "").split()) for one in modules.values())
    write(
        f"{safe(shard.header['package'])}: {len(modules)} modules; "
        f"{harmless} callables are harmless, {acting} have effects or cannot be told\n"
    )
    for error in shard.header["unread"]:
        message(f"not read: {error}")


@command.command(name="build", context_settings=CONTEXT)
@click.argument("names", nargs=-1)
@click.option("--cache", type=click.Path(path_type=Path), help="Folder of the packages' archives.")
@click.option("--out", type=click.Path(), help="Folder of the database. [default: the one that ships]")
def build(names: tuple[str, ...], cache: Path | None, out: str | None) -> Exit:
    """Build the database that ships anew, or the shards of some packages; `python` is the standard library.

    For those who develop pvmscan: it needs the Python versions and the archives of the manifest.
    """
    from pvmscan.knowledge.derive import build as builder
    from pvmscan.knowledge.derive import fetch
    from pvmscan.knowledge.shards import FOLDER

    try:
        for name, made in builder.rebuild(names, cache or fetch.CACHE, out or FOLDER):
            write(f"{name}: {made.modules} modules, {made.callables} callables, {made.size} bytes\n")
            for error in made.unread:
                message(f"not read: {error}")
    except fetch.FetchError as error:
        raise Nothing(str(error)) from None
    return Exit.FINE
