"""`python -m pvmscan.knowledge.derive build [NAME...]`: derives the database anew from the sources of the manifest.

Without names everything is built; `python` is the standard library. Packages are looked for in the cache
(`--cache`); `sources` prints the command that fetches those that are missing.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from pvmscan.knowledge.derive import build, fetch
from pvmscan.knowledge.shards import FOLDER


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m pvmscan.knowledge.derive", description=__doc__)
    parser.add_argument("command", choices=["build", "sources"])
    parser.add_argument("names", nargs="*", help="packages to build; all of the manifest by default")
    parser.add_argument("--cache", type=Path, default=fetch.CACHE, help="folder with package archives")
    parser.add_argument("--out", default=FOLDER, help="folder of the database")
    options = parser.parse_intermixed_args(arguments)  # names may stand behind options
    if options.command == "sources":
        absent = fetch.missing(options.cache)
        print(fetch.command(absent, options.cache) if absent else "all sources are there")
        return 0
    try:
        for name, made in build.rebuild(options.names, options.cache, options.out):
            _report(name, made)
    except fetch.FetchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _report(name: str, made: build.Made) -> None:
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{name}: {made.modules} modules, {made.callables} callables, {made.size} bytes, "
        f"{time.process_time():.0f} s so far, {megabytes:.0f} MB at most",
        flush=True,
    )
    for error in made.unread:
        print(f"  not read: {error}")


if __name__ == "__main__":
    sys.exit(main())
