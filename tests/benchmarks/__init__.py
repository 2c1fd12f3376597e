"""Benchmarks beside the peers, run by hand: `python -m tests.benchmarks` from a clone. pytest does not collect them."""
