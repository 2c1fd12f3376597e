"""Jobs that come after others, over HTTP: what is admitted, what is refused, and what a caller sees of them."""

import threading
from typing import Any

import pytest

from scheduler_app.schemas.job import JobOut
from tests.api.conftest import Caller, assert_problem, every, pointers


def after(job: str, on: str | None = None) -> dict[str, Any]:
    return {"type": "after", "job": job} | ({} if on is None else {"on": on})


@pytest.fixture
def chain(call: Caller) -> Caller:
    """The jobs c after b after a."""
    call.given_job("a")
    call.given_job("b", trigger=after("a"))
    call.given_job("c", trigger=after("b", "finish"))
    return call


def refused(call: Caller, method: str, path: str, content: dict[str, Any], code: str = "invalid_trigger") -> str:
    problem = assert_problem(call(method, path, content), 422, code)
    assert pointers(problem) == ["/trigger/job"]
    detail: str = problem["errors"][0]["detail"]
    return detail


def job(job_id: str, trigger: dict[str, Any]) -> dict[str, Any]:
    return {"id": job_id, "task": "greet", "kwargs": {"name": "Ada"}, "trigger": trigger}


def test_a_job_after_another_one_is_active_and_has_no_time(chain: Caller) -> None:
    found = chain("GET", "/jobs/b").get_json()
    assert (found["state"], found["next_run_time"], found["warning"]) == ("active", None, None)
    assert found["trigger"] == {"type": "after", "job": "a", "on": "success"}
    assert [item["id"] for item in chain("GET", "/jobs?trigger=after").get_json()["items"]] == ["b", "c"]
    assert [item["id"] for item in chain("GET", "/jobs?state=active").get_json()["items"]] == ["a", "b", "c"]


def test_a_preview_tells_it_in_words_and_has_no_times(chain: Caller) -> None:
    def preview(trigger: dict[str, Any]) -> dict[str, Any]:
        content: dict[str, Any] = chain("POST", "/triggers/preview", {"trigger": trigger}).get_json()
        return content

    said = [preview(after("a", on))["description"] for on in (None, "failure", "finish")]
    assert said == ["After each success of a", "After each failure of a", "After each run of a, however it ends"]
    assert preview(after("a")) == {"description": said[0], "next_run_times": [], "warnings": []}
    assert "no job 'none' yet" in preview(after("none"))["warnings"][0]


@pytest.mark.parametrize(
    ("trigger", "pointer", "words"),
    [
        ({"type": "after"}, "/job", "'job' is missing"),
        (after(""), "/job", "must be the id of a job"),
        ({"type": "after", "job": 7}, "/job", "got 7"),
        (after("a", "sucess"), "/on", "one of success, failure, finish, got 'sucess'; did you mean 'success'?"),
        ({**after("a"), "on": ["success"]}, "/on", "got a list"),
        ({**after("a"), "jitter": 5}, "/jitter", "allowed are job, on"),
        ({**after("a"), "start_date": "2031-01-01T00:00:00Z"}, "/start_date", "is no field of this trigger"),
        ({"type": "or", "triggers": [every(hours=1), after("a")]}, "/triggers/1/type", "a job of its own"),
        ({"type": "and", "triggers": [after("a")]}, "/triggers/0/type", "a job of its own"),
    ],
)
def test_what_is_no_such_trigger_is_refused_with_its_field(
    chain: Caller, trigger: dict[str, Any], pointer: str, words: str
) -> None:
    for problem in (
        assert_problem(chain("POST", "/jobs", job("new", trigger)), 422, "invalid_trigger"),
        assert_problem(chain("POST", "/triggers/preview", {"trigger": trigger}), 422, "invalid_trigger"),
    ):
        assert pointers(problem) == [f"/trigger{pointer}"]
        assert words in problem["errors"][0]["detail"]


def test_a_job_after_one_that_is_not_there_is_refused_and_the_nearest_is_named(call: Caller) -> None:
    call.given_job("nightly-extract")
    wanted = after("nightly-extrakt")
    expected = "there is no job 'nightly-extrakt' to come after; did you mean 'nightly-extract'?"
    assert refused(call, "POST", "/jobs", job("child", wanted)) == expected
    assert (
        refused(call, "PUT", "/jobs/child", {"task": "greet", "kwargs": {"name": "A"}, "trigger": wanted}) == expected
    )
    assert refused(call, "PATCH", "/jobs/nightly-extract", {"trigger": wanted}) == expected
    assert_problem(call("GET", "/jobs/child"), 404)


def test_a_circle_is_refused_with_its_path_by_every_call_that_could_close_it(chain: Caller) -> None:
    path = "a job cannot come after itself: a after c after b after a"
    content = {"task": "greet", "kwargs": {"name": "Ada"}, "trigger": after("c")}
    assert refused(chain, "PATCH", "/jobs/a", {"trigger": after("c")}) == path
    assert refused(chain, "PUT", "/jobs/a", content) == path
    assert refused(chain, "POST", "/jobs", job("new", after("new"))) == (
        "a job cannot come after itself: new after new"
    )
    assert refused(chain, "PATCH", "/jobs/b", {"trigger": {"job": "b"}}).endswith("b after b")
    chain("DELETE", "/jobs/a")
    assert refused(chain, "POST", "/jobs", job("a", after("c"))) == path
    assert chain("GET", "/jobs/b").get_json()["version"] == 1


def test_of_two_changes_at_one_time_the_second_cannot_close_a_circle(call: Caller) -> None:
    for number in range(6):
        call.given_job(f"x{number}")
        call.given_job(f"y{number}")
        barrier = threading.Barrier(2)
        statuses: list[int] = []

        def change(
            job_id: str, parent: str, barrier: threading.Barrier = barrier, statuses: list[int] = statuses
        ) -> None:
            barrier.wait(timeout=10)
            client = Caller(call.client.application.test_client())
            statuses.append(client("PATCH", f"/jobs/{job_id}", {"trigger": after(parent)}).status_code)

        pair = [(f"x{number}", f"y{number}"), (f"y{number}", f"x{number}")]
        threads = [threading.Thread(target=change, args=ids) for ids in pair]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=20)
        assert sorted(statuses) == [200, 422]


def test_a_chain_may_have_a_hundred_jobs(call: Caller) -> None:
    jobs = [job("j0", every(hours=1)), *(job(f"j{number}", after(f"j{number - 1}")) for number in range(1, 102))]
    answer = call("POST", "/jobs/batch", {"jobs": jobs}).get_json()["items"]
    assert [item["status"] for item in answer[:100]] == [201] * 100
    detail = answer[100]["problem"]["errors"][0]["detail"]
    assert detail == "a chain may have 100 jobs, this would be longer: j100 after j99 after j98 after j97 ..."


def test_in_a_batch_a_job_may_come_after_one_that_stands_behind_it(call: Caller) -> None:
    content = {"jobs": [job("c", after("b")), job("b", after("a")), job("x", after("none")), job("a", every(hours=1))]}
    rehearsed = call("POST", "/jobs/batch?dry_run=true", content).get_json()["items"]
    items = call("POST", "/jobs/batch", content).get_json()["items"]
    assert [item["status"] for item in items] == [item["status"] for item in rehearsed] == [201, 201, 422, 201]
    assert [item["job"] and item["job"]["id"] for item in items] == ["c", "b", None, "a"]
    assert items[0]["job"]["warning"] is None


def test_a_circle_in_a_batch_is_refused(call: Caller) -> None:
    content = {"jobs": [job("b", after("a")), job("a", after("b")), job("ok", every(hours=1))]}
    items = call("POST", "/jobs/batch", content).get_json()["items"]
    assert [item["status"] for item in items] == [422, 422, 201]
    assert items[0]["problem"]["errors"][0]["pointer"] == "/trigger/job"


def test_a_job_whose_parent_was_deleted_is_kept_and_says_that_it_never_fires(chain: Caller) -> None:
    assert chain("DELETE", "/jobs/a").status_code == 204
    found = chain("GET", "/jobs/b")
    JobOut.model_validate_json(found.text)
    why = "it never fires: it comes after job 'a', and there is none; add one of that id, or change the trigger"
    assert (found.get_json()["warning"], found.get_json()["state"]) == (why, "active")
    assert chain("GET", "/jobs/b/forecast").get_json()["why"] == why
    listed = {item["id"]: item["warning"] for item in chain("GET", "/jobs").get_json()["items"]}
    assert listed == {"b": why, "c": None}
    assert chain("PATCH", "/jobs/b", {"priority": 3}).get_json()["warning"] == why
    same = {"task": "greet", "kwargs": {"name": "Ada"}, "trigger": after("a")}
    assert chain("PUT", "/jobs/b", same).status_code == 200
    chain.given_job("a")
    assert chain("GET", "/jobs/b").get_json()["warning"] is None


def test_a_forecast_says_what_it_waits_for(chain: Caller) -> None:
    told = chain("GET", "/jobs/c/forecast").get_json()
    assert told["next_run_times"] == []
    assert told["why"] == "it has no times of its own: After each run of b, however it ends"
    chain("POST", "/jobs/c/pause", {})
    assert "paused" in chain("GET", "/jobs/c/forecast").get_json()["why"]
    assert [item["job_id"] for item in chain("GET", "/upcoming").get_json()["items"]] == ["a"]


def test_a_job_may_be_changed_from_times_to_runs_and_back(chain: Caller) -> None:
    changed = chain("PATCH", "/jobs/c", {"trigger": {"on": "failure"}}).get_json()
    assert changed["trigger"] == {"type": "after", "job": "b", "on": "failure"}
    timed = chain("PATCH", "/jobs/c", {"trigger": every(minutes=5)}).get_json()
    assert (timed["state"], timed["next_run_time"]) == ("active", "2030-01-01T12:05:00Z")
    again = chain("PATCH", "/jobs/c", {"trigger": after("a")}).get_json()
    assert (again["state"], again["next_run_time"]) == ("active", None)
    one_off = chain("POST", "/jobs", {"id": "once", "task": "greet", "kwargs": {"name": "A"}}).get_json()
    assert one_off["trigger"] is None
    assert chain("PATCH", "/jobs/once", {"trigger": after("a")}).get_json()["trigger"]["type"] == "after"


def test_pausing_resuming_and_skipping_work_as_for_any_job(chain: Caller) -> None:
    assert chain("POST", "/jobs/b/pause", {"reason": "no"}).get_json()["state"] == "paused"
    assert chain("POST", "/jobs/b/skip", {"count": 2}).get_json()["skip_count"] == 2
    assert chain("POST", "/jobs/b/resume").get_json()["state"] == "active"
    assert chain.given_run("b")["parent"] is None


def test_putting_the_same_again_changes_nothing(chain: Caller) -> None:
    content = {"task": "greet", "kwargs": {"name": "Ada"}, "trigger": after("a")}
    assert chain("PUT", "/jobs/b", content).get_json()["version"] == 1
    assert chain("PUT", "/jobs/new", {**content, "trigger": after("b", "failure")}).status_code == 201
