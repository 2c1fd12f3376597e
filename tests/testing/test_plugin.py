"""The plugin in test suites of others: whatever becomes of a test, the next one has its own time and its own app."""

import time

import pytest

pytest_plugins = ["pytester"]
# the outer run has loaded the plugin already
LOADED = "ignore:Module already imported:pytest.PytestAssertRewriteWarning"
QUIET = ("-p", "scheduler_app.testing.plugin", "-W", "error", "-W", LOADED)
NEXT = """
def test_next():
    assert datetime.now().date() != date(2026, 1, 1) and abs(time.time() - REAL - time.monotonic()) < 5
    assert time.sleep.__module__ == "time"
"""
HEAD = """
import time
from datetime import date, datetime
import pytest
REAL = time.time() - time.monotonic()
"""

NAMING = """
import pytest
from flask import Flask
from scheduler_app import Scheduler

@pytest.fixture(scope="session")
def web():
    app = Flask("web")
    Scheduler(app)
    return app

@pytest.fixture
def scheduled_app(web):
    return web

@pytest.fixture
def scheduler_mode():
    return "inline"
"""
OF_THAT_APP = """
import pytest

@pytest.mark.parametrize("number", [1, 2])
def test_one(web, scheduler, scheduler_stage, number):
    @scheduler.task
    def work() -> int:
        return number
    assert scheduler_stage.app is web
    assert work.delay().result == number

def test_other(scheduler, fake_clock):
    @scheduler.task
    def work() -> int:
        return 3
    assert work.delay().result == 3

@pytest.mark.scheduler_mode("manual")
def test_manual(scheduler):
    @scheduler.task
    def work() -> int:
        return 4
    assert work.delay().state == "queued"
"""


@pytest.fixture(autouse=True)
def no_plugin_but_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading all that is installed here, anew for each run, would take most of the time."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def test_time_does_not_leak_out_of_a_test_that_does_not_pass(pytester: pytest.Pytester):
    ends = ("assert False", "raise SystemExit(3)", "pytest.skip('so')", "pytest.fail('so')")
    for number, end in enumerate(ends):
        test = f"def test_one(fake_clock):\n    fake_clock.advance(days=3)\n    {end}\n"
        pytester.makepyfile(**{f"test_{number}": f"{HEAD}\n{test}\n{NEXT}"})
    pytester.runpytest_inprocess(*QUIET).assert_outcomes(passed=4, failed=3, skipped=1)


def test_time_does_not_leak_out_of_a_run_that_is_interrupted(pytester: pytest.Pytester):
    pytester.makepyfile(f"{HEAD}\ndef test_one(fake_clock):\n    raise KeyboardInterrupt\n")
    before, real, sleep = time.time(), time.monotonic(), time.sleep
    pytester.runpytest_inprocess(*QUIET, no_reraise_ctrlc=True)
    assert abs((time.time() - before) - (time.monotonic() - real)) < 5
    assert time.sleep is sleep


def test_time_does_not_leak_when_the_store_cannot_be_had(pytester: pytest.Pytester):
    fixture = "@pytest.fixture\ndef scheduler_database():\n    return 'mysql://nowhere'\n"
    pytester.makepyfile(f"{HEAD}{fixture}\ndef test_one(fake_clock):\n    pass\n{NEXT}")
    result = pytester.runpytest_inprocess(*QUIET)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*ConfigurationError: database:*is not supported*"])


def test_an_app_of_another_name_and_a_mode_for_all_are_named_by_fixtures(pytester: pytest.Pytester):
    pytester.makeconftest(NAMING)
    pytester.makepyfile(OF_THAT_APP)
    pytester.runpytest_inprocess(*QUIET, "--strict-markers").assert_outcomes(passed=4)


def test_a_failing_test_shows_the_line_of_the_test_and_no_line_of_ours(pytester: pytest.Pytester):
    pytester.makepyfile(
        """
        def test_one(scheduler, assert_ran):
            @scheduler.task
            def work(n: int) -> None: ...
            work.delay(7)
            assert_ran(work)

        def test_two(scheduler, assert_ran):
            @scheduler.task
            def work(n: int) -> None: ...
            assert_ran(work, kwargs={"m": 7})
        """
    )
    result = pytester.runpytest_inprocess(*QUIET)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            ">       assert_ran(work)",
            "E       AssertionError: No run of work succeeded. A run of it waits: call drain()*",
            "E       What waits:",
            "E         Thu 2026-01-01 00:00:00 UTC  work(n=7)  queued",
            "E       TypeError: work has no parameter 'm'; it has: n",
        ]
    )
    assert "asserting.py" not in result.stdout.str()
    assert "matching.py" not in result.stdout.str()
