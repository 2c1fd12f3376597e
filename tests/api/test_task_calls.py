"""Reading tasks over HTTP."""

from scheduler_app.schemas.task import TaskList, TaskOut
from tests.api.conftest import Caller, assert_problem


def test_tasks_are_listed_by_name_with_their_arguments_and_defaults(call: Caller) -> None:
    page = call("GET", "/tasks").get_json()

    TaskList.model_validate(page)
    assert [task["name"] for task in page["items"]] == ["greet", "total"]
    greet = page["items"][0]
    assert greet["doc"] == "Say hello."
    assert greet["arguments"]["required"] == ["name"]
    assert greet["defaults"]["max_retries"] == 2


def test_a_task_is_found_by_name(call: Caller) -> None:
    task = call("GET", "/tasks/total").get_json()
    TaskOut.model_validate(task)
    assert task["name"] == "total"


def test_a_task_that_is_not_there_is_not_found(call: Caller) -> None:
    assert "did you mean 'greet'" in assert_problem(call("GET", "/tasks/gret"), 404, "not_found")["detail"]
    assert_problem(call("GET", "/tasks/os:system%20x"), 404, "not_found")
