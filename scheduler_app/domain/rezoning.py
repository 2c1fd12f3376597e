"""What becomes of a job's next time when the rules of its time zone change.

The rules that stood before are gone, so a planned time is matched with the new ones: its counterpart is the firing
nearest to it, at most a usual clock change away. Invariants kept here:
- A firing that the new rules put before the planned one is not lost, even when it is past by now.
- A firing that has happened by the old rules does not happen again at its new time.
"""

from dataclasses import dataclass
from datetime import datetime

from scheduler_app.domain.trigger import Trigger
from scheduler_app.domain.zone import LARGEST_SHIFT


@dataclass(frozen=True, kw_only=True)
class Promised:
    """The schedule of a job that was due by the old rules: that firing, then those of the new rules after it."""

    firing: datetime
    by_new_rules: Trigger

    def after(self, moment: datetime) -> datetime | None:
        """Return the promised firing, or the first one that follows it."""
        return self.firing if moment < self.firing else successor(self.by_new_rules, self.firing)

    def at_or_before(self, moment: datetime) -> datetime | None:
        """Return the promised firing, the only one that is settled here."""
        return self.firing if moment >= self.firing else None

    def first(self, now: datetime) -> datetime | None:
        """Return the promised firing."""
        return self.firing

    def count(self, since: datetime, until: datetime) -> int | None:
        """Return 1 if the promised firing lies in the range."""
        return int(since <= self.firing <= until)

    def describe(self) -> str:
        """Return the trigger in words."""
        return self.by_new_rules.describe()

    def warnings(self, now: datetime) -> list[str]:
        """Return nothing: nobody is asked."""
        return []


def promised(trigger: Trigger, firing: datetime) -> Trigger:
    """Return a trigger that fires as was promised, then by the new rules."""
    schedule = Promised(firing=firing, by_new_rules=trigger)
    return Trigger(text=trigger.text, jitter=trigger.jitter, schedule=schedule, read_at=trigger.read_at)


def counterpart(trigger: Trigger, firing: datetime) -> datetime | None:
    """Return the firing that stands where one of the old rules stood, or None when there is none near it."""
    before = trigger.at_or_before(firing)
    if before == firing:
        return firing
    around = [at for at in (before, trigger.after(firing)) if at is not None and abs(at - firing) <= LARGEST_SHIFT]
    return min(around, key=lambda at: abs(at - firing), default=None)


def successor(trigger: Trigger, fired: datetime) -> datetime | None:
    """Return the firing that follows one which has happened by the old rules."""
    return trigger.after(max(fired, counterpart(trigger, fired) or fired))


def renewed(trigger: Trigger, planned: datetime, *, last: datetime | None, now: datetime) -> datetime | None:
    """Return the next time by the new rules, in place of one to come; `last` is the last that the job fired."""
    done = now if last is None else max(now, counterpart(trigger, last) or last)
    following = trigger.after(done)
    same = counterpart(trigger, planned)
    if same is not None and last is not None and same <= max(last, counterpart(trigger, last) or last):
        same = None
    return min((at for at in (following, same) if at is not None), default=None)
