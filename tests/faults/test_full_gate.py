"""The gate before SQLite's one writer under all who want it, and when who holds it is killed."""

import statistics
import time
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
# whoever holds the gate longer waits for the disk, or for a core that others use: no queue makes up for that
STALL = 0.025


def length(span: Span) -> float:
    return span[1] - span[0]


def beside_no_stall(visits: list[Visits]) -> list[float]:
    """How long was waited for the gate where nobody who held it was held up himself."""
    stalls = [hold for one in visits for hold in one.holds if length(hold) > STALL]
    waits = [wait for one in visits for wait in one.waits]
    return [length(wait) for wait in waits if not any(wait[0] < end and begin < wait[1] for begin, end in stalls)]


@pytest.mark.slow
def test_of_eight_processes_that_write_at_once_none_waits_long_and_none_starves(tmp_path: Path) -> None:
    visits = all_writing(tmp_path / "scheduler.db", WRITERS, form(3.0, 30.0))
    waits = sorted(beside_no_stall(visits))
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
        with pytest.raises(StoreUnavailable, match=r"another process held scheduler.db.gate for 2 s; try again"):
            lab.one_off("work")
        holder.kill()
        began = time.monotonic()
        more = lab.one_off("work")
        assert time.monotonic() - began < 0.5
        lab.engine()
        wait_until(lambda: {lab.run(one).state for one in (run, more)} == {"succeeded"}, within=5.0)
        assert (lab.run(run).attempt, len(lab.marks("begin"))) == (1, 2)
        assert lab.breaches() == []
