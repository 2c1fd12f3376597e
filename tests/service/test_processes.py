"""Runs in worker processes: what they see, what is seen of them, and how they are stopped."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from tests.service.harness import Service, wait_until
from tests.service.test_killing import is_gone

TASKS = Path(__file__).with_name("process_tasks.py")
# a process that hangs while it starts is given up after a minute
STARTS_WITHIN = 90.0


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with two processes and a short grace."""
    folder = tmp_path_factory.mktemp("processes")
    (folder / "config.toml").write_text("processes = 2\nprocess_grace = 1\n")
    service = Service(folder, options=["--tasks", str(TASKS), "--config", "config.toml"])
    service.env.pop("PYTHONFAULTHANDLER")  # which tells of each crash at length
    try:
        yield service.start()
    finally:
        service.clean_up()


def ran(service: Service, task: str, **kwargs: object) -> dict:
    return service.run_now(task, kwargs=kwargs, within=STARTS_WITHIN)


def begun(service: Service, task: str, **body: object) -> tuple[int, int]:
    """Start a run and return it and its process, once the task has begun."""
    run = service.add(task, **body)
    [mark] = wait_until(lambda: service.marks("begin", run), within=STARTS_WITHIN)
    return run, mark.pid


def kin_of(group: int) -> list[int]:
    """The processes of a group that live."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and not is_gone(int(entry.name)):
            try:
                if os.getpgid(int(entry.name)) == group:
                    found.append(int(entry.name))
            except ProcessLookupError:
                continue
    return found


def test_a_run_in_a_process_has_the_app_context_and_its_log_progress_and_result(shared: Service) -> None:
    run = ran(shared, "p.where", word="there")
    assert (run["state"], run["executor"]) == ("succeeded", "process")
    assert run["result"]["pid"] == run["result"]["group"] != shared.pid
    assert (run["result"]["app"], run["result"]["folder"]) == ("scheduler_app.app", str(shared.folder))
    assert run["progress"] == {"current": 1.0, "total": 2.0, "message": "half"}
    log = shared.log_of(run["id"])
    for text in ("printed there\n", "WARNING logged there\n", "INFO by its own logger\n", "to stderr\n"):
        assert text in log
    assert ran(shared, "p.where")["result"]["pid"] == run["result"]["pid"], "it is kept warm"


def test_a_job_overrides_the_executor_of_its_task(shared: Service) -> None:
    run = shared.run_now("p.where", executor="thread")
    assert (run["executor"], run["result"]["pid"]) == ("thread", shared.workers()[0])
    run = shared.run_now("work", executor="process", within=STARTS_WITHIN)
    assert (run["state"], run["executor"], run["result"]) == ("succeeded", "process", "done")


def test_a_coroutine_runs_in_a_process_too(shared: Service) -> None:
    run = ran(shared, "p.waits")
    assert (run["state"], run["result"], shared.log_of(run["id"])) == ("succeeded", "awaited", "awaited\n")


def test_log_and_progress_are_there_while_the_run_goes_on_and_after_a_kill(shared: Service) -> None:
    run, process = begun(shared, "p.ticks", delivery="at_most_once")
    wait_until(lambda: "tick 9" in shared.log_of(run) and shared.run(run)["progress"], within=10.0)
    os.kill(process, signal.SIGKILL)
    ended = shared.ended(run)
    assert (ended["state"], ended["reason"], ended["error"]["type"]) == ("lost", "crashed", "WorkerDied")
    assert shared.log_of(run).splitlines()[-1] == "The worker process was killed by SIGKILL."


def test_a_timeout_ends_what_would_sleep_for_an_hour(shared: Service) -> None:
    run = shared.run_now("p.pause", kwargs={"seconds": 3600}, timeout=0.5, within=STARTS_WITHIN)
    assert (run["state"], run["reason"], run["error"]["type"]) == ("timed_out", "timeout", "TimeoutError")
    assert run["duration"] < 10
    assert shared.marks("end", run["id"]) == []


@pytest.mark.parametrize("task", ["p.deaf", "p.stubborn"])
@pytest.mark.slow
def test_a_run_that_does_not_stop_is_killed_after_the_grace_with_all_that_it_started(
    shared: Service, task: str
) -> None:
    run, process = begun(shared, task)
    assert len(kin_of(process)) == (2 if task == "p.deaf" else 1)
    began = time.monotonic()
    shared.post(f"/runs/{run}/cancel")
    assert (shared.ended(run)["state"], shared.ended(run)["reason"]) == ("cancelled", "requested")
    assert 0.9 < time.monotonic() - began < 10
    wait_until(lambda: kin_of(process) == [], within=5.0)
    assert ran(shared, "p.where")["state"] == "succeeded"


@pytest.mark.parametrize(("task", "kwargs"), [("p.pause", {"seconds": 3600}), ("p.waits", {"seconds": 3600})])
def test_a_cancel_reaches_a_run_where_it_waits(shared: Service, task: str, kwargs: dict) -> None:
    run, _process = begun(shared, task, kwargs=kwargs)
    shared.post(f"/runs/{run}/cancel")
    assert shared.ended(run)["state"] == "cancelled"
    assert "SIGKILL" not in shared.log_of(run)


def test_a_task_that_is_cancelled_cleans_up(shared: Service) -> None:
    run, _process = begun(shared, "p.polite")
    shared.post(f"/runs/{run}/cancel")
    assert shared.ended(run)["state"] == "cancelled"
    assert shared.log_of(run) == "cleaned up\n"


@pytest.mark.parametrize(("how", "said"), [("exit", "ended with exit status 0"), ("segfault", "was killed by SIGSEGV")])
@pytest.mark.slow
def test_a_crash_concerns_its_run_alone_which_fails_after_three(shared: Service, how: str, said: str) -> None:
    other = shared.add("p.pause", kwargs={"seconds": 3})
    run = ran(shared, "p.dies", how=how)
    assert (run["state"], run["crashes"], run["attempt"]) == ("failed", 3, 3)
    assert run["error"]["type"] == "WorkerDied"
    assert run["error"]["message"] == f"its worker process {said} 3 times while nothing else ran"
    assert (shared.ended(other)["state"], shared.ended(other)["crashes"]) == ("succeeded", 0)
    assert len(shared.marks("begin", run["id"])) == 3


@pytest.mark.parametrize("how", ["kill", "sockets"])
def test_a_run_whose_process_died_is_run_again(shared: Service, how: str) -> None:
    run = ran(shared, "p.dies", how=how, attempts=1)
    assert (run["state"], run["result"], run["crashes"]) == ("succeeded", 2, 1)


@pytest.mark.slow
def test_an_idle_process_that_was_killed_costs_no_run_an_attempt(shared: Service) -> None:
    process = ran(shared, "p.where")["result"]["pid"]
    os.kill(process, signal.SIGKILL)
    run = ran(shared, "p.where")
    assert (run["state"], run["attempt"], run["crashes"]) == ("succeeded", 1, 0)


@pytest.mark.slow
def test_an_idle_process_that_is_frozen_holds_up_no_run_for_long(shared: Service) -> None:
    process = ran(shared, "p.where")["result"]["pid"]
    os.kill(process, signal.SIGSTOP)
    run = ran(shared, "p.where")
    assert (run["state"], run["attempt"], run["crashes"]) == ("succeeded", 1, 0)
    assert run["result"]["pid"] != process
    assert is_gone(process)


@pytest.mark.parametrize(
    ("kind", "state", "error"),
    [
        ("unspeakable", "failed", "witness_tasks.Unspeakable"),
        ("exit", "failed", "SystemExit"),
        ("memory", "failed", "MemoryError"),
        ("object", "succeeded", None),
        ("streams", "succeeded", None),
        ("folder", "succeeded", None),
        ("fork", "succeeded", None),
        ("thread", "succeeded", None),
        ("surrogate", "succeeded", None),
    ],
)
def test_whatever_a_task_does_to_its_process_the_next_one_finds_it_well(
    shared: Service, kind: str, state: str, error: str | None
) -> None:
    run = ran(shared, "p.odd", kind=kind)
    assert (run["state"], (run["error"] or {}).get("type")) == (state, error)
    after = ran(shared, "p.where", word="after")
    assert (after["state"], after["result"]["folder"]) == ("succeeded", str(shared.folder))
    assert "printed after" in shared.log_of(after["id"])


def test_of_a_long_log_the_beginning_and_the_end_are_kept(shared: Service) -> None:
    run = ran(shared, "p.prints", lines=30_000)
    first, last = shared.get(f"/runs/{run['id']}/log"), shared.get(f"/runs/{run['id']}/log", offset=29_000 * 63)
    assert first["text"].startswith(f"{0:062d}\n")
    assert last["text"].endswith(f"{29_999:062d}\n")
    assert last["size"] == 30_000 * 63


def test_the_slots_of_each_executor_are_shown(shared: Service) -> None:
    run, _process = begun(shared, "p.pause", kwargs={"seconds": 3600})
    runs = [run, *(shared.add("p.pause", kwargs={"seconds": 3600}) for _ in range(2))]

    def told() -> dict[str, Any]:
        [engine] = shared.get("/scheduler")["engines"]
        return cast(dict[str, Any], engine["executors"])

    full = [{"slots": 2, "running": 2, "backlog": ahead, "stuck": 0} for ahead in (0, 1)]
    try:
        wait_until(lambda: shared.marks("begin", runs[1]), within=STARTS_WITHIN)
        wait_until(lambda: told()["process"] in full, within=STARTS_WITHIN)  # what was short before is claimed ahead
        assert told()["thread"] == {"slots": 10, "running": 0, "backlog": 0, "stuck": 0}
        assert shared.is_ready(), "a busy pool is no ailment"
        assert shared.run_now("work")["state"] == "succeeded", "a full pool of processes leaves the threads alone"
    finally:
        for waiting in runs:
            shared.post(f"/runs/{waiting}/cancel")
    assert {shared.ended(waiting)["state"] for waiting in runs} == {"cancelled"}
