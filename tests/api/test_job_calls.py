"""Adding, reading, changing, pausing and deleting jobs over HTTP."""

import pytest

from scheduler_app.schemas.job import JobList, JobOut
from scheduler_app.schemas.run import RunList, RunOut
from tests.api.conftest import Caller, SettableClock, assert_problem, every, pointers


def test_a_job_is_added_and_found_where_the_answer_says(call: Caller) -> None:
    response = call(
        "POST", "/jobs", {"id": "nightly", "task": "greet", "kwargs": {"name": "A"}, "trigger": every(hours=1)}
    )

    assert response.status_code == 201
    assert response.headers["Location"] == "/api/v1/jobs/nightly"
    assert response.headers["ETag"] == '"1"'
    found = call("GET", "/jobs/nightly")
    assert found.get_json() == response.get_json()
    assert found.headers["ETag"] == '"1"'


def test_an_added_job_tells_every_field_of_the_contract(call: Caller) -> None:
    job = call.given_job("nightly", tags=["b", "a"], timeout=2.5)

    JobOut.model_validate(job)
    assert set(job) == set(JobOut.model_fields)
    assert job["name"] == "greet"
    assert job["state"] == "active"
    assert job["next_run_time"] == "2030-01-01T12:05:00Z"
    assert job["created_at"] == job["updated_at"] == "2030-01-01T12:00:00Z"
    assert (job["max_retries"], job["timeout"], job["tags"]) == (2, 2.5, ["b", "a"])
    assert (job["last_run"], job["paused"], job["reason"]) == (None, None, None)


def test_a_job_without_a_trigger_is_accepted_and_leads_to_its_run(call: Caller) -> None:
    response = call("POST", "/jobs", {"task": "greet", "kwargs": {"name": "Ada"}})

    assert response.status_code == 202
    job = response.get_json()
    assert response.headers["Location"] == f"/api/v1/jobs/{job['id']}"
    assert job["last_run"] == {"id": 1, "state": "queued", "href": "/api/v1/runs/1"}
    run = call.client.get(job["last_run"]["href"], headers=call.headers).get_json()
    assert (run["origin"], run["job_id"], run["state"]) == ("once", job["id"], "queued")


def test_an_id_that_is_in_use_is_refused(call: Caller) -> None:
    call.given_job("nightly")

    problem = assert_problem(call("POST", "/jobs", {"id": "nightly", "task": "greet"}), 422, "invalid_arguments")
    assert pointers(problem) == ["/kwargs/name"]
    taken = call("POST", "/jobs", {"id": "nightly", "task": "greet", "kwargs": {"name": "B"}})
    assert pointers(assert_problem(taken, 409, "id_taken")) == ["/id"]


@pytest.mark.parametrize(
    ("field", "value", "pointer", "words"),
    [
        ("id", "no spaces", "/id", "pattern"),
        ("id", "-starts-wrong", "/id", "pattern"),
        ("id", "x" * 192, "/id", "pattern"),
        ("id", "a\n", "/id", "pattern"),
        ("id", 5, "/id", "got 5"),
        ("name", "", "/name", "at least 1"),
        ("name", "x" * 192, "/name", "at most 191"),
        ("name", "bell\a", "/name", "control characters"),
        ("task", None, "/task", "valid string, got null"),
        ("task", "nobody", "/task", "no task 'nobody' is registered"),
        ("task", "gret", "/task", "did you mean 'greet'"),
        ("args", {}, "/args", "valid list"),
        ("kwargs", [], "/kwargs", "valid dictionary"),
        ("kwargs", {"name": "A", "times": "many"}, "/kwargs/times", "integer"),
        ("trigger", "daily", "/trigger", "dictionary"),
        ("trigger", {"type": "intervall", "hours": 1}, "/trigger/type", "did you mean 'interval'"),
        ("trigger", {"type": "interval", "seconds": -5}, "/trigger/seconds", "from 0"),
        ("trigger", {f"f{n}": n for n in range(65)}, "/trigger", "at most 64"),
        ("tags", ["ok", "\x1b[31m"], "/tags/1", "control characters"),
        ("tags", ["x" * 65], "/tags/0", "at most 64"),
        ("tags", [f"t{n}" for n in range(101)], "/tags", "at most 100"),
        ("timeout", "5", "/timeout", "valid number, got '5'"),
        ("timeout", 0, "/timeout", "greater than 0"),
        ("max_retries", True, "/max_retries", "valid integer, got true"),
        ("max_retries", 1.5, "/max_retries", "valid integer"),
        ("coalesce", 1, "/coalesce", "valid boolean, got 1"),
        ("priority", 101, "/priority", "less than or equal to 100"),
        ("overlap", "replace", "/overlap", "'queue_one'"),
        ("delivery", "exactly_once", "/delivery", "'at_most_once'"),
        ("prioritty", 1, "/prioritty", "did you mean 'priority'?"),
        ("state", "paused", "/state", "no field here"),
    ],
)
def test_a_wrong_field_is_named(call: Caller, field: str, value: object, pointer: str, words: str) -> None:
    content = {"task": "greet", "kwargs": {"name": "Ada"}, "trigger": every(minutes=5)} | {field: value}

    problem = assert_problem(call("POST", "/jobs", content), 422)

    assert pointer in pointers(problem)
    assert words in problem["detail"]
    assert call("GET", "/jobs").get_json()["items"] == []


def test_all_wrong_fields_are_told_at_once_and_their_number_is_bounded(call: Caller) -> None:
    problem = assert_problem(call("POST", "/jobs", {f"f{n}": n for n in range(100)}), 422, "invalid")

    assert pointers(problem)[:2] == ["/task", "/f0"]
    assert len(problem["errors"]) == 20
    flood = call("POST", "/jobs", {f"f{n}": n for n in range(60_000)})
    assert "60000 fields; at most 100" in assert_problem(flood, 422, "invalid")["detail"]


def test_arguments_are_not_repeated_in_the_problem(call: Caller) -> None:
    problem = call("POST", "/jobs", {"task": "greet", "kwargs": "hunter2"}).text
    assert "hunter2" not in problem


def test_a_policy_that_contradicts_another_is_refused(call: Caller) -> None:
    content = {"task": "greet", "kwargs": {"name": "A"}, "delivery": "at_most_once"}
    assert pointers(assert_problem(call("POST", "/jobs", content), 422)) == ["/max_retries"]


def test_jobs_are_listed_by_id_page_by_page(call: Caller) -> None:
    for job_id in ("c", "a", "b"):
        call.given_job(job_id)

    first = call("GET", "/jobs?limit=2&task=greet")
    page = first.get_json()
    assert [job["id"] for job in page["items"]] == ["a", "b"]
    JobList.model_validate(page)
    link = first.headers["Link"]
    assert link.startswith("</api/v1/jobs?")
    assert link.endswith('>; rel="next"')
    assert page["next_cursor"] in link
    last = call.client.get(link[1 : link.index(">")], headers=call.headers)
    assert [job["id"] for job in last.get_json()["items"]] == ["c"]
    assert last.get_json()["next_cursor"] is None
    assert "Link" not in last.headers


def test_jobs_are_filtered_by_state_task_and_tag(call: Caller) -> None:
    call.given_job("a", tags=["x", "y"])
    call.given_job("b", tags=["y"])
    call.given_job("c", task="total", kwargs={"numbers": [1]})
    call("POST", "/jobs/b/pause")

    def listed(query: str) -> list[str]:
        return [job["id"] for job in call("GET", f"/jobs?{query}").get_json()["items"]]

    assert listed("state=paused") == ["b"]
    assert listed("state=active,paused") == ["a", "b", "c"]
    assert listed("task=total") == ["c"]
    assert listed("tag=x") == ["a"]
    assert listed("tag=x,y&state=active") == ["a"]
    assert listed("state=finished") == []


def test_a_job_is_changed_by_a_merge_patch(call: Caller, clock: SettableClock) -> None:
    call.given_job("a", timeout=5, trigger=every(minutes=5, start_date="2030-01-01T13:00:00Z"))
    clock.advance(1)

    patch = {"name": "new", "kwargs": {"times": 3}, "timeout": None, "tags": ["t"], "trigger": {"minutes": 7}}
    response = call("PATCH", "/jobs/a", patch, headers={"Content-Type": "application/merge-patch+json"})

    assert response.status_code == 200
    assert response.headers["ETag"] == '"2"'
    job = response.get_json()
    assert job["kwargs"] == {"name": "Ada", "times": 3}
    assert (job["name"], job["timeout"], job["tags"]) == ("new", None, ["t"])
    assert job["trigger"]["minutes"] == 7
    assert job["updated_at"] == "2030-01-01T12:00:01Z"
    assert call("GET", "/jobs/a").get_json() == job


def test_null_puts_a_name_and_a_policy_back(call: Caller) -> None:
    call.given_job("a", name="mine", max_retries=7)
    job = call("PATCH", "/jobs/a", {"name": None, "max_retries": None}).get_json()
    assert (job["name"], job["max_retries"]) == ("greet", 2)


@pytest.mark.parametrize(
    "patch", [{"id": "b"}, {"args": None}, {"task": None}, {"trigger": None}, {"kwargs": {"x": 1}}]
)
def test_a_patch_that_cannot_be_is_refused_whole(call: Caller, patch: dict[str, object]) -> None:
    before = call.given_job("a")
    assert_problem(call("PATCH", "/jobs/a", patch | {"name": "new"}), 422)
    assert call("GET", "/jobs/a").get_json() == before


def test_a_stale_version_is_refused_and_the_right_one_accepted(call: Caller) -> None:
    call.given_job("a")

    for stale in ('"2"', '"x"', 'W/"1"', '"1", "2"', '"99999999999999999999"'):
        assert_problem(call("PATCH", "/jobs/a", {"name": "n"}, headers={"If-Match": stale}), 412, "version_mismatch")
        assert_problem(call("DELETE", "/jobs/a", headers={"If-Match": stale}), 412, "version_mismatch")
    assert_problem(call("DELETE", "/jobs/a", headers={"If-Match": "{}"}), 400, "bad_header")
    assert call("PATCH", "/jobs/a", {"name": "n"}, headers={"If-Match": '"1"'}).status_code == 200
    assert call("PATCH", "/jobs/a", {"name": "m"}, headers={"If-Match": "*"}).status_code == 200
    assert call("DELETE", "/jobs/a", headers={"If-Match": '"3"'}).status_code == 204


def test_a_deleted_job_is_gone_and_its_history_stays(call: Caller) -> None:
    call.given_job("a")
    run = call.given_run("a")

    response = call("DELETE", "/jobs/a")

    assert (response.status_code, response.data) == (204, b"")
    assert_problem(call("GET", "/jobs/a"), 404, "not_found")
    assert_problem(call("DELETE", "/jobs/a"), 404)
    kept = call("GET", f"/runs/{run['id']}").get_json()
    assert (kept["state"], kept["reason"]) == ("cancelled", "job_deleted")


def test_a_job_is_paused_with_a_reason_and_resumed(call: Caller, clock: SettableClock) -> None:
    call.given_job("a")

    paused = call("POST", "/jobs/a/pause", {"reason": "on fire"}).get_json()
    assert (paused["state"], paused["next_run_time"], paused["reason"]) == ("paused", None, None)
    assert paused["paused"] == {"until": None, "reason": "on fire"}
    assert call("POST", "/jobs/a/pause").get_json() == paused
    clock.advance(600)
    resumed = call("POST", "/jobs/a/resume").get_json()
    assert (resumed["state"], resumed["paused"]) == ("active", None)
    assert resumed["next_run_time"] == "2030-01-01T12:15:00Z"
    missed = call("GET", "/jobs/a/runs").get_json()["items"][0]
    assert (missed["state"], missed["reason"]) == ("missed", "paused")
    assert missed["missed"] == {"from": "2030-01-01T12:05:00Z", "to": "2030-01-01T12:10:00Z", "count": 2}


def test_a_reason_is_printable_and_at_most_one_kib(call: Caller) -> None:
    call.given_job("a")
    for reason in ("x" * 1025, "ä" * 600, "line\nbreak", "\u2028", 5):
        problem = assert_problem(call("POST", "/jobs/a/pause", {"reason": reason}), 422, "invalid")
        assert pointers(problem) == ["/reason"]


def test_a_job_is_run_by_hand_also_when_it_is_paused(call: Caller) -> None:
    call.given_job("a")
    call("POST", "/jobs/a/pause")

    response = call("POST", "/jobs/a/run", {"kwargs": {"name": "Bob"}})

    assert response.status_code == 202
    run = response.get_json()
    RunOut.model_validate(run)
    assert response.headers["Location"] == f"/api/v1/runs/{run['id']}"
    assert (run["origin"], run["kwargs"], run["state"]) == ("manual", {"name": "Bob"}, "queued")
    assert call("POST", "/jobs/a/run").get_json()["kwargs"] == {"name": "Ada"}
    assert_problem(call("POST", "/jobs/a/run", {"kwargs": {}}), 422, "invalid_arguments")


def test_the_runs_of_a_job_are_listed_newest_first(call: Caller) -> None:
    call.given_job("a", max_instances=5)
    call.given_job("b")
    ids = [call.given_run("a")["id"] for _ in range(3)]
    call.given_run("b")

    first = call("GET", "/jobs/a/runs?limit=2&origin=manual&state=queued")
    RunList.model_validate(first.get_json())
    assert [run["id"] for run in first.get_json()["items"]] == [ids[2], ids[1]]
    link = first.headers["Link"]
    assert link.startswith("</api/v1/jobs/a/runs?")
    rest = call.client.get(link[1 : link.index(">")], headers=call.headers).get_json()
    assert [run["id"] for run in rest["items"]] == [ids[0]]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/jobs/none"),
        ("PATCH", "/jobs/none"),
        ("DELETE", "/jobs/none"),
        ("POST", "/jobs/none/pause"),
        ("POST", "/jobs/none/resume"),
        ("POST", "/jobs/none/run"),
        ("GET", "/jobs/none/runs"),
        ("GET", "/jobs/not%20an%20id"),
    ],
)
def test_a_job_that_is_not_there_is_not_found(call: Caller, method: str, path: str) -> None:
    assert_problem(call(method, path, {} if method == "PATCH" else None), 404, "not_found")
