"""Worker processes end with their engine, however that ends, and no run is lost or doubled by it."""

import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.forms import form
from tests.faults.promises import the_audit_finds_no_breach
from tests.service.harness import Service, serving, wait_until
from tests.service.test_killing import is_gone
from tests.service.test_processes import STARTS_WITHIN, TASKS, begun, kin_of

RUNS = form(20, 2000)
KILLS = form(4, 200)


@pytest.fixture
def service(tmp_path: Path):
    """A service whose tasks run in two processes."""
    (tmp_path / "config.toml").write_text("processes = 2\nprocess_grace = 1\n")
    service = Service(tmp_path, options=["--tasks", str(TASKS), "--config", "config.toml"])
    try:
        yield service.start()
    finally:
        service.clean_up()


@pytest.mark.slow
def test_when_the_engine_is_killed_its_processes_end_at_once_with_all_that_they_started(service: Service) -> None:
    run, process = begun(service, "p.deaf")
    assert len(kin_of(process)) == 2
    service.close_client()
    os.kill(service.workers()[0], signal.SIGKILL)
    wait_until(lambda: kin_of(process) == [], within=3.0)
    wait_until(lambda: len(service.marks("begin", run)) == 2, within=STARTS_WITHIN)
    assert service.run(run)["crashes"] == 1


@pytest.mark.slow
def test_a_stop_lets_a_run_finish_that_was_sent_sigterm_with_all_of_the_service(service: Service) -> None:
    run, process = begun(service, "p.pause", kwargs={"seconds": 3})
    service.close_client()
    service.signal(signal.SIGTERM)
    os.killpg(process, signal.SIGTERM)  # as systemd does
    assert service.wait(within=15.0) == 0
    assert is_gone(process)
    assert [mark.run for mark in service.marks("end")] == [run]
    service.start()
    assert (service.run(run)["state"], service.run(run)["attempt"]) == ("succeeded", 1)


@pytest.mark.slow
def test_processes_and_their_engine_are_killed_at_random_and_no_run_is_lost_or_doubled(service: Service) -> None:
    luck = random.Random(7)
    runs = [service.add("p.pause", kwargs={"seconds": 0.1}) for _ in range(RUNS)]
    once = [service.add("p.pause", kwargs={"seconds": 0.1}, delivery="at_most_once") for _ in range(RUNS // 3)]
    for number in range(KILLS):
        time.sleep(luck.random())
        service.close_client()
        engines = service.workers()
        victims = [pid for engine in engines for pid in children_of(engine)]
        if number % 3 == 2:
            victims = engines
        for pid in victims[:1]:
            os.kill(pid, signal.SIGKILL)
    wait_until(service.is_ready, within=20.0)
    ended = {run: service.ended(run, within=form(60.0, 600.0)) for run in (*runs, *once)}
    starts = Counter(mark.run for mark in service.marks("begin"))
    unlucky = {run for run in runs if ended[run]["crashes"] >= 3}
    assert {ended[run]["state"] for run in set(runs) - unlucky} == {"succeeded"}
    assert {ended[run]["state"] for run in once} <= {"succeeded", "lost"}
    for run in (*runs, *once):
        assert starts[run] <= ended[run]["attempt"]
    assert max(starts[run] for run in once) == 1
    the_audit_finds_no_breach(service)


@pytest.mark.slow
def test_a_process_is_replaced_after_its_share_of_runs_and_ended_when_idle(tmp_path: Path) -> None:
    options = ["--tasks", str(TASKS), "--config", "config.toml"]
    (tmp_path / "config.toml").write_text("processes = 1\nprocess_runs = 2\nprocess_idle = 1\nprocess_grace = 1\n")
    with serving(tmp_path, options=options) as service:
        # the second leaves a thread behind that never ends
        runs = [service.add(task, kwargs=kwargs) for task, kwargs in (("p.where", {}), ("p.odd", {"kind": "thread"}))]
        first, second = (service.ended(run, within=STARTS_WITHIN)["result"]["pid"] for run in runs)
        third = service.run_now("p.where", within=STARTS_WITHIN)["result"]["pid"]
        assert first == second != third
        wait_until(lambda: is_gone(first), within=5.0)
        wait_until(lambda: is_gone(third), within=10.0)


def children_of(pid: int) -> list[int]:
    """The processes that a process has started."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        found += [int(word) for word in task.read_text().split()]
    return found
