"""Pauses, edits, deletes and changes of triggers race the firing of their own job.

A state machine tells the same story to the model of `tests.simulation` and to the real engine on simulated time. An
act happens between two passes, or, which is the race, inside one: after it has read what is due and before it commits.
"""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from scheduler_app.domain.job import JobSpec
from scheduler_app.domain.policy import Overrides
from scheduler_app.domain.task import Registry, Task
from scheduler_app.extension.core import Kit, build
from scheduler_app.services import jobs
from scheduler_app.services import scheduler as scheduling
from scheduler_app.services.audit import audit
from scheduler_app.services.changes import JobChanges
from scheduler_app.settings import Settings
from scheduler_app.testing.clock import START, FakeClock
from tests.faults.forms import form
from tests.simulation.model import Plan, Rules, World
from tests.simulation.stage import Stage

NAMES = ("one", "two", "three")
RULES = st.builds(
    Rules,
    overlap=st.sampled_from(["queue_one", "queue_all", "skip", "cancel_running"]),
    coalesce=st.booleans(),
    grace=st.sampled_from([None, 30.0]),
    max_instances=st.sampled_from([1, 2]),
)
JUST_BEFORE = 2**-10


def at(moment: float) -> datetime:
    return START + timedelta(seconds=moment)


def work(takes: float) -> None: ...


class RacedWorld(World):
    """The model, with jobs that are deleted."""

    def delete(self, plan: Plan) -> None:
        self.catch_up(plan)
        if plan.paused:
            plan.miss(plan.due(self.now), "paused")
        for waiting in [*self.in_order("queued"), *self.in_order("blocked")]:
            if waiting.job is plan:
                waiting.state, waiting.reason = "cancelled", "job_deleted"
        self.plans.remove(plan)
        self.fill()
        self.look()


class Races(RuleBasedStateMachine):
    """Jobs, what is done to them, and what must come of it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.clock, self.model, registry = FakeClock(), RacedWorld(), Registry()
        registry.add(Task.of(work, name="work"))
        app = Flask("races", instance_path=self.folder.name)
        kit = Kit(
            settings=Settings(data=Path(self.folder.name)), registry=registry, clock=self.clock, synchronous="OFF"
        )
        self.core = build(app, kit)
        self.ctx = self.core.ctx
        self.stage = Stage(self.core, self.clock)
        self.clock.drive(self.stage)
        self.told: dict[str, list[Plan]] = {name: [] for name in NAMES}

    @initialize(rules=st.tuples(RULES, RULES))
    def begin(self, rules: tuple[Rules, Rules]) -> None:
        for name, given in zip(NAMES, rules, strict=False):
            self._add(name, given)

    # how an act happens

    def _act(self, races: bool, act: Callable[[], Any], told: Callable[[], None]) -> None:
        """Do something and tell the model: now, or inside the pass that has just found the next thing due."""
        event = self.stage.next_event() if races else None
        if event is None:
            act()
            told()
            self.clock.run_due()
            return
        moment = (event - START) / timedelta(seconds=1)
        self.model.advance(moment - JUST_BEFORE)
        self.model.now = moment
        self.clock._set(event)
        self._inside_the_next_pass(act)
        self.model.seen_to_end = [work for work in self.model.in_order("running") if work.ends <= moment]
        told()
        self.model.seen_to_end = []
        self.model.look()

    def _inside_the_next_pass(self, act: Callable[[], Any]) -> None:
        engine = self.stage.engine
        assert engine is not None
        commit = engine.passes._commit

        def raced(agenda: Any) -> None:
            engine.passes._commit = commit
            act()
            commit(agenda)

        engine.passes._commit = raced
        self.clock.run_due()
        if engine.passes._commit is raced:
            engine.passes._commit = commit
            act()
            self.clock.run_due()

    # what is done

    @rule(seconds=st.integers(1, 200))
    def time_passes(self, seconds: int) -> None:
        self.model.advance(self.model.now + seconds)
        self.clock.travel_to(at(self.model.now))

    @rule(rules=RULES, name=st.sampled_from(NAMES), races=st.booleans())
    def add(self, rules: Rules, name: str, races: bool) -> None:
        if not any(plan.name == name for plan in self.model.plans):
            self._act(races, *self._adding(name, rules))

    def _add(self, name: str, rules: Rules) -> None:
        self._act(False, *self._adding(name, rules))

    def _adding(self, name: str, rules: Rules) -> tuple[Callable[[], Any], Callable[[], None]]:
        number = NAMES.index(name)
        every, takes = (17.0, 29.0, 41.0)[number], (3.125, 40.25, 90.375)[number]

        def act() -> None:
            trigger = {"type": "interval", "seconds": int(every)}
            overrides = Overrides(**policies(rules))
            spec = JobSpec(id=name, task="work", args=[], kwargs={"takes": takes}, trigger=trigger, overrides=overrides)
            jobs.create_job(spec, ctx=self.ctx)

        def told() -> None:
            plan = Plan(name, number, self.model.now + every, every, takes, rules)
            self.told[name].append(plan)
            self.model.add(plan)
            self.model.look()

        return act, told

    @precondition(lambda self: self.model.plans)
    @rule(data=st.data(), races=st.booleans(), until=st.sampled_from([None, 7.0, 34.0, 90.0]))
    def pause(self, data: st.DataObject, races: bool, until: float | None) -> None:
        plan = data.draw(st.sampled_from(self.model.plans))

        def end() -> float | None:
            return None if until is None else self.model.now + until

        self._act(
            races,
            lambda: jobs.pause_job(
                plan.name, reason=None, until=None if until is None else self._in(until), ctx=self.ctx
            ),
            lambda: self.model.pause(plan, end()),
        )

    def _in(self, seconds: float) -> datetime:
        return self.clock.now() + timedelta(seconds=seconds)

    @precondition(lambda self: self.model.plans)
    @rule(data=st.data(), races=st.booleans())
    def resume(self, data: st.DataObject, races: bool) -> None:
        plan = data.draw(st.sampled_from(self.model.plans))
        self._act(races, lambda: jobs.resume_job(plan.name, ctx=self.ctx), lambda: self.model.resume(plan))

    @precondition(lambda self: self.model.plans)
    @rule(data=st.data(), races=st.booleans(), count=st.integers(0, 2))
    def skip(self, data: st.DataObject, races: bool, count: int) -> None:
        plan = data.draw(st.sampled_from(self.model.plans))
        self._act(
            races, lambda: jobs.skip_firings(plan.name, count, ctx=self.ctx), lambda: self.model.skip(plan, count)
        )

    @precondition(lambda self: self.model.plans)
    @rule(data=st.data(), races=st.booleans(), rules=RULES)
    def edit(self, data: st.DataObject, races: bool, rules: Rules) -> None:
        plan = data.draw(st.sampled_from(self.model.plans))
        changes = JobChanges(fields={}, policies=policies(rules))
        self._act(
            races,
            lambda: jobs.change_job(plan.name, changes, ctx=self.ctx),
            lambda: self.model.change(plan, replace(rules)),
        )

    @precondition(lambda self: self.model.plans)
    @rule(data=st.data(), races=st.booleans(), longer=st.integers(1, 9))
    def give_another_trigger(self, data: st.DataObject, races: bool, longer: int) -> None:
        plan = data.draw(st.sampled_from(self.model.plans))
        every = plan.every + 60 * longer if plan.every < 300 else float((17, 29, 41)[plan.number])
        changes = JobChanges(fields={"trigger": {"type": "interval", "seconds": int(every)}}, policies={})
        self._act(
            races,
            lambda: jobs.change_job(plan.name, changes, ctx=self.ctx),
            lambda: self.model.reschedule(plan, every),
        )

    @precondition(lambda self: self.model.plans)
    @rule(data=st.data(), races=st.booleans())
    def delete(self, data: st.DataObject, races: bool) -> None:
        plan = data.draw(st.sampled_from(self.model.plans))
        self._act(races, lambda: jobs.delete_job(plan.name, ctx=self.ctx), lambda: self.model.delete(plan))

    @precondition(lambda self: self.model.plans)
    @rule(data=st.data(), races=st.booleans())
    def run_by_hand(self, data: st.DataObject, races: bool) -> None:
        plan = data.draw(st.sampled_from(self.model.plans))
        self._act(races, lambda: jobs.run_job(plan.name, ctx=self.ctx), lambda: self.model.by_hand(plan))

    @rule(races=st.booleans())
    def pause_or_resume_all(self, races: bool) -> None:
        if self.model.paused_since is None:
            self._act(races, lambda: scheduling.pause_scheduler(reason=None, ctx=self.ctx), self.model.pause_all)
        else:
            self._act(races, lambda: scheduling.resume_scheduler(ctx=self.ctx), self.model.resume_all)

    # what must be true

    @invariant()
    def the_store_says_what_the_model_says(self) -> None:
        for name, plans in self.told.items():
            wanted = sorted((line for plan in plans for line in lines(plan)), key=str)
            found = self.stage.history(name)
            differ = f"{name}: store {set(found) - set(wanted)}, model {set(wanted) - set(found)}"
            assert found == wanted, differ

    def teardown(self) -> None:
        with self.core.database.read() as tx:
            breaches = [breach.found for breach in audit(tx, self.clock.now()).breaches]
        self.core.close()
        self.folder.cleanup()
        assert breaches == []


def policies(rules: Rules) -> dict[str, Any]:
    return {
        "overlap": rules.overlap,
        "coalesce": rules.coalesce,
        "misfire_grace_time": rules.grace,
        "max_instances": rules.max_instances,
    }


def lines(plan: Plan) -> list[tuple[object, ...]]:
    """What the model says of a job, in the words of the store."""
    told: list[tuple[object, ...]] = [("missed", reason, *ends, count) for *ends, count, reason in plan.ranges]
    for one in plan.works:
        state, reason = ("scheduled", "blocked") if one.state == "blocked" else (one.state, one.reason)
        told.append((state, reason, one.at, one.firing, one.ends if state == "succeeded" else None))
    return told


TestRaces = pytest.mark.slow(Races.TestCase)
TestRaces.settings = settings(
    max_examples=form(12, 400),
    stateful_step_count=form(25, 60),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
