"""Benchmarks: `python -m tests.bench` prints the table. Ratios to a raw ceiling of the same run."""
