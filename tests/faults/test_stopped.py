"""SIGSTOP for longer than the rescue takes, then SIGCONT: who comes late is refused each time, on record."""

import signal
from pathlib import Path

import pytest
import sqlalchemy as sa

from scheduler_app.store.tables import runs
from tests.faults.forms import form
from tests.faults.lone_engine import Lab, a_lab
from tests.service.harness import wait_until

# the rescue takes 30 s: six in the short form, since the clock of these engines runs five times as fast
RATE = form(5.0, 1.0)


def late_results(lab: Lab) -> dict[int, int]:
    with lab.core.database.read() as tx:
        return {row.id: row.late_results for row in tx.execute(sa.select(runs.c.id, runs.c.late_results))}


@pytest.mark.slow
@pytest.mark.long
def test_every_late_finish_is_refused_and_recorded(tmp_path: Path, database: str | None) -> None:
    with a_lab(tmp_path, RATE, database) as lab:
        still = lab.engine()
        again = [lab.one_off("numbered", kwargs={"seconds": 1.0}) for _ in range(7)]
        once = [lab.one_off("numbered", kwargs={"seconds": 1.0}, delivery="at_most_once") for _ in range(3)]
        wait_until(lambda: len(lab.marks("begin")) == 10, within=10.0)
        # stopped behind the gate it would keep it, as any writer of SQLite that is stopped keeps its lock
        lab.core.database.write(lambda _: still.stand_still())
        lab.engine()
        wait_until(lambda: all(lab.run(run).state == "succeeded" for run in again), within=60.0)
        before = {run.id: run for run in lab.runs()}
        assert {(before[run].state, before[run].attempt, before[run].result) for run in again} == {("succeeded", 2, 2)}
        assert {(before[run].state, before[run].attempt) for run in once} == {("lost", 1)}
        still.signal(signal.SIGCONT)
        wait_until(lambda: set(late_results(lab).values()) == {1}, within=20.0, what="ten late results")
        assert {run.id: run for run in lab.runs()} == before
        told = [run for run in before if f"late result of run {run} was refused" in still.said()]
        assert len(told) == 10
        more = [lab.one_off("work") for _ in range(20)]
        wait_until(lambda: all(lab.run(run).state == "succeeded" for run in more), within=10.0)
        assert lab.breaches() == []
        assert [engine.stop() for engine in lab.engines] == [0, 0]
