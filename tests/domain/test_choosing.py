"""Which queued runs an engine takes next."""

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from scheduler_app.clock import to_micros
from scheduler_app.domain.choosing import NO_PEERS, Peers, Room, choose
from scheduler_app.testing.clock import START

ROOM = Room(slots=4, free=4, waiting=0, idle=True, alone=False, durations={})
BUSY = replace(ROOM, free=3, idle=False)


@dataclass(frozen=True)
class Queued:
    name: str
    task: str = "task"
    delivery: str = "at_least_once"
    suspicions: int = 0
    waited: float = 0.0

    @property
    def ready_at(self) -> int:
        return to_micros(START - timedelta(seconds=self.waited))


def chosen(queue, room, peers=NO_PEERS):
    choice = choose(queue, room, START, peers)
    return " ".join(run.name for run in choice.runs) + (" alone" if choice.alone else "")


def several(count, **more):
    return [Queued(str(number), **more) for number in range(count)]


@pytest.mark.parametrize(
    ("queue", "room", "expected"),
    [
        # as many as there are free slots
        (several(6), ROOM, "0 1 2 3"),
        (several(6), BUSY, "0 1 2"),
        (several(6), replace(ROOM, free=0, idle=False), ""),
        # ahead of a slot what four slots do in 100 ms: here two of 200 ms each, since 0.4 s are theirs
        (several(9), replace(ROOM, durations={"task": 0.2}), "0 1 2 3 4 5"),
        # not ahead what takes long, what is unknown, or what may not be started twice
        (several(9), replace(ROOM, durations={"task": 1.0}), "0 1 2 3"),
        (several(9, task="new"), replace(ROOM, durations={"task": 0.001}), "0 1 2 3"),
        (several(9, delivery="at_most_once"), replace(ROOM, durations={"task": 0.001}), "0 1 2 3"),
        # a suspect is executed alone in an idle engine, and the others wait for it
        ([Queued("s", suspicions=1), Queued("a")], ROOM, "s alone"),
        # whoever is first in the queue goes first, and the suspect waits for an idle engine
        ([Queued("a"), Queued("s", suspicions=1)], ROOM, "a"),
        ([Queued("s", suspicions=1), Queued("a")], BUSY, "a"),
        # but not for long
        ([Queued("s", suspicions=1, waited=3.0), Queued("a")], BUSY, "s a"),
        # from the third suspicion on everything waits for it
        ([Queued("a"), Queued("s", suspicions=3, waited=60.0)], BUSY, ""),
        ([Queued("a"), Queued("s", suspicions=3, waited=60.0)], ROOM, "s alone"),
    ],
)
def test_what_is_taken(queue, room, expected):
    assert chosen(queue, room) == expected


STRICT = Queued("s", suspicions=3, waited=60.0)
ISOLATED = Peers(may_isolate=False)
SECOND = Peers(makes_room=False)


@pytest.mark.parametrize(
    ("queue", "room", "peers", "expected"),
    [
        # while another engine is kept for a suspect, this one goes on
        ([Queued("s", suspicions=1), Queued("a")], ROOM, ISOLATED, "a"),
        ([Queued("a"), STRICT], ROOM, ISOLATED, "a"),
        ([Queued("a"), STRICT], BUSY, ISOLATED, "a"),
        # one engine lets its work run out, but any that happens to be idle may be faster
        ([Queued("a"), STRICT], BUSY, SECOND, "a"),
        ([Queued("a"), STRICT], ROOM, SECOND, "s alone"),
    ],
)
def test_one_engine_at_a_time_is_kept_for_a_suspect(queue, room, peers, expected):
    assert chosen(queue, room, peers) == expected


def test_nothing_is_looked_at_beside_a_run_that_is_alone():
    assert replace(ROOM, alone=True).most == 0
