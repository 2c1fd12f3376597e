"""Three services on one PostgreSQL: no firing is lost or doubled, whatever becomes of the server or of one of them."""

import random
import signal
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests import postgres
from tests.service.harness import Service, wait_until

JOBS = 20


@pytest.fixture
def server() -> Iterator[postgres.Server]:
    """A server that a test may stop and kill: what it has committed is on disk."""
    with postgres.running(durable=True) as server:
        yield server


@pytest.fixture
def serving(server: postgres.Server, tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Start a service on the server; all have one folder, and so one key and one witness."""
    url, started = server.fresh(), []

    def start(*options: str) -> Service:
        service = Service(tmp_path, options=["--database", url, *options])
        started.append(service)
        return service.start()

    yield start
    for service in started:
        service.clean_up()


def fires(service: Service, jobs: int = JOBS) -> None:
    """Add jobs that fire twice a second."""
    trigger = {"type": "interval", "seconds": 0.5}
    content = [{"id": f"beat-{number}", "task": "tick", "trigger": trigger} for number in range(jobs)]
    service.post("/jobs/batch", {"jobs": content}, expect=200)
    wait_until(lambda: len(service.marks("begin")) >= 2 * jobs, within=15.0)


def has_fired_since(service: Service, number: int) -> Callable[[], bool]:
    return lambda: len(service.marks("begin")) >= number + JOBS


def assert_nothing_lost_or_doubled(service: Service) -> None:
    """Once all is quiet: each firing is one run that was executed once, and the audit agrees."""
    service.post("/scheduler/pause", expect=200)
    wait_until(lambda: not any(service.get("/scheduler")["open_runs"].values()), within=15.0)
    runs = list(service.runs())
    assert max(Counter((run["job_id"], run["scheduled_at"]) for run in runs).values()) == 1
    executed = {run["id"] for run in runs if run["state"] == "succeeded"}
    begun = Counter((mark.run, mark.attempt) for mark in service.marks("begin"))
    assert executed <= {run for run, _ in begun}
    assert {attempt: times for attempt, times in begun.items() if times > 1} == {}
    assert service.run_command("audit") == 0


def waited(run: dict[str, Any]) -> float:
    """How long a run was queued before another process started it; both are on this host."""
    queued, started = (datetime.fromisoformat(run[name]) for name in ("queued_at", "started_at"))
    return (started - queued).total_seconds()


@pytest.mark.slow
def test_they_share_the_work_and_what_is_added_through_one_starts_in_the_others_at_once(serving, tmp_path: Path):
    (tmp_path / "web.toml").write_text('engine = "off"\n')
    service, _, web = serving(), serving(), serving("--config", str(tmp_path / "web.toml"))
    runs = [web.ended(web.add("work"), within=5.0) for _ in range(21)]
    assert statistics.median(waited(run) for run in runs) < 0.25
    fires(service)
    assert len({mark.pid for mark in service.marks("begin")}) == 2
    assert_nothing_lost_or_doubled(service)


@pytest.mark.slow
def test_services_killed_at_any_moment_stall_none_but_their_own_runs(serving):
    services = [serving(), serving(), serving()]
    fires(services[0])
    dice = random.Random(seed := random.randrange(10**6))
    print(f"seed {seed}")
    for _ in range(4):
        killed = dice.choice(services)
        time.sleep(dice.random() / 2)
        killed.kill()
        number = len(killed.marks("begin"))
        wait_until(has_fired_since(killed, number), within=3.0, what=f"the others went on, seed {seed}")
        killed.start()
    assert_nothing_lost_or_doubled(services[0])


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["fast", "immediate", "kill"])
def test_a_server_that_stops_and_comes_back_loses_and_doubles_nothing(serving, server: postgres.Server, mode: str):
    services = [serving(), serving()]
    fires(services[0])
    server.kill() if mode == "kill" else server.stop(mode)
    for service in services:
        for ask in (service.client.get("/jobs"), service.client.post("/jobs", json={"task": "tick"})):
            assert (ask.status_code, ask.elapsed.total_seconds() < 2.0) == (503, True), ask.text
            assert int(ask.headers["Retry-After"]) > 0
            assert ask.json()["code"] == "store_unavailable"
    server.start()
    number = len(services[0].marks("begin"))
    wait_until(has_fired_since(services[0], number), within=5.0)
    assert [service.process.poll() for service in services] == [None, None]
    assert_nothing_lost_or_doubled(services[0])


@pytest.mark.slow
def test_a_server_that_says_nothing_is_given_up_within_two_seconds(serving, server: postgres.Server):
    service = serving()
    fires(service)
    server.signal_all(signal.SIGSTOP)
    try:
        answers = [service.client.get("/jobs"), service.client.post("/jobs", json={"task": "tick"})]
    finally:
        server.signal_all(signal.SIGCONT)
    assert [answer.status_code for answer in answers] == [503, 503]
    assert max(answer.elapsed.total_seconds() for answer in answers) < 2.0
    wait_until(has_fired_since(service, len(service.marks("begin"))), within=5.0)
    assert_nothing_lost_or_doubled(service)


@pytest.mark.slow
def test_backends_that_are_terminated_again_and_again_lose_and_double_nothing(serving, server: postgres.Server):
    service, other = serving(), serving()
    fires(service)
    for _ in range(12):
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'scheduler_app'"
        )
        time.sleep(0.25)
    wait_until(has_fired_since(service, len(service.marks("begin"))), within=5.0)
    assert other.process.poll() is None
    assert_nothing_lost_or_doubled(other)
