"""Which queued runs an engine takes next.

- At most as many as there are free slots, plus what those finish in about 100 ms; ahead of a free slot only runs whose
  task's duration is known, that are `at_least_once` and that no suspicion lies on.
- A run that may have killed its engine (not when the whole service was killed) is next executed alone in its engine, so
  that the one that did is found out. That may stall nobody for long, and every run of a dead engine is to run again
  within 5 s: 2.5 s after the rescue nobody waits for an idle engine, or keeps it for itself, any more. Only from the
  third suspicion on does a run wait until it can be alone, to the end.
- Of several engines one at a time does that for suspects: the others go on as if these were not there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from scheduler_app.clock import to_micros
from scheduler_app.domain.policy import Delivery
from scheduler_app.values import value

AHEAD_SECONDS = 0.1
MOST_AHEAD = 250
PATIENCE = 2.5
STRICTLY_ALONE_FROM = 3


class Candidate(Protocol):
    """What choosing needs to know of a queued run; `ready_at` in microseconds."""

    @property
    def task(self) -> str:
        """The task's name."""

    @property
    def delivery(self) -> str:
        """The promise that it was added with."""

    @property
    def suspicions(self) -> int:
        """How many engines died with it, of which it may be the cause."""

    @property
    def ready_at(self) -> int:
        """Since when it could start."""


C = TypeVar("C", bound=Candidate)


@value
class Room:
    """What an engine can take: free slots of all slots, runs it holds that have not started, usual seconds by task."""

    slots: int
    free: int
    waiting: int
    idle: bool
    alone: bool
    durations: Mapping[str, float]

    @property
    def most(self) -> int:
        """How many runs it makes sense to look at."""
        if self.alone:
            return 0
        if not self.durations:
            return max(0, self.free)
        ahead = self.slots * AHEAD_SECONDS / max(min(self.durations.values()), 1e-6)
        return max(0, self.free + min(MOST_AHEAD - self.waiting, int(ahead)))


NO_ROOM = Room(slots=0, free=0, waiting=0, idle=False, alone=False, durations={})


@value
class Choice(Generic[C]):
    """The runs to take; `alone` when it is one that nothing else may run beside."""

    runs: Sequence[C]
    alone: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Peers:
    """What the other engines leave to this one: `may_isolate` when none of them keeps itself for a suspect, and
    `makes_room` when it is this one that lets its work run out for a run that insists."""

    may_isolate: bool = True
    makes_room: bool = True


NO_PEERS = Peers()


def choose(candidates: Sequence[C], room: Room, now: datetime, peers: Peers = NO_PEERS) -> Choice[C]:
    """Pick from the queue, given in the order in which the runs should start."""
    suspects = [run for run in candidates if run.suspicions and _wants_solitude(run, now)]
    if not suspects:
        return Choice(runs=_fill(candidates, room))
    strict = [run for run in suspects if run.suspicions >= STRICTLY_ALONE_FROM]
    if peers.may_isolate:
        if strict and not room.idle and peers.makes_room:
            return Choice(runs=())
        if room.idle and (strict or candidates[0] is suspects[0]):
            return Choice(runs=(strict or suspects)[:1], alone=True)
    return Choice(runs=_fill([run for run in candidates if run not in suspects], room))


def _wants_solitude(run: Candidate, now: datetime) -> bool:
    return insists_on_solitude(run.suspicions, (to_micros(now) - run.ready_at) / 1e6)


def insists_on_solitude(suspicions: int, seconds: float) -> bool:
    """Whether a suspected run may have an engine for itself, so many seconds after it became ready."""
    return suspicions >= STRICTLY_ALONE_FROM or seconds < PATIENCE


def _fill(candidates: Sequence[C], room: Room) -> list[C]:
    taken = list(candidates[: max(0, room.free)])
    budget = room.slots * AHEAD_SECONDS
    for run in candidates[len(taken) :]:
        usual = room.durations.get(run.task)
        if usual is None or run.delivery != Delivery.AT_LEAST_ONCE or run.suspicions or usual > budget:
            break
        budget -= usual
        taken.append(run)
    return taken
