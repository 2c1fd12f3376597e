"""A stop lets work finish, gives back what does not, and ends in time with exit status 0."""

import signal
import socket
import time

import httpx
import pytest

from tests.service.harness import Service, wait_until


@pytest.mark.parametrize(
    ("number", "whole_group"),
    [(signal.SIGTERM, False), (signal.SIGTERM, True), (signal.SIGINT, True)],
    ids=["kill", "systemd", "Ctrl-C"],
)
def test_an_idle_service_ends_within_five_seconds(service: Service, number: int, whole_group: bool) -> None:
    service.get("/jobs")
    (service.signal_group if whole_group else service.signal)(number)
    assert service.wait(within=5.0) == 0
    assert "Traceback" not in service.said()


def test_a_signal_right_after_the_first_line_ends_it_with_status_0(stopped: Service) -> None:
    stopped.launch()
    wait_until(stopped.listens, within=10.0)
    stopped.signal(signal.SIGTERM)
    assert stopped.wait(within=5.0) == 0
    assert "Traceback" not in stopped.said()


@pytest.mark.slow
def test_running_work_finishes_and_no_more_is_begun(service: Service) -> None:
    running = service.add("work", kwargs={"seconds": 2})
    service.in_state(running, "running")
    service.close_client()
    service.signal(signal.SIGTERM)
    wait_until(lambda: httpx.get(f"{service.url}/readyz", verify=False).status_code == 503, within=1.0)
    waiting = service.add("work")
    service.close_client()
    assert service.wait(within=6.0) == 0
    assert (len(service.marks("end", running)), service.marks("begin", waiting)) == (1, [])
    service.start()
    assert (service.run(running)["state"], service.run(running)["attempt"]) == ("succeeded", 1)
    assert service.ended(waiting)["state"] == "succeeded"


def test_a_second_signal_ends_it_at_once(service: Service) -> None:
    service.in_state(service.add("deaf", kwargs={"seconds": 30}), "running")
    service.signal(signal.SIGTERM)
    wait_until(lambda: not service.is_ready(), within=2.0)
    service.signal(signal.SIGTERM)
    assert service.wait(within=1.0) == 0


@pytest.mark.slow
@pytest.mark.long
def test_work_that_does_not_finish_is_given_back_uncharged_and_the_process_is_gone_in_time(service: Service) -> None:
    deaf, polite = (service.add(task, kwargs={"seconds": 60}) for task in ("deaf", "polite"))
    apart = service.add("deaf", kwargs={"seconds": 60}, executor="process")
    once = [
        service.add("polite", kwargs={"seconds": 60}, delivery="at_most_once", executor=executor)
        for executor in ("thread", "process")
    ]
    for run in (deaf, polite, apart, *once):
        wait_until(lambda run=run: service.marks("begin", run), within=20.0)
    service.close_client()
    with socket.create_connection(("127.0.0.1", service.port)) as half_a_request:
        half_a_request.sendall(b"POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\n")
        began = time.monotonic()
        service.signal(signal.SIGTERM)
        assert service.wait(within=27.5) == 0
        assert time.monotonic() - began > 19.0
    service.start()
    for run in (deaf, polite, apart):
        again = service.in_state(run, "running")
        assert (again["attempt"], again["crashes"]) == (1, 0)
    assert [(service.run(run)["state"], service.run(run)["reason"]) for run in once] == [("lost", "shutdown")] * 2
