"""Whether anything is wrong is said in a sentence, made of the same facts as the numbers below it."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest

from scheduler_app.dashboard.needs import Reader, line_of
from scheduler_app.dashboard.overall import verdict_of
from scheduler_app.dashboard.overview import Running, in_order
from scheduler_app.domain.job import Job, JobSpec
from scheduler_app.domain.run import Run, RunError, RunState
from scheduler_app.domain.track import NO_STATS, JobStats
from scheduler_app.services.admission import admit
from scheduler_app.services.needs import Kind, Need
from scheduler_app.services.overview import verdict
from scheduler_app.services.scheduler import SchedulerView
from scheduler_app.services.stats import Lag, Punctuality
from scheduler_app.store.engines import EngineState
from tests.dashboard.world import NOW, registry

BERLIN = ZoneInfo("Europe/Berlin")
READER = Reader(now=NOW, zone=BERLIN)
KNOWN = {"is_celery": False, "drained_at": None, "started_at": NOW - timedelta(hours=13)}
ENGINE = SimpleNamespace(id=1, node="app-1", state=EngineState.RUNNING, beat_at=NOW, **KNOWN)
GONE = SimpleNamespace(id=2, node="app-2", state=EngineState.DEAD, beat_at=NOW - timedelta(minutes=110), **KNOWN)


def job(**fields: Any) -> Job:
    trigger = {"type": "interval", "minutes": 15}
    spec = JobSpec(task="demo.count", id="import", name="import", args=[], kwargs={}, trigger=trigger)
    return replace(admit(spec, registry(), NOW), **fields)


def need(kind: Kind, number: int = 1, **fields: Any) -> Need:
    since = fields.pop("since", NOW - timedelta(hours=1, minutes=27, seconds=8))
    run = fields.pop("run", None)
    return Need(kind=kind, job=job(**fields.pop("job", {})), since=since, number=number, run=run, **fields)


def facts(
    *needs: Need, total: int = 10, engines: tuple[Any, ...] = (ENGINE,), paused: bool = False, missed: int = 0
) -> Any:
    return SimpleNamespace(
        needs=needs,
        total=total,
        scheduler=SchedulerView(
            paused={"since": "2026-11-22T15:00:00Z"} if paused else None,
            engines=list(engines),
            holdings={},
            limits=[],
            unknown_tasks=[],
            backlog=0,
            open_runs={},
            jobs={},
            next_run_time=None,
            lag=0.0,
            now=NOW,
        ),
        day=SimpleNamespace(last=SimpleNamespace(missed=missed)),
    )


@pytest.mark.parametrize(
    ("found", "sentence", "rest"),
    [
        (facts(), "Nothing needs you.", "All 10 jobs are on time."),
        (facts(total=1), "Nothing needs you.", "The one job is on time."),
        (facts(missed=3), "Nothing needs you.", "All 10 jobs are on time. Three firings missed in 24 hours."),
        (
            facts(need(Kind.FAILING, 6), need(Kind.BROKEN)),
            "One job keeps failing and one is broken.",
            "The other 8 jobs are on time.",
        ),
        (
            facts(need(Kind.FAILING, 2), need(Kind.FAILING, 3), need(Kind.FAILING), total=4),
            "Two jobs keep failing and one failed the last time.",
            "The other job is on time.",
        ),
        (facts(need(Kind.UNKNOWN, 4)), "One job names a task that no engine has.", "The other 6 jobs are on time."),
        (
            facts(need(Kind.SLOW), total=1200),
            "Nothing needs you.",
            "All 1,200 jobs are on time. One runs longer than usual.",
        ),
        (facts(engines=(ENGINE, GONE)), "One engine is gone.", "All 10 jobs are on time."),
        (
            facts(need(Kind.MISSED), engines=(GONE,)),
            "No engine is alive, one job missed a firing and one engine is gone.",
            "The other 9 jobs are on time.",
        ),
        (facts(paused=True), "Firing is paused.", "All 10 jobs are on time."),
        (facts(total=0), "Nothing needs you.", ""),
    ],
)
def test_overview_says_what_is_wrong(found: Any, sentence: str, rest: str) -> None:
    assert verdict(found) == (sentence, rest)


def run(**fields: Any) -> Any:
    known = {"id": 7, "state": RunState.FAILED, "error": None, "reason": None, "scheduled_at": NOW, "finished_at": NOW}
    return SimpleNamespace(**(known | fields))


@pytest.mark.parametrize(
    ("given", "what", "why"),
    [
        (
            need(
                Kind.FAILING,
                6,
                run=run(error=RunError(type="OSError", message="no route", traceback="")),
                job={"next_run_time": NOW + timedelta(seconds=172)},
            ),
            "failed 6 times in a row",
            "OSError: no route · since 14:45, next firing in 2 m 52 s",
        ),
        (
            need(Kind.FAILING, run=run(state=RunState.TIMED_OUT), job={"next_run_time": None}),
            "failed the last time",
            "timed out · since 14:45",
        ),
        (need(Kind.BROKEN, job={"reason": "no such zone"}), "is broken", "no such zone · since 14:45"),
        (need(Kind.UNKNOWN), "waits for its task", "no living engine has registered demo.count"),
        (
            need(Kind.UNKNOWN, 3),
            "waits for its task",
            "no living engine has registered demo.count, nor have 2 other jobs that name it",
        ),
        (
            need(Kind.SLOW, since=NOW - timedelta(seconds=842), stats=JobStats(usual=590, p95=700)),
            "runs longer than usual",
            "14 m 02 s against p95 11 m 40 s",
        ),
        (
            need(Kind.PAUSED, since=NOW - timedelta(days=41), job={"reason": "vendor moves"}),
            "paused 41 days, without an end",
            "“vendor moves” · since 12 Oct 17:12",
        ),
        (
            need(Kind.OVERDUE, since=NOW - timedelta(minutes=12)),
            "is overdue",
            "due at 16:00, 12 m ago, and not fired",
        ),
        (
            need(
                Kind.MISSED,
                run=run(state=RunState.MISSED, reason="misfire_grace_time", scheduled_at=NOW - timedelta(minutes=41)),
            ),
            "missed 14:45",
            "41 m late, allowed are — · nothing has succeeded since",
        ),
    ],
)
def test_what_needs_somebody_says_why_in_one_line(given: Need, what: str, why: str) -> None:
    line = line_of(given, READER)

    assert (line.what, line.why) == (what, why)


def pace(
    *, engines: tuple[Any, ...] = (ENGINE,), overdue: int = 0, paused: bool = False, p95: float | None = 0.04
) -> Any:
    late = SimpleNamespace(next_run_time=NOW - timedelta(minutes=12)) if overdue else None
    punctual = Punctuality(fired=200, overdue=overdue)
    base = facts(engines=engines, paused=paused)
    return SimpleNamespace(**vars(base), now=NOW, overdue=late, punctuality=punctual, lag=Lag(p95=p95, max=p95))


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (pace(), "The scheduler is healthy."),
        (pace(p95=None), "The scheduler is healthy."),
        (pace(engines=(ENGINE, GONE)), "The scheduler is healthy. One engine left at 14:22."),
        (pace(engines=(GONE,)), "No engine is alive: nothing fires and nothing runs."),
        (pace(overdue=3), "Three jobs are overdue, by up to 12 m."),
        (pace(overdue=1), "One job is overdue, by up to 12 m."),
        (pace(overdue=3, paused=True), "Firing is paused. Running work goes on."),
        (pace(p95=9.0), "Jobs fire late: 9.0 s after they are due."),
    ],
)
def test_scheduler_says_whether_it_is_well(found: Any, sentence: str) -> None:
    assert verdict_of(found, READER)[0] == sentence


def test_what_runs_longest_past_its_p95_comes_first_then_the_oldest() -> None:
    def running(name: str, elapsed: float, p95: float | None) -> Running:
        stats = replace(NO_STATS, p95=p95)
        return Running(run=cast("Run", name), job=None, elapsed=elapsed, stats=stats, node="app-1", percent=None)

    mixed = [
        running("young", 5, None),
        running("old", 900, 1000),
        running("a little", 600, 590),
        running("far", 90, 10),
    ]

    assert [one.run for one in in_order(mixed)] == ["far", "a little", "old", "young"]
    assert [one.is_late for one in in_order(mixed)] == [True, True, False, False]
