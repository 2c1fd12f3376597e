"""Add jobs as a user of a peer does: `python -m tests.benchmarks.peers MODULE N`."""

import importlib
import sys
import time


def main(module: str, jobs: str) -> None:
    """Add them."""
    peer = importlib.import_module(f"tests.benchmarks.peers.{module}")
    for _ in range(int(jobs)):
        peer.add(time.monotonic())


if __name__ == "__main__":
    main(*sys.argv[1:])
