"""Many jobs in one call."""

import json
from typing import Any

import pytest

from scheduler_app.schemas.bulk import ActionsOut, BatchOut
from tests.api.conftest import Caller, assert_problem, every, pointers

PLAIN: dict[str, Any] = {"task": "greet", "kwargs": {"name": "Ada"}, "trigger": every(minutes=5)}


def batch(call: Caller, *jobs: Any, **more: Any) -> list[dict[str, Any]]:
    response = call("POST", "/jobs/batch", {"jobs": list(jobs)}, **more)
    assert response.status_code == 200, response.text
    content = response.get_json()
    BatchOut.model_validate_json(response.text)
    items: list[dict[str, Any]] = content["items"]
    return items


def act(call: Caller, **content: Any) -> dict[str, Any]:
    response = call("POST", "/jobs/actions", content)
    assert response.status_code == 200, response.text
    ActionsOut.model_validate_json(response.text)
    result: dict[str, Any] = response.get_json()
    return result


def test_a_batch_gives_one_result_for_each_job_in_their_order(call: Caller) -> None:
    items = batch(call, PLAIN | {"id": "a"}, {"task": "greet", "kwargs": {"name": "B"}}, PLAIN | {"id": "c"})

    assert [item["status"] for item in items] == [201, 202, 201]
    assert [item["job"]["id"] for item in items][::2] == ["a", "c"]
    assert items[1]["job"]["last_run"]["state"] == "queued"
    assert call("GET", "/jobs/a").get_json() == items[0]["job"]
    assert {item["problem"] for item in items} == {None}


def test_the_fault_of_one_job_does_not_stop_the_others(call: Caller) -> None:
    call.given_job("taken")

    items = batch(
        call,
        PLAIN | {"id": "a"},
        PLAIN | {"id": "taken"},
        PLAIN | {"id": "a"},
        PLAIN | {"task": "gret"},
        PLAIN | {"prioritty": 1},
        PLAIN | {"trigger": every(seconds=-1)},
        "no job",
        None,
        PLAIN | {"id": "z"},
    )

    assert [item["status"] for item in items] == [201, 409, 409, 422, 422, 422, 422, 422, 201]
    assert [item["problem"] and item["problem"]["code"] for item in items] == [
        None,
        "id_taken",
        "id_taken",
        "unknown_task",
        "invalid",
        "invalid_trigger",
        "invalid",
        "invalid",
        None,
    ]
    assert "did you mean 'greet'" in items[3]["problem"]["detail"]
    assert items[4]["problem"]["errors"][0]["pointer"] == "/prioritty"
    assert [job["id"] for job in call("GET", "/jobs").get_json()["items"]] == ["a", "taken", "z"]


def test_jobs_of_every_kind_stand_side_by_side_in_a_batch_and_of_one_id_the_first_is_added(call: Caller) -> None:
    once = {"task": "greet", "kwargs": {"name": "B"}}
    follows = {"type": "after", "job": "timed"}

    items = batch(
        call,
        once | {"id": "once"},
        PLAIN | {"id": "once"},
        PLAIN | {"id": "later", "trigger": follows, "tags": ["three"]},
        PLAIN | {"id": "timed", "tags": ["one", "two", "one"]},
        once | {"id": "timed"},
        PLAIN | {"id": "timed"},
        PLAIN | {"id": "last", "priority": 3, "overlap": "skip"},
    )

    assert [item["status"] for item in items] == [202, 409, 201, 201, 409, 409, 201]
    assert [call("GET", f"/jobs/{items[at]['job']['id']}").get_json() for at in (0, 2, 3, 6)] == [
        items[at]["job"] for at in (0, 2, 3, 6)
    ]
    assert (items[6]["job"]["priority"], items[6]["job"]["overlap"]) == (3, "skip")
    assert [job["id"] for job in call("GET", "/jobs?tag=two,three").get_json()["items"]] == ["later", "timed"]
    noted = call("GET", "/audit?what=job.created").get_json()["items"]
    assert {entry["subject"] for entry in noted} == {"job:later", "job:timed", "job:last"}


def test_a_thousand_jobs_are_added_and_one_more_is_refused(call: Caller) -> None:
    jobs = [PLAIN | {"id": f"job-{n:04}"} for n in range(1000)]
    assert {item["status"] for item in batch(call, *jobs)} == {201}

    problem = assert_problem(call("POST", "/jobs/batch", {"jobs": [PLAIN] * 1001}), 422, "invalid")
    assert pointers(problem) == ["/jobs"]
    assert_problem(call("POST", "/jobs/batch", {"jobs": []}), 422, "invalid")


def test_a_batch_may_be_larger_than_another_body_but_not_than_8_mib(call: Caller) -> None:
    long = PLAIN | {"kwargs": {"name": "x" * 60_000}}
    assert {item["status"] for item in batch(call, *[long] * 40)} == {201}

    body = json.dumps({"jobs": [PLAIN | {"name": "x" * 9 * 1024 * 1024}]}).encode()
    response = call("POST", "/jobs/batch", data=body, headers={"Content-Type": "application/json"})
    assert "8 MiB" in assert_problem(response, 413, "too_large")["detail"]
    assert "1 MiB" in assert_problem(call("POST", "/jobs", PLAIN | {"name": "x" * 2**20}), 413)["detail"]


def test_a_job_of_a_batch_may_be_as_deep_as_one_alone(call: Caller) -> None:
    nested: Any = 1
    for _ in range(61):
        nested = [nested]
    deep = {"task": "total", "kwargs": {"numbers": nested}}
    assert call("POST", "/jobs", deep).get_json()["code"] == "invalid_arguments"
    assert [item["problem"]["code"] for item in batch(call, deep)] == ["invalid_arguments"]
    assert_problem(call("POST", "/jobs/batch", {"jobs": [deep | {"args": [[[[nested]]]]}]}), 400, "malformed_json")


def test_jobs_are_acted_on_by_id_each_with_a_result(call: Caller) -> None:
    call.given_job("a")
    call.given_job("b")

    paused = act(call, action="pause", ids=["b", "none", "a", "b"], reason="move")

    assert paused["matched"] == 3
    assert [(item["id"], item["status"]) for item in paused["items"]] == [("b", 200), ("none", 404), ("a", 200)]
    assert paused["items"][0]["job"]["paused"] == {"until": None, "reason": "move"}
    assert paused["items"][1]["problem"]["code"] == "not_found"
    assert act(call, action="resume", ids=["a"])["items"][0]["job"]["state"] == "active"
    ran = act(call, action="run", ids=["a"])["items"][0]
    assert (ran["status"], ran["run"]["origin"]) == (202, "manual")
    assert act(call, action="delete", ids=["a"])["items"] == [
        {"id": "a", "status": 204, "job": None, "run": None, "problem": None}
    ]
    assert_problem(call("GET", "/jobs/a"), 404)


@pytest.mark.slow
def test_jobs_are_acted_on_by_filter_and_the_answer_says_how_many_there_were(call: Caller) -> None:
    batch(call, *[PLAIN | {"id": f"job-{n:04}", "tags": ["many"]} for n in range(1000)])
    call.given_job("job-9999", tags=["many"])
    call.given_job("other")

    first = act(call, action="delete", filter={"tag": ["many"], "state": "active"})
    assert (first["matched"], len(first["items"])) == (1001, 1000)
    assert {item["status"] for item in first["items"]} == {204}
    second = act(call, action="delete", filter={"q": "job-", "trigger": "interval"})
    assert [item["id"] for item in second["items"]] == ["job-9999"]
    assert act(call, action="pause", filter={"task": ["total"]}) == {"matched": 0, "items": []}
    assert [job["id"] for job in call("GET", "/jobs").get_json()["items"]] == ["other"]


@pytest.mark.parametrize(
    ("content", "pointer", "words"),
    [
        ({"action": "pause"}, "", "'ids' or 'filter'"),
        ({"action": "pause", "ids": ["a"], "filter": {"q": "a"}}, "", "'ids' or 'filter'"),
        ({"action": "pause", "filter": {}}, "/filter", "allowed are state, task, tag, trigger, next_run_before, q"),
        ({"action": "stop", "ids": ["a"]}, "/action", "'pause', 'resume', 'run' or 'delete', got 'stop'"),
        ({"action": "resum", "ids": ["a"]}, "/action", "did you mean 'resume'?"),
        ({"action": "run", "ids": ["a"], "reason": "x"}, "/reason", "'pause' alone"),
        ({"action": "run", "ids": ["../x"]}, "/ids/0", "pattern"),
        ({"action": "run", "ids": ["a"] * 1001}, "/ids", "at most 1000"),
        ({"action": "run", "filter": {"stat": "active"}}, "/filter/stat", "did you mean 'state'?"),
        ({"action": "run", "filter": {"state": ["activ"]}}, "/filter/state/0", "did you mean 'active'?"),
        ({"action": "run", "filter": {"trigger": "corn"}}, "/filter/trigger/0", "did you mean 'cron'?"),
    ],
)
def test_an_action_that_cannot_be_is_refused_whole(
    call: Caller, content: dict[str, Any], pointer: str, words: str
) -> None:
    call.given_job("a")
    problem = assert_problem(call("POST", "/jobs/actions", content), 422, "invalid")
    assert pointers(problem) == [pointer]
    assert words in problem["detail"]
