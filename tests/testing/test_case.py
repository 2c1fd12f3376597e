"""Simulated time for unittest, and for a test of any other kind."""

import asyncio
import unittest
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask

from scheduler_app import Scheduler
from scheduler_app.errors import ConfigurationError
from scheduler_app.testing import SchedulerTestMixin, assert_ran, drain, simulated
from scheduler_app.testing.clock import START

scheduler = Scheduler()


@scheduler.task("interval", id="hourly", hours=1)
def tick() -> None: ...


@scheduler.task
async def nap(hours: int) -> int:
    await asyncio.sleep(hours * 3600)
    return hours


def create_app() -> Flask:
    app = Flask(__name__)
    scheduler.init_app(app)
    app.add_url_rule("/nap", view_func=lambda: {"run": nap.delay(1).id}, methods=["POST"])
    return app


class Manual(SchedulerTestMixin, unittest.TestCase):
    def create_app(self) -> Flask:
        return create_app()

    def test_declared_jobs_fire(self):
        self.fake_clock.advance(hours=3)
        self.assert_ran(tick, times=3)

    def test_views_queue(self):
        self.app.test_client().post("/nap")
        self.assert_scheduled(nap, kwargs={"hours": 1})
        self.refute_ran(nap)
        self.drain()
        self.assert_ran(nap)
        self.refute_scheduled(nap)

    def test_faults_happen(self):
        self.crash_next(tick)
        self.fail_next(nap, ValueError("no"))
        nap.delay(1)
        self.fake_clock.advance(hours=1)
        assert [run.crashes for run in self.assert_ran(tick)] == [1]
        self.assert_ran(nap, state="failed")
        assert len(self.simulate("hourly", days=1)) == 24
        with self.inline():
            assert nap.delay(1).result == 1


class Inline(SchedulerTestMixin, unittest.IsolatedAsyncioTestCase):
    scheduler_mode = "inline"

    def create_app(self) -> Flask:
        return create_app()

    async def test_views_run(self):
        self.app.test_client().post("/nap")
        self.assert_ran(nap, times=1)
        await self.fake_clock.advance_async(hours=2)
        assert self.scheduler is scheduler


class WithoutAnApp(SchedulerTestMixin, unittest.TestCase):
    def test_it_has_a_scheduler(self):
        @self.scheduler.task
        def own() -> str:
            return "ran"

        own.delay()
        assert [run.result for run in self.drain()] == ["ran"]


class WithoutSetUp(SchedulerTestMixin, unittest.TestCase):
    def setUp(self) -> None:
        pass

    def test_it_is_told_what_is_missing(self):
        with self.assertRaisesRegex(RuntimeError, r"call super\(\).setUp\(\) first"):
            self.fake_clock.advance(days=1)
        assert not hasattr(self, "anything_else")


def test_a_block_is_on_simulated_time_and_nothing_after_it_is():
    app = create_app()
    core = scheduler.core
    with simulated(app) as stage:
        nap.delay(2)
        drain()
        assert assert_ran(nap)[0].result == 2
        assert stage.clock.now() == START + timedelta(hours=2) == datetime.now(UTC)
    assert scheduler.core is core
    assert abs(datetime.now(UTC) - START) > timedelta(days=30)
    assert core.engine.id is None
    with pytest.raises(RuntimeError, match="no simulated time"):
        drain()


def test_the_first_of_two_apps_can_be_on_it():
    first, second = create_app(), create_app()
    with simulated(first) as stage:
        assert scheduler.core is stage.core
        nap.delay(1)
        drain()
        assert_ran(nap)
    assert scheduler.core is second.extensions["scheduler_core"]


def test_an_app_without_a_scheduler_is_refused():
    with pytest.raises(ConfigurationError, match=r"has no Scheduler: call Scheduler\(app\)"), simulated(Flask("bare")):
        pass


def test_an_engine_that_the_app_has_started_gives_way(tmp_path):
    app = Flask(__name__, instance_path=str(tmp_path))
    own = Scheduler(app)
    own.start()
    assert own.running
    with simulated(app) as stage:
        assert not own.running
        stage.clock.advance(days=1)
    assert not own.running
    own.core.close()
