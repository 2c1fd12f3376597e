"""`inline` runs what a call queues before it returns, `manual` when the test says so."""

import pytest
from flask import Flask, current_app, g

from scheduler_app import Scheduler, current_run
from scheduler_app.testing import inline as importable
from scheduler_app.testing import manual, simulated


@pytest.fixture
def countdown(scheduler):
    @scheduler.task(max_retries=1, retry_delay=10, retry_jitter=0)
    def countdown(n: int) -> object:
        if n < 0:
            raise ValueError(f"{n} is below zero")
        return [n, countdown.delay(n - 1).result] if n else 0

    return countdown


def test_nothing_runs_before_the_test_says_so(countdown):
    assert countdown.delay(0).state == "queued"


def test_inline_a_run_has_ended_when_delay_returns_and_so_have_those_it_queued(countdown, inline):
    with inline():
        assert countdown.delay(3).result == [3, [2, [1, 0]]]
        with manual():
            assert countdown.delay(0).state == "queued"
    assert countdown.delay(0).state == "queued"


def test_in_a_block_of_a_test_that_is_inline_nothing_runs_by_itself(countdown, inline, manual):
    with inline(), manual():
        assert countdown.delay(1).state == "queued"


def test_inline_the_exception_is_in_the_run_and_the_retry_waits_for_the_clock(countdown, inline, fake_clock):
    with inline():
        run = countdown.delay(-1)
        assert (run.state, run.run.error.message) == ("scheduled", "-1 is below zero")
        fake_clock.advance(seconds=10)
    assert run.state == "failed"


def test_inline_the_exception_is_raised_where_that_is_wished_for(countdown, inline):
    with inline(raising=True), pytest.raises(ValueError, match="-1 is below zero"):
        countdown.delay(-1)


@pytest.mark.scheduler_mode("inline", raising=True)
def test_the_mark_says_it_for_a_test(countdown):
    assert countdown.delay(1).result == [1, 0]
    with pytest.raises(ValueError, match="-2"):
        countdown.delay(-2)


def test_a_mode_that_does_not_exist_is_refused(tmp_path):
    app = Flask(__name__, instance_path=str(tmp_path))
    Scheduler(app)
    with pytest.raises(ValueError, match="'manual' or 'inline', got 'eager'"), simulated(app, mode="eager"):
        pass


def test_inline_the_arguments_and_the_result_go_through_json_and_the_context_is_the_tasks_own(scheduler):
    class Kept(list):
        pass

    @scheduler.task
    def look(given: list) -> object:
        return {"kind": type(given).__name__, "g": g.get("user"), "app": current_app.name, "run": current_run.id}

    @scheduler.task
    def opaque() -> object:
        return object()

    with scheduler.app.app_context(), importable():
        g.user = "me"
        run = look.delay(Kept([1]))
        assert run.result == {"kind": "list", "g": None, "app": "scheduler_app.testing", "run": run.id}
        assert (opaque.delay().state, opaque.delay().result) == ("succeeded", None)


def test_who_queues_itself_for_ever_inline_is_stopped_by_drain(scheduler, drain, inline):
    @scheduler.task
    def again() -> None:
        again.delay()

    again.delay()
    with inline(), pytest.raises(AssertionError, match="does it queue itself"):
        drain(most=50)
