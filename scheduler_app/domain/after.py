"""The trigger `after`: a job fires when a run of another job ends. It has no times, what fires it is a run.

The other job is named by its id: what counts is the id that the run carries, whether its job is still there or not.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from scheduler_app.domain.job import ID_PATTERN, is_job_id
from scheduler_app.domain.run import RunState
from scheduler_app.domain.spec import Spec, nearest, shown

Item = TypeVar("Item")
AFTER = "after"
MOST_LINKS = 100


class On(StrEnum):
    """Which ends of a run fire the jobs after it."""

    SUCCESS = "success"
    FAILURE = "failure"
    FINISH = "finish"


# who cancels a run wants neither what follows its success nor an alarm; but what it left behind is to be tidied up
_FAILED = frozenset({RunState.FAILED, RunState.TIMED_OUT, RunState.LOST})
ENDS: dict[On, frozenset[RunState]] = {
    On.SUCCESS: frozenset({RunState.SUCCEEDED}),
    On.FAILURE: _FAILED,
    On.FINISH: _FAILED | {RunState.SUCCEEDED, RunState.CANCELLED},
}
_WORDS = {
    On.SUCCESS: "After each success of {}",
    On.FAILURE: "After each failure of {}",
    On.FINISH: "After each run of {}, however it ends",
}


@dataclass(frozen=True, kw_only=True)
class AfterRuns:
    """A schedule without times: the ends of the runs of a job."""

    job: str
    on: On

    def fires_on(self, state: RunState) -> bool:
        """Whether a run that was started and ended like that fires."""
        return state in ENDS[self.on]

    def after(self, moment: datetime) -> datetime | None:
        """Return None: when a run will end, nobody knows."""
        return None

    def at_or_before(self, moment: datetime) -> datetime | None:
        """Return None: when runs ended, the store knows."""
        return None

    def first(self, now: datetime) -> datetime | None:
        """Return None, as `after` does."""
        return None

    def count(self, since: datetime, until: datetime) -> int | None:
        """Return 0, as `after` does."""
        return 0

    def describe(self) -> str:
        """Return it in words."""
        return _WORDS[self.on].format(self.job)

    def warnings(self, now: datetime) -> list[str]:
        """Return none."""
        return []


def parse_after(spec: Spec) -> tuple[dict[str, object], AfterRuns]:
    """Read the fields of an `after` trigger; return them in normal form, with their schedule."""
    job, on = spec.given.get("job"), spec.given.get("on")
    if job is None:
        spec.fault("job", "'job' is missing; an after trigger needs the id of the job whose runs it waits for.")
    elif not isinstance(job, str) or not is_job_id(job):
        spec.fault("job", f"'job' must be the id of a job, which matches {ID_PATTERN}, got {shown(job)}.")
    if on is not None and (not isinstance(on, str) or on not in tuple(On)):
        hint = nearest(on, tuple(On)) if isinstance(on, str) else ""
        spec.fault("on", f"'on' must be one of {', '.join(On)}, got {shown(on)}{hint}.")
    spec.settle()
    schedule = AfterRuns(job=str(job), on=On.SUCCESS if on is None else On(str(on)))
    return {"job": schedule.job, "on": str(schedule.on)}, schedule


def parent_of(trigger: Mapping[str, Any] | None) -> str | None:
    """Return the id of the job that a trigger in normal form comes after; None when it has times instead."""
    return None if trigger is None or trigger.get("type") != AFTER else trigger.get("job")


def lacking(parent: str) -> str:
    """Return why a job does not fire that comes after one that is gone."""
    return (
        f"it never fires: it comes after job {parent!r}, and there is none; add one of that id, or change the trigger"
    )


def chain_of(job_id: str, parent: str, find: Callable[[str], str | None]) -> list[str]:
    """Return the jobs that a job would come after, itself first: to the first of them, to itself, or 100 on."""
    chain = [job_id, parent]
    following: str | None = find(parent) if parent != job_id else None
    while following is not None and len(chain) <= MOST_LINKS:
        chain.append(following)
        following = find(following) if following != job_id else None
    return chain


def parents_first(items: Iterable[Item], *, key: Callable[[Item], str], parent: Callable[[Item], Any]) -> list[Item]:
    """Return items in their order, but each behind the one it comes after; those in a circle come last."""
    ordered: list[Item] = []
    waiting = list(items)
    while waiting:
        unborn = {key(item) for item in waiting}
        held = [item for item in waiting if parent(item) in unborn]
        if len(held) in (0, len(waiting)):
            return ordered + waiting
        ordered += [item for item in waiting if parent(item) not in unborn]
        waiting = held
    return ordered
