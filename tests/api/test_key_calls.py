"""Keys are made, listed and revoked over HTTP; each is told once."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from flask_openapi.openapi import OpenAPI

from scheduler_app.errors import LastAdminKey
from scheduler_app.services import keys
from scheduler_app.services.context import Context
from scheduler_app.store.callers import api_keys
from scheduler_app.store.keys import digest_of
from tests.api.conftest import Caller, SettableClock, assert_problem, pointers

HIDDEN = {"digest", "key", "secret"}


def made(call: Caller, name: str = "ops", role: str = "operator", **more: Any) -> dict[str, Any]:
    response = call("POST", "/api-keys", {"name": name, "role": role} | more)
    assert response.status_code == 201, response.text
    key: dict[str, Any] = response.get_json()
    return key


def using(call: Caller, key: str) -> Caller:
    return Caller(call.client, headers={"Authorization": f"Bearer {key}"})


def listed(call: Caller, **query: Any) -> dict[str, dict[str, Any]]:
    items = call("GET", "/api-keys", query_string=query).get_json()["items"]
    return {item["name"]: item for item in items}


def test_a_new_key_is_good_for_its_role_at_once(call: Caller):
    key = made(call, role="viewer")
    viewer = using(call, key["key"])
    assert viewer("GET", "/jobs").status_code == 200
    assert_problem(viewer("POST", "/scheduler/pause"), 403, "forbidden")
    assert_problem(viewer("GET", "/api-keys"), 403, "forbidden")


def test_a_key_is_told_once_and_kept_as_a_digest(call: Caller, ctx: Context):
    key = made(call, expires_in=3600)
    assert len(key["key"]) == 43
    shown = listed(call)["ops"]
    assert not HIDDEN & shown.keys()
    assert shown == {name: value for name, value in key.items() if name != "key"}
    assert key["prefix"] == key["key"][:6]
    assert (key["state"], key["created_by"], key["expires_at"]) == ("active", "admin", "2030-01-01T13:00:00Z")
    with ctx.database.read() as tx:
        row = tx.execute(sa.select(api_keys).where(api_keys.c.id == key["id"])).one()
    assert key["key"] not in repr(row)
    assert row.digest == digest_of(key["key"])


def test_a_key_expires_to_the_second_also_when_it_was_just_used(call: Caller, clock: SettableClock):
    key = made(call, expires_in=2.5)
    ops = using(call, key["key"])
    clock.advance(2.4)
    assert ops("GET", "/jobs").status_code == 200
    clock.advance(0.1)
    assert_problem(ops("GET", "/jobs"), 401, "unauthorized")
    assert listed(call)["ops"]["state"] == "expired"


def test_a_revoked_key_is_refused_at_once_and_shown_only_when_asked_for(call: Caller, ctx: Context):
    key = made(call)
    ops = using(call, key["key"])
    assert ops("GET", "/jobs").status_code == 200
    assert call("DELETE", f"/api-keys/{key['id']}").status_code == 204
    assert_problem(ops("GET", "/jobs"), 401, "unauthorized")
    assert "ops" not in listed(call)
    assert listed(call, state="revoked")["ops"]["revoked_at"] == "2030-01-01T12:00:00Z"
    assert_problem(call("DELETE", f"/api-keys/{key['id']}"), 404, "not_found")
    with ctx.database.read() as tx:
        digests = tx.execute(sa.select(api_keys.c.digest)).scalars().all()
    assert digest_of(key["key"]) not in digests, "an older version of the package would take it still"


def test_another_process_refuses_a_revoked_key_within_five_seconds(
    call: Caller, build: Callable[..., OpenAPI], ctx: Context, clock: SettableClock
):
    key = made(call)
    ops = using(call, key["key"])
    assert ops("GET", "/jobs").status_code == 200
    ctx.database.write(lambda tx: tx.execute(api_keys.update().values(revoked_at=1).where(api_keys.c.name == "ops")))
    clock.advance(5.0)
    assert_problem(ops("GET", "/jobs"), 401)


def test_the_last_admin_key_that_lasts_cannot_be_revoked(call: Caller):
    first = listed(call)["admin"]["id"]
    made(call, "soon gone", "admin", expires_in=60)
    problem = assert_problem(call("DELETE", f"/api-keys/{first}"), 409, "last_admin_key")
    assert problem["detail"] == "key 'admin' is the last admin key that does not expire; make another one first"
    other = using(call, made(call, "other", "admin")["key"])
    assert call("DELETE", f"/api-keys/{first}").status_code == 204
    assert_problem(call("GET", "/jobs"), 401)
    assert list(listed(other)) == ["soon gone", "other"]


def test_two_admins_who_revoke_each_other_at_once_leave_one(call: Caller, ctx: Context):
    made(call, "other", "admin")
    start, refused = threading.Barrier(2), []

    def revoke(key_id: int) -> None:
        start.wait()
        try:
            keys.revoke_key(key_id, ctx=ctx)
        except LastAdminKey as error:
            refused.append(error)

    threads = [threading.Thread(target=revoke, args=[key_id]) for key_id in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    left = keys.list_keys((), after=None, limit=10, ctx=ctx).keys
    assert [key.role for key in left] == ["admin"]


def test_two_good_keys_have_two_names_and_a_name_is_free_again(call: Caller):
    key = made(call)
    problem = assert_problem(call("POST", "/api-keys", {"name": "ops", "role": "viewer"}), 409, "name_taken")
    assert pointers(problem) == ["/name"]
    call("DELETE", f"/api-keys/{key['id']}")
    made(call)


@pytest.mark.parametrize(
    ("body", "pointer", "told"),
    [
        ({"role": "viewer"}, "/name", "is required"),
        ({"name": "a"}, "/role", "is required"),
        ({"name": "", "role": "viewer"}, "/name", "at least 1"),
        ({"name": "a\x1b[2J", "role": "viewer"}, "/name", "control"),
        ({"name": "x" * 192, "role": "viewer"}, "/name", "at most 191"),
        ({"name": "engine", "role": "viewer"}, "/name", "another one, got 'engine'"),
        ({"name": "a", "role": "veiwer"}, "/role", "did you mean 'viewer'"),
        ({"name": "a", "role": "viewer", "expires_in": 0}, "/expires_in", "greater than 0"),
        ({"name": "a", "role": "viewer", "expires_in": 1e12}, "/expires_in", "less than or equal"),
        ({"name": "a", "role": "viewer", "expires_in": "60"}, "/expires_in", "valid number"),
        ({"name": "a", "role": "viewer", "key": "mine"}, "/key", "is no field here"),
    ],
)
def test_what_is_wrong_with_a_key_is_told_by_field(call: Caller, body: dict[str, Any], pointer: str, told: str):
    problem = assert_problem(call("POST", "/api-keys", body), 422, "invalid")
    assert pointers(problem) == [pointer]
    assert told in problem["detail"]


@pytest.mark.parametrize("key_id", ["0", "-1", "99", "x", "1.0", "9" * 19, "١"])
def test_there_is_no_such_key(call: Caller, key_id: str):
    assert_problem(call("DELETE", f"/api-keys/{key_id}"), 404, "not_found")


def test_keys_are_listed_in_pages_that_belong_to_their_filter(call: Caller):
    for number in range(4):
        made(call, f"key {number}", "viewer")
    page = call("GET", "/api-keys?limit=2").get_json()
    names = [item["name"] for item in page["items"]]
    while page["next_cursor"]:
        page = call("GET", f"/api-keys?limit=2&cursor={page['next_cursor']}").get_json()
        names += [item["name"] for item in page["items"]]
    assert names == ["admin", "key 0", "key 1", "key 2", "key 3"]
    cursor = call("GET", "/api-keys?limit=2").get_json()["next_cursor"]
    assert_problem(call("GET", f"/api-keys?limit=2&state=revoked&cursor={cursor}"), 400, "bad_query")


def test_the_last_use_is_known_to_the_minute_and_written_after_the_answer(
    call: Caller, ctx: Context, clock: SettableClock
):
    key = made(call)
    ops = using(call, key["key"])

    def use() -> str | None:
        response = ops("GET", "/jobs")
        before = ctx.database.commits
        response.close()  # as a server does when it has sent the answer
        return f"{ctx.database.commits - before} {listed(call)['ops']['last_used_at']}"

    assert use() == "1 2030-01-01T12:00:00Z"
    clock.advance(30)
    assert use() == "0 2030-01-01T12:00:00Z"
    clock.advance(31)
    assert use() == "1 2030-01-01T12:01:01Z"


def test_a_dry_run_makes_no_key(call: Caller):
    response = call("POST", "/api-keys?dry_run=true", {"name": "ops", "role": "viewer"})
    assert response.status_code == 201
    assert_problem(using(call, response.get_json()["key"])("GET", "/jobs"), 401)
    assert "ops" not in listed(call)
