"""The publisher: what is in the outbox goes to the broker, in its own loop, so that a slow broker delays no firing.

No more is published than workers can soon take: the rest waits in the store, where a run of higher priority overtakes.
"""

import secrets
from collections.abc import Mapping, Sequence
from datetime import timedelta

import sqlalchemy as sa

from scheduler_app.broker.messaging import GRACE, Broker
from scheduler_app.clock import Clock
from scheduler_app.domain.policy import Executor
from scheduler_app.domain.task import Registry
from scheduler_app.engine.limiting import Holds, Limiter
from scheduler_app.engine.line import Line
from scheduler_app.store import facts, outbox
from scheduler_app.store.database import Database
from scheduler_app.store.outbox import Message

STORE = "store"
BATCH = 100
MOST_OUTSTANDING = 500
CLAIM_WITHIN = timedelta(seconds=60)
LOOK_EVERY = 1.0
LOOK_WHEN_FULL = 0.02
LOOK_WHEN_LIMITED = timedelta(seconds=0.05)
NO_LIMITS: Mapping[Executor, int] = {}


class Publisher:
    """Publishes the runs of a store."""

    def __init__(
        self,
        database: Database,
        registry: Registry,
        clock: Clock,
        broker: Broker,
        limits: Mapping[Executor, int] = NO_LIMITS,
    ) -> None:
        self._limiter = Limiter(registry, limits, look_again=LOOK_WHEN_LIMITED)
        self._line = Line(outbox.QUEUE, self._limiter, clock, outbox.outstanding_of_task)
        self._database = database
        self._registry = registry
        self._clock = clock
        self._broker = broker
        self._store: str | None = None
        self._asked: dict[str, float] = {}

    def poll(self) -> float:
        """Publish what is due, kill what is deaf, and return how long to wait."""
        now = self._clock.now()
        with self._database.read() as tx:
            if facts.paused_since(tx) is not None:
                return LOOK_EVERY
            room = self._room(tx)
            fresh = self._line.highest(tx, None, now) is not None
            late = outbox.unclaimed(tx, now, limit=BATCH)
            deaf = outbox.to_be_killed(tx)
        self._kill(deaf)
        if late:
            self._publish_again(late)
        if fresh and room > 0 and self._publish_fresh(min(BATCH, room)) == BATCH:
            return 0.0
        return LOOK_WHEN_FULL if fresh and room <= 0 else self._until_free()

    def _room(self, tx: sa.Connection) -> int:
        """Return how many more runs may be published now."""
        outstanding, places = outbox.outstanding(tx), self._limiter.places(tx, Executor.CELERY)
        return (MOST_OUTSTANDING if places is None else min(MOST_OUTSTANDING, places)) - outstanding

    def _until_free(self) -> float:
        """Return how long to wait where all is published that may be: until a limit may have become free."""
        now = self._clock.now()
        free = [(hold.until - now).total_seconds() for hold in self._limiter.holds(now).values()]
        return min([LOOK_EVERY, *free])

    def _publish_fresh(self, most: int) -> int:
        """Publish what was not yet, marked by a commit before it is sent, so that no other engine sends it too."""
        now = self._clock.now()

        def work(tx: sa.Connection) -> tuple[str, list[Message], Holds]:
            runs, used_up = self._line.first(tx, None, most, now)
            return store_id(tx), outbox.mark(tx, outbox.as_messages(runs), now + CLAIM_WITHIN), used_up

        self._store, messages, used_up = self._database.write(work)
        self._limiter.remember(used_up)
        self._send(messages)
        return len(messages)

    def _publish_again(self, late: Sequence[Message]) -> None:
        """Publish what no worker claimed in its time, unless it still waits in the broker because all are busy."""
        now = self._clock.now()
        with self._database.read() as tx:
            outstanding = outbox.outstanding(tx)
        is_there = self._broker.depth({self._queue(message) for message in late}) >= outstanding

        def work(tx: sa.Connection) -> tuple[str, list[Message]]:
            return store_id(tx), outbox.mark(tx, outbox.unclaimed(tx, now, limit=BATCH), now + CLAIM_WITHIN)

        self._store, messages = self._database.write(work)
        self._send([] if is_there else messages)

    def _send(self, messages: Sequence[Message]) -> None:
        sent = 0
        try:
            for message in messages:
                self._broker.publish(message, store=str(self._store), queue=self._queue(message))
                sent += 1
        finally:
            unsent = [message.run_id for message in messages[sent:]]
            if unsent:
                self._database.write(lambda tx: outbox.unmark(tx, unsent))

    def _queue(self, message: Message) -> str | None:
        task = self._registry.find(message.task)
        return None if task is None else task.queue

    def _kill(self, deaf: Sequence[str]) -> None:
        """End by force what was asked to stop and did not within its grace."""
        now = self._clock.monotonic()
        self._asked = {message: self._asked.get(message, now) for message in deaf}
        for message in [message for message, since in self._asked.items() if now - since >= GRACE]:
            self._broker.kill(message)
            self._asked[message] = now  # once more, should it not have been heard


def store_id(tx: sa.Connection) -> str:
    """Return the name by which a message says whose run it means, giving the store one if it has none yet."""
    known = facts.get(tx, STORE)
    if known is None:
        known = {"id": secrets.token_hex(8)}
        facts.put(tx, STORE, known)
    return str(known["id"])
