"""Stands for a user's package: its class is pickled by the workloads and known to no scanner."""

from __future__ import annotations


class Reading:
    """One measurement, as a small object with a dictionary of attributes."""

    def __init__(self, station: int, kind: str, value: float) -> None:
        self.station = station
        self.kind = kind
        self.value = value
