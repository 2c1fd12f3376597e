"""The scheduler as a whole over HTTP."""

import sqlalchemy as sa

from scheduler_app.schemas.scheduler import SchedulerOut
from scheduler_app.services.context import Context
from scheduler_app.store import claims, engines
from scheduler_app.store.engines import EngineState
from tests.api.conftest import Caller, SettableClock

IDENTITY = {
    "node": "n",
    "host": "h",
    "pid": 7,
    "process_start": "1",
    "parent_pid": 1,
    "parent_start": "1",
    "version": "1",
}


def test_the_scheduler_tells_engines_counts_and_lag(call: Caller, ctx: Context, clock: SettableClock) -> None:
    ctx.database.write(lambda tx: engines.register(tx, IDENTITY, tasks=["greet"], slots=10, now=clock.now()))
    call.given_job("a")
    call.given_run("a")
    clock.advance(330)

    state = call("GET", "/scheduler").get_json()

    SchedulerOut.model_validate(state)
    assert [(engine["host"], engine["pid"], engine["tasks"]) for engine in state["engines"]] == [("h", 7, ["greet"])]
    assert "process_start" not in state["engines"][0]
    assert state["jobs"] == {"active": 1}
    assert state["open_runs"] == {"queued": 1}
    assert state["lag"] == 30.0
    assert state["paused"] is None


def test_everything_is_paused_with_a_reason_and_resumed(call: Caller) -> None:
    paused = call("POST", "/scheduler/pause", {"reason": "moving house"})
    assert paused.status_code == 200
    assert paused.get_json()["paused"] == {"since": "2030-01-01T12:00:00Z", "reason": "moving house", "by": "admin"}
    assert call("POST", "/scheduler/pause").status_code == 200
    assert call("POST", "/scheduler/resume").get_json()["paused"] is None
    assert call("POST", "/scheduler/resume").status_code == 200


def engine_of(ctx: Context, clock: SettableClock, *, tasks: list[str], slots: int = 2) -> int:
    return ctx.database.write(lambda tx: engines.register(tx, IDENTITY, tasks=tasks, slots=slots, now=clock.now()))


def test_every_living_engine_is_listed_however_many_have_ended_since(
    call: Caller, ctx: Context, clock: SettableClock
) -> None:
    old = engine_of(ctx, clock, tasks=["greet"])
    for _ in range(30):
        ended = engine_of(ctx, clock, tasks=["greet"])
        ctx.database.write(lambda tx, ended=ended: engines.set_state(tx, ended, EngineState.STOPPED))
    listed = call("GET", "/scheduler").get_json()["engines"]
    assert [engine["id"] for engine in listed] == [*range(old + 30, old + 10, -1), old]


def test_an_engine_tells_what_it_executes_and_what_it_has_claimed_ahead(
    call: Caller, ctx: Context, clock: SettableClock
) -> None:
    engine, idle = (engine_of(ctx, clock, tasks=["greet"]) for _ in range(2))
    call.given_job("a", max_instances=5)
    for _ in range(5):
        call.given_run("a")

    def claim(tx: sa.Connection) -> None:
        rows = claims.candidates(tx, ["greet"], executor="thread", limit=3)
        claims.take(tx, rows, engine=engine, token=1, alone=False, now=clock.now())

    ctx.database.write(claim)
    state = call("GET", "/scheduler").get_json()
    counts = {row["id"]: (row["running"], row["backlog"]) for row in state["engines"]}
    assert (counts, state["backlog"]) == ({engine: (2, 1), idle: (0, 0)}, 2)


def test_a_task_that_no_living_engine_has_registered_is_named_as_long_as_a_job_needs_it(
    call: Caller, ctx: Context, clock: SettableClock
) -> None:
    call.given_job("a")
    assert call("GET", "/scheduler").get_json()["unknown_tasks"] == [], "nobody lives who could know any"
    old = engine_of(ctx, clock, tasks=["another"])
    assert call("GET", "/scheduler").get_json()["unknown_tasks"] == ["greet"]
    assert "no engine has registered the task greet" in call("GET", "/jobs/a/forecast").get_json()["why"]
    engine_of(ctx, clock, tasks=["another", "greet"])
    assert call("GET", "/scheduler").get_json()["unknown_tasks"] == []
    assert call("GET", "/jobs/a/forecast").get_json()["why"] is None
    ctx.database.write(lambda tx: engines.set_state(tx, old + 1, EngineState.STOPPED))
    call("DELETE", "/jobs/a")
    assert call("GET", "/scheduler").get_json()["unknown_tasks"] == []
