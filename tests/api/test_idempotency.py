"""A call with an `Idempotency-Key` is carried out once."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from flask_openapi.openapi import OpenAPI

from scheduler_app.services.context import Context
from scheduler_app.services.keys import add_admin_key
from scheduler_app.store import idempotency
from tests.api.conftest import Caller, SettableClock, assert_problem, every, pointers

ONE_OFF: dict[str, Any] = {"task": "greet", "kwargs": {"name": "Ada"}}
KEYED = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}


def job_count(call: Caller) -> int:
    return len(call("GET", "/jobs?limit=1000").get_json()["items"])


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/jobs", ONE_OFF),
        ("/jobs", ONE_OFF | {"id": "mine", "trigger": every(hours=1)}),
        ("/jobs/batch", {"jobs": [ONE_OFF, {"task": "none"}]}),
        ("/jobs/a/run", {"kwargs": {"name": "Bob"}}),
    ],
)
def test_a_replay_gives_the_same_answer_and_does_nothing(call: Caller, path: str, content: dict[str, Any]) -> None:
    call.given_job("a", max_instances=9)
    first = call("POST", path, content, headers=KEYED)
    before = call("GET", "/runs").get_json(), job_count(call)

    again = call("POST", path, content, headers=KEYED)

    assert (again.status_code, again.data) == (first.status_code, first.data)
    for name in ("Location", "ETag", "Content-Type", "Content-Length"):
        assert again.headers.get(name) == first.headers.get(name)
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (call("GET", "/runs").get_json(), job_count(call)) == before


def test_the_order_and_the_spaces_of_a_body_do_not_make_it_another_one(call: Caller) -> None:
    kind = {"Content-Type": "application/json"} | KEYED
    first = call("POST", "/jobs", data=b'{"task":"greet","kwargs":{"name":"A","times":2}}', headers=kind)
    again = call("POST", "/jobs", data=b'{ "kwargs": {"times": 2, "name": "A"}, "task": "greet" }', headers=kind)
    assert again.data == first.data


def test_a_key_of_another_call_is_refused(call: Caller) -> None:
    call.given_job("a")
    call.given_job("b")
    assert call("POST", "/jobs/a/run", headers=KEYED).status_code == 202

    for path, content in (("/jobs/a/run", {"kwargs": {"name": "B"}}), ("/jobs/b/run", None), ("/jobs", ONE_OFF)):
        problem = assert_problem(call("POST", path, content, headers=KEYED), 422, "idempotency_key_reused")
        assert pointers(problem) == ["/Idempotency-Key"]
    assert len(call("GET", "/runs").get_json()["items"]) == 1


def test_a_refused_call_leaves_its_key_free(call: Caller) -> None:
    assert_problem(call("POST", "/jobs", {"task": "greet"}, headers=KEYED), 422, "invalid_arguments")
    assert call("POST", "/jobs", ONE_OFF, headers=KEYED).status_code == 202


def test_a_key_is_forgotten_after_24_hours_and_pruned(call: Caller, clock: SettableClock, ctx: Context) -> None:
    first = call("POST", "/jobs", ONE_OFF, headers=KEYED)
    clock.advance(24 * 3600 - 1)
    assert call("POST", "/jobs", ONE_OFF, headers=KEYED).data == first.data
    clock.advance(2)
    assert call("POST", "/jobs", ONE_OFF, headers=KEYED).data != first.data
    for n in range(5):
        call("POST", "/jobs", ONE_OFF, headers={"Idempotency-Key": f"old-{n}"})
    clock.advance(24 * 3600 + 1)
    call("POST", "/jobs", ONE_OFF, headers={"Idempotency-Key": "new"})
    with ctx.database.read() as tx:
        assert tx.execute(sa.select(idempotency.idempotency.c.key)).scalars().all() == ["new"]


def test_a_key_belongs_to_the_api_key_that_sent_it(call: Caller, ctx: Context, clock: SettableClock) -> None:
    ctx.database.write(lambda tx: add_admin_key(tx, "another-key", clock.now()))
    first = call("POST", "/jobs", ONE_OFF, headers=KEYED)
    other = call("POST", "/jobs", ONE_OFF, headers=KEYED | {"Authorization": "Bearer another-key"})
    assert other.status_code == 202
    assert other.get_json()["id"] != first.get_json()["id"]


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "ä", "a\tb"])
def test_a_key_that_is_none_is_refused(call: Caller, key: str) -> None:
    problem = assert_problem(call("POST", "/jobs", ONE_OFF, headers={"Idempotency-Key": key}), 400, "bad_header")
    assert pointers(problem) == ["/Idempotency-Key"]
    assert job_count(call) == 0


def test_fifty_threads_with_one_key_make_one_job(build: Callable[..., OpenAPI]) -> None:
    app = build()
    start = threading.Barrier(50)
    answers: list[tuple[int, bytes]] = []

    def send() -> None:
        call = Caller(app.test_client())
        start.wait(30)
        response = call("POST", "/jobs", ONE_OFF, headers=KEYED)
        answers.append((response.status_code, response.data))

    threads = [threading.Thread(target=send) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    call = Caller(app.test_client())
    assert len(answers) == 50
    assert {status for status, _ in answers} <= {202, 409}
    assert len({data for status, data in answers if status == 202}) == 1
    assert job_count(call) == 1
    assert len(call("GET", "/runs").get_json()["items"]) == 1


def test_a_call_while_the_first_is_being_carried_out_is_refused(call: Caller, ctx: Context) -> None:
    with ctx.underway.alone((1, KEYED["Idempotency-Key"])):
        response = call("POST", "/jobs", ONE_OFF, headers=KEYED)
    assert_problem(response, 409, "idempotency_key_in_flight")
    assert response.headers["Retry-After"] == "1"
    assert call("POST", "/jobs", ONE_OFF, headers=KEYED).status_code == 202


def test_another_process_that_was_first_is_found_inside_the_transaction(
    call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = call("POST", "/jobs", ONE_OFF, headers=KEYED)
    find, looks = idempotency.find, []

    def blind_at_first(*args: Any) -> Any:
        looks.append(args)
        return find(*args) if len(looks) > 1 else None

    monkeypatch.setattr(idempotency, "find", blind_at_first)
    again = call("POST", "/jobs", ONE_OFF, headers=KEYED)
    assert (again.data, again.headers["Idempotency-Replayed"]) == (first.data, "true")
    assert job_count(call) == 1
