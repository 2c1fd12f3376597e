"""Retrying a run by hand."""

from typing import Any

from scheduler_app.schemas.run import RetriedOut
from scheduler_app.services.context import Context
from scheduler_app.store import claims
from scheduler_app.store.tables import runs
from tests.api.conftest import Caller, SettableClock, assert_problem


def end(ctx: Context, run_id: int, state: str = "failed", **values: Any) -> None:
    ended = runs.update().where(runs.c.id == run_id).values(state=state, started_at=1, finished_at=2, **values)
    ctx.database.write(lambda tx: tx.execute(ended))


def test_a_failed_run_is_retried_as_a_new_run_of_the_same_work(
    call: Caller, ctx: Context, clock: SettableClock
) -> None:
    call.given_job("a")
    first = call.given_run("a", kwargs={"name": "Bob"})
    end(ctx, first["id"])
    clock.advance(60)

    response = call("POST", f"/runs/{first['id']}/retry")

    assert response.status_code == 202
    RetriedOut.model_validate_json(response.text)
    again = response.get_json()
    assert response.headers["Location"] == f"/api/v1/runs/{again['id']}"
    assert (again["origin"], again["retry_of"], again["state"]) == ("retry", first["id"], "queued")
    assert (again["kwargs"], again["scheduled_at"]) == ({"name": "Bob"}, first["scheduled_at"])
    assert again["queued_at"] == "2030-01-01T12:01:00Z"
    assert again["warning"] is None
    assert call("GET", f"/runs/{first['id']}").get_json()["state"] == "failed"


def test_a_run_that_has_not_ended_is_not_retried(call: Caller) -> None:
    call.given_job("a")
    call.given_run("a")
    assert "is queued" in assert_problem(call("POST", "/runs/1/retry"), 409, "conflict")["detail"]
    assert_problem(call("POST", "/runs/99/retry"), 404)


def test_a_run_of_a_deleted_job_is_not_retried_even_if_its_id_is_used_again(call: Caller) -> None:
    call.given_job("a")
    call.given_run("a")
    call("DELETE", "/jobs/a")
    assert "was deleted" in assert_problem(call("POST", "/runs/1/retry"), 409, "conflict")["detail"]
    call.given_job("a")
    assert_problem(call("POST", "/runs/1/retry"), 409, "conflict")


def test_a_retry_at_most_once_says_what_it_means(call: Caller, ctx: Context) -> None:
    call.given_job("a", delivery="at_most_once", max_retries=0)
    call.given_run("a")
    end(ctx, 1, "lost")
    assert "may now be done a second time" in call("POST", "/runs/1/retry").get_json()["warning"]


def test_a_busy_job_lets_a_retry_wait(call: Caller, ctx: Context) -> None:
    call.given_job("a")
    call.given_run("a")
    end(ctx, 1)
    call.given_run("a")
    waiting = call("POST", "/runs/1/retry").get_json()
    assert (waiting["state"], waiting["reason"]) == ("scheduled", "blocked")


def test_the_idempotency_key_of_the_work_stays_the_same(call: Caller, ctx: Context, clock: SettableClock) -> None:
    call.given_job("a", max_instances=9)
    call.given_run("a")
    end(ctx, 1)
    call("POST", "/runs/1/retry")
    end(ctx, 2)
    call("POST", "/runs/2/retry")
    clock.advance(300)
    call("PATCH", "/jobs/a", {"priority": 1})
    fired = call("GET", "/runs?origin=schedule").get_json()["items"][0]
    end(ctx, fired["id"])
    retried = call("POST", f"/runs/{fired['id']}/retry").get_json()["id"]
    end(ctx, retried, "queued")
    end(ctx, fired["id"], "queued")
    keys = {}
    rows = ctx.database.write(lambda tx: claims.CANDIDATES.rows(tx, executor="thread", tasks=["greet"], most=9))
    for row in rows:
        keys[row.id] = claims._claim(row, token=1, alone=False).idempotency_key
    assert keys[3] == "run-1"
    assert keys[retried] == keys[fired["id"]] == "1@2030-01-01T12:05:00+00:00"
