"""Runs in real Celery workers over a real Valkey: what is promised of any run is kept there too."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.broker.workers import CeleryWorker, brokered
from tests.service.harness import COMMAND, Service, wait_until
from tests.valkey import Valkey

pytestmark = pytest.mark.slow


@pytest.fixture
def service(broker: Valkey, tmp_path: Path) -> Iterator[Service]:
    """A service whose tasks execute in Celery's workers, over an empty broker."""
    service = brokered(tmp_path, broker)
    try:
        yield service.start()
    finally:
        service.clean_up()


@pytest.fixture
def worker(service: Service) -> Iterator[CeleryWorker]:
    worker = CeleryWorker(service)
    try:
        yield worker.start(ready=False)
    finally:
        worker.clean_up()


def test_runs_execute_there_with_result_log_progress_and_a_row_for_each_process(service, worker):
    run = service.run_now("add", kwargs={"a": 1, "b": 2})
    assert (run["state"], run["result"], run["executor"]) == ("succeeded", 3, "celery")
    assert run["progress"]["message"] == "added"
    assert "adding 1 and 2" in service.log_of(run["id"])
    engines = [engine for engine in service.get("/scheduler")["engines"] if engine["state"] == "running"]
    assert [list(engine["executors"]) for engine in engines].count(["celery"]) == 2
    assert [engine["celery_pool"] for engine in engines].count("prefork") == 2
    assert run["engine"] in [engine["id"] for engine in engines]


def test_a_task_that_sleeps_an_hour_is_gone_within_its_timeout_and_the_process_lives_on(service, worker):
    before = set(worker.workers())
    run = service.run_now("sleepy")
    assert (run["state"], run["error"]["type"]) == ("timed_out", "TimeoutError")
    assert 0.9 <= run["duration"] <= 3.0
    assert service.run_now("add", kwargs={"a": 1, "b": 2})["state"] == "succeeded"
    assert set(worker.workers()) == before


def test_a_task_that_ignores_its_timeout_is_killed_after_its_grace(service, worker):
    run = service.add("stubborn", timeout=1)
    assert service.ended(run)["state"] == "timed_out"
    (mark,) = service.marks("begin", run)
    wait_until(lambda: not _lives(mark.pid), within=15.0, what="the process is killed")
    assert service.run_now("add", kwargs={"a": 1, "b": 2})["state"] == "succeeded"


def test_a_cancel_that_the_task_ignores_kills_it_after_its_grace(service, worker):
    run = service.add("stubborn")
    wait_until(lambda: service.marks("begin", run), within=10.0)
    service.post(f"/runs/{run}/cancel")
    assert service.ended(run, within=20.0)["state"] == "cancelled"


def test_the_death_of_a_process_concerns_its_own_run_which_is_run_again(service, worker):
    other = service.add("polite", executor="celery", kwargs={"seconds": 4})
    wait_until(lambda: service.marks("begin", other), within=10.0)
    run = service.run_now("crash_once", within=20.0)
    assert (run["state"], run["result"], run["attempt"], run["crashes"]) == ("succeeded", "alive", 2, 1)
    other_run = service.ended(other, within=20.0)
    assert (other_run["state"], other_run["attempt"]) == ("succeeded", 1)


def test_when_the_whole_worker_is_killed_its_runs_begin_anew_in_the_next(service, worker):
    run = service.add("polite", executor="celery", kwargs={"seconds": 2})
    wait_until(lambda: service.marks("begin", run), within=10.0)
    worker.kill()
    service.in_state(run, "queued", within=10.0)
    worker.start(ready=False)
    assert service.ended(run, within=20.0)["attempt"] == 2
    assert len(service.marks("end", run)) == 1
    assert service.run_command("audit") == 0


def test_a_worker_that_is_told_to_stop_finishes_what_it_executes(service, worker):
    run = service.add("polite", executor="celery", kwargs={"seconds": 2})
    wait_until(lambda: service.marks("begin", run), within=10.0)
    assert worker.stop() == 0
    assert service.run(run)["state"] == "succeeded"


def test_a_worker_of_threads_is_one_engine_that_asks_its_tasks_to_stop(service):
    worker = CeleryWorker(service, pool="threads")
    try:
        worker.start(ready=False)
        assert service.run_now("add", kwargs={"a": 1, "b": 2})["result"] == 3
        rows = [engine["executors"] for engine in service.get("/scheduler")["engines"] if engine["state"] == "running"]
        assert [row["celery"]["slots"] for row in rows if "celery" in row] == [2]
        late = service.run_now("polite", executor="celery", kwargs={"seconds": 60}, timeout=1)
        assert late["state"] == "timed_out"
        unwanted = service.add("polite", executor="celery", kwargs={"seconds": 60})
        wait_until(lambda: service.marks("begin", unwanted), within=10.0)
        service.post(f"/runs/{unwanted}/cancel")
        assert service.ended(unwanted)["state"] == "cancelled"
        assert worker.stop() == 0
    finally:
        worker.clean_up()


def test_a_broker_that_was_away_loses_nothing(service, worker, broker):
    broker.stop()
    run = service.add("add", kwargs={"a": 1, "b": 2})
    broker.start()
    assert service.ended(run, within=30.0)["state"] == "succeeded"


def test_without_a_store_a_worker_says_so(broker, tmp_path):
    words = ["celery-worker", "--broker", broker.url, "--data", str(tmp_path / "data")]
    service = Service(tmp_path)
    service.command = lambda: [str(COMMAND), *words]
    service.launch()
    assert service.wait(20.0) == 1
    assert "there is no store at" in service.said()
    assert "needs PostgreSQL" in service.said()


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
