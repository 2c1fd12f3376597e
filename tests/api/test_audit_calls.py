"""Who changed what is noted with the change, and told to who may know."""

from collections.abc import Callable
from typing import Any

import pytest
from flask_openapi.openapi import OpenAPI

from scheduler_app.services import keys
from scheduler_app.services.context import Context
from scheduler_app.services.keys import KeySpec
from scheduler_app.services.roles import Role
from tests.api.browser import Browser
from tests.api.conftest import Caller, SettableClock, assert_problem, every

NOW = "2030-01-01T12:00:00Z"


def changes(call: Caller, **query: Any) -> list[dict[str, Any]]:
    response = call("GET", "/audit", query_string=query)
    assert response.status_code == 200, response.text
    items: list[dict[str, Any]] = response.get_json()["items"]
    return items


def told(call: Caller, **query: Any) -> list[tuple[Any, ...]]:
    """The changes, the oldest first, without who made them when."""
    return [(item["what"], item["subject"], item["before"], item["after"]) for item in reversed(changes(call, **query))]


def as_role(call: Caller, ctx: Context, role: Role) -> Caller:
    secret = keys.create_key(KeySpec(name=f"a {role}", role=role), ctx=ctx).secret
    return Caller(call.client, headers={"Authorization": f"Bearer {secret}"})


def test_a_change_tells_who_what_when_and_by_which_request(call: Caller):
    response = call("POST", "/jobs", {"id": "a", "task": "total", "args": [[1]], "trigger": every(hours=1)})
    (change,) = changes(call)
    trigger = response.get_json()["trigger"]
    after = {"name": "total", "task": "total", "args": [[1]], "trigger": trigger, "state": "active"}
    assert change == {
        "id": change["id"],
        "at": NOW,
        "who": "admin",
        "key_id": 1,
        "what": "job.created",
        "subject": "job:a",
        "before": None,
        "after": after,
        "request_id": response.headers["X-Request-ID"],
    }


def test_what_people_do_with_jobs_is_noted_with_what_it_changed(call: Caller):
    call.given_job("a")
    call("PATCH", "/jobs/a", {"kwargs": {"name": "Bob"}, "max_retries": 3})
    call("POST", "/jobs/a/pause", {"reason": "holiday", "until": "2030-01-02T00:00:00Z"})
    call("POST", "/jobs/a/resume")
    call("POST", "/jobs/a/skip", {"count": 2})
    call("POST", "/jobs/a/run")
    call("DELETE", "/jobs/a")
    noted = told(call, subject="job:a")
    assert [what for what, *_ in noted] == [
        f"job.{done}" for done in ("created", "changed", "paused", "resumed", "skipped", "run", "deleted")
    ]
    assert noted[1][2:] == (
        {"kwargs": {"name": "Ada"}, "policies": {}},
        {"kwargs": {"name": "Bob"}, "policies": {"max_retries": 3}},
    )
    paused = {"state": "paused", "reason": "holiday", "paused_until": "2030-01-02T00:00:00Z"}
    going = {"state": "active", "reason": None, "paused_until": None}
    assert noted[2][2:] == (going, paused)
    assert noted[3][2:] == (paused, going)
    assert noted[4][2:] == ({"skip_count": 0}, {"skip_count": 2})
    assert noted[5][3] == {"run": 1}
    assert noted[6][2]["kwargs"] == {"name": "Bob"}


def test_what_changes_nothing_is_no_change(call: Caller):
    job = call.given_job("a")
    call("PATCH", "/jobs/a", {"name": job["name"]})
    call("PUT", "/jobs/a", {"task": "greet", "kwargs": {"name": "Ada"}, "trigger": every(minutes=5)})
    call("POST", "/jobs/a/resume")
    call("POST", "/jobs/a/skip", {"count": 0})
    call("POST", "/jobs/a/pause?dry_run=true")
    assert call("PATCH", "/jobs/a", {"task": "none"}).status_code == 422
    assert call("DELETE", "/jobs/a", headers={"If-Match": '"7"'}).status_code == 412
    assert [what for what, *_ in told(call)] == ["job.created"]
    call("POST", "/jobs/a/pause")
    call("POST", "/jobs/a/pause")
    assert [what for what, *_ in told(call)] == ["job.created", "job.paused"]


def test_one_offs_are_work_and_no_change(call: Caller):
    call("POST", "/jobs", {"task": "greet", "kwargs": {"name": "Ada"}})
    call("POST", "/jobs/batch", {"jobs": [{"task": "greet", "kwargs": {"name": "Ada"}}] * 3})
    assert told(call) == []
    call("POST", "/jobs", {"id": "later", "task": "greet", "kwargs": {"name": "x"}, "trigger": once_later()})
    assert [(what, subject) for what, subject, *_ in told(call)] == [("job.created", "job:later")]


def once_later() -> dict[str, Any]:
    return {"type": "date", "run_date": "2031-01-01T00:00:00Z"}


def test_changes_of_many_are_noted_one_by_one(call: Caller):
    jobs = [
        {"id": name, "task": "greet", "kwargs": {"name": "x"}, "trigger": every(hours=1)} for name in ("a", "b", "a")
    ]
    call("POST", "/jobs/batch", {"jobs": jobs})
    call("POST", "/jobs/actions", {"action": "pause", "ids": ["b", "none", "a"]})
    noted = [(what, subject) for what, subject, *_ in told(call)]
    assert noted == [
        ("job.created", "job:a"),
        ("job.created", "job:b"),
        ("job.paused", "job:b"),
        ("job.paused", "job:a"),
    ]
    assert {item["who"] for item in changes(call)} == {"admin"}


def test_what_is_done_with_runs_and_the_scheduler_is_noted(call: Caller):
    call.given_job("a")
    run = call.given_run("a")["id"]
    call("POST", f"/runs/{run}/cancel")
    again = call("POST", f"/runs/{run}/retry").get_json()["id"]
    call("POST", "/scheduler/pause", {"reason": "release"})
    call("POST", "/scheduler/resume")
    call("POST", "/scheduler/resume")
    assert told(call)[2:] == [
        ("run.cancelled", f"run:{run}", {"job": "a", "state": "queued"}, None),
        ("run.retried", f"run:{run}", None, {"job": "a", "run": again}),
        ("scheduler.paused", None, None, {"reason": "release"}),
        ("scheduler.resumed", None, {"since": NOW, "reason": "release", "by": "admin"}, None),
    ]


def test_keys_and_sign_ins_are_noted_without_a_secret_and_told_to_admins_alone(
    call: Caller, ctx: Context, site: Callable[..., OpenAPI]
):
    made = call("POST", "/api-keys", {"name": "ops", "role": "viewer", "expires_in": 60}).get_json()
    browser = Browser(site())
    browser.sign_in(made["key"])
    session = browser.cookie() or ""
    browser.sign_out()
    call("DELETE", f"/api-keys/{made['id']}")
    noted = told(call)
    key = {"name": "ops", "role": "viewer", "prefix": made["prefix"], "expires_at": "2030-01-01T12:01:00Z"}
    assert noted == [
        ("key.created", "key:2", None, key),
        ("session.begun", "key:2", None, None),
        ("session.ended", "key:2", None, None),
        ("key.revoked", "key:2", key, None),
    ]
    assert [item["who"] for item in reversed(changes(call))] == ["admin", "ops", "ops", "admin"]
    assert made["key"] not in repr(noted) and session not in repr(noted)
    operator = as_role(call, ctx, Role.OPERATOR)
    assert changes(operator) == []
    assert_problem(operator("GET", "/audit?what=key.created"), 403, "forbidden")


def test_changes_are_filtered(call: Caller, ctx: Context, clock: SettableClock):
    call.given_job("a"), call.given_job("b")
    clock.advance(60)
    operator = as_role(call, ctx, Role.OPERATOR)
    operator("POST", "/jobs/a/pause")

    def found(**query: Any) -> set[str]:
        return {f"{item['what']} {item['subject']}" for item in changes(call, **query)}

    assert found(subject="job:a") == {"job.created job:a", "job.paused job:a"}
    assert found(who="a operator") == {"job.paused job:a"}
    assert found(who="code") == {"key.created key:2"}
    assert found(what="job.paused,key.created") == {"job.paused job:a", "key.created key:2"}
    assert found(to="2030-01-01T12:00:30Z") == {"job.created job:a", "job.created job:b"}
    assert found(**{"from": "2030-01-01T12:00:30Z", "what": "job.paused"}) == {"job.paused job:a"}


def test_changes_are_listed_in_pages(call: Caller):
    for number in range(5):
        call.given_job(f"job-{number}")
    page = call("GET", "/audit?limit=2").get_json()
    found = [item["subject"] for item in page["items"]]
    while page["next_cursor"]:
        page = call("GET", f"/audit?limit=2&cursor={page['next_cursor']}").get_json()
        found += [item["subject"] for item in page["items"]]
    assert found == [f"job:job-{number}" for number in reversed(range(5))]


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("what=job.creatde", "did you mean 'job.created'"),
        ("subject=a", "subject"),
        ("subject=job:", "subject"),
        ("from=yesterday", "must be a time"),
        ("user=ada", "is no parameter here"),
        ("cursor=" + "x" * 20, "this cursor belongs to a list of other filters"),
    ],
)
def test_what_is_wrong_with_a_query_is_told(call: Caller, query: str, told: str):
    assert told in assert_problem(call("GET", f"/audit?{query}"), 400, "bad_query")["detail"]


def test_a_change_is_told_in_a_bounded_size(call: Caller):
    call.given_job("a", kwargs={"name": "x" * 60_000})
    (change,) = changes(call)
    assert change["after"]["kwargs"] == '{"name":"' + "x" * 191 + "… (60011 characters)"


def test_a_broken_job_is_deleted_and_noted_with_what_can_be_read(call: Caller, ctx: Context):
    call.given_job("a")
    damage = "UPDATE scheduler_jobs SET kwargs = '{\"name\": \"\\ud800\", \"x\": NaN}', trigger = '{' WHERE id = 'a'"
    ctx.database.write(lambda tx: tx.exec_driver_sql(damage))
    assert call("DELETE", "/jobs/a").status_code == 204
    assert changes(call)[0]["before"]["state"] == "broken"


def test_who_acts_by_the_login_of_the_app_around_is_called_that(call: Caller, site: Callable[..., OpenAPI]):
    call.given_job("a")
    Browser(site(login=lambda: "operator")).api("POST", "/jobs/a/pause")
    assert (changes(call)[0]["who"], changes(call)[0]["key_id"]) == ("login", None)
