"""Is anything wrong now? The facts of that, and the sentence that says so."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from scheduler_app.domain.run import Run
from scheduler_app.domain.track import JobStats
from scheduler_app.services import needs
from scheduler_app.services.context import Context
from scheduler_app.services.forecast import Upcoming, upcoming
from scheduler_app.services.needs import Kind, Need, Seen
from scheduler_app.services.outlooks import HourPlan, week
from scheduler_app.services.scheduler import SchedulerView
from scheduler_app.services.stats import Bucket, Day, Lag, buckets, day, lag, of_jobs
from scheduler_app.store import glance
from scheduler_app.store.numbers import MOST_COUNTED

HOURS_BACK, HOURS_AHEAD = 24, 6
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
NEXT_UP = 7
MOST_COMING = 500
MOST_WAITING = 100
MOST_TOLD = 3
ALL_WELL = "Nothing needs you."
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What Overview tells, and its verdict is made of."""

    now: datetime
    scheduler: SchedulerView
    needs: Sequence[Need]
    seen: Seen
    day: Day
    lag: Lag
    hours: Sequence[Bucket]
    plans: Sequence[HourPlan]
    coming: Upcoming
    usual: dict[int, JobStats] = field(default_factory=dict)
    waiting: Sequence[Run] = ()

    @property
    def total(self) -> int:
        """How many jobs are not finished, counted as far as those of each state are."""
        return sum(number for state, number in self.scheduler.jobs.items() if state != "finished")


def is_empty(view: SchedulerView) -> bool:
    """Whether the store holds no job at all."""
    return not any(view.jobs.values()) and not any(view.open_runs.values())


def facts(view: SchedulerView, *, ctx: Context) -> Facts:
    """Return everything that Overview tells of the present moment."""
    now = view.now
    hour = now.replace(minute=0, second=0, microsecond=0)
    with ctx.database.read() as tx:
        seen = needs.look(tx, now)
        found = needs.needs(tx, seen, view.unknown_tasks, is_paused=view.paused is not None, now=now)
        waiting = glance.waiting(tx, MOST_WAITING)
    coming = upcoming(within=HOUR.total_seconds(), limit=MOST_COMING, ctx=ctx)
    return Facts(
        now=now,
        scheduler=view,
        needs=found,
        seen=seen,
        day=day(now, ctx=ctx),
        lag=lag(ctx=ctx),
        hours=buckets(hour - (HOURS_BACK - 1) * HOUR, now, "hour", ctx=ctx),
        plans=week(hour, ctx=ctx)[: HOURS_AHEAD + 1],
        coming=coming,
        usual=of_jobs([one.job.key for one in coming.jobs[:NEXT_UP]], ctx=ctx),
        waiting=waiting,
    )


def verdict(found: Facts) -> tuple[str, str]:
    """Return whether anything is wrong, in a sentence, and what else is worth a line."""
    kinds = Counter(need.kind for need in found.needs)
    again = sum(need.kind is Kind.FAILING and need.number > 1 for need in found.needs)
    parts = [part for part in _wrong(kinds, again, found) if part]
    if found.scheduler.paused:
        parts.insert(0, "firing is paused")
    if not found.scheduler.alive:
        parts.insert(0, "no engine is alive")
    elif len(found.scheduler.drained) == len(found.scheduler.alive):
        parts.insert(0, "every engine is drained")
    return _sentence(parts) if parts else ALL_WELL, _rest(found, kinds)


def _wrong(kinds: Counter[Kind], again: int, found: Facts) -> Iterable[str]:
    once = kinds[Kind.FAILING] - again
    broken = kinds[Kind.BROKEN]
    yield _of(again, "keeps failing", "keep failing")
    yield _of(once, "failed the last time", "failed the last time")
    yield _of(broken, "is broken", "are broken")
    yield _of(kinds[Kind.UNKNOWN], "names a task that no engine has", "name tasks that no engine has")
    yield _of(kinds[Kind.MISSED], "missed a firing", "missed firings")
    yield _of(kinds[Kind.OVERDUE], "is overdue", "are overdue")
    gone = len(found.scheduler.gone)
    yield f"{counted(gone)} engine{'' if gone == 1 else 's'} {'is' if gone == 1 else 'are'} gone" if gone else ""


def _of(number: int, one: str, many: str) -> str:
    return f"{counted(number)} job{'' if number == 1 else 's'} {one if number == 1 else many}" if number else ""


def counted(number: int) -> str:
    """Return a number as it stands in a sentence: in letters up to ten."""
    return NUMBERS[number] if number < len(NUMBERS) else f"{number:,}"


def _sentence(parts: Sequence[str]) -> str:
    """Join at most three parts; jobs are named once: `One job keeps failing and one is broken.`"""
    told: list[str] = []
    for part in parts[:MOST_TOLD]:
        again = any(" job" in before for before in told)
        told.append(part.replace(" jobs ", " ", 1).replace(" job ", " ", 1) if again else part)
    joined = told[0] if len(told) == 1 else f"{', '.join(told[:-1])} and {told[-1]}"
    return joined[0].upper() + joined[1:] + "."


def _rest(found: Facts, kinds: Counter[Kind]) -> str:
    concerned = sum(kinds[kind] for kind in (Kind.BROKEN, Kind.UNKNOWN, Kind.FAILING, Kind.MISSED, Kind.OVERDUE))
    others = found.total - concerned
    held = sum(need.number - 1 for need in found.needs if need.kind is Kind.UNKNOWN)
    others -= held
    first = _on_time(others, bool(concerned))
    slow, missed = kinds[Kind.SLOW], found.day.last.missed
    more = [
        f"{counted(slow).capitalize()} {'runs' if slow == 1 else 'run'} longer than usual." if slow else "",
        f"{counted(missed).capitalize()} firing{'' if missed == 1 else 's'} missed in 24 hours."
        if missed and not kinds[Kind.MISSED]
        else "",
    ]
    return " ".join(part for part in (first, *more) if part)


def _on_time(others: int, some: bool) -> str:
    if others <= 0:
        return ""
    if others == 1:
        return "The other job is on time." if some else "The one job is on time."
    number = f"{others:,}" if others <= MOST_COUNTED else f"{MOST_COUNTED:,}+"
    return f"{'The other' if some else 'All'} {number} jobs are on time."
