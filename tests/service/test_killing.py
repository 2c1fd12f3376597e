"""Parts of the service are killed: nothing is left behind, and what remains comes back by itself."""

import os
import signal
from pathlib import Path

import pytest

from tests.faults.promises import the_audit_finds_no_breach
from tests.service.harness import Service, wait_until


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.slow
def test_a_worker_does_not_outlive_its_master_and_the_port_is_free_at_once(service: Service) -> None:
    [worker] = service.workers()
    run = service.add("deaf", kwargs={"seconds": 1})
    wait_until(lambda: service.marks("begin", run), within=10.0)
    service.close_client()
    os.kill(service.pid, signal.SIGKILL)
    service.process.wait(5.0)
    wait_until(lambda: is_gone(worker), within=1.0)
    service.start()
    assert service.ended(run)["state"] == "succeeded"
    assert [mark.attempt for mark in service.marks("begin", run)] == [1, 2]


def test_a_killed_worker_is_replaced_and_its_work_is_begun_again(service: Service) -> None:
    [worker] = service.workers()
    run = service.add("work", kwargs={"seconds": 1})
    service.in_state(run, "running")
    service.close_client()
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: service.workers() not in ([], [worker]) and service.is_ready(), within=5.0)
    assert service.ended(run)["state"] == "succeeded"
    assert service.run(run)["crashes"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("status", [0, 3])
def test_a_task_that_ends_its_process_fails_in_the_end_and_other_jobs_go_on(service: Service, status: int) -> None:
    deadly = service.add("dies", kwargs={"status": status})
    others = [service.add_until_answered("work", kwargs={"seconds": 0.2}) for _ in range(5)]
    ended = service.ended(deadly, within=20.0)
    assert (ended["state"], ended["error"]["type"]) == ("failed", "EngineDied")
    assert len(service.marks("begin", deadly)) == ended["crashes"] <= 6
    assert {service.ended(run, within=20.0)["state"] for run in others} == {"succeeded"}
    assert service.process.poll() is None
    the_audit_finds_no_breach(service)
