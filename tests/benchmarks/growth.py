"""Workload G1: how figures change when a store grows a hundredfold: the other workloads at three sizes, with the slope.

The slope is that of a rate over the size, both as logarithms: 0 means that size does not matter, −1 that ten times as
many jobs make it ten times as slow.
"""

import math
import shutil
from pathlib import Path

from tests.benchmarks.batches import Batches
from tests.benchmarks.drain import ONCE, YEARLY, Drain
from tests.benchmarks.lists import Lists
from tests.benchmarks.starting import Starts
from tests.benchmarks.workload import Contender, Measurable, Measured, Workload

SIZES = (100, 10, 1)
DURABILITY = "as in the workload of that name"
# what is measured, as which of its contenders
OF: dict[str, tuple[Measurable, str]] = {
    "E1": (Drain(workload=ONCE, kind="once"), "ours"),
    "E2": (Drain(workload=YEARLY, kind="yearly"), "ours"),
    "S2": (Batches(), "ours"),
    "L3-one": (Starts(), "one"),
    "L3-all": (Starts(), "all"),
    "Q1-jobs": (Lists(), "jobs-first"),
    "Q1-runs": (Lists(), "runs-first"),
}
WORKLOAD = Workload(
    name="G1",
    title="Growth: rates at 1/100, at 1/10 and at all of the jobs",
    unit="a second",
    contenders=tuple(Contender(key, f"{key}, scheduler_app", DURABILITY) for key in OF),
    settings={"slope": "of log(rate) over log(jobs), between the smallest and the largest; 0: size does not matter"},
)


class Growth:
    """The workload."""

    workload = WORKLOAD

    def prepare(self, contender: str, folder: Path, jobs: int) -> None:
        """Prepare each size in a folder beside this one, which no round copies."""
        what, of = OF[contender]
        for part in SIZES:
            home = _home(folder, contender, part)
            home.mkdir(parents=True)
            what.prepare(of, home, jobs // part)

    def measure(self, contender: str, folder: Path, jobs: int) -> Measured:
        """Measure each size on a copy, and tell how much slower the largest is."""
        what, of = OF[contender]
        rates: dict[int, float] = {}
        for part in SIZES:
            copy = shutil.copytree(_home(folder, contender, part), _home(folder, contender, part).with_name("round"))
            try:
                rates[part] = what.measure(of, copy, jobs // part).rate
            finally:
                shutil.rmtree(copy)
        slope = math.log(rates[1] / rates[SIZES[0]]) / math.log(SIZES[0])
        return Measured(rate=rates[1], more={"smallest_rate": rates[100], "middle_rate": rates[10], "slope": slope})


def _home(folder: Path, contender: str, part: int) -> Path:
    """Return the filled folder of a size; what is in the folder around it is that size's alone."""
    return folder.parent / f"{contender}-{part}" / "filled"
