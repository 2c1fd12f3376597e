"""Reading and cancelling runs over HTTP."""

from scheduler_app.schemas.run import LogOut, RunDetailOut, RunList
from scheduler_app.services.context import Context
from scheduler_app.store import logs
from tests.api.conftest import Caller, SettableClock, assert_problem, pointers


def test_a_run_tells_every_field_of_the_contract(call: Caller) -> None:
    call.given_job("a")
    run = call("GET", f"/runs/{call.given_run('a')['id']}").get_json()

    RunDetailOut.model_validate(run)
    assert set(run) == {field.alias or name for name, field in RunDetailOut.model_fields.items()}
    assert run["scheduled_at"] == run["queued_at"] == "2030-01-01T12:00:00Z"
    assert (run["missed"], run["error"], run["result"], run["progress"]) == (None, None, None, None)
    assert (run["attempt"], run["max_attempts"], run["duration"], run["lateness"]) == (0, 3, None, None)


def test_runs_are_filtered_and_listed_page_by_page(call: Caller, clock: SettableClock) -> None:
    call.given_job("a", max_instances=9)
    call.given_job("b", task="total", kwargs={"numbers": []}, max_instances=9)
    first, second = call.given_run("a")["id"], call.given_run("b")["id"]
    clock.advance(60)
    third = call.given_run("a")["id"]

    def listed(query: str) -> list[int]:
        page = call("GET", f"/runs?{query}").get_json()
        RunList.model_validate(page)
        return [run["id"] for run in page["items"]]

    assert listed("") == [third, second, first]
    assert listed("job_id=a") == [third, first]
    assert listed("job_id=a,b&task=total") == [second]
    assert listed("origin=once,schedule") == []
    assert listed("state=queued") == [third, second, first]
    assert listed("from=2030-01-01T12:01:00Z") == [third]
    assert listed("to=2030-01-01T13:01:00%2B01:00") == [second, first]
    cursor = call("GET", "/runs?limit=2").get_json()["next_cursor"]
    assert listed(f"limit=2&cursor={cursor}") == [first]


def test_a_waiting_run_is_cancelled_once(call: Caller) -> None:
    call.given_job("a")
    run_id = call.given_run("a")["id"]

    response = call("POST", f"/runs/{run_id}/cancel")

    assert response.status_code == 202
    assert response.headers["Location"] == f"/api/v1/runs/{run_id}"
    assert (response.get_json()["state"], response.get_json()["reason"]) == ("cancelled", "requested")
    assert_problem(call("POST", f"/runs/{run_id}/cancel"), 409, "conflict")


def test_a_log_is_read_by_offset(call: Caller, ctx: Context) -> None:
    call.given_job("a")
    run_id = call.given_run("a")["id"]
    ctx.database.write(lambda tx: logs.append(tx, run_id, 1, 0, [logs.LogPiece(start=0, data=b"hello\n")]))

    log = call("GET", f"/runs/{run_id}/log").get_json()
    LogOut.model_validate(log)
    assert (log["text"], log["next_offset"], log["complete"]) == ("hello\n", 6, False)
    assert call("GET", f"/runs/{run_id}/log?offset=3").get_json()["text"] == "lo\n"
    problem = assert_problem(call("GET", f"/runs/{run_id}/log?offset=-1"), 400, "bad_query")
    assert pointers(problem) == ["/offset"]


def test_a_run_that_is_not_there_is_not_found(call: Caller) -> None:
    for run_id in ("1", "0", "-1", "x", "1.0", "%D9%A1", "9" * 19, "9" * 5000):
        for path, method in (
            (f"/runs/{run_id}", "GET"),
            (f"/runs/{run_id}/log", "GET"),
            (f"/runs/{run_id}/cancel", "POST"),
        ):
            assert_problem(call(method, path), 404, "not_found")
