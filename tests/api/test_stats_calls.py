"""What has happened and what is planned, in numbers, over HTTP."""

from typing import Any

import pytest
import sqlalchemy as sa

from scheduler_app.domain.run import RunState
from scheduler_app.schemas.run import RunDetailOut
from scheduler_app.schemas.stats import JobStatsOut, StatsOut, TimelineOut, WeekOut
from scheduler_app.services import jobs
from scheduler_app.services.context import Context
from scheduler_app.store.endings import Ending, note
from scheduler_app.store.tables import job_stats, runs
from tests.api.conftest import NOW, Caller, assert_problem, every, pointers

AT = int(NOW.timestamp()) * 10**6
MINUTE = 60 * 10**6


def given_ends(ctx: Context, call: Caller, job: str, *states: RunState, error: str = "no disk") -> list[int]:
    """Let runs of a job end, one a minute, the last one a minute ago; each took two seconds."""
    ids = []
    for number, state in enumerate(states):
        run = call.given_run(job)["id"]
        end = AT - (len(states) - number) * MINUTE
        values: dict[str, Any] = {"state": state, "started_at": end - 2 * 10**6, "finished_at": end, "reason": "lost"}
        values |= {"error_type": "OSError", "error_message": error, "error_traceback": ""} if state == "failed" else {}

        def end_it(tx: sa.Connection, run: int = run, values: dict[str, Any] = values) -> None:
            key = tx.execute(sa.select(runs.c.job_key).where(runs.c.id == run)).scalar_one()
            tx.execute(runs.update().where(runs.c.id == run).values(values))
            note(tx, [Ending(key, run, values["state"], AT, values["started_at"], values["finished_at"])])

        ctx.database.write(end_it)
        ids.append(run)
    return ids


def test_runs_are_counted_by_hour_and_by_minute(call: Caller, ctx: Context) -> None:
    call.given_job("a")
    given_ends(ctx, call, "a", RunState.SUCCEEDED, RunState.TIMED_OUT, RunState.SUCCEEDED)

    answered = call("GET", "/stats")
    StatsOut.model_validate_json(answered.text)
    told = answered.get_json()
    assert len(told["items"]) == 24
    assert told["items"][-1]["at"] == "2030-01-01T11:00:00Z"
    assert told["items"][-1]["counts"]["succeeded"] == 2
    assert (told["day"]["last"]["failed"], told["day"]["last"]["success"]) == (1, pytest.approx(2 / 3))
    assert (told["step"], told["overdue"], told["lag"]) == ("hour", 0, {"p95": None, "max": None})
    minutes = call("GET", "/stats?step=minute&from=2030-01-01T11:57:00Z&to=2030-01-01T12:00:00Z").get_json()["items"]
    assert [item["counts"]["timed_out"] for item in minutes] == [0, 1, 0]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("from=2030-01-02T00:00:00Z", "/from"),
        ("from=2020-01-01T00:00:00Z", "/from"),
        ("step=minute&from=2029-12-25T00:00:00Z", "/from"),
        ("step=week", "/step"),
        ("from=yesterday", "/from"),
        ("to=0001-01-01T00:00:00Z", "/to"),
        ("since=2030-01-01T00:00:00Z", "/since"),
    ],
)
def test_a_span_that_cannot_be_told_is_refused(call: Caller, query: str, pointer: str) -> None:
    assert pointers(assert_problem(call("GET", f"/stats?{query}"), 400, "bad_query")) == [pointer]


def test_a_job_tells_how_it_goes(call: Caller, ctx: Context) -> None:
    call.given_job("a")
    given_ends(ctx, call, "a", *[RunState.SUCCEEDED] * 5, RunState.FAILED, RunState.LOST)

    answered = call("GET", "/jobs/a/stats")
    JobStatsOut.model_validate_json(answered.text)
    told = answered.get_json()
    assert (told["usual"], told["p95"], told["trend"]) == (2.0, 2.0, None)
    assert (told["succeeded"], told["failed"], told["success"]) == (5, 2, pytest.approx(5 / 7))
    assert (told["failures_in_a_row"], told["failing_since"]) == (2, "2030-01-01T11:58:00Z")
    assert [mark["state"] for mark in told["strip"]][-2:] == ["failed", "lost"]
    assert_problem(call("GET", "/jobs/none/stats"), 404)


def test_a_week_at_the_end_of_all_time_is_refused(call: Caller) -> None:
    assert pointers(assert_problem(call("GET", "/forecast?from=9999-12-31T23:59:59Z"), 400, "bad_query")) == ["/from"]


def test_a_week_is_told_by_the_hour(call: Caller) -> None:
    call.given_job("a", trigger=every(minutes=20))
    answered = call("GET", "/forecast")
    WeekOut.model_validate_json(answered.text)
    hours = answered.get_json()["items"]
    assert (len(hours), hours[0]["at"], hours[0]["firings"], hours[1]["firings"]) == (168, "2030-01-01T12:00:00Z", 2, 3)


def test_a_timeline_tells_what_ran_and_what_will(call: Caller, ctx: Context) -> None:
    call.given_job("a", name="first", tags=["x"])
    call.given_job("b", trigger=every(hours=5))
    given_ends(ctx, call, "a", RunState.SUCCEEDED)
    answered = call("GET", "/timeline")
    TimelineOut.model_validate_json(answered.text)
    (row,) = answered.get_json()["items"]
    assert (row["job_id"], row["name"], row["tags"]) == ("a", "first", ["x"])
    assert [bar["state"] for bar in row["bars"]] == ["succeeded"]
    assert row["planned"][0]["at"] == "2030-01-01T12:05:00Z"
    problem = assert_problem(call("GET", "/timeline?from=2030-01-02T00:00:00Z"), 400)
    assert pointers(problem) == ["/from"]


def test_a_run_tells_how_many_before_it_failed_by_the_same_error(call: Caller, ctx: Context) -> None:
    call.given_job("a")
    failed = RunState.FAILED
    given_ends(ctx, call, "a", failed, error="no space")
    given_ends(ctx, call, "a", RunState.SUCCEEDED)
    given_ends(ctx, call, "a", failed, error="no disk 1 at 0x7f00")
    last = given_ends(ctx, call, "a", failed, failed, error="no disk 22 at 0x7fab")[-1]
    answered = call("GET", f"/runs/{last}")
    RunDetailOut.model_validate_json(answered.text)
    assert answered.get_json()["same_error"]["before"] == 2
    well = given_ends(ctx, call, "a", RunState.SUCCEEDED)[0]
    assert call("GET", f"/runs/{well}").get_json()["same_error"] is None


def test_jobs_are_sorted_by_what_they_usually_take_and_when_they_failed(call: Caller, ctx: Context) -> None:
    for job in "abcde":
        call.given_job(job, tags=["x"])
    ends = {"a": ("last_failure", 3), "c": ("last_failure", 1), "d": ("usual", 7), "b": ("usual", 9)}
    for job, (column, value) in ends.items():
        key = jobs.get_job(job, ctx=ctx).key
        values = {"job_key": key, "number": 8, "last_run": 1, "unwell": 0, "failures": 0, "marks": b"", "older": b""}
        ctx.database.write(lambda tx, row=values | {column: value}: tx.execute(job_stats.insert().values(row)))

    def listed(sort: str) -> str:
        found, path = "", f"/jobs?sort={sort}&limit=2&tag=x"
        while path:
            page = call("GET", path).get_json()
            found += "".join(job["id"] for job in page["items"])
            cursor = page["next_cursor"]
            path = cursor and f"/jobs?sort={sort}&limit=2&tag=x&cursor={cursor}"
        return found

    assert (listed("usual"), listed("-usual")) == ("dbace", "bdace")
    assert (listed("last_failure"), listed("-last_failure")) == ("cabde", "acbde")
