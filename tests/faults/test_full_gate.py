"""The gate before SQLite's one writer under all who want it, and when who holds it is killed."""

import statistics
import time
from bisect import bisect
from pathlib import Path

import pytest

from scheduler_app.errors import StoreUnavailable
from scheduler_app.failpoints import VARIABLE
from scheduler_app.store.database import PATIENCE
from tests.faults.forms import form
from tests.faults.lone_engine import a_lab
from tests.faults.writers import Span, Visits, all_writing
from tests.service.harness import wait_until

WRITERS = 8
AT_MOST = 0.1
# who holds the gate longer waits for the disk, or for a core that others use; behind seven who are quicker nobody waits
# longer than that, if each has his turn
STALL = AT_MOST / WRITERS


def length(span: Span) -> float:
    return span[1] - span[0]


def behind_others(visits: list[Visits]) -> list[float]:
    """How long each wait stood behind others who held the gate, in order; waits behind a stall are left out."""
    holds = sorted(hold for one in visits for hold in one.holds)
    found = []
    for begin, end in (wait for one in visits for wait in one.waits):
        first, last = bisect(holds, (begin,)), bisect(holds, (end,))
        before = [(max(begin, hold[0]), min(end, hold[1])) for hold in holds[max(0, first - 1) : last]]
        if all(length(hold) <= STALL for hold in before):
            found.append(sum(max(0.0, length(hold)) for hold in before))
    return sorted(found)


@pytest.mark.slow
def test_of_eight_processes_that_write_at_once_none_waits_long_and_none_starves(tmp_path: Path) -> None:
    visits = all_writing(tmp_path / "scheduler.db", WRITERS, form(3.0, 30.0))
    waits = behind_others(visits)
    p99 = waits[int(len(waits) * 0.99)] if waits else 0.0
    writes = [len(one.waits) for one in visits]
    longest = max(length(wait) for one in visits for wait in one.waits)
    print(f"p99 {p99 * 1000:.1f} ms of {len(waits)} waits, longest of all {longest * 1000:.0f} ms, writes {writes}")
    assert p99 <= AT_MOST
    assert longest < PATIENCE
    assert min(writes) > statistics.mean(writes) / 2


@pytest.mark.slow
def test_an_engine_that_is_killed_while_it_holds_the_gate_frees_it_at_once(tmp_path: Path) -> None:
    with a_lab(tmp_path) as lab:
        holder = lab.engine(**{VARIABLE: "claim.before_commit=stop"})
        run = lab.one_off("work")
        wait_until(lambda: "failpoint claim.before_commit" in holder.said(), within=5.0)
        with pytest.raises(StoreUnavailable, match=r"another process held scheduler.db.gate for 1\.7 s; try again"):
            lab.one_off("work")
        holder.kill()
        began = time.monotonic()
        more = lab.one_off("work")
        assert time.monotonic() - began < 0.5
        lab.engine()
        wait_until(lambda: {lab.run(one).state for one in (run, more)} == {"succeeded"}, within=5.0)
        assert (lab.run(run).attempt, len(lab.marks("begin"))) == (1, 2)
        assert lab.breaches() == []
