"""What needs somebody, as lines: what, why in one line, and the one thing to do about it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from scheduler_app.dashboard import words
from scheduler_app.domain.run import Reason
from scheduler_app.services.needs import Kind, Need

LONGEST = 200
SHAPES = {
    Kind.BROKEN: "broken",
    Kind.UNKNOWN: "broken",
    Kind.FAILING: "failed",
    Kind.MISSED: "missed",
    Kind.OVERDUE: "missed",
    Kind.SLOW: "running",
    Kind.PAUSED: "paused",
}
WHY_MISSED: dict[str, str] = {
    Reason.COALESCED: "several were due at once, and only the latest ran",
    Reason.PAUSED: "it was paused",
    Reason.BROKEN: "it was broken",
}


@dataclass(frozen=True, kw_only=True)
class Line:
    """A job that needs somebody. `action` names what to do: see `templates/_needs.html`."""

    shape: str
    job_id: str
    name: str
    what: str
    why: str
    action: str
    run_id: int | None


@dataclass(frozen=True, kw_only=True)
class Reader:
    """When and where the lines are read."""

    now: datetime
    zone: ZoneInfo

    def clock(self, at: datetime) -> str:
        """Tell a moment as the clock shows it, to the minute."""
        return words.clock(at.replace(second=0, microsecond=0), self.now, self.zone)


def line_of(need: Need, reader: Reader) -> Line:
    """Return the line of a job."""
    action, tell = LINES[need.kind]
    what, why = tell(need, reader)
    return Line(
        shape=need.run.state if need.kind is Kind.FAILING and need.run else SHAPES[need.kind],
        job_id=need.job.id,
        name=need.job.name,
        what=what,
        why=why if len(why) <= LONGEST else f"{why[:LONGEST]}…",
        action=action,
        run_id=need.run.id if need.run else None,
    )


def _broken(need: Need, reader: Reader) -> tuple[str, str]:
    return "is broken", f"{need.job.reason or 'no reason was kept'} · since {reader.clock(need.since)}"


def _unknown(need: Need, reader: Reader) -> tuple[str, str]:
    others = f", nor have {words.plural(need.number - 1, 'other job')} that name it" if need.number > 1 else ""
    return "waits for its task", f"no living engine has registered {need.job.task}{others}"


def _failing(need: Need, reader: Reader) -> tuple[str, str]:
    what = f"failed {need.number} times in a row" if need.number > 1 else "failed the last time"
    error = need.run.error if need.run else None
    because = (
        f"{error.type}: {error.message} · " if error else f"{need.run.state.replace('_', ' ')} · " if need.run else ""
    )
    at = need.job.next_run_time
    again = f", next firing {words.distance(at, reader.now)}" if at and at > reader.now else ""
    return what, f"{because}since {reader.clock(need.since)}{again}"


def _missed(need: Need, reader: Reader) -> tuple[str, str]:
    times = f" and {need.number - 1:,} more" if need.number > 1 else ""
    grace, run = need.job.policies.misfire_grace_time, need.run
    why = WHY_MISSED.get(run.reason or "", "") if run else ""
    if run and run.finished_at and run.reason == Reason.GRACE:
        late = words.duration((run.finished_at - run.scheduled_at).total_seconds())
        why = f"{late} late, allowed are {words.duration(grace)}"
    return f"missed {reader.clock(need.since)}{times}", f"{why or 'recorded'} · nothing has succeeded since"


def _overdue(need: Need, reader: Reader) -> tuple[str, str]:
    return "is overdue", f"due at {reader.clock(need.since)}, {words.distance(need.since, reader.now)}, and not fired"


def _slow(need: Need, reader: Reader) -> tuple[str, str]:
    elapsed = words.countdown((reader.now - need.since).total_seconds())
    return "runs longer than usual", f"{elapsed} against p95 {words.duration(need.stats.p95)}"


def _paused(need: Need, reader: Reader) -> tuple[str, str]:
    days = (reader.now - need.since).days
    reason = f"“{need.job.reason}” · " if need.job.reason else ""
    return f"paused {days} days, without an end", f"{reason}since {reader.clock(need.since)}"


LINES: dict[Kind, tuple[str, Callable[[Need, Reader], tuple[str, str]]]] = {
    Kind.BROKEN: ("fix", _broken),
    Kind.UNKNOWN: ("see", _unknown),
    Kind.FAILING: ("last run", _failing),
    Kind.MISSED: ("run now", _missed),
    Kind.OVERDUE: ("see", _overdue),
    Kind.SLOW: ("watch", _slow),
    Kind.PAUSED: ("resume", _paused),
}
