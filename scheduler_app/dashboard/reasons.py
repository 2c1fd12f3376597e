"""Why a run waits, was not executed, or ended as it did, in a few words."""

from scheduler_app.domain.run import Reason, Run, RunState
from scheduler_app.domain.text import one_line

REASONS = {
    Reason.BLOCKED: "another run of the job, or of its concurrency key, has to end first",
    Reason.JITTER: "its start is spread by the job's jitter",
    Reason.RETRY: "the next attempt has its time",
    Reason.GRACE: "it came later than the job's grace time allows",
    Reason.COALESCED: "several firings were due at once; the latest of them ran",
    Reason.PAUSED: "the job, or the scheduler, was paused",
    Reason.BROKEN: "the job was broken",
    Reason.OVERLAP: "the job was still running, and its overlap policy lets no more wait",
    Reason.JOB_DELETED: "its job was deleted",
    Reason.REQUESTED: "somebody asked for it",
    Reason.CRASHED: "its engine died",
    Reason.DELAYED: "it could not start yet",
    Reason.SHUTDOWN: "its engine was stopped",
    Reason.NO_BEAT: "its engine could not reach the store",
    Reason.DECLARED_DEAD: "its engine was taken for dead",
    Reason.TIMEOUT: "it ran longer than its timeout",
    Reason.NOT_STARTED: "its executor did not start it",
}
ORIGINS = {"schedule": "by schedule", "once": "once", "manual": "by hand", "retry": "a retry"}


def reason_of(run: Run) -> str:
    """Tell the reason of a run; one that is not known as it stands."""
    return REASONS.get(Reason(run.reason), run.reason) if run.reason in tuple(Reason) else one_line(run.reason or "")


def outcome_of(run: Run) -> str:
    """Tell in one line what became of a run: its error, the reason, or its result."""
    if run.error is not None and run.state is not RunState.SUCCEEDED:
        return one_line(f"{run.error.type}: {run.error.message}")
    if run.reason is not None:
        return f"{_range(run)}{reason_of(run)}"
    if run.state is RunState.SUCCEEDED:
        return "" if run.result is None else one_line(str(run.result))
    if run.progress is not None:
        return one_line(run.progress.message or "")
    return ""


def _range(run: Run) -> str:
    if run.missed is None or run.missed.count == 1:
        return ""
    return f"{run.missed.count or 'more than 10,000'} firings: "
