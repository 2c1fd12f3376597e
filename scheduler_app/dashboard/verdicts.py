"""The verdict on a run: one sentence, the first thing that is read."""

from datetime import datetime

from scheduler_app.dashboard.reasons import reason_of
from scheduler_app.dashboard.words import distance, duration, plural
from scheduler_app.domain.run import Reason, Run, RunState

ENDED_WORDS: dict[str, str] = {
    RunState.SUCCEEDED: "Succeeded",
    RunState.FAILED: "Failed",
    RunState.TIMED_OUT: "Timed out",
    RunState.CANCELLED: "Cancelled",
    RunState.LOST: "Lost",
    RunState.MISSED: "Missed",
    RunState.SKIPPED: "Skipped",
}
WAITS = {
    Reason.BLOCKED: "Waits for another run to end",
    Reason.JITTER: "Waits for its spread start",
    Reason.DELAYED: "Waits for its time",
}


def verdict_of(run: Run, now: datetime) -> str:
    """Tell how a run stands."""
    if run.state is RunState.RUNNING:
        return _running(run, now)
    if run.state is RunState.QUEUED:
        return "Waits for a free slot"
    if run.state is RunState.SCHEDULED:
        return _waiting(run, now)
    if run.state in (RunState.MISSED, RunState.SKIPPED):
        return _not_executed(run)
    return _ended(run)


def _running(run: Run, now: datetime) -> str:
    elapsed = duration(max(0.0, (now - run.started_at).total_seconds()) if run.started_at else 0.0)
    return f"Stopping after {elapsed}" if run.cancel_requested else f"Running for {elapsed}"


def _waiting(run: Run, now: datetime) -> str:
    away = f", {distance(run.ready_at, now)}" if run.ready_at > now else ""
    if run.reason == Reason.RETRY:
        return f"Waits for attempt {run.attempt + 1} of {run.max_attempts}{away}"
    wait = WAITS.get(Reason(run.reason), "Waits") if run.reason in tuple(Reason) else "Waits for its time"
    return wait if run.reason == Reason.BLOCKED else f"{wait}{away}"


def _not_executed(run: Run) -> str:
    if run.state is RunState.SKIPPED:
        return f"Skipped: {reason_of(run)}"
    count = run.missed.count if run.missed else 1
    many = "" if count == 1 else f" {plural(count, 'firing')}" if count else " more than 10,000 firings"
    return f"Missed{many}: {reason_of(run)}"


def _ended(run: Run) -> str:
    word = ENDED_WORDS[run.state]
    if run.duration is None:
        return f"{word} before it started"
    if run.attempt > 1:
        succeeded = run.state is RunState.SUCCEEDED
        return f"{word} at attempt {run.attempt}" if succeeded else f"{word} after {run.attempt} attempts"
    if run.state is RunState.LOST:
        return f"{word} after {duration(run.duration)}: {reason_of(run) or 'its engine died'}"
    return f"{word} {'in' if run.state is RunState.SUCCEEDED else 'after'} {duration(run.duration)}"
