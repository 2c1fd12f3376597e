"""A dry run checks everything and answers as if it were done, and nothing is done."""

from typing import Any

import pytest
import sqlalchemy as sa

from scheduler_app.services.context import Context
from scheduler_app.services.scheduler import BATCH
from scheduler_app.signals import Event
from scheduler_app.store.tables import metadata
from tests.api.conftest import Caller, SettableClock, assert_problem, every, pointers

JOB: dict[str, Any] = {"task": "greet", "kwargs": {"name": "Ada"}, "trigger": every(minutes=5)}
WRITES: list[tuple[str, str, dict[str, Any] | None, int]] = [
    ("POST", "/jobs", JOB | {"id": "new"}, 201),
    ("POST", "/jobs", {"task": "greet", "kwargs": {"name": "Ada"}}, 202),
    ("POST", "/jobs/batch", {"jobs": [JOB, {"task": "none"}]}, 200),
    ("PUT", "/jobs/new", JOB, 201),
    ("PUT", "/jobs/a", JOB | {"name": "other"}, 200),
    ("PATCH", "/jobs/a", {"name": "other"}, 200),
    ("DELETE", "/jobs/a", None, 204),
    ("POST", "/jobs/a/pause", {"reason": "r"}, 200),
    ("POST", "/jobs/b/resume", None, 200),
    ("POST", "/jobs/a/run", None, 202),
    ("POST", "/jobs/actions", {"action": "delete", "filter": {"state": "active,paused"}}, 200),
    ("POST", "/runs/1/cancel", None, 202),
    ("POST", "/runs/2/retry", None, 202),
    ("POST", "/scheduler/pause", {"reason": "r"}, 200),
    ("POST", "/scheduler/resume", None, 200),
]


@pytest.fixture
def stored(call: Caller) -> Caller:
    call.given_job("a", max_instances=9)
    call.given_job("b")
    call.given_run("a")
    call.given_run("a")
    call("POST", "/runs/2/cancel")
    call("POST", "/jobs/b/pause")
    return call


def everything(ctx: Context) -> list[Any]:
    with ctx.database.read() as tx:
        return [sorted(tx.execute(sa.select(table)), key=repr) for table in metadata.sorted_tables]


@pytest.mark.parametrize(("method", "path", "content", "status"), WRITES)
def test_a_dry_run_answers_as_the_call_would_and_writes_nothing(
    stored: Caller, ctx: Context, method: str, path: str, content: dict[str, Any] | None, status: int
) -> None:
    events: list[Event] = []
    ctx.bus.subscribe(events.append)
    before = everything(ctx)

    rehearsed = stored(method, f"{path}?dry_run=true", content, headers={"Idempotency-Key": "k"})

    assert rehearsed.status_code == status, rehearsed.text
    assert rehearsed.headers["Dry-Run"] == "true"
    assert everything(ctx) == before
    assert events == []
    done = stored(method, f"{path}?dry_run=false", content)
    assert "Dry-Run" not in done.headers
    assert done.status_code == status
    assert without_ids(done.get_json(silent=True)) == without_ids(rehearsed.get_json(silent=True))


def without_ids(content: Any) -> str:
    """What is chosen at random, tells the request or counts, may differ: a number that is taken back is lost."""
    if isinstance(content, dict):
        return repr({k: without_ids(v) for k, v in content.items() if k not in ("request_id", "id", "href")})
    return repr([without_ids(item) for item in content]) if isinstance(content, list) else repr(content)


def test_a_dry_run_is_refused_as_the_call_would_be(stored: Caller) -> None:
    response = stored("POST", "/jobs?dry_run=true", JOB | {"id": "a"})
    assert_problem(response, 409, "id_taken")
    assert response.headers["Dry-Run"] == "true"
    assert_problem(stored("POST", "/jobs?dry_run=true", {"task": "gret"}), 422, "unknown_task")
    assert_problem(stored("PATCH", "/jobs/a?dry_run=true", {"name": "x"}, headers={"If-Match": '"9"'}), 412)


@pytest.mark.parametrize(
    "query", ["dry_run=1", "dry_run=True", "dry_run=", "dry-run=true", "dry_run=true&dry_run=true"]
)
def test_a_dry_run_that_is_not_asked_for_rightly_is_refused(call: Caller, query: str) -> None:
    problem = assert_problem(call("POST", f"/jobs?{query}", JOB), 400, "bad_query")
    assert pointers(problem) == ["/" + query.partition("=")[0]]
    assert call("GET", "/jobs").get_json()["items"] == []


def test_only_writes_take_it(call: Caller) -> None:
    for path in ("/jobs", "/runs", "/scheduler"):
        assert_problem(call("GET", f"{path}?dry_run=true"), 400, "bad_query")
    preview = {"trigger": every(minutes=1)}
    assert_problem(call("POST", "/triggers/preview?dry_run=true", preview), 400, "bad_query")


def test_a_rehearsed_end_of_a_long_pause_comes_to_an_end(call: Caller, clock: SettableClock) -> None:
    call("POST", "/jobs/batch", {"jobs": [JOB | {"id": f"j{n}"} for n in range(BATCH + 5)]})
    call("POST", "/scheduler/pause")
    clock.advance(3600)
    assert call("POST", "/scheduler/resume?dry_run=true").get_json()["paused"] is None
    assert call("GET", "/scheduler").get_json()["paused"] is not None
