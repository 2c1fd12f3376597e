"""`Prefer: wait=N`: a call is answered with the end of its run, if that comes in time."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import sqlalchemy as sa
from flask_openapi.openapi import OpenAPI

from scheduler_app.api.wsgi import Listening
from scheduler_app.errors import StoreUnavailable
from scheduler_app.services.context import Context
from scheduler_app.store.tables import runs
from tests.api.conftest import Caller, SettableClock, assert_problem

NOW = {"task": "greet", "kwargs": {"name": "Ada"}}


@dataclass
class WaitingClock(SettableClock):
    """A clock that moves while somebody waits; what is to happen at a time happens then."""

    waited: float = 0.0
    happens: dict[float, Callable[[], object]] = field(default_factory=dict)

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self.advance(seconds)
        self.waited += seconds
        for at in [at for at in self.happens if at <= self.waited]:
            self.happens.pop(at)()
        return False


@pytest.fixture
def clock() -> WaitingClock:
    return WaitingClock()


@pytest.fixture
def make(build: Callable[..., OpenAPI]) -> Callable[..., Caller]:
    return lambda **listening: Caller(build(listening=Listening(**listening)).test_client())


def waiting(call: Caller, method: str, path: str, json: object = None, *, prefer: str = "wait=5", **more):
    return call(method, path, json, headers={"Prefer": prefer}, environ_overrides={"wsgi.multithread": True}, **more)


@pytest.fixture
def ends(ctx: Context, clock: WaitingClock) -> Callable[[float], None]:
    """Let all runs end well some seconds from now."""

    def end() -> None:
        values = {"state": "succeeded", "result": "42", "started_at": 1, "finished_at": 2, "attempt": 1}
        ctx.database.write(lambda tx: tx.execute(runs.update().values(values)))

    return lambda seconds: clock.happens.update({seconds: end})


def test_a_run_that_ends_in_time_is_the_answer_to_what_led_to_it(call: Caller, clock: WaitingClock, ends) -> None:
    call.given_job("hello")
    for path, body in (("/jobs", NOW), ("/jobs/hello/run", {}), ("/runs/1/retry", {})):
        ends(clock.waited + 3)
        before = clock.waited
        answered = waiting(call, "POST", path, body, prefer='respond-async, Wait="5"')
        said = answered.get_json()
        assert (answered.status_code, said["state"], said["result"]) == (200, "succeeded", 42), path
        assert 3 <= clock.waited - before < 3.5
        assert answered.headers["Content-Location"] == f"/api/v1/runs/{said['id']}"
        assert answered.headers["Preference-Applied"] == "wait=5"
        assert "ETag" not in answered.headers
        assert call("GET", answered.headers["Content-Location"].removeprefix("/api/v1")).get_json()["result"] == 42
    assert "warning" in said


def test_one_that_does_not_is_accepted_as_without_it(call: Caller, clock: WaitingClock) -> None:
    answered = waiting(call, "POST", "/jobs", NOW)
    assert (answered.status_code, answered.get_json()["last_run"]["id"]) == (202, 1)
    assert clock.waited == pytest.approx(5)
    assert waiting(call, "POST", "/jobs", NOW | {"trigger": {"type": "interval", "hours": 1}}).status_code == 201
    assert clock.waited == pytest.approx(5)


def test_a_run_is_told_as_soon_as_it_has_ended_or_as_it_is_after_a_while(call: Caller, clock, ends) -> None:
    call("POST", "/jobs", NOW)
    assert waiting(call, "GET", "/runs/1", prefer="wait=2").get_json()["state"] == "queued"
    assert clock.waited == pytest.approx(2)
    ends(4.0)
    assert waiting(call, "GET", "/runs/1").get_json()["state"] == "succeeded"
    assert 4 <= clock.waited < 4.5
    assert_problem(waiting(call, "GET", "/runs/7"), 404, "not_found")


def test_what_cannot_be_done_of_a_preference_is_left_undone(call: Caller, clock: WaitingClock) -> None:
    call.given_job("hello")
    for prefer, seconds in (
        *((none, 0) for none in ("wait=0", "wait=-1", "wait=soon", "wait", "wait=1.5", "return=minimal")),
        ("wait=" + "9" * 99, 0),
        ("wait=99999", 50),
        ("handling=lenient; x, WAIT = 3 ; y=1", 3),
        ("wait=1, wait=9", 1),
    ):
        before = clock.waited
        answered = waiting(call, "POST", "/jobs/hello/run", {}, prefer=prefer)
        assert answered.status_code == 202
        assert clock.waited - before == pytest.approx(seconds), prefer
        assert answered.headers.get("Preference-Applied") == (f"wait={seconds}" if seconds else None)


def test_nobody_waits_in_a_dry_run_nor_long_in_a_server_without_threads(call: Caller, clock: WaitingClock) -> None:
    call.given_job("hello")
    assert waiting(call, "POST", "/jobs/hello/run?dry_run=true", {}).status_code == 202
    assert clock.waited == 0
    call("POST", "/jobs/hello/run", {}, headers={"Prefer": "wait=30"})
    assert clock.waited == pytest.approx(5)


def test_the_same_call_once_more_waits_for_the_same_run(call: Caller, clock, ends) -> None:
    once = {"Idempotency-Key": "one", "Prefer": "wait=1"}
    assert call("POST", "/jobs", NOW, headers=once).status_code == 202
    ends(clock.waited + 0.5)
    again = call("POST", "/jobs", NOW, headers=once)
    assert (again.status_code, again.get_json()["id"]) == (200, 1)
    assert again.headers["Idempotency-Replayed"] == "true"


def test_streams_and_those_who_wait_share_their_places(make: Callable[..., Caller], ctx: Context) -> None:
    call = make(streams=1)
    stream = call("GET", "/events", environ_overrides={"wsgi.multithread": True})
    for method, path, body in (("POST", "/jobs", NOW), ("GET", "/runs/1", None)):
        refused = waiting(call, method, path, body)
        assert_problem(refused, 503, "no_stream_left")
        assert refused.headers["Retry-After"] == "10"
    with ctx.database.read() as tx:
        assert tx.execute(sa.select(sa.func.count()).select_from(runs)).scalar() == 0
    stream.close()
    assert [waiting(call, "POST", "/jobs", NOW).status_code for _ in range(2)] == [202, 202]


def test_waiting_ends_when_the_process_does_or_the_store_is_away(make, ctx: Context, clock, monkeypatch) -> None:
    ending = threading.Event()
    call = make(ending=ending.is_set)

    def lose(*_: object, **__: object) -> None:
        raise StoreUnavailable("it is away")

    clock.happens[1.0] = lambda: monkeypatch.setattr("scheduler_app.services.awaiting.get_run", lose)
    assert waiting(call, "POST", "/jobs", NOW).status_code == 202
    assert clock.waited < 1.5
    monkeypatch.undo()
    clock.happens[2.0] = ending.set
    assert waiting(call, "POST", "/jobs", NOW, prefer="wait=50").status_code == 202
    assert clock.waited < 2.5
