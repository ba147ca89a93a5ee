"""Counters in the text format of Prometheus, version 0.0.4."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Seconds."""


@dataclass
class Metrics:
    """What a service has done since it was started."""

    requests: Counter[tuple[str, int]] = field(default_factory=Counter)
    """By path and status."""
    verdicts: Counter[str] = field(default_factory=Counter)
    """Scans."""
    received: int = 0
    """Bytes of bodies."""
    fetched: int = 0
    """Bytes that were fetched from elsewhere."""
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    seconds: float = 0.0

    def scanned(self, verdict: str, seconds: float, fetched: int) -> None:
        """Count a scan."""
        self.verdicts[verdict] += 1
        self.buckets[bisect_left(BUCKETS, seconds)] += 1
        self.seconds += seconds
        self.fetched += fetched

    def text(self, about: Mapping[str, str], gauges: Mapping[str, tuple[str, int]]) -> str:
        """All of it; `gauges` have their help and value by name."""
        return "".join(f"{line}\n" for line in self._lines(about, gauges))

    def _lines(self, about: Mapping[str, str], gauges: Mapping[str, tuple[str, int]]) -> Iterator[str]:
        yield from _head("pvmscan_info", "gauge", "What judges.")
        yield f"pvmscan_info{_labels(about)} 1"
        yield from _head("pvmscan_requests_total", "counter", "Requests by path and status.")
        for (path, status), count in sorted(self.requests.items()):
            yield f"pvmscan_requests_total{_labels({'path': path, 'status': str(status)})} {count}"
        yield from _head("pvmscan_scans_total", "counter", "Scans by verdict.")
        for verdict, count in sorted(self.verdicts.items()):
            yield f"pvmscan_scans_total{_labels({'verdict': verdict})} {count}"
        for name, value, words in (
            ("received", self.received, "Bytes of bodies."),
            ("fetched", self.fetched, "Bytes fetched from elsewhere."),
        ):
            yield from _head(f"pvmscan_{name}_bytes_total", "counter", words)
            yield f"pvmscan_{name}_bytes_total {value}"
        for name, (words, value) in gauges.items():
            yield from _head(name, "gauge", words)
            yield f"{name} {value}"
        yield from self._histogram("pvmscan_scan_seconds")

    def _histogram(self, name: str) -> Iterator[str]:
        yield from _head(name, "histogram", "Time from the end of a body to its report.")
        total = 0
        for bound, count in zip((*map(str, BUCKETS), "+Inf"), self.buckets, strict=True):
            total += count
            yield f"{name}_bucket{_labels({'le': bound})} {total}"
        yield f"{name}_sum {self.seconds:.6f}"
        yield f"{name}_count {total}"


def _head(name: str, kind: str, words: str) -> Iterator[str]:
    yield f"# HELP {name} {words}"
    yield f"# TYPE {name} {kind}"


def _labels(labels: Mapping[str, str]) -> str:
    escaped = {
        name: value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        for name, value in labels.items()
    }
    return "{" + ",".join(f'{name}="{value}"' for name, value in escaped.items()) + "}"
