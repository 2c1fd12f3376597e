"""Following what changes: hints as server-sent events."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa
from flask_openapi.openapi import OpenAPI
from werkzeug.test import TestResponse

from scheduler_app.api.wsgi import Listening
from scheduler_app.services.context import Context
from scheduler_app.store.database import Database
from scheduler_app.store.tables import runs
from tests.api.conftest import Caller, SettableClock, assert_problem

Hint = dict[str, Any]


@dataclass
class WaitingClock(SettableClock):
    """A clock that moves while it waits."""

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self.advance(seconds)
        return False


@pytest.fixture
def clock() -> WaitingClock:
    return WaitingClock()


class Stream:
    """What a client reads of a stream."""

    def __init__(self, events: Iterator[bytes]) -> None:
        self._events = events
        self.last_id = ""
        self.comments = 0

    def read(self) -> list[Hint]:
        """Read what is sent at one time."""
        hints = []
        for line in next(self._events).decode().splitlines():
            field, _, value = line.partition(":")
            if field == "id":
                self.last_id = value.strip()
            elif field == "data":
                hints.append(json.loads(value))
            elif line == ":":
                self.comments += 1
        return hints

    def until(self, kind: str, id: object) -> Hint:
        """Read until there is a hint of something."""
        for _ in range(50):
            for hint in self.read():
                if (hint["kind"], hint["id"]) == (kind, id):
                    return hint
        raise AssertionError(f"no hint of {kind} {id}")

    def rest(self) -> int:
        """Read to the end; how often something was sent."""
        return sum(1 for _ in self._events)


def follow(call: Caller, method: str = "GET", *, threads: bool = True, **headers: str) -> TestResponse:
    server = {"wsgi.multithread": threads}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return call(method, "/events", headers=named, environ_overrides=server)


@contextmanager
def following(call: Caller) -> Iterator[Stream]:
    response = follow(call)
    assert response.status_code == 200, response.text
    assert response.content_type == "text/event-stream; charset=utf-8"
    stream = Stream(response.iter_encoded())
    try:
        stream.read()
        yield stream
    finally:
        response.close()


@pytest.fixture
def make(build: Callable[..., OpenAPI]) -> Callable[..., Caller]:
    return lambda **listening: Caller(build(listening=Listening(**listening)).test_client())


def test_what_is_added_run_and_changed_is_told_as_a_hint(call: Caller) -> None:
    with following(call) as stream:
        call.given_job("hello")
        hint = stream.until("job", "hello")
        assert set(hint) == {"kind", "id", "version"}
        run = call.given_run("hello")
        assert stream.until("run", run["id"])["version"] > hint["version"]
        call("POST", "/jobs/hello/pause", {"reason": "later"})
        stream.until("job", "hello")
        call("POST", f"/runs/{run['id']}/cancel", {})
        stream.until("run", run["id"])
        call("POST", "/scheduler/pause", {})
        stream.until("scheduler", None)


def test_what_another_process_changes_is_told_too(call: Caller, ctx: Context) -> None:
    call.given_job("hello")
    run = call.given_run("hello")
    elsewhere = Database(ctx.database.url, synchronous="OFF")  # type: ignore[attr-defined]
    with following(call) as stream:
        change = runs.update().where(runs.c.id == run["id"]).values(state="running", started_at=1, progress_current=1)
        elsewhere.write(lambda tx: tx.execute(change))
        stream.until("run", run["id"])
        elsewhere.write(lambda tx: tx.execute(change.values(progress_current=2)))
        stream.until("run", run["id"])
    elsewhere.close()


def test_a_change_is_told_once(call: Caller) -> None:
    with following(call) as stream:
        call.given_job("hello")
        stream.until("job", "hello")
        assert [stream.read() for _ in range(3)] == [[], [], []]


def test_who_comes_back_is_told_what_it_missed(call: Caller) -> None:
    call.given_job("old")
    with following(call) as stream:
        left = stream.last_id
    call.given_job("new")
    run = call.given_run("old")

    response = follow(call, Last_Event_ID=left)
    told = next(response.iter_encoded()).decode()
    response.close()

    assert '"id":"new"' in told
    assert f'"kind":"run","id":{run["id"]}' in told


@pytest.mark.parametrize("last_id", ["", "nonsense", "1.2", "1.2.3.x", "9" * 30 + ".1.1.1", "١.1.1.1"])
def test_an_unknown_place_begins_at_the_present(call: Caller, last_id: str) -> None:
    call.given_job("old")
    response = follow(call, Last_Event_ID=last_id.encode().decode("latin-1"))
    assert "data:" not in next(response.iter_encoded()).decode()
    response.close()


def test_too_much_to_tell_is_told_as_all(call: Caller, ctx: Context, clock: WaitingClock) -> None:
    call.given_job("hello")
    run = call.given_run("hello")
    with following(call) as stream:

        def many(tx: sa.Connection) -> None:
            row = tx.execute(sa.select(runs).where(runs.c.id == run["id"])).mappings().one()
            tx.execute(runs.insert(), [{**row, "id": row["id"] + n, "origin": "manual"} for n in range(1, 1200)])

        ctx.database.write(many)
        stream.until("all", None)


def test_a_quiet_stream_is_kept_open_by_comments_and_ends_after_a_minute(call: Caller, clock: WaitingClock) -> None:
    began = clock.seconds
    with following(call) as stream:
        assert stream.read() == []
        assert stream.comments == 2
        assert clock.seconds - began == pytest.approx(10, abs=1)
        assert 3 <= stream.rest() <= 5
        assert clock.seconds - began == pytest.approx(60, abs=1)


def test_beyond_the_last_stream_a_client_is_sent_to_look_by_itself(make: Callable[..., Caller]) -> None:
    call = make(streams=2)
    with following(call), following(call):
        refused = follow(call)
        assert_problem(refused, 503, "no_stream_left")
        assert refused.headers["Retry-After"] == "10"
        lenient = follow(call, Prefer="handling=lenient")
        assert (lenient.status_code, lenient.headers["Preference-Applied"]) == (204, "handling=lenient")
    with following(call):
        pass


def test_a_client_that_never_reads_gives_its_place_back(make: Callable[..., Caller]) -> None:
    call = make(streams=1)
    follow(call).close()
    with following(call):
        pass


def test_streams_end_when_the_process_does(make: Callable[..., Caller]) -> None:
    ending = threading.Event()
    call = make(ending=ending.is_set)
    with following(call) as stream:
        ending.set()
        assert stream.rest() == 0
        assert_problem(follow(call), 503, "no_stream_left")


def test_a_server_without_threads_opens_no_stream(call: Caller) -> None:
    refused = follow(call, threads=False)
    assert_problem(refused, 503, "no_stream_left")


def test_a_stream_needs_a_key_and_takes_no_parameter(call: Caller) -> None:
    assert_problem(call.client.get("/api/v1/events"), 401)
    assert_problem(call("GET", "/events?since=1"), 400)


def test_a_head_request_takes_no_place(make: Callable[..., Caller]) -> None:
    call = make(streams=1)
    follow(call, "HEAD").close()
    with following(call):
        pass
