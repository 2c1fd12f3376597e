"""Three services on one PostgreSQL: no firing is lost or doubled, whatever becomes of the server or of one of them."""

import random
import signal
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import postgres
from tests.faults.forms import form
from tests.service.harness import Service, wait_until

JOBS = 20
OUTAGE = form(2.0, 60.0)
# more for each service than it has connections
CLIENTS = 30


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


@contextmanager
def away(server: postgres.Server, mode: str) -> Iterator[None]:
    """Take the server away for a block: stopped, killed, or there and silent."""
    if mode == "silent":
        server.signal_all(signal.SIGSTOP)
    elif mode == "killed":
        server.kill()
    else:
        server.stop(mode)
    try:
        yield
    finally:
        if mode == "silent":
            server.signal_all(signal.SIGCONT)
        else:
            server.start()


def asks(service: Service, over: threading.Event) -> list[httpx.Response]:
    """Read and write until it is over, and return the answers."""
    with httpx.Client(base_url=service.client.base_url, headers=service.client.headers, timeout=30.0) as client:
        answers = []
        while not over.wait(0.02):
            answers += [client.get("/jobs"), client.post("/jobs", json={"task": "tick"})]
    return answers


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["fast", "immediate", "killed", "silent"])
def test_a_server_that_goes_and_comes_back_loses_and_doubles_nothing(serving, server: postgres.Server, mode: str):
    services, over = [serving(), serving()], threading.Event()
    fires(services[0])
    with away(server, mode), ThreadPoolExecutor(CLIENTS) as pool:
        asking = [pool.submit(asks, services[number % 2], over) for number in range(CLIENTS)]
        time.sleep(OUTAGE)
        over.set()
    answers = [answer for one in asking for answer in one.result()]
    assert {answer.status_code for answer in answers} == {503}
    assert {answer.json()["code"] for answer in answers} == {"store_unavailable"}
    assert min(int(answer.headers["Retry-After"]) for answer in answers) > 0
    assert max(answer.elapsed.total_seconds() for answer in answers) < 2.0
    wait_until(has_fired_since(services[0], len(services[0].marks("begin"))), within=5.0)
    assert [service.process.poll() for service in services] == [None, None]
    assert_nothing_lost_or_doubled(services[0])


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
