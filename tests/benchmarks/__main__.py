"""`python -m tests.benchmarks`: measure the workloads, show a table, leave a plot and a JSON file in a folder."""

import argparse
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.benchmarks import databases, machine, soak
from tests.benchmarks.adding import Adding
from tests.benchmarks.batches import Batches
from tests.benchmarks.between import Between
from tests.benchmarks.celery_drain import CeleryDrain
from tests.benchmarks.drain import ONCE, ONCE_ON_POSTGRESQL, YEARLY, YEARLY_ON_POSTGRESQL, Drain
from tests.benchmarks.growth import Growth
from tests.benchmarks.lateness import Late
from tests.benchmarks.lists import Lists
from tests.benchmarks.plot import write_plot
from tests.benchmarks.report import table, write_json
from tests.benchmarks.saturated import Saturated
from tests.benchmarks.starting import Starts
from tests.benchmarks.submit import Submit
from tests.benchmarks.workload import Measurable, Plan, Results, Tell, measure

# for each what measures it, and how many jobs a round has
WORKLOADS: dict[str, tuple[Measurable, int]] = {
    "C1": (CeleryDrain(), 5_000),
    "E1": (Drain(workload=ONCE, kind="once"), 10_000),
    "E1-PG": (Drain(workload=ONCE_ON_POSTGRESQL, kind="once"), 10_000),
    "E2": (Drain(workload=YEARLY, kind="yearly"), 10_000),
    "E2-PG": (Drain(workload=YEARLY_ON_POSTGRESQL, kind="yearly"), 10_000),
    "P1": (Between(), 200),
    "G1": (Growth(), 100_000),
    "L1-17": (Late(rate=17), 1_000_000),
    "L1-167": (Late(rate=167), 1_000_000),
    "L3": (Starts(), 1_000_000),
    "Q1": (Lists(), 1_000_000),
    "Q2": (Saturated(), 50_000),
    "S1": (Submit(), 2_000),
    "S2": (Batches(), 10_000),
    "S3-1": (Adding(threads=1), 2_000),
    "S3-8": (Adding(threads=8), 4_000),
    "S3-1-PG": (Adding(threads=1, is_on_postgresql=True), 2_000),
    "S3-8-PG": (Adding(threads=8, is_on_postgresql=True), 4_000),
}
ROUNDS = 5
QUICK_JOBS, QUICK_ROUNDS = 500, 1


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=f"{', '.join(WORKLOADS)}; all without any")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_JOBS} jobs, {QUICK_ROUNDS} round: does it work?")
    parser.add_argument("--jobs", type=int, help="jobs a round, instead of the usual 2,000 to 10,000")
    parser.add_argument("--rounds", type=int, help=f"rounds, instead of {ROUNDS}")
    parser.add_argument("--out", type=Path, help="folder for results and stores, on the disk to measure")
    given = parser.parse_args()
    if unknown := [name for name in given.workloads if name not in WORKLOADS]:
        parser.error(f"no workload {unknown[0]!r}; there are {', '.join(WORKLOADS)}")
    if min(given.jobs or 100, 100) < 100 or (given.rounds or 1) < 1:
        parser.error("--jobs must be at least 100, --rounds at least 1")
    return given


def plan_for(name: str, given: argparse.Namespace) -> Plan:
    """Return how to measure a workload."""
    measurable, jobs = WORKLOADS[name]
    return Plan(
        what=measurable,
        jobs=given.jobs or (QUICK_JOBS if given.quick else jobs),
        rounds=given.rounds or (QUICK_ROUNDS if given.quick else ROUNDS),
    )


def teller(start: float) -> Tell:
    """Return what shows progress, a line a step."""
    return lambda text: print(f"{time.monotonic() - start:6.1f} s  load {machine.load():.1f}  {text}", flush=True)


def measured(name: str, given: argparse.Namespace, stores: Path, tell: Tell) -> Results:
    """Measure a workload, with stores in a folder of its own."""
    return measure(plan_for(name, given), stores / name, lambda text: tell(f"{name} {text}"))


def main() -> int:
    """Measure, report, and return 1 when a step failed."""
    # what was started is stopped on the way out, also when somebody ends this
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if sys.argv[1:2] == ["soak"]:
        return soak.main(sys.argv[2:])
    given = arguments()
    out = given.out or Path(tempfile.mkdtemp(prefix="scheduler-benchmark-"))
    out.mkdir(parents=True, exist_ok=True)
    stores = Path(tempfile.mkdtemp(prefix="stores-", dir=out.absolute()))
    where = machine.describe(stores)
    tell = teller(time.monotonic())
    tell(f"{where['cpu']}, {where['cores']} cores")
    tell(f"{where['file_system']}: a synced write takes {where['sync_us']:g} µs")
    if where["sync_us"] < machine.IN_MEMORY:
        tell("WARNING: this folder seems to lie in memory, so durability costs nothing here; choose a disk with --out")
    try:
        found = [measured(name, given, stores, tell) for name in dict.fromkeys(given.workloads or WORKLOADS)]
    finally:
        databases.close()
        shutil.rmtree(stores, ignore_errors=True)
    where |= {"revision_after": machine.revision(), "load_after": machine.load()}
    return report(found, where, out)


def report(found: list[Results], where: dict[str, Any], out: Path) -> int:
    """Show the tables and write the files."""
    write_json(out / "results.json", found, where)
    note = f"{where['cpu']}, {where['cores']} cores, Python {where['python']}; revision {where['revision']}"
    write_plot(out / "results.svg", found, note)
    for results in found:
        print(f"\n{table(results)}")
    print(f"\nRevision {where['revision']}; results in {out / 'results.json'} and {out / 'results.svg'}")
    if where["revision"] != where["revision_after"]:
        print(f"WARNING: the code changed while it was measured: it is {where['revision_after']} now", file=sys.stderr)
    return 1 if any(results.faults for results in found) else 0


if __name__ == "__main__":
    sys.exit(main())
