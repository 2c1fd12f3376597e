"""What limits there are, what of them is used up, what waits for them and until when, over HTTP."""

from dataclasses import replace

import pytest

from scheduler_app.domain.policy import Executor
from scheduler_app.domain.task import Task
from scheduler_app.engine.limiting import Limiter
from scheduler_app.schemas.run import RunDetailOut
from scheduler_app.schemas.scheduler import SchedulerOut
from scheduler_app.schemas.task import TaskOut
from scheduler_app.services.context import Context
from scheduler_app.store import claims
from tests.api.conftest import Caller, SettableClock


def ping() -> None:
    """A task with limits."""


@pytest.fixture
def limited(ctx: Context) -> Context:
    """A task that may start twice a minute, three at once; of executor `thread`, five at once."""
    ctx.registry.add(Task.of(ping, rate_limit="2/60s", max_running=3))
    ctx.limits[Executor.THREAD] = 5  # type: ignore[index]
    return ctx


def start(ctx: Context, clock: SettableClock, number: int) -> None:
    """Claim runs of `ping` as an engine does."""

    def work(tx) -> None:
        rows = claims.candidates(tx, ["ping"], executor="thread", limit=number)
        taken = claims.take(tx, rows, engine=1, token=1, alone=False, now=clock.now())
        Limiter(ctx.registry, ctx.limits).count(tx, [replace(claim, task="ping") for claim in taken], clock.now())

    ctx.database.write(work)


def test_a_task_tells_its_limits(call: Caller, limited: Context) -> None:
    task = call("GET", "/tasks/ping").get_json()
    TaskOut.model_validate(task)
    assert (task["rate_limit"], task["max_running"]) == ("2/m", 3)
    unlimited = call("GET", "/tasks/greet").get_json()
    assert (unlimited["rate_limit"], unlimited["max_running"]) == (None, None)


def test_the_scheduler_tells_what_is_used_up_what_waits_and_until_when(
    call: Caller, limited: Context, clock: SettableClock
) -> None:
    for number in range(3):
        call("POST", "/jobs", {"id": f"j{number}", "task": "ping"})
    start(limited, clock, 2)
    state = call("GET", "/scheduler").get_json()
    SchedulerOut.model_validate(state)
    assert [tuple(limit.values()) for limit in state["limits"]] == [
        ("executor_limits", "thread", "5", 2, False, 1, None),
        ("rate_limit", "ping", "2/m", 2, True, 1, "2030-01-01T12:01:00Z"),
        ("max_running", "ping", "3", 2, False, 1, None),
    ]


def test_without_limits_there_are_none_to_tell(call: Caller) -> None:
    assert call("GET", "/scheduler").get_json()["limits"] == []


def test_a_run_that_waits_for_a_limit_says_so(call: Caller, limited: Context, clock: SettableClock) -> None:
    added = [call("POST", "/jobs", {"task": "ping"}).get_json() for _ in range(3)]
    first, last = (job["last_run"]["id"] for job in (added[0], added[2]))
    assert call("GET", f"/runs/{last}").get_json()["waits_for"] is None
    start(limited, clock, 2)
    run = call("GET", f"/runs/{last}").get_json()
    RunDetailOut.model_validate(run)
    assert run["waits_for"] == "rate_limit 2/m of ping is used up; the next start is free at 2030-01-01T12:01:00Z"
    assert call("GET", f"/runs/{first}").get_json()["waits_for"] is None


def test_a_limit_is_the_tasks_and_no_policy_of_a_job(call: Caller, limited: Context) -> None:
    answer = call("POST", "/jobs", {"task": "ping", "rate_limit": "10/m"})
    assert answer.status_code == 422
    assert answer.get_json()["errors"][0]["pointer"] == "/rate_limit"
