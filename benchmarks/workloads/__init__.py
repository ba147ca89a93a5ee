"""Deterministic inputs: what they are, how they are made, and what a scanner should say about them."""

from benchmarks.workloads.base import Workload, made
from benchmarks.workloads.registry import WORKLOADS

__all__ = ["WORKLOADS", "Workload", "made"]
