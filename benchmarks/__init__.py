"""The benchmark suite: workloads, contenders, measurement, report. `python -m benchmarks --help`."""
