"""The command line: `python -m benchmarks`."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path

from benchmarks import growth, report
from benchmarks.folders import HERE, RESULTS
from benchmarks.records import Measure, Results, merged
from benchmarks.suite import Choices, Suite
from benchmarks.workloads import WORKLOADS

KINDS = ("baseline", "slow-baseline", "pvmscan", "machine", "peer")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measures pvmscan against its peers."
    )
    parser.add_argument("--quick", action="store_true", help="about two minutes, without peers")
    parser.add_argument(
        "--only", action="append", default=[], metavar="GLOB", help="only workloads of this name"
    )
    parser.add_argument(
        "--kinds", action="append", default=[], choices=KINDS, help="only contenders of this kind"
    )
    parser.add_argument("--no-peers", action="store_true", help="without other scanners")
    series = parser.add_mutually_exclusive_group()
    series.add_argument("--no-growth", action="store_true", help="without the growth series")
    series.add_argument("--only-growth", action="store_true", help="nothing but the growth series")
    parser.add_argument("--repeat", type=int, metavar="N", help="rounds (5; quick: 3)")
    parser.add_argument(
        "--slow-repeat", type=int, metavar="N", help="rounds for what takes more than 2 s (as for the rest)"
    )
    parser.add_argument(
        "--timeout", type=float, default=60.0, metavar="SECONDS", help="limit for one process (60)"
    )
    parser.add_argument(
        "--write", action="store_true", help="also write RESULTS.md and growth.svg beside the suite"
    )
    parser.add_argument(
        "--cpu", action="store_true", help="compare CPU time, for a machine that is not quiet"
    )
    parser.add_argument("--list", action="store_true", help="print the workloads and stop")
    parser.add_argument(
        "--show",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="print earlier results; of several, the later counts",
    )
    return parser


def main(argv: list[str] | None = None) -> None:
    """Measure, print, and keep the numbers."""
    arguments = _parser().parse_args(argv)
    if arguments.list:
        print("\n".join(f"{one.name:<28}{one.group:<14}{dict(one.sizes)}" for one in WORKLOADS.values()))
        return
    if arguments.show:
        results = merged([Results.load(path) for path in arguments.show])
    else:
        results = _measured(arguments)
    compared: Measure = "cpu" if arguments.cpu else "wall"
    print(report.as_text(results, compared))
    folder = HERE if arguments.write else RESULTS
    _plots(results, folder)
    if arguments.write:
        (HERE / "RESULTS.md").write_text(report.as_markdown(results, compared), "utf-8")


def _measured(arguments: argparse.Namespace) -> Results:
    choices = Choices(
        plan="quick" if arguments.quick else "full",
        only=tuple(arguments.only),
        kinds=tuple(arguments.kinds),
        peers=not (arguments.no_peers or arguments.quick),
        stages=not arguments.only_growth,
        growth=not arguments.no_growth,
        repeat=arguments.repeat,
        slow_repeat=arguments.slow_repeat,
        timeout=arguments.timeout,
    )
    path = RESULTS / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        results = Suite(choices).run(keep=lambda so_far: so_far.save(path))
    except KeyboardInterrupt:
        raise SystemExit(f"stopped; what was measured until then: --show {path}") from None
    print(f"numbers: {path}", file=sys.stderr)
    return results


def _plots(results: Results, folder: Path) -> None:
    """One plot for each build; that of the compiled build is `growth.svg`."""
    for contender, name in (("pvmscan", "growth.svg"), ("pvmscan, pure", "growth-pure.svg")):
        if any(one.contender == contender and one.wall for one in results.growth):
            folder.mkdir(parents=True, exist_ok=True)
            drawn = growth.plot(results.growth, contender, f"{contender}: cost against size")
            (folder / name).write_text(drawn, "utf-8")
            print(f"drawn: {folder / name}", file=sys.stderr)


if __name__ == "__main__":
    main()
