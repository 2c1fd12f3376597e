"""Benchmarks beside the peers, by hand: `python -m tests.benchmarks` from a clone; tests try each at a tiny size."""
