"""Add jobs as a user of a peer does: `python -m tests.benchmarks.peers MODULE N GAP`."""

import importlib
import random
import sys
import time


def main(module: str, jobs: str, gap: str) -> None:
    """Add them."""
    luck = random.Random(1)
    peer = importlib.import_module(f"tests.benchmarks.peers.{module}")
    for _ in range(int(jobs)):
        time.sleep(float(gap) * luck.uniform(0.5, 1.5))
        peer.add(time.monotonic())


if __name__ == "__main__":
    main(*sys.argv[1:])
