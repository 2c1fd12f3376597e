"""One engine over HTTP: drained, resumed, and forgotten when it is gone."""

from typing import Any

import pytest

from scheduler_app.schemas.scheduler import EngineOut
from scheduler_app.services.context import Context
from scheduler_app.store import engines
from scheduler_app.store.engines import EngineState
from tests.api.conftest import Caller, SettableClock, assert_problem
from tests.api.test_scheduler_calls import IDENTITY, engine_of


def states(call: Caller) -> list[tuple[int, str, str | None]]:
    listed = call("GET", "/scheduler").get_json()["engines"]
    return [(engine["id"], engine["state"], engine["drained_at"]) for engine in reversed(listed)]


def noted(call: Caller) -> list[tuple[str, str]]:
    return [(change["what"], change["subject"]) for change in call("GET", "/audit").get_json()["items"]]


@pytest.fixture
def engine(ctx: Context, clock: SettableClock) -> int:
    return engine_of(ctx, clock, tasks=["greet"])


def test_an_engine_is_drained_and_resumed_and_both_are_on_record(
    call: Caller, engine: int, clock: SettableClock
) -> None:
    drained = call("POST", f"/scheduler/engines/{engine}/drain")
    assert drained.status_code == 200, drained.text
    EngineOut.model_validate(drained.get_json())
    clock.advance(60)
    assert call("POST", f"/scheduler/engines/{engine}/drain").get_json()["drained_at"] == "2030-01-01T12:00:00Z"
    assert states(call) == [(engine, "draining", "2030-01-01T12:00:00Z")]

    assert call("POST", f"/scheduler/engines/{engine}/resume").get_json()["state"] == "running"
    assert call("POST", f"/scheduler/engines/{engine}/resume").status_code == 200
    assert states(call) == [(engine, "running", None)]
    assert noted(call) == [("engine.resumed", f"engine:{engine}"), ("engine.drained", f"engine:{engine}")]


def test_an_engine_that_beats_is_not_forgotten_and_one_that_is_gone_is(call: Caller, engine: int, ctx: Context) -> None:
    for _ in range(2):
        problem = assert_problem(call("DELETE", f"/scheduler/engines/{engine}"), 409, "conflict")
        assert "its last beat was at 2030-01-01T12:00:00Z" in problem["detail"]
        call("POST", f"/scheduler/engines/{engine}/drain")
    ctx.database.write(lambda tx: engines.declare_dead(tx, engine, beat=1))
    assert_problem(call("POST", f"/scheduler/engines/{engine}/resume"), 409, "conflict")
    assert call("DELETE", f"/scheduler/engines/{engine}?dry_run=true").status_code == 204
    assert [state for _, state, _ in states(call)] == ["dead"]
    assert call("DELETE", f"/scheduler/engines/{engine}").status_code == 204
    assert states(call) == []
    assert noted(call)[0] == ("engine.forgotten", f"engine:{engine}")
    for path in (f"/scheduler/engines/{engine}", "/scheduler/engines/99"):
        assert_problem(call("DELETE", path), 404, "not_found")


@pytest.mark.parametrize(
    ("identity", "state", "why"),
    [
        ({"celery_pool": "prefork"}, None, "stop that worker"),
        ({}, EngineState.STOPPED, "has ended"),
        ({}, EngineState.DEAD, "has ended"),
    ],
)
def test_what_cannot_be_drained_is_refused(
    call: Caller, ctx: Context, clock: SettableClock, identity: dict[str, Any], state: EngineState | None, why: str
) -> None:
    who = IDENTITY | identity
    engine = ctx.database.write(lambda tx: engines.register(tx, who, tasks=[], slots=0, now=clock.now()))
    if state is not None:
        ctx.database.write(lambda tx: engines.set_state(tx, engine, state))
    assert why in assert_problem(call("POST", f"/scheduler/engines/{engine}/drain"), 409, "conflict")["detail"]
    assert_problem(call("POST", "/scheduler/engines/99/drain"), 404, "not_found")
    assert_problem(call("POST", "/scheduler/engines/x/drain"), 404, "not_found")


def test_an_engine_that_stops_is_not_taken_back(call: Caller, engine: int, ctx: Context) -> None:
    call("POST", f"/scheduler/engines/{engine}/drain")
    ctx.database.write(lambda tx: engines.set_state(tx, engine, EngineState.DRAINING))
    problem = assert_problem(call("POST", f"/scheduler/engines/{engine}/resume"), 409, "conflict")
    assert "its process was told to end" in problem["detail"]
