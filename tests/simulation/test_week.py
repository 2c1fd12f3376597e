"""A week of every combination of policies, firing by firing, against a model that shares no line with the package."""

import random
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise, product

import pytest
import sqlalchemy as sa

from scheduler_app.clock import MICROSECOND
from scheduler_app.domain.due import firings
from scheduler_app.domain.trigger import parse_trigger
from scheduler_app.services import jobs
from scheduler_app.services import scheduler as scheduling
from scheduler_app.services.changes import JobChanges
from scheduler_app.store.tables import runs as run_table
from scheduler_app.testing.clock import START
from tests.simulation.model import Plan, Rules, World
from tests.simulation.stage import Stage, seconds

DAY = 86_400.0
COMBINATIONS = list(
    product(
        ("queue_one", "queue_all", "skip", "cancel_running"),
        (True, False),
        (None, 600.0, 10_800.0),
        ("at_least_once", "at_most_once"),
    )
)
WORLDS = 8


class Play:
    """The same story told to the model and to the real thing."""

    def __init__(self, scheduler, fake_clock, seed: str) -> None:
        self.random = random.Random(seed)
        self.clock = fake_clock
        fake_clock._driven.clear()

        @scheduler.task
        def work(takes: float) -> None: ...

        self.scheduler = scheduler
        self.ctx = scheduler.core.ctx
        self.stage = Stage(scheduler.core, fake_clock)
        fake_clock.drive(self.stage)
        self.model = World()

    def add(self, number: int, overlap: str, coalesce: bool, grace: float | None, delivery: str) -> None:
        choose = self.random.choice
        rules = Rules(
            overlap=overlap,
            coalesce=coalesce,
            grace=grace,
            delivery=delivery,
            max_instances=choose((1, 1, 1, 2, 3)),
            key=choose((None, None, "printer", "scanner")),
            priority=choose((-5, 0, 0, 7)),
        )
        every = float(choose((17, 23, 31, 45, 60)) * 60)
        # no two jobs fire, and no run ends, at the same moment: the order there is nobody's promise
        takes = every * choose((0.2, 0.9, 1.3, 2.6)) + 1 + number / 8
        plan = Plan(f"job{number}", number, every + number * 7, every, takes, rules)
        self.scheduler.add_job(
            plan.name,
            "work",
            kwargs={"takes": takes},
            trigger={"type": "interval", "seconds": int(every), "start_date": at(plan.first).isoformat()},
            **policies(rules),
        )
        self.model.add(plan)

    def advance(self, to: float) -> None:
        self.clock.travel_to(at(to))
        self.model.advance(to)

    def act(self) -> None:
        """Let something happen that people or machines do."""
        plan = self.random.choice(self.model.plans)
        act = self.random.choice(
            [
                *(self.pause, self.pause, self.resume, self.skip, self.edit, self.edit, self.by_hand),
                *(self.reschedule, self.fall_or_rise, self.fall_or_rise, self.pause_or_resume_all),
            ]
        )
        act(plan)
        self.clock.run_due()

    def pause(self, plan: Plan) -> None:
        until = self.random.choice((None, self.model.now + 1800.5, self.a_firing_to_come(plan)))
        jobs.pause_job(plan.name, reason=None, until=None if until is None else at(until), ctx=self.ctx)
        self.model.pause(plan, until)

    def a_firing_to_come(self, plan: Plan) -> float:
        coming = plan.next
        while coming < self.model.now + 2 * plan.every:
            coming += plan.every
        return coming

    def resume(self, plan: Plan) -> None:
        jobs.resume_job(plan.name, ctx=self.ctx)
        self.model.resume(plan)

    def skip(self, plan: Plan) -> None:
        count = self.random.choice((0, 1, 3))
        jobs.skip_firings(plan.name, count, ctx=self.ctx)
        self.model.skip(plan, count)

    def edit(self, plan: Plan) -> None:
        choose = self.random.choice
        change = choose(
            (
                {"key": choose((None, "printer", "scanner"))},
                {"max_instances": choose((1, 2, 3))},
                {"priority": choose((-5, 0, 7))},
                {"overlap": choose(("queue_one", "queue_all", "skip", "cancel_running"))},
                {"grace": choose((None, 600.0)), "coalesce": choose((True, False))},
            )
        )
        rules = replace(plan.rules, **change)
        jobs.change_job(plan.name, JobChanges(fields={}, policies=policies(rules)), ctx=self.ctx)
        self.model.change(plan, rules)

    def reschedule(self, plan: Plan) -> None:
        every = plan.every + 60
        trigger = {"type": "interval", "seconds": int(every)}
        jobs.change_job(plan.name, JobChanges(fields={"trigger": trigger}, policies={}), ctx=self.ctx)
        self.model.reschedule(plan, every)

    def by_hand(self, plan: Plan) -> None:
        jobs.run_job(plan.name, ctx=self.ctx)
        self.model.by_hand(plan)

    def fall_or_rise(self, plan: Plan) -> None:
        if not self.model.up:
            self.stage.rise()
            self.model.rise()
            return
        reason = self.random.choice(("shutdown", "crashed"))
        self.stage.fall(reason)
        self.model.fall(reason)

    def pause_or_resume_all(self, plan: Plan) -> None:
        if self.model.paused_since is None:
            scheduling.pause_scheduler(reason=None, ctx=self.ctx)
            self.model.pause_all()
        else:
            scheduling.resume_scheduler(ctx=self.ctx)
            self.model.resume_all()

    def compare(self, why: str) -> None:
        for plan in self.model.plans:
            real = self.stage.history(plan.name)
            wanted = told(plan)
            only_real, only_wanted = set(real) - set(wanted), set(wanted) - set(real)
            assert real == wanted, f"{why}: {plan.name} {plan.rules}\nstore: {only_real}\nmodel: {only_wanted}"


def at(moment: float):
    return START + timedelta(seconds=moment)


def policies(rules: Rules) -> dict[str, object]:
    return {
        "overlap": rules.overlap,
        "coalesce": rules.coalesce,
        "misfire_grace_time": rules.grace,
        "delivery": rules.delivery,
        "max_instances": rules.max_instances,
        "concurrency_key": rules.key,
        "priority": rules.priority,
    }


def told(plan: Plan) -> list[tuple[object, ...]]:
    """What the model says of a job, in the words of the store."""
    states = {"blocked": ("scheduled", "blocked")}
    lines: list[tuple[object, ...]] = [("missed", reason, *ends, count) for *ends, count, reason in plan.ranges]
    for work in plan.works:
        state, reason = states.get(work.state, (work.state, work.reason))
        lines.append((state, reason, work.at, work.firing, work.ends if state == "succeeded" else None))
    return sorted(lines, key=str)


def play(scheduler, fake_clock, seed: str, *, combinations, days: float, acts: int) -> Play:
    game = Play(scheduler, fake_clock, seed)
    for number, combination in enumerate(combinations):
        game.add(number, *combination)
    moment = 0.0
    for number in range(acts):
        moment += game.random.uniform(0.1, 1.9) * days * DAY / acts
        game.advance(round(moment) + 0.0625)
        game.act()
        game.compare(f"seed {seed}, after {number + 1} acts, at {moment:.0f} s")
    return game


def assert_every_firing_is_accounted_for_once(game: Play) -> None:
    """Guarantee 2, asked of the store and of the trigger as it stands: from its start date on."""
    with game.scheduler.core.database.read() as tx:
        rows = tx.execute(sa.select(run_table).where(run_table.c.origin == "schedule")).all()
    for plan in game.model.plans:
        job = jobs.get_job(plan.name, ctx=game.ctx)
        trigger = parse_trigger(job.trigger, now=START)
        recorded = []
        for row in (row for row in rows if row.job_id == plan.name and seconds(row.scheduled_at) >= plan.first):
            if row.missed_since is None:
                recorded.append(seconds(row.scheduled_at))
            else:
                first, last = seconds(row.missed_since), seconds(row.missed_until)
                recorded += [first + number * plan.every for number in range(int((last - first) / plan.every) + 1)]
        wanted = []
        for firing in firings(trigger, at(plan.first) - MICROSECOND):
            if firing >= job.next_run_time:
                break
            wanted.append((firing - START) / timedelta(seconds=1))
        assert sorted(recorded) == wanted, plan.name


def assert_no_key_was_held_twice(game: Play) -> None:
    """Of runs that went well, no two of one key executed at once."""
    spans: dict[str, list[tuple[float, float]]] = {}
    with game.scheduler.core.database.read() as tx:
        for row in tx.execute(sa.select(run_table).where(run_table.c.state == "succeeded")):
            if row.concurrency_key is not None:
                spans.setdefault(row.concurrency_key, []).append((seconds(row.started_at), seconds(row.finished_at)))
    for key, held in spans.items():
        held.sort()
        assert all(before[1] <= after[0] for before, after in pairwise(held)), key


@pytest.mark.parametrize("seed", ["a", "b"])
def test_a_day_goes_as_the_model_says(scheduler, fake_clock, seed):
    some = random.Random(seed).sample(COMBINATIONS, 6)
    game = play(scheduler, fake_clock, seed, combinations=some, days=1, acts=25)
    assert_every_firing_is_accounted_for_once(game)
    assert_no_key_was_held_twice(game)


@pytest.mark.slow
@pytest.mark.parametrize("world", range(WORLDS))
def test_a_week_of_every_combination_goes_as_the_model_says(scheduler, fake_clock, world):
    game = play(scheduler, fake_clock, f"week {world}", combinations=COMBINATIONS[world::WORLDS], days=7, acts=100)
    assert_every_firing_is_accounted_for_once(game)
    assert_no_key_was_held_twice(game)
