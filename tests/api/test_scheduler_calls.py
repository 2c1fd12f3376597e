"""The scheduler as a whole over HTTP."""

from scheduler_app.schemas.scheduler import SchedulerOut
from scheduler_app.services.context import Context
from scheduler_app.store import engines
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
    assert paused.get_json()["paused"] == {"since": "2030-01-01T12:00:00Z", "reason": "moving house"}
    assert call("POST", "/scheduler/pause").status_code == 200
    assert call("POST", "/scheduler/resume").get_json()["paused"] is None
    assert call("POST", "/scheduler/resume").status_code == 200
