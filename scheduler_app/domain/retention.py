"""How long history is kept: a limit of age for each final state, and a limit of number for each job."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from scheduler_app.domain.run import FINAL_STATES, RunState

LONGEST_REST = timedelta(hours=1)
SHORTEST_REST = timedelta(seconds=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Retention:
    """What is kept of runs that have ended. A state without an age is kept for ever, None keeps every run of a job.

    `changes` is how long it is kept who changed what, None: for ever;
    `minutes` and `hours`: how long it is kept how many ended in each minute, and in each hour.
    """

    ages: Mapping[RunState, timedelta] = field(default_factory=dict)
    runs_per_job: int | None = None
    changes: timedelta | None = None
    minutes: timedelta = timedelta(hours=48)
    hours: timedelta = timedelta(days=400)

    def cutoffs(self, now: datetime) -> dict[RunState, datetime | None]:
        """Return for each final state the time since which its runs are kept."""
        ages = {state: self.ages.get(state) for state in FINAL_STATES}
        return {state: None if age is None else now - age for state, age in ages.items()}

    def youngest(self, now: datetime) -> datetime | None:
        """Return the time since which no run is too old, whatever its state; None when age does not matter."""
        return now - min(self.ages.values()) if self.ages else None

    @property
    def rest(self) -> timedelta:
        """How long to wait between two sweeps: a job that runs every second keeps at most twice its number."""
        limits = [LONGEST_REST, *(age / 10 for age in self.ages.values())]
        if self.runs_per_job is not None:
            limits.append(timedelta(seconds=self.runs_per_job))
        return max(SHORTEST_REST, min(limits))


EVERYTHING = Retention()
